//! The process of a worker: its pipes, and how it ends.
//!
//! Threads for each life: one writes standard input, one reads standard output, one passes
//! standard error on and keeps its last lines, one waits for the process (where the system can
//! without reaping it), and the *keeper* owns the process: it alone signals and reaps it. Nothing
//! of this looks round while the worker lives.
//!
//! A worker is asked to leave by the end of its input, then politely, then killed, with all that
//! it started. What it leaves behind when it ends by itself is ended too.

use std::io::Write;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mesh_core::{Error, ErrorCode, Result};

use super::line::LINE_MAX;
use super::lines::{Line, Lines};
use super::session::Session;
use crate::message::Message;
use crate::platform::{End, Group, Guard};
use crate::serve::running::{GRACE, REST, pieces};
use crate::serve::served::ended;
use crate::serve::tail::Tail;

/// How long a worker may take at most from a request to end to its end, and a little.
pub(crate) const ENDING: Duration = Duration::from_secs(5 * GRACE.as_secs());

/// How long the process may take to end when one of its pipes has, and its pipes when it has.
const LEAVING: Duration = Duration::from_secs(1);

/// How often it is looked whether what ends has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Events that wait for the keeper: more than a life has.
const EVENTS: usize = 16;

/// Bytes of a line of standard error that are passed on at one time.
const TALK: usize = 8 << 10;

/// What the keeper of the process is told: each of it once or so in a life.
#[derive(Debug)]
pub(crate) enum Event {
    /// The process has ended.
    Ended,
    /// Its standard output has.
    OutputEnded,
    /// Its standard error has.
    ErrorEnded,
    /// It reads no more.
    InputBroken,
    /// It does not keep to the protocol.
    Broken(Error),
    /// It is not needed any more.
    Stop,
}

/// Starts the process and its threads; answers its life. `at_end` is told why it ended.
///
/// # Errors
/// `launch_failed` when it cannot be started.
pub(crate) fn start(
    name: &str,
    mut command: Command,
    guard: &Guard,
    message: Message,
    at_end: impl FnOnce(&Session, &str) + Send + 'static,
) -> Result<Arc<Session>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().to_owned();
    let not_started = |error: std::io::Error| {
        let what = format!("cannot start {name}, {}", program.display());
        Error::new(ErrorCode::LaunchFailed, what)
            .hint("Give the path of a program that this user may execute.")
            .source(error)
    };
    let mut group = Group::spawn(&mut command).map_err(not_started)?;
    guard.add(&group);
    let (events, queue) = sync_channel(EVENTS);
    let session = Session::new(name, message, events);
    let pipes = (group.leader.stdin.take(), group.leader.stdout.take(), group.leader.stderr.take());
    let stderr = Arc::<Mutex<Tail>>::default();
    let keeper = Keeper {
        name: name.to_owned(),
        group,
        guard: guard.clone(),
        session: Arc::clone(&session),
        queue,
        stderr: Arc::clone(&stderr),
        seen: Seen::default(),
    };
    let threads = || -> std::io::Result<()> {
        if let Some(stdin) = pipes.0 {
            let session = Arc::clone(&session);
            thread("mesh-worker-in", move || write(&session, stdin))?;
        }
        if let Some(stdout) = pipes.1 {
            let session = Arc::clone(&session);
            thread("mesh-worker-out", move || read(&session, stdout))?;
        }
        if let Some(pipe) = pipes.2 {
            let session = Arc::clone(&session);
            thread("mesh-worker-err", move || pass_on(&session, pipe, &stderr))?;
        }
        if let Some(ended) = keeper.group.until_ended() {
            let session = Arc::clone(&session);
            thread("mesh-worker-end", move || {
                ended();
                session.tell(Event::Ended);
            })?;
        }
        thread("mesh-worker-keep", move || keeper.keep(at_end))
    };
    threads().map_err(not_started)?;
    Ok(session)
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

fn write(session: &Session, mut stdin: ChildStdin) {
    while let Some((line, id)) = session.next_line() {
        if let Err(error) = stdin.write_all(&line).and_then(|()| stdin.flush()) {
            log::debug!("the worker does not read: {error}");
            return session.not_written(id);
        }
    }
}

fn read(session: &Session, stdout: ChildStdout) {
    let mut lines = Lines::new(LINE_MAX);
    pieces(stdout, |piece| {
        for line in lines.push(piece) {
            match line {
                Line::Whole(line) => session.heard(&line),
                Line::TooLong(beginning) => session.heard_too_long(&beginning),
            }
        }
        true
    });
    if let Some(line) = lines.end() {
        session.heard(&line);
    }
    session.tell(Event::OutputEnded);
}

