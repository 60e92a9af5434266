//! Processes by /proc and pidfd.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::ProcessId;
pub(crate) use super::signal::describe;
use crate::sys::clock;

/// When the process with this pid started, in clock ticks since boot; a zombie counts.
pub(super) fn start_of(pid: u32) -> Option<u64> {
    Stat::read(pid).map(|stat| stat.start)
}

/// The same, for a process that still runs; a zombie does not.
pub(super) fn running_since(pid: u32) -> Option<u64> {
    Stat::read(pid).filter(|stat| !stat.is_dead()).map(|stat| stat.start)
}

/// Whether the process with this pid is of the session that `leader` began.
pub(super) fn leads(leader: &ProcessId, pid: u32) -> bool {
    Stat::read(pid).is_some_and(|stat| stat.session == leader.pid)
}

/// A kernel handle on one process.
#[derive(Debug)]
pub(crate) struct Handle(OwnedFd);

impl Handle {
    /// A handle on the process that has this pid now; `None` when there is none. It may be another
    /// one than the pid was told of: [`Self::of`] looks with the handle open.
    fn open(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(Self)
    }

    /// A handle on exactly this process; `None` when it is gone.
    pub(crate) fn of(process: &ProcessId) -> Option<Self> {
        let handle = Self::open(process.pid)?;
        // Looked at after opening: while the handle is open, a match cannot become another's.
        process.is_alive().then_some(handle)
    }

    /// Asks it to end (SIGTERM); answers whether it was still there.
    pub(crate) fn terminate(&self) -> bool {
        pidfd_send_signal(&self.0, Signal::TERM).is_ok()
    }

    /// Ends it (SIGKILL); answers whether it was still there.
    pub(crate) fn kill(&self) -> bool {
        pidfd_send_signal(&self.0, Signal::KILL).is_ok()
    }

    /// Waits for its end for up to `wait`; answers whether it has ended.
    pub(crate) fn wait(&self, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(ready) => return ready > 0,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

/// The program that a process runs, for messages.
pub(crate) fn program_of(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// How long ago a process started, for messages.
pub(crate) fn age_of(pid: u32) -> Option<Duration> {
    let ticks_a_second = rustix::param::clock_ticks_per_second();
    let start_ms = Stat::read(pid)?.start.checked_mul(1_000)?.checked_div(ticks_a_second)?;
    clock::since_boot().checked_sub(Duration::from_millis(start_ms))
}

/// The boot that this is, as a text.
pub(crate) fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        text.trim().to_owned()
    })
}

/// What `/proc/<pid>/stat` says.
struct Stat {
    state: char,
    /// 0 when it was begun outside the container that looks.
    session: u32,
    start: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        // A process name need not be UTF-8.
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// The second field is a name in parentheses and may itself hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        // The state is field 3, the session field 6, the start time field 22.
        let session = fields.nth(2)?.parse().ok()?;
        Some(Self { state, session, start: fields.nth(15)?.parse().ok()? })
    }

    fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_start_time_is_found_behind_a_hostile_name() {
        let text = "12 (a) b) S 1 12 11 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 8117 1 2 3";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.session, stat.start), ('S', 11, 8117));
    }

    #[test]
    fn a_session_begun_outside_the_container_has_the_number_zero() {
        let text = "12 (a) S 0 0 0 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 8117 1 2 3";
        assert_eq!(Stat::parse(text).unwrap().session, 0);
        // As it is for threads of the kernel, wherever they can be seen.
        let own = ProcessId::own().unwrap();
        assert!(own.leads(own.pid) && !own.leads(2));
    }

    #[test]
    fn a_handle_ends_its_process_and_sees_the_end() {
        let mut child = Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        let handle = Handle::of(&id).unwrap();
        assert!(!handle.wait(Duration::ZERO));
        assert!(handle.terminate());
        assert!(handle.wait(Duration::from_secs(5)));
        assert!(!id.is_alive(), "a zombie counts as dead");
        child.wait().unwrap();
        assert!(!handle.kill());
        assert!(Handle::of(&id).is_none());
    }
}
