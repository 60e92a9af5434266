//! [`Session`]: one life of a worker, as those see it who call it, and who read and write its
//! pipes.
//!
//! One lock guards the calls; nobody holds it while it reads, writes or waits for a pipe. A
//! handler waits on a signal of its own. The reader of the pipe waits for a stream without room:
//! as long as it likes if nobody else waits for the worker, else for [`PATIENCE`] altogether, and
//! then the stream is ended instead, so that a slow reader does not hold up other calls.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesh_core::{Args, Error, ErrorCode, Result};

use super::announce::{self, Announced};
use super::calls::{Calls, End, Next, Placed};
use super::child::Event;
use super::line::{self, Answer, Said};
use super::noise::{self, Noise, shown};
use crate::message::Message;

/// How long others wait for the reader of a stream, all its waits together.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a worker may leave its full input alone before further calls are answered `busy`.
const DEAF: Duration = Duration::from_secs(5);

/// The next step for a worker that announces nothing.
const TO_ANNOUNCE: &str = "Let it print {\"methods\":[\"NAME\"]} first and flush that, or name its \
                           methods with --method NAME.";

/// One life of a worker.
#[derive(Debug)]
pub(crate) struct Session {
    /// The worker's program, for messages.
    name: String,
    message: Message,
    events: SyncSender<Event>,
    inner: Mutex<Inner>,
    /// Something is to be written.
    to_write: Condvar,
    /// A stream may have room.
    room: Condvar,
    /// The announcement came, or the life is over.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    calls: Calls,
    waiting: BTreeMap<u64, Arc<Condvar>>,
    /// Why it takes no more calls.
    over: Option<Error>,
    /// The process is gone.
    gone: bool,
    is_input_closing: bool,
    writes_since: Option<Instant>,
    /// The reader of the pipe waits for room.
    is_stalled: bool,
    stalled: BTreeMap<u64, Duration>,
    has_answered: bool,
    heard: bool,
    first: Option<std::result::Result<Vec<Announced>, String>>,
    noise: Noise,
}