/// Line by line, so that no character is torn and lines of others do not stand within.
fn pass_on(session: &Session, stderr: ChildStderr, tail: &Mutex<Tail>) {
    let mut rest = Vec::new();
    pieces(stderr, |piece| {
        tail.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        rest.extend_from_slice(piece);
        let end = rest.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let end = end.or_else(|| (rest.len() > TALK).then_some(rest.len()));
        if let Some(end) = end {
            Message::of_program(&String::from_utf8_lossy(&rest[..end]).replace("\r\n", "\n"));
            rest.drain(..end);
        }
        true
    });
    if !rest.is_empty() {
        Message::of_program(&format!("{}\n", String::from_utf8_lossy(&rest)));
    }
    session.tell(Event::ErrorEnded);
}

/// Owns the process from its start to its end.
struct Keeper {
    name: String,
    group: Group,
    guard: Guard,
    session: Arc<Session>,
    queue: Receiver<Event>,
    stderr: Arc<Mutex<Tail>>,
    seen: Seen,
}

/// What has ended so far.
#[derive(Default)]
struct Seen {
    process: bool,
    output: bool,
    error: bool,
}

impl Keeper {
    fn keep(mut self, at_end: impl FnOnce(&Session, &str)) {
        let name = self.name.clone();
        loop {
            match self.heard(None) {
                // The end of the one is followed by that of the other, unless something holds it.
                Some(Event::Ended) => break,
                Some(Event::OutputEnded) => {
                    if !self.ends_within(LEAVING) {
                        self.end_because("closed its standard output");
                    }
                    break;
                }
                Some(Event::InputBroken) => {
                    if !self.ends_within(LEAVING) {
                        self.end_because("closed its standard input");
                    }
                    break;
                }
                Some(Event::Broken(error)) => {
                    self.session.fail(&error);
                    self.end();
                    break;
                }
                Some(Event::Stop) | None => {
                    let error = Error::new(ErrorCode::ShuttingDown, "the app is stopping");
                    self.session.fail(&error);
                    self.session.close_input();
                    if !self.ends_within(GRACE) {
                        self.end();
                    }
                    break;
                }
                Some(Event::ErrorEnded) => {}
            }
        }
        self.session.close_input();
        self.sweep();
        self.await_output();
        let error = match self.group.leader.wait() {
            Ok(status) => ended(&name, status, &self.last_lines()),
            Err(error) => Error::application(format!("{name} is gone")).source(error),
        };
        self.session.fail(&error);
        at_end(&self.session, error.message());
        self.session.is_gone();
    }

    /// The next event; it is remembered what has ended.
    fn heard(&mut self, within: Option<Duration>) -> Option<Event> {
        let event = match within {
            Some(within) => self.queue.recv_timeout(within).ok(),
            None => self.queue.recv().ok(),
        };
        match event {
            Some(Event::Ended) => self.seen.process = true,
            Some(Event::OutputEnded) => self.seen.output = true,
            Some(Event::ErrorEnded) => self.seen.error = true,
            _ => {}
        }
        event
    }

    fn ends_within(&mut self, within: Duration) -> bool {
        let until = Instant::now() + within;
        loop {
            if self.seen.process || self.group.has_ended().unwrap_or(true) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.heard(Some(left.min(LOOK)));
        }
    }

    /// It lives, and can serve no more.
    fn end_because(&mut self, what: &str) {
        let error = Error::application(format!("{} {what}, and is ended", self.name));
        self.session.fail(&error);
        self.end();
    }

    /// Asks it to end, and kills it after the grace.
    fn end(&mut self) {
        self.session.close_input();
        for how in [End::Terminate, End::Kill] {
            if let Err(error) = self.group.end(how) {
                log::debug!("cannot end {}: {error}", self.name);
            }
            if self.ends_within(GRACE) {
                return;
            }
        }
    }

    /// What it printed before its end is heard; a slow reader of a stream may take its time.
    fn await_output(&mut self) {
        let mut quiet = Instant::now();
        while !self.seen.output && quiet.elapsed() < LEAVING {
            self.heard(Some(LOOK));
            if self.session.is_stalled() {
                quiet = Instant::now();
            }
        }
    }

    /// Ends what it left behind. Not after it was reaped: the group's id is its own.
    fn sweep(&mut self) {
        if self.group.lives() {
            let _ = self.group.end(End::Terminate);
            let until = Instant::now() + REST;
            while self.group.lives() && Instant::now() < until {
                self.heard(Some(LOOK));
            }
            let _ = self.group.end(End::Kill);
        }
        self.guard.remove(&self.group);
    }

    fn last_lines(&mut self) -> String {
        let until = Instant::now() + LEAVING;
        while !self.seen.error && Instant::now() < until {
            self.heard(Some(LOOK));
        }
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}
