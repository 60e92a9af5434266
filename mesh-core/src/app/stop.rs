//! The end of an app: told once, in one order, on a thread of its own.
//!
//! 1. Nothing more is started; peers are told, and try elsewhere what was not started.
//! 2. Calls in flight go on for the grace; then they are cancelled and have a moment to notice.
//! 3. Whoever asked gets the answer; what is written is waited for.
//! 4. The socket file goes, the name's lock is released: another instance may start.
//! 5. Connections close, which is what `mesh stop` waits for; workers leave.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::State;
use crate::error::{Error, ErrorCode};
use crate::runtime::task::{Exchange, Request};
use crate::runtime::thread;
use crate::sys::clock;
use crate::wire::codec;

/// How long cancelled handlers have to notice, and workers to leave.
const NOTICE: Duration = Duration::from_secs(1);

/// How long the last bytes may take to be written.
const FLUSH: Duration = Duration::from_secs(1);

/// How far the end has come.
#[derive(Default)]
pub(super) struct End {
    state: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    begun: bool,
    over: bool,
    /// Calls of `mesh.stop` that are answered when the calls in flight have ended.
    askers: Vec<Exchange>,
}

impl End {
    /// Blocks until the app has stopped.
    pub(super) fn wait(&self) {
        let mut state = self.state.lock();
        while !state.over {
            self.changed.wait(&mut state);
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.state.lock().begun
    }
}

/// A peer called `mesh.stop`.
pub(super) fn asked(state: &Arc<State>, request: Request) {
    let mut progress = state.end.state.lock();
    if progress.over {
        drop(progress);
        return request.exchange.finish(codec::encode(&true));
    }
    progress.askers.push(request.exchange);
    drop(progress);
    begin(state);
}

/// Stops the app, once; answers at once.
pub(super) fn begin(state: &Arc<State>) {
    if state.engine.check_process().is_err() {
        // A fork's copy of the handle: the app is its parent's.
        return;
    }
    if std::mem::replace(&mut state.end.state.lock().begun, true) {
        return;
    }
    let of = Arc::clone(state);
    let started = thread::spawn(format!("mesh-stop-{}", state.name), move || run(&of));
    if let Err(error) = started {
        log::warn!(target: "mesh::stop", "no thread to stop on, stopping at once: {error}");
        release(state);
    }
}

fn run(state: &Arc<State>) {
    let leaving = Error::new(ErrorCode::ShuttingDown, format!("{} is stopping", state.name));
    state.ready.store(false, Ordering::SeqCst);
    state.engine.leave(&leaving);
    let until = clock::after(state.engine.limits.stop_grace);
    if !state.engine.wait_until(until, |_| in_flight(state) == 0) {
        for (connection, task) in state.engine.tasks() {
            if task.head.method != "mesh.stop" {
                connection.stop_task(task.exchange, ErrorCode::ShuttingDown);
            }
        }
        let until = Instant::now() + NOTICE;
        state.engine.wait_until(until, |_| in_flight(state) == 0);
    }
    let askers = std::mem::take(&mut state.end.state.lock().askers);
    for asker in askers {
        asker.finish(codec::encode(&true));
    }
    flush(state);
    release(state);
}

/// Calls that somebody works on, beside those that wait for the end.
fn in_flight(state: &State) -> usize {
    let tasks = state.engine.tasks();
    tasks.iter().filter(|(_, task)| task.head.method != "mesh.stop").count()
}

/// Waits until what was said has been taken by the kernel; a reader that takes nothing loses it.
fn flush(state: &State) {
    let until = Instant::now() + FLUSH;
    let drained = || state.engine.connections().iter().all(|c| c.is_drained(0));
    while !drained() && Instant::now() < until {
        // No event tells that a buffer is empty: looked at in short turns, at the end only.
        state.engine.wait_until(Instant::now() + Duration::from_millis(5), |_| drained());
    }
}

fn release(state: &Arc<State>) {
    state.engine.unlisten();
    state.address.lock().take();
    state.engine.close(NOTICE);
    let mut progress = state.end.state.lock();
    progress.over = true;
    // Answered by the end of their connections, if nothing else.
    let askers = std::mem::take(&mut progress.askers);
    drop(progress);
    drop(askers);
    state.end.changed.notify_all();
}
