//! The process at the other end of a local socket, which macOS tells apart from its user.
#![expect(unsafe_code, reason = "the option has no safe form")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The process that last used the other end.
///
/// # Errors
/// When the peer is gone already.
pub(crate) fn pid_of(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut pid: libc::pid_t = 0;
    let mut length = size_of::<libc::pid_t>() as libc::socklen_t;
    // SAFETY: `length` says how much room there is; the kernel writes a number, or less.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_LOCAL,
            libc::LOCAL_PEERPID,
            (&raw mut pid).cast(),
            &raw mut length,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    match u32::try_from(pid) {
        Ok(pid) if pid != 0 => Ok(pid),
        _ => Err(io::ErrorKind::NotConnected.into()),
    }
}
