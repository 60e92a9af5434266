//! Named pipes.

use std::io;

use super::Peer;
use super::address::Address;
use crate::sys::readiness::{Interest, Readiness};

/// A pipe that apps connect to.
#[derive(Debug)]
pub(crate) struct Listener;

impl Listener {
    pub(crate) fn bind(address: Address) -> io::Result<Self> {
        todo!("{address}")
    }
    pub(crate) fn accept(&self) -> io::Result<Option<Stream>> {
        todo!()
    }
    pub(crate) fn is_reachable(&self) -> bool {
        true
    }
    pub(crate) fn unlink(&self) {}
    pub(crate) fn watch(&self, set: &Readiness, token: u64) -> io::Result<()> {
        todo!("{set:?} {token}")
    }
    pub(crate) fn arm(&self, set: &Readiness, token: u64) -> io::Result<()> {
        todo!("{set:?} {token}")
    }
    pub(crate) fn forget(&self, set: &Readiness) {
        todo!("{set:?}")
    }
}

/// A connected byte stream.
#[derive(Debug)]
pub(crate) struct Stream;

impl Stream {
    pub(crate) fn connect(address: &Address) -> io::Result<Self> {
        todo!("{address}")
    }
    pub(crate) fn peer(&self) -> io::Result<Peer> {
        todo!()
    }
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        todo!("{buffer:?}")
    }
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        todo!("{bytes:?}")
    }
    pub(crate) fn unread(_error: &io::Error) -> u64 {
        0
    }
    pub(crate) fn shutdown(&self) {}
    pub(crate) fn watch(&self, set: &Readiness, token: u64) -> io::Result<()> {
        todo!("{set:?} {token}")
    }
    pub(crate) fn arm(&self, set: &Readiness, token: u64, interest: Interest) -> io::Result<()> {
        todo!("{set:?} {token} {interest:?}")
    }
    pub(crate) fn forget(&self, set: &Readiness) {
        todo!("{set:?}")
    }
}
