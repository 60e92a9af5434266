//! [`Operation`]: one overlapped call at a time, with the memory that the kernel works on.
//!
//! While a call is pending the kernel owns the buffer and the `OVERLAPPED`. Both live on the heap
//! and stay there until the call has finished: [`Operation::settle`] cancels and waits, and must
//! come before the handle is closed or the operation dropped.
#![expect(unsafe_code, reason = "overlapped calls have no safe form in std")]

use std::io::{self, ErrorKind};
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_IO_INCOMPLETE, ERROR_IO_PENDING, ERROR_OPERATION_ABORTED, ERROR_PIPE_CONNECTED, HANDLE,
};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;
use windows_sys::Win32::System::Threading::CreateEventW;

use crate::sys::win32::{code, owned};

/// The bit of an event's handle that keeps a call out of the completion port.
const SILENT: usize = 1;

/// Buffers up to this size are kept for the next call.
const KEPT: usize = 2 << 10;

/// One overlapped call at a time.
#[derive(Debug)]
pub(super) struct Operation {
    overlapped: Box<Overlapped>,
    /// Set when a call has finished.
    event: OwnedHandle,
    buffer: Vec<u8>,
    pending: bool,
}

struct Overlapped(OVERLAPPED);

impl Overlapped {
    fn none() -> Self {
        Self(OVERLAPPED::default())
    }
}

// SAFETY: the pointers in it are an event handle and the kernel's own; both may be used from any
// thread, and what uses them is guarded by `&mut`.
unsafe impl Send for Overlapped {}

impl std::fmt::Debug for Overlapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Overlapped")
    }
}

/// How a call began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It has finished, and moved this many bytes.
    Done(usize),
    /// The kernel works on it; [`Operation::poll`] tells.
    Pending,
}

