//! Two machines against each other, with a simulated clock and a hostile schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Config, Connection, Event, Flow, Outcome, Patience, Role};
use crate::error::{Error, ErrorCode};
use crate::limits::Limits;
use crate::wire::frame::{self, Kind};
use crate::wire::hello::Hello;
use crate::wire::manifest::Shape;
use crate::wire::open::{Head, Open};

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

/// Two connected machines and the bytes between them.
struct Pair {
    now: Instant,
    caller: Connection,
    server: Connection,
    to_server: Vec<u8>,
    to_caller: Vec<u8>,
}

fn hello(ready: bool) -> Hello {
    Hello { ready, message_max: Some(16 << 20), ..Hello::default() }
}

fn call(method: &str) -> Open {
    Open::new(Head { method: method.into(), ..Head::default() }, vec![0x90, 0x80])
}

impl Pair {
    fn new(ready: bool) -> Self {
        Self::with(ready, Config::from(&Limits::default()))
    }

    fn with(ready: bool, config: Config) -> Self {
        let now = Instant::now();
        Self {
            now,
            caller: Connection::new(Role::Initiator, config.clone(), hello(true), now),
            server: Connection::new(Role::Acceptor, config, hello(ready), now),
            to_server: Vec::new(),
            to_caller: Vec::new(),
        }
    }

    fn collect(&mut self) {
        while let Some(bytes) = self.caller.poll_output(Vec::new()) {
            self.to_server.extend(bytes);
        }
        while let Some(bytes) = self.server.poll_output(Vec::new()) {
            self.to_caller.extend(bytes);
        }
    }

