//! A child in a session of its own, which inherits three streams and the ready pipe.
//!
//! `MESH_READY_FD` holds the number of the write end of the *ready pipe*, and any byte written
//! there means ready. When the pipe ends without a byte, the child and all its descendants have
//! closed it. No signal is blocked or ignored in the child.
#![expect(unsafe_code, reason = "what a child does between fork and exec has no safe form")]

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
pub(crate) use std::process::Child;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, OFlags};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};

use super::Detached;

/// The environment variable that tells a child the number of its end of the ready pipe.
pub(crate) const READY_VARIABLE: &str = "MESH_READY_FD";

/// The first descriptor that is not a standard stream.
const FIRST_FD: RawFd = 3;
/// Linux's default for the most descriptors that a process may have.
#[cfg(target_os = "linux")]
const LAST_FD: RawFd = 1 << 20;

/// The launcher's end of a ready pipe.
#[derive(Debug)]
pub(crate) struct ReadyWait(PipeReader);

/// The end that the child gets; the launcher drops its copy once the child has one.
#[derive(Debug)]
pub(crate) struct ReadyGrant(PipeWriter);

/// Both ends of a new ready pipe; no other child inherits them.
pub(crate) fn ready_pair() -> io::Result<(ReadyWait, ReadyGrant)> {
    let (reader, writer) = io::pipe()?;
    // A launcher that runs with a closed standard stream would else hand that number on.
    let writer = OwnedFd::from(writer);
    let writer = fcntl_dupfd_cloexec(&writer, FIRST_FD)?;
    Ok((ReadyWait(reader), ReadyGrant(PipeWriter::from(writer))))
}

impl ReadyWait {
    /// Blocks until the child says that it is ready (`true`), or until it and all its descendants
    /// have closed the pipe, which is what a death looks like.
    pub(crate) fn wait(mut self, _child: &Child) -> bool {
        self.0.read_exact(&mut [0]).is_ok()
    }
}

impl Detached<'_> {
    /// Starts the child, which gets `ready` as its end of the ready pipe.
    ///
    /// The caller waits for the child's end: else it remains as a zombie.
    pub(crate) fn spawn(&self, ready: &ReadyGrant) -> io::Result<Child> {
        let number = ready.0.as_raw_fd();
        let mut command = Command::new(self.program);
        command
            .args(self.args)
            .current_dir(self.cwd)
            .env_clear()
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .env(READY_VARIABLE, number.to_string())
            .stdin(Stdio::null())
            .stdout(self.log.try_clone()?)
            .stderr(self.log.try_clone()?);
        // SAFETY: the closure makes system calls only; it neither allocates nor locks, which is
        // what the time between fork and exec of a threaded process permits. `number` is open
        // until after the spawn, because `ready` is borrowed.
        unsafe { command.pre_exec(move || prepare_child(number)) };
        command.spawn()
    }
}

/// Runs in the child, between fork and exec.
fn prepare_child(ready: RawFd) -> io::Result<()> {
    rustix::process::setsid()?;
    default_signals();
    close_on_exec()?;
    // SAFETY: the parent keeps the descriptor open until the fork is over; this is its copy.
    let ready = unsafe { BorrowedFd::borrow_raw(ready) };
    fcntl_setfd(ready, FdFlags::empty())?;
    Ok(())
}

