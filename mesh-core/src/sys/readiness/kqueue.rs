//! The set by kqueue, whose own filters are bell and timer.
//!
//! A source that waits for both directions is two filters for the kernel. Each disarms itself when
//! it is reported, but not the other one, which may so be reported once more until the source is
//! armed again; it is not disarmed from here, because that could undo what another thread has
//! armed meanwhile.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::{Interest, Woken};
use crate::sys::kqueue::{Event, Queue, event, ident};

/// The set.
#[derive(Debug)]
pub(crate) struct Readiness(Queue);

impl Readiness {
    /// An empty set.
    ///
    /// # Errors
    /// When the process or the system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let queue = Queue::new()?;
        // Reset when it is reported, so that each ring wakes one waiter.
        queue.change([event(0, libc::EVFILT_USER, libc::EV_ADD | libc::EV_CLEAR, 0, 0)])?;
        Ok(Self(queue))
    }

    /// Adds a source, disarmed: the queue knows only what is armed.
    ///
    /// # Errors
    /// Never: what is wrong with a source is told when it is armed.
    pub(crate) fn add(&self, _source: impl AsFd, _token: u64) -> io::Result<()> {
        Ok(())
    }

    /// Arms a source for its next event. Arming an armed source replaces its interest.
    ///
    /// # Errors
    /// When the system has no room to watch it.
    pub(crate) fn arm(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let token = usize::try_from(token).map_err(io::Error::other)?;
        let ident = ident(source);
        let filter = |filter, wanted| {
            let flags = if wanted { libc::EV_ADD | libc::EV_ONESHOT } else { libc::EV_DELETE };
            event(ident, filter, flags, 0, token)
        };
        self.0.change([
            filter(libc::EVFILT_READ, interest.read),
            filter(libc::EVFILT_WRITE, interest.write),
        ])
    }

    /// Takes a source out.
    pub(crate) fn remove(&self, source: impl AsFd) {
        let ident = ident(source);
        let gone = |filter| event(ident, filter, libc::EV_DELETE, 0, 0);
        // Only fails for a source that is not there, which is what is wanted.
        let _gone = self.0.change([gone(libc::EVFILT_READ), gone(libc::EVFILT_WRITE)]);
    }

    /// Waits for one event. Many threads may wait; the kernel picks one for each event.
    ///
    /// # Errors
    /// Never in practice; an interrupted wait goes on.
    pub(crate) fn wait(&self, most: Option<Duration>) -> io::Result<Woken> {
        let Some(event) = self.0.next(most)? else { return Ok(Woken::Idle) };
        Ok(match event.filter {
            libc::EVFILT_USER => Woken::Bell,
            libc::EVFILT_TIMER => Woken::Timer,
            _ => Woken::Source(event.udata.addr() as u64),
        })
    }

    /// Wakes one waiter; if none waits, the next one.
    pub(crate) fn ring(&self) {
        // The bell is in the queue as long as the queue is.
        let _rung = self.0.change([event(0, libc::EVFILT_USER, 0, libc::NOTE_TRIGGER, 0)]);
    }

    /// Sets the timer to run out after this long, once; replaces what was set before. Like
    /// `Instant` it stands still while the machine sleeps.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn set_timer(&self, after: Duration) -> io::Result<()> {
        let nanos = isize::try_from(after.as_nanos()).unwrap_or(isize::MAX).max(1);
        // Without the second flag the system may delay it to save power.
        let unit = libc::NOTE_NSECONDS | libc::NOTE_CRITICAL;
        let timer = event(0, libc::EVFILT_TIMER, libc::EV_ADD | libc::EV_ONESHOT, unit, 0);
        self.0.change([Event { data: nanos, ..timer }])
    }
}
