//! The loop of a worker: run what is queued, else wait in the readiness set.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::pool::{Job, Next};
use crate::sys::readiness::Woken;

/// Bytes read at one time.
const BUFFER: usize = 64 << 10;

/// How long a worker that is not needed waits for work before it leaves.
const SURPLUS_WAIT: Duration = Duration::from_secs(2);

thread_local! {
    static WORKS_FOR: Cell<*const Engine> = const { Cell::new(std::ptr::null()) };
}

/// Whether this thread is a worker of the engine.
pub(super) fn is_one_of(engine: &Arc<Engine>) -> bool {
    std::ptr::eq(WORKS_FOR.get(), Arc::as_ptr(engine))
}

pub(super) fn run(engine: &Arc<Engine>) {
    WORKS_FOR.set(Arc::as_ptr(engine));
    loop {
        match engine.pool().next() {
            Next::Run(job, need) => {
                engine.meet(need);
                run_job(job);
                engine.pool().done();
            }
            Next::Leave => break,
            Next::Wait { surplus } => {
                let woken = engine.readiness().wait(surplus.then_some(SURPLUS_WAIT));
                engine.pool().woke();
                match woken {
                    Ok(Woken::Source(token)) => {
                        // A worker that waits holds no buffer: idle apps stay small.
                        engine.on_source(token, &mut vec![0; BUFFER]);
                    }
                    Ok(Woken::Timer) => engine.on_timer(),
                    Ok(Woken::Bell) => {}
                    Ok(Woken::Idle) => {
                        if engine.pool().may_leave() {
                            break;
                        }
                    }
                    Err(error) => log::error!(target: "mesh::worker", "cannot wait: {error}"),
                }
            }
        }
    }
    // One bell wakes one worker; when all are to leave, each wakes the next.
    engine.readiness().ring();
    engine.tell();
}

fn run_job(job: Job) {
    if catch_unwind(AssertUnwindSafe(job)).is_err() {
        // The exchange was ended as panicked while its owner unwound.
        log::error!(target: "mesh::worker", "a handler panicked");
    }
}
