//! [`Calls`]: the open calls of one worker, what waits for them, and what is to be written. Pure:
//! without a pipe, a lock or a clock.
//!
//! - A call ends once: by its value, its error, a cancel, or the worker's end. What the worker
//!   still says of it is dropped.
//! - Items wait with their call. From [`SOFT`] bytes on the worker is asked to pause, and below a
//!   quarter of that to go on; more than [`HARD`] bytes, or one item, are not taken.
//! - Of one stream at most one such request waits to be written, so that a worker that does not
//!   read makes nothing grow.

use std::collections::{BTreeMap, VecDeque};

use mesh_core::{Error, ErrorCode, Result};

use super::line::{self, Answer, LINE_MAX, Said};

/// Bytes of items that wait for the reader of a stream before the worker is asked to pause.
pub(crate) const SOFT: usize = 64 << 10;

/// Bytes of items that wait at most, if they are more than one.
pub(crate) const HARD: usize = 1 << 20;

/// What an item costs beside its bytes, so that empty ones are not free.
const ITEM_COST: usize = 64;

/// Bytes of calls that wait to be written; more are answered `busy`.
const UNSENT: usize = LINE_MAX;

/// All that goes on with one worker.
#[derive(Debug)]
pub(crate) struct Calls {
    next: u64,
    open: BTreeMap<u64, Call>,
    out: VecDeque<Out>,
    unsent: usize,
}

#[derive(Debug, Default)]
struct Call {
    items: VecDeque<String>,
    bytes: usize,
    end: Option<End>,
    sent: bool,
    /// What the worker was told, and what it is to be told.
    told_to_pause: bool,
    is_to_pause: bool,
    is_flow_queued: bool,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The JSON text of its value.
    Value(String),
    /// The JSON text of the worker's error.
    Error(String),
    /// It cannot go on; `sent` is whether the worker may have begun with it.
    Over { error: Error, sent: bool },
}

#[derive(Debug)]
enum Out {
    Call(u64, Vec<u8>),
    Cancel(u64),
    Flow(u64),
}

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Taken,
    /// It is for a call that has ended.
    Late,
    /// It is for a call that never was.
    Unknown,
}

/// The next thing that a call has to say.
#[derive(Debug)]
pub(crate) enum Next {
    Item(String),
    End(End),
    Nothing,
}

impl Default for Calls {
    fn default() -> Self {
        Self { next: 1, open: BTreeMap::new(), out: VecDeque::new(), unsent: 0 }
    }
}

