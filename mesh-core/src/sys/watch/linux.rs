//! Removals told by inotify.
//!
//! What is moved away is not told: cleaners delete, and every file that is replaced by a rename
//! would wake all watchers.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::sys::readiness::{Interest, Readiness};

/// A watch on the removals from one directory.
#[derive(Debug)]
pub(crate) struct Watch(OwnedFd);

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the user has too many watches, or the directory is gone.
    pub(crate) fn removals(directory: &Path) -> io::Result<Self> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let removed = WatchFlags::DELETE | WatchFlags::DELETE_SELF;
        inotify::add_watch(&watch, directory, removed | WatchFlags::ONLYDIR)?;
        Ok(Self(watch))
    }

    /// Forgets what has been told, so that the next removal is news again.
    pub(crate) fn drain(&self) {
        let mut events = [0; 4096];
        while rustix::io::read(&self.0, &mut events).is_ok_and(|length| length > 0) {}
    }

    /// Puts the watch into a readiness set, armed.
    ///
    /// # Errors
    /// When the system's bound on watched descriptors is reached.
    pub(crate) fn watch(&self, set: &Readiness, token: u64) -> io::Result<()> {
        set.add(&self.0, token)?;
        self.arm(set, token)
    }

    /// Arms it for the next removal.
    ///
    /// # Errors
    /// When it is not in the set.
    pub(crate) fn arm(&self, set: &Readiness, token: u64) -> io::Result<()> {
        set.arm(&self.0, token, Interest { read: true, write: false })
    }
}
