//! A permit for tests that load the machine: they run one at a time, so that the figures of one
//! are not the load of another.

use std::sync::{Mutex, MutexGuard, PoisonError};

static PERMIT: Mutex<()> = Mutex::new(());

/// Waits for the permit; a test that failed while it held it harms nobody.
pub(crate) fn heavy() -> MutexGuard<'static, ()> {
    PERMIT.lock().unwrap_or_else(PoisonError::into_inner)
}
