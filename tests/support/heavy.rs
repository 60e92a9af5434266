//! Permits: a test that loads the machine runs alone, so that the figures of one are not the load
//! of another, and no deadline of a light test passes while two hundred processes start.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Who runs. A heavy test that waits keeps new light ones from beginning.
struct Running {
    light: usize,
    is_heavy: bool,
    heavy_waiting: usize,
}

static RUNNING: Mutex<Running> =
    Mutex::new(Running { light: 0, is_heavy: false, heavy_waiting: 0 });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// Whether this thread's test has its permit: a second home needs no other one.
    static HAS_PERMIT: Cell<bool> = const { Cell::new(false) };
}

/// What a test holds while it runs; one that fails gives it back, too.
pub(crate) struct Permit {
    is_heavy: bool,
}

fn running() -> MutexGuard<'static, Running> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_while(
    running: MutexGuard<'static, Running>,
    condition: impl FnMut(&mut Running) -> bool,
) -> MutexGuard<'static, Running> {
    CHANGED.wait_while(running, condition).unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no other test runs. To be taken before the first home.
pub(crate) fn heavy() -> Permit {
    assert!(!HAS_PERMIT.replace(true), "a heavy test says so before it makes a home");
    let mut running = running();
    running.heavy_waiting += 1;
    let mut running = wait_while(running, |now| now.is_heavy || now.light > 0);
    running.heavy_waiting -= 1;
    running.is_heavy = true;
    Permit { is_heavy: true }
}

/// Waits until no heavy test runs; nothing if this test has its permit already.
pub(super) fn light() -> Option<Permit> {
    if HAS_PERMIT.replace(true) {
        return None;
    }
    let mut running = wait_while(running(), |now| now.is_heavy || now.heavy_waiting > 0);
    running.light += 1;
    Some(Permit { is_heavy: false })
}

impl Drop for Permit {
    fn drop(&mut self) {
        HAS_PERMIT.set(false);
        let mut running = running();
        if self.is_heavy {
            running.is_heavy = false;
        } else {
            running.light -= 1;
        }
        CHANGED.notify_all();
    }
}
