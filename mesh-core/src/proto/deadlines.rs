//! The points in time at which a connection must look again: which they are, and what happens
//! then. Time is an argument; nothing here reads a clock.

use std::collections::BTreeSet;
use std::time::Instant;

use super::config::Patience;
use super::connection::Connection;
use super::event::{Event, Outcome};
use crate::error::{Error, ErrorCode};
use crate::wire::frame::CONNECTION;

/// Deadlines of exchanges, and of the hello under id 0.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, u64)>);

impl Deadlines {
    /// Replaces the deadline `old` of `id` by `new`.
    pub(super) fn change(&mut self, id: u64, old: Option<Instant>, new: Option<Instant>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.0.remove(&(old, id));
        }
        if let Some(new) = new {
            self.0.insert((new, id));
        }
    }

    /// The earliest one.
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes one that has passed.
    pub(super) fn pop(&mut self, now: Instant) -> Option<u64> {
        let (at, id) = *self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some(id)
    }
}

impl Connection {
    /// The reader of a stream begins to wait for the next item: the silence budget runs from now.
    pub fn await_item(&mut self, id: u64, now: Instant) {
        if let Some(exchange) = self.exchanges.get(&id)
            && exchange.started
            && !exchange.silenced
            && let Some(silence) = exchange.patience.silence
        {
            let deadline = earlier(exchange.patience.until, Some(now + silence));
            self.set_deadline(id, deadline);
        }
    }

    /// Acts on the deadlines that have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.deadlines.pop(now) {
            if id == CONNECTION {
                self.hello_deadline = None;
                let text = "the peer did not introduce itself in time";
                self.fail(Error::new(ErrorCode::NotResponding, text));
                continue;
            }
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            exchange.deadline = None;
            if exchange.mine {
                self.abandon(id);
                self.events.push_back(Event::Ended { id, outcome: Outcome::Expired });
            } else {
                self.stop(id, ErrorCode::Deadline);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first()
    }

    /// Sets the deadline of an own exchange by what is known of the peer.
    pub(super) fn arm(&mut self, id: u64, now: Instant) {
        let starting = self.peer.as_ref().filter(|peer| !peer.ready);
        let Some(exchange) = self.exchanges.get(&id) else { return };
        if exchange.started || exchange.silenced {
            return;
        }
        let Patience { until, answer, .. } = exchange.patience;
        let budget = match (starting, answer) {
            (Some(peer), Some(_)) => Some(exchange.opened_at + peer.ready_budget()),
            _ => answer.map(|budget| now + budget),
        };
        let deadline = earlier(until, budget);
        self.set_deadline(id, deadline);
    }

    pub(super) fn set_deadline(&mut self, id: u64, new: Option<Instant>) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            self.deadlines.change(id, exchange.deadline, new);
            exchange.deadline = new;
        }
    }
}

/// The earlier of two points in time that may be missing.
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}
