//! The loop of a worker: run what is queued, else wait in the readiness set.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::pool::Next;
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
    // One buffer a worker; connections have none.
    let mut buffer = vec![0; BUFFER];
    loop {
        match engine.pool().next() {
            Next::Run(call, need) => {
                if engine.meet(need) {
                    guarded(call.run);
                    engine.pool().done();
                } else {
                    drop(engine.pool().give_back(call));
                }
            }
            Next::Leave => break,
            Next::Wait { surplus } => {
                let woken = engine.readiness().wait(surplus.then_some(SURPLUS_WAIT));
                engine.pool().woke();
                match woken {
                    Ok(Woken::Source(token)) => {
                        guarded(|| engine.on_source(token, &mut buffer));
                    }
                    Ok(Woken::Timer) => guarded(|| engine.on_timer()),
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

/// Runs what may lead into user code: a panic there must not take the worker with it.
fn guarded(body: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(body)).is_err() {
        // If it was a handler, its exchange was ended as panicked while its owner unwound.
        log::error!(target: "mesh::worker", "user code panicked");
    }
}
