//! [`Request`]: one exchange in the making, from names and arguments to the open frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::peer::Wish;
use super::{Client, Stream};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{CALL_PATH_MAX, CALL_TIMEOUT, STOP_GRACE};
use crate::name::{AppName, MethodName};
use crate::proto::{Outcome, Patience};
use crate::runtime::connection::Connection;
use crate::runtime::current::{self, Current};
use crate::runtime::slot::{Arrival, Slot};
use crate::runtime::{CancelGuard, CancelToken};
use crate::wire::manifest::Shape;
use crate::wire::open::{Head, Open};
use crate::wire::{arguments, codec};

/// How often a request that provably never started is tried again.
const TRIES: usize = 4;

/// How long an app that is leaving is waited for: its grace and a little.
const LEAVE_WAIT: Duration = Duration::from_secs(STOP_GRACE.as_secs() + 1);

/// How often a wait that hears no cancel looks for one.
const CANCEL_TURN: Duration = Duration::from_millis(20);

/// One exchange in the making.
#[derive(Debug)]
#[must_use = "a request does nothing until `call` or `stream`"]
pub struct Request {
    client: Client,
    app: String,
    method: String,
    args: Result<Vec<u8>>,
    timeout: Option<Duration>,
    launch: bool,
    token: CancelToken,
}

/// An exchange that is under way.
pub(super) struct Begun {
    pub(super) connection: Arc<Connection>,
    pub(super) id: u64,
    pub(super) slot: Arc<Slot>,
    /// Pass a cancel of the caller's own task, or of its token, on to the exchange.
    pub(super) links: Vec<CancelGuard>,
}

impl Request {
    pub(super) fn new(client: Client, app: &str, method: &str) -> Self {
        Self {
            client,
            app: app.to_owned(),
            method: method.to_owned(),
            args: arguments::encode(&()),
            timeout: None,
            launch: true,
            token: CancelToken::new(),
        }
    }

    /// The arguments: `()`, a tuple (positional), a struct (named), an [`Args`](crate::Args), or
    /// one plain value. A value that cannot be encoded is reported by `call` or `stream`.
    pub fn args(mut self, args: impl Serialize) -> Self {
        self.args = arguments::encode(&args);
        self
    }

    /// Bounds everything together: the launch, the wait, the answer. Zero is no bound at all.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// An app that is off is not launched: the request fails as `not_running`.
    pub fn no_launch(mut self) -> Self {
        self.launch = false;
        self
    }

    /// Cancels the exchange, and the wait for it, when the token is cancelled.
    pub fn cancelled_by(mut self, token: &CancelToken) -> Self {
        self.token = token.clone();
        self
    }

    /// Sends it and waits for the value.
    ///
    /// # Errors
    /// The app's own failure, `is_stream` for a method that streams, or what kept the call from
    /// the app.
    ///
    /// # Blocking
    /// As [`Client::call`], or up to the given timeout.
    ///
    /// # Cancellation
    /// By the token of [`cancelled_by`](Self::cancelled_by), and when the handler that this is
    /// called from is cancelled itself. The call then waits for the app's word that it stopped.
    pub fn call<R: DeserializeOwned>(self) -> Result<R> {
        let body = self.call_encoded().map_err(Error::of_call)?;
        codec::decode(&body).map_err(|error| {
            let text = format!("{self} answered something else: {error}");
            Error::new(ErrorCode::BadValue, text).of_call()
        })
    }

    fn call_encoded(&self) -> Result<Vec<u8>> {
        let until = self.until();
        let mut tries = TRIES;
        loop {
            let begun = self.begin(Shape::Value, until)?;
            let outcome = loop {
                if let Arrival::End(outcome) = begun.slot.take() {
                    break outcome;
                }
            };
            tries -= 1;
            match outcome {
                Outcome::Value(body) => return Ok(body),
                Outcome::Unstarted(error) if is_leaving(&error) && tries > 0 => {
                    let (token, _links) = self.interest(current::get().as_ref());
                    self.wait_for_its_end(&begun.connection, until, &token);
                }
                other => return Err(self.failure(other, &begun.connection)),
            }
        }
    }

