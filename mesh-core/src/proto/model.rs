//! The model test: two machines under a hostile schedule, held against a few lines of bookkeeping.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::pair::{Pair, call};
use super::{Config, Event, Flow, Outcome, Patience};
use crate::error::{Error, ErrorCode};
use crate::limits::Limits;
use crate::wire::manifest::Shape;

const SECOND: Duration = Duration::from_secs(1);

/// A small, fast, repeatable source of choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What the model keeps of an exchange, to hold the machines against.
#[derive(Default)]
struct Expected {
    opened: BTreeSet<u64>,
    ended: BTreeMap<u64, usize>,
    started: BTreeMap<u64, bool>,
    ever_started: BTreeSet<u64>,
    unstarted: BTreeSet<u64>,
    /// Nobody waits for their end.
    abandoned: BTreeSet<u64>,
    unconsumed: Vec<(u64, u64)>,
    waiting: BTreeSet<u64>,
    /// Bytes that the caller gave out.
    given: u64,
}

/// Random commands, random cuts of the bytes, random delays, both clocks: every exchange ends
/// exactly once, nothing follows an end, credit never goes negative (the machine asserts it and
/// the other side would close), and nothing is left at the end.
fn hostile_schedule(seed: u64) {
    let mut choices = Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let config = Config { message: 1 << 20, exchanges: 16, ..Config::from(&Limits::default()) };
    let mut pair = Pair::with(choices.below(2) == 0, config);
    let mut expected = Expected::default();
    for step in 0..600 {
        match choices.below(16) {
            0 | 1 if step < 400 => {
                let mut open = call("any");
                open.head.shape = Shape::Stream;
                open.head.timeout_ms = (choices.below(3) == 0).then_some(1_000);
                open.args = vec![1; if choices.below(8) == 0 { 300_000 } else { 9 }];
                let patience = Patience {
                    answer: (choices.below(2) == 0).then_some(SECOND),
                    silence: Some(SECOND),
                    ..Patience::default()
                };
                if let Ok(id) = pair.caller.open(pair.now, &open, patience) {
                    assert!(expected.opened.insert(id), "an id was used twice");
                }
            }
            2 => {
                if let Some(id) = pick(&mut choices, &expected.opened) {
                    pair.caller.cancel(id);
                }
            }
            3..=5 => {
                let running: BTreeSet<u64> = expected.started.keys().copied().collect();
                if let Some(id) = pick(&mut choices, &running)
                    && !expected.waiting.contains(&id)
                {
                    let size = usize::try_from(choices.below(40_000)).unwrap();
                    if pair.server.item(id, vec![2; size]) == Flow::Wait {
                        expected.waiting.insert(id);
                    }
                }
            }
            6 => {
                let running: BTreeSet<u64> = expected.started.keys().copied().collect();
                if let Some(id) = pick(&mut choices, &running) {
                    let failure = Error::application("no");
                    let result = if choices.below(2) == 0 { Ok(vec![]) } else { Err(&failure) };
                    pair.server.end(id, result);
                    expected.started.remove(&id);
                }
            }
            7 => {
                for (id, cost) in std::mem::take(&mut expected.unconsumed) {
                    pair.caller.consume(id, cost);
                    pair.caller.await_item(id, pair.now);
                }
            }
            8 => pair.server.set_ready(pair.now),
            10 => {
                if let Some(id) = pick(&mut choices, &expected.opened)
                    && !expected.ended.contains_key(&id)
                {
                    pair.caller.abandon(id);
                    expected.abandoned.insert(id);
                }
            }
            11 => {
                let running: BTreeSet<u64> = expected.started.keys().copied().collect();
                if let Some(id) = pick(&mut choices, &running) {
                    pair.server.begun(id);
                    if choices.below(3) == 0 {
                        pair.server.stop(id, ErrorCode::Cancelled);
                        expected.waiting.remove(&id);
                    }
                }
            }
            12 => pair.caller.ping(seed),
            13 if step > 300 && choices.below(40) == 0 => {
                pair.server.go_away(Error::new(ErrorCode::ShuttingDown, "leaving"));
            }
            9 => {
                let by = Duration::from_millis(choices.below(300));
                pair.later(by);
            }
            _ => {}
        }
        deliver(&mut pair, &mut choices, &mut expected);
    }
    match choices.below(3) {
        0 => break_off(&mut pair, &mut choices, &mut expected, seed),
        _ => finish(&mut pair, &mut expected, seed),
    }
}

fn pick(choices: &mut Choices, from: &BTreeSet<u64>) -> Option<u64> {
    let at = choices.below(from.len().max(1) as u64);
    from.iter().nth(usize::try_from(at).unwrap()).copied()
}

