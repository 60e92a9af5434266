//! The machine: what it holds, the commands, the clock.
//!
//! How the two ends meet is in [`handshake`](super::handshake), what frames do in
//! [`frames`](super::frames), what goes out in [`output`](super::output), and what large messages
//! may hold in [`budget`](super::budget).

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::config::{Config, Patience, Role};
use super::deadlines::Deadlines;
use super::event::{Event, Outcome};
use super::exchange::{Exchange, Outgoing};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::LARGE_CALL;
use crate::wire::decode::Decoder;
use crate::wire::failure;
use crate::wire::frame::{self, CONNECTION, ERROR, Kind};
use crate::wire::hello::Hello;
use crate::wire::open::Open;

/// Whether a producer may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// The next item may come.
    Open,
    /// Credit or room is used up: wait for [`Event::Writable`].
    Wait,
    /// Nobody wants more items; end the exchange.
    Stop,
}

/// How far the conversation about the conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for the peer's preface and hello.
    Meeting,
    /// Exchanges may be opened.
    Open,
    /// Over.
    Closed,
}

/// One end of a connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) role: Role,
    pub(super) config: Config,
    pub(super) phase: Phase,
    pub(super) hello: Hello,
    pub(super) peer: Option<Hello>,
    /// The peer's preface as far as it has come.
    pub(super) preface: Vec<u8>,
    pub(super) decoder: Decoder,
    pub(super) exchanges: BTreeMap<u64, Exchange>,
    /// Exchanges with something to send, in turn.
    pub(super) line: VecDeque<u64>,
    /// Opens that came before this side was ready.
    pub(super) held: VecDeque<(u64, Open)>,
    pub(super) events: VecDeque<Event>,
    pub(super) output: Vec<u8>,
    /// Bytes that were ever given out by [`poll_output`](Self::poll_output).
    pub(super) given: u64,
    pub(super) deadlines: Deadlines,
    pub(super) hello_deadline: Option<Instant>,
    next_id: u64,
    pub(super) last_peer_id: u64,
    /// Exchanges that the peer opened and that have not ended.
    pub(super) theirs: usize,
    /// Bytes of unfinished messages.
    pub(super) parts: usize,
    /// Bytes of large arguments that wait for a handler.
    pub(super) wholes: usize,
    /// Bytes of answers that wait for their reader's credit.
    pub(super) unsent: usize,
    /// Whether credit is held back somewhere.
    pub(super) hungry: bool,
    /// Why this side starts nothing more, once it has said so.
    pub(super) leaving: Option<Error>,
    /// Why the peer starts nothing more.
    pub(super) peer_leaving: Option<Error>,
}

impl Connection {
    /// A connection whose bytes begin to flow now. `hello.ready` says whether calls are answered.
    #[must_use]
    pub fn new(role: Role, config: Config, hello: Hello, now: Instant) -> Self {
        let mut new = Self {
            role,
            phase: Phase::Meeting,
            hello,
            peer: None,
            preface: Vec::new(),
            decoder: Decoder::new(),
            exchanges: BTreeMap::new(),
            line: VecDeque::new(),
            held: VecDeque::new(),
            events: VecDeque::new(),
            output: Vec::new(),
            given: 0,
            deadlines: Deadlines::default(),
            // A caller has deadlines of its own, one for each exchange.
            hello_deadline: (role == Role::Acceptor).then(|| now + config.hello),
            next_id: if role == Role::Initiator { 1 } else { 2 },
            last_peer_id: 0,
            theirs: 0,
            parts: 0,
            wholes: 0,
            unsent: 0,
            hungry: false,
            leaving: None,
            peer_leaving: None,
            config,
        };
        new.deadlines.change(CONNECTION, None, new.hello_deadline);
        if role == Role::Initiator {
            new.introduce();
        }
        new
    }

    // Looking.

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Why no exchange can be opened any more, if so.
    #[must_use]
    pub fn refusal(&self) -> Option<&Error> {
        self.peer_leaving.as_ref().or(self.leaving.as_ref())
    }

    /// What the peer said of itself, once it has.
    #[must_use]
    pub fn peer(&self) -> Option<&Hello> {
        self.peer.as_ref()
    }