impl Operation {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no names and no attributes: a new event of our own, reset by hand.
        let event = unsafe { owned(CreateEventW(ptr::null(), 1, 0, ptr::null())) }?;
        let overlapped = Box::new(Overlapped::none());
        Ok(Self { overlapped, event, buffer: Vec::new(), pending: false })
    }

    /// Begins to wait for a client of a new pipe.
    pub(super) fn connect(&mut self, pipe: BorrowedHandle<'_>) -> io::Result<Begun> {
        // SAFETY: `begin` keeps the `OVERLAPPED` in place until the call has finished.
        let begun =
            self.begin(|overlapped| unsafe { ConnectNamedPipe(pipe.as_raw_handle(), overlapped) });
        match begun {
            // The client was faster.
            Err(error) if code(&error) == ERROR_PIPE_CONNECTED => Ok(Begun::Done(0)),
            begun => begun,
        }
    }

    /// Begins to read up to `most` bytes into the operation's own buffer.
    pub(super) fn read(&mut self, pipe: BorrowedHandle<'_>, most: u32) -> io::Result<Begun> {
        self.buffer.resize(usize::try_from(most).unwrap_or_default(), 0);
        let (file, buffer) = (pipe.as_raw_handle(), self.buffer.as_mut_ptr());
        // SAFETY: the buffer has `most` bytes and is not touched until the call has finished.
        self.begin(|overlapped| unsafe {
            ReadFile(file, buffer, most, ptr::null_mut(), overlapped)
        })
    }

    /// Begins to write a copy of the bytes.
    pub(super) fn write(&mut self, pipe: BorrowedHandle<'_>, bytes: &[u8]) -> io::Result<Begun> {
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        let (file, buffer) = (pipe.as_raw_handle(), self.buffer.as_ptr());
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: the buffer has `length` bytes and is not touched until the call has finished.
        let begun = self.begin(|overlapped| unsafe {
            WriteFile(file, buffer, length, ptr::null_mut(), overlapped)
        });
        self.tidy();
        begun
    }

    /// Gives a large buffer back: idle connections have small ones.
    fn tidy(&mut self) {
        if !self.pending && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }

    /// Reads bytes that are available straight into `buffer`, and never waits: a peer may take back
    /// what it was about to write, and then it is `WouldBlock`. The completion port is not told.
    pub(super) fn read_now(
        &mut self,
        pipe: BorrowedHandle<'_>,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        assert!(!self.pending, "one call at a time");
        let silent = self.event.as_raw_handle().map_addr(|address| address | SILENT);
        let mut overlapped = OVERLAPPED { hEvent: silent, ..OVERLAPPED::default() };
        let (file, place) = (pipe.as_raw_handle(), &raw mut overlapped);
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: buffer and `OVERLAPPED` outlive the call: its end is waited for below.
        let begun = unsafe { ReadFile(file, buffer.as_mut_ptr(), length, ptr::null_mut(), place) };
        if begun == 0 {
            let error = io::Error::last_os_error();
            if code(&error) != ERROR_IO_PENDING {
                return Err(error);
            }
            // SAFETY: the handle is open and the `OVERLAPPED` is the call's.
            unsafe { CancelIoEx(file, place) };
        }
        let mut read = 0;
        // SAFETY: the call was begun with this handle and this `OVERLAPPED`.
        if unsafe { GetOverlappedResult(file, place, &raw mut read, 1) } != 0 {
            return Ok(usize::try_from(read).unwrap_or_default());
        }
        let error = io::Error::last_os_error();
        match code(&error) {
            ERROR_OPERATION_ABORTED => Err(ErrorKind::WouldBlock.into()),
            _ => Err(error),
        }
    }

    /// Runs `call` with an `OVERLAPPED` that stays where it is.
    fn begin(&mut self, call: impl FnOnce(*mut OVERLAPPED) -> i32) -> io::Result<Begun> {
        assert!(!self.pending, "one call at a time");
        self.overlapped.0 =
            OVERLAPPED { hEvent: self.event.as_raw_handle(), ..OVERLAPPED::default() };
        if call(&raw mut self.overlapped.0) != 0 {
            return Ok(Begun::Done(self.overlapped.0.InternalHigh));
        }
        let error = io::Error::last_os_error();
        if code(&error) == ERROR_IO_PENDING {
            self.pending = true;
            return Ok(Begun::Pending);
        }
        Err(error)
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending
    }

    /// The bytes moved by a call that was pending; nothing while it still is.
    pub(super) fn poll(&mut self, pipe: BorrowedHandle<'_>) -> Option<io::Result<usize>> {
        self.result(pipe.as_raw_handle(), false)
    }

    /// Ends a pending call: it is cancelled, or has finished meanwhile.
    pub(super) fn settle(&mut self, pipe: BorrowedHandle<'_>) {
        if self.pending {
            let file = pipe.as_raw_handle();
            // SAFETY: the handle is open and the `OVERLAPPED` is the pending call's.
            unsafe { CancelIoEx(file, &raw const self.overlapped.0) };
            let _ended = self.result(file, true);
        }
    }

    fn result(&mut self, file: HANDLE, wait: bool) -> Option<io::Result<usize>> {
        let mut moved = 0;
        let overlapped = &raw const self.overlapped.0;
        // SAFETY: the handle is open, the `OVERLAPPED` was used with it, and its event is ours.
        if unsafe { GetOverlappedResult(file, overlapped, &mut moved, i32::from(wait)) } != 0 {
            self.pending = false;
            return Some(Ok(usize::try_from(moved).unwrap_or_default()));
        }
        let error = io::Error::last_os_error();
        if code(&error) == ERROR_IO_INCOMPLETE {
            return None;
        }
        self.pending = false;
        Some(Err(error))
    }

    /// What the last read left in the buffer, up to the number of bytes that it told.
    pub(super) fn bytes(&self) -> &[u8] {
        debug_assert!(!self.pending, "the kernel writes into it");
        &self.buffer
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if self.pending {
            // The kernel may still write: what it writes to must stay. Does not happen as long as
            // a pipe settles its operations.
            let place = std::mem::replace(&mut self.overlapped, Box::new(Overlapped::none()));
            std::mem::forget((place, std::mem::take(&mut self.buffer)));
        }
    }
}
