//! The set by epoll, with an eventfd for the bell and a timerfd for the timer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::{Interest, Woken};

/// The tokens of the bell and the timer; sources have lower ones.
const BELL: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// The set.
#[derive(Debug)]
pub(crate) struct Readiness {
    epoll: OwnedFd,
    bell: OwnedFd,
    timer: OwnedFd,
}

impl Readiness {
    /// An empty set.
    ///
    /// # Errors
    /// When the process or the system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        // Edge-triggered and never read: each ring, each run of the timer wakes one waiter.
        for (source, token) in [(&bell, BELL), (&timer, TIMER)] {
            let flags = EventFlags::IN | EventFlags::ET;
            epoll::add(&epoll, source, EventData::new_u64(token), flags)?;
        }
        Ok(Self { epoll, bell, timer })
    }

    /// Adds a source, disarmed.
    ///
    /// # Errors
    /// When the system's bound on watched descriptors is reached.
    pub(crate) fn add(&self, source: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, EventData::new_u64(token), EventFlags::ONESHOT)?)
    }

    /// Arms a source for its next event. Arming an armed source replaces its interest.
    ///
    /// # Errors
    /// When the source is not in the set.
    pub(crate) fn arm(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut flags = EventFlags::ONESHOT;
        flags.set(EventFlags::IN | EventFlags::RDHUP, interest.read);
        flags.set(EventFlags::OUT, interest.write);
        Ok(epoll::modify(&self.epoll, source, EventData::new_u64(token), flags)?)
    }

    /// Takes a source out.
    pub(crate) fn remove(&self, source: impl AsFd) {
        // Only fails for a source that is not in the set, which is what is wanted.
        let _gone = epoll::delete(&self.epoll, source);
    }

    /// Waits for one event. Many threads may wait; the kernel picks one for each event.
    ///
    /// # Errors
    /// Never in practice; an interrupted wait goes on.
    pub(crate) fn wait(&self, most: Option<Duration>) -> io::Result<Woken> {
        let time = most.and_then(|time| Timespec::try_from(time).ok());
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 1];
        loop {
            match epoll::wait(&self.epoll, &mut events, time.as_ref()) {
                Ok(0) => return Ok(Woken::Idle),
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let [event] = events;
        Ok(match event.data.u64() {
            BELL => Woken::Bell,
            TIMER => Woken::Timer,
            token => Woken::Source(token),
        })
    }

    /// Wakes one waiter; if none waits, the next one.
    pub(crate) fn ring(&self) {
        // Any number but zero rings, so the order of its bytes does not matter. The counter is
        // full after 2^63 rings, and has woken somebody then anyway.
        let _full = rustix::io::write(&self.bell, &[1, 0, 0, 0, 0, 0, 0, 0]);
    }

    /// Sets the timer to run out after this long, once; replaces what was set before.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn set_timer(&self, after: Duration) -> io::Result<()> {
        // Zero would switch the timer off.
        let after = after.max(Duration::from_nanos(1));
        let value = Timespec::try_from(after).map_err(io::Error::other)?;
        let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: interval, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
        Ok(())
    }
}