    /// Sends it and answers the stream of its items.
    ///
    /// # Errors
    /// What kept the request from the app; the app's own failures come from the stream.
    ///
    /// # Blocking
    /// Until the app is reached. The first item is waited for up to 5 s from the moment the app
    /// is ready, each further one as long again; an explicit timeout bounds the whole stream.
    pub fn stream<T: DeserializeOwned>(self) -> Result<Stream<T>> {
        let begun = self.begin(Shape::Stream, self.until()).map_err(Error::of_call)?;
        Ok(Stream::new(self, begun))
    }

    /// Refuses to work in a fork's copy of the client.
    pub(super) fn check_process(&self) -> Result<()> {
        self.client.inner().engine.check_process()
    }

    /// Reaches the app and opens the exchange.
    fn begin(&self, shape: Shape, until: Option<Instant>) -> Result<Begun> {
        let inner = self.client.inner();
        inner.engine.check_process()?;
        let app = AppName::parse(&self.app)?;
        MethodName::parse(&self.method)?;
        let task = current::get();
        let path = self.path(task.as_ref())?;
        let args = self.args.clone()?;
        let (token, links) = self.interest(task.as_ref());
        let wish = Wish { launch: self.launch, until, path: &path, token: &token };
        let peer = inner.peer(&app);
        let unbounded = self.timeout == Some(Duration::ZERO);
        let budget = (self.timeout.is_none() && !unbounded).then_some(CALL_TIMEOUT);
        let mut tries = TRIES;
        loop {
            if let Some(code) = token.reason() {
                return Err(Error::new(code, format!("{self} was cancelled before it was sent")));
            }
            let connection = peer.connection(inner, &wish)?;
            let now = Instant::now();
            let left = until.map(|until| until.saturating_duration_since(now));
            // A stream may go on as long as items come; only its reader knows.
            let left = left.into_iter().chain(budget.filter(|_| shape == Shape::Value)).min();
            let head = Head {
                method: self.method.clone(),
                shape,
                timeout_ms: left.map(millis_up),
                path: path.clone(),
            };
            let patience = Patience { until, answer: budget, silence: budget };
            let slot = Arc::new(Slot::default());
            match connection.open(&Open::new(head, args.clone()), patience, &slot) {
                Ok(id) => {
                    let cancelled = Arc::clone(&connection);
                    let mut links = links;
                    links.push(token.on_cancel(move || cancelled.cancel(id)));
                    return Ok(Begun { connection, id, slot, links });
                }
                Err(error) if is_leaving(&error) && tries > 1 => {
                    tries -= 1;
                    self.wait_for_its_end(&connection, until, &token);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// When everything must be over, if the caller or the task that it works for says so.
    fn until(&self) -> Option<Instant> {
        let own = self.timeout.filter(|timeout| !timeout.is_zero());
        let own = own.and_then(|timeout| Instant::now().checked_add(timeout));
        let task = current::get().and_then(|task| task.deadline);
        own.into_iter().chain(task).min()
    }

    /// The apps that lead to the app that is called.
    fn path(&self, task: Option<&Current>) -> Result<Vec<String>> {
        let path = self.client.inner().path(task);
        if path.len() < CALL_PATH_MAX {
            return Ok(path);
        }
        let text = format!(
            "the calls lead through {CALL_PATH_MAX} apps: {} -> {}",
            path.join(" -> "),
            self.app
        );
        Err(Error::new(ErrorCode::CallLoop, text)
            .hint("Look for a circle in this path: an app that calls back into its caller."))
    }

    /// The token that tells when nobody wants the answer any more: the caller's own, and that of
    /// the task that it works for, as long as the guards are kept.
    fn interest(&self, task: Option<&Current>) -> (CancelToken, Vec<CancelGuard>) {
        let Some(task) = task else { return (self.token.clone(), Vec::new()) };
        let either = CancelToken::new();
        let link = |token: &CancelToken| {
            let (from, to) = (token.clone(), either.clone());
            token
                .on_cancel(move || to.cancel_because(from.reason().unwrap_or(ErrorCode::Cancelled)))
        };
        let links = vec![link(&task.token), link(&self.token)];
        (either, links)
    }

    /// An app that is leaving holds its name until it closes the connection: only then another
    /// instance can answer.
    fn wait_for_its_end(
        &self,
        connection: &Connection,
        until: Option<Instant>,
        token: &CancelToken,
    ) {
        let most = Instant::now() + LEAVE_WAIT;
        let until = until.map_or(most, |until| until.min(most));
        let _place = current::block();
        while !token.is_cancelled() && Instant::now() < until {
            let turn = until.min(Instant::now() + CANCEL_TURN);
            if connection.watch(turn, |machine| machine.is_closed()) {
                return;
            }
        }
    }

    /// What an end without a value says to a person.
    pub(super) fn failure(&self, outcome: Outcome, connection: &Connection) -> Error {
        match outcome {
            Outcome::Value(_) => Error::new(ErrorCode::Internal, format!("{self} has ended")),
            Outcome::Failure(error) if error.code() == ErrorCode::IsStream => {
                error.hint(format!("Use `mesh stream {} {}`.", self.app, self.method))
            }
            Outcome::Failure(error) => error,
            Outcome::Expired if self.timeout.is_none() && is_starting(connection) => {
                let pid = connection.peer().pid;
                let text = format!("{} (pid {pid}) is still not ready", self.app);
                Error::new(ErrorCode::NotResponding, text)
                    .hint(format!("See `mesh logs {}`; `mesh stop {0}` ends it.", self.app))
            }
            Outcome::Expired if connection.hello().is_none() => {
                let pid = connection.peer().pid;
                let text = format!("{} is running, not responding, pid {pid}", self.app);
                Error::new(ErrorCode::Deadline, text)
                    .hint(format!("If it does not recover, `mesh stop {}` ends it.", self.app))
            }
            Outcome::Expired => {
                let text = match self.timeout {
                    Some(timeout) => format!("{self} did not answer within {timeout:?}"),
                    None => format!("{self} did not answer in time"),
                };
                Error::new(ErrorCode::Deadline, text)
                    .hint("Give it more time with a timeout of your own; 0 is no bound.")
            }
            Outcome::Unstarted(error) | Outcome::Lost(error)
                if matches!(error.code(), ErrorCode::Protocol | ErrorCode::Version) =>
            {
                let text = format!("{} cannot be talked to: {error}", self.app);
                match error.next_step() {
                    Some(hint) => Error::new(error.code(), text).hint(hint),
                    None => Error::new(error.code(), text),
                }
            }
            Outcome::Unstarted(error) if error.code() == ErrorCode::Busy => error,
            Outcome::Unstarted(error) => {
                let text = format!("{self} was not started");
                Error::new(ErrorCode::ConnectionLost, text)
                    .hint("Nothing was done. Try again.")
                    .because(error)
            }
            Outcome::Lost(error) => {
                let text = format!("the connection to {} ended before {self} did", self.app);
                Error::new(ErrorCode::ConnectionLost, text)
                    .hint(format!("It may have been worked on. See `mesh logs {}`.", self.app))
                    .because(error)
            }
            Outcome::TooLarge => {
                let most = self.client.inner().engine.limits.message >> 20;
                let text = format!("the answer of {self} is larger than {most} MiB");
                Error::new(ErrorCode::TooLarge, text)
                    .hint("Have it streamed, or raise `Limits::message` on this side.")
            }
        }
    }
}

/// Whether a request was refused only because the app is on its way out.
fn is_leaving(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::ShuttingDown | ErrorCode::ConnectionLost)
}

/// Whether the app has said that it is not ready yet.
fn is_starting(connection: &Connection) -> bool {
    connection.hello().is_some_and(|hello| !hello.ready)
}

/// Whole milliseconds, rounded up: the app's clock never runs out before the caller's.
fn millis_up(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.app, self.method)
    }
}
