//! When which connection must be looked at again; the kernel's one timer is set to the first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Points in time and the tokens of the connections they belong to. A connection enters a time
/// only when it is earlier than the one it has waiting, so the heap stays small: stale times run
/// out and are looked at in vain.
#[derive(Debug, Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(Instant, u64)>>);

impl Timers {
    /// Adds a time; answers whether it is now the first.
    pub(crate) fn add(&mut self, at: Instant, token: u64) -> bool {
        let first = self.first().is_none_or(|first| at < first);
        self.0.push(Reverse((at, token)));
        first
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes a token whose time has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<u64> {
        if self.first()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, token))| token)
    }
}
