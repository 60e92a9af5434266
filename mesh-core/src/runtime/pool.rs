//! Who may run handlers: the queues of calls that wait, and the count of threads and their states.
//!
//! Pure bookkeeping under one lock; threads are started and woken by the [`Engine`].
//!
//! | a worker is | counted in |
//! |---|---|
//! | waiting in the readiness set | `waiting` |
//! | running a handler | `running` |
//! | in a handler that waits for another app, for credit or on its token | `blocked` |
//! | reading, writing, on its way | none of the three |
//!
//! Rules:
//! - A job starts only while another worker waits in the set or can be started, so somebody always
//!   reads; and only while `running < handlers`. A handler that blocks in the runtime counts as
//!   `blocked`, and the next job may start.
//! - A call that a handler of this very app waits for is *nested*: it goes first, and calls from
//!   outside leave it a thread. So a handler that calls its own app does not wait for itself.
//! - When all threads but the reader are blocked, nobody is left to run what they wait for: nested
//!   calls are refused as busy, those that wait already too. The circle breaks at its last member.
//!
//! [`Engine`]: super::engine::Engine

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::call::{Call, Job};
use crate::limits::Limits;

/// Workers that stay in the set when there is nothing to do.
const KEPT: usize = 2;

/// Threads that calls from outside leave alone: one reads, one runs nested calls.
const LEFT_ALONE: usize = 2;

/// How long the pool believes the system that it has no room for another thread.
const CEILING_HOLDS: Duration = Duration::from_secs(1);

/// The queues and the counts.
pub(crate) struct Pool {
    state: Mutex<State>,
    handlers: usize,
    threads: usize,
    queue: usize,
}

