//! One rule a test, two machines against each other; see [`model`](super::model) for all at once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::pair::{Pair, call, ends};
use super::{Config, Event, Flow, Outcome, Patience};
use crate::error::{Error, ErrorCode};
use crate::limits::Limits;
use crate::wire::frame::{self, Kind};

const SECOND: Duration = Duration::from_secs(1);

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
fn answers_that_nobody_takes_are_bounded() {
    let config = Config { assembly: 2 << 20, ..Config::from(&Limits::default()) };
    let mut pair = Pair::with(true, config);
    for _ in 0..4 {
        pair.caller.open(pair.now, &call("big"), Patience::default()).unwrap();
    }
    pair.settle();
    for id in [1, 3, 5, 7] {
        pair.server.end(id, Ok(vec![0; 1 << 20]));
    }
    let (events, _) = pair.settle();
    let codes: Vec<bool> =
        ends(&events).iter().map(|(_, outcome)| matches!(outcome, Outcome::Value(_))).collect();
    assert_eq!(codes.iter().filter(|value| !**value).count(), 2, "two are over the bound");
    assert_eq!(pair.server.in_flight(), 0);
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
    let mut written = pair.caller.poll_output(Vec::new()).unwrap();
    pair.to_server.append(&mut written.clone());
    pair.settle();
    let written = written.drain(..).count() as u64;
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
fn before_the_hello_nothing_was_started() {
    let mut pair = Pair::new(true);
    for _ in 0..3 {
        pair.caller.open(pair.now, &call("early"), Patience::default()).unwrap();
    }
    pair.collect();
    pair.caller.handle_close(Error::new(ErrorCode::ConnectionLost, "gone"), u64::MAX);
    let (events, _) = pair.settle();
    let unstarted =
        ends(&events).iter().filter(|(_, end)| matches!(end, Outcome::Unstarted(_))).count();
    assert_eq!(unstarted, 3);
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
