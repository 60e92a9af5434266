//! Processes by their handles, and a snapshot of who made whom.
//!
//! A start time is the moment of creation in steps of 100 ns since 1601, which the system writes
//! down once and does not move when the clock is set. Together with the number it names a process
//! for good, over boots as well: so the boot is one text for all of them.
//!
//! A process that has ended is still there, as long as somebody has a handle on it.
#![expect(unsafe_code, reason = "std has no handles on processes that are not its children")]

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{FILETIME, WAIT_OBJECT_0};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::SystemInformation::GetSystemTimeAsFileTime;
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_ACCESS_RIGHTS, PROCESS_NAME_WIN32,
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE,
    QueryFullProcessImageNameW, TerminateProcess, WaitForSingleObject,
};

use super::ProcessId;
pub(crate) use super::exit::describe;
use crate::sys::win32::owned;

/// What a process that was ended by force leaves as its exit code.
const KILLED: u32 = 1;

/// The most ancestors that are looked at; numbers that were given out again may make a circle.
const GENERATIONS: usize = 32;

/// The longest path that the system knows, in UTF-16 units.
const PATH_MAX: u32 = 32_768;

/// When the process with this pid was created; one that has ended counts.
pub(super) fn start_of(pid: u32) -> Option<u64> {
    created(&open(pid, PROCESS_QUERY_LIMITED_INFORMATION)?)
}

/// The same, for a process that still runs.
pub(super) fn running_since(pid: u32) -> Option<u64> {
    let process = open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE)?;
    if has_ended(&process, Duration::ZERO) { None } else { created(&process) }
}

/// Whether the process with this pid came of `leader`: its parent, or the parent of its parent.
/// One between them that has ended breaks the line; the leader itself may have ended.
pub(super) fn leads(leader: &ProcessId, pid: u32) -> bool {
    let Ok(parents) = parents() else { return false };
    let (mut child, mut child_start) = match start_of(pid) {
        Some(start) => (pid, start),
        None => return false,
    };
    for _ in 0..GENERATIONS {
        let Some(parent) = parents.iter().find(|(pid, _)| *pid == child).map(|(_, of)| *of) else {
            return false;
        };
        // Whoever has the parent's number now is not the parent if it is younger than the child.
        let start = start_of(parent).filter(|start| *start <= child_start);
        if parent == leader.pid {
            return start.map_or(leader.start <= child_start, |start| start == leader.start);
        }
        match start {
            Some(start) => (child, child_start) = (parent, start),
            None => return false,
        }
    }
    false
}

/// A kernel handle on one process.
#[derive(Debug)]
pub(crate) struct Handle(OwnedHandle);

impl Handle {
    /// A handle on exactly this process; `None` when it is gone, or not ours to end.
    pub(crate) fn of(process: &ProcessId) -> Option<Self> {
        let rights = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE | PROCESS_TERMINATE;
        let handle = open(process.pid, rights)?;
        // Looked at with the handle open: while it is, the number cannot become another's.
        let is_it = created(&handle) == Some(process.start) && !has_ended(&handle, Duration::ZERO);
        is_it.then_some(Self(handle))
    }

    /// Asks it to end; answers whether it could be asked, which is never. Ctrl-Break goes to a
    /// group of our own console: a launched app has another, and for any other app the system does
    /// not say whether its number is that of a group. If it is none, everybody there gets it.
    pub(crate) fn terminate(&self) -> bool {
        false
    }

    /// Ends it; answers whether it was still there.
    pub(crate) fn kill(&self) -> bool {
        // SAFETY: the handle is open and has the right to do so.
        unsafe { TerminateProcess(self.0.as_raw_handle(), KILLED) != 0 }
    }

    /// Waits for its end for up to `wait`; answers whether it has ended.
    pub(crate) fn wait(&self, wait: Duration) -> bool {
        has_ended(&self.0, wait)
    }
}

