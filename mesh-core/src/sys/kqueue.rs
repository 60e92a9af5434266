//! [`Queue`]: a kernel queue of events, the one thing by which macOS waits for several.
//!
//! Every call into the kernel's interface is here; who uses a queue says what it watches.
#![expect(unsafe_code, reason = "kevent takes lists by pointer and length")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::sys::clock;

/// What a queue is told to watch, and what it tells.
pub(crate) use libc::kevent as Event;

/// A queue; what it watches is forgotten with it.
#[derive(Debug)]
pub(crate) struct Queue(OwnedFd);

impl Queue {
    /// An empty queue. A forked child does not have it; nor does a program that replaces this one.
    ///
    /// # Errors
    /// When the process or the system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let queue = rustix::event::kqueue::kqueue()?;
        rustix::io::fcntl_setfd(&queue, rustix::io::FdFlags::CLOEXEC)?;
        Ok(Self(queue))
    }

    /// Makes all of these changes, though one fails. Taking away what is not there is no failure.
    ///
    /// # Errors
    /// The first failure, by its number: `ENOENT`, `EBADF`, or `ESRCH` for a process that is gone.
    pub(crate) fn change<const N: usize>(&self, changes: [Event; N]) -> io::Result<()> {
        // With the flag each change is answered, and no event is taken out.
        let changes =
            changes.map(|change| Event { flags: change.flags | libc::EV_RECEIPT, ..change });
        let mut answers = changes;
        // Changes are made at once: no wait, and nothing that could be interrupted.
        let answered = self.call(&changes, &mut answers, Some(Duration::ZERO))?;
        for (answer, change) in answers.iter().take(answered).zip(&changes) {
            let errno = i32::try_from(answer.data).unwrap_or(libc::EINVAL);
            let was_not_there = change.flags & libc::EV_DELETE != 0 && errno == libc::ENOENT;
            if answer.flags & libc::EV_ERROR != 0 && errno != 0 && !was_not_there {
                return Err(io::Error::from_raw_os_error(errno));
            }
        }
        Ok(())
    }

    /// The next event; `None` when there is none for `most`. Many threads may wait, each event
    /// goes to one of them.
    ///
    /// # Errors
    /// Never in practice; an interrupted wait goes on.
    pub(crate) fn next(&self, most: Option<Duration>) -> io::Result<Option<Event>> {
        let end = most.map(clock::after);
        let mut events = [event(0, 0, 0, 0, 0)];
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            match self.call(&[], &mut events, left) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    let [event] = events;
                    return Ok(Some(event));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the changes, then waits for events for up to `most`; answers how many came.
    fn call(
        &self,
        changes: &[Event],
        events: &mut [Event],
        most: Option<Duration>,
    ) -> io::Result<usize> {
        let most = most.map(|most| libc::timespec {
            tv_sec: libc::time_t::try_from(most.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(most.subsec_nanos().cast_signed()),
        });
        let most = most.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let length = |list: &[Event]| libc::c_int::try_from(list.len()).unwrap_or(0);
        // SAFETY: both lists are as long as is said and live through the call, as does the time;
        // a null time is allowed. The kernel keeps none of the pointers, and takes a descriptor
        // out of the queue by itself when it is closed.
        let came = unsafe {
            libc::kevent(
                self.0.as_raw_fd(),
                changes.as_ptr(),
                length(changes),
                events.as_mut_ptr(),
                length(events),
                most,
            )
        };
        usize::try_from(came).map_err(|_| io::Error::last_os_error())
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An event, or a change to what is watched, that carries a token.
pub(crate) fn event(ident: usize, filter: i16, flags: u16, fflags: u32, token: usize) -> Event {
    let udata = std::ptr::without_provenance_mut(token);
    Event { ident, filter, flags, fflags, data: 0, udata }
}

/// What names a descriptor in an event.
pub(crate) fn ident(source: impl AsFd) -> usize {
    // A descriptor that is open is not negative.
    usize::try_from(source.as_fd().as_raw_fd()).unwrap_or(usize::MAX)
}
