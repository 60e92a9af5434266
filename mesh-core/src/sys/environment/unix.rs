//! The variables of Unix.

use std::ffi::{OsStr, OsString};

/// What is handed on, if it is set.
pub(super) const ALLOWED: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
];

/// What the names of further such variables begin with.
pub(super) const ALLOWED_PREFIXES: [&str; 2] = ["LC_", "XDG_"];

/// The name by which variables are told apart: as it is.
pub(crate) fn folded(name: &OsStr) -> OsString {
    name.to_owned()
}
