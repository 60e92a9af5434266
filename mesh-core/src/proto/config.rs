//! What a connection is told at its birth, and an exchange at its opening.

use std::time::{Duration, Instant};

use crate::limits::{HELLO_TIMEOUT, Limits};

/// Which end of the connection this is. Both may open exchanges; their ids differ in parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// The end that connected: its exchanges have odd ids.
    Initiator,
    /// The end that listened: its exchanges have even ids.
    Acceptor,
}

/// The bounds of one connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Exchanges that the peer may have open.
    pub exchanges: usize,
    /// Bytes of one assembled message.
    pub message: usize,
    /// Bytes of all unfinished messages together.
    pub assembly: usize,
    /// Bytes that wait to be written before data is held back.
    pub output: usize,
    /// How long the peer's hello may take.
    pub hello: Duration,
}

impl From<&Limits> for Config {
    fn from(limits: &Limits) -> Self {
        Self {
            exchanges: limits.exchanges,
            message: limits.message,
            assembly: limits.assembly,
            output: limits.output,
            hello: HELLO_TIMEOUT,
        }
    }
}

/// How long a caller waits, and for what.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Patience {
    /// The point in time that bounds everything, beside the budgets below.
    pub until: Option<Instant>,
    /// From the moment the peer is ready to the first answer. A peer that is starting has until
    /// then what it says in its hello.
    pub answer: Option<Duration>,
    /// Between two items of a stream, while the reader waits for one.
    pub silence: Option<Duration>,
}
