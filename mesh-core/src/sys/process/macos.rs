//! Processes by what libproc tells, and their ends by a kernel queue.
//!
//! macOS has no handle that would keep a pid from being given out again. Who a process is, is
//! looked at right before each signal; to hit another, it would have to end and all other pids
//! would have to be given out in the instant between the two calls.
#![expect(unsafe_code, reason = "libproc and sysctl fill what a pointer leads to")]

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::ProcessId;
pub(crate) use super::signal::describe;
use crate::sys::clock;
use crate::sys::kqueue::{Queue, event};

/// How often a process is looked at whose end the system cannot tell.
const LOOK: Duration = Duration::from_millis(10);

/// When the process with this pid started, in microseconds of the wall clock as it was then; that
/// stays the same when the clock is set. A zombie counts.
pub(super) fn start_of(pid: u32) -> Option<u64> {
    About::of(pid, true).map(|about| about.start())
}

/// The same, for a process that still runs; a zombie does not, nor one that is about to be one.
pub(super) fn running_since(pid: u32) -> Option<u64> {
    About::of(pid, false).filter(|about| about.0.pbi_status != libc::SZOMB).map(|a| a.start())
}

/// Whether the process with this pid is of the session that `leader` began.
pub(super) fn leads(leader: &ProcessId, pid: u32) -> bool {
    let (Ok(leader), Ok(pid)) = (c_int::try_from(leader.pid), c_int::try_from(pid)) else {
        return false;
    };
    // SAFETY: one plain number, and a plain number back; -1 is a failure.
    leader > 0 && unsafe { libc::getsid(pid) } == leader
}

/// One process, known by its start time as well.
#[derive(Debug)]
pub(crate) struct Handle {
    id: ProcessId,
    pid: Pid,
}

impl Handle {
    /// A handle on exactly this process; `None` when it is gone.
    pub(crate) fn of(process: &ProcessId) -> Option<Self> {
        let pid = Pid::from_raw(c_int::try_from(process.pid).ok()?)?;
        process.is_alive().then(|| Self { id: process.clone(), pid })
    }

    /// Asks it to end (SIGTERM); answers whether it was still there.
    pub(crate) fn terminate(&self) -> bool {
        self.signal(Signal::TERM)
    }

    /// Ends it (SIGKILL); answers whether it was still there.
    pub(crate) fn kill(&self) -> bool {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> bool {
        self.id.is_alive() && kill_process(self.pid, signal).is_ok()
    }

    /// Waits for its end for up to `wait`; answers whether it has ended.
    pub(crate) fn wait(&self, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        let queue = self.told_of_end();
        loop {
            // Looked at once the queue is told: an end before that is seen here, a later one there.
            if !self.id.is_alive() {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            match queue.as_ref().map(|queue| queue.next(Some(left))) {
                Some(Ok(None)) => {}
                Some(Ok(Some(_))) => return true,
                Some(Err(_)) | None => clock::pause(LOOK.min(left)),
            }
        }
    }

    /// A queue that tells the end of whoever has the pid now; `None` when the system has no room
    /// for one, or the process is gone.
    fn told_of_end(&self) -> Option<Queue> {
        let queue = Queue::new().ok()?;
        let pid = usize::try_from(self.id.pid).ok()?;
        let flags = libc::EV_ADD | libc::EV_ONESHOT;
        queue.change([event(pid, libc::EVFILT_PROC, flags, libc::NOTE_EXIT, 0)]).ok()?;
        Some(queue)
    }
}

/// The program that a process runs, for messages.
pub(crate) fn program_of(pid: u32) -> Option<PathBuf> {
    const MOST: u32 = libc::PROC_PIDPATHINFO_MAXSIZE.cast_unsigned();
    let mut path = [0_u8; MOST as usize];
    let pid = c_int::try_from(pid).ok()?;
    // SAFETY: the buffer is as long as is said; the kernel writes no more.
    let length = unsafe { libc::proc_pidpath(pid, path.as_mut_ptr().cast(), MOST) };
    let path = path.get(..usize::try_from(length).ok()?).filter(|path| !path.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// How long ago a process started, for messages: wrong by as much as the clock was set since.
pub(crate) fn age_of(pid: u32) -> Option<Duration> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    now.checked_sub(Duration::from_micros(start_of(pid)?))
}

/// The boot that this is, as a text.
pub(crate) fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let mut text = [0_u8; 64];
        let mut length = text.len();
        // SAFETY: the name ends with a zero; `length` says how long the buffer is, and the kernel
        // writes no more. Nothing is set.
        let done = unsafe {
            libc::sysctlbyname(
                c"kern.bootsessionuuid".as_ptr(),
                text.as_mut_ptr().cast(),
                &raw mut length,
                std::ptr::null_mut(),
                0,
            )
        };
        let text = CStr::from_bytes_until_nul(&text).ok().filter(|_| done == 0);
        text.map(|text| text.to_string_lossy().trim().to_owned()).unwrap_or_default()
    })
}

/// What the kernel says of a process.
struct About(libc::proc_bsdinfo);

impl About {
    fn of(pid: u32, or_zombie: bool) -> Option<Self> {
        let pid = c_int::try_from(pid).ok()?;
        let size = c_int::try_from(size_of::<libc::proc_bsdinfo>()).ok()?;
        let mut about = MaybeUninit::<libc::proc_bsdinfo>::uninit();
        let buffer = about.as_mut_ptr().cast::<c_void>();
        let flavor = libc::PROC_PIDTBSDINFO;
        // SAFETY: the buffer is as long as is said; the kernel writes no more.
        let written =
            unsafe { libc::proc_pidinfo(pid, flavor, u64::from(or_zombie), buffer, size) };
        // SAFETY: all of it has been written, and any bytes make such a structure of numbers.
        (written == size).then(|| Self(unsafe { about.assume_init() }))
    }

    fn start(&self) -> u64 {
        self.0.pbi_start_tvsec.saturating_mul(1_000_000).saturating_add(self.0.pbi_start_tvusec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_handle_ends_its_process_and_sees_the_end() {
        let mut child = Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        let handle = Handle::of(&id).unwrap();
        assert!(!handle.wait(Duration::ZERO));
        assert!(handle.terminate());
        assert!(handle.wait(Duration::from_secs(5)));
        assert!(!id.is_alive(), "a zombie counts as dead");
        assert_eq!(start_of(id.pid), Some(id.start), "until it is reaped its pid is its own");
        child.wait().unwrap();
        assert!(!handle.kill());
        assert!(Handle::of(&id).is_none());
    }

    #[test]
    fn a_process_is_of_its_own_session_only() {
        let own = ProcessId::own().unwrap();
        assert!(own.leads(own.pid) && !own.leads(1));
    }
}
