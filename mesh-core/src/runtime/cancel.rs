//! [`CancelToken`]: told once that work is no longer wanted, heard by all who hold it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::current;
use crate::error::ErrorCode;

type Action = Box<dyn FnOnce() + Send>;

/// Told when work is no longer wanted. Clones are the same token.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reason: Option<ErrorCode>,
    next: u64,
    actions: Vec<(u64, Action)>,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels. Whoever waits wakes, and the actions run on this thread; later calls do nothing.
    pub fn cancel(&self) {
        self.cancel_because(ErrorCode::Cancelled);
    }

    /// Whether it was cancelled. Costs little: a loop may ask each time round.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Why it was cancelled: `cancelled`, `deadline`, `connection_lost` or `shutting_down`.
    #[must_use]
    pub fn reason(&self) -> Option<ErrorCode> {
        self.0.state.lock().reason
    }

    /// Blocks until it is cancelled.
    pub fn wait(&self) {
        let _place = current::block();
        let mut state = self.0.state.lock();
        while state.reason.is_none() {
            self.0.changed.wait(&mut state);
        }
    }

    /// Blocks until it is cancelled or the time is over; answers whether it was cancelled. A
    /// pause in a handler that ends at once when nobody wants the result.
    pub fn wait_timeout(&self, time: Duration) -> bool {
        let Some(end) = Instant::now().checked_add(time) else {
            self.wait();
            return true;
        };
        let _place = current::block();
        let mut state = self.0.state.lock();
        while state.reason.is_none() {
            if self.0.changed.wait_until(&mut state, end).timed_out() {
                return state.reason.is_some();
            }
        }
        true
    }

    /// Runs `action` once when cancelled, on the cancelling thread, or at once if it is too late.
    /// It must be short and must not block. Dropping the guard forgets the action.
    #[must_use = "dropping the guard forgets the action"]
    pub fn on_cancel(&self, action: impl FnOnce() + Send + 'static) -> CancelGuard {
        let mut state = self.0.state.lock();
        if state.reason.is_some() {
            drop(state);
            action();
            return CancelGuard { token: None };
        }
        let id = state.next;
        state.next += 1;
        state.actions.push((id, Box::new(action)));
        CancelGuard { token: Some((self.clone(), id)) }
    }

    pub(crate) fn cancel_because(&self, reason: ErrorCode) {
        let mut state = self.0.state.lock();
        if state.reason.is_some() {
            return;
        }
        state.reason = Some(reason);
        let actions = std::mem::take(&mut state.actions);
        drop(state);
        self.0.changed.notify_all();
        for (_, action) in actions {
            // User code on a thread of the runtime: a panic there is its own.
            if catch_unwind(AssertUnwindSafe(action)).is_err() {
                log::error!(target: "mesh::cancel", "an action on a cancel panicked");
            }
        }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.reason()).finish()
    }
}

/// Keeps an action of [`CancelToken::on_cancel`] waiting; dropping it forgets the action.
pub struct CancelGuard {
    token: Option<(CancelToken, u64)>,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        if let Some((token, id)) = self.token.take() {
            token.0.state.lock().actions.retain(|(other, _)| *other != id);
        }
    }
}

impl fmt::Debug for CancelGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelGuard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn actions_run_once_and_forgotten_ones_do_not() {
        let token = CancelToken::new();
        let count = Arc::new(AtomicUsize::new(0));
        let add = || {
            let count = Arc::clone(&count);
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let _kept = token.on_cancel(add());
        drop(token.on_cancel(add()));
        token.cancel();
        token.cancel();
        let _late = token.on_cancel(add());
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_waiter_wakes_at_once_and_knows_why() {
        let token = CancelToken::new();
        let waiter = token.clone();
        let thread = crate::runtime::thread::spawn("test".into(), move || waiter.wait()).unwrap();
        token.cancel_because(ErrorCode::Deadline);
        thread.join().unwrap();
        assert_eq!(token.reason(), Some(ErrorCode::Deadline));
        assert!(token.wait_timeout(Duration::from_secs(60)));
    }
}
