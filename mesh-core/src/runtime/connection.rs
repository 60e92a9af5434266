//! One connection at work: a stream, its machine, and who waits for what on it.
//!
//! Any thread may give the machine a command; whoever finds the stream free writes, the others'
//! bytes go along. What the machine tells is noted under the lock and acted on after it, in
//! [`action`](super::action).

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

use super::action::Action;
use super::call::Job;
use super::engine::Engine;
use super::outbox::Outbox;
use super::slot::Slot;
use super::task::Task;
use crate::error::{Error, ErrorCode, Result};
use crate::proto::{self, Flow, Patience};
use crate::sys::readiness::Interest;
use crate::transport::{Peer, Stream};
use crate::wire::hello::Hello;
use crate::wire::open::Open;

/// Reads in one turn before other connections have theirs; each is up to a buffer long.
const READS_PER_TURN: usize = 16;

/// A connection of an engine.
pub(crate) struct Connection {
    pub(super) engine: Weak<Engine>,
    token: u64,
    /// The process that made it.
    process: u32,
    stream: Stream,
    pub(super) peer: Peer,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) proto: proto::Connection,
    /// Where answers to our own exchanges land.
    pub(super) slots: HashMap<u64, Arc<Slot>>,
    /// The exchanges that we serve.
    pub(super) tasks: HashMap<u64, Serving>,
    outbox: Outbox,
    /// How the stream ended, seen while a thread was writing.
    end: Option<Option<io::Error>>,
    /// The stream is armed for reading, or somebody reads it and arms it after that.
    reading: bool,
    /// Calls that wait for a handler.
    queued: usize,
    timer: Option<Instant>,
    pub(super) session: u64,
    /// Who waits for the hello.
    watchers: Vec<Arc<Slot>>,
    gone: bool,
}

pub(super) struct Serving {
    pub(super) task: Arc<Task>,
    pub(super) parked: Option<Job>,
}

impl Connection {
    /// Wraps a stream. It works once [`Engine`] has registered it.
    pub(crate) fn new(
        engine: &Arc<Engine>,
        token: u64,
        (stream, peer): (Stream, Peer),
        proto: proto::Connection,
        session: u64,
    ) -> Self {
        let inner = Inner {
            proto,
            slots: HashMap::new(),
            tasks: HashMap::new(),
            outbox: Outbox::default(),
            end: None,
            reading: true,
            queued: 0,
            timer: None,
            session,
            watchers: Vec::new(),
            gone: false,
        };
        let (engine, process) = (Arc::downgrade(engine), std::process::id());
        Self { engine, token, process, stream, peer, inner: Mutex::new(inner) }
    }

