//! What the running thread is serving: set around a handler, read by the calls that it makes.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use super::cancel::CancelToken;
use super::engine::Engine;

/// The task that a handler on this thread works for.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    /// The apps that led here, this one last.
    pub(crate) path: Vec<String>,
    /// When the caller's patience ends.
    pub(crate) deadline: Option<Instant>,
    /// Told when the caller wants no more.
    pub(crate) token: CancelToken,
    /// Whose pool the handler takes a place in; none if the app runs its handlers itself.
    pub(crate) pool: Option<Arc<Engine>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
    /// The place is free already: a wait within a wait frees no other.
    static BLOCKED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` as the work of a task.
pub(crate) fn serve<T>(current: Current, body: impl FnOnce() -> T) -> T {
    struct Restore(Option<Current>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(Some(current)));
    body()
}

/// The task that this thread works for, if it does.
pub(crate) fn get() -> Option<Current> {
    CURRENT.with_borrow(Clone::clone)
}

/// A handler begins to wait inside the runtime: its place is free until the guard is dropped.
pub(crate) fn block() -> Blocked {
    let engine = CURRENT.with_borrow(|current| current.as_ref()?.pool.clone());
    let engine = engine.filter(|_| !BLOCKED.replace(true));
    if let Some(engine) = &engine {
        engine.begin_block();
    }
    Blocked(engine)
}

/// See [`block`].
pub(crate) struct Blocked(Option<Arc<Engine>>);

impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(engine) = self.0.take() {
            BLOCKED.set(false);
            engine.end_block();
        }
    }
}
