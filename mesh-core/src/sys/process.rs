//! Processes: who one is beyond its pid, whether it lives, and a handle to end it.
//!
//! A pid alone is never trusted, since the kernel gives it out again. A process is its pid with
//! its raw start time and the boot it belongs to; a signal goes only through a handle that the
//! kernel keeps on that very process. Wall-clock start times are not used: they move when the
//! clock is set.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::sys::clock;

/// One process of one boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    /// The number as people know it.
    pub(crate) pid: u32,
    /// Clock ticks from boot to its start.
    pub(crate) start: u64,
    /// The boot that these ticks count from.
    pub(crate) boot: String,
}

impl ProcessId {
    /// The process that has this pid, if there is one; a zombie counts.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start: Stat::read(pid)?.start, boot: boot_id().to_owned() })
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

    /// Whether the process with this pid is this one, or of the session that this one began.
    pub(crate) fn leads(&self, pid: u32) -> bool {
        pid == self.pid || Stat::read(pid).is_some_and(|stat| stat.session == self.pid)
    }

    /// Whether it still runs; a zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot == boot_id()
            && Stat::read(self.pid).is_some_and(|stat| stat.start == self.start && !stat.is_dead())
    }
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

/// How a process ended, in words: `exit code 3`, `signal SIGKILL`.
pub(crate) fn describe(status: ExitStatus) -> String {
    if let Some(code) = status.code() {
        return format!("exit code {code}");
    }
    let number = status.signal().unwrap_or(0);
    match SIGNALS.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => format!("signal {name}"),
        None => format!("signal {number}"),
    }
}

/// The signals that end programs.
const SIGNALS: [(i32, &str); 15] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGKILL, "SIGKILL"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGPIPE, "SIGPIPE"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
];

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
    fn an_end_is_told_by_its_code_or_the_name_of_its_signal() {
        assert_eq!(describe(ExitStatus::from_raw(3 << 8)), "exit code 3");
        assert_eq!(describe(ExitStatus::from_raw(9)), "signal SIGKILL");
        assert_eq!(describe(ExitStatus::from_raw(40)), "signal 40");
    }

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
