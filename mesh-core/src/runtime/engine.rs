//! [`Engine`]: the readiness set, the connections in it, and the workers that serve them.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::connection::Connection;
use super::pool::{Job, Need, Pool};
use super::service::{NoService, Service, Work};
use super::task::{Request, Task};
use super::timers::Timers;
use super::{thread, worker};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::Limits;
use crate::proto::{self, Role};
use crate::sys::readiness::{Interest, Readiness};
use crate::sys::watch::Watch;
use crate::transport::{Listener, Peer, Stream};
use crate::wire::hello::Hello;

/// Connections accepted in one turn before others have theirs.
const ACCEPTS_PER_TURN: usize = 64;

/// The threads and connections of one app, or of one client.
pub(crate) struct Engine {
    readiness: Readiness,
    pool: Pool,
    pub(crate) limits: Limits,
    service: OnceLock<Arc<dyn Service>>,
    /// How this side introduces itself; `ready` follows the app.
    hello: Mutex<Hello>,
    sources: Mutex<HashMap<u64, Source>>,
    /// Why nothing more is started, once the app is leaving.
    leaving: OnceLock<Error>,
    timers: Mutex<Timers>,
    next_token: AtomicU64,
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

#[derive(Clone)]
enum Source {
    Listener(Arc<Listener>),
    Connection(Arc<Connection>),
    Watch(Arc<Watched>),
}

/// A directory that is watched, and what to do when something was removed from it.
struct Watched {
    watch: Watch,
    act: Box<dyn Fn() + Send + Sync>,
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

    // Sources.

    /// Serves the connections that come to a listener.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn listen(self: &Arc<Self>, listener: Arc<Listener>) -> io::Result<()> {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        listener.watch(&self.readiness, token)?;
        self.sources.lock().insert(token, Source::Listener(Arc::clone(&listener)));
        listener.arm(&self.readiness, token)?;
        self.ensure_worker()
    }

    /// Nobody is accepted any more, and nothing is watched; who waited to be is told by the kernel.
    pub(crate) fn unlisten(&self) {
        self.sources.lock().retain(|_, source| match source {
            Source::Listener(listener) => {
                listener.forget(&self.readiness);
                false
            }
            Source::Watch(_) => false,
            Source::Connection(_) => true,
        });
    }

