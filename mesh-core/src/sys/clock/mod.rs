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

/// A time to wait for another process, used up in turns. A turn counts at most twice what it was
/// meant to take: what kept this thread from running has kept the other process from it too, and
/// a machine that is busy makes nobody look frozen.
#[derive(Debug)]
pub(crate) struct Allowance(Duration);

impl Allowance {
    pub(crate) fn new(time: Duration) -> Self {
        Self(time)
    }

    /// Whether all of it is used up.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_zero()
    }

    /// Runs one turn of at most `most`; `wait` is given the time that it may take.
    pub(crate) fn turn<T>(&mut self, most: Duration, wait: impl FnOnce(Duration) -> T) -> T {
        let planned = most.min(self.0);
        let begun = Instant::now();
        let answer = wait(planned);
        self.spend(planned, begun.elapsed());
        answer
    }

    fn spend(&mut self, planned: Duration, took: Duration) {
        self.0 = self.0.saturating_sub(took.min(planned * 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_not_used_up_by_what_kept_the_thread_from_running() {
        let (turn, second) = (Duration::from_millis(50), Duration::from_secs(1));
        let mut allowance = Allowance::new(second);
        allowance.spend(turn, turn / 2);
        assert_eq!(allowance.0, second - turn / 2, "a turn that ended early");
        allowance.spend(turn, second * 10);
        assert_eq!(allowance.0, second - turn / 2 - turn * 2, "one that was held up");
        let mut turns = 0;
        while !allowance.is_over() {
            allowance.spend(turn, turn + Duration::from_micros(1));
            turns += 1;
        }
        assert_eq!(turns, 18);
    }
}
