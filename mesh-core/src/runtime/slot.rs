//! [`Slot`]: where the answer to one exchange lands, and where its caller waits.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::current;
use crate::proto::Outcome;

/// The items and the end of one exchange that this process opened. Filled by whoever reads the
/// connection, emptied by the caller. Credit bounds what it holds.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<(Vec<u8>, u64)>,
    outcome: Option<Outcome>,
    told: bool,
}

/// What a reader of a stream finds.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// An item, and its cost in credit.
    Item(Vec<u8>, u64),
    /// The end; there is no other.
    End(Outcome),
}

impl Slot {
    pub(crate) fn put_item(&self, body: Vec<u8>, cost: u64) {
        self.state.lock().items.push_back((body, cost));
        self.changed.notify_one();
    }

    pub(crate) fn put_end(&self, outcome: Outcome) {
        self.state.lock().outcome = Some(outcome);
        self.changed.notify_one();
    }

    /// Wakes a [`wait_told`](Self::wait_told).
    pub(crate) fn tell(&self) {
        self.state.lock().told = true;
        self.changed.notify_one();
    }

    /// Blocks until told or the time is out; answers whether it was told.
    pub(crate) fn wait_told(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while !std::mem::take(&mut state.told) {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return std::mem::take(&mut state.told);
            }
        }
        true
    }

    /// What has arrived and not been taken, without waiting.
    pub(crate) fn try_take(&self) -> Option<Arrival> {
        self.state.lock().take()
    }

    /// Blocks until something arrives. It always does: an exchange has a deadline, or the caller
    /// asked for none and the end of the connection is an end too.
    pub(crate) fn take(&self) -> Arrival {
        if let Some(arrival) = self.try_take() {
            return arrival;
        }
        let _place = current::block();
        let mut state = self.state.lock();
        loop {
            if let Some(arrival) = state.take() {
                return arrival;
            }
            self.changed.wait(&mut state);
        }
    }

    /// As [`take`](Self::take), for a while.
    pub(crate) fn take_until(&self, until: Instant) -> Option<Arrival> {
        let _place = current::block();
        let mut state = self.state.lock();
        loop {
            if let Some(arrival) = state.take() {
                return Some(arrival);
            }
            if self.changed.wait_until(&mut state, until).timed_out() {
                return state.take();
            }
        }
    }

    /// Whether something has arrived and not been taken.
    pub(crate) fn has_arrival(&self) -> bool {
        self.state.lock().has_arrival()
    }

    /// Blocks until something has arrived or the time is out; answers whether it has.
    pub(crate) fn await_arrival(&self, until: Instant) -> bool {
        let _place = current::block();
        let mut state = self.state.lock();
        while !state.has_arrival() {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return state.has_arrival();
            }
        }
        true
    }
}

impl State {
    fn has_arrival(&self) -> bool {
        !self.items.is_empty() || self.outcome.is_some()
    }

    fn take(&mut self) -> Option<Arrival> {
        if let Some((body, cost)) = self.items.pop_front() {
            return Some(Arrival::Item(body, cost));
        }
        self.outcome.take().map(Arrival::End)
    }
}
