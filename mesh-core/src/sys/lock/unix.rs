//! Lock files by owner, mode and inode.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use fs2::FileExt;

use crate::error::{Error, ErrorCode, Result};
use crate::sys::{file, trust, user};

/// Takes the lock of an open file; [`is_held`] tells when somebody else has it.
pub(super) fn lock(file: &File) -> io::Result<()> {
    FileExt::try_lock_exclusive(file)
}

/// Gives it back. A failure leaves it to the close that follows.
pub(super) fn unlock(file: &File) {
    let _ = FileExt::unlock(file);
}

/// Whether the error says that somebody else has the lock.
pub(super) fn is_held(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

/// Whether the path leads to this open file.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses what is not a private regular file of this user's, and makes it private.
pub(super) fn check(held: &File, path: &Path) -> Result<()> {
    let about = held.metadata().map_err(|error| failed(path, error))?;
    let at = path.display();
    let why = if !about.is_file() {
        format!("it is {}", trust::kind_of(&about))
    } else if about.uid() != user::euid() {
        format!("it belongs to user {}", about.uid())
    } else if about.nlink() > 1 {
        "it has a second name".to_owned()
    } else {
        return file::make_private(held).map_err(|error| failed(path, error));
    };
    Err(Error::new(ErrorCode::Refused, format!("the lock file {at} is not ours: {why}"))
        .hint(format!("Find out who put it there, then remove {at}.")))
}

/// What went wrong with a lock file, and whose fault that is.
pub(super) fn failed(path: &Path, error: std::io::Error) -> Error {
    let what = format!("the lock file {} cannot be used", path.display());
    let code = match error.raw_os_error() {
        Some(libc::ELOOP | libc::ENXIO | libc::EISDIR) => ErrorCode::Refused,
        _ => ErrorCode::Home,
    };
    Error::new(code, what).source(error)
}