impl Calls {
    /// The id of a call that is to be opened.
    pub(crate) fn take_id(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Opens a call; `line` asks for it.
    ///
    /// # Errors
    /// `busy` when too much waits to be written.
    pub(crate) fn open(&mut self, id: u64, line: Vec<u8>) -> Result<()> {
        if self.unsent > 0 && self.unsent + line.len() > UNSENT {
            return Err(Error::new(ErrorCode::Busy, "too much waits for the worker to be read"));
        }
        self.open.insert(id, Call::default());
        self.unsent += line.len();
        self.out.push_back(Out::Call(id, line));
        Ok(())
    }

    /// The next line to write, and the call that it asks for.
    pub(crate) fn take_line(&mut self) -> Option<(Vec<u8>, Option<u64>)> {
        loop {
            match self.out.pop_front()? {
                Out::Call(id, line) => {
                    self.unsent -= line.len();
                    if let Some(call) = self.open.get_mut(&id) {
                        call.sent = true;
                        return Some((line, Some(id)));
                    }
                }
                Out::Cancel(id) => return Some((line::cancel(id), None)),
                Out::Flow(id) => {
                    let Some(call) = self.open.get_mut(&id) else { continue };
                    call.is_flow_queued = false;
                    if call.is_to_pause != call.told_to_pause && call.end.is_none() {
                        call.told_to_pause = call.is_to_pause;
                        return Some((line::flow(id, call.is_to_pause), None));
                    }
                }
            }
        }
    }

    /// The line of this call could not be written whole, so that the worker has not begun with it.
    pub(crate) fn not_written(&mut self, id: u64) {
        if let Some(call) = self.open.get_mut(&id) {
            call.sent = false;
        }
    }

    /// Whether an item of so many bytes can be taken. What is for no open call always can.
    pub(crate) fn has_room(&self, id: u64, bytes: usize) -> bool {
        self.open.get(&id).is_none_or(|call| {
            call.items.is_empty() || call.end.is_some() || call.bytes + bytes + ITEM_COST <= HARD
        })
    }

    /// Whether no other call waits for the worker.
    pub(crate) fn is_alone(&self, id: u64) -> bool {
        self.open.iter().all(|(other, call)| *other == id || call.end.is_some())
    }

    /// Takes an answer.
    pub(crate) fn place(&mut self, answer: Answer) -> Placed {
        let Answer { id, said } = answer;
        let Some(call) = self.open.get_mut(&id) else {
            return if (1..self.next).contains(&id) { Placed::Late } else { Placed::Unknown };
        };
        if call.end.is_some() {
            return Placed::Late;
        }
        if !call.sent {
            return Placed::Unknown;
        }
        match said {
            Said::Item(text) => {
                call.bytes += text.len() + ITEM_COST;
                call.items.push_back(text);
                if call.bytes > SOFT {
                    call.is_to_pause = true;
                    self.queue_flow(id);
                }
            }
            Said::Value(text) => call.end = Some(End::Value(text)),
            Said::Error(text) => call.end = Some(End::Error(text)),
        }
        Placed::Taken
    }

    /// What the call has to say next. After its end it is open no more.
    pub(crate) fn next(&mut self, id: u64) -> Next {
        let Some(call) = self.open.get_mut(&id) else { return Next::Nothing };
        if let Some(item) = call.items.pop_front() {
            call.bytes -= item.len() + ITEM_COST;
            if call.is_to_pause && call.bytes < SOFT / 4 {
                call.is_to_pause = false;
                self.queue_flow(id);
            }
            return Next::Item(item);
        }
        match call.end.take() {
            Some(end) => {
                self.open.remove(&id);
                Next::End(end)
            }
            None => Next::Nothing,
        }
    }

    /// Nobody wants the call any more; the worker is told, if it knows of it.
    pub(crate) fn drop_call(&mut self, id: u64) {
        let Some(call) = self.open.remove(&id) else { return };
        if call.sent {
            if call.end.is_none() {
                self.out.push_back(Out::Cancel(id));
            }
            return;
        }
        let unsent = &mut self.unsent;
        self.out.retain(|out| match out {
            Out::Call(other, line) if *other == id => {
                *unsent -= line.len();
                false
            }
            _ => true,
        });
    }

    /// Ends a call on our side: what came is kept for it, and the worker is told. Answers whether
    /// the worker was asked for it at all.
    pub(crate) fn end(&mut self, id: u64, error: Error) -> bool {
        let Some(call) = self.open.get_mut(&id).filter(|call| call.sent) else {
            return (1..self.next).contains(&id) && !self.open.contains_key(&id);
        };
        if call.end.is_none() {
            call.end = Some(End::Over { error, sent: true });
            self.out.push_back(Out::Cancel(id));
        }
        true
    }

    /// Ends all calls: the worker is gone.
    pub(crate) fn end_all(&mut self, error: &Error) {
        self.out.clear();
        self.unsent = 0;
        for call in self.open.values_mut().filter(|call| call.end.is_none()) {
            call.end = Some(End::Over { error: error.clone(), sent: call.sent });
        }
    }

    fn queue_flow(&mut self, id: u64) {
        if let Some(call) = self.open.get_mut(&id)
            && !call.is_flow_queued
            && call.is_to_pause != call.told_to_pause
        {
            call.is_flow_queued = true;
            self.out.push_back(Out::Flow(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: u64, said: Said) -> Answer {
        Answer { id, said }
    }

    fn item(id: u64, bytes: usize) -> Answer {
        answer(id, Said::Item("x".repeat(bytes)))
    }

    fn value(id: u64) -> Answer {
        answer(id, Said::Value("1".to_owned()))
    }

    fn written(calls: &mut Calls) -> Vec<String> {
        std::iter::from_fn(|| calls.take_line())
            .map(|(line, _)| String::from_utf8(line).unwrap().trim_end().to_owned())
            .collect()
    }

    fn ask(calls: &mut Calls, line: Vec<u8>) -> Result<()> {
        let id = calls.take_id();
        calls.open(id, line)
    }

    fn open(calls: &mut Calls, count: usize) {
        for _ in 0..count {
            ask(calls, b"call\n".to_vec()).unwrap();
        }
        assert_eq!(written(calls).len(), count);
    }

    #[test]
    fn answers_in_any_order_reach_their_calls_and_late_ones_nobody() {
        let mut calls = Calls::default();
        open(&mut calls, 2);
        assert_eq!(calls.place(value(2)), Placed::Taken);
        assert!(matches!(calls.next(1), Next::Nothing));
        assert!(matches!(calls.next(2), Next::End(End::Value(_))));
        assert_eq!(calls.place(value(2)), Placed::Late);
        assert_eq!(calls.place(value(1)), Placed::Taken);
        assert_eq!(calls.place(item(1, 1)), Placed::Late);
        for unknown in [0, 3, u64::MAX] {
            assert_eq!(calls.place(value(unknown)), Placed::Unknown);
        }
    }

    #[test]
    fn a_call_that_is_not_written_cannot_be_answered() {
        let mut calls = Calls::default();
        ask(&mut calls, b"call\n".to_vec()).unwrap();
        assert_eq!(calls.place(value(1)), Placed::Unknown);
    }

    #[test]
    fn the_items_before_the_end_are_not_lost() {
        let mut calls = Calls::default();
        open(&mut calls, 1);
        calls.place(item(1, 3));
        calls.end_all(&Error::application("gone"));
        assert!(matches!(calls.next(1), Next::Item(_)));
        assert!(matches!(calls.next(1), Next::End(End::Over { sent: true, .. })));
        assert!(calls.open.is_empty());
    }

    #[test]
    fn a_full_stream_is_paused_once_and_resumed_once() {
        let mut calls = Calls::default();
        open(&mut calls, 1);
        for _ in 0..20 {
            calls.place(item(1, SOFT / 10));
        }
        assert_eq!(written(&mut calls), [r#"{"id":1,"pause":true}"#]);
        while let Next::Item(_) = calls.next(1) {}
        assert_eq!(written(&mut calls), [r#"{"id":1,"resume":true}"#]);
        // What was taken back before it was written is not said at all.
        for _ in 0..100 {
            calls.place(item(1, SOFT + 1));
            calls.next(1);
        }
        assert!(calls.out.len() <= 1);
        assert!(written(&mut calls).is_empty());
    }

    #[test]
    fn one_item_is_always_taken_and_no_more_than_the_bound() {
        let mut calls = Calls::default();
        open(&mut calls, 1);
        assert!(calls.has_room(1, 3 * HARD));
        calls.place(item(1, 3 * HARD));
        assert!(!calls.has_room(1, 1));
        calls.next(1);
        calls.place(item(1, 1));
        let left = HARD - 1 - 2 * ITEM_COST;
        assert!(calls.has_room(1, left) && !calls.has_room(1, left + 1));
        assert!(calls.has_room(77, HARD), "what is dropped needs no room");
    }

    #[test]
    fn a_cancel_is_told_if_the_call_was_and_else_the_call_is_not() {
        let mut calls = Calls::default();
        open(&mut calls, 2);
        ask(&mut calls, b"call\n".to_vec()).unwrap();
        calls.drop_call(1);
        calls.place(value(2));
        calls.drop_call(2);
        calls.drop_call(3);
        calls.drop_call(3);
        assert_eq!(written(&mut calls), [r#"{"id":1,"cancel":true}"#]);
        assert_eq!(calls.unsent, 0);
        assert!(calls.open.is_empty());
    }

    #[test]
    fn a_stream_that_is_ended_here_keeps_its_items_and_is_cancelled_there() {
        let mut calls = Calls::default();
        open(&mut calls, 2);
        calls.place(item(1, HARD));
        assert!(!calls.is_alone(1));
        assert!(calls.end(1, Error::new(ErrorCode::Busy, "slow")));
        assert!(!calls.end(3, Error::application("no such call")));
        assert_eq!(written(&mut calls), [r#"{"id":1,"cancel":true}"#]);
        assert!(calls.is_alone(2));
        assert!(matches!(calls.next(1), Next::Item(_)));
        assert!(matches!(calls.next(1), Next::End(End::Over { .. })));
    }

    #[test]
    fn what_is_not_read_is_bounded_and_answered_busy() {
        let mut calls = Calls::default();
        ask(&mut calls, vec![b'x'; UNSENT]).unwrap();
        assert_eq!(ask(&mut calls, vec![b'x']).unwrap_err().code(), ErrorCode::Busy);
        calls.drop_call(1);
        assert!(ask(&mut calls, vec![b'x']).is_ok());
    }

    #[test]
    fn a_call_that_was_cut_off_before_it_was_written_may_be_tried_again() {
        let mut calls = Calls::default();
        ask(&mut calls, b"a\n".to_vec()).unwrap();
        ask(&mut calls, b"b\n".to_vec()).unwrap();
        let (_, id) = calls.take_line().unwrap();
        calls.not_written(id.unwrap());
        calls.end_all(&Error::application("gone"));
        for id in [1, 2] {
            assert!(matches!(calls.next(id), Next::End(End::Over { sent: false, .. })));
        }
        assert!(calls.take_line().is_none());
    }
}
