//! [`Serial`]: one call of a method at a time; the others wait without a thread.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::runner::Runner;
use crate::runtime::call::Job;
use crate::runtime::task::Task;

/// The gate of a serial method.
#[derive(Default)]
pub(super) struct Serial(Mutex<State>);

#[derive(Default)]
struct State {
    busy: bool,
    /// A turn is being handed over; turns that end meanwhile only say so.
    handing: bool,
    ended: bool,
    /// Bounded by the exchanges that connections may have open.
    waiting: VecDeque<(Job, Arc<Task>)>,
}

/// The right to run; dropping it lets the next call in.
pub(super) struct Turn {
    serial: Arc<Serial>,
    runner: Runner,
}

impl Serial {
    /// Runs `job` with the turn, now on this thread or later on a worker.
    pub(super) fn enter(
        serial: &Arc<Self>,
        (runner, task): (Runner, Arc<Task>),
        job: impl FnOnce(Turn) + Send + 'static,
    ) {
        let turn = Turn { serial: Arc::clone(serial), runner };
        let mut state = serial.0.lock();
        if state.busy {
            state.waiting.push_back((Box::new(move || job(turn)), task));
            return;
        }
        state.busy = true;
        drop(state);
        job(turn);
    }
}

impl Drop for Turn {
    /// Hands the turn over, in a loop: a next call that is dropped unserved, because the app has
    /// stopped, ends its own turn right here, and must not do so one level deeper.
    fn drop(&mut self) {
        let mut state = self.serial.0.lock();
        if state.handing {
            state.ended = true;
            return;
        }
        while let Some((next, task)) = state.waiting.pop_front() {
            state.handing = true;
            state.ended = false;
            MutexGuard::unlocked(&mut state, || self.runner.resume(next, &task));
            state.handing = false;
            if !std::mem::take(&mut state.ended) {
                return;
            }
        }
        state.busy = false;
    }
}