    /// Carries everything across until nobody has anything to say.
    fn settle(&mut self) -> (Vec<Event>, Vec<Event>) {
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

    fn later(&mut self, by: Duration) {
        self.now += by;
        self.caller.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }
}

fn ends(events: &[Event]) -> Vec<(u64, &Outcome)> {
    let end = |event| match event {
        &Event::Ended { id, ref outcome } => Some((id, outcome)),
        _ => None,
    };
    events.iter().filter_map(end).collect()
}

#[test]
fn a_call_costs_one_round_trip_with_the_hello() {
    let mut pair = Pair::new(true);
    let id = pair.caller.open(pair.now, &call("add"), Patience::default()).unwrap();
    let first = pair.caller.poll_output(Vec::new()).unwrap();
    pair.server.handle_input(pair.now, &first);
    assert!(matches!(pair.server.poll_event(), Some(Event::Connected(_))));
    assert!(matches!(pair.server.poll_event(), Some(Event::Opened { id: 1, .. })));
    pair.server.end(id, Ok(vec![3]));
    let (events, _) = pair.settle();
    assert!(matches!(ends(&events)[..], [(1, Outcome::Value(body))] if body == &[3]));
    assert_eq!((pair.caller.in_flight(), pair.server.in_flight()), (0, 0));
}

#[test]
fn a_cancelled_exchange_ends_as_cancelled_whatever_its_handler_says() {
    let mut pair = Pair::new(true);
    let id = pair.caller.open(pair.now, &call("slow"), Patience::default()).unwrap();
    pair.settle();
    pair.caller.cancel(id);
    let (_, at_server) = pair.settle();
    assert!(matches!(at_server[..], [Event::Cancelled { code: ErrorCode::Cancelled, .. }]));
    pair.server.end(id, Ok(vec![1]));
    let (events, _) = pair.settle();
    assert!(matches!(ends(&events)[..],
        [(_, Outcome::Failure(error))] if error.code() == ErrorCode::Cancelled));
}

#[test]
fn a_deadline_ends_both_sides_at_their_own_clock() {
    let mut pair = Pair::new(true);
    let patience = Patience { answer: Some(5 * SECOND), ..Patience::default() };
    let mut open = call("slow");
    open.head.timeout_ms = Some(5_000);
    pair.caller.open(pair.now, &open, patience).unwrap();
    pair.settle();
    assert_eq!(pair.caller.poll_timeout(), Some(pair.now + 5 * SECOND));
    pair.later(5 * SECOND);
    let (at_caller, at_server) = pair.settle();
    assert!(matches!(ends(&at_caller)[..], [(1, Outcome::Expired)]));
    assert!(matches!(at_server[..], [Event::Cancelled { id: 1, code: ErrorCode::Deadline }]));
    pair.server.end(1, Ok(vec![]));
    assert!(ends(&pair.settle().0).is_empty());
    assert_eq!(pair.caller.in_flight(), 0);
}

#[test]
fn the_time_of_a_call_runs_from_the_moment_the_app_is_ready() {
    let mut pair = Pair::new(false);
    let patience = Patience { answer: Some(5 * SECOND), ..Patience::default() };
    let mut open = call("add");
    open.head.timeout_ms = Some(5_000);
    pair.caller.open(pair.now, &open, patience).unwrap();
    assert!(pair.settle().1.iter().all(|event| !matches!(event, Event::Opened { .. })));
    pair.later(9 * SECOND);
    pair.server.set_ready(pair.now);
    let (at_caller, at_server) = pair.settle();
    assert!(matches!(at_caller[..], [Event::PeerReady]));
    let due = pair.now + 5 * SECOND;
    assert!(matches!(at_server[..], [Event::Opened { deadline: Some(at), .. }] if at == due));
    assert_eq!(pair.caller.poll_timeout(), Some(due));
}

#[test]
fn runtime_methods_are_answered_before_the_app_is_ready() {
    let mut pair = Pair::new(false);
    pair.caller.open(pair.now, &call("mesh.ping"), Patience::default()).unwrap();
    let (_, at_server) = pair.settle();
    assert!(at_server.iter().any(|event| matches!(event, Event::Opened { .. })));
}

#[test]
fn a_producer_waits_for_its_reader_and_nobody_else_does() {
    let mut pair = Pair::new(true);
    pair.caller.open(pair.now, &call("flood"), Patience::default()).unwrap();
    pair.caller.open(pair.now, &call("add"), Patience::default()).unwrap();
    pair.settle();
    let mut produced = 0;
    while pair.server.item(1, vec![0; 1_000]) == Flow::Open {
        produced += 1;
        pair.collect();
    }
    assert!((200..300).contains(&produced), "{produced} items left without credit");
    pair.server.end(3, Ok(vec![1]));
    let (events, _) = pair.settle();
    assert_eq!(ends(&events).len(), 1, "the other call had to wait");
    let mut woken = false;
    for event in events {
        if let Event::Item { id, cost, .. } = event {
            pair.caller.consume(id, cost);
        }
    }
    for event in pair.settle().1 {
        woken |= matches!(event, Event::Writable { id: 1 });
    }
    assert!(woken, "the producer was not told to go on");
}

#[test]
fn a_silent_stream_runs_out_of_patience_and_an_item_renews_it() {
    let mut pair = Pair::new(true);
    let patience =
        Patience { answer: Some(5 * SECOND), silence: Some(2 * SECOND), ..Patience::default() };
    let id = pair.caller.open(pair.now, &call("ticks"), patience).unwrap();
    pair.settle();
    for _ in 0..3 {
        pair.server.item(id, vec![1]);
        pair.settle();
        assert_eq!(pair.caller.poll_timeout(), None, "a reader that is busy is not waiting");
        pair.caller.await_item(id, pair.now);
        pair.later(Duration::from_millis(1_900));
        assert!(ends(&pair.settle().0).is_empty());
    }
    pair.later(SECOND);
    assert!(matches!(ends(&pair.settle().0)[..], [(_, Outcome::Expired)]));
}

#[test]
fn large_bodies_are_cut_and_put_together_and_control_passes_between() {
    let mut pair = Pair::new(true);
    let mut open = call("big");
    open.args = vec![7; 3 << 20];
    pair.caller.open(pair.now, &open, Patience::default()).unwrap();
    let (_, at_server) = pair.settle();
    assert!(at_server.iter().any(|event| matches!(event,
        Event::Opened { open, .. } if open.args.len() == 3 << 20)));
    pair.server.end(1, Ok(vec![9; 5 << 20]));
    let (events, _) = pair.settle();
    assert!(matches!(ends(&events)[..], [(1, Outcome::Value(body))] if body.len() == 5 << 20));
}

#[test]
fn a_message_over_the_bound_is_refused_on_both_sides() {
    let config = Config { message: 1 << 20, ..Config::from(&Limits::default()) };
    let mut pair = Pair::with(true, config);
    let mut open = call("big");
    open.args = vec![7; 2 << 20];
    pair.caller.open(pair.now, &open, Patience::default()).unwrap();
    let small = pair.caller.open(pair.now, &call("small"), Patience::default()).unwrap();
    let (events, _) = pair.settle();
    assert!(matches!(ends(&events)[..],
        [(1, Outcome::Failure(error))] if error.code() == ErrorCode::TooLarge));
    pair.server.end(small, Ok(vec![9; 2 << 20]));
    let (events, at_server) = pair.settle();
    assert!(matches!(ends(&events)[..], [(_, Outcome::TooLarge)]));
    assert!(at_server.is_empty() || matches!(at_server[..], [Event::Cancelled { .. }]));
    assert_eq!((pair.caller.in_flight(), pair.server.in_flight()), (0, 0));
}

#[test]
fn after_a_goaway_what_was_not_started_may_be_tried_elsewhere() {
    let mut pair = Pair::new(true);
    let patience = Patience::default();
    pair.caller.open(pair.now, &call("running"), patience).unwrap();
    pair.settle();
    pair.server.go_away(Error::new(ErrorCode::ShuttingDown, "the app is stopping"));
    pair.caller.open(pair.now, &call("late"), patience).unwrap();
    let (events, at_server) = pair.settle();
    assert!(matches!(ends(&events)[..], [(3, Outcome::Unstarted(_))]));
    assert!(at_server.is_empty(), "the late call was started");
    assert!(pair.caller.open(pair.now, &call("later"), patience).is_err());
    pair.server.end(1, Ok(vec![1]));
    assert!(matches!(ends(&pair.settle().0)[..], [(1, Outcome::Value(_))]));
}

#[test]
fn a_goaway_before_the_hello_follows_it() {
    let mut pair = Pair::new(true);
    pair.server.go_away(Error::new(ErrorCode::ShuttingDown, "the app is stopping"));
    pair.caller.open(pair.now, &call("late"), Patience::default()).unwrap();
    let (events, at_server) = pair.settle();
    assert!(matches!(ends(&events)[..], [(1, Outcome::Unstarted(_))]));
    assert!(at_server.iter().all(|event| !matches!(event, Event::Opened { .. })));
}

#[test]
fn a_cancel_of_what_was_never_sent_harms_nobody() {
    let mut pair = Pair::new(true);
    pair.settle();
    let mut large = call("large");
    large.args = vec![0; 200 << 10];
    let first = pair.caller.open(pair.now, &large, Patience::default()).unwrap();
    pair.caller.open(pair.now, &large, Patience::default()).unwrap();
    let waiting = pair.caller.open(pair.now, &call("small"), Patience::default()).unwrap();
    let unwanted = pair.caller.open(pair.now, &call("small"), Patience::default()).unwrap();
    pair.caller.cancel(waiting);
    pair.caller.abandon(unwanted);
    let (events, _) = pair.settle();
    assert!(matches!(ends(&events)[..], [(id, Outcome::Failure(_))] if id == waiting));
    assert!(!pair.server.is_closed());
    pair.server.end(first, Ok(vec![]));
    assert_eq!(ends(&pair.settle().0).len(), 1);
}

#[test]
fn a_cancel_that_crosses_a_goaway_harms_nobody() {
    let mut pair = Pair::new(true);
    pair.caller.open(pair.now, &call("running"), Patience::default()).unwrap();
    pair.settle();
    pair.server.go_away(Error::new(ErrorCode::ShuttingDown, "the app is stopping"));
    let late = pair.caller.open(pair.now, &call("late"), Patience::default()).unwrap();
    let open = pair.caller.poll_output(Vec::new()).unwrap();
    pair.server.handle_input(pair.now, &open);
    pair.caller.cancel(late);
    pair.settle();
    assert!(!pair.server.is_closed());
    pair.server.end(1, Ok(vec![1]));
    assert!(matches!(ends(&pair.settle().0)[..], [(1, Outcome::Value(_))]));
}

#[test]
fn refused_opens_take_no_place_and_stop_being_read() {
    let config = Config { exchanges: 2, ..Config::from(&Limits::default()) };
    let mut pair = Pair::with(true, config);
    pair.settle();
    let body = call("slow").encode().unwrap();
    let mut id = 1;
    while !pair.server.is_congested() {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, Kind::Open, 0, id, &body);
        pair.server.handle_input(pair.now, &bytes);
        id += 2;
        assert!(id < 100_000, "it is never congested");
    }
    assert_eq!(pair.server.in_flight(), 2);
}

