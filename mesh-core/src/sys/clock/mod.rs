//! The clock that counts from boot, and a pause for loops that have nothing to wait on.
//!
//! Wall-clock time is never used for a decision: it can be set, and then every rule would move.

use std::time::{Duration, Instant};

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

pub(crate) use platform::since_boot;

/// Milliseconds since boot, for files that other processes read.
pub(crate) fn since_boot_ms() -> u64 {
    u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX)
}

/// The point in time after `time` from now, at most a year: a duration that a caller chose may be
/// too large for the clock.
pub(crate) fn after(time: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    Instant::now() + time.min(YEAR)
}

/// Blocks this thread for `time`. Only for polling what has no event: a lock file, another
/// process's file, a peer that is not there yet.
pub(crate) fn pause(time: Duration) {
    let end = Instant::now() + time;
    // A park ends early when somebody unparks the thread for reasons of their own.
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|t| !t.is_zero()) {
        std::thread::park_timeout(left);
    }
}
