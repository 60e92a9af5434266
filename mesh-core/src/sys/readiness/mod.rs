//! The readiness set: one kernel object in which every thread of an app waits.
//!
//! Sources are one-shot: an event disarms its source until [`Readiness::arm`], so one thread at a
//! time works on it. Where the kernel keeps the two directions apart, one armed for both may be
//! reported twice; the second thread finds nothing left to do. Beside the sources the set holds a
//! bell (wakes one waiter for work that came from inside) and one timer. Waiting with nothing armed
//! costs nothing.

#[cfg(target_os = "linux")]
#[path = "epoll.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "kqueue.rs"]
mod platform;
#[cfg(windows)]
#[path = "completion.rs"]
mod platform;

pub(crate) use platform::Readiness;
#[cfg(windows)]
pub(crate) use platform::Route;

/// What a source is armed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    /// Something can be read, or accepted.
    pub(crate) read: bool,
    /// Something can be written again.
    pub(crate) write: bool,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The source with this token is ready, or its peer is gone.
    Source(u64),
    /// Somebody rang.
    Bell,
    /// The timer ran out.
    Timer,
    /// The time given to the wait is over.
    Idle,
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    const SOON: Option<Duration> = Some(Duration::from_secs(5));
    const READ: Interest = Interest { read: true, write: false };

    #[test]
    fn a_source_is_reported_once_until_it_is_armed_again() {
        let set = Readiness::new().unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        set.add(&near, 7).unwrap();
        far.write_all(b"x").unwrap();
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        set.arm(&near, 7, READ).unwrap();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(7));
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        set.arm(&near, 7, READ).unwrap();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(7));
    }

    #[test]
    fn bell_and_timer_wake_one_wait_each() {
        let set = Readiness::new().unwrap();
        set.ring();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Bell);
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        set.set_timer(Duration::from_millis(1)).unwrap();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Timer);
        set.ring();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Bell);
    }
}