#[derive(Default)]
struct State {
    /// Nested calls, which go first.
    nested: VecDeque<Call>,
    /// Calls from outside.
    outside: VecDeque<Call>,
    threads: usize,
    /// What the system let us have when it last refused another thread, and when that was.
    ceiling: Option<(usize, Instant)>,
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
    /// Run this; `Need::Thread` first, or give the work back.
    Run(Call, Need),
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
            threads: limits.threads.max(LEFT_ALONE + 1),
            queue: limits.queue,
        }
    }

    /// Queues a call.
    ///
    /// # Errors
    /// The call, when there is no room for it: see [`Call::turn_away`].
    pub(crate) fn push(&self, call: Call) -> Result<Need, Call> {
        let mut state = self.state.lock();
        let waiting = state.nested.len() + state.outside.len();
        let stuck = call.nested && self.is_stuck(&state);
        if state.closing || waiting >= self.queue || stuck {
            return Err(call);
        }
        state.lane(call.nested).push_back(call);
        Ok(self.need(&mut state))
    }

    /// Queues work that has begun before and was parked.
    ///
    /// # Errors
    /// The work, when the pool is closed.
    pub(crate) fn resume(&self, run: Job, nested: bool) -> Result<Need, Call> {
        let call = Call { run, refuse: None, nested };
        let mut state = self.state.lock();
        if state.closing {
            return Err(call);
        }
        state.lane(nested).push_back(call);
        Ok(self.need(&mut state))
    }

    /// Takes back work that could not run because no reader could be started. Answers it when it
    /// will never run: the pool is closed.
    pub(crate) fn give_back(&self, call: Call) -> Option<Call> {
        let mut state = self.state.lock();
        state.running -= 1;
        if state.closing {
            return Some(call);
        }
        state.lane(call.nested).push_front(call);
        None
    }

    /// Whether jobs wait that could run if a handler made room.
    pub(crate) fn is_pressed(&self) -> bool {
        !self.state.lock().is_empty()
    }

    /// A worker has nothing in its hands. `Wait` counts it as waiting.
    pub(crate) fn next(&self) -> Next {
        let mut state = self.state.lock();
        if state.closing {
            self.leave(&mut state);
            return Next::Leave;
        }
        if self.may_start(&state)
            && let Some(reader) = self.reader(&mut state)
            && let Some(call) = state.pop()
        {
            state.running += 1;
            // Bells that ring at once wake one worker: whoever takes work rings for the rest.
            let others = state.waiting > 1 || state.threads < self.most(&state);
            let more = self.may_start(&state) && others;
            let need = if reader == Need::Nothing && more { Need::Bell } else { reader };
            return Next::Run(call, need);
        }
        state.waiting += 1;
        // Work that waits for the system to have room for a thread again is looked at again.
        let held_up = state.ceiling.is_some() && !state.is_empty();
        Next::Wait { surplus: state.waiting > KEPT || held_up }
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
            self.leave(&mut state);
        }
        leaves
    }

    /// A handler has returned.
    pub(crate) fn done(&self) {
        self.state.lock().running -= 1;
    }

    /// A handler begins to wait inside the runtime. Answers what is needed, and the nested
    /// calls that nobody is left to run.
    pub(crate) fn block(&self) -> (Need, VecDeque<Call>) {
        let mut state = self.state.lock();
        state.running -= 1;
        state.blocked += 1;
        if self.is_stuck(&state) {
            let waiting = std::mem::take(&mut state.nested);
            let (stuck, begun) = waiting.into_iter().partition(|call| call.refuse.is_some());
            state.nested = begun;
            return (Need::Nothing, stuck);
        }
        (self.need(&mut state), VecDeque::new())
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
        let room = state.threads < self.most(&state) && !state.closing;
        state.threads += usize::from(room);
        room
    }

    /// A worker that was counted could not be started: the system has no room for more.
    pub(crate) fn thread_failed(&self) {
        let mut state = self.state.lock();
        state.threads -= 1;
        // Without any thread nobody would look again: the next one to ask tries.
        state.ceiling = (state.threads > 0).then(|| (state.threads, Instant::now()));
    }

    pub(crate) fn threads(&self) -> usize {
        self.state.lock().threads
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closing
    }

    /// Workers leave when they look next; answers the work that nobody will do.
    pub(crate) fn close(&self) -> Vec<Call> {
        let mut state = self.state.lock();
        state.closing = true;
        let nested = std::mem::take(&mut state.nested);
        nested.into_iter().chain(std::mem::take(&mut state.outside)).collect()
    }

    fn leave(&self, state: &mut State) {
        state.threads -= 1;
        // There is room for another one again.
        state.ceiling = None;
    }

    fn most(&self, state: &State) -> usize {
        match state.ceiling {
            Some((ceiling, at)) if at.elapsed() < CEILING_HOLDS => ceiling.min(self.threads),
            _ => self.threads,
        }
    }

    /// Whether all threads but the one that reads are blocked.
    fn is_stuck(&self, state: &State) -> bool {
        let most = self.most(state);
        state.threads >= most && state.blocked + 1 >= most
    }

    /// Whether a job waits that the rules let start.
    fn may_start(&self, state: &State) -> bool {
        let free = self.most(state).saturating_sub(state.running + state.blocked);
        state.running < self.handlers
            && (!state.nested.is_empty() || (!state.outside.is_empty() && free > LEFT_ALONE))
    }

    /// Whoever reads while this worker runs a job: one that waits, or a new one.
    fn reader(&self, state: &mut State) -> Option<Need> {
        if state.waiting > 0 {
            Some(Need::Nothing)
        } else if state.threads < self.most(state) {
            state.threads += 1;
            Some(Need::Thread)
        } else {
            None
        }
    }

    fn need(&self, state: &mut State) -> Need {
        if !self.may_start(state) {
            Need::Nothing
        } else if state.waiting > 0 {
            Need::Bell
        } else if state.threads < self.most(state) && !state.closing {
            state.threads += 1;
            Need::Thread
        } else {
            Need::Nothing
        }
    }
}

impl State {
    fn lane(&mut self, nested: bool) -> &mut VecDeque<Call> {
        if nested { &mut self.nested } else { &mut self.outside }
    }

    fn pop(&mut self) -> Option<Call> {
        self.nested.pop_front().or_else(|| self.outside.pop_front())
    }

    fn is_empty(&self) -> bool {
        self.nested.is_empty() && self.outside.is_empty()
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Pool")
            .field("nested", &state.nested.len())
            .field("outside", &state.outside.len())
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
        Pool::new(&Limits { handlers, threads, queue, ..Limits::default() })
    }

    fn call(nested: bool) -> Call {
        Call { run: Box::new(|| {}), refuse: Some(Box::new(|| {})), nested }
    }

    #[test]
    fn a_job_starts_only_while_somebody_else_reads() {
        let pool = pool(4, 3, 10);
        assert!(pool.add_thread());
        assert!(matches!(pool.push(call(false)), Ok(Need::Thread)));
        pool.thread_failed();
        assert!(
            matches!(pool.next(), Next::Wait { .. }),
            "no reader was left and none could start"
        );
    }

