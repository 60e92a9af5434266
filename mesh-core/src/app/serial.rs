//! [`Serial`]: one call of a method at a time; the others wait without a thread.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::runner::Runner;
use crate::runtime::pool::Job;

/// The gate of a serial method.
#[derive(Default)]
pub(super) struct Serial(Mutex<State>);

#[derive(Default)]
struct State {
    busy: bool,
    /// Bounded by the exchanges that connections may have open.
    waiting: VecDeque<Job>,
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
        runner: Runner,
        job: impl FnOnce(Turn) + Send + 'static,
    ) {
        let turn = Turn { serial: Arc::clone(serial), runner };
        let mut state = serial.0.lock();
        if state.busy {
            state.waiting.push_back(Box::new(move || job(turn)));
            return;
        }
        state.busy = true;
        drop(state);
        job(turn);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.serial.0.lock();
        match state.waiting.pop_front() {
            Some(next) => {
                drop(state);
                if !self.runner.resume(next) {
                    // The app has stopped. The rest goes in one step, not each by the one before.
                    let rest = std::mem::take(&mut self.serial.0.lock().waiting);
                    drop(rest);
                }
            }
            None => state.busy = false,
        }
    }
}