impl Session {
    /// A life that begins.
    pub(crate) fn new(name: &str, message: Message, events: SyncSender<Event>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            message,
            events,
            inner: Mutex::default(),
            to_write: Condvar::new(),
            room: Condvar::new(),
            changed: Condvar::new(),
        })
    }

    /// Tells the keeper of the process.
    pub(crate) fn tell(&self, event: Event) {
        // A keeper that has gone needs to know nothing.
        let _ = self.events.send(event);
    }

    /// Whether it takes calls.
    pub(crate) fn is_open(&self) -> bool {
        self.inner().over.is_none()
    }

    /// Whether anything was answered in this life.
    pub(crate) fn has_answered(&self) -> bool {
        self.inner().has_answered
    }

    /// Opens a call.
    ///
    /// # Errors
    /// `busy` when the worker does not read, `too_large` for arguments that no line holds, else
    /// why the life is over.
    pub(crate) fn open(
        self: &Arc<Self>,
        method: &str,
        args: &Args,
        path: &[String],
    ) -> Result<Call> {
        let mut inner = self.alive()?;
        if let Some(since) = inner.writes_since.filter(|since| since.elapsed() >= DEAF) {
            let seconds = since.elapsed().as_secs();
            let what = format!("{} has not read its standard input for {seconds} s", self.name);
            return Err(Error::new(ErrorCode::Busy, what).hint("Try again later."));
        }
        let id = inner.calls.take_id();
        drop(inner);
        let line = line::call(id, method, args, path)?;
        let mut inner = self.alive()?;
        inner.calls.open(id, line)?;
        let signal = Arc::<Condvar>::default();
        inner.waiting.insert(id, Arc::clone(&signal));
        self.to_write.notify_one();
        // The reader may wait for another stream that is alone no more.
        self.room.notify_one();
        Ok(Call { session: Arc::clone(self), id, signal })
    }

    /// What the worker announced in its first line.
    ///
    /// # Errors
    /// `launch_failed` when it announced nothing, or nothing that can be read.
    ///
    /// # Blocking
    /// Until the line, the end of the worker, or the bound.
    pub(crate) fn announced(&self, within: Duration) -> Result<Vec<Announced>> {
        let until = Instant::now() + within;
        let mut inner = self.inner();
        let failed = |why: String| Error::new(ErrorCode::LaunchFailed, why).hint(TO_ANNOUNCE);
        loop {
            match &inner.first {
                Some(Ok(methods)) => return Ok(methods.clone()),
                Some(Err(why)) => {
                    return Err(failed(format!("{} announces no methods: {why}", self.name)));
                }
                None => {}
            }
            if let Some(error) = inner.over.as_ref().filter(|_| inner.gone) {
                let what = format!("{} announced no methods", self.name);
                return Err(failed(what).because(error.clone()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (name, seconds) = (&self.name, within.as_secs());
                return Err(failed(format!("{name} announced no methods within {seconds} s")));
            }
            inner = self.wait(&self.changed, inner, left);
        }
    }

    /// Takes a line of the worker's, without its break.
    pub(crate) fn heard(&self, line: &[u8]) {
        let Ok(text) = std::str::from_utf8(line) else {
            self.first_is(|| Some(Err("its first line is not UTF-8".to_owned())));
            return self.noise("it is not UTF-8", line);
        };
        if text.trim().is_empty() {
            return;
        }
        let none = || Some(Err(format!("its first line is {}", shown(line))));
        if self.first_is(|| announce::parse(text).or_else(none)) && announce::parse(text).is_some()
        {
            return;
        }
        match line::answer(text) {
            Ok(answer) => self.place(answer, line),
            Err(why) => self.noise(&why, line),
        }
    }

    /// Takes the beginning of a line that is longer than one may be.
    pub(crate) fn heard_too_long(&self, beginning: &[u8]) {
        let mib = line::LINE_MAX >> 20;
        self.first_is(|| Some(Err(format!("its first line is longer than {mib} MiB"))));
        let Some(id) = line::first_id(beginning) else {
            return self.noise(&format!("it is longer than {mib} MiB"), beginning);
        };
        let what = format!("an answer of {} is a line of more than {mib} MiB", self.name);
        let error = Error::new(ErrorCode::TooLarge, what)
            .hint("Let it answer less, or write a file and answer with its name.");
        let mut inner = self.inner();
        if !inner.calls.end(id, error) {
            drop(inner);
            return self.noise("no call has its `id`", beginning);
        }
        if let Some(signal) = inner.waiting.get(&id) {
            signal.notify_one();
        }
        self.to_write.notify_one();
    }

    /// The next line to write, and the call that it asks for; nothing when the input is to be
    /// closed.
    pub(crate) fn next_line(&self) -> Option<(Vec<u8>, Option<u64>)> {
        let mut inner = self.inner();
        inner.writes_since = None;
        loop {
            if inner.is_input_closing {
                return None;
            }
            if let Some(line) = inner.calls.take_line() {
                inner.writes_since = Some(Instant::now());
                return Some(line);
            }
            inner = self.to_write.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The worker does not read: the call, if this was one, was not asked for.
    pub(crate) fn not_written(&self, id: Option<u64>) {
        if let Some(id) = id {
            self.inner().calls.not_written(id);
        }
        self.tell(Event::InputBroken);
    }

    /// Closes the worker's standard input as soon as nothing is being written.
    pub(crate) fn close_input(&self) {
        self.inner().is_input_closing = true;
        self.to_write.notify_one();
    }

    /// Ends all calls, and takes no more. What has ended before keeps its reason.
    pub(crate) fn fail(&self, error: &Error) {
        let mut inner = self.inner();
        if inner.over.is_none() {
            inner.over = Some(error.clone());
            inner.calls.end_all(error);
            inner.waiting.values().for_each(|signal| signal.notify_one());
        }
        self.room.notify_one();
        self.changed.notify_all();
    }

    /// The process is gone.
    pub(crate) fn is_gone(&self) {
        self.inner().gone = true;
        self.changed.notify_all();
    }

    /// Waits until the process is gone; answers whether it is.
    pub(crate) fn gone_within(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut inner = self.inner();
        while !inner.gone {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inner = self.wait(&self.changed, inner, left);
        }
        true
    }

    /// Whether the reader of the pipe waits for the reader of a stream.
    pub(crate) fn is_stalled(&self) -> bool {
        self.inner().is_stalled
    }

    fn alive(&self) -> Result<MutexGuard<'_, Inner>> {
        let inner = self.inner();
        inner.over.clone().map_or(Ok(inner), Err)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        signal: &Condvar,
        inner: MutexGuard<'a, Inner>,
        time: Duration,
    ) -> MutexGuard<'a, Inner> {
        signal.wait_timeout(inner, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Whether this is the first line; if so it is remembered what it says.
    fn first_is(
        &self,
        what: impl FnOnce() -> Option<std::result::Result<Vec<Announced>, String>>,
    ) -> bool {
        let mut inner = self.inner();
        let is_first = !std::mem::replace(&mut inner.heard, true);
        if is_first {
            inner.first = what();
            self.changed.notify_all();
        }
        is_first
    }

    fn place(&self, answer: Answer, line: &[u8]) {
        let id = answer.id;
        let mut inner = self.inner();
        if let Said::Item(text) = &answer.said {
            inner = self.room_for(inner, id, text.len());
        }
        match inner.calls.place(answer) {
            Placed::Taken => {
                inner.has_answered = true;
                inner.noise.is_over();
                if let Some(signal) = inner.waiting.get(&id) {
                    signal.notify_one();
                }
            }
            Placed::Late => log::debug!("{} answers call {id}, which has ended", self.name),
            Placed::Unknown => {
                drop(inner);
                self.noise("no call has its `id`", line);
            }
        }
        self.to_write.notify_one();
    }

    /// Waits until an item can be taken, or its stream is ended for it.
    fn room_for<'a>(
        &self,
        mut inner: MutexGuard<'a, Inner>,
        id: u64,
        bytes: usize,
    ) -> MutexGuard<'a, Inner> {
        while !inner.calls.has_room(id, bytes) && inner.over.is_none() {
            inner.is_stalled = true;
            if inner.calls.is_alone(id) {
                inner = self.room.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let used = inner.stalled.get(&id).copied().unwrap_or_default();
            let left = PATIENCE.saturating_sub(used);
            if left.is_zero() {
                let what = format!("the stream of {} was not read, and others wait", self.name);
                let error = Error::new(ErrorCode::Busy, what)
                    .hint("Read faster, or let the worker heed `pause` (docs/worker.md).");
                inner.calls.end(id, error);
                if let Some(signal) = inner.waiting.get(&id) {
                    signal.notify_one();
                }
                break;
            }
            let begun = Instant::now();
            inner = self.wait(&self.room, inner, left);
            inner.stalled.insert(id, used + begun.elapsed());
        }
        inner.is_stalled = false;
        inner
    }

    /// A line that is no answer: it is shown, and too many of them end the worker.
    fn noise(&self, why: &str, line: &[u8]) {
        let mut inner = self.inner();
        if inner.over.is_some() {
            return;
        }
        let heard = inner.noise.heard();
        drop(inner);
        let name = &self.name;
        if heard.is_shown {
            let line = shown(line);
            self.message.notice(&format!("{name} printed what is no answer ({why}): {line}"));
        }
        if heard.is_last_shown {
            self.message.notice("no more of these lines are shown in this life of the worker");
        }
        if heard.is_too_much {
            self.tell(Event::Broken(noise::too_much(name)));
        }
    }
}

/// A call that waits for its answer. Dropping it before its end takes it back.
#[derive(Debug)]
pub(crate) struct Call {
    session: Arc<Session>,
    id: u64,
    signal: Arc<Condvar>,
}

/// What a call waits for.
#[derive(Debug)]
pub(crate) enum Step {
    Item(String),
    End(End),
    /// Nobody wants it any more.
    Cancelled,
}

impl Call {
    /// Makes [`next`](Self::next) look at once whether the call is still wanted.
    pub(crate) fn waker(&self) -> impl FnOnce() + Send + 'static {
        let (session, signal) = (Arc::clone(&self.session), Arc::clone(&self.signal));
        move || {
            // The lock is taken so that the signal does not fall between a look and a wait.
            let _inner = session.inner();
            signal.notify_one();
        }
    }

    /// What comes next.
    ///
    /// # Blocking
    /// Until it comes, or the call is cancelled.
    pub(crate) fn next(&self, cancelled: impl Fn() -> bool) -> Step {
        let mut inner = self.session.inner();
        loop {
            if cancelled() {
                return Step::Cancelled;
            }
            match inner.calls.next(self.id) {
                Next::Item(item) => {
                    self.session.room.notify_one();
                    self.session.to_write.notify_one();
                    return Step::Item(item);
                }
                Next::End(end) => return Step::End(end),
                Next::Nothing => {
                    inner = self.signal.wait(inner).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut inner = self.session.inner();
        inner.calls.drop_call(self.id);
        inner.waiting.remove(&self.id);
        inner.stalled.remove(&self.id);
        self.session.to_write.notify_one();
        self.session.room.notify_one();
    }
}
