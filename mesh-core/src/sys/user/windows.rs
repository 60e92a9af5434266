//! Users by their security identifiers.

#![expect(unsafe_code, reason = "std knows no tokens")]

use std::io;
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::ptr;
use std::sync::{Arc, OnceLock};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

use crate::sys::win32::owned;

/// Words of 8 bytes for a token's user: a pointer, attributes and an identifier of at most 68
/// bytes.
const USER_WORDS: usize = 16;

/// The user of this process, as a text: `S-1-5-...`. Empty if the system does not tell, which is
/// nobody's text.
pub(crate) fn own() -> Arc<str> {
    static OWN: OnceLock<Arc<str>> = OnceLock::new();
    if let Some(own) = OWN.get() {
        return Arc::clone(own);
    }
    // SAFETY: gives a constant that stands for this process.
    match of_handle(unsafe { GetCurrentProcess() }) {
        Ok(own) => Arc::clone(OWN.get_or_init(|| own)),
        Err(_) => Arc::from(""),
    }
}

/// The user of another process, as [`own`] would tell it there.
///
/// # Errors
/// When there is no such process, or this one may not ask: it is then another user's.
pub(crate) fn of_process(pid: u32) -> io::Result<Arc<str>> {
    // SAFETY: a call with three numbers; the handle is looked at before it is owned.
    let process = unsafe { owned(OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid))? };
    of_handle(process.as_raw_handle())
}

/// The user of the process behind a handle.
fn of_handle(process: RawHandle) -> io::Result<Arc<str>> {
    let mut token: HANDLE = ptr::null_mut();
    // SAFETY: `process` is open, and `token` is a place for one handle.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above opened it and nobody else has it.
    let token = unsafe { owned(token)? };
    let mut buffer = [0u64; USER_WORDS];
    let size = u32::try_from(size_of_val(&buffer)).unwrap_or(0);
    let mut used = 0;
    // SAFETY: the buffer is writable for `size` bytes and as aligned as the structure needs.
    let told = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenUser,
            buffer.as_mut_ptr().cast(),
            size,
            &raw mut used,
        )
    };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system filled the buffer with this structure; the identifier that it points to
    // is behind it in the same buffer, 8 bytes and 4 more for each part that it counts.
    let sid = unsafe {
        let sid = (*buffer.as_ptr().cast::<TOKEN_USER>()).User.Sid.cast::<u8>();
        std::slice::from_raw_parts(sid, 8 + 4 * usize::from(*sid.add(1)))
    };
    match sid_text(sid) {
        Some(text) => Ok(text.into()),
        None => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

/// A binary security identifier, with or without bytes behind it, as its usual text.
pub(crate) fn sid_text(bytes: &[u8]) -> Option<String> {
    use std::fmt::Write as _;
    let (head, parts) = bytes.split_first_chunk::<8>()?;
    let [revision, count, authority @ ..] = *head;
    let authority = authority.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let parts = parts.get(..usize::from(count) * 4)?;
    let mut text = match u32::try_from(authority) {
        Ok(authority) => format!("S-{revision}-{authority}"),
        Err(_) => format!("S-{revision}-0x{authority:012X}"),
    };
    for part in parts.as_chunks::<4>().0 {
        let _ = write!(text, "-{}", u32::from_le_bytes(*part));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_this_process_is_told_by_its_number_too() {
        let own = own();
        assert!(own.starts_with("S-1-5-"), "{own}");
        assert_eq!(of_process(std::process::id()).unwrap(), own);
    }

    #[test]
    fn the_user_of_no_process_is_an_error() {
        // Process ids are multiples of four.
        assert!(of_process(u32::MAX - 1).is_err());
    }

    #[test]
    fn an_identifier_is_told_as_its_text_and_a_cut_one_is_not() {
        let administrators = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        assert_eq!(sid_text(&administrators).unwrap(), "S-1-5-32-544");
        assert_eq!(sid_text(&administrators[..15]), None);
        assert_eq!(sid_text(&[1, 0, 1, 0, 0, 0, 0, 5]).unwrap(), "S-1-0x010000000005");
    }
}
