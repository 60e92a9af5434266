//! The set by a completion port.

use std::io;
use std::time::Duration;

use super::{Interest, Woken};

/// The set.
#[derive(Debug)]
pub(crate) struct Readiness;

impl Readiness {
    /// An empty set.
    ///
    /// # Errors
    /// When the system has no room for one.
    pub(crate) fn new() -> io::Result<Self> {
        todo!()
    }

    /// Waits for one event.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn wait(&self, most: Option<Duration>) -> io::Result<Woken> {
        todo!("{most:?}")
    }

    /// Wakes one waiter; if none waits, the next one.
    pub(crate) fn ring(&self) {
        todo!()
    }

    /// Sets the timer to run out after this long, once; replaces what was set before.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn set_timer(&self, after: Duration) -> io::Result<()> {
        todo!("{after:?}")
    }
}
