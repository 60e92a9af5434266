//! [`Pipe`]: one end of a named pipe, read and written without blocking, in a readiness set.
//!
//! Windows tells when an operation has finished, not when one would succeed. Armed for reading, a
//! pipe therefore has one small read under way; what that brings is kept until it is asked for. A
//! write that does not fit is taken whole and left to the kernel: it counts as written, and the
//! next one has to wait for it.
//!
//! Closing a pipe keeps for the peer what the kernel has taken, except for a write that is still
//! under way.

mod name;
mod operation;

use std::io::{self, ErrorKind};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::sync::OnceLock;

use parking_lot::{Mutex, RwLock};
use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_NO_DATA, ERROR_OPERATION_ABORTED,
    ERROR_PIPE_NOT_CONNECTED,
};

use operation::{Begun, Operation};

use crate::sys::readiness::{Interest, Readiness, Route};
use crate::sys::win32::code;

/// Bytes of the read that an idle pipe has under way.
const SMALL: u32 = 1 << 9;
/// Bytes that one write takes at most; as many as a pipe's buffer holds.
const WRITE_MAX: usize = name::BUFFER as usize;

/// One end of a pipe.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Gone once the pipe is closed.
    handle: RwLock<Option<OwnedHandle>>,
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Operation>,
    /// Its place in a readiness set, where it stays.
    route: OnceLock<Route>,
}

/// The operation that reads, or waits for a client, and what it has brought.
#[derive(Debug)]
struct Incoming {
    operation: Operation,
    brought: Brought,
}

#[derive(Debug)]
enum Brought {
    Nothing,
    /// Bytes of the operation's buffer from the first to before the second.
    Bytes(usize, usize),
    /// A client is there.
    Client,
    Error(io::Error),
}

impl Incoming {
    /// Looks whether a pending operation has finished.
    fn look(&mut self, pipe: &OwnedHandle) {
        if self.operation.is_pending()
            && let Some(result) = self.operation.poll(pipe.as_handle())
        {
            self.brought = match result {
                Ok(length) => Brought::Bytes(0, length),
                // Where the thread that began it has left and took it along, as in Wine: it is
                // begun again when the pipe is armed next.
                Err(error) if code(&error) == ERROR_OPERATION_ABORTED => Brought::Nothing,
                Err(error) => Brought::Error(error),
            };
        }
    }
}

impl Pipe {
    fn new(handle: OwnedHandle) -> io::Result<Self> {
        let incoming = Incoming { operation: Operation::new()?, brought: Brought::Nothing };
        Ok(Self {
            handle: RwLock::new(Some(handle)),
            incoming: Mutex::new(incoming),
            outgoing: Mutex::new(Operation::new()?),
            route: OnceLock::new(),
        })
    }

    /// Puts the pipe into a readiness set, or lets it have another token there. A pipe stays in
    /// the set that it was put into first.
    ///
    /// # Errors
    /// What the system says; `NotConnected` when the pipe is closed.
    pub(crate) fn attach(&self, set: &Readiness, token: u64) -> io::Result<()> {
        let handle = self.handle.read();
        let handle = handle.as_ref().ok_or(ErrorKind::NotConnected)?;
        if let Some(route) = self.route.get() {
            route.lead_to(token);
            return Ok(());
        }
        name::skip_packets_of_success(handle)?;
        let _first = self.route.set(set.attach(handle.as_handle(), token)?);
        Ok(())
    }

    /// Nothing is reported of this pipe any more.
    pub(crate) fn detach(&self) {
        if let Some(route) = self.route.get() {
            route.end();
        }
    }

