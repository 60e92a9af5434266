//! A call that this process serves: what is known of it, and the one way to end it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use uuid::Uuid;

use super::cancel::CancelToken;
use super::connection::Connection;
use super::current;
use crate::error::{Error, ErrorCode, Result};
use crate::proto::Flow;
use crate::transport::Peer;
use crate::wire::open::Head;

/// A running exchange as a person sees it.
#[derive(Debug)]
pub(crate) struct Task {
    /// The exchange on its connection.
    pub(crate) exchange: u64,
    /// The id that people and tools use.
    pub(crate) id: Uuid,
    /// What is called.
    pub(crate) head: Head,
    /// Who calls, by the kernel's word.
    pub(crate) peer: Peer,
    /// Who calls, by its own word.
    pub(crate) caller: Option<String>,
    pub(crate) began: Instant,
    pub(crate) deadline: Option<Instant>,
    pub(crate) token: CancelToken,
    /// Items sent so far.
    pub(crate) items: AtomicU64,
    begun: AtomicBool,
    gate: Gate,
}

/// Where a producer waits until it may go on.
#[derive(Debug, Default)]
struct Gate {
    /// How often it was opened: who waits, waits for a change, so no opening is missed or stolen.
    openings: Mutex<u64>,
    changed: Condvar,
}

impl Task {
    pub(crate) fn new(
        exchange: u64,
        session: u64,
        head: Head,
        deadline: Option<Instant>,
        (peer, caller): (Peer, Option<String>),
    ) -> Self {
        Self {
            exchange,
            id: task_id(session, exchange),
            head,
            peer,
            caller,
            began: Instant::now(),
            deadline,
            token: CancelToken::new(),
            items: AtomicU64::new(0),
            begun: AtomicBool::new(false),
            gate: Gate::default(),
        }
    }

    /// Takes the right to work on it, which there is once: a handler takes it, or a cancel that
    /// comes first and ends a call that is still in the queue.
    pub(crate) fn begin(&self) -> bool {
        !self.begun.swap(true, Ordering::SeqCst)
    }

    /// Lets a waiting producer look again.
    pub(crate) fn open_gate(&self) {
        *self.gate.openings.lock() += 1;
        self.gate.changed.notify_all();
    }

    fn openings(&self) -> u64 {
        *self.gate.openings.lock()
    }

    /// Waits until the gate was opened more often than `seen`.
    fn wait_at_gate(&self, seen: u64) {
        let _place = current::block();
        let mut openings = self.gate.openings.lock();
        while *openings == seen {
            self.gate.changed.wait(&mut openings);
        }
    }
}

/// The id of a task: the session number of the serving side's hello and the exchange's id, as a
/// UUID of version 8. Both ends compute the same one without asking.
pub(crate) fn task_id(session: u64, exchange: u64) -> Uuid {
    let mut bytes = [0; 16];
    let (front, rest) = bytes.split_at_mut(8);
    front.copy_from_slice(&session.to_be_bytes());
    rest.copy_from_slice(&exchange.to_be_bytes());
    Uuid::new_v8(bytes)
}

/// A call as it arrives: the task, its arguments, and the duty to end it.
pub(crate) struct Request {
    /// What is asked for.
    pub(crate) task: Arc<Task>,
    /// The encoded arguments.
    pub(crate) args: Vec<u8>,
    /// How to answer.
    pub(crate) exchange: Exchange,
}

/// The duty to end an exchange. Dropping it unfinished ends it as a fault of this side.
pub(crate) struct Exchange {
    connection: Arc<Connection>,
    task: Arc<Task>,
    ended: bool,
}

impl Exchange {
    pub(crate) fn new(connection: Arc<Connection>, task: Arc<Task>) -> Self {
        Self { connection, task, ended: false }
    }

    /// Ends with an encoded value; empty for a stream.
    pub(crate) fn finish(mut self, result: Result<Vec<u8>>) {
        self.ended = true;
        match result {
            Ok(body) => self.connection.end(self.task.exchange, Ok(body)),
            Err(error) => self.connection.end(self.task.exchange, Err(&error)),
        }
    }

    /// Ends with a failure.
    pub(crate) fn fail(self, error: &Error) {
        self.finish(Err(error.clone()));
    }

    /// Sends an encoded item; says whether the next one may come.
    pub(crate) fn item(&self, body: Vec<u8>) -> Flow {
        self.task.items.fetch_add(1, Ordering::Relaxed);
        self.connection.item(self.task.exchange, body)
    }

    /// Sends an encoded item and blocks while the reader is slow.
    ///
    /// # Errors
    /// `cancelled` and the like when nobody wants more.
    pub(crate) fn item_blocking(&self, body: Vec<u8>) -> Result<()> {
        let mut seen = self.task.openings();
        let mut flow = self.item(body);
        loop {
            match flow {
                Flow::Open => return Ok(()),
                Flow::Wait => self.task.wait_at_gate(seen),
                Flow::Stop => {
                    let code = self.task.token.reason().unwrap_or(ErrorCode::Cancelled);
                    return Err(Error::new(code, "nobody wants more items"));
                }
            }
            seen = self.task.openings();
            flow = self.connection.flow(self.task.exchange);
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            let error = if std::thread::panicking() {
                Error::new(ErrorCode::Panicked, "the handler panicked")
            } else {
                Error::new(ErrorCode::ShuttingDown, "the app stopped before it served the call")
            };
            self.connection.end(self.task.exchange, Err(&error));
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exchange").field(&self.task.exchange).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_ids_differ_by_session_and_by_exchange() {
        let ids = [task_id(1, 1), task_id(1, 3), task_id(2, 1)];
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2]);
        assert_eq!(ids[0].get_version_num(), 8);
    }
}