    /// Takes a connected stream in.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn connect(
        self: &Arc<Self>,
        stream: Stream,
        peer: Peer,
        role: Role,
    ) -> io::Result<Arc<Connection>> {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        let mut hello = self.hello.lock().clone();
        hello.session = random();
        let session = hello.session;
        let now = Instant::now();
        let proto = proto::Connection::new(role, (&self.limits).into(), hello, now);
        stream.watch(&self.readiness, token)?;
        let connection = Arc::new(Connection::new(self, token, (stream, peer), proto, session));
        self.sources.lock().insert(token, Source::Connection(Arc::clone(&connection)));
        if self.hello.lock().ready {
            // The app may have become ready between the hello and the entry in the table.
            connection.set_ready();
        }
        if let Some(error) = self.leaving.get().filter(|_| role == Role::Acceptor) {
            connection.go_away(error);
        }
        self.ensure_worker()?;
        connection.begin();
        Ok(connection)
    }

    /// Accepts who waits. Runs on a worker.
    pub(super) fn accept(self: &Arc<Self>, listener: &Listener, token: u64) {
        for _ in 0..ACCEPTS_PER_TURN {
            match listener.accept() {
                Ok(Some(stream)) => self.admit(stream),
                Ok(None) => break,
                Err(error) => {
                    // No descriptors, most likely: try again when something has been closed.
                    log::warn!(target: "mesh::engine", "cannot accept: {error}");
                    self.add_timer(Instant::now() + Duration::from_millis(100), token);
                    return;
                }
            }
        }
        if let Err(error) = listener.arm(&self.readiness, token) {
            log::error!(target: "mesh::engine", "cannot watch the listener: {error}");
        }
    }

    fn admit(self: &Arc<Self>, stream: Stream) {
        let peer = match stream.peer() {
            Ok(peer) if Stream::is_own(peer) => peer,
            Ok(peer) => {
                log::warn!(target: "mesh::engine", "refused user {} (pid {})", peer.uid, peer.pid);
                return;
            }
            Err(_) => return,
        };
        if self.sources.lock().len() > self.limits.connections {
            log::warn!(target: "mesh::engine", "refused pid {}: too many connections", peer.pid);
            let text = format!("the app has {} connections already", self.limits.connections);
            let farewell = proto::refusal(&self.hello.lock(), &Error::new(ErrorCode::Busy, text));
            // A socket that has just been accepted takes it; if not, the end must do.
            let _written = stream.write(&farewell);
            return;
        }
        if let Err(error) = self.connect(stream, peer, Role::Acceptor) {
            log::warn!(target: "mesh::engine", "cannot serve a connection: {error}");
        }
    }

    /// Works on the source with this token. Runs on a worker.
    pub(super) fn on_source(self: &Arc<Self>, token: u64, buffer: &mut [u8]) {
        let source = self.sources.lock().get(&token).cloned();
        match source {
            Some(Source::Connection(connection)) => connection.on_ready(buffer),
            Some(Source::Listener(listener)) => self.accept(&listener, token),
            Some(Source::Watch(watched)) => {
                watched.watch.drain();
                let read = Interest { read: true, write: false };
                if let Err(error) = self.readiness.arm(&watched.watch, token, read) {
                    log::warn!(target: "mesh::engine", "cannot go on watching: {error}");
                }
                (watched.act)();
            }
            None => {}
        }
    }

    /// Acts on removals from a directory, instead of any that was watched before. `act` runs on a
    /// worker and must be short.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn watch(
        &self,
        directory: &Path,
        act: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<()> {
        let watch = Watch::removals(directory)?;
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        self.readiness.add(&watch, token)?;
        self.readiness.arm(&watch, token, Interest { read: true, write: false })?;
        let watched = Source::Watch(Arc::new(Watched { watch, act: Box::new(act) }));
        let mut sources = self.sources.lock();
        sources.retain(|_, source| !matches!(source, Source::Watch(_)));
        sources.insert(token, watched);
        Ok(())
    }

    /// Takes a connection that is over out of the set, and out of the table once no handler works
    /// for it any more: until then its tasks are shown and waited for.
    pub(crate) fn forget(&self, connection: &Arc<Connection>) {
        connection.stream().forget(&self.readiness);
        if connection.tasks().is_empty() {
            self.sources.lock().remove(&connection.token());
        }
        self.tell();
    }

    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        let connection = |source: &Source| match source {
            Source::Connection(connection) => Some(Arc::clone(connection)),
            Source::Listener(_) | Source::Watch(_) => None,
        };
        self.sources.lock().values().filter_map(connection).collect()
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
        if timers.add(at, token) {
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
        let refused = |text: &str| {
            let error = Error::new(ErrorCode::Busy, text).hint("Try again in a moment.");
            connection.end(task.exchange, Err(&error));
        };
        if !connection.queue(self.limits.queue_per_connection) {
            return refused("too many calls of this connection wait for a handler");
        }
        let waiting = Arc::clone(&connection);
        let begin: Job = Box::new(move || {
            waiting.unqueue();
            job();
        });
        match self.pool.push(begin, self.is_circle(&task)) {
            Ok(need) => self.meet(need),
            Err(_job) => {
                connection.unqueue();
                // Before the job is dropped, which would end the call as a fault of ours.
                refused("too many calls wait for a handler");
            }
        }
    }

    /// Whether a handler of this app waits, by way of others perhaps, for the task.
    fn is_circle(&self, task: &Task) -> bool {
        let name = &self.hello.lock().name;
        name.as_ref().is_some_and(|name| task.head.path.contains(name))
    }

    /// Queues the rest of a job that was parked.
    pub(crate) fn resume(self: &Arc<Self>, job: Job) {
        // A job that comes too late is dropped, which ends its call.
        if let Ok(need) = self.pool.resume(job) {
            self.meet(need);
        }
    }

    pub(crate) fn begin_block(self: &Arc<Self>) {
        let need = self.pool.block();
        self.meet(need);
    }

    pub(crate) fn end_block(&self) {
        self.pool.unblock();
    }

    pub(super) fn meet(self: &Arc<Self>, need: Need) {
        match need {
            Need::Nothing => {}
            Need::Bell => self.readiness.ring(),
            Need::Thread => {
                if let Err(error) = self.start_worker() {
                    log::warn!(target: "mesh::engine", "cannot start a worker: {error}");
                }
            }
        }
    }

    /// A connection needs somebody to read it: starts the first worker.
    fn ensure_worker(self: &Arc<Self>) -> io::Result<()> {
        if self.pool.threads() == 0 && self.pool.add_thread() {
            self.start_worker()?;
        }
        Ok(())
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
        let error = Error::new(ErrorCode::ShuttingDown, "the app has stopped");
        for connection in self.connections() {
            connection.close(&error);
        }
        // Dropped here, outside the pool's lock: each ends its exchange.
        drop(self.pool.close());
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