    /// Exchanges that have not ended, of both sides.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.exchanges.len()
    }

    /// Exchanges of the peer's that have not ended, or whose end has not been given out.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.theirs
    }

    /// Whether bytes wait to be written.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether so much waits to be written that nothing more should be read for now.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.output.len() >= 4 * self.config.output
    }

    // Commands.

    /// Opens an exchange and answers its id. It ends with [`Event::Ended`].
    ///
    /// # Errors
    /// The reason why the peer starts nothing more, `too_large` for arguments over the peer's
    /// bound, `bad_value` for a head that cannot be encoded. Nothing was sent then.
    pub fn open(&mut self, now: Instant, open: &Open, patience: Patience) -> Result<u64> {
        if let Some(error) = self.refusal() {
            return Err(error.clone());
        }
        let body = open.encode()?;
        let most = self.peer.as_ref().and_then(|peer| peer.message_max).unwrap_or(u64::MAX);
        if body.len() as u64 > most {
            let text = format!("the arguments take {} bytes, the app takes {most}", body.len());
            return Err(Error::new(ErrorCode::TooLarge, text));
        }
        let id = self.next_id;
        self.next_id += 2;
        self.exchanges.insert(id, Exchange::new(true, now, patience));
        self.arm(id, now);
        self.send(id, Outgoing::new(Kind::Open, 0, body));
        Ok(id)
    }

    /// Sends an item on an exchange that the peer opened.
    pub fn item(&mut self, id: u64, body: Vec<u8>) -> Flow {
        match self.exchanges.get(&id) {
            Some(exchange) if !exchange.mine && !exchange.ending => {
                if exchange.cancelled.is_some() {
                    return Flow::Stop;
                }
            }
            _ => return Flow::Stop,
        }
        self.send(id, Outgoing::new(Kind::Item, 0, body));
        self.flow(id)
    }

    /// Whether the producer of an exchange may go on; `Wait` promises an [`Event::Writable`].
    pub fn flow(&mut self, id: u64) -> Flow {
        match self.exchanges.get_mut(&id) {
            Some(exchange) if exchange.cancelled.is_none() => {
                exchange.waiting = !exchange.queue.is_empty();
                if exchange.waiting { Flow::Wait } else { Flow::Open }
            }
            _ => Flow::Stop,
        }
    }

    /// Ends an exchange that the peer opened: with a value (empty for a stream) or a failure. One
    /// that was cancelled ends as cancelled, whatever its handler says.
    pub fn end(&mut self, id: u64, result: Result<Vec<u8>, &Error>) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if exchange.mine || exchange.ending {
            return;
        }
        exchange.ending = true;
        let cancelled = exchange.cancelled.map(ended_early);
        let large = result.as_ref().map_or(0, Vec::len);
        // One answer may always wait, however large it is.
        let waiting = self.unsent > 0 && large > LARGE_CALL;
        let full = waiting && self.unsent + large > self.config.assembly;
        let overflow = full.then(|| {
            let text = format!("{} bytes of answers wait for this reader already", self.unsent);
            Error::new(ErrorCode::Busy, text)
        });
        let outgoing = match (cancelled.or(overflow), result) {
            (Some(error), _) => Outgoing::new(Kind::End, ERROR, failure::encode(&error)),
            (None, Err(error)) => Outgoing::new(Kind::End, ERROR, failure::encode(error)),
            (None, Ok(body)) => Outgoing::new(Kind::End, 0, body),
        };
        self.send(id, outgoing);
    }

    /// Asks the peer to stop an exchange that this side opened; its end still comes as an event.
    pub fn cancel(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if !exchange.mine || exchange.cancel_sent {
            return;
        }
        exchange.cancel_sent = true;
        if exchange.is_unsent() {
            // The peer has not heard of it, and a cancel would be of nothing.
            self.remove(id);
            let outcome = Outcome::Failure(ended_early(ErrorCode::Cancelled));
            self.events.push_back(Event::Ended { id, outcome });
            return;
        }
        // Arguments that were not sent whole are not wanted either: the peer drops what it has.
        self.unsent -= exchange.drop_queue();
        frame::write(&mut self.output, Kind::Cancel, 0, id, &[]);
    }

    /// As [`cancel`](Self::cancel), and nobody waits: no event follows.
    pub fn abandon(&mut self, id: u64) {
        if self.exchanges.get(&id).is_some_and(|exchange| exchange.mine && exchange.is_unsent()) {
            self.remove(id);
            return;
        }
        self.cancel(id);
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && exchange.mine
        {
            exchange.silenced = true;
            exchange.owed = 0;
            exchange.assembly.clear();
            self.hold_part(id, 0);
            self.set_deadline(id, None);
            self.feed();
        }
    }

    /// Stops an exchange that the peer opened, for a reason that becomes its end: its handler is
    /// told if it has begun, and what has not been sent is dropped. Answers whether there was one.
    pub fn stop(&mut self, id: u64, code: ErrorCode) -> bool {
        let Some(exchange) = self.exchanges.get_mut(&id).filter(|exchange| !exchange.mine) else {
            return false;
        };
        self.unsent -= exchange.drop_queue();
        let running = exchange.started && !exchange.ending;
        if !running {
            // Not begun, or its end waits for credit that may never come: nobody else ends it.
            exchange.ending = false;
            self.held.retain(|(held, _)| *held != id);
            self.end(id, Err(&ended_early(code)));
        } else if exchange.cancelled.is_none() {
            exchange.cancelled = Some(code);
            self.events.push_back(Event::Cancelled { id, code });
        }
        self.set_deadline(id, None);
        true
    }

    /// An item was taken by its reader: the producer may send as much again.
    pub fn consume(&mut self, id: u64, cost: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id).filter(|exchange| !exchange.silenced)
        else {
            return;
        };
        exchange.unread = exchange.unread.saturating_sub(1);
        if let Some(grant) = exchange.window.release(cost) {
            self.write_credit(id, grant);
        }
        self.feed();
    }

    /// This side answers calls from now on; calls that came before are told now.
    pub fn set_ready(&mut self, now: Instant) {
        if std::mem::replace(&mut self.hello.ready, true) {
            return;
        }
        if self.role == Role::Acceptor && self.phase == Phase::Open {
            frame::write(&mut self.output, Kind::Ready, 0, CONNECTION, &[]);
        }
        for (id, open) in std::mem::take(&mut self.held) {
            self.start(id, open, now);
        }
    }

    /// This side starts nothing more that the peer opens from now on. What runs goes on.
    pub fn go_away(&mut self, error: Error) {
        if self.leaving.is_some() || self.phase == Phase::Closed {
            return;
        }
        if self.phase == Phase::Open {
            self.write_go_away(self.last_peer_id, &error);
        }
        self.leaving = Some(error);
        for (id, _) in std::mem::take(&mut self.held) {
            self.end(id, Err(&Error::new(ErrorCode::ShuttingDown, "the app is stopping")));
        }
    }

    /// Asks for a pong; any frame shows that the peer lives.
    pub fn ping(&mut self, token: u64) {
        if self.phase == Phase::Open {
            frame::write(&mut self.output, Kind::Ping, 0, CONNECTION, &token.to_le_bytes());
        }
    }

    // The world.

    /// The peer closed its end, or the transport failed. `written` is how many of the bytes that
    /// were given out the transport took: an open that did not go out whole was never started.
    pub fn handle_close(&mut self, error: Error, written: u64) {
        self.close(error, written);
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    // Inside.

    /// Hands an open to the driver; the caller's time runs from here.
    pub(super) fn start(&mut self, id: u64, open: Open, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        exchange.started = true;
        let deadline = open
            .head
            .timeout_ms
            .and_then(|ms| now.checked_add(std::time::Duration::from_millis(ms)));
        self.set_deadline(id, deadline);
        self.events.push_back(Event::Opened { id, open, deadline });
    }

    /// Takes an exchange that is over out of every table.
    pub(super) fn remove(&mut self, id: u64) -> Option<Exchange> {
        let mut exchange = self.exchanges.remove(&id)?;
        self.unsent -= exchange.drop_queue();
        self.deadlines.change(id, exchange.deadline, None);
        self.parts -= exchange.part;
        self.wholes -= exchange.whole;
        self.theirs -= usize::from(!exchange.mine);
        self.feed();
        Some(exchange)
    }

    /// Ends the connection because the peer broke a rule; it is told which.
    pub(super) fn fail(&mut self, error: Error) {
        if self.phase != Phase::Closed {
            self.write_go_away(self.last_peer_id, &error);
            // What was given out may have arrived.
            self.close(error, u64::MAX);
        }
    }

    fn close(&mut self, error: Error, written: u64) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        let error = self.peer_leaving.clone().unwrap_or(error);
        for (id, exchange) in std::mem::take(&mut self.exchanges) {
            if !exchange.mine {
                if exchange.started && !exchange.ending && exchange.cancelled.is_none() {
                    let code = ErrorCode::ConnectionLost;
                    self.events.push_back(Event::Cancelled { id, code });
                }
            } else if !exchange.silenced {
                // An acceptor says hello before it starts anything.
                let met = self.role == Role::Acceptor || self.peer.is_some();
                let whole = met && exchange.sent_at.is_some_and(|end| end <= written);
                let error = error.clone();
                let outcome = if whole { Outcome::Lost(error) } else { Outcome::Unstarted(error) };
                self.events.push_back(Event::Ended { id, outcome });
            }
        }
        self.held.clear();
        self.line.clear();
        self.deadlines = Deadlines::default();
        (self.theirs, self.parts, self.wholes, self.unsent) = (0, 0, 0, 0);
        self.hungry = false;
        self.peer_leaving = Some(error.clone());
        self.events.push_back(Event::Closed(error));
    }

    /// Whether an open must wait until this side is ready; the runtime's own methods never do.
    pub(super) fn holds(&self, open: &Open) -> bool {
        !self.hello.ready && !open.head.method.starts_with(crate::name::RESERVED)
    }
}

/// How a cancelled exchange ends.
fn ended_early(code: ErrorCode) -> Error {
    let text = match code {
        ErrorCode::Deadline => "the deadline passed",
        ErrorCode::ShuttingDown => "the app is stopping",
        _ => "cancelled",
    };
    Error::new(code, text)
}
