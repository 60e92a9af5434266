//! A child without a console, in a process group and, where that is allowed, outside our job.
//!
//! `MESH_READY_EVENT` holds the name of the *ready event*; who sets it says that it is ready. Only
//! the launcher keeps it, until it is set or the child has ended: descendants do not hold it, so a
//! program that hands over and ends has failed. Whoever takes the event takes the variable out of
//! its environment too, so that what it starts does not take itself for the launched app.
#![expect(unsafe_code, reason = "std knows neither events nor the flags of its own streams")]

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_BAD_EXE_FORMAT, GetHandleInformation,
    GetLastError, HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CreateEventW, DETACHED_PROCESS,
    EVENT_MODIFY_STATE, INFINITE, OpenEventW, SetEvent, WaitForMultipleObjects,
};

use super::Detached;
use crate::sys::access::Descriptor;

/// The environment variable that tells a child the name of its ready event.
pub(crate) const READY_VARIABLE: &str = "MESH_READY_EVENT";

/// What the name of a ready event begins with: objects of this logon session.
const NAME_PREFIX: &str = r"Local\mesh-ready-";

/// The launcher's side of a ready event.
#[derive(Debug)]
pub(crate) struct ReadyWait(OwnedHandle);

/// The side that the child gets.
#[derive(Debug)]
pub(crate) struct ReadyGrant(String);

/// Both sides of a new ready event, which only this user can open.
pub(crate) fn ready_pair() -> io::Result<(ReadyWait, ReadyGrant)> {
    let name = format!("{NAME_PREFIX}{}", Uuid::new_v4());
    let access = Descriptor::exclusive()?;
    let attributes = access.attributes();
    let wide = wide(&name);
    // SAFETY: the attributes and the name, which ends with a zero, live until the call is over.
    let event = unsafe { CreateEventW(&raw const attributes, 1, 0, wide.as_ptr()) };
    // SAFETY: reads a number of this thread.
    let was_there = !event.is_null() && unsafe { GetLastError() } == ERROR_ALREADY_EXISTS;
    let event = owned(event)?;
    if was_there {
        return Err(io::Error::from(ErrorKind::AlreadyExists));
    }
    Ok((ReadyWait(event), ReadyGrant(name)))
}

impl ReadyWait {
    /// Blocks until the child says that it is ready (`true`), or until it has ended.
    pub(crate) fn wait(self, child: &Child) -> bool {
        let handles = [self.0.as_raw_handle(), child.as_raw_handle()];
        // The first of those that are set is told: a child that said so and ended was ready.
        // SAFETY: two handles, both open while `self` and `child` are borrowed.
        unsafe { WaitForMultipleObjects(2, handles.as_ptr(), 0, INFINITE) == WAIT_OBJECT_0 }
    }
}

impl Detached<'_> {
    /// Starts the child, which gets `ready`.
    pub(crate) fn spawn(&self, ready: &ReadyGrant) -> io::Result<Child> {
        let _withheld = Withheld::streams();
        let flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
        let started =
            match self.command(ready)?.creation_flags(flags | CREATE_BREAKAWAY_FROM_JOB).spawn() {
                Err(error) if is(&error, ERROR_ACCESS_DENIED) => {
                    let started = self.command(ready)?.creation_flags(flags).spawn();
                    if started.is_ok() {
                        log::info!(
                            "{} stays in the job of its launcher, which may end it",
                            self.program.display()
                        );
                    }
                    started
                }
                started => started,
            };
        started.map_err(|error| self.explain(error))
    }

    fn command(&self, ready: &ReadyGrant) -> io::Result<Command> {
        let mut command = Command::new(self.program);
        command
            .args(self.args)
            .current_dir(self.cwd)
            .env_clear()
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .env(READY_VARIABLE, &ready.0)
            .stdin(Stdio::null())
            .stdout(self.log.try_clone()?)
            .stderr(self.log.try_clone()?);
        Ok(command)
    }

    /// What the system says in few words of the usual mistakes, with the next step.
    fn explain(&self, error: io::Error) -> io::Error {
        let extension = self.program.extension().and_then(OsStr::to_str).unwrap_or_default();
        let is_batch = ["bat", "cmd"].iter().any(|known| extension.eq_ignore_ascii_case(known));
        let what = if is(&error, ERROR_BAD_EXE_FORMAT) {
            "it is no program of this system; for a script, register its interpreter before it"
        } else if is_batch && error.kind() == ErrorKind::InvalidInput {
            "cmd.exe cannot be given these arguments unchanged; name the program that the batch \
             file runs"
        } else if error.kind() == ErrorKind::NotADirectory {
            "the directory it is to start in is missing, or its path is longer than 258 characters"
        } else {
            return error;
        };
        io::Error::new(error.kind(), format!("{what} ({error})"))
    }
}