#[test]
fn many_large_messages_at_once_all_arrive() {
    let config = Config { assembly: 2 << 20, message: 1 << 20, ..Config::from(&Limits::default()) };
    let mut pair = Pair::with(true, config);
    let mut open = call("big");
    open.args = vec![7; 1_000_000];
    for _ in 0..20 {
        pair.caller.open(pair.now, &open, Patience::default()).unwrap();
    }
    let mut served = BTreeSet::new();
    let mut ended = 0;
    while ended < 20 {
        let (at_caller, at_server) = pair.settle();
        ended += ends(&at_caller).len();
        let opened: Vec<u64> = at_server
            .iter()
            .filter_map(|event| match event {
                Event::Opened { id, .. } => Some(*id),
                _ => None,
            })
            .collect();
        assert!(!opened.is_empty() || !at_caller.is_empty(), "nothing moves any more");
        assert!(opened.len() <= 4, "{} large calls were taken at once", opened.len());
        for id in opened {
            assert!(served.insert(id));
            pair.server.begun(id);
            pair.server.end(id, Ok(vec![1; 1_000_000]));
        }
    }
}

#[test]
fn a_reader_that_takes_nothing_holds_one_large_item_and_a_window() {
    let mut pair = Pair::new(true);
    pair.caller.open(pair.now, &call("large items"), Patience::default()).unwrap();
    pair.settle();
    let mut produced = 0;
    for _ in 0..20 {
        if pair.server.flow(1) == Flow::Open {
            pair.server.item(1, vec![0; 1 << 20]);
            produced += 1;
        }
        pair.settle();
    }
    assert!(produced <= 2, "{produced} items of 1 MiB went to a reader that takes none");
}

