//! The home by owners and modes.
//!
//! Directories are 0700 whatever the umask is; the process's umask is never touched, because
//! other threads create files too.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Home, cannot_create};
use crate::error::{Error, ErrorCode, Result};
use crate::sys::{clock, trust, user};

/// Creates a directory and all above it that is missing, private.
pub(super) fn create_all(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Refuses file systems that cannot be written or on which locks fail.
pub(super) fn check_file_system(home: &Home) -> Result<()> {
    let failed = |error: rustix::io::Errno| home.unusable("cannot be looked at").source(error);
    let volume = rustix::fs::statvfs(home.root()).map_err(failed)?;
    if volume.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Err(home
            .unusable("is on a read-only file system")
            .hint("Set MESH_HOME to a directory that can be written."));
    }
    #[cfg(target_os = "linux")]
    {
        let magic = rustix::fs::statfs(home.root()).map_err(failed)?.f_type;
        if let Some((_, name)) = NETWORK.iter().find(|(known, _)| *known == magic) {
            return Err(home
                .unusable(&format!("is on a network file system ({name}), where locks fail"))
                .hint("Set MESH_HOME to a directory on a local disk."));
        }
    }
    #[cfg(target_os = "macos")]
    {
        let about = rustix::fs::statfs(home.root()).map_err(failed)?;
        if about.f_flags & libc::MNT_LOCAL.cast_unsigned() == 0 {
            return Err(home
                .unusable("is on a network file system, where locks fail")
                .hint("Set MESH_HOME to a directory on a local disk."));
        }
    }
    Ok(())
}

/// File systems whose locks may be emulated, local to one host or absent, by statfs magic. 9p is
/// among them: it carries a folder of another system, and sockets cannot be made in it.
#[cfg(target_os = "linux")]
const NETWORK: [(rustix::fs::FsWord, &str); 9] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0102_1997, "9p"),
];

/// Creates a private directory, or finds one.
pub(super) fn create(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            // The umask can only have taken bits away, so nobody saw the directory too open.
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(|error| cannot_create(path, error))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(cannot_create(path, error)),
    }
}

/// Makes an empty directory private that others could read but not write, such as one that the
/// user just made for `MESH_HOME`: nobody can have put anything into it. A directory with content
/// is left to [`verify`], because it may serve other purposes.
pub(super) fn close_if_empty(path: &Path) -> Result<()> {
    let Ok(about) = fs::symlink_metadata(path) else { return Ok(()) };
    let mode = about.mode() & 0o7777;
    let is_ours = about.is_dir() && about.uid() == user::euid();
    if !is_ours || mode & 0o077 == 0 || mode & 0o022 != 0 {
        return Ok(());
    }
    match fs::read_dir(path).map(|mut found| found.next().is_none()) {
        Ok(true) => fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|error| cannot_create(path, error)),
        _ => Ok(()),
    }
}

/// Refuses a directory that is not this user's own and private. Under a strict umask another
/// process may be between its two steps in [`create`]; that is waited for, to `until`.
pub(super) fn verify(path: &Path, until: Instant) -> Result<()> {
    let at = path.display();
    let about = fs::symlink_metadata(path).map_err(|error| {
        Error::new(ErrorCode::Home, format!("the directory {at} cannot be looked at")).source(error)
    })?;
    if !about.is_dir() {
        let found = trust::kind_of(&about);
        return Err(Error::new(ErrorCode::Home, format!("{at} is {found}, not a directory"))
            .hint(format!("Move {at} away, or set MESH_HOME to another directory.")));
    }
    let (owner, user) = (about.uid(), user::euid());
    if owner != user {
        let what = format!("{at} belongs to user {owner}, but this process runs as user {user}");
        return Err(Error::new(ErrorCode::Refused, what)
            .hint("Run it as the owner, or set MESH_HOME to a directory of your own."));
    }
    let mode = about.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let what = format!("{at} is open to other users (mode {mode:04o})");
        return Err(Error::new(ErrorCode::Refused, what)
            .hint(format!("Check that nobody tampered with it, then `chmod 700 {at}`.")));
    }
    if mode & 0o700 == 0o700 {
        return Ok(());
    }
    if until > Instant::now() {
        clock::pause(Duration::from_millis(1));
        return verify(path, until);
    }
    let what = format!("{at} is closed to its owner (mode {mode:04o})");
    Err(Error::new(ErrorCode::Home, what).hint(format!("Run `chmod 700 {at}`.")))
}
