//! [`Runner`]: where an app's handlers run: on the pool, or where its executor puts them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::runtime::Engine;
use crate::runtime::call::Job;
use crate::runtime::service::Work;
use crate::runtime::task::Task;

/// Runs jobs where it likes: on the main loop of a GUI, say.
pub(super) type Executor = Arc<dyn Fn(Job) + Send + Sync>;

/// The place of an app's handlers. Whatever belongs to a handler goes there, its rest too.
#[derive(Clone)]
pub(super) struct Runner {
    engine: Arc<Engine>,
    executor: Option<Executor>,
}

impl Runner {
    pub(super) fn new(engine: Arc<Engine>, executor: Option<Executor>) -> Self {
        Self { engine, executor }
    }

    /// A call that has just arrived.
    pub(super) fn work(&self, job: Job) -> Work {
        match self.executor.clone() {
            Some(executor) => Work::Now(Box::new(move || hand(&executor, job))),
            None => Work::Pool(job),
        }
    }

    /// The rest of a job goes on; `false` when it came too late and was dropped.
    pub(super) fn resume(&self, job: Job, task: &Task) -> bool {
        match &self.executor {
            Some(executor) => {
                hand(executor, job);
                true
            }
            None => self.engine.resume(job, self.engine.is_circle(task)),
        }
    }

    /// A job that the connection keeps, and that its workers hand back to where it belongs.
    pub(super) fn parked(&self, job: Job) -> Job {
        match self.executor.clone() {
            Some(executor) => Box::new(move || hand(&executor, job)),
            None => job,
        }
    }

    /// The pool in which a handler takes a place, if it takes one there.
    pub(super) fn pool(&self) -> Option<Arc<Engine>> {
        self.executor.is_none().then(|| Arc::clone(&self.engine))
    }

    /// Whether others wait for the place that a long job holds.
    pub(super) fn is_pressed(&self) -> bool {
        self.executor.is_none() && self.engine.pool().is_pressed()
    }
}

/// Hands a job to user code: a panic there must not take a worker with it.
fn hand(executor: &Executor, job: Job) {
    if catch_unwind(AssertUnwindSafe(|| executor(job))).is_err() {
        log::error!(target: "mesh::app", "the executor panicked");
    }
}
