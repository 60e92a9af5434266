//! [`Engine`]: the readiness set, the connections in it, and the workers that serve them.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::call::{Call, Job};
use super::connection::Connection;
use super::pool::{Need, Pool};
use super::service::{NoService, Service, Work};
use super::source::Source;
use super::task::{Request, Task};
use super::timers::Timers;
use super::{thread, worker};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::Limits;
use crate::sys::readiness::Readiness;
use crate::wire::hello::Hello;

/// The threads and connections of one app, or of one client.
pub(crate) struct Engine {
    pub(super) readiness: Readiness,
    pool: Pool,
    pub(crate) limits: Limits,
    service: OnceLock<Arc<dyn Service>>,
    /// How this side introduces itself; `ready` follows the app.
    pub(super) hello: Mutex<Hello>,
    pub(super) sources: Mutex<HashMap<u64, Source>>,
    /// Why nothing more is started, once the app is leaving.
    pub(super) leaving: OnceLock<Error>,
    pub(super) timers: Mutex<Timers>,
    pub(super) next_token: AtomicU64,
    /// Workers ever started, for their names.
    born: AtomicUsize,
    /// The process that made this: a fork's copy has no threads.
    process: u32,
    /// Guards nothing: a place to wait for tasks, workers and connections to end.
    changes: Mutex<()>,
    changed: Condvar,
    /// Somebody waits for changes.
    watched: AtomicUsize,
}

impl Engine {
    /// An engine without threads; the first connection or listener starts one.
    ///
    /// # Errors
    /// `internal` when the process has no descriptors left.
    pub(crate) fn new(limits: Limits, hello: Hello) -> Result<Arc<Self>> {
        let readiness = Readiness::new().map_err(|error| {
            Error::new(ErrorCode::Internal, "cannot make a readiness set")
                .hint("The process may have too many open files.")
                .source(error)
        })?;
        Ok(Arc::new(Self {
            readiness,
            pool: Pool::new(&limits),
            limits,
            service: OnceLock::new(),
            hello: Mutex::new(hello),
            sources: Mutex::default(),
            leaving: OnceLock::new(),
            timers: Mutex::default(),
            next_token: AtomicU64::new(1),
            born: AtomicUsize::new(0),
            process: std::process::id(),
            changes: Mutex::default(),
            changed: Condvar::new(),
            watched: AtomicUsize::new(0),
        }))
    }

    /// Says who serves the calls that arrive; before the first connection.
    pub(crate) fn set_service(&self, service: Arc<dyn Service>) {
        let _first = self.service.set(service);
    }

    /// Refuses to work in a copy that a fork made: it shares sockets but has no threads.
    ///
    /// # Errors
    /// `misuse` in such a copy.
    pub(crate) fn check_process(&self) -> Result<()> {
        if std::process::id() == self.process {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Misuse, "this mesh client or app belongs to the parent process")
            .hint("After a fork, make a client of its own in the child, or exec."))
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Answers calls from now on, on every connection.
    pub(crate) fn set_ready(&self) {
        self.hello.lock().ready = true;
        for connection in self.connections() {
            connection.set_ready();
        }
    }

    /// Starts nothing more that peers ask for, on any connection; what runs goes on.
    pub(crate) fn leave(&self, error: &Error) {
        let _first = self.leaving.set(error.clone());
        for connection in self.connections() {
            connection.go_away(error);
        }
    }

    // Time.

    pub(crate) fn add_timer(&self, at: Instant, token: u64) {
        let mut timers = self.timers.lock();
        if timers.set(at, token) {
            self.run_timer(at);
        }
    }

    fn run_timer(&self, at: Instant) {
        let after = at.saturating_duration_since(Instant::now());
        if let Err(error) = self.readiness.set_timer(after) {
            log::error!(target: "mesh::engine", "cannot set the timer: {error}");
        }
    }

    /// The timer ran out. Runs on a worker.
    pub(super) fn on_timer(self: &Arc<Self>) {
        loop {
            let now = Instant::now();
            let mut timers = self.timers.lock();
            let Some(token) = timers.pop(now) else {
                if let Some(first) = timers.first() {
                    self.run_timer(first);
                }
                return;
            };
            drop(timers);
            let source = self.sources.lock().get(&token).cloned();
            match source {
                Some(Source::Connection(connection)) => connection.on_timer(now),
                Some(Source::Listener(listener)) => self.accept(&listener, token),
                Some(Source::Watch(_)) | None => {}
            }
        }
    }

    // Work.

