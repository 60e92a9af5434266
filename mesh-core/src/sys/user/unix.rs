//! Users by their numbers.

use std::sync::Arc;

/// The effective user of this process, as a text: the number.
pub(crate) fn own() -> Arc<str> {
    euid().to_string().into()
}

/// The effective user of this process.
pub(crate) fn euid() -> u32 {
    rustix::process::geteuid().as_raw()
}
