//! How the two ends meet: the prefaces, the hellos, and the word that an app is ready.

use std::time::Instant;

use super::config::Role;
use super::connection::{Connection, Phase};
use super::event::Event;
use super::frames::broken;
use crate::error::{ErrorCode, Result};
use crate::limits::{APP_NAME_MAX, METHOD_NAME_MAX};
use crate::wire::codec;
use crate::wire::frame::CONNECTION;
use crate::wire::hello::Hello;
use crate::wire::preface::{self, PREFACE_LEN};

impl Connection {
    /// The peer's preface, byte by byte; `false` while it is incomplete or wrong.
    pub(super) fn meet(&mut self, input: &mut &[u8]) -> bool {
        let missing = PREFACE_LEN - self.preface.len();
        let (front, rest) = input.split_at(missing.min(input.len()));
        self.preface.extend_from_slice(front);
        *input = rest;
        let Ok(theirs) = <[u8; PREFACE_LEN]>::try_from(self.preface.as_slice()) else {
            return false;
        };
        if front.is_empty() {
            return true;
        }
        match preface::agree(theirs) {
            Ok(_) => true,
            Err(error) => {
                if error.code() == ErrorCode::Version && self.role == Role::Acceptor {
                    self.introduce();
                }
                self.fail(error);
                false
            }
        }
    }

    pub(super) fn met(&mut self, mut peer: Hello) {
        // For people only, and copied into every task: no longer than a name may be.
        peer.name = peer.name.filter(|name| name.len() <= APP_NAME_MAX);
        peer.version = peer.version.filter(|version| version.len() <= METHOD_NAME_MAX);
        self.phase = Phase::Open;
        self.deadlines.change(CONNECTION, self.hello_deadline.take(), None);
        if self.role == Role::Acceptor {
            self.introduce();
        }
        if let Some(error) = self.leaving.clone() {
            self.write_go_away(self.last_peer_id, &error);
        }
        self.events.push_back(Event::Connected(peer.clone()));
        self.peer = Some(peer);
    }

    pub(super) fn on_hello(&mut self, now: Instant, body: &[u8]) -> Result<()> {
        if self.phase != Phase::Meeting {
            return Err(broken("a second hello"));
        }
        let hello = codec::decode::<Hello>(body)
            .map_err(|error| broken(format!("the hello cannot be read: {error}")))?;
        let ready = hello.ready;
        self.met(hello);
        if !ready {
            self.rearm(now);
        }
        Ok(())
    }

    pub(super) fn on_ready(&mut self, now: Instant) -> Result<()> {
        let Some(peer) = self.peer.as_mut().filter(|_| self.role == Role::Initiator) else {
            return Err(broken("a ready frame from the side that connected"));
        };
        if !std::mem::replace(&mut peer.ready, true) {
            self.rearm(now);
            self.events.push_back(Event::PeerReady);
        }
        Ok(())
    }

    /// The peer's readiness is known better: deadlines of calls that wait for it move.
    pub(super) fn rearm(&mut self, now: Instant) {
        let mine: Vec<u64> =
            self.exchanges.iter().filter(|(_, e)| e.mine).map(|(id, _)| *id).collect();
        for id in mine {
            self.arm(id, now);
        }
    }
}
