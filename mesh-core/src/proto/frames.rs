//! What each kind of frame does to the machine: one function a kind.
//!
//! A frame on an exchange that is over may have crossed its end on the way and is skipped, if it
//! comes from the side that opened the exchange; the other side has said its last word, and
//! anything after it breaks the rules.

use std::time::Instant;

use super::assembly::Piece;
use super::config::{Patience, Role};
use super::connection::{Connection, Phase};
use super::credit::cost;
use super::event::{Event, Outcome};
use super::exchange::Exchange;
use crate::error::{Error, ErrorCode, Result};
use crate::wire::frame::{CONNECTION, CRITICAL, ERROR, Frame, Header, Kind, MORE};
use crate::wire::open::Open;
use crate::wire::{failure, frame};

impl Connection {
    /// Takes bytes as they came. A peer that breaks a rule ends the connection, with an event.
    pub fn handle_input(&mut self, now: Instant, mut input: &[u8]) {
        if self.phase == Phase::Meeting && !self.meet(&mut input) {
            return;
        }
        while self.phase != Phase::Closed {
            let done = match self.decoder.decode(&mut input) {
                Ok(Some(frame)) => self.handle_frame(now, frame),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                self.fail(error);
            }
        }
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame) -> Result<()> {
        let Frame { header, body } = frame;
        let Some(kind) = Kind::from_number(header.kind) else {
            return match header.flags & CRITICAL {
                0 => Ok(()),
                _ => Err(broken(format!("the frame kind {} is not known", header.kind))),
            };
        };
        if self.phase == Phase::Meeting && !matches!(kind, Kind::Hello | Kind::GoAway) {
            return Err(broken("the first frame is not a hello"));
        }
        if (header.id == CONNECTION) == concerns_exchange(kind) {
            return Err(broken(format!("a frame of kind {} with id {}", header.kind, header.id)));
        }
        match kind {
            Kind::Hello => self.on_hello(now, &body),
            Kind::Ready => self.on_ready(now),
            Kind::Open => self.on_open(now, header, body),
            Kind::Item => self.on_item(header, body),
            Kind::End => self.on_end(header, body),
            Kind::Cancel => self.on_cancel(header.id),
            Kind::Credit => self.on_credit(header.id, &body),
            Kind::Ping => {
                frame::write(&mut self.output, Kind::Pong, 0, CONNECTION, &body);
                Ok(())
            }
            Kind::Pong => Ok(()),
            Kind::GoAway => self.on_go_away(&body),
        }
    }

    fn on_open(&mut self, now: Instant, header: Header, body: Vec<u8>) -> Result<()> {
        let Header { id, flags, .. } = header;
        if self.is_mine(id) {
            return Err(broken(format!("an open with the id {id} of the other side")));
        }
        if id > self.last_peer_id {
            if self.leaving.is_some() {
                return Ok(());
            }
            self.last_peer_id = id;
            if self.theirs >= self.config.exchanges {
                // Answered without a place in any table: refusals must not grow us.
                let text = format!("{} exchanges are open on this connection", self.theirs);
                let error = Error::new(ErrorCode::Busy, text);
                frame::write(&mut self.output, Kind::End, ERROR, id, &failure::encode(&error));
                return Ok(());
            }
            self.theirs += 1;
            self.exchanges.insert(id, Exchange::new(false, now, Patience::default()));
        } else if let Some(exchange) = self.exchanges.get(&id) {
            if exchange.ending || exchange.cancelled.is_some() {
                return Ok(());
            }
            if !exchange.assembly.is_open() {
                return Err(broken(format!("exchange {id} is opened twice")));
            }
        } else {
            return Ok(());
        }
        let Some(body) = self.assemble(id, Kind::Open, flags, body)? else { return Ok(()) };
        let open = Open::decode(&body);
        if let Ok(open) = &open {
            self.hold_whole(id, open.args.len());
        }
        match open {
            Ok(open) if self.holds(&open) => self.held.push_back((id, open)),
            Ok(open) => self.start(id, open, now),
            Err(error) => self.end(id, Err(&error)),
        }
        Ok(())
    }

