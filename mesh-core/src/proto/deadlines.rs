//! The points in time at which a connection must look again, in order.

use std::collections::BTreeSet;
use std::time::Instant;

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
