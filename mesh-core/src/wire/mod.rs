//! Bytes and frames, and the data that frames carry. Pure: no I/O, no clock, no threads.
//!
//! ```text
//!  0        4      5       6        8                16
//!  +--------+------+-------+--------+----------------+------------------+
//!  | length | kind | flags | zero   | exchange id    | body             |
//!  | u32    | u8   | u8    | u16    | u64            | `length` bytes   |
//!  +--------+------+-------+--------+----------------+------------------+
//! ```
//!
//! All numbers are little-endian. Bodies are MessagePack with named fields. The normative text is
//! `docs/protocol.md`; what the frames mean is decided in [`proto`](crate::proto).

pub mod args;
pub mod arguments;
pub mod codec;
pub mod decode;
#[cfg(test)]
mod examples;
pub mod failure;
pub mod frame;
pub mod hello;
pub mod json;
pub mod manifest;
pub mod open;
pub mod preface;
pub mod span;

/// The newest version of the protocol that this library speaks.
pub const PROTOCOL_VERSION: u8 = 1;

/// The oldest version of the protocol that this library speaks.
pub const PROTOCOL_LOWEST: u8 = 1;
