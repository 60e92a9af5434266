//! Named pipes: made by an owner, opened by a client, and asked who is at the other end.
#![expect(unsafe_code, reason = "named pipes have no safe form in std")]

use std::io::{self, ErrorKind};
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_PIPE_BUSY, GENERIC_READ, GENERIC_WRITE, HANDLE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, OPEN_EXISTING,
    PIPE_ACCESS_DUPLEX, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
    SetFileCompletionNotificationModes,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, GetNamedPipeClientProcessId, GetNamedPipeServerProcessId, PIPE_READMODE_BYTE,
    PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES, PeekNamedPipe,
    WaitNamedPipeW,
};
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;

use super::Pipe;
use crate::sys::access::{Access, Descriptor};
use crate::sys::user;
use crate::sys::win32::{code, owned, wide};

/// Bytes that a pipe takes in each direction before a writer has to wait.
pub(super) const BUFFER: u32 = 64 << 10;

impl Pipe {
    /// Makes an instance of the pipe `name`; the first one fails when the name is taken.
    ///
    /// # Errors
    /// `PermissionDenied` when somebody has the name already; what else the system says.
    pub(crate) fn create(name: &str, owner: &Descriptor, first: bool) -> io::Result<Self> {
        let name = wide(name)?;
        let attributes = owner.attributes();
        let first = if first { FILE_FLAG_FIRST_PIPE_INSTANCE } else { 0 };
        // SAFETY: the name ends with a zero; the attributes and what they point to outlive the
        // call.
        let handle = unsafe {
            owned(CreateNamedPipeW(
                name.as_ptr(),
                PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | first,
                PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_REJECT_REMOTE_CLIENTS,
                PIPE_UNLIMITED_INSTANCES,
                BUFFER,
                BUFFER,
                0,
                &raw const attributes,
            ))
        };
        Self::new(handle?)
    }

    /// Opens an instance of the pipe `name` that waits for a client. Whoever made the pipe may
    /// learn who the client is, and not act on its behalf.
    ///
    /// # Errors
    /// `NotFound` when there is no such pipe, `WouldBlock` when no instance waits.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let name = wide(name)?;
        let flags = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
        // SAFETY: the name ends with a zero, and everything else is a plain value or null.
        let handle = unsafe {
            owned(CreateFileW(
                name.as_ptr(),
                GENERIC_READ | GENERIC_WRITE,
                0,
                ptr::null(),
                OPEN_EXISTING,
                flags,
                ptr::null_mut(),
            ))
        };
        match handle {
            Ok(handle) => Self::new(handle),
            Err(error) if code(&error) == ERROR_PIPE_BUSY => Err(ErrorKind::WouldBlock.into()),
            Err(error) => Err(error),
        }
    }

    /// Blocks until an instance of the pipe waits for a client, for `most` at the longest; answers
    /// whether one did. A pipe that is gone ends the wait.
    pub(crate) fn wait_for_room(name: &str, most: Duration) -> bool {
        // Zero would mean the time that the maker of the pipe has set.
        let most = u32::try_from(most.as_millis().max(1)).unwrap_or(u32::MAX - 1);
        // SAFETY: the name ends with a zero.
        wide(name).is_ok_and(|name| unsafe { WaitNamedPipeW(name.as_ptr(), most) != 0 })
    }

    /// The process that made the pipe, for a client.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn server(&self) -> io::Result<u32> {
        self.other_end(GetNamedPipeServerProcessId)
    }

    /// The process that opened the pipe, for whoever made it.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn client(&self) -> io::Result<u32> {
        self.other_end(GetNamedPipeClientProcessId)
    }

    /// Whether this user made the pipe, and nobody else may open it.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn is_exclusive(&self) -> io::Result<bool> {
        let handle = self.handle.read();
        let access = Access::of(handle.as_ref().ok_or(ErrorKind::NotConnected)?)?;
        let own = user::own();
        Ok(!access.is_open && *access.owner == *own && access.guests(&own).is_empty())
    }

    /// The user who made the pipe, as the pipe itself says. Nobody can make one in another's name.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn maker(&self) -> io::Result<Arc<str>> {
        let handle = self.handle.read();
        let handle = handle.as_ref().ok_or(ErrorKind::NotConnected)?;
        Ok(Access::of(handle)?.owner.into())
    }

    fn other_end(
        &self,
        ask: unsafe extern "system" fn(HANDLE, *mut u32) -> i32,
    ) -> io::Result<u32> {
        let handle = self.handle.read();
        let handle = handle.as_ref().ok_or(ErrorKind::NotConnected)?;
        let mut pid = 0;
        // SAFETY: both functions write one number for an open handle.
        if unsafe { ask(handle.as_raw_handle(), &raw mut pid) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(pid)
    }
}

/// Lets the port tell only of operations that did not finish at once.
pub(super) fn skip_packets_of_success(pipe: &OwnedHandle) -> io::Result<()> {
    let mode = u8::try_from(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS).unwrap_or_default();
    // SAFETY: an open handle and a number.
    match unsafe { SetFileCompletionNotificationModes(pipe.as_raw_handle(), mode) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Bytes that can be read at once.
pub(super) fn available(pipe: &OwnedHandle) -> io::Result<usize> {
    let (mut bytes, none) = (0, ptr::null_mut());
    // SAFETY: no buffer is given, and the place for the number outlives the call.
    let done = unsafe {
        PeekNamedPipe(pipe.as_raw_handle(), ptr::null_mut(), 0, none, &raw mut bytes, none)
    };
    match done {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(usize::try_from(bytes).unwrap_or_default()),
    }
}
