//! What a handler may know of the call that it serves, and where a stream handler puts its items.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::error::Result;
use crate::runtime::CancelToken;
use crate::runtime::task::{Exchange, Task};
use crate::wire::codec;

/// Who calls. Process and user are the kernel's word; the name is the caller's own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The process that connected.
    pub pid: u32,
    /// Its user, always the app's own, others are not let in: the user's number on Unix, its
    /// security identifier (`S-1-5-...`) on Windows.
    pub user: String,
    /// The app that it says it is.
    pub name: Option<String>,
}

/// The call that a handler serves.
pub struct Context {
    task: Arc<Task>,
    path: Vec<String>,
}

impl Context {
    pub(super) fn new(task: Arc<Task>, path: Vec<String>) -> Self {
        Self { task, path }
    }

    /// Who calls.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let Task { peer, caller, .. } = &*self.task;
        Caller { pid: peer.pid, user: peer.user.to_string(), name: caller.clone() }
    }

    /// When the caller's patience ends, if it does. Calls that the handler makes share it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.task.deadline
    }

    /// Told when the caller cancels, its deadline passes, or it is gone.
    #[must_use]
    pub fn cancel_token(&self) -> &CancelToken {
        &self.task.token
    }

    /// Whether nobody wants the result any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.task.token.is_cancelled()
    }

    /// The method that was called.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.task.head.method
    }

    /// The apps whose handlers led to this call, the first caller first and this app last. The
    /// calls that the handler makes carry it by themselves; a process that it starts to make calls
    /// is given it as `MESH_CALL_PATH`, separated by commas.
    #[must_use]
    pub fn call_path(&self) -> &[String] {
        &self.path
    }

    /// The task's id, as `mesh tasks` shows it.
    #[must_use]
    pub fn task(&self) -> String {
        self.task.id.to_string()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Context").field(&self.task.head.method).finish()
    }
}

/// Where a stream handler that is not an iterator puts its items. It is a [`Context`] too.
#[derive(Debug)]
pub struct Sink {
    context: Context,
    exchange: Exchange,
}

impl Sink {
    pub(super) fn new(context: Context, exchange: Exchange) -> Self {
        Self { context, exchange }
    }

    /// Sends an item.
    ///
    /// # Errors
    /// `cancelled` (or `deadline`, `connection_lost`) when nobody wants more: return then.
    /// `bad_value` when the item cannot be encoded.
    ///
    /// # Blocking
    /// While the reader is slow. A cancel ends the wait.
    pub fn send(&self, item: &(impl Serialize + ?Sized)) -> Result<()> {
        self.exchange.item_blocking(codec::encode(item)?)
    }

    pub(super) fn into_exchange(self) -> Exchange {
        self.exchange
    }
}

impl Deref for Sink {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}
