//! [`Peer`]: the one connection to an app that all threads of a client share.
//!
//! The first thread that needs it connects, and launches the app if that is wanted; the others
//! wait for it. A connection that is over is replaced by the next call.

use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::Inner;
use super::dial::{Queueing, dial, probe};
use crate::error::{Error, ErrorCode, Result};
use crate::launch::{Launch, Launched};
use crate::name::AppName;
use crate::runtime::CancelToken;
use crate::runtime::connection::Connection;

/// What a caller wants of the app it calls.
pub(crate) struct Wish<'a> {
    /// Whether an app that is off may be started.
    pub(crate) launch: bool,
    /// The caller's own deadline.
    pub(crate) until: Option<Instant>,
    /// The apps that led to this call.
    pub(crate) path: &'a [String],
    /// Told when the caller has lost interest.
    pub(crate) token: &'a CancelToken,
}

/// An app as a client sees it.
pub(crate) struct Peer {
    name: AppName,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Weak, so that a connection that is over keeps no descriptor open.
    connection: Weak<Connection>,
    dialing: bool,
    /// Attempts that have ended.
    attempts: u64,
    /// How the last one failed, and whether it would have launched.
    failure: Option<(Error, bool)>,
}

impl Peer {
    pub(crate) fn new(name: AppName) -> Self {
        Self { name, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The connection, made if there is none.
    ///
    /// # Errors
    /// As [`dial`] and [`Launch::run`]; `not_running` or `no_such_app` when nobody listens and the
    /// wish is not to launch.
    pub(crate) fn connection(
        self: &Arc<Self>,
        client: &Inner,
        wish: &Wish<'_>,
    ) -> Result<Arc<Connection>> {
        let mut state = self.state.lock();
        let mut seen = state.attempts;
        loop {
            if let Some(connection) = state.connection.upgrade().filter(|it| it.is_usable()) {
                return Ok(connection);
            }
            if !state.dialing {
                state.dialing = true;
                drop(state);
                return self.dial(client, wish);
            }
            drop(state);
            self.wait(wish)?;
            state = self.state.lock();
            if state.attempts != seen {
                seen = state.attempts;
                if let Some((error, launched)) = &state.failure
                    && (*launched || !wish.launch)
                {
                    return Err(error.clone());
                }
            }
        }
    }

    /// Waits while another thread dials.
    fn wait(self: &Arc<Self>, wish: &Wish<'_>) -> Result<()> {
        let peer = Arc::clone(self);
        let _told = wish.token.on_cancel(move || {
            let _order = peer.state.lock();
            peer.changed.notify_all();
        });
        let _place = crate::runtime::current::block();
        let mut state = self.state.lock();
        while state.dialing && !wish.token.is_cancelled() {
            match wish.until {
                None => self.changed.wait(&mut state),
                Some(until) => {
                    if self.changed.wait_until(&mut state, until).timed_out() {
                        let text = format!("{} could not be reached in time", self.name);
                        return Err(Error::new(ErrorCode::Deadline, text));
                    }
                }
            }
        }
        drop(state);
        wish.check()
    }

    fn dial(&self, client: &Inner, wish: &Wish<'_>) -> Result<Arc<Connection>> {
        let dialing = Dialing(self);
        let made = self.reach(client, wish);
        std::mem::forget(dialing);
        let mut state = self.state.lock();
        state.dialing = false;
        state.attempts += 1;
        state.connection = made.as_ref().map(Arc::downgrade).unwrap_or_default();
        // A failure of the caller's own (its time, its cancel) says nothing to the others.
        state.failure = match &made {
            Err(error) if !matches!(error.code(), ErrorCode::Deadline | ErrorCode::Cancelled) => {
                Some((error.clone(), wish.launch))
            }
            _ => None,
        };
        drop(state);
        self.changed.notify_all();
        made
    }

    fn reach(&self, client: &Inner, wish: &Wish<'_>) -> Result<Arc<Connection>> {
        let Inner { engine, home, .. } = client;
        let cancelled = || wish.token.is_cancelled();
        // Who lost interest while the app's queue was full is told that, not how the queue is.
        let dial = || {
            let queueing = Queueing::call(wish.until, &cancelled);
            let dialed = dial(engine, home, &self.name, &queueing);
            dialed.or_else(|error| wish.check().and(Err(error)))
        };
        if let Some(connection) = dial()? {
            return Ok(connection);
        }
        if !wish.launch {
            return Err(self.not_running(client));
        }
        let mut known = None;
        self.launch(client, wish, &mut known)?;
        if let Some(connection) = known.filter(|connection| connection.is_usable()) {
            return Ok(connection);
        }
        match dial()? {
            Some(connection) => Ok(connection),
            None => {
                let text = format!("{} was ready and has gone again", self.name);
                Err(Error::new(ErrorCode::ConnectFailed, text)
                    .hint(format!("See `mesh logs {}`.", self.name)))
            }
        }
    }

    /// Launches the app and waits until it is ready; the connection that was made to find out is
    /// left in `known`.
    pub(crate) fn launch(
        &self,
        client: &Inner,
        wish: &Wish<'_>,
        known: &mut Option<Arc<Connection>>,
    ) -> Result<Launched> {
        let _place = crate::runtime::current::block();
        let known = std::cell::RefCell::new(known);
        let launch = Launch {
            home: &client.home,
            registry: &client.registry,
            name: &self.name,
            call_path: wish.path,
            until: wish.until,
            cancelled: &|| wish.token.is_cancelled(),
            observe: &|event| {
                if let Some(observer) = &client.observer {
                    observer(event);
                }
            },
            probe: &|| probe(&client.engine, &client.home, &self.name, &mut known.borrow_mut()),
        };
        launch.run()
    }

    fn not_running(&self, client: &Inner) -> Error {
        match client.registry.entry(&self.name) {
            Ok(Some(_)) => {
                let text = format!("{} is not running, and it was not to be launched", self.name);
                Error::new(ErrorCode::NotRunning, text)
                    .hint(format!("Start it with `mesh launch {}`.", self.name))
            }
            Ok(None) => client.unknown(&self.name),
            Err(error) => error,
        }
    }
}

/// Held while a thread dials: if user code panics there, others may dial again.
struct Dialing<'a>(&'a Peer);

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        self.0.state.lock().dialing = false;
        self.0.changed.notify_all();
    }
}

impl Wish<'_> {
    fn check(&self) -> Result<()> {
        match self.token.reason() {
            Some(code) => Err(Error::new(code, "cancelled while the app was being reached")),
            None => Ok(()),
        }
    }
}
