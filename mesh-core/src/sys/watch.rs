//! [`Watch`]: told when something disappears from a directory, without polling.
//!
//! Cleaners of temporary files delete sockets and locks under living owners. The watch says only
//! that something was removed; what, its user looks up. What is moved away is not told: cleaners
//! delete, and every file that is replaced by a rename would wake all watchers. A system without
//! room for one more watch is no reason to fail: the app is then as safe as without it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

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
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
