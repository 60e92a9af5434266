//! Which mounted volume a path is on, as a text that stays the same when the volume comes back.
//!
//! Where the volumes cannot be listed a path has none, and none is known to be mounted.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

#[cfg(windows)]
pub(crate) use platform::about;
pub(crate) use platform::{is_present, of};