    pub(crate) fn token(&self) -> u64 {
        self.token
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Who is at the other end, by the kernel's word.
    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What the peer said of itself, once it has.
    pub(crate) fn hello(&self) -> Option<Hello> {
        self.inner.lock().proto.peer().cloned()
    }

    /// Whether exchanges can still be opened.
    pub(crate) fn is_usable(&self) -> bool {
        let inner = self.inner.lock();
        !inner.proto.is_closed() && inner.proto.refusal().is_none()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().proto.is_closed()
    }

    /// Calls that are being served.
    pub(crate) fn tasks(&self) -> Vec<Arc<Task>> {
        self.inner.lock().tasks.values().map(|serving| Arc::clone(&serving.task)).collect()
    }

    /// Whether nothing is being served but `tasks` tasks, and all that was said has been written.
    pub(crate) fn is_drained(&self, tasks: usize) -> bool {
        let inner = self.inner.lock();
        let out = inner.outbox.is_empty() && !inner.proto.has_output();
        let written = out && self.stream.is_flushed();
        inner.proto.is_closed() || (inner.proto.serving() <= tasks && written)
    }

    // The calling side.

    /// Opens an exchange; its answer lands in the slot.
    ///
    /// # Errors
    /// As [`proto::Connection::open`]; nothing was sent then.
    pub(crate) fn open(
        self: &Arc<Self>,
        open: &Open,
        patience: Patience,
        slot: &Arc<Slot>,
    ) -> Result<u64> {
        self.command(|inner| {
            let id = inner.proto.open(Instant::now(), open, patience)?;
            inner.slots.insert(id, Arc::clone(slot));
            Ok(id)
        })
    }

    pub(crate) fn cancel(self: &Arc<Self>, id: u64) {
        self.command(|inner| inner.proto.cancel(id));
    }

    /// Cancels, and nobody waits for the end.
    pub(crate) fn abandon(self: &Arc<Self>, id: u64) {
        self.command(|inner| {
            inner.slots.remove(&id);
            inner.proto.abandon(id);
        });
    }

    pub(crate) fn consume(self: &Arc<Self>, id: u64, cost: u64) {
        self.command(|inner| inner.proto.consume(id, cost));
    }

    pub(crate) fn await_item(self: &Arc<Self>, id: u64) {
        self.command(|inner| inner.proto.await_item(id, Instant::now()));
    }

    // The serving side.

    pub(crate) fn end(self: &Arc<Self>, id: u64, result: Result<Vec<u8>, &Error>) {
        let last_of_the_dead = self.command(|inner| {
            inner.tasks.remove(&id);
            inner.proto.end(id, result);
            inner.gone && inner.tasks.is_empty()
        });
        if let Some(engine) = self.engine.upgrade() {
            if last_of_the_dead {
                engine.forget(self);
            }
            engine.task_ended();
        }
    }

    /// A handler has begun to work on a call with large arguments.
    pub(crate) fn begun(self: &Arc<Self>, id: u64) {
        self.command(|inner| inner.proto.begun(id));
    }

    pub(crate) fn item(self: &Arc<Self>, id: u64, body: Vec<u8>) -> Flow {
        self.command(|inner| inner.proto.item(id, body))
    }

    pub(crate) fn flow(self: &Arc<Self>, id: u64) -> Flow {
        self.command(|inner| inner.proto.flow(id))
    }

    /// Keeps a job until the exchange can go on or is cancelled; at once, if that is now.
    pub(crate) fn park(self: &Arc<Self>, task: &Task, job: Job) {
        let id = task.exchange;
        let ready = self.command(|inner| {
            if inner.proto.flow(id) == Flow::Wait
                && let Some(serving) = inner.tasks.get_mut(&id)
            {
                serving.parked = Some(job);
                return None;
            }
            Some(job)
        });
        if let (Some(job), Some(engine)) = (ready, self.engine.upgrade()) {
            engine.resume(job, engine.is_circle(task));
        }
    }

    /// Stops a task of this connection for a reason that becomes its end.
    pub(crate) fn stop_task(self: &Arc<Self>, id: u64, code: ErrorCode) {
        self.command(|inner| inner.proto.stop(id, code));
    }

    /// Counts a call that waits for a handler; `false` when this connection has too many.
    pub(crate) fn queue(&self, most: usize) -> bool {
        let mut inner = self.inner.lock();
        let room = inner.queued < most;
        inner.queued += usize::from(room);
        room
    }

    /// A call that waited has begun, or never will.
    pub(crate) fn unqueue(&self) {
        self.inner.lock().queued -= 1;
    }

    pub(crate) fn set_ready(self: &Arc<Self>) {
        self.command(|inner| inner.proto.set_ready(Instant::now()));
    }

    pub(crate) fn go_away(self: &Arc<Self>, error: &Error) {
        self.command(|inner| inner.proto.go_away(error.clone()));
    }

    /// Ends the connection from this side.
    pub(crate) fn close(self: &Arc<Self>, error: &Error) {
        self.command(|inner| inner.close(error.clone()));
    }

    // The readiness set.

    /// Reads and writes what is possible now, re-arms, and acts on what came.
    pub(crate) fn on_ready(self: &Arc<Self>, buffer: &mut [u8]) {
        let mut inner = self.inner.lock();
        inner.outbox.resume();
        inner.reading = true;
        let now = Instant::now();
        for _ in 0..READS_PER_TURN {
            if inner.proto.is_closed() || inner.proto.is_congested() {
                break;
            }
            match self.stream.read(buffer) {
                Ok(0) => {
                    inner.ended(None);
                    break;
                }
                Ok(length) => {
                    inner.proto.handle_input(now, buffer.get(..length).unwrap_or_default());
                    if length < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    inner.ended(Some(error));
                    break;
                }
            }
        }
        let (mut inner, actions) = self.settle(inner);
        self.arm(&mut inner);
        drop(inner);
        self.act(actions);
    }

    /// Acts on deadlines that have passed.
    pub(crate) fn on_timer(self: &Arc<Self>, now: Instant) {
        self.command(|inner| {
            inner.timer = None;
            inner.proto.handle_timeout(now);
        });
    }

    /// Arms the stream for the first time.
    pub(crate) fn begin(self: &Arc<Self>) {
        self.command(|_| ());
        self.arm(&mut self.inner.lock());
    }

    // Inside.

    /// Whether this is the process that made the connection. A fork's copy shares the socket, and
    /// whatever it did there would be done to its parent.
    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    fn command<T>(self: &Arc<Self>, give: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner.lock();
        let answer = give(&mut inner);
        if !self.is_ours() {
            return answer;
        }
        let (mut inner, actions) = self.settle(inner);
        let deaf = !inner.reading && !inner.proto.is_congested();
        if (inner.outbox.is_stalled() || deaf) && !inner.gone {
            self.arm(&mut inner);
        }
        drop(inner);
        self.act(actions);
        answer
    }

    /// Notes what the machine tells and writes what it has, until it has nothing left.
    fn settle<'a>(
        self: &'a Arc<Self>,
        mut inner: MutexGuard<'a, Inner>,
    ) -> (MutexGuard<'a, Inner>, Vec<Action>) {
        let mut actions = Vec::new();
        loop {
            while let Some(event) = inner.proto.poll_event() {
                self.note(&mut inner, event, &mut actions);
            }
            if inner.gone {
                break;
            }
            let Inner { outbox, proto, .. } = &mut *inner;
            let Some(batch) = outbox.begin(proto) else { break };
            let (end, result) = MutexGuard::unlocked(&mut inner, || batch.write(&self.stream));
            inner.outbox.done(batch, end);
            let seen = inner.end.take();
            if let Some(end) = seen.or(result.err().map(Some)) {
                inner.ended(end);
            }
        }
        self.set_timer(&mut inner);
        if inner.proto.is_closed() && !inner.outbox.is_writing() && !inner.gone {
            // What the socket did not take of the farewell is not waited for.
            inner.gone = true;
            self.stream.shutdown();
            actions.push(Action::Closed);
        }
        (inner, actions)
    }

