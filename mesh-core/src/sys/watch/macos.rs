//! Removals told by a queue of its own, in which the directory is watched.
//!
//! The kernel tells every change of the directory's entries, removals among them. So the user of
//! the watch looks more often than on Linux; what it looks at is cheap.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::sys::kqueue::{Queue, event, ident};
use crate::sys::readiness::{Interest, Readiness};

/// A watch on the removals from one directory.
#[derive(Debug)]
pub(crate) struct Watch {
    queue: Queue,
    /// Watched as long as it is open.
    _directory: OwnedFd,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the process has no descriptors left, or the directory is gone.
    pub(crate) fn removals(directory: &Path) -> io::Result<Self> {
        // Opened for events only, it does not keep its volume from being ejected.
        let events = OFlags::from_bits_retain(libc::O_EVTONLY.cast_unsigned());
        let flags = events | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(directory, flags, Mode::empty())?;
        let queue = Queue::new()?;
        let told = libc::NOTE_WRITE | libc::NOTE_DELETE;
        let flags = libc::EV_ADD | libc::EV_CLEAR;
        queue.change([event(ident(&directory), libc::EVFILT_VNODE, flags, told, 0)])?;
        Ok(Self { queue, _directory: directory })
    }

    /// Forgets what has been told, so that the next removal is news again.
    pub(crate) fn drain(&self) {
        while matches!(self.queue.next(Some(Duration::ZERO)), Ok(Some(_))) {}
    }

    /// Puts the watch into a readiness set, armed.
    ///
    /// # Errors
    /// When the system has no room to watch it.
    pub(crate) fn watch(&self, set: &Readiness, token: u64) -> io::Result<()> {
        set.add(&self.queue, token)?;
        self.arm(set, token)
    }

    /// Arms it for the next removal.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub(crate) fn arm(&self, set: &Readiness, token: u64) -> io::Result<()> {
        set.arm(&self.queue, token, Interest { read: true, write: false })
    }
}