/// Carries a random part of the bytes across and writes down what they did.
fn deliver(pair: &mut Pair, choices: &mut Choices, expected: &mut Expected) {
    expected.collect(pair);
    let cut = |bytes: &mut Vec<u8>, choices: &mut Choices| -> Vec<u8> {
        let most = choices.below(bytes.len() as u64 + 1);
        bytes.drain(..usize::try_from(most).unwrap()).collect()
    };
    let up = cut(&mut pair.to_server, choices);
    let down = cut(&mut pair.to_caller, choices);
    for piece in up.chunks(1 + up.len() / 3) {
        pair.server.handle_input(pair.now, piece);
    }
    pair.caller.handle_input(pair.now, &down);
    note(pair, expected);
}

fn note(pair: &mut Pair, expected: &mut Expected) {
    while let Some(event) = pair.caller.poll_event() {
        match event {
            Event::Item { id, cost, .. } => {
                assert!(!expected.ended.contains_key(&id), "an item after the end");
                expected.unconsumed.push((id, cost));
            }
            Event::Ended { id, outcome } => {
                assert!(!expected.abandoned.contains(&id), "an end that nobody waits for");
                *expected.ended.entry(id).or_default() += 1;
                if matches!(outcome, Outcome::Unstarted(_)) {
                    expected.unstarted.insert(id);
                }
            }
            Event::Closed(error) => assert!(expected_end(&error), "{error:?}"),
            _ => {}
        }
    }
    while let Some(event) = pair.server.poll_event() {
        match event {
            Event::Opened { id, .. } => {
                assert!(expected.started.insert(id, true).is_none(), "started twice");
                expected.ever_started.insert(id);
            }
            Event::Writable { id } => {
                expected.waiting.remove(&id);
            }
            Event::Closed(error) => assert!(expected_end(&error), "{error:?}"),
            _ => {}
        }
    }
}

fn finish(pair: &mut Pair, expected: &mut Expected, seed: u64) {
    pair.server.set_ready(pair.now);
    for _ in 0..1_000 {
        expected.collect(pair);
        let (up, down) = (std::mem::take(&mut pair.to_server), std::mem::take(&mut pair.to_caller));
        pair.server.handle_input(pair.now, &up);
        pair.caller.handle_input(pair.now, &down);
        note(pair, expected);
        for (id, cost) in std::mem::take(&mut expected.unconsumed) {
            pair.caller.consume(id, cost);
        }
        for id in std::mem::take(&mut expected.started).into_keys() {
            pair.server.end(id, Ok(vec![]));
        }
        if pair.caller.in_flight() + pair.server.in_flight() == 0 {
            break;
        }
    }
    expected.check(seed);
    assert_eq!(pair.caller.in_flight(), 0, "seed {seed}: left over at the caller");
    assert_eq!(pair.server.in_flight(), 0, "seed {seed}: left over at the server");
    assert!(!pair.caller.is_closed() && !pair.server.is_closed(), "seed {seed}: rules broken");
}

/// The connection ends with a part of the bytes still under way: what is called unstarted was
/// never seen by the server.
fn break_off(pair: &mut Pair, choices: &mut Choices, expected: &mut Expected, seed: u64) {
    // The last word is an open, so that the place where bytes end is often one that matters.
    if let Ok(id) = pair.caller.open(pair.now, &call("last"), Patience::default()) {
        expected.opened.insert(id);
    }
    expected.collect(pair);
    let under_way = pair.to_server.len() as u64;
    let taken = if choices.below(2) == 0 { under_way } else { choices.below(under_way + 1) };
    let arrived: Vec<u8> = pair.to_server.drain(..usize::try_from(taken).unwrap()).collect();
    pair.server.handle_input(pair.now, &arrived);
    let lost = || Error::new(ErrorCode::ConnectionLost, "gone");
    pair.caller.handle_close(lost(), expected.given - under_way + taken);
    pair.server.handle_close(lost(), u64::MAX);
    note(pair, expected);
    expected.check(seed);
    let both: Vec<_> = expected.unstarted.intersection(&expected.ever_started).collect();
    assert!(both.is_empty(), "seed {seed}: {both:?} were started and called unstarted");
}

fn expected_end(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::ConnectionLost | ErrorCode::ShuttingDown)
}

impl Expected {
    fn collect(&mut self, pair: &mut Pair) {
        let before = pair.to_server.len();
        pair.collect();
        self.given += (pair.to_server.len() - before) as u64;
    }

    /// Each exchange ended once, or nobody waited for its end.
    fn check(&self, seed: u64) {
        for id in self.opened.difference(&self.abandoned) {
            assert_eq!(self.ended.get(id), Some(&1), "seed {seed}: exchange {id}");
        }
    }
}

#[test]
fn under_a_hostile_schedule_every_exchange_ends_exactly_once() {
    for seed in 1..=200 {
        hostile_schedule(seed);
    }
}