/// The program that a process runs, for messages.
pub(crate) fn program_of(pid: u32) -> Option<PathBuf> {
    let process = open(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
    let mut length = PATH_MAX;
    let mut path = vec![0u16; usize::try_from(length).ok()?];
    // SAFETY: the buffer has as many units as `length` says.
    let told = unsafe {
        QueryFullProcessImageNameW(
            process.as_raw_handle(),
            PROCESS_NAME_WIN32,
            path.as_mut_ptr(),
            &raw mut length,
        )
    };
    let path = path.get(..usize::try_from(length).ok()?)?;
    (told != 0).then(|| OsString::from_wide(path).into())
}

/// How long ago a process started, for messages.
pub(crate) fn age_of(pid: u32) -> Option<Duration> {
    let start = start_of(pid)?;
    let mut now = NO_TIME;
    // SAFETY: `now` is a place for one time.
    unsafe { GetSystemTimeAsFileTime(&raw mut now) };
    // Steps of 100 ns.
    Some(Duration::from_nanos(number(now).checked_sub(start)?.checked_mul(100)?))
}

/// The boot that this is, as a text: see above why one is enough.
pub(crate) fn boot_id() -> &'static str {
    "windows"
}

/// A handle on whatever has this pid now.
fn open(pid: u32, rights: PROCESS_ACCESS_RIGHTS) -> Option<OwnedHandle> {
    // SAFETY: a call with three numbers.
    unsafe { owned(OpenProcess(rights, 0, pid)) }.ok()
}

/// When the process behind a handle was created.
fn created(process: &OwnedHandle) -> Option<u64> {
    let mut times = [NO_TIME; 4];
    let [creation, exit, kernel, user] = &mut times;
    // SAFETY: the handle is open, and there are four places for a time each.
    let told = unsafe { GetProcessTimes(process.as_raw_handle(), creation, exit, kernel, user) };
    (told != 0).then(|| number(times[0]))
}

/// Waits for the end of the process behind a handle; answers whether it has ended.
fn has_ended(process: &OwnedHandle, wait: Duration) -> bool {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // One more millisecond than the rest, which is cut; the largest number means for ever.
        let ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX).min(u32::MAX - 2);
        let ms = if left.is_zero() { 0 } else { ms + 1 };
        // SAFETY: the handle is open while it is borrowed.
        let answer = unsafe { WaitForSingleObject(process.as_raw_handle(), ms) };
        if answer == WAIT_OBJECT_0 || left.is_zero() {
            return answer == WAIT_OBJECT_0;
        }
    }
}

/// All processes, each with the number of the one that made it.
fn parents() -> io::Result<Vec<(u32, u32)>> {
    // SAFETY: a call with two numbers; the second is not used for processes.
    let snapshot = unsafe { owned(CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0)) }?;
    let mut entry = PROCESSENTRY32W {
        dwSize: u32::try_from(size_of::<PROCESSENTRY32W>()).unwrap_or(0),
        ..PROCESSENTRY32W::default()
    };
    let mut found = Vec::new();
    // SAFETY: the snapshot is open, and the entry says how large it is.
    let mut more = unsafe { Process32FirstW(snapshot.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        found.push((entry.th32ProcessID, entry.th32ParentProcessID));
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.as_raw_handle(), &raw mut entry) };
    }
    Ok(found)
}

const NO_TIME: FILETIME = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };

/// A time as one number.
fn number(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A process that lives until the other end of its input is closed.
    fn living() -> Child {
        let mut command = Command::new("cmd.exe");
        command.args(["/c", "set /p x="]).stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().unwrap()
    }

    #[test]
    fn a_handle_ends_its_process_and_sees_the_end() {
        let mut child = living();
        let id = ProcessId::of(child.id()).unwrap();
        let handle = Handle::of(&id).unwrap();
        assert!(id.is_alive() && !handle.wait(Duration::ZERO));
        assert!(Handle::of(&ProcessId { start: id.start + 1, ..id.clone() }).is_none());
        assert!(handle.kill());
        assert!(handle.wait(Duration::from_secs(5)));
        assert!(!id.is_alive() && Handle::of(&id).is_none(), "one that has ended is not alive");
        assert_eq!(ProcessId::of(id.pid), Some(id), "but it is there while it has a handle");
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }

    #[test]
    fn a_process_leads_its_children_and_no_stranger() {
        let mut child = living();
        let (own, of_child) = (ProcessId::own().unwrap(), ProcessId::of(child.id()).unwrap());
        assert!(own.leads(own.pid) && own.leads(child.id()));
        assert!(!of_child.leads(own.pid));
        let reused = ProcessId { start: own.start + 1, ..own };
        assert!(!reused.leads(child.id()), "the number is another process's by now");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
