//! How bytes travel: listeners and byte streams between two processes of one machine.
//!
//! Nothing here knows of frames. Nothing blocks but `wait_for_room`, for as long as its caller
//! says, and on Windows `bind`, up to half a second while connections of a former owner are closed.
//! A shared-memory transport would stand beside [`local`] with the same methods.

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
