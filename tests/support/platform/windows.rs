//! Consoles, access lists and pipes.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use mesh_tests::windows::{self as sys, Pipe};

use crate::support::home::Home;
use crate::support::programs::test_app;
use crate::support::wait::{SOON, eventually, pause};

/// `WINE` and what begins so is for the tests that run there.
pub(crate) const ENVIRONMENT: &[&str] = &[
    "PATH",
    "PATHEXT",
    "SystemRoot",
    "SystemDrive",
    "ComSpec",
    "TEMP",
    "TMP",
    "APPDATA",
    "LOCALAPPDATA",
    "RUST_BACKTRACE",
    "WINEPREFIX",
    "WINEDEBUG",
    "WINELOADERNOEXEC",
];

pub(crate) const HOME: &str = "USERPROFILE";

/// A thread is a handle of its process, and some wait by events.
pub(crate) const OWN_FILES: usize = 12;

/// The code of a process that `mesh` has ended, as of one that other tools end.
pub(crate) const ENDED: i32 = 1;

pub(crate) const INTERPRETER: &str = r"C:\windows\system32\cmd.exe";

/// `ERROR_PIPE_BUSY`: all instances are taken, and the next one is on its way.
const PIPE_BUSY: i32 = 231;

/// `ERROR_INTERNAL_ERROR`: so Wine calls it under load when a new process does not come to life.
const STILLBORN: i32 = 1359;

/// `ERROR_PIPE_NOT_CONNECTED`.
const NOT_CONNECTED: i32 = 233;

/// The processes that have this home in their environment.
pub(crate) struct Herd(PathBuf);

impl Herd {
    pub(crate) fn of(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// Those that have not ended, without the test itself.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let all = sys::processes_with("MESH_HOME", self.0.as_os_str());
        let all = all.expect("the list of processes").into_iter();
        all.filter(|&pid| pid != std::process::id()).collect()
    }
}

pub(crate) fn spawn(command: &mut Command, is_interruptible: bool) -> io::Result<Child> {
    if is_interruptible {
        sys::give_console(command);
    }
    let end = Instant::now() + SOON;
    loop {
        match command.spawn() {
            Err(error) if error.raw_os_error() == Some(STILLBORN) && Instant::now() < end => {
                pause(Duration::from_millis(50));
            }
            spawned => return spawned,
        }
    }
}

pub(crate) fn kill(pid: u32) {
    let _ = sys::kill(pid);
}

pub(crate) fn freeze(pid: u32) {
    sys::freeze(pid, true).unwrap_or_else(|error| panic!("{pid}: {error}"));
}

pub(crate) fn thaw(pid: u32) {
    sys::freeze(pid, false).unwrap_or_else(|error| panic!("{pid}: {error}"));
}

/// Ctrl-C is for all of a console: another process goes there to press it, so that this one
/// need not.
pub(crate) fn interrupt(pid: u32) {
    let mut command = Command::new(test_app());
    command.arg("--interrupt").arg(pid.to_string()).stdin(Stdio::null());
    let pressed = command.status().expect("the test app runs");
    assert!(pressed.success(), "{pid} is not interrupted: {pressed}");
}

pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

pub(crate) fn open_files(pid: u32) -> usize {
    sys::handles(pid).expect("the table of handles")
}

pub(crate) fn threads(pid: u32) -> usize {
    sys::threads(pid).expect("the list of threads")
}

pub(crate) fn resident_kib(pid: u32) -> u64 {
    sys::resident(pid).expect("the memory of a process") as u64 >> 10
}

pub(crate) fn user() -> String {
    sys::user().expect("a user")
}

pub(crate) fn identity(path: &Path) -> impl PartialEq + std::fmt::Debug + use<> {
    let about = path.symlink_metadata();
    let about = about.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (about.created().ok(), about.modified().ok(), about.len())
}

/// For the user, the system and the administrators, as a profile's folders are.
pub(crate) fn private(path: &Path) {
    access(path, "");
}

/// Lets everybody do everything.
pub(crate) fn share(path: &Path) {
    access(path, "(A;OICI;FA;;;WD)");
}

pub(crate) fn close(path: &Path) {
    private(path);
}

/// An access list that grants something to everybody is refused to administrators as well.
pub(crate) fn unprivileged(command: &mut Command) -> &mut Command {
    command
}

pub(crate) fn give(_path: &Path) {}

fn access(path: &Path, more: &str) {
    let user = user();
    let list = format!("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;{user}){more}");
    let set = sys::set_access(path, &list);
    set.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The name of an app's pipe, as `docs/protocol.md` makes it of user, home and name.
fn pipe(home: &Home, name: &str) -> String {
    let home = home.path().canonicalize().expect("the home is there");
    let bytes = home.as_os_str().as_encoded_bytes().iter();
    let hash = bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |sum, byte| {
        (sum ^ u128::from(*byte)).wrapping_mul((1 << 88) + 0x13b)
    });
    format!(r"\\.\pipe\mesh-{}-{hash:032x}-{name}", user())
}

/// A connection to an app that nothing but the test speaks on.
pub(crate) struct Raw(File);

impl Raw {
    pub(crate) fn connect(home: &Home, name: &str) -> Self {
        let pipe = pipe(home, name);
        let open = || OpenOptions::new().read(true).write(true).open(&pipe);
        Self(eventually(SOON, "an instance of the pipe is free", || match open() {
            Err(error) if error.raw_os_error() == Some(PIPE_BUSY) => None,
            opened => Some(opened.unwrap_or_else(|error| panic!("{pipe:?}: {error}"))),
        }))
    }

    /// A pipe has no half that could be closed.
    #[expect(clippy::unused_self, reason = "a socket has two halves")]
    pub(crate) fn finish(&self) {}
}

impl Read for Raw {
    /// By a thread of its own: there is no timeout for a pipe.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut pipe, size) = (self.0.try_clone()?, buffer.len());
        let (sender, answer) = sync_channel(1);
        let read = move || {
            let mut bytes = vec![0; size];
            let _ = sender.send(pipe.read(&mut bytes).map(|count| bytes[..count].to_vec()));
        };
        thread::Builder::new().name("raw".into()).spawn(read)?;
        let bytes = answer.recv_timeout(SOON).map_err(|_| ErrorKind::TimedOut)??;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the other end is gone: `ERROR_PIPE_NOT_CONNECTED` is the end that was meant, and a
/// broken pipe the one that was not.
pub(crate) fn is_end(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe || error.raw_os_error() == Some(NOT_CONNECTED)
}

/// Listens where an app would; answers who connects, one after another.
pub(crate) fn listen(home: &Home, name: &str) -> Callers {
    Callers(Pipe::new(pipe(home, name)).expect("a free address"))
}

/// Who connects to what is no app.
pub(crate) struct Callers(Pipe);

impl Iterator for Callers {
    type Item = File;

    fn next(&mut self) -> Option<File> {
        self.0.accept().ok()
    }
}
