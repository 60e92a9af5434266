//! What differs between systems: the group of processes that a command is, how it ends with its
//! app, the system's shell, and what a terminal can show. All of it that this crate has.
//!
//! - [`Group`]: a command and all that it starts.
//! - [`Guard`]: ends the commands of an app that dies without a word.
//! - `shell`: a command line for the system's shell, and `shell_doc` what it is called.

use std::path::PathBuf;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

pub(crate) use system::{
    BATCH, EXAMPLE, FOLDER, Group, Guard, HELLO, QUOTED_JSON, READY_VARIABLE, SHELL_FORM,
    SHELL_WAY, bad_command, guard, is_no_program, prepare_terminal, shell, shell_doc, signal_of,
};

/// What the variables of a command's arguments begin with.
pub(crate) const ARGUMENT_VARIABLE: &str = "MESH_ARG_";

/// How a command is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Politely, where the system can; it may clean up.
    Terminate,
    /// At once.
    Kill,
}

/// Where this program is.
///
/// # Errors
/// `launch_failed` when the system does not know.
pub(crate) fn this_program() -> mesh_core::Result<PathBuf> {
    let path = std::env::current_exe().map_err(|error| {
        let message = "the path of this program is not known";
        mesh_core::Error::new(mesh_core::ErrorCode::LaunchFailed, message).source(error)
    })?;
    Ok(system::current(path))
}
