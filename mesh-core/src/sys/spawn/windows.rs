//! A child without a console.

use std::io;
use std::process::Child;

use super::Detached;

/// The environment variable that tells a child the name of its ready event.
pub(crate) const READY_VARIABLE: &str = "MESH_READY_EVENT";

/// The launcher's side of a ready event.
#[derive(Debug)]
pub(crate) struct ReadyWait;

/// The side that the child gets.
#[derive(Debug)]
pub(crate) struct ReadyGrant;

/// Both sides of a new ready event.
pub(crate) fn ready_pair() -> io::Result<(ReadyWait, ReadyGrant)> {
    todo!()
}

impl ReadyWait {
    /// Blocks until the child says that it is ready (`true`), or until it has ended.
    pub(crate) fn wait(self, child: &Child) -> bool {
        todo!("{child:?}")
    }
}

impl Detached<'_> {
    /// Starts the child, which gets `ready`.
    pub(crate) fn spawn(&self, ready: &ReadyGrant) -> io::Result<Child> {
        todo!("{ready:?}")
    }
}

/// The child's side.
#[derive(Debug)]
pub(crate) struct ReadySignal;

impl ReadySignal {
    /// Tells the launcher that this app is ready. A launcher that is gone does not matter.
    pub(crate) fn ready(self) {
        todo!()
    }
}

/// The ready event that this process was started with; the first call takes it.
pub(crate) fn take_ready_signal() -> Option<ReadySignal> {
    todo!()
}

/// Whether this process was started with a ready event.
pub(crate) fn is_launched() -> bool {
    todo!()
}
