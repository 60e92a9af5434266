//! Whether a file or directory is safe to build on: nobody but the user and the system's own
//! accounts may change it, nor any directory on the way to it. What that means differs: see the
//! file of the platform.

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

#[cfg(test)]
pub(crate) mod testing;

#[cfg(windows)]
pub(crate) use platform::who_and_repair;
pub(crate) use platform::{check_file, check_parent, check_path, kind_of, neutral_directory};
