//! A child on a console of its own that has no window, in a process group and, where that is
//! allowed, outside our job. What it starts shares the console, and so opens no window either.
//!
//! `MESH_READY_EVENT` holds the name of the *ready event*; who sets it says that it is ready. Only
//! the launcher keeps it, until it is set or the child has ended: descendants do not hold it, so a
//! program that hands over and ends has failed. Whoever takes the event takes the variable out of
//! its environment too, so that what it starts does not take itself for the launched app.
#![expect(unsafe_code, reason = "std knows no events")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_BAD_EXE_FORMAT, GetLastError, MAX_PATH,
    WAIT_OBJECT_0,
};
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CreateEventW,
    EVENT_MODIFY_STATE, INFINITE, OpenEventW, SetEvent, WaitForMultipleObjects,
};

pub(crate) use super::create::Child;
use super::create::{self, Creation, Inherited};
use super::{Detached, command_line};
use crate::sys::access::Descriptor;
use crate::sys::win32::{self, code, owned};
use crate::sys::{environment, file};

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
    let wide = win32::wide(&name)?;
    // SAFETY: the attributes and the name, which ends with a zero, live until the call is over.
    let event = unsafe { owned(CreateEventW(&raw const attributes, 1, 0, wide.as_ptr())) }?;
    // SAFETY: reads a number of this thread, which a call that succeeds sets too.
    if unsafe { GetLastError() } == ERROR_ALREADY_EXISTS {
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
        let creation = self.creation(ready)?;
        let flags = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP;
        let started = match creation.create(flags | CREATE_BREAKAWAY_FROM_JOB) {
            Err(error) if code(&error) == ERROR_ACCESS_DENIED => {
                let started = creation.create(flags);
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
        started.map_err(explain)
    }

    fn creation(&self, ready: &ReadyGrant) -> io::Result<Creation> {
        let program = text(self.program)?;
        let (image, line) = if is_batch(program) {
            let interpreter = interpreter()?;
            let line = command_line::of_batch(text(&interpreter)?, program, self.args)?;
            (interpreter, line)
        } else {
            (self.program.to_owned(), command_line::of_program(program, self.args)?)
        };
        let mut variables = BTreeMap::new();
        let word = (READY_VARIABLE.into(), ready.0.clone().into());
        for variable in self.env.iter().chain([&word]) {
            variables.insert(environment::folded(&variable.0), variable);
        }
        let nothing = OpenOptions::new().read(true).open("NUL")?;
        let streams = [Inherited::copy_of(&nothing)?, self.output()?, self.output()?];
        Ok(Creation {
            program: file::wide(&image)?,
            line: win32::wide(line)?,
            cwd: win32::wide(self.cwd)?,
            environment: create::environment_block(variables.into_values())?,
            streams,
        })
    }

    fn output(&self) -> io::Result<Inherited> {
        Inherited::copy_of(self.log)
    }
}

/// What the system says in few words of the usual mistakes, with the next step.
fn explain(error: io::Error) -> io::Error {
    let what = if code(&error) == ERROR_BAD_EXE_FORMAT {
        "it is no program of this system; for a script, register its interpreter before it"
    } else if error.kind() == ErrorKind::NotADirectory {
        "the directory it is to start in is missing, or its path is longer than 258 characters"
    } else {
        return error;
    };
    io::Error::new(error.kind(), format!("{what} ({error})"))
}

/// Whether the system would hand the file to `cmd.exe`: dots and blanks at the end of a name are
/// nothing to it.
fn is_batch(program: &str) -> bool {
    let name = program.trim_end_matches(['.', ' ']);
    let extension = Path::new(name).extension().unwrap_or_default();
    ["bat", "cmd"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The system's own `cmd.exe`, whatever the environment says.
fn interpreter() -> io::Result<PathBuf> {
    let mut directory = [0; MAX_PATH as usize];
    // SAFETY: the place has as many units as the call is told.
    let length = unsafe { GetSystemDirectoryW(directory.as_mut_ptr(), MAX_PATH) };
    let told = directory.get(..length as usize).filter(|told| !told.is_empty());
    let told = told.ok_or_else(io::Error::last_os_error)?;
    Ok(Path::new(&OsString::from_wide(told)).join("cmd.exe"))
}

/// A path as a text, as which the registry has it.
fn text(path: &Path) -> io::Result<&str> {
    let what = || io::Error::new(ErrorKind::InvalidInput, "the path is no Unicode text");
    path.to_str().ok_or_else(what)
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
    let wide = win32::wide(name)?;
    // SAFETY: the name ends with a zero and lives until the call is over.
    unsafe { owned(OpenEventW(EVENT_MODIFY_STATE, 0, wide.as_ptr())) }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
