//! A detached child: nothing of its launcher's reaches it, and it can say when it is ready.
//!
//! The child has standard input closed off, both outputs in a log file, the given environment and
//! nothing of ours, and neither a terminal nor the end of its launcher reaches it. No shell is
//! involved. How it says that it is ready differs; a variable of its environment,
//! [`READY_VARIABLE`], tells it by what.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;

#[cfg(any(windows, test))]
mod command_line;
#[cfg(windows)]
mod create;
#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;
#[cfg(test)]
pub(crate) mod script;

pub(crate) use platform::{
    Child, READY_VARIABLE, ReadySignal, ReadyWait, is_launched, ready_pair, take_ready_signal,
};

/// What to start, and with what.
#[derive(Debug)]
pub(crate) struct Detached<'a> {
    /// The program, an absolute path.
    pub(crate) program: &'a Path,
    /// Its arguments.
    pub(crate) args: &'a [String],
    /// The directory it starts in.
    pub(crate) cwd: &'a Path,
    /// Its whole environment, except for [`READY_VARIABLE`].
    pub(crate) env: &'a [(OsString, OsString)],
    /// Where both its outputs go.
    pub(crate) log: &'a File,
}
