//! [`Watch`]: told when something disappears from a directory, without polling.
//!
//! Cleaners of temporary files delete sockets and locks under living owners. The watch says only
//! that something was removed; what, its user looks up. A system without room for one more watch
//! is no reason to fail: the app is then as safe as without it.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

pub(crate) use platform::Watch;
