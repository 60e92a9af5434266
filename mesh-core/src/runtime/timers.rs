//! When which source must be looked at again; the kernel's one timer is set to the first.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// One point in time for each token at most.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    order: BTreeSet<(Instant, u64)>,
    at: HashMap<u64, Instant>,
}

impl Timers {
    /// Sets the time of a token, instead of the one it had; answers whether it is now the first.
    pub(crate) fn set(&mut self, at: Instant, token: u64) -> bool {
        let first = self.first().is_none_or(|first| at < first);
        if let Some(before) = self.at.insert(token, at) {
            self.order.remove(&(before, token));
        }
        self.order.insert((at, token));
        first
    }

    /// Forgets a token.
    pub(crate) fn remove(&mut self, token: u64) {
        if let Some(at) = self.at.remove(&token) {
            self.order.remove(&(at, token));
        }
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes a token whose time has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<u64> {
        let (at, token) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.remove(token);
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_token_has_one_time_and_times_come_in_order() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        assert!(timers.set(later(5), 1));
        assert!(timers.set(later(3), 2));
        for seconds in (1..100).rev() {
            timers.set(later(4 + seconds), 1);
        }
        assert_eq!(timers.order.len(), 2);
        assert_eq!(timers.pop(later(2)), None);
        assert_eq!(timers.pop(later(9)), Some(2));
        timers.remove(1);
        assert_eq!((timers.pop(later(999)), timers.first()), (None, None));
    }
}
