//! Who may run handlers: the queue of calls that wait, and the count of threads and their states.
//!
//! Pure bookkeeping under one lock; threads are started and woken by the [`Engine`].
//!
//! | a worker is | counted in |
//! |---|---|
//! | waiting in the readiness set | `waiting` |
//! | running a handler | `running` |
//! | in a handler that waits for another app or for credit | `blocked` |
//! | reading, writing, on its way | none of the three |
//!
//! Rules. A job starts only while `running < handlers` and another worker waits in the set or can
//! be started, so somebody always reads. A handler that blocks in the runtime counts as `blocked`
//! and the next job may start: a handler that calls its own app does not wait for itself. When
//! every thread is taken by handlers that wait (a circle of calls wider than `threads`), a call
//! that comes from a handler is refused as busy instead of joining the circle.
//!
//! [`Engine`]: super::engine::Engine

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::limits::Limits;

/// A piece of work for a worker.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Workers that stay in the set when there is nothing to do.
const KEPT: usize = 2;

/// The queue and the counts.
#[derive(Default)]
pub(crate) struct Pool {
    state: Mutex<State>,
    handlers: usize,
    threads: usize,
    queue: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    waiting: usize,
    running: usize,
    blocked: usize,
    closing: bool,
}

/// What has to happen now that the books have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// Wake a worker that waits.
    Bell,
    /// Start another worker; it is counted already.
    Thread,
}

/// What a worker does next.
pub(crate) enum Next {
    /// Run this.
    Run(Job, Need),
    /// Wait in the set; `surplus` workers leave when nothing comes.
    Wait { surplus: bool },
    /// Leave.
    Leave,
}

