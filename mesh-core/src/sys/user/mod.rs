//! The user that this process runs as.

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

#[cfg(unix)]
pub(crate) use platform::euid;
pub(crate) use platform::own;
#[cfg(windows)]
pub(crate) use platform::{of_process, sid_text};
