//! Thin safe wrappers over what std, fs2 and rustix lack. The only place with unsafe code.
//!
//! Nothing here knows of apps, entries or connections: it deals in files, directories, locks and
//! processes, and says no when one of them is not to be trusted. A directory holds what is the
//! same everywhere in its `mod.rs` and the rest in one file for each platform, of the same face.

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!("mesh runs on Linux, macOS and Windows");

#[cfg(windows)]
pub(crate) mod access;
pub(crate) mod clock;
#[cfg(windows)]
pub(crate) mod console;
pub(crate) mod descriptors;
pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod home;
pub(crate) mod identity;
#[cfg(windows)]
pub(crate) mod job;
#[cfg(target_os = "macos")]
pub(crate) mod kqueue;
pub(crate) mod lock;
#[cfg(target_os = "macos")]
pub(crate) mod peer;
#[cfg(windows)]
pub(crate) mod pipe;
pub(crate) mod process;
pub(crate) mod readiness;
pub(crate) mod spawn;
pub(crate) mod trust;
pub(crate) mod user;
pub(crate) mod volume;
pub(crate) mod watch;
#[cfg(windows)]
pub(crate) mod win32;
