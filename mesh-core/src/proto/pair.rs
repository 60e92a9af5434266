//! Two machines connected by nothing but two buffers, with a clock that the test sets.

use std::time::{Duration, Instant};

use super::{Config, Connection, Event, Outcome, Role};
use crate::limits::Limits;
use crate::wire::hello::Hello;
use crate::wire::open::{Head, Open};

/// Two connected machines and the bytes between them.
pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) caller: Connection,
    pub(super) server: Connection,
    pub(super) to_server: Vec<u8>,
    pub(super) to_caller: Vec<u8>,
}

pub(super) fn hello(ready: bool) -> Hello {
    Hello { ready, message_max: Some(16 << 20), ..Hello::default() }
}

pub(super) fn call(method: &str) -> Open {
    Open::new(Head { method: method.into(), ..Head::default() }, vec![0x90, 0x80])
}

impl Pair {
    pub(super) fn new(ready: bool) -> Self {
        Self::with(ready, Config::from(&Limits::default()))
    }

    pub(super) fn with(ready: bool, config: Config) -> Self {
        let now = Instant::now();
        Self {
            now,
            caller: Connection::new(Role::Initiator, config.clone(), hello(true), now),
            server: Connection::new(Role::Acceptor, config, hello(ready), now),
            to_server: Vec::new(),
            to_caller: Vec::new(),
        }
    }

    pub(super) fn collect(&mut self) {
        while let Some(bytes) = self.caller.poll_output(Vec::new()) {
            self.to_server.extend(bytes);
        }
        while let Some(bytes) = self.server.poll_output(Vec::new()) {
            self.to_caller.extend(bytes);
        }
    }

    /// Carries everything across until nobody has anything to say.
    pub(super) fn settle(&mut self) -> (Vec<Event>, Vec<Event>) {
        let (mut at_caller, mut at_server) = (Vec::new(), Vec::new());
        loop {
            self.collect();
            let (up, down) =
                (std::mem::take(&mut self.to_server), std::mem::take(&mut self.to_caller));
            self.server.handle_input(self.now, &up);
            self.caller.handle_input(self.now, &down);
            at_caller.extend(std::iter::from_fn(|| self.caller.poll_event()));
            at_server.extend(std::iter::from_fn(|| self.server.poll_event()));
            if up.is_empty() && down.is_empty() && !self.caller.has_output() {
                return (at_caller, at_server);
            }
        }
    }

    pub(super) fn later(&mut self, by: Duration) {
        self.now += by;
        self.caller.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }
}

pub(super) fn ends(events: &[Event]) -> Vec<(u64, &Outcome)> {
    let end = |event| match event {
        &Event::Ended { id, ref outcome } => Some((id, outcome)),
        _ => None,
    };
    events.iter().filter_map(end).collect()
}
