//! A worker: one program that lives beside its app and answers calls by lines of JSON. What the
//! lines mean is in `docs/worker.md`.
//!
//! `line` is what is written and read, `lines` cuts a pipe into lines, `announce` reads the first
//! one, `calls` keeps the open calls, `noise` counts lines that are no answers, `lives` the starts:
//! all pure. `session` is one life of the worker for its callers, `child` its process. [`Worker`]
//! is what an app has: it starts the program, and again when it has ended and a call comes.

mod announce;
mod calls;
mod child;
mod line;
mod lines;
mod lives;
mod noise;
mod session;

use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesh_core::{Args, Context, Error, ErrorCode, Result, Sink, Value};

pub(crate) use self::announce::Announced;
use self::calls::End;
use self::child::{ENDING, Event};
use self::lives::Lives;
use self::session::{Call, Session, Step};
use crate::message::Message;
use crate::platform::Guard;
use crate::serve::served::hidden;

/// How long a worker may take to announce its methods: less than a launch may take by default.
const ANNOUNCE: Duration = Duration::from_secs(8);

/// The worker of an app. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Worker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    app: String,
    /// What it is called in messages.
    name: String,
    program: Vec<String>,
    guard: Guard,
    message: Message,
    current: Mutex<Option<Arc<Session>>>,
    lives: Mutex<Lives>,
}

impl Worker {
    /// Starts the program of `app`.
    ///
    /// # Errors
    /// `launch_failed` when it cannot be started.
    pub(crate) fn start(
        app: &str,
        program: &[String],
        guard: Guard,
        message: Message,
    ) -> Result<Self> {
        let worker = Self(Arc::new(Shared {
            app: app.to_owned(),
            name: format!("the worker of {app}"),
            program: program.to_vec(),
            guard,
            message,
            current: Mutex::default(),
            lives: Mutex::default(),
        }));
        worker.live()?;
        Ok(worker)
    }

    /// The methods that it announces.
    ///
    /// # Errors
    /// `launch_failed` when it does not.
    ///
    /// # Blocking
    /// Up to 8 s.
    pub(crate) fn announced(&self) -> Result<Vec<Announced>> {
        self.live()?.announced(ANNOUNCE)
    }

    /// Serves a call of a method that answers with one value.
    ///
    /// # Errors
    /// The worker's, and what keeps it from answering.
    pub(crate) fn value(&self, context: &Context, args: &Args) -> Result<Value> {
        self.serve(context, args, |step| match step {
            Step::Item(_) => {
                let what =
                    format!("{} is no stream, and the worker sent an item", context.method());
                let hint = "Let it announce the method with \"stream\":true.";
                Err(Error::new(ErrorCode::BadValue, what).hint(hint))
            }
            Step::End(End::Value(text)) => line::value(&text).map(Some),
            Step::End(_) | Step::Cancelled => Ok(None),
        })
    }

    /// Serves a call of a method that answers with a stream.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub(crate) fn items(&self, sink: &Sink, args: &Args) -> Result<()> {
        self.serve(sink, args, |step| match step {
            Step::Item(text) => sink.send(&line::value(&text)?).map(|()| None),
            Step::End(End::Value(_)) => Ok(Some(())),
            Step::End(_) | Step::Cancelled => Ok(None),
        })
    }

    /// Ends the worker: its input is closed, after a grace it is asked to end, then killed.
    ///
    /// # Blocking
    /// Until it is gone; a few seconds at most.
    pub(crate) fn stop(&self) {
        let session = self.current().clone();
        if let Some(session) = session {
            session.tell(Event::Stop);
            session.gone_within(ENDING);
        }
    }

    /// Asks the worker; `each` is given what it says, until it has a result.
    fn serve<T>(
        &self,
        context: &Context,
        args: &Args,
        mut each: impl FnMut(Step) -> Result<Option<T>>,
    ) -> Result<T> {
        let mut tried = false;
        loop {
            let call = self.open(context, args)?;
            let _guard = context.cancel_token().on_cancel(call.waker());
            loop {
                match call.next(|| context.is_cancelled()) {
                    Step::Cancelled => {
                        let what = "the worker was told that nobody waits";
                        return Err(Error::new(ErrorCode::Cancelled, what));
                    }
                    Step::End(End::Error(text)) => return Err(line::error(&text)),
                    // It ended in the moment of the call: the next one begins with it.
                    Step::End(End::Over { sent: false, .. }) if !tried => break,
                    Step::End(End::Over { error, .. }) => return Err(error),
                    step => {
                        if let Some(result) = each(step)? {
                            return Ok(result);
                        }
                    }
                }
            }
            tried = true;
        }
    }

    fn open(&self, context: &Context, args: &Args) -> Result<Call> {
        let path = context.call_path();
        let session = self.live()?;
        match session.open(context.method(), args, path) {
            // It ended since.
            Err(_) if !session.is_open() => self.live()?.open(context.method(), args, path),
            result => result,
        }
    }

    /// The life that goes on, or a new one. There is one process at a time: one that is being
    /// ended is waited for.
    fn live(&self) -> Result<Arc<Session>> {
        let mut current = self.current();
        if let Some(session) = &*current {
            if session.is_open() {
                return Ok(Arc::clone(session));
            }
            if !session.gone_within(ENDING) {
                let what = format!("{} is being ended, and does not end", self.0.name);
                return Err(Error::new(ErrorCode::Busy, what).hint("Try again later."));
            }
        }
        let now = Instant::now();
        let mut lives = self.lives();
        if let Some(wait) = lives.wait(now) {
            let (name, last) = (&self.0.name, lives.last());
            let what = format!("{name} ends as soon as it is started, the last time so: {last}");
            let hint = format!("It is started again in {} s at the earliest.", wait.as_secs() + 1);
            return Err(Error::new(ErrorCode::Busy, what).hint(hint));
        }
        lives.begun(now);
        drop(lives);
        let session = self.begin().inspect_err(|error| {
            self.lives().ended(false, &error.to_string());
        })?;
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    fn begin(&self) -> Result<Arc<Session>> {
        let Shared { app, name, program, guard, message, .. } = &*self.0;
        let mut words = program.iter();
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command.args(words);
        for variable in hidden() {
            command.env_remove(variable);
        }
        // Of a call that it makes for none of ours; for one of ours it has the call's own path.
        command.env("MESH_CALL_PATH", app);
        let shared = Arc::downgrade(&self.0);
        child::start(name, command, guard, *message, move |session, why| {
            let Some(shared) = shared.upgrade() else { return };
            // Its last words have been passed on.
            shared.message.notice(why.lines().next().unwrap_or(why));
            let mut lives = shared.lives.lock().unwrap_or_else(PoisonError::into_inner);
            lives.ended(session.has_answered(), why);
        })
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.0.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