    /// Begins to wait for a client; once [`Self::attach`]ed. That somebody is there is reported.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn listen(&self, set: &Readiness) -> io::Result<()> {
        let handle = self.handle.read();
        let handle = handle.as_ref().ok_or(ErrorKind::NotConnected)?;
        let mut incoming = self.incoming.lock();
        if incoming.operation.is_pending() || !matches!(incoming.brought, Brought::Nothing) {
            return Ok(());
        }
        match incoming.operation.connect(handle.as_handle()) {
            Ok(Begun::Pending) => Ok(()),
            Ok(Begun::Done(_)) => {
                incoming.brought = Brought::Client;
                self.report(set)
            }
            Err(error) => {
                // A client came and left again, for example: whoever accepts sees it.
                incoming.brought = Brought::Error(error);
                self.report(set)
            }
        }
    }

    /// Whether the wait for a client is over: `Ok` when one is there.
    pub(crate) fn accepted(&self) -> Option<io::Result<()>> {
        let handle = self.handle.read();
        let handle = handle.as_ref()?;
        let mut incoming = self.incoming.lock();
        incoming.look(handle);
        match std::mem::replace(&mut incoming.brought, Brought::Nothing) {
            Brought::Nothing => None,
            Brought::Client | Brought::Bytes(..) => Some(Ok(())),
            Brought::Error(error) => Some(Err(error)),
        }
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 at the end.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let handle = self.handle.read();
        let Some(handle) = handle.as_ref() else { return Ok(0) };
        let mut incoming = self.incoming.lock();
        incoming.look(handle);
        if incoming.operation.is_pending() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut read = 0;
        match std::mem::replace(&mut incoming.brought, Brought::Nothing) {
            Brought::Bytes(from, to) => {
                read = buffer.len().min(to - from);
                buffer[..read].copy_from_slice(&incoming.operation.bytes()[from..from + read]);
                if from + read < to {
                    incoming.brought = Brought::Bytes(from + read, to);
                }
            }
            Brought::Error(error) => return ended(error),
            Brought::Nothing | Brought::Client => {}
        }
        if read == buffer.len() {
            return Ok(read);
        }
        match name::available(handle) {
            // What has been read is told first; the error comes again.
            Ok(0) | Err(_) if read > 0 => Ok(read),
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            Ok(available) => {
                let rest = &mut buffer[read..];
                let most = rest.len().min(available);
                match incoming.operation.read_now(handle.as_handle(), &mut rest[..most]) {
                    Ok(more) => Ok(read + more),
                    Err(_) if read > 0 => Ok(read),
                    Err(error) => ended(error),
                }
            }
            Err(error) => ended(error),
        }
    }

    /// Writes what fits in one go; `WouldBlock` while an earlier write is still under way.
    ///
    /// # Errors
    /// What the system says, of this write or of the one before.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let handle = self.handle.read();
        let handle = handle.as_ref().ok_or(ErrorKind::BrokenPipe)?;
        let mut outgoing = self.outgoing.lock();
        if outgoing.is_pending() {
            match outgoing.poll(handle.as_handle()) {
                None => return Err(ErrorKind::WouldBlock.into()),
                Some(result) => result?,
            };
        }
        let part = &bytes[..bytes.len().min(WRITE_MAX)];
        match outgoing.write(handle.as_handle(), part)? {
            Begun::Done(written) => Ok(written),
            Begun::Pending => Ok(part.len()),
        }
    }

    /// Whether no write is under way: what was written is the kernel's to keep.
    pub(crate) fn is_flushed(&self) -> bool {
        let handle = self.handle.read();
        let Some(handle) = handle.as_ref() else { return true };
        let mut outgoing = self.outgoing.lock();
        // An error comes again with the next call.
        !outgoing.is_pending() || outgoing.poll(handle.as_handle()).is_some()
    }

    /// Arms the pipe: what is of interest is reported once it is there.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn arm(&self, set: &Readiness, interest: Interest) -> io::Result<()> {
        let handle = self.handle.read();
        let Some(handle) = handle.as_ref() else { return Ok(()) };
        let mut is_ready = false;
        if interest.read {
            let mut incoming = self.incoming.lock();
            incoming.look(handle);
            if !incoming.operation.is_pending() && matches!(incoming.brought, Brought::Nothing) {
                match incoming.operation.read(handle.as_handle(), SMALL) {
                    Ok(Begun::Pending) => {}
                    Ok(Begun::Done(length)) => incoming.brought = Brought::Bytes(0, length),
                    Err(error) => incoming.brought = Brought::Error(error),
                }
            }
            is_ready = !matches!(incoming.brought, Brought::Nothing);
        }
        if interest.write && !is_ready {
            let mut outgoing = self.outgoing.lock();
            // One that is pending reports its end by itself; but that of one that has finished was
            // perhaps heard before anybody waited for it.
            is_ready = !outgoing.is_pending() || outgoing.poll(handle.as_handle()).is_some();
        }
        if is_ready { self.report(set) } else { Ok(()) }
    }

    fn report(&self, set: &Readiness) -> io::Result<()> {
        self.route.get().map_or(Ok(()), |route| set.post(route))
    }

    /// Closes this end; what the kernel has taken still reaches the peer.
    pub(crate) fn close(&self) {
        if let Some(handle) = self.handle.write().take() {
            self.incoming.lock().operation.settle(handle.as_handle());
            self.outgoing.lock().settle(handle.as_handle());
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.close();
    }
}

/// The end of a pipe is no error for its reader.
fn ended(error: io::Error) -> io::Result<usize> {
    match code(&error) {
        ERROR_BROKEN_PIPE | ERROR_PIPE_NOT_CONNECTED | ERROR_NO_DATA | ERROR_HANDLE_EOF => Ok(0),
        _ => Err(error),
    }
}
