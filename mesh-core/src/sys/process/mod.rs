//! Processes: who one is beyond its pid, whether it lives, and a handle to end it.
//!
//! A pid alone is never trusted, since the kernel gives it out again. A process is its pid with
//! its raw start time and the boot it belongs to; a signal goes only through a handle that the
//! kernel keeps on that very process. Start times that move when the clock is set are not used.

use serde::{Deserialize, Serialize};

#[cfg(windows)]
mod exit;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;
#[cfg(unix)]
mod signal;

pub(crate) use platform::{Handle, age_of, boot_id, describe, program_of};

/// One process of one boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    /// The number as people know it.
    pub(crate) pid: u32,
    /// When it started, in the units of the platform.
    pub(crate) start: u64,
    /// The boot that it belongs to.
    pub(crate) boot: String,
}

impl ProcessId {
    /// The process that has this pid, if there is one; a zombie counts.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start: platform::start_of(pid)?, boot: boot_id().to_owned() })
    }

    /// This process.
    pub(crate) fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// The process as a short text: pid, start time, boot.
    pub(crate) fn to_note(&self) -> String {
        format!("{} {} {}", self.pid, self.start, self.boot)
    }

    /// The process of a text that [`Self::to_note`] made.
    pub(crate) fn from_note(note: &str) -> Option<Self> {
        let mut words = note.split_ascii_whitespace();
        let (pid, start) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { pid, start, boot: words.next()?.to_owned() })
    }

    /// Whether the process with this pid is this one or, as the platform keeps account of that,
    /// one that came of it.
    pub(crate) fn leads(&self, pid: u32) -> bool {
        pid == self.pid || platform::leads(self, pid)
    }

    /// Whether it still runs; a zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot == boot_id() && platform::running_since(self.pid) == Some(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn this_process_is_alive_and_another_start_time_is_not() {
        let own = ProcessId::own().unwrap();
        assert!(own.is_alive());
        assert_eq!(ProcessId::from_note(&own.to_note()), Some(own.clone()));
        assert_eq!(ProcessId::from_note("12"), None);
        assert!(!ProcessId { start: own.start + 1, ..own.clone() }.is_alive());
        assert!(!ProcessId { boot: "another".to_owned(), ..own.clone() }.is_alive());
        assert!(age_of(own.pid).unwrap() < Duration::from_secs(3_600));
        assert_eq!(program_of(own.pid).unwrap(), std::env::current_exe().unwrap());
    }
}
