//! One frame: its kinds, its flags, and its header as bytes.

use crate::error::{Error, ErrorCode, Result};
use crate::limits::{CONTROL_BODY_MAX, FRAME_BODY_MAX};

/// Bytes of a frame before its body.
pub const HEADER_LEN: usize = 16;

/// The body goes on in the next frame of this kind and exchange.
pub const MORE: u8 = 0x01;

/// On an end frame: the body is a failure, not a value.
pub const ERROR: u8 = 0x02;

/// A receiver that does not know the kind must close instead of skipping the frame.
pub const CRITICAL: u8 = 0x80;

/// The id of frames that concern the connection and no exchange.
pub const CONNECTION: u64 = 0;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// Who speaks; the first frame of each side.
    Hello = 1,
    /// The accepting app answers calls from here on.
    Ready = 2,
    /// Begins an exchange: method, time left, arguments.
    Open = 3,
    /// One item of a stream.
    Item = 4,
    /// Ends an exchange: a value, nothing, or a failure.
    End = 5,
    /// The caller wants no more.
    Cancel = 6,
    /// The receiver takes this many bytes more on the exchange.
    Credit = 7,
    /// Asks for a pong with the same body.
    Ping = 8,
    /// Answers a ping.
    Pong = 9,
    /// No exchange above the named id was or will be started; the connection closes.
    GoAway = 10,
}

impl Kind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Kind::Hello,
            2 => Kind::Ready,
            3 => Kind::Open,
            4 => Kind::Item,
            5 => Kind::End,
            6 => Kind::Cancel,
            7 => Kind::Credit,
            8 => Kind::Ping,
            9 => Kind::Pong,
            10 => Kind::GoAway,
            _ => return None,
        })
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether bodies of this kind carry user data: they may be cut and are paid for in credit.
    #[must_use]
    pub const fn carries_data(self) -> bool {
        matches!(self, Kind::Open | Kind::Item | Kind::End)
    }
}

/// The sixteen bytes before a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Bytes of the body.
    pub length: u32,
    /// The kind's number; a later version may have kinds that this one does not know.
    pub kind: u8,
    /// [`MORE`], [`ERROR`], [`CRITICAL`].
    pub flags: u8,
    /// The exchange, or [`CONNECTION`].
    pub id: u64,
}

impl Header {
    /// Reads a header and checks its length against the bound of its kind, before anything is
    /// allocated for the body.
    ///
    /// # Errors
    /// `protocol` when the body would be larger than its kind may have.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self> {
        let [l0, l1, l2, l3, kind, flags, _, _, id @ ..] = *bytes;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let data = Kind::from_number(kind).is_some_and(Kind::carries_data);
        let most = if data { FRAME_BODY_MAX } else { CONTROL_BODY_MAX };
        if u64::from(length) > most as u64 {
            let text =
                format!("a frame of kind {kind} declares {length} bytes, {most} is the most");
            return Err(Error::new(ErrorCode::Protocol, text));
        }
        Ok(Self { length, kind, flags, id: u64::from_le_bytes(id) })
    }
}

/// Appends a frame. `body` is at most [`FRAME_BODY_MAX`] bytes long.
pub fn write(out: &mut Vec<u8>, kind: Kind, flags: u8, id: u64, body: &[u8]) {
    debug_assert!(body.len() <= FRAME_BODY_MAX, "a body was not cut");
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.reserve(HEADER_LEN + body.len());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[kind.number(), flags, 0, 0]);
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(body);
}

/// A frame that has arrived whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// What was said before the body.
    pub header: Header,
    /// The body, owned: it is handed on without another copy.
    pub body: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_looks_as_documented() {
        let mut out = Vec::new();
        write(&mut out, Kind::Item, MORE, 0x0102, b"ab");
        assert_eq!(out, [2, 0, 0, 0, 4, 1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, b'a', b'b']);
    }

    #[test]
    fn numbers_and_kinds_map_both_ways() {
        for number in 1..=10 {
            assert_eq!(Kind::from_number(number).unwrap().number(), number);
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(11), None);
    }

    #[test]
    fn a_length_over_the_bound_of_its_kind_is_refused() {
        let header = |length: u32, kind: u8| {
            let mut bytes = [0; HEADER_LEN];
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            bytes[4] = kind;
            Header::parse(&bytes)
        };
        assert!(header(1 << 20, Kind::Item.number()).is_ok());
        assert!(header((1 << 20) + 1, Kind::Item.number()).is_err());
        assert!(header((64 << 10) + 1, Kind::Ping.number()).is_err());
        assert!(header(u32::MAX, 200).is_err());
    }
}
