//! What goes out, and when: exchanges with something to send stand in line, and each in its turn
//! gives one piece, as far as its credit and the room in the output reach.

use super::connection::Connection;
use super::credit::cost;
use super::event::Event;
use super::exchange::Outgoing;
use crate::error::Error;
use crate::wire::frame::{self, CONNECTION, Kind};
use crate::wire::hello::Hello;
use crate::wire::{codec, failure, preface};

/// All that an acceptor says to a caller that it does not let in.
#[must_use]
pub fn refusal(hello: &Hello, error: &Error) -> Vec<u8> {
    let mut output = Vec::new();
    write_introduction(&mut output, hello);
    write_go_away(&mut output, 0, error);
    output
}

/// The preface and the hello.
fn write_introduction(output: &mut Vec<u8>, hello: &Hello) {
    output.extend_from_slice(&preface::OURS);
    let body = codec::encode(hello).unwrap_or_default();
    frame::write(output, Kind::Hello, 0, CONNECTION, &body);
}

fn write_go_away(output: &mut Vec<u8>, last: u64, error: &Error) {
    let mut body = last.to_le_bytes().to_vec();
    body.extend_from_slice(&failure::encode(error));
    frame::write(output, Kind::GoAway, 0, CONNECTION, &body);
}

impl Connection {
    pub(super) fn introduce(&mut self) {
        write_introduction(&mut self.output, &self.hello);
    }

    /// The bytes to write now, if any; `spare` is an empty buffer to go on with.
    pub fn poll_output(&mut self, spare: Vec<u8>) -> Option<Vec<u8>> {
        self.pump();
        if self.output.is_empty() {
            return None;
        }
        debug_assert!(spare.is_empty(), "the spare buffer holds bytes");
        let output = std::mem::replace(&mut self.output, spare);
        self.given += output.len() as u64;
        self.pump();
        Some(output)
    }

    pub(super) fn send(&mut self, id: u64, outgoing: Outgoing) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            self.unsent += outgoing.body.len();
            exchange.queue.push_back(outgoing);
            self.line_up(id);
            self.pump();
        }
    }

    /// Puts an exchange in line if it has something that may go.
    pub(super) fn line_up(&mut self, id: u64) {
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && !exchange.in_line
            && exchange.can_send()
        {
            exchange.in_line = true;
            self.line.push_back(id);
        }
    }

    pub(super) fn write_credit(&mut self, id: u64, grant: u64) {
        frame::write(&mut self.output, Kind::Credit, 0, id, &grant.to_le_bytes());
    }

    /// Moves pieces into the output, one exchange after the other, while there is room.
    fn pump(&mut self) {
        while self.output.len() < self.config.output {
            let Some(id) = self.line.pop_front() else { return };
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            exchange.in_line = false;
            let Some(front) = exchange.queue.front_mut() else { continue };
            let Some(length) = front.piece(&exchange.credit) else { continue };
            let kind = front.kind;
            let (flags, piece, last) = front.cut(length);
            self.unsent -= length;
            exchange.credit.spend(cost(kind, flags, length));
            frame::write(&mut self.output, kind, flags, id, piece);
            if last {
                if kind == Kind::Open {
                    exchange.sent_at = Some(self.given + self.output.len() as u64);
                }
                exchange.queue.pop_front();
                if kind == Kind::End {
                    self.remove(id);
                    continue;
                }
            }
            if exchange.queue.is_empty() && std::mem::take(&mut exchange.waiting) {
                self.events.push_back(Event::Writable { id });
            }
            self.line_up(id);
        }
    }

    pub(super) fn write_go_away(&mut self, last: u64, error: &Error) {
        write_go_away(&mut self.output, last, error);
    }
}
