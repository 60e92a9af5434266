//! Volumes by their unique names, which the system keeps for as long as it knows a disk.
//!
//! What has no such name (a network share, a directory that stands for a drive) is known by its
//! root and the serial number that its file system was given when it was made.

#![expect(unsafe_code, reason = "std knows no volumes")]

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Storage::FileSystem::{
    GetDriveTypeW, GetVolumeInformationW, GetVolumeNameForVolumeMountPointW, GetVolumePathNameW,
};
use windows_sys::Win32::System::Diagnostics::Debug::{SEM_FAILCRITICALERRORS, SetThreadErrorMode};
use windows_sys::Win32::System::SystemServices::{FILE_PERSISTENT_ACLS, FILE_READ_ONLY_VOLUME};
use windows_sys::Win32::System::WindowsProgramming::DRIVE_REMOTE;

use crate::sys::file::wide;

/// What the unique name of a volume begins with.
const UNIQUE: &str = r"\\?\Volume{";
/// Units in a unique name, with its end.
const UNIQUE_MAX: u32 = 64;

/// What a volume is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    /// It is another machine's.
    pub(crate) is_remote: bool,
    /// Nothing on it can be changed.
    pub(crate) is_read_only: bool,
    /// Its files have access lists.
    pub(crate) keeps_access: bool,
    serial: u32,
}

/// The volume that holds `path`, if the system tells.
pub(crate) fn of(path: &Path) -> Option<String> {
    let path = std::fs::canonicalize(path).ok()?;
    let root = root_of(&path).ok()?;
    match unique_name(&root) {
        Some(name) => Some(name),
        None => Some(format!("{:08x} {}", about_root(&root).ok()?.serial, text(&root)?)),
    }
}

/// Whether a volume that [`of`] named is known to be mounted.
///
/// # Blocking
/// For a network share, until its server answers or the system gives it up.
pub(crate) fn is_present(volume: &str) -> bool {
    let (serial, root) = match volume.split_once(' ') {
        _ if volume.starts_with(UNIQUE) => (None, volume),
        Some((serial, root)) => (Some(serial), root),
        None => return false,
    };
    let root: Vec<u16> = root.encode_utf16().chain([0]).collect();
    about_root(&root)
        .is_ok_and(|about| serial.is_none_or(|serial| serial == format!("{:08x}", about.serial)))
}

/// What the volume that holds `path` is good for.
pub(crate) fn about(path: &Path) -> io::Result<About> {
    about_root(&root_of(path)?)
}

/// The root of the volume that holds a path, with a zero at its end.
fn root_of(path: &Path) -> io::Result<Vec<u16>> {
    let path = wide(path)?;
    // A root is part of the path, but for a separator and the end.
    let mut root = vec![0; path.len() + 2];
    let size = u32::try_from(root.len()).unwrap_or(0);
    // SAFETY: the path ends with a zero, and the other vector is writable for `size` units.
    match unsafe { GetVolumePathNameW(path.as_ptr(), root.as_mut_ptr(), size) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(cut(root)),
    }
}

fn unique_name(root: &[u16]) -> Option<String> {
    let mut name = vec![0; usize::try_from(UNIQUE_MAX).ok()?];
    // SAFETY: the root ends with a zero, and the name is writable for so many units.
    let done =
        unsafe { GetVolumeNameForVolumeMountPointW(root.as_ptr(), name.as_mut_ptr(), UNIQUE_MAX) };
    text(&cut(name)).filter(|name| done != 0 && name.starts_with(UNIQUE))
}

fn about_root(root: &[u16]) -> io::Result<About> {
    let (mut serial, mut flags, mut mode) = (0, 0, 0);
    // A drive without a disk in it must answer an error, not ask the user for a disk.
    // SAFETY: the root ends with a zero; the places are writable, and what is null is not wanted.
    // The mode is this thread's, and is put back.
    let (kind, done) = unsafe {
        SetThreadErrorMode(SEM_FAILCRITICALERRORS, &raw mut mode);
        let kind = GetDriveTypeW(root.as_ptr());
        let done = GetVolumeInformationW(
            root.as_ptr(),
            ptr::null_mut(),
            0,
            &raw mut serial,
            ptr::null_mut(),
            &raw mut flags,
            ptr::null_mut(),
            0,
        );
        (kind, if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) })
    };
    // SAFETY: as above.
    unsafe { SetThreadErrorMode(mode, ptr::null_mut()) };
    done?;
    Ok(About {
        is_remote: kind == DRIVE_REMOTE,
        is_read_only: flags & FILE_READ_ONLY_VOLUME != 0,
        keeps_access: flags & FILE_PERSISTENT_ACLS != 0,
        serial,
    })
}

/// Up to the first zero, and that.
fn cut(mut units: Vec<u16>) -> Vec<u16> {
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    units.truncate(end);
    units.push(0);
    units
}

fn text(units: &[u16]) -> Option<String> {
    OsString::from_wide(units.strip_suffix(&[0])?).into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_of_a_real_file_is_present() {
        let program = std::env::current_exe().unwrap();
        let volume = of(&program).unwrap();
        assert!(is_present(&volume), "{volume}");
        let none = "\\\\?\\Volume{00000000-0000-0000-0000-000000000001}\\";
        for gone in ["00000000 C:\\", none, "00000000 \\\\?\\Q:\\", "x", ""] {
            assert!(!is_present(gone), "{gone}");
        }
        let about = about(&program).unwrap();
        assert!(about.keeps_access && !about.is_remote && !about.is_read_only, "{about:?}");
    }

    #[test]
    fn a_volume_without_a_unique_name_is_known_by_its_number() {
        let root = root_of(&std::env::temp_dir()).unwrap();
        let serial = about_root(&root).unwrap().serial;
        let root = text(&root).unwrap();
        assert!(is_present(&format!("{serial:08x} {root}")));
        assert!(!is_present(&format!("{:08x} {root}", serial ^ 1)), "another disk is in it");
    }
}
