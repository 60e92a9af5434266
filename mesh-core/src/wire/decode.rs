//! The decoder: bytes as they arrive in, whole frames out.
//!
//! It holds one unfinished frame at most and grows with the bytes that really came, never with
//! the length that was declared. Any cut of the input gives the same frames.

use crate::error::Result;
use crate::wire::frame::{Frame, HEADER_LEN, Header};

/// What a declared body reserves at once; the rest as it arrives.
const FIRST_RESERVE: usize = 64 << 10;

/// Reads frames from a stream of bytes.
#[derive(Debug)]
pub struct Decoder {
    state: State,
}

#[derive(Debug)]
enum State {
    Header { bytes: [u8; HEADER_LEN], have: usize },
    Body { header: Header, body: Vec<u8> },
}

const START: State = State::Header { bytes: [0; HEADER_LEN], have: 0 };

impl Default for Decoder {
    fn default() -> Self {
        Self { state: START }
    }
}

impl Decoder {
    /// A decoder that waits for the first header.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes off the front of `input` until a frame is whole, or the input is used up
    /// (`None`: more must come, which is no error).
    ///
    /// # Errors
    /// `protocol` for a header that breaks a bound; the decoder is of no more use then.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Frame>> {
        loop {
            match &mut self.state {
                State::Header { bytes, have } => {
                    let part = take(input, HEADER_LEN - *have);
                    let end = *have + part.len();
                    if let Some(space) = bytes.get_mut(*have..end) {
                        space.copy_from_slice(part);
                    }
                    *have = end;
                    if end < HEADER_LEN {
                        return Ok(None);
                    }
                    let header = Header::parse(bytes)?;
                    let reserve = (header.length as usize).min(FIRST_RESERVE);
                    self.state = State::Body { header, body: Vec::with_capacity(reserve) };
                }
                State::Body { header, body } => {
                    let header = *header;
                    body.extend_from_slice(take(input, header.length as usize - body.len()));
                    if body.len() < header.length as usize {
                        return Ok(None);
                    }
                    let body = std::mem::take(body);
                    self.state = START;
                    return Ok(Some(Frame { header, body }));
                }
            }
        }
    }
}

/// Up to `most` bytes off the front.
fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::{Kind, write};

    fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
        let mut decoder = Decoder::new();
        let mut out = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(frame) = decoder.decode(&mut input).unwrap() {
                out.push(frame);
            }
            assert!(input.is_empty());
        }
        out
    }

    #[test]
    fn every_cut_of_the_bytes_gives_the_same_frames() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Open, 0, 1, b"hello");
        write(&mut bytes, Kind::Cancel, 0, 1, b"");
        write(&mut bytes, Kind::Item, 1, 2, &[7; 40]);
        let whole = frames(&[&bytes]);
        assert_eq!(whole.len(), 3);
        for cut in 0..=bytes.len() {
            let (front, rest) = bytes.split_at(cut);
            assert_eq!(frames(&[front, rest]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(frames(&single), whole);
    }

    #[test]
    fn a_declared_length_reserves_little() {
        let mut decoder = Decoder::new();
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Item, 0, 1, b"");
        bytes[..4].copy_from_slice(&(1u32 << 20).to_le_bytes());
        assert!(decoder.decode(&mut bytes.as_slice()).unwrap().is_none());
        let State::Body { body, .. } = decoder.state else { panic!("no body is awaited") };
        assert!(body.capacity() <= FIRST_RESERVE);
    }
}
