//! [`Address`]: where an app listens. The mapping from home and name to address is a promise:
//! every process of the user computes the same one.

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

pub(crate) use platform::Address;
