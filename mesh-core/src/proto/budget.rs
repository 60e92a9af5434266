//! What large messages may hold: credit for their pieces is given only while there is room.
//!
//! A message larger than the window can only be put together if its pieces are credited before it
//! is whole. They are, at once, unless
//!
//! - the reader has not taken the exchange's last item yet: a slow reader holds one large message
//!   and a window, never more;
//! - the connection holds [`Config::assembly`](super::Config) bytes of unfinished messages and of
//!   large calls that wait for a handler. Then the senders wait, in order, until there is room.
//!
//! When everything that is held is unfinished, and all of it waits, the oldest goes on all the
//! same: it ends, and makes room.

use super::connection::Connection;
use crate::limits::LARGE_CALL;

impl Connection {
    /// Bytes of the exchange's unfinished message changed.
    pub(super) fn hold_part(&mut self, id: u64, bytes: usize) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            self.parts = self.parts - exchange.part + bytes;
            exchange.part = bytes;
        }
    }

    /// The arguments of a call are whole and wait for a handler. Small ones are not counted: the
    /// number of calls is bounded.
    pub(super) fn hold_whole(&mut self, id: u64, bytes: usize) {
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && bytes > LARGE_CALL
        {
            self.wholes += bytes;
            exchange.whole = bytes;
        }
    }

    /// A handler has begun to work on the call: its arguments are the handler's now.
    pub fn begun(&mut self, id: u64) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            self.wholes -= std::mem::take(&mut exchange.whole);
            self.feed();
        }
    }

    /// A piece came: its credit is due as soon as there is room.
    pub(super) fn owe(&mut self, id: u64, price: u64) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.owed += price;
            self.hungry = true;
            self.feed();
        }
    }

    /// Gives the credit that is due and for which there is room.
    pub(super) fn feed(&mut self) {
        if !self.hungry {
            return;
        }
        let going = |(_, exchange): (_, &super::exchange::Exchange)| {
            exchange.assembly.is_open() && exchange.owed == 0
        };
        let mut moving = self.wholes > 0 || self.exchanges.iter().any(going);
        let due: Vec<u64> =
            self.exchanges.iter().filter(|(_, e)| e.owed > 0).map(|(id, _)| *id).collect();
        self.hungry = !due.is_empty();
        for id in due {
            let room = self.parts + self.wholes < self.config.assembly;
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            if exchange.unread > 0 || (!room && moving) {
                continue;
            }
            moving = true;
            let owed = std::mem::take(&mut exchange.owed);
            if let Some(grant) = exchange.window.release(owed) {
                self.write_credit(id, grant);
            }
        }
    }
}
