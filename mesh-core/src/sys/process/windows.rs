//! Processes by their handles.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use super::ProcessId;

/// When the process with this pid was created.
pub(super) fn start_of(pid: u32) -> Option<u64> {
    todo!("{pid}")
}

/// The same, for a process that still runs.
pub(super) fn running_since(pid: u32) -> Option<u64> {
    todo!("{pid}")
}

/// Whether the process with this pid came of `leader`.
pub(super) fn leads(leader: u32, pid: u32) -> bool {
    todo!("{leader} {pid}")
}

/// A kernel handle on one process.
#[derive(Debug)]
pub(crate) struct Handle;

impl Handle {
    /// A handle on exactly this process; `None` when it is gone.
    pub(crate) fn of(process: &ProcessId) -> Option<Self> {
        todo!("{process:?}")
    }

    /// Asks it to end; answers whether it was still there.
    pub(crate) fn terminate(&self) -> bool {
        todo!()
    }

    /// Ends it; answers whether it was still there.
    pub(crate) fn kill(&self) -> bool {
        todo!()
    }

    /// Waits for its end for up to `wait`; answers whether it has ended.
    pub(crate) fn wait(&self, wait: Duration) -> bool {
        todo!("{wait:?}")
    }
}

/// The program that a process runs, for messages.
pub(crate) fn program_of(pid: u32) -> Option<PathBuf> {
    todo!("{pid}")
}

/// How long ago a process started, for messages.
pub(crate) fn age_of(pid: u32) -> Option<Duration> {
    todo!("{pid}")
}

/// How a process ended, in words: `exit code 3`.
pub(crate) fn describe(status: ExitStatus) -> String {
    todo!("{status}")
}

/// The boot that this is, as a text.
pub(crate) fn boot_id() -> &'static str {
    todo!()
}
