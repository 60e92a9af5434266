//! The rules of one connection: what frames mean, in which order they may come, what is owed.
//!
//! [`Connection`] is one flat state machine without a clock, a thread or a socket. Both ends run
//! the same one. Its methods are of four kinds:
//!
//! - `handle_*` takes what came from outside: bytes, the end of the stream, the time;
//! - commands (`open`, `item`, `end`, `cancel`, `consume`, ...) take what this side wants;
//! - `poll_*` gives what is to be done: bytes to write, events to act on, the next point in time;
//! - the rest only looks.
//!
//! After any `handle_*` or command, poll events until there are none, then the bytes, then the
//! time. What comes out is owned. Two machines can be driven against each other by handing the
//! bytes of one to the other, which is how the tests beside this file do it.
//!
//! Invariants: an exchange ends exactly once on each side; nothing follows its end; credit is
//! never negative; whatever is held is bounded by [`Config`]. Absent on purpose: what methods
//! exist, who may call them, and how work is done.

mod assembly;
mod budget;
mod config;
mod connection;
mod credit;
mod deadlines;
mod event;
mod exchange;
mod frames;
mod handshake;
mod output;

#[cfg(test)]
mod model;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod tests;

pub use config::{Config, Patience, Role};
pub use connection::{Connection, Flow};
pub use event::{Event, Outcome};
pub use output::refusal;
