//! Files by descriptors, flags and modes.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tempfile::NamedTempFile;

use super::directory_of;

/// Opens for reading, without following a link and without waiting for a FIFO's other end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::RDONLY)
}

/// Opens for reading and writing, and creates the file (0600) if it is missing.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::RDWR | OFlags::CREATE)
}

/// Opens for appending, and creates the file (0600) if it is missing.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    let file = open_with(path, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE)?;
    if file.metadata()?.is_file() {
        make_private(&file)?;
        // A child that gets the file as its output should find it as any other.
        rustix::fs::fcntl_setfl(&file, OFlags::APPEND)?;
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

fn open_with(path: &Path, flags: OFlags) -> io::Result<File> {
    let always = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags | always, Mode::RUSR | Mode::WUSR)?))
}

/// Sets the mode to 0600: a strict umask takes even the owner's bits away from a new file.
pub(crate) fn make_private(file: &File) -> io::Result<()> {
    match file.metadata()?.permissions().mode() & 0o777 {
        0o600 => Ok(()),
        _ => file.set_permissions(Permissions::from_mode(0o600)),
    }
}

/// Whether `path` is a file that this user may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// What to do about a file that is not executable.
pub(crate) fn how_executable(path: &Path) -> String {
    format!("`chmod u+x {}` allows it, if it is a program.", path.display())
}

/// The files that the name of a program may mean: it alone.
pub(crate) fn spellings(program: &Path) -> Vec<PathBuf> {
    vec![program.to_owned()]
}

/// The path as people write it: as it is.
pub(crate) fn plain(path: &Path) -> PathBuf {
    path.to_owned()
}

/// Puts a temporary file in the place of `path`.
pub(super) fn put(temp: NamedTempFile, path: &Path) -> io::Result<()> {
    temp.persist(path).map(drop).map_err(|error| error.error)
}

/// Makes the renames in the directory of `path` durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory_of(path)?)?.sync_all()
}
