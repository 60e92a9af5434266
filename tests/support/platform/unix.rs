//! Signals, modes and sockets: what Linux and macOS share.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

#[cfg(target_os = "linux")]
use super::linux as own;
#[cfg(target_os = "macos")]
use super::macos as own;
use crate::support::home::{Home, app_name};
use crate::support::wait::{SOON, eventually};

pub(crate) use own::{open_files, resident_kib, threads};

pub(crate) const ENVIRONMENT: &[&str] = &["PATH", "LANG", "TMPDIR", "RUST_BACKTRACE"];

pub(crate) const HOME: &str = "HOME";

/// The uid and gid of `nobody`.
const NOBODY: u32 = if cfg!(target_os = "macos") { 4_294_967_294 } else { 65_534 };

/// The code of a process that `mesh` has ended: SIGKILL's.
pub(crate) const ENDED: i32 = 137;

/// Open files by which a process may grow by itself.
pub(crate) const OWN_FILES: usize = 0;

pub(crate) const INTERPRETER: &str = "/bin/sh";

/// The processes that have this home in their environment.
pub(crate) struct Herd(PathBuf);

impl Herd {
    pub(crate) fn of(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// Those that have not ended, without the test itself.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = format!("MESH_HOME={}", self.0.display());
        own::with_variable(&mark).into_iter().filter(|&pid| pid != std::process::id()).collect()
    }
}

pub(crate) fn spawn(command: &mut Command, _is_interruptible: bool) -> io::Result<Child> {
    command.spawn()
}

pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Waits until it has stopped: under load it may go on for a while.
pub(crate) fn freeze(pid: u32) {
    signal(pid, Signal::STOP);
    eventually(SOON, "the process is stopped", || own::is_stopped(pid).then_some(()));
}

pub(crate) fn thaw(pid: u32) {
    signal(pid, Signal::CONT);
}

pub(crate) fn interrupt(pid: u32) {
    signal(pid, Signal::INT);
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// A signal counts as 128 and its number.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Whether the tests run as root, who may do everything: a permission test would prove nothing.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes the command run without root's privileges: as `nobody`.
pub(crate) fn unprivileged(command: &mut Command) -> &mut Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Gives a path to whom commands are [`unprivileged`] for.
pub(crate) fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
}

pub(crate) fn user() -> String {
    rustix::process::getuid().as_raw().to_string()
}

pub(crate) fn identity(path: &Path) -> impl PartialEq + std::fmt::Debug + use<> {
    let about = path.symlink_metadata();
    let about = about.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (about.ino(), about.mtime(), about.mtime_nsec())
}

pub(crate) fn private(path: &Path) {
    mode(path, if path.is_dir() { 0o700 } else { 0o600 });
}

/// Lets everybody write.
pub(crate) fn share(path: &Path) {
    mode(path, mode_of(path) | 0o022);
}

/// Lets nobody else write.
pub(crate) fn close(path: &Path) {
    mode(path, mode_of(path) & !0o022);
}

/// The permission bits of a path, links not followed.
pub(crate) fn mode_of(path: &Path) -> u32 {
    let about = path.symlink_metadata();
    about.unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

pub(crate) fn mode(path: &Path, mode: u32) {
    let set = fs::set_permissions(path, Permissions::from_mode(mode));
    set.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A connection to an app that nothing but the test speaks on.
pub(crate) struct Raw(UnixStream);

impl Raw {
    pub(crate) fn connect(home: &Home, name: &str) -> Self {
        let stream = UnixStream::connect(home.core().socket_path(&app_name(name))).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Self(stream)
    }

    /// Says that nothing more will be written.
    pub(crate) fn finish(&self) {
        let _ = self.0.shutdown(std::net::Shutdown::Write);
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether the other end closed before it had read all.
pub(crate) fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

/// Listens where an app would; answers who connects, one after another.
pub(crate) fn listen(home: &Home, name: &str) -> Callers {
    let run = home.core().run_dir();
    fs::create_dir_all(&run).expect("a folder for sockets");
    private(&run);
    let path = home.core().socket_path(&app_name(name));
    let listener = UnixListener::bind(&path).expect("a free address");
    private(&path);
    Callers(listener)
}

/// Who connects to what is no app.
pub(crate) struct Callers(UnixListener);

impl Iterator for Callers {
    type Item = UnixStream;

    fn next(&mut self) -> Option<UnixStream> {
        self.0.accept().ok().map(|(stream, _)| stream)
    }
}
