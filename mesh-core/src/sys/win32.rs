//! What every call to Windows needs: owned handles, texts in UTF-16, numbers of errors.
#![expect(unsafe_code, reason = "a raw handle becomes an owned one")]

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};

/// A handle that a call has just given, or what the system says of the call.
///
/// # Safety
/// The handle is null, invalid, or open and nobody else's to close; and no other call came between.
pub(crate) unsafe fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A text as the system takes it, with a zero at its end.
///
/// # Errors
/// `InvalidInput` when it holds a zero, at which the system would cut it.
pub(crate) fn wide(text: impl AsRef<OsStr>) -> io::Result<Vec<u16>> {
    let mut units: Vec<u16> = text.as_ref().encode_wide().collect();
    if units.contains(&0) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "a text holds a NUL"));
    }
    units.push(0);
    Ok(units)
}

/// The system's number of an error, 0 for one that is not the system's.
pub(crate) fn code(error: &io::Error) -> u32 {
    error.raw_os_error().and_then(|code| u32::try_from(code).ok()).unwrap_or_default()
}
