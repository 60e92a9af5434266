//! What a connection tells its driver.

use std::time::Instant;

use crate::error::{Error, ErrorCode};
use crate::wire::hello::Hello;
use crate::wire::open::Open;

/// Something happened that somebody has to act on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The peer has introduced itself.
    Connected(Hello),
    /// The peer answers calls from here on.
    PeerReady,
    /// The peer opened an exchange; it must be ended with
    /// [`Connection::end`](super::Connection::end).
    Opened {
        /// The exchange.
        id: u64,
        /// What is asked for.
        open: Open,
        /// When the caller's patience ends.
        deadline: Option<Instant>,
    },
    /// Nobody wants the answer to the peer's exchange any more; it must still be ended.
    Cancelled {
        /// The exchange.
        id: u64,
        /// `cancelled`, `deadline` or `connection_lost`.
        code: ErrorCode,
    },
    /// A producer that was told to wait may go on.
    Writable {
        /// The exchange.
        id: u64,
    },
    /// An item of a stream that this side opened.
    Item {
        /// The exchange.
        id: u64,
        /// The encoded item.
        body: Vec<u8>,
        /// What to give back with [`Connection::consume`](super::Connection::consume) once taken.
        cost: u64,
    },
    /// An exchange that this side opened is over.
    Ended {
        /// The exchange.
        id: u64,
        /// How.
        outcome: Outcome,
    },
    /// The peer starts nothing more on this connection.
    GoingAway(Error),
    /// The connection is over; what is left to write may still be written.
    Closed(Error),
}

/// How an exchange ended for the side that opened it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// With a value; empty for the end of a stream.
    Value(Vec<u8>),
    /// With an error of the peer's.
    Failure(Error),
    /// The deadline passed.
    Expired,
    /// It provably never started: it may be tried again on another connection.
    Unstarted(Error),
    /// The connection ended first.
    Lost(Error),
    /// The answer is larger than this side takes.
    TooLarge,
}