    /// Hands a call to the app.
    pub(crate) fn serve(self: &Arc<Self>, request: Request) {
        let connection = Arc::clone(request.exchange.connection());
        let task = Arc::clone(&request.task);
        let work = match self.service.get() {
            Some(service) => service.route(request),
            None => NoService.route(request),
        };
        let job = match work {
            Work::Now(job) => return job(),
            Work::Pool(job) => job,
        };
        let refuse = {
            let (connection, id) = (Arc::clone(&connection), task.exchange);
            move |text: &str| {
                let error = Error::new(ErrorCode::Busy, text).hint("Try again in a moment.");
                connection.end(id, Err(&error));
            }
        };
        if !connection.queue(self.limits.queue_per_connection) {
            return refuse("too many calls of this connection wait for a handler");
        }
        let (begins, refused) = (Arc::clone(&connection), connection);
        let call = Call {
            nested: self.is_circle(&task),
            run: Box::new(move || {
                begins.unqueue();
                job();
            }),
            refuse: Some(Box::new(move || {
                refused.unqueue();
                refuse("too many calls wait for a handler");
            })),
        };
        match self.pool.push(call) {
            Ok(need) => {
                self.meet(need);
            }
            Err(call) => call.turn_away(),
        }
    }

    /// Whether a handler of this app waits, by way of others perhaps, for the task.
    pub(crate) fn is_circle(&self, task: &Task) -> bool {
        let name = &self.hello.lock().name;
        name.as_ref().is_some_and(|name| task.head.path.contains(name))
    }

    /// Queues the rest of a job that was parked; `false` when it came too late and was dropped.
    pub(crate) fn resume(self: &Arc<Self>, job: Job, nested: bool) -> bool {
        match self.pool.resume(job, nested) {
            Ok(need) => {
                self.meet(need);
                true
            }
            Err(_late) => false,
        }
    }

    pub(crate) fn begin_block(self: &Arc<Self>) {
        let (need, stuck) = self.pool.block();
        self.meet(need);
        stuck.into_iter().for_each(Call::turn_away);
    }

    pub(crate) fn end_block(&self) {
        self.pool.unblock();
    }

    /// Does what the pool needs; answers whether it could.
    pub(super) fn meet(self: &Arc<Self>, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Bell => {
                self.readiness.ring();
                true
            }
            Need::Thread => match self.start_worker() {
                Ok(()) => true,
                Err(error) => {
                    log::warn!(target: "mesh::engine", "cannot start a worker: {error}");
                    false
                }
            },
        }
    }

    /// A connection needs somebody to read it: starts the first worker.
    pub(super) fn ensure_worker(self: &Arc<Self>) -> io::Result<()> {
        if self.pool.threads() > 0 {
            return Ok(());
        }
        if self.pool.add_thread() {
            return self.start_worker();
        }
        match self.pool.threads() {
            0 => Err(io::Error::other("no thread can be started")),
            _ => Ok(()),
        }
    }

    /// Starts a worker that the pool has counted.
    fn start_worker(self: &Arc<Self>) -> io::Result<()> {
        let number = self.born.fetch_add(1, Ordering::Relaxed);
        let engine = Arc::clone(self);
        let started = thread::spawn(format!("mesh-worker-{number}"), move || worker::run(&engine));
        if started.is_err() {
            self.pool.thread_failed();
        }
        started.map(drop)
    }

    // The end.

    /// A task has ended, a connection or a worker is gone: whoever waits for that looks again.
    pub(crate) fn tell(&self) {
        if self.watched.load(Ordering::SeqCst) > 0 {
            let _order = self.changes.lock();
            self.changed.notify_all();
        }
    }

    pub(crate) fn task_ended(&self) {
        self.tell();
    }

    /// Blocks until `done` holds or the time is out; answers whether it holds.
    pub(crate) fn wait_until(&self, until: Instant, done: impl Fn(&Self) -> bool) -> bool {
        self.watched.fetch_add(1, Ordering::SeqCst);
        let mut order = self.changes.lock();
        let mut holds = done(self);
        while !holds {
            let out = self.changed.wait_until(&mut order, until).timed_out();
            holds = done(self);
            if out {
                break;
            }
        }
        drop(order);
        self.watched.fetch_sub(1, Ordering::SeqCst);
        holds
    }

    /// Calls that are being served on all connections.
    pub(crate) fn tasks(&self) -> Vec<(Arc<Connection>, Arc<Task>)> {
        let pair = |connection: &Arc<Connection>| {
            let connection = Arc::clone(connection);
            connection.tasks().into_iter().map(move |task| (Arc::clone(&connection), task))
        };
        self.connections().iter().flat_map(pair).collect()
    }

    /// Closes every connection and lets the workers leave; waits for them up to `grace`. A worker
    /// that is still in user code then leaves when that returns.
    pub(crate) fn close(self: &Arc<Self>, grace: Duration) {
        if self.check_process().is_err() {
            // A fork's copy: the sockets are its parent's, and the threads are not here.
            return;
        }
        // First, so that a connection that is being made finds the pool closed, or is found below.
        let unserved = self.pool.close();
        let error = Error::new(ErrorCode::ShuttingDown, "the app has stopped");
        for connection in self.connections() {
            connection.close(&error);
        }
        // Dropped here, outside the pool's lock: each ends its exchange.
        drop(unserved);
        self.readiness.ring();
        let until = Instant::now() + grace;
        let own = usize::from(worker::is_one_of(self));
        self.wait_until(until, |engine| engine.pool.threads() <= own);
    }
}

/// A random number from the system, by way of a UUID of version 4.
pub(crate) fn random() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high.rotate_left(32) ^ low
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("pool", &self.pool).finish_non_exhaustive()
    }
}