#[test]
fn too_many_exchanges_are_answered_busy() {
    let config = Config { exchanges: 2, ..Config::from(&Limits::default()) };
    let mut pair = Pair::with(true, config);
    for _ in 0..3 {
        pair.caller.open(pair.now, &call("slow"), Patience::default()).unwrap();
    }
    let (events, _) = pair.settle();
    assert!(matches!(ends(&events)[..],
        [(5, Outcome::Failure(error))] if error.code() == ErrorCode::Busy));
}

#[test]
fn the_end_of_the_connection_ends_every_exchange_once() {
    let mut pair = Pair::new(true);
    for _ in 0..3 {
        pair.caller.open(pair.now, &call("slow"), Patience::default()).unwrap();
    }
    pair.settle();
    let lost = || Error::new(ErrorCode::ConnectionLost, "gone");
    pair.caller.handle_close(lost(), u64::MAX);
    pair.server.handle_close(lost(), u64::MAX);
    pair.caller.handle_close(lost(), u64::MAX);
    let (at_caller, at_server) = pair.settle();
    assert_eq!(ends(&at_caller).len(), 3);
    let cancels = at_server.iter().filter(|event| matches!(event, Event::Cancelled { .. }));
    assert_eq!(cancels.count(), 3);
}

#[test]
fn an_open_that_was_not_written_whole_was_never_started() {
    let mut pair = Pair::new(true);
    pair.caller.open(pair.now, &call("written"), Patience::default()).unwrap();
    let written = pair.caller.poll_output(Vec::new()).unwrap().len() as u64;
    pair.caller.open(pair.now, &call("cut"), Patience::default()).unwrap();
    pair.caller.open(pair.now, &call("not at all"), Patience::default()).unwrap();
    pair.caller.poll_output(Vec::new()).unwrap();
    let lost = Error::new(ErrorCode::ConnectionLost, "gone");
    pair.caller.handle_close(lost, written + 3);
    let (events, _) = pair.settle();
    assert!(matches!(
        ends(&events)[..],
        [(1, Outcome::Lost(_)), (3, Outcome::Unstarted(_)), (5, Outcome::Unstarted(_))]
    ));
}

