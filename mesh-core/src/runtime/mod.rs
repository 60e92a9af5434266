//! Threads: which exist, what they do, who joins them.
//!
//! - `mesh-worker-N`, of an [`Engine`], on demand up to `Limits::threads`. Blocks on the readiness
//!   set, or in the user code of a handler. Unblocked by a byte, a connection, the timer, the bell.
//!   Joined by nobody: each leaves when the engine closes, and [`Engine::close`] waits for that,
//!   bounded.
//! - `mesh-stop-NAME`, of [`app`](crate::app), one while the app stops. Blocks on calls in flight,
//!   up to the grace. `App::run` and `App`'s drop wait for its end.
//! - `mesh-restore-NAME`, of [`app`](crate::app), when somebody deleted its lock or socket. Blocks
//!   on the lock for 2 s at most. Joined by nobody.
//! - `mesh-launch`, of [`launch`](crate::launch), one for each launched child. Blocks on the
//!   child's word that it is ready, then on its exit. Joined by nobody: it ends with the child.
//!
//! All workers of an engine wait in one readiness set and the kernel picks who runs next. A worker
//! takes a ready connection, reads without blocking, hands the bytes to the machine in
//! [`proto`](crate::proto), re-arms the connection and only then runs a handler, so others read
//! cancels and further calls meanwhile. A handler starts only while another worker waits in the
//! set, so one thread is always there to read. A handler that waits for another app gives its
//! place to the next call; see [`pool`] for what this means for calls in a circle.
//!
//! Locks are held for bookkeeping and nonblocking system calls only: never across user code,
//! never two connections' at once. An idle engine makes no system call.

mod action;
pub(crate) mod call;
pub(crate) mod cancel;
pub(crate) mod connection;
pub(crate) mod current;
pub(crate) mod engine;
mod outbox;
pub(crate) mod pool;
pub(crate) mod service;
pub(crate) mod slot;
mod source;
pub(crate) mod task;
pub(crate) mod thread;
pub(crate) mod timers;
mod worker;

pub use cancel::{CancelGuard, CancelToken};
pub(crate) use engine::Engine;