impl Pool {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            state: Mutex::default(),
            handlers: limits.handlers.max(1),
            threads: limits.threads.max(2),
            queue: limits.queue,
        }
    }

    /// Queues a job. `nested` says that a handler waits for it.
    ///
    /// # Errors
    /// The job, when there is no room for it.
    pub(crate) fn push(&self, job: Job, nested: bool) -> Result<Need, Job> {
        let mut state = self.state.lock();
        // One thread reads; when all others wait, nobody is left to run what they wait for.
        let stuck = state.threads >= self.threads && state.blocked + 1 >= state.threads;
        if state.closing || state.queue.len() >= self.queue || (nested && stuck) {
            return Err(job);
        }
        state.queue.push_back(job);
        Ok(self.need(&mut state))
    }

    /// Queues a job that has started before and was parked.
    ///
    /// # Errors
    /// The job, when the pool is closed.
    pub(crate) fn resume(&self, job: Job) -> Result<Need, Job> {
        let mut state = self.state.lock();
        if state.closing {
            return Err(job);
        }
        state.queue.push_back(job);
        Ok(self.need(&mut state))
    }

    /// Whether jobs wait that could run if a handler made room.
    pub(crate) fn is_pressed(&self) -> bool {
        !self.state.lock().queue.is_empty()
    }

    /// A worker has nothing in its hands. `Wait` counts it as waiting.
    pub(crate) fn next(&self) -> Next {
        let mut state = self.state.lock();
        if state.closing {
            state.threads -= 1;
            return Next::Leave;
        }
        if state.running < self.handlers && !state.queue.is_empty() {
            let reader = if state.waiting > 0 {
                Some(Need::Nothing)
            } else if state.threads < self.threads {
                state.threads += 1;
                Some(Need::Thread)
            } else {
                None
            };
            if let Some(reader) = reader
                && let Some(job) = state.queue.pop_front()
            {
                state.running += 1;
                let more = !state.queue.is_empty() && state.running < self.handlers;
                let need = if reader == Need::Nothing && more { Need::Bell } else { reader };
                return Next::Run(job, need);
            }
        }
        state.waiting += 1;
        Next::Wait { surplus: state.waiting > KEPT }
    }

    /// A waiting worker woke.
    pub(crate) fn woke(&self) {
        self.state.lock().waiting -= 1;
    }

    /// A surplus worker waited in vain; answers whether it leaves.
    pub(crate) fn may_leave(&self) -> bool {
        let mut state = self.state.lock();
        // It is not counted as waiting any more.
        let leaves = state.waiting >= KEPT;
        if leaves {
            state.threads -= 1;
        }
        leaves
    }

    /// A handler has returned.
    pub(crate) fn done(&self) {
        self.state.lock().running -= 1;
    }

    /// A handler begins to wait inside the runtime.
    pub(crate) fn block(&self) -> Need {
        let mut state = self.state.lock();
        state.running -= 1;
        state.blocked += 1;
        self.need(&mut state)
    }

    /// It goes on.
    pub(crate) fn unblock(&self) {
        let mut state = self.state.lock();
        state.blocked -= 1;
        state.running += 1;
    }

    /// Counts a worker that is about to be started, if there is room.
    pub(crate) fn add_thread(&self) -> bool {
        let mut state = self.state.lock();
        let room = state.threads < self.threads && !state.closing;
        state.threads += usize::from(room);
        room
    }

    /// A worker that was counted could not be started.
    pub(crate) fn thread_failed(&self) {
        self.state.lock().threads -= 1;
    }

    pub(crate) fn threads(&self) -> usize {
        self.state.lock().threads
    }

    /// Workers leave when they look next; answers the jobs that nobody will run.
    pub(crate) fn close(&self) -> VecDeque<Job> {
        let mut state = self.state.lock();
        state.closing = true;
        std::mem::take(&mut state.queue)
    }

    fn need(&self, state: &mut State) -> Need {
        if state.queue.is_empty() || state.running >= self.handlers {
            Need::Nothing
        } else if state.waiting > 0 {
            Need::Bell
        } else if state.threads < self.threads && !state.closing {
            state.threads += 1;
            Need::Thread
        } else {
            Need::Nothing
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Pool")
            .field("queue", &state.queue.len())
            .field("threads", &state.threads)
            .field("waiting", &state.waiting)
            .field("running", &state.running)
            .field("blocked", &state.blocked)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(handlers: usize, threads: usize, queue: usize) -> Pool {
        let limits = Limits { handlers, threads, queue, ..Limits::default() };
        Pool::new(&limits)
    }

    fn job() -> Job {
        Box::new(|| {})
    }

    #[test]
    fn a_job_starts_only_while_somebody_else_reads() {
        let pool = pool(4, 2, 10);
        assert!(pool.add_thread());
        assert_eq!(pool.push(job(), false).ok(), Some(Need::Thread));
        assert!(
            matches!(pool.next(), Next::Wait { .. }),
            "no reader was left and none could start"
        );
        assert!(matches!(pool.next(), Next::Run(_, Need::Nothing)));
    }

    #[test]
    fn the_queue_and_the_handlers_are_bounded() {
        let pool = pool(1, 8, 2);
        assert!(pool.add_thread());
        assert!(pool.push(job(), false).is_ok());
        assert!(matches!(pool.next(), Next::Run(_, Need::Thread)));
        assert_eq!(pool.push(job(), false).ok(), Some(Need::Nothing));
        assert_eq!(pool.push(job(), false).ok(), Some(Need::Nothing));
        assert!(pool.push(job(), false).is_err(), "the queue took more than its bound");
        assert!(matches!(pool.next(), Next::Wait { .. }), "two handlers ran, one may");
        pool.done();
        assert!(matches!(pool.next(), Next::Run(..)));
    }

    #[test]
    fn a_handler_that_waits_gives_its_place_away() {
        let pool = pool(1, 8, 2);
        assert!(pool.add_thread());
        assert!(pool.push(job(), false).is_ok());
        assert!(matches!(pool.next(), Next::Run(..)));
        assert!(pool.push(job(), true).is_ok());
        assert!(matches!(pool.next(), Next::Wait { .. }));
        assert_eq!(pool.block(), Need::Bell);
        pool.woke();
        assert!(matches!(pool.next(), Next::Run(_, Need::Thread)));
    }

    #[test]
    fn a_circle_wider_than_the_threads_is_refused_not_joined() {
        let pool = pool(1, 2, 10);
        assert!(pool.add_thread());
        assert!(pool.push(job(), false).is_ok());
        assert!(matches!(pool.next(), Next::Wait { .. }));
        assert!(matches!(pool.next(), Next::Run(..)));
        assert_eq!(pool.block(), Need::Nothing);
        pool.woke();
        assert!(pool.push(job(), true).is_err());
        assert!(pool.push(job(), false).is_ok(), "a call from outside may wait its turn");
    }
}