#[test]
fn broken_rules_end_the_connection_with_a_reason() {
    type Break = (&'static str, fn(&mut Vec<u8>));
    let cases: [Break; 8] = [
        ("second hello", |out| frame::write(out, Kind::Hello, 0, 0, &[0x80])),
        ("ready from the caller", |out| frame::write(out, Kind::Ready, 0, 0, &[])),
        ("id of the other side", |out| frame::write(out, Kind::Open, 0, 2, &[0x80])),
        ("an end for nothing", |out| frame::write(out, Kind::End, 0, 2, &[])),
        ("cancel of the future", |out| frame::write(out, Kind::Cancel, 0, 99, &[])),
        ("an item by the caller", |out| frame::write(out, Kind::Item, 0, 1, &[])),
        ("credit of three bytes", |out| frame::write(out, Kind::Credit, 0, 1, &[1, 2, 3])),
        ("unknown and critical", |out| {
            frame::write(out, Kind::Ping, frame::CRITICAL, 0, &[]);
            let kind = out.len() - 12;
            out[kind] = 99;
        }),
    ];
    for (what, make) in cases {
        let mut pair = Pair::new(true);
        pair.caller.open(pair.now, &call("slow"), Patience::default()).unwrap();
        pair.settle();
        let mut bytes = Vec::new();
        make(&mut bytes);
        pair.server.handle_input(pair.now, &bytes);
        assert!(pair.server.is_closed(), "{what} was taken");
        let (at_caller, _) = pair.settle();
        let told = at_caller.iter().any(|event| {
            matches!(event,
            Event::GoingAway(error) if error.code() == ErrorCode::Protocol)
        });
        assert!(told, "{what}: the peer was not told");
    }
}

#[test]
fn more_data_than_credit_ends_the_connection() {
    let mut pair = Pair::new(true);
    pair.caller.open(pair.now, &call("flood"), Patience::default()).unwrap();
    pair.settle();
    let mut bytes = Vec::new();
    frame::write(&mut bytes, Kind::Item, 0, 1, &vec![0; 256 << 10]);
    pair.caller.handle_input(pair.now, &bytes);
    assert!(pair.caller.is_closed());
}

#[test]
fn unknown_optional_frames_are_skipped() {
    let mut pair = Pair::new(true);
    pair.settle();
    let mut bytes = Vec::new();
    frame::write(&mut bytes, Kind::Ping, 0, 0, &[1]);
    bytes[4] = 99;
    pair.server.handle_input(pair.now, &bytes);
    assert!(!pair.server.is_closed());
}

#[test]
fn a_silent_peer_is_given_up_at_the_hello_deadline() {
    let mut pair = Pair::new(true);
    pair.later(5 * SECOND);
    assert!(pair.server.is_closed(), "a caller has deadlines of its own");
}

/// What the model keeps of an exchange, to hold the machines against.
#[derive(Default)]
struct Expected {
    opened: BTreeSet<u64>,
    ended: BTreeMap<u64, usize>,
    started: BTreeMap<u64, bool>,
    unconsumed: Vec<(u64, u64)>,
    waiting: BTreeSet<u64>,
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
        match choices.below(12) {
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
            9 => {
                let by = Duration::from_millis(choices.below(300));
                pair.later(by);
            }
            _ => {}
        }
        deliver(&mut pair, &mut choices, &mut expected);
    }
    finish(&mut pair, &mut expected, seed);
}

fn pick(choices: &mut Choices, from: &BTreeSet<u64>) -> Option<u64> {
    let at = choices.below(from.len().max(1) as u64);
    from.iter().nth(usize::try_from(at).unwrap()).copied()
}

/// Carries a random part of the bytes across and writes down what they did.
fn deliver(pair: &mut Pair, choices: &mut Choices, expected: &mut Expected) {
    pair.collect();
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
            Event::Ended { id, .. } => {
                *expected.ended.entry(id).or_default() += 1;
            }
            Event::Closed(error) => assert_eq!(error.code(), ErrorCode::ConnectionLost),
            _ => {}
        }
    }
    while let Some(event) = pair.server.poll_event() {
        match event {
            Event::Opened { id, .. } => {
                assert!(expected.started.insert(id, true).is_none(), "started twice");
            }
            Event::Writable { id } => {
                expected.waiting.remove(&id);
            }
            Event::Closed(error) => assert_eq!(error.code(), ErrorCode::ConnectionLost),
            _ => {}
        }
    }
}

fn finish(pair: &mut Pair, expected: &mut Expected, seed: u64) {
    pair.server.set_ready(pair.now);
    for _ in 0..1_000 {
        pair.collect();
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
    for id in &expected.opened {
        assert_eq!(expected.ended.get(id), Some(&1), "seed {seed}: exchange {id}");
    }
    assert_eq!(pair.caller.in_flight(), 0, "seed {seed}: left over at the caller");
    assert_eq!(pair.server.in_flight(), 0, "seed {seed}: left over at the server");
    assert!(!pair.caller.is_closed() && !pair.server.is_closed(), "seed {seed}: rules broken");
}

#[test]
fn under_a_hostile_schedule_every_exchange_ends_exactly_once() {
    for seed in 1..=200 {
        hostile_schedule(seed);
    }
}
