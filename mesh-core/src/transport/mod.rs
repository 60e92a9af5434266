//! How bytes travel: listeners and byte streams between two processes of one machine.
//!
//! Everything here is nonblocking and knows nothing of frames. A shared-memory transport would
//! stand beside [`local`] with the same methods.

use std::sync::Arc;

pub(crate) mod address;
#[cfg(unix)]
#[path = "unix.rs"]
pub(crate) mod local;
#[cfg(windows)]
#[path = "windows.rs"]
pub(crate) mod local;

pub(crate) use address::Address;
pub(crate) use local::{Listener, Stream};

use crate::sys::user;

/// Who is at the other end, by the kernel's word at the time of connecting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Peer {
    /// The process.
    pub(crate) pid: u32,
    /// The user: a number on Unix, a security identifier on Windows.
    pub(crate) user: Arc<str>,
}

impl Peer {
    /// Whether the other end belongs to this user, who alone is let in.
    #[must_use]
    pub(crate) fn is_own(&self) -> bool {
        self.user == user::own()
    }
}