    #[test]
    fn the_queue_and_the_handlers_are_bounded() {
        let pool = pool(1, 8, 2);
        assert!(pool.add_thread());
        assert!(pool.push(call(false)).is_ok());
        assert!(matches!(pool.next(), Next::Run(_, Need::Thread)));
        assert!(matches!(pool.push(call(false)), Ok(Need::Nothing)));
        assert!(matches!(pool.push(call(false)), Ok(Need::Nothing)));
        assert!(pool.push(call(false)).is_err(), "the queue took more than its bound");
        assert!(matches!(pool.next(), Next::Wait { .. }), "two handlers ran, one may");
        pool.done();
        assert!(matches!(pool.next(), Next::Run(..)));
    }

    #[test]
    fn a_handler_that_waits_gives_its_place_away() {
        let pool = pool(1, 8, 2);
        assert!(pool.add_thread());
        assert!(pool.push(call(false)).is_ok());
        assert!(matches!(pool.next(), Next::Run(_, Need::Thread)));
        assert!(pool.push(call(true)).is_ok());
        assert!(matches!(pool.next(), Next::Wait { .. }));
        assert_eq!(pool.block().0, Need::Bell);
        pool.woke();
        assert!(matches!(pool.next(), Next::Run(_, Need::Thread)));
    }

    fn runs(pool: &Pool) -> bool {
        matches!(pool.next(), Next::Run(..))
    }

    #[test]
    fn nested_calls_go_first_and_outside_calls_leave_them_a_thread() {
        let pool = pool(8, 4, 10);
        while pool.add_thread() {}
        for _ in 0..4 {
            assert!(pool.push(call(false)).is_ok());
        }
        assert!(!runs(&pool), "the first worker reads");
        for _ in 0..2 {
            assert!(runs(&pool));
            pool.block();
        }
        assert!(!runs(&pool), "an outside call took the last thread but the reader");
        assert!(pool.push(call(true)).is_ok());
        pool.woke();
        assert!(runs(&pool), "the nested call has its thread");
    }

    #[test]
    fn a_circle_wider_than_the_threads_breaks_at_its_last_member() {
        let pool = pool(8, 4, 10);
        while pool.add_thread() {}
        assert!(!runs(&pool), "the first worker reads");
        assert!(pool.push(call(false)).is_ok());
        assert!(runs(&pool));
        for _ in 0..3 {
            assert!(pool.push(call(true)).is_ok());
        }
        pool.block();
        assert!(runs(&pool));
        pool.block();
        assert!(runs(&pool));
        let (_, refused) = pool.block();
        assert_eq!(refused.len(), 1, "the call that nobody can run is refused");
        assert!(pool.push(call(true)).is_err());
        assert!(pool.push(call(false)).is_ok(), "a call from outside may wait its turn");
    }

    #[test]
    fn a_burst_that_rings_once_wakes_as_many_as_can_run() {
        let pool = pool(8, 8, 10);
        while pool.add_thread() {}
        for _ in 0..3 {
            assert!(!runs(&pool), "all workers wait");
        }
        for _ in 0..4 {
            assert!(pool.push(call(false)).is_ok());
        }
        pool.woke();
        assert!(matches!(pool.next(), Next::Run(_, Need::Bell)));
        pool.woke();
        assert!(!matches!(pool.next(), Next::Wait { .. }), "somebody reads while it runs");
    }

    #[test]
    fn nested_work_that_goes_on_is_never_behind_calls_from_outside_nor_refused() {
        let pool = pool(8, 3, 10);
        while pool.add_thread() {}
        assert!(!runs(&pool), "the first worker reads");
        assert!(pool.push(call(false)).is_ok());
        assert!(runs(&pool));
        pool.block();
        assert!(pool.resume(Box::new(|| {}), true).is_ok());
        assert!(runs(&pool), "the producer that the blocked reader waits for goes on");
    }

    #[test]
    fn a_system_without_room_for_threads_is_asked_again() {
        let pool = pool(8, 8, 10);
        assert!(pool.add_thread());
        pool.thread_failed();
        assert!(pool.add_thread(), "without any thread the next one to ask tries");
        assert!(pool.push(call(false)).is_ok());
        pool.thread_failed();
        assert!(matches!(pool.next(), Next::Wait { surplus: true }), "it looks again");
    }
}