fn default_signals() {
    // Signal 0 does not exist, KILL and STOP cannot be changed, Linux's C library keeps two for
    // itself and macOS has 31: for these the call fails, and that is fine.
    for signal in 1..=64 {
        // SAFETY: the default disposition is valid for every signal, and runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises the set that it is given, and the mask is then read only.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Marks all descriptors but the standard streams to be closed by exec. They are not closed here:
/// one of them is std's, by which a failed exec is reported.
fn close_on_exec() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let (first, last) = (libc::c_uint::try_from(FIRST_FD).unwrap_or(3), libc::c_uint::MAX);
        // SAFETY: three plain numbers; only this process's own table of descriptors changes.
        let done =
            unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
        if done == 0 {
            return Ok(());
        }
    }
    // A kernel without the call: one by one, up to the limit of open files.
    for number in FIRST_FD..last_fd() {
        // SAFETY: a number that is not open makes the calls fail with EBADF, nothing else.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if let Ok(flags) = fcntl_getfd(fd) {
            fcntl_setfd(fd, flags | FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}

/// The number after the last that a descriptor of this process can have.
#[cfg(target_os = "linux")]
fn last_fd() -> RawFd {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| RawFd::try_from(limit).ok()).unwrap_or(LAST_FD).min(LAST_FD)
}

/// The same; the kernel's own bound counts where the process has none.
#[cfg(target_os = "macos")]
fn last_fd() -> RawFd {
    // SAFETY: a system call without arguments, which cannot fail.
    unsafe { libc::getdtablesize() }
}

/// The child's end of the ready pipe.
#[derive(Debug)]
pub(crate) struct ReadySignal(PipeWriter);

impl ReadySignal {
    /// Tells the launcher that this app is ready. A launcher that is gone does not matter.
    pub(crate) fn ready(mut self) {
        let _ = self.0.write_all(b"\n");
    }
}

/// Set once this process has taken its ready pipe.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The ready pipe that this process was started with; the first call takes it, later ones get
/// nothing. The variable stays in the environment, since removing it is not safe with threads.
pub(crate) fn take_ready_signal() -> Option<ReadySignal> {
    let number = inherited_ready_fd()?;
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    // SAFETY: a descriptor without close-on-exec came with the exec that started this program, as
    // the variable did; nothing here has opened it, and the flag above makes it taken once.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&owned, FdFlags::CLOEXEC).ok()?;
    Some(ReadySignal(PipeWriter::from(owned)))
}

/// Whether this process was started with a ready pipe: it is a launched app, or one that the
/// launched program starts before it is one.
pub(crate) fn is_launched() -> bool {
    TAKEN.load(Ordering::Relaxed) || inherited_ready_fd().is_some()
}

/// The descriptor that the variable names, if it is a ready pipe.
fn inherited_ready_fd() -> Option<RawFd> {
    let number = std::env::var(READY_VARIABLE).ok()?.parse::<RawFd>().ok()?;
    if number < FIRST_FD {
        return None;
    }
    // SAFETY: the number is only used for calls that fail with EBADF when it is not open.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    is_inherited_pipe(fd).unwrap_or(false).then_some(number)
}

/// Whether a descriptor is the write end of a pipe that was open before this program began.
fn is_inherited_pipe(fd: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let about = rustix::fs::fstat(fd)?;
    let access = rustix::fs::fcntl_getfl(fd)? & OFlags::ACCMODE;
    let inherited = !fcntl_getfd(fd)?.contains(FdFlags::CLOEXEC);
    let pipe = FileType::from_raw_mode(about.st_mode) == FileType::Fifo;
    Ok(pipe && inherited && access == OFlags::WRONLY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::path::Path;

    /// Runs a shell script detached; answers its log, and what came through the ready pipe.
    fn run(script: &str) -> (String, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let (mut reader, writer) = ready_pair().unwrap();
        let log = File::create(&path).unwrap();
        let detached = Detached {
            program: Path::new("/bin/sh"),
            args: &["-c".to_owned(), script.to_owned()],
            cwd: Path::new("/usr"),
            env: &[("ONLY".into(), "this".into())],
            log: &log,
        };
        let mut child = detached.spawn(&writer).unwrap();
        drop(writer);
        let mut said = Vec::new();
        reader.0.read_to_end(&mut said).unwrap();
        child.wait().unwrap();
        (fs::read_to_string(path).unwrap(), said)
    }

    #[test]
    fn a_child_says_that_it_is_ready() {
        let (_, said) = run("echo >/dev/fd/$MESH_READY_FD");
        assert_eq!(said, b"\n");
    }

    #[test]
    fn a_child_gets_the_given_environment_directory_and_streams_only() {
        let (log, said) = run("env; pwd; echo problem >&2; read line || echo end");
        assert_eq!(said, b"");
        let mut lines: Vec<&str> = log.lines().filter(|line| !line.starts_with('_')).collect();
        lines.retain(|line| !line.starts_with("MESH_READY_FD="));
        let rest: Vec<&str> = lines.iter().copied().filter(|line| !line.contains('=')).collect();
        assert!(lines.contains(&"ONLY=this"), "{log}");
        assert!(!log.contains("PATH="), "{log}");
        assert_eq!(rest, ["/usr", "problem", "end"]);
    }

    /// Looks into /proc, as only Linux can.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_inherits_no_descriptor_but_the_ready_pipe() {
        let dir = tempfile::tempdir().unwrap();
        let open = File::create(dir.path().join("open")).unwrap();
        // Without the flag a careless program would hand it on.
        fcntl_setfd(&open, FdFlags::empty()).unwrap();
        let (log, _) = run("for fd in /proc/$$/fd/*; do readlink $fd; done");
        assert!(!log.contains("/open"), "{log}");
        assert_eq!(log.lines().filter(|line| line.starts_with("pipe:")).count(), 1, "{log}");
    }

    /// Looks into /proc, as only Linux can.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_leads_its_own_session_with_clean_signals() {
        let (log, _) = run("cut -d' ' -f6 /proc/$$/stat; echo $$; grep -E 'Sig(Blk|Ign)' \
                            /proc/$$/status | cut -f2");
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines[0], lines[1], "session and pid: {log}");
        for mask in &lines[2..] {
            // 32 and 33 are the C library's own.
            let signals = u64::from_str_radix(mask, 16).unwrap() & !(0b11 << 31);
            assert_eq!(signals, 0, "{log}");
        }
    }

    #[test]
    fn only_the_write_end_of_a_pipe_is_a_ready_pipe() {
        let (reader, writer) = io::pipe().unwrap();
        assert!(!is_inherited_pipe(writer.as_fd()).unwrap(), "it was opened by this process");
        for end in [reader.as_fd(), writer.as_fd()] {
            fcntl_setfd(end, FdFlags::empty()).unwrap();
        }
        assert!(!is_inherited_pipe(reader.as_fd()).unwrap());
        assert!(is_inherited_pipe(writer.as_fd()).unwrap());
        let file = tempfile::tempfile().unwrap();
        fcntl_setfd(&file, FdFlags::empty()).unwrap();
        assert!(!is_inherited_pipe(file.as_fd()).unwrap());
    }
}
