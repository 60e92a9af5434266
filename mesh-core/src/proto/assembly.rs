//! Bodies that arrive in pieces, put together again under a bound.

use crate::wire::frame::Kind;

/// The unfinished body of one exchange. A body that comes in one piece passes without a copy.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    kind: Option<Kind>,
    bytes: Vec<u8>,
}

/// What a piece made of the body.
#[derive(Debug)]
pub(super) enum Piece {
    /// The body is whole.
    Whole(Vec<u8>),
    /// More must come.
    Partial,
    /// The body would be larger than the bound; what had come is dropped.
    TooLarge,
    /// A piece of another kind came in between.
    Mixed,
}

impl Assembly {
    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a body is unfinished.
    pub(super) fn is_open(&self) -> bool {
        self.kind.is_some()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn add(&mut self, kind: Kind, body: Vec<u8>, more: bool, max: usize) -> Piece {
        if self.kind.is_some_and(|begun| begun != kind) {
            return Piece::Mixed;
        }
        if self.bytes.len().saturating_add(body.len()) > max {
            self.clear();
            return Piece::TooLarge;
        }
        if self.kind.is_none() && !more {
            return Piece::Whole(body);
        }
        self.kind = Some(kind);
        if self.bytes.is_empty() {
            self.bytes = body;
        } else {
            self.bytes.extend_from_slice(&body);
        }
        if more {
            return Piece::Partial;
        }
        self.kind = None;
        Piece::Whole(std::mem::take(&mut self.bytes))
    }
}
