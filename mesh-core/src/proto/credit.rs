//! Credit, in bytes, for each direction of each exchange: a slow reader slows its own producer.
//!
//! A piece of data costs its body and [`FRAME_COST`]. What every reader must be able to hear
//! whatever it has consumed is free: an end without a value, and an end with a failure.

use crate::limits::{FRAME_BODY_MAX, FRAME_COST, INITIAL_WINDOW};
use crate::wire::frame::{ERROR, Kind};

/// The smallest piece that a body is cut into; less credit than this is waited out.
const PIECE_MIN: u64 = 32 << 10;

/// What a frame costs.
pub(super) fn cost(kind: Kind, flags: u8, body: usize) -> u64 {
    let free = kind == Kind::End && (body == 0 || flags & ERROR != 0);
    if free { 0 } else { body as u64 + u64::from(FRAME_COST) }
}

/// What this side may still send.
#[derive(Debug)]
pub(super) struct Credit(u64);

impl Default for Credit {
    fn default() -> Self {
        Self(u64::from(INITIAL_WINDOW))
    }
}

impl Credit {
    /// How many of the `rest` bytes of a body may go now: all, a worthwhile piece, or none yet.
    pub(super) fn piece(&self, rest: usize) -> Option<usize> {
        let paid = self.0.checked_sub(u64::from(FRAME_COST))?;
        let most = paid.min(FRAME_BODY_MAX as u64);
        if rest as u64 <= most {
            return Some(rest);
        }
        usize::try_from(most).ok().filter(|_| most >= PIECE_MIN)
    }

    pub(super) fn spend(&mut self, cost: u64) {
        debug_assert!(cost <= self.0, "credit would be negative");
        self.0 = self.0.saturating_sub(cost);
    }

    pub(super) fn add(&mut self, more: u64) {
        self.0 = self.0.saturating_add(more);
    }
}

/// What the peer may still send, and what it has not been told yet that it may send again.
#[derive(Debug)]
pub(super) struct Window {
    left: u64,
    owed: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self { left: u64::from(INITIAL_WINDOW), owed: 0 }
    }
}

impl Window {
    /// Takes what arrived off the window; `false` when the peer sent more than it might.
    pub(super) fn take(&mut self, cost: u64) -> bool {
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or_default();
        left.is_some()
    }

    /// Something was consumed. Answers the grant that is due: half a window at a time, which
    /// always leaves the producer enough for its next piece.
    pub(super) fn release(&mut self, cost: u64) -> Option<u64> {
        self.owed = self.owed.saturating_add(cost);
        if self.owed < u64::from(INITIAL_WINDOW / 2) {
            return None;
        }
        self.left = self.left.saturating_add(self.owed);
        Some(std::mem::take(&mut self.owed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_goes_whole_in_a_worthwhile_piece_or_waits() {
        let mut credit = Credit::default();
        assert_eq!(credit.piece(1_000), Some(1_000));
        assert_eq!(credit.piece(1 << 20), Some((256 << 10) - 16));
        credit.spend((256 << 10) - 100);
        assert_eq!(credit.piece(84), Some(84));
        assert_eq!(credit.piece(85), None);
        credit.spend(90);
        assert_eq!(credit.piece(0), None);
    }

    #[test]
    fn ends_that_must_be_heard_are_free() {
        assert_eq!(cost(Kind::End, 0, 0), 0);
        assert_eq!(cost(Kind::End, ERROR, 900), 0);
        assert_eq!(cost(Kind::End, 0, 1), 17);
        assert_eq!(cost(Kind::Item, 0, 0), 16);
    }

    #[test]
    fn a_producer_that_was_consumed_whole_never_starves() {
        let mut credit = Credit::default();
        let mut window = Window::default();
        for round in 0..10_000usize {
            let body = (round * 7_919) % (100 << 10);
            let mut rest = body;
            loop {
                let piece = credit.piece(rest).expect("starved");
                let price = cost(Kind::Item, 0, piece);
                credit.spend(price);
                assert!(window.take(price));
                if let Some(grant) = window.release(price) {
                    credit.add(grant);
                }
                rest -= piece;
                if rest == 0 {
                    break;
                }
            }
        }
    }
}
