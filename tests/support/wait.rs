//! Waiting for something that happens in another process: look, pause, look again, until a
//! deadline. The only place of the tests that pauses.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what should take milliseconds, on a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Looks until `look` finds something; panics with `what` at the deadline.
pub(crate) fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        pause(Duration::from_millis(5));
    }
}

/// Lets time pass where time itself is what a test is about; a woken thread goes on waiting.
pub(crate) fn pause(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}
