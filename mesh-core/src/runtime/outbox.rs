//! [`Outbox`]: bytes on their way into a stream. One thread writes at a time and takes along what
//! others add meanwhile; nobody waits in a write.
//!
//! | `writing` | `stalled` | means |
//! |---|---|---|
//! | no | no | whoever has something to say writes it |
//! | yes | no | a thread is at it, and looks again before it goes |
//! | no | yes | the stream took no more: the readiness set says when to go on |

use std::io::{self, ErrorKind};

use crate::proto;
use crate::transport::Stream;

/// Buffers up to this size are kept for the next write.
const KEPT: usize = 2 << 10;

/// What has been given out by the machine and not taken by the stream.
#[derive(Default)]
pub(super) struct Outbox {
    rest: Vec<u8>,
    rest_start: usize,
    spare: Vec<u8>,
    writing: bool,
    stalled: bool,
    /// Bytes that the stream has taken so far, those in hand apart.
    written: u64,
    /// Bytes that a thread is writing.
    in_hand: u64,
}

/// Bytes that one thread writes, outside the lock.
pub(super) struct Batch {
    bytes: Vec<u8>,
    start: usize,
}

impl Outbox {
    /// Whether a thread is at it.
    pub(super) fn is_writing(&self) -> bool {
        self.writing
    }

    /// Whether the stream took no more.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Whether all that was given out has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && !self.writing
    }

    /// How many bytes the stream may have taken: those in hand count, for it may have them.
    pub(super) fn taken(&self) -> u64 {
        self.written + self.in_hand
    }

    /// The stream may take more again.
    pub(super) fn resume(&mut self) {
        self.stalled = false;
    }

    /// The next bytes to write; they must come back with [`Outbox::done`].
    pub(super) fn begin(&mut self, proto: &mut proto::Connection) -> Option<Batch> {
        if self.writing || self.stalled {
            return None;
        }
        let batch = if self.rest.is_empty() {
            Batch { bytes: proto.poll_output(std::mem::take(&mut self.spare))?, start: 0 }
        } else {
            let start = std::mem::take(&mut self.rest_start);
            Batch { bytes: std::mem::take(&mut self.rest), start }
        };
        self.writing = true;
        self.in_hand = (batch.bytes.len() - batch.start) as u64;
        Some(batch)
    }

    /// The stream took the bytes up to `end`.
    pub(super) fn done(&mut self, batch: Batch, end: usize) {
        let Batch { mut bytes, start } = batch;
        self.writing = false;
        self.in_hand = 0;
        self.written += (end - start) as u64;
        if end < bytes.len() {
            self.rest = bytes;
            self.rest_start = end;
            self.stalled = true;
        } else {
            bytes.clear();
            bytes.shrink_to(KEPT);
            self.spare = bytes;
        }
    }
}

impl Batch {
    /// Writes what the stream takes; answers how far it came, and what broke.
    pub(super) fn write(&self, stream: &Stream) -> (usize, io::Result<()>) {
        let mut end = self.start;
        while let Some(rest) = self.bytes.get(end..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return (end, Err(ErrorKind::WriteZero.into())),
                Ok(length) => end += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return (end, Err(error)),
            }
        }
        (end, Ok(()))
    }
}
