//! Lock files by ranges of bytes.
//!
//! A lock here keeps others from reading what is locked. So it is on one byte far behind the
//! signature, where nothing is ever written: the signature of a held lock can be read.

#![expect(unsafe_code, reason = "std and fs2 lock the whole file")]

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::windows::io::AsRawHandle;
use std::path::Path;

use windows_sys::Win32::Foundation::{ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, GetFileInformationByHandle, LOCKFILE_EXCLUSIVE_LOCK,
    LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use crate::error::{Error, ErrorCode, Result};
use crate::sys::access::{self, Access};
use crate::sys::win32::code;
use crate::sys::{file, trust, user};

/// Takes the lock of an open file; [`is_held`] tells when somebody else has it.
pub(super) fn lock(file: &File) -> io::Result<()> {
    let how = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    let mut range = far_byte();
    // SAFETY: the file is open for synchronous calls, so the call is over when it returns.
    match unsafe { LockFileEx(file.as_raw_handle(), how, 0, 1, 0, &raw mut range) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Gives it back.
pub(super) fn unlock(file: &File) {
    let mut range = far_byte();
    // SAFETY: as above. A failure leaves it to the close that follows.
    unsafe { UnlockFileEx(file.as_raw_handle(), 0, 1, 0, &raw mut range) };
}

/// The place of the locked byte: 2^62.
fn far_byte() -> OVERLAPPED {
    let place = OVERLAPPED_0_0 { Offset: 0, OffsetHigh: 1 << 30 };
    OVERLAPPED { Anonymous: OVERLAPPED_0 { Anonymous: place }, ..OVERLAPPED::default() }
}

/// Whether the error says that somebody else has the lock, or has the file for a moment.
pub(super) fn is_held(error: &io::Error) -> bool {
    matches!(code(error), ERROR_LOCK_VIOLATION | ERROR_SHARING_VIOLATION)
}

/// Whether the path leads to this open file. It is open such that nobody can delete or rename it;
/// where a file system does not care for that, this finds it out.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let found = match access::look_at(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let identity = |about: BY_HANDLE_FILE_INFORMATION| {
        (about.dwVolumeSerialNumber, about.nFileIndexHigh, about.nFileIndexLow)
    };
    Ok(identity(about(&found)?) == identity(about(file)?))
}

fn about(file: &File) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    let mut about = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the file is open and the place for the answer writable.
    match unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut about) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(about),
    }
}

/// Refuses what is not a private file of this user's, and makes it private. That it is a regular
/// file was seen when it was opened.
pub(super) fn check(held: &File, path: &Path) -> Result<()> {
    let links = about(held).map_err(|error| failed(path, error))?.nNumberOfLinks;
    let access = Access::of(held).map_err(|error| failed(path, error))?;
    let why = if !access.is_owned_by(&user::own()) {
        format!("it belongs to {}", access::named(&access.owner))
    } else if links > 1 {
        "it has a second name".to_owned()
    } else {
        return file::make_private(held).map_err(|error| failed(path, error));
    };
    Err(not_ours(path, &why))
}

fn not_ours(path: &Path, why: &str) -> Error {
    let at = path.display();
    Error::new(ErrorCode::Refused, format!("the lock file {at} is not ours: {why}"))
        .hint(format!("Find out who put it there, then remove {at}."))
}

/// What went wrong with a lock file, and whose fault that is.
pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    if let Ok(found) = fs::symlink_metadata(path)
        && !found.is_file()
    {
        return not_ours(path, &format!("it is {}", trust::kind_of(&found))).source(error);
    }
    let what = format!("the lock file {} cannot be used", path.display());
    Error::new(ErrorCode::Home, what).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::lock::FileLock;

    #[test]
    fn a_lock_file_that_is_held_cannot_be_deleted_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = FileLock::try_acquire(&path).unwrap().unwrap();
        assert!(fs::remove_file(&path).is_err());
        assert!(fs::rename(&path, dir.path().join("m")).is_err());
        assert!(held.is_current().unwrap());
        assert!(Access::of(&held.file).unwrap().guests(&user::own()).is_empty());
        drop(held);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn another_file_at_the_path_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1"), dir.path().join("2"));
        let held = FileLock::try_acquire(&one).unwrap().unwrap();
        assert!(is_at(&held.file, &one).unwrap());
        assert!(!is_at(&held.file, &two).unwrap());
        fs::write(&two, "").unwrap();
        assert!(!is_at(&held.file, &two).unwrap());
    }

    #[test]
    fn a_file_that_somebody_keeps_from_others_counts_as_held() {
        use std::os::windows::fs::OpenOptionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        fs::write(&path, "").unwrap();
        let holder = fs::OpenOptions::new().read(true).share_mode(0).open(&path).unwrap();
        assert!(FileLock::try_acquire(&path).unwrap().is_none());
        drop(holder);
        assert!(FileLock::try_acquire(&path).unwrap().is_some());
    }
}