    fn on_item(&mut self, header: Header, body: Vec<u8>) -> Result<()> {
        let Header { id, flags, .. } = header;
        let Some(silenced) = self.mine(id, "an item")? else { return Ok(()) };
        let price = cost(Kind::Item, flags, body.len());
        if silenced {
            return self.pay(id, price);
        }
        let Some(body) = self.assemble(id, Kind::Item, flags, body)? else { return Ok(()) };
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.started = true;
            exchange.unread += 1;
            let until = exchange.patience.until;
            self.set_deadline(id, until);
        }
        self.events.push_back(Event::Item { id, body, cost: price });
        Ok(())
    }

    fn on_end(&mut self, header: Header, body: Vec<u8>) -> Result<()> {
        let Header { id, flags, .. } = header;
        let Some(silenced) = self.mine(id, "an end")? else { return Ok(()) };
        if flags & ERROR != 0 {
            self.remove(id);
            if !silenced {
                let outcome = Outcome::Failure(failure::decode(&body));
                self.events.push_back(Event::Ended { id, outcome });
            }
            return Ok(());
        }
        if silenced {
            self.pay(id, cost(Kind::End, flags, body.len()))?;
            if flags & MORE == 0 {
                self.remove(id);
            }
            return Ok(());
        }
        if let Some(body) = self.assemble(id, Kind::End, flags, body)? {
            self.remove(id);
            self.events.push_back(Event::Ended { id, outcome: Outcome::Value(body) });
        }
        Ok(())
    }

    fn on_cancel(&mut self, id: u64) -> Result<()> {
        if self.is_mine(id) {
            return Err(broken(format!("a cancel of exchange {id} by the side that serves it")));
        }
        if id > self.last_peer_id && self.leaving.is_some() {
            // Its open was skipped after our goaway, which the peer had not read yet.
            return Ok(());
        }
        if id > self.last_peer_id {
            return Err(broken(format!("a cancel of exchange {id}, which was never opened")));
        }
        self.stop(id, ErrorCode::Cancelled);
        Ok(())
    }

    fn on_credit(&mut self, id: u64, body: &[u8]) -> Result<()> {
        let Ok(grant) = <[u8; 8]>::try_from(body) else {
            return Err(broken("a credit frame that is not eight bytes long"));
        };
        if self.is_mine(id) {
            self.mine(id, "credit")?;
        }
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.credit.add(u64::from_le_bytes(grant));
            self.line_up(id);
        }
        Ok(())
    }

    fn on_go_away(&mut self, body: &[u8]) -> Result<()> {
        let Some((last, body)) = body.split_first_chunk::<8>() else {
            return Err(broken("a goaway without the last id"));
        };
        let last = u64::from_le_bytes(*last);
        let error = failure::decode(body);
        self.peer_leaving.get_or_insert_with(|| error.clone());
        let unstarted: Vec<u64> = self
            .exchanges
            .range(last.saturating_add(1)..)
            .filter(|(_, exchange)| exchange.mine)
            .map(|(id, _)| *id)
            .collect();
        for id in unstarted {
            if self.remove(id).is_some_and(|exchange| !exchange.silenced) {
                let outcome = Outcome::Unstarted(error.clone());
                self.events.push_back(Event::Ended { id, outcome });
            }
        }
        self.events.push_back(Event::GoingAway(error));
        Ok(())
    }

    fn is_mine(&self, id: u64) -> bool {
        (id % 2 == 1) == (self.role == Role::Initiator)
    }

    /// Whether anybody still waits on an exchange that this side opened. One that is unknown was
    /// never opened or has ended: either way its server had no word left.
    fn mine(&self, id: u64, what: &str) -> Result<Option<bool>> {
        if !self.is_mine(id) {
            return Err(broken(format!("{what} on exchange {id} from the side that opened it")));
        }
        match self.exchanges.get(&id) {
            Some(exchange) => Ok(Some(exchange.silenced)),
            // After our own goaway of a violation the peer may still be talking.
            None if self.phase == Phase::Closed => Ok(None),
            None => Err(broken(format!("{what} on exchange {id}, which is not open"))),
        }
    }

    fn pay(&mut self, id: u64, price: u64) -> Result<()> {
        let paid = self.exchanges.get_mut(&id).is_none_or(|exchange| exchange.window.take(price));
        if paid {
            return Ok(());
        }
        Err(broken(format!("more data on exchange {id} than it had credit for")))
    }

    /// Adds a piece to a body; answers the body once it is whole and small enough.
    fn assemble(
        &mut self,
        id: u64,
        kind: Kind,
        flags: u8,
        body: Vec<u8>,
    ) -> Result<Option<Vec<u8>>> {
        let price = cost(kind, flags, body.len());
        self.pay(id, price)?;
        let most = self.config.message;
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Ok(None) };
        let piece = exchange.assembly.add(kind, body, flags & MORE != 0, most);
        let part = exchange.assembly.held();
        self.hold_part(id, part);
        match piece {
            Piece::Whole(body) => {
                self.feed();
                Ok(Some(body))
            }
            Piece::Partial => {
                self.owe(id, price);
                Ok(None)
            }
            Piece::Mixed => Err(broken(format!("two bodies at once on exchange {id}"))),
            Piece::TooLarge => {
                self.refuse_large(id);
                Ok(None)
            }
        }
    }

    fn refuse_large(&mut self, id: u64) {
        if self.is_mine(id) {
            self.abandon(id);
            self.events.push_back(Event::Ended { id, outcome: Outcome::TooLarge });
        } else {
            let most = self.config.message;
            let text = format!("the arguments are larger than this app takes ({most} bytes)");
            self.end(id, Err(&Error::new(ErrorCode::TooLarge, text)));
        }
    }
}

fn concerns_exchange(kind: Kind) -> bool {
    !matches!(kind, Kind::Hello | Kind::Ready | Kind::Ping | Kind::Pong | Kind::GoAway)
}

pub(super) fn broken(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::Protocol, text)
}
