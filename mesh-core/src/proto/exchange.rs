//! One exchange as one side of the connection holds it.

use std::collections::VecDeque;
use std::time::Instant;

use super::assembly::Assembly;
use super::config::Patience;
use super::credit::{Credit, Window, cost};
use crate::error::ErrorCode;
use crate::wire::frame::{ERROR, Kind, MORE};

/// A conversation that has not ended.
///
/// | field | opened by us | opened by the peer |
/// |---|---|---|
/// | `queue` | the open | items and the end |
/// | `assembly` | an item or the end | the open |
/// | `sent_at` | how many bytes had been given out when the open was whole | - |
/// | `silenced` | nobody waits for the answer | - |
/// | `cancelled` | - | why the end will be a failure |
/// | `started` | the first answer has come | the driver knows of it |
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) mine: bool,
    pub(super) credit: Credit,
    pub(super) window: Window,
    pub(super) queue: VecDeque<Outgoing>,
    pub(super) in_line: bool,
    pub(super) waiting: bool,
    pub(super) assembly: Assembly,
    /// Bytes of the unfinished message.
    pub(super) part: usize,
    /// Bytes of the arguments while they wait for a handler.
    pub(super) whole: usize,
    /// Credit of pieces that is held back.
    pub(super) owed: u64,
    /// Items that were delivered and not taken.
    pub(super) unread: usize,
    pub(super) deadline: Option<Instant>,
    pub(super) opened_at: Instant,
    pub(super) sent_at: Option<u64>,
    pub(super) patience: Patience,
    pub(super) started: bool,
    pub(super) silenced: bool,
    pub(super) cancel_sent: bool,
    pub(super) cancelled: Option<ErrorCode>,
    pub(super) ending: bool,
}

impl Exchange {
    pub(super) fn new(mine: bool, opened_at: Instant, patience: Patience) -> Self {
        Self {
            mine,
            credit: Credit::default(),
            window: Window::default(),
            queue: VecDeque::new(),
            in_line: false,
            waiting: false,
            assembly: Assembly::default(),
            part: 0,
            whole: 0,
            owed: 0,
            unread: 0,
            deadline: None,
            opened_at,
            sent_at: None,
            patience,
            started: false,
            silenced: false,
            cancel_sent: false,
            cancelled: None,
            ending: false,
        }
    }

    /// Drops what was to be sent; answers how many bytes that were.
    pub(super) fn drop_queue(&mut self) -> usize {
        self.queue.drain(..).map(|outgoing| outgoing.rest()).sum()
    }

    /// Whether nothing of the open has gone out yet.
    pub(super) fn is_unsent(&self) -> bool {
        self.queue.front().is_some_and(|front| front.kind == Kind::Open && front.sent == 0)
    }

    /// Whether the front of the queue may go now.
    pub(super) fn can_send(&self) -> bool {
        self.queue.front().is_some_and(|front| front.piece(&self.credit).is_some())
    }
}

/// A body on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) body: Vec<u8>,
    pub(super) sent: usize,
}

impl Outgoing {
    pub(super) fn new(kind: Kind, flags: u8, body: Vec<u8>) -> Self {
        Self { kind, flags, body, sent: 0 }
    }

    fn rest(&self) -> usize {
        self.body.len() - self.sent
    }

    /// How many bytes of the body may go now.
    pub(super) fn piece(&self, credit: &Credit) -> Option<usize> {
        if cost(self.kind, self.flags, self.rest()) == 0 {
            return Some(self.rest());
        }
        credit.piece(self.rest())
    }

    /// Takes the next piece: its flags and its bytes, and whether it is the last one.
    pub(super) fn cut(&mut self, length: usize) -> (u8, &[u8], bool) {
        let start = self.sent;
        self.sent += length;
        let last = self.sent == self.body.len();
        debug_assert!(last || self.flags & ERROR == 0, "a failure is never cut");
        let flags = if last { self.flags } else { self.flags | MORE };
        (flags, self.body.get(start..self.sent).unwrap_or_default(), last)
    }
}
