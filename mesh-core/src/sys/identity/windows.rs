//! Serial number of the volume and index of the file.
#![expect(unsafe_code, reason = "std gives the index of a file on nightly only")]

use std::fs::File;
use std::io;
use std::mem;
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, GetFileInformationByHandle,
};

use super::FileId;

pub(super) fn of(file: &File) -> io::Result<FileId> {
    // SAFETY: the structure is plain numbers, for which zeros are valid.
    let mut about: BY_HANDLE_FILE_INFORMATION = unsafe { mem::zeroed() };
    // SAFETY: the handle is open while `file` is borrowed, and `about` is as large as is written.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut about) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let number = u64::from(about.nFileIndexHigh) << 32 | u64::from(about.nFileIndexLow);
    Ok(FileId { volume: about.dwVolumeSerialNumber.into(), number })
}