    fn arm(&self, inner: &mut Inner) {
        let Some(engine) = self.engine.upgrade().filter(|_| !inner.gone) else { return };
        inner.reading = !inner.proto.is_congested();
        let interest = Interest { read: inner.reading, write: inner.outbox.is_stalled() };
        if let Err(error) = self.stream.arm(engine.readiness(), self.token, interest) {
            log::warn!(target: "mesh::connection", "cannot watch a connection: {error}");
        }
    }

    fn set_timer(&self, inner: &mut Inner) {
        if let Some(at) = inner.proto.poll_timeout()
            && inner.timer.is_none_or(|set| at < set)
            && let Some(engine) = self.engine.upgrade()
        {
            inner.timer = Some(at);
            engine.add_timer(at, self.token);
        }
    }

    /// Blocks until `done` holds of the machine or the time is out; answers whether it holds. The
    /// machine is looked at when the peer says hello, is ready or goes, and when it closes.
    pub(crate) fn watch(&self, until: Instant, done: impl Fn(&proto::Connection) -> bool) -> bool {
        let slot = Arc::new(Slot::default());
        loop {
            let mut inner = self.inner.lock();
            if done(&inner.proto) {
                return true;
            }
            inner.watchers.push(Arc::clone(&slot));
            drop(inner);
            if !slot.wait_told(until) {
                let mut inner = self.inner.lock();
                inner.watchers.retain(|other| !Arc::ptr_eq(other, &slot));
                return done(&inner.proto);
            }
        }
    }
}

impl Inner {
    fn close(&mut self, error: Error) {
        self.proto.handle_close(error, self.outbox.taken());
    }

    /// The peer has ended its side, or the stream broke. Bytes that the peer has certainly not
    /// read count as not written: what they asked for was never started. While a thread writes it
    /// is not known how far it comes; the end waits for that.
    fn ended(&mut self, error: Option<io::Error>) {
        if self.outbox.is_writing() {
            self.end.get_or_insert(error);
            return;
        }
        let unread = error.as_ref().map_or(0, Stream::unread);
        let lost = Error::new(ErrorCode::ConnectionLost, "the peer is gone");
        let lost = error.map_or(lost.clone(), |error| lost.source(error));
        self.proto.handle_close(lost, self.outbox.taken().saturating_sub(unread));
    }

    pub(super) fn tell_watchers(&mut self) {
        for slot in self.watchers.drain(..) {
            slot.tell();
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("token", &self.token)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
