//! [`Job`]: a process and all that it starts, ended as one. On Windows only: elsewhere that is a
//! process group, which std and rustix can make.
//!
//! What a member starts is a member from birth, unless it asks to break away, as a launched app
//! does: a job lets it. A process that is taken in when it runs already may have started others
//! before; they stay outside.
#![expect(unsafe_code, reason = "std knows no job objects")]

use std::io;
use std::mem;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_BREAKAWAY_OK,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_BASIC_ACCOUNTING_INFORMATION,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicAccountingInformation,
    JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// A job object. Dropping it leaves its processes alone, unless it was made by
/// [`Job::of_this_process`].
#[derive(Debug)]
pub struct Job(OwnedHandle);

impl Job {
    /// A job without members.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Self> {
        Self::with(JOB_OBJECT_LIMIT_BREAKAWAY_OK)
    }

    /// A job of this process and of all that it starts from now on. When it is dropped, or this
    /// process ends in whatever way, every member is ended: this process too.
    ///
    /// # Errors
    /// What the system says.
    pub fn of_this_process() -> io::Result<Self> {
        let job = Self::with(JOB_OBJECT_LIMIT_BREAKAWAY_OK | JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
        // SAFETY: both handles are valid; that of the own process needs no closing.
        let done = unsafe { AssignProcessToJobObject(job.0.as_raw_handle(), GetCurrentProcess()) };
        succeeded(done)?;
        Ok(job)
    }

    /// Takes a process in, and what it starts from now on.
    ///
    /// # Errors
    /// What the system says: the process has ended, for example.
    pub fn add(&self, process: &impl AsHandle) -> io::Result<()> {
        let process = process.as_handle().as_raw_handle();
        // SAFETY: both handles are open while they are borrowed.
        succeeded(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process) })
    }

    /// Ends every member at once, with this exit code.
    ///
    /// # Errors
    /// What the system says.
    pub fn end(&self, code: u32) -> io::Result<()> {
        // SAFETY: the handle is open while `self` is borrowed.
        succeeded(unsafe { TerminateJobObject(self.0.as_raw_handle(), code) })
    }

    /// How many members run.
    ///
    /// # Errors
    /// What the system says.
    pub fn members(&self) -> io::Result<u32> {
        // SAFETY: the structure is plain numbers, for which zeros are valid.
        let mut told: JOBOBJECT_BASIC_ACCOUNTING_INFORMATION = unsafe { mem::zeroed() };
        // SAFETY: `told` is of the class that is asked for and as long as is said; the length
        // that was written is not wanted, for which null stands.
        let done = unsafe {
            QueryInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut told).cast(),
                length_of(&told),
                ptr::null_mut(),
            )
        };
        succeeded(done)?;
        Ok(told.ActiveProcesses)
    }

    fn with(limits: u32) -> io::Result<Self> {
        // SAFETY: null is the default security and no name.
        let handle = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new and nobody else closes it.
        let job = Self(unsafe { OwnedHandle::from_raw_handle(handle) });
        // SAFETY: the structure is plain numbers and sizes, for which zeros are valid.
        let mut wanted: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = unsafe { mem::zeroed() };
        wanted.BasicLimitInformation.LimitFlags = limits;
        // SAFETY: `wanted` is of the class that is named and as long as is said.
        let done = unsafe {
            SetInformationJobObject(
                job.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const wanted).cast(),
                length_of(&wanted),
            )
        };
        succeeded(done)?;
        Ok(job)
    }
}

fn length_of<T>(value: &T) -> u32 {
    // These structures have a few dozen bytes.
    u32::try_from(size_of_val(value)).unwrap_or(u32::MAX)
}

fn succeeded(done: i32) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A shell that waits for its input to end.
    fn waiting() -> Child {
        let mut command = Command::new("cmd.exe");
        command.args(["/d", "/c", "cmd.exe /d /c set /p x="]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn the_members_of_a_job_end_together_and_no_others() {
        let (mut inside, mut outside) = (waiting(), waiting());
        let job = Job::new().unwrap();
        assert_eq!(job.members().unwrap(), 0);
        job.add(&inside).unwrap();
        assert!(job.members().unwrap() >= 1);
        job.end(77).unwrap();
        assert_eq!(inside.wait().unwrap().code(), Some(77));
        assert!(outside.try_wait().unwrap().is_none());
        drop(outside.stdin.take());
        outside.wait().unwrap();
    }

    #[test]
    fn a_job_that_is_dropped_leaves_its_members_alone() {
        let mut child = waiting();
        let job = Job::new().unwrap();
        job.add(&child).unwrap();
        drop(job);
        assert!(child.try_wait().unwrap().is_none());
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