/// While it lives, children do not inherit our own three streams: else whoever captures our output
/// would wait for the end of the child too. They are given back, since other code of the program
/// may count on them.
struct Withheld {
    streams: Vec<RawHandle>,
    _turn: MutexGuard<'static, ()>,
}

/// Two launches at once would give back what the other withholds.
static TURN: Mutex<()> = Mutex::new(());

impl Withheld {
    fn streams() -> Self {
        let turn = TURN.lock();
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        let own = [input.as_handle(), output.as_handle(), error.as_handle()];
        let own = own.map(|stream| stream.as_raw_handle());
        let mut streams: Vec<RawHandle> = own.into_iter().filter(|s| is_inherited(*s)).collect();
        streams.retain(|stream| set_inherited(*stream, false));
        Self { streams, _turn: turn }
    }
}

impl Drop for Withheld {
    fn drop(&mut self) {
        for stream in &self.streams {
            set_inherited(*stream, true);
        }
    }
}

fn is_inherited(stream: RawHandle) -> bool {
    let mut flags = 0;
    // SAFETY: a handle that is closed or missing makes the call fail, and `flags` is a place.
    unsafe { GetHandleInformation(stream, &raw mut flags) != 0 && flags & HANDLE_FLAG_INHERIT != 0 }
}

fn set_inherited(stream: RawHandle, inherited: bool) -> bool {
    let flags = if inherited { HANDLE_FLAG_INHERIT } else { 0 };
    // SAFETY: changes one flag of one handle; one that is closed makes the call fail.
    unsafe { SetHandleInformation(stream, HANDLE_FLAG_INHERIT, flags) != 0 }
}

/// The child's side.
#[derive(Debug)]
pub(crate) struct ReadySignal(OwnedHandle);

impl ReadySignal {
    /// Tells the launcher that this app is ready. A launcher that is gone does not matter.
    pub(crate) fn ready(self) {
        // SAFETY: the handle is open, with the right to do so.
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }
}

/// Set once this process has taken its ready event.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The ready event that this process was started with; the first call takes it, later ones get
/// nothing.
pub(crate) fn take_ready_signal() -> Option<ReadySignal> {
    let event = ready_event()?;
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    // SAFETY: on Windows the environment may be changed while other threads read it.
    unsafe { std::env::remove_var(READY_VARIABLE) };
    Some(ReadySignal(event))
}

/// Whether this process was started with a ready event that somebody waits for: it is a launched
/// app, or one that the launched program starts before it is one.
pub(crate) fn is_launched() -> bool {
    TAKEN.load(Ordering::Relaxed) || ready_event().is_some()
}

/// The event that the variable names, if it is a ready event and its launcher has it.
fn ready_event() -> Option<OwnedHandle> {
    let name = std::env::var(READY_VARIABLE).ok()?;
    Uuid::try_parse(name.strip_prefix(NAME_PREFIX)?).ok()?;
    open_event(&name).ok()
}

fn open_event(name: &str) -> io::Result<OwnedHandle> {
    let wide = wide(name);
    // SAFETY: the name ends with a zero and lives until the call is over.
    owned(unsafe { OpenEventW(EVENT_MODIFY_STATE, 0, wide.as_ptr()) })
}

/// A text as the system takes it.
fn wide(text: &str) -> Vec<u16> {
    OsStr::new(text).encode_wide().chain([0]).collect()
}

/// Takes over an event that a call has just made or opened, or what went wrong with it.
fn owned(event: HANDLE) -> io::Result<OwnedHandle> {
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller's call made it, and nobody else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

/// Whether this is the system's error with this number.
fn is(error: &io::Error, number: u32) -> bool {
    error.raw_os_error().and_then(|raw| u32::try_from(raw).ok()) == Some(number)
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
