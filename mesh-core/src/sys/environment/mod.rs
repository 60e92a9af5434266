//! Which variables of the environment belong to the user and the session, and when two names mean
//! the same variable.

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

use std::ffi::OsStr;

pub(crate) use platform::folded;
use platform::{ALLOWED, ALLOWED_PREFIXES};

/// Whether a launched app gets this variable of its launcher.
pub(crate) fn is_of_session(name: &OsStr) -> bool {
    let folded = folded(name);
    folded.to_str().is_some_and(|name| {
        ALLOWED.contains(&name) || ALLOWED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}
