//! The clock of Unix.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since boot, time asleep included; the same for all processes of the machine.
pub(crate) fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    // There it counts the time asleep too, and Linux's name does not exist.
    #[cfg(target_os = "macos")]
    let clock = ClockId::Monotonic;
    let now = clock_gettime(clock);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), nanos)
}
