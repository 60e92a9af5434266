//! [`Stream`]: the items of one exchange, as an iterator.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::request::{Begun, Request};
use crate::error::{Error, ErrorCode, Result};
use crate::proto::Outcome;
use crate::runtime::connection::Connection;
use crate::runtime::slot::Arrival;
use crate::runtime::task::task_id;
use crate::wire::codec;

/// How long a task's id waits for the app's hello.
const HELLO_WAIT: Duration = Duration::from_secs(1);

/// How long a cancelled stream waits for the app's word that it stopped.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

/// The longest wait of one [`Stream::ready_within`].
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// The items of a stream. The app is slowed to the pace at which they are taken. Dropping the
/// stream cancels it.
///
/// After an item that is an error there is no other.
pub struct Stream<T> {
    request: Request,
    begun: Begun,
    canceller: Canceller,
    /// The wait for the next item has begun: its time runs.
    awaited: AtomicBool,
    over: bool,
    item: PhantomData<fn() -> T>,
}

/// Cancels a stream from any thread. Clones cancel the same one.
#[derive(Clone)]
pub struct Canceller {
    connection: Arc<Connection>,
    id: u64,
    used: Arc<AtomicBool>,
}

impl Canceller {
    /// Asks the app to stop; only the first time counts. Never launches, never blocks.
    pub fn cancel(&self) {
        if !self.used.swap(true, Ordering::SeqCst) {
            self.connection.cancel(self.id);
        }
    }

    fn was_used(&self) -> bool {
        self.used.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Canceller").field(&self.id).finish()
    }
}

impl<T> Stream<T> {
    pub(super) fn new(request: Request, begun: Begun) -> Self {
        let canceller = Canceller {
            connection: Arc::clone(&begun.connection),
            id: begun.id,
            used: Arc::default(),
        };
        let awaited = AtomicBool::new(false);
        Self { request, begun, canceller, awaited, over: false, item: PhantomData }
    }

    /// The id of the task on the app's side, as `mesh tasks` shows it and `mesh cancel` takes it;
    /// empty for an app that does not introduce itself.
    ///
    /// # Blocking
    /// Until the app has introduced itself, a second at most.
    #[must_use]
    pub fn task(&self) -> String {
        let connection = &self.begun.connection;
        let until = Instant::now() + HELLO_WAIT;
        connection.watch(until, |machine| machine.peer().is_some() || machine.is_closed());
        let hello = connection.hello();
        hello.map_or_else(String::new, |hello| task_id(hello.session, self.begun.id).to_string())
    }

    /// Asks the app to stop. The iterator ends (`None`) when the app says that it has; items that
    /// are on their way come first.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }

    /// A handle that cancels from another thread.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Whether [`next`](Iterator::next) answers without waiting, within the time. For readers that
    /// have to look at something else now and then: a person's interrupt, a window's events.
    ///
    /// # Blocking
    /// Up to `time`. The 5 s of silence begin with the first wait for an item, in here or in
    /// `next`.
    #[must_use]
    pub fn ready_within(&self, time: Duration) -> bool {
        let Begun { slot, .. } = &self.begun;
        if self.over || slot.has_arrival() || self.request.check_process().is_err() {
            return true;
        }
        self.await_item();
        // A time that no clock can hold is taken in parts, by whoever asks again.
        let now = Instant::now();
        slot.await_arrival(now.checked_add(time).unwrap_or(now + WAIT_MAX))
    }

    /// Lets the time of silence begin, once for each item.
    fn await_item(&self) {
        if !self.awaited.swap(true, Ordering::Relaxed) {
            self.begun.connection.await_item(self.begun.id);
        }
    }

    fn arrival(&self) -> Arrival {
        let Begun { connection, id, slot, .. } = &self.begun;
        if let Some(arrival) = slot.try_take() {
            return arrival;
        }
        self.await_item();
        loop {
            // A cancel by another thread brings an end too, but nobody else bounds the wait for it.
            let cancelled = self.canceller.was_used();
            if let Some(arrival) = slot.take_until(Instant::now() + CANCEL_WAIT) {
                return arrival;
            }
            if cancelled {
                let text = format!("{} did not say that it stopped", self.request);
                let error = Error::new(ErrorCode::NotResponding, text);
                connection.abandon(*id);
                return Arrival::End(Outcome::Failure(error));
            }
        }
    }

    fn ended(&mut self, outcome: Outcome) -> Option<Error> {
        self.over = true;
        match outcome {
            Outcome::Value(_) => None,
            Outcome::Failure(error)
                if error.code() == ErrorCode::Cancelled && self.canceller.was_used() =>
            {
                None
            }
            other => Some(self.request.failure(other, &self.begun.connection).of_call()),
        }
    }
}

impl<T: DeserializeOwned> Iterator for Stream<T> {
    type Item = Result<T>;

    /// The next item.
    ///
    /// # Blocking
    /// Until it is there: up to 5 s for the first one and between two of them, or up to the
    /// request's timeout.
    fn next(&mut self) -> Option<Result<T>> {
        if self.over {
            return None;
        }
        if let Err(error) = self.request.check_process() {
            self.over = true;
            return Some(Err(error));
        }
        match self.arrival() {
            Arrival::Item(body, cost) => {
                self.awaited.store(false, Ordering::Relaxed);
                self.begun.connection.consume(self.begun.id, cost);
                let item = codec::decode(&body);
                if item.is_err() {
                    self.over = true;
                    self.begun.connection.abandon(self.begun.id);
                }
                Some(item)
            }
            Arrival::End(outcome) => self.ended(outcome).map(Err),
        }
    }
}

impl<T> Drop for Stream<T> {
    fn drop(&mut self) {
        self.begun.links.clear();
        if !self.over && self.request.check_process().is_ok() {
            self.begun.connection.abandon(self.begun.id);
        }
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({} #{})", self.request, self.begun.id)
    }
}
