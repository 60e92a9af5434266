//! Streams: order, ends of every kind, and a slow reader who slows only his own producer.

use std::thread;
use std::time::{Duration, Instant};

use mesh_core::{ErrorCode, Result, Stream, Value};

use crate::call::code;
use crate::support::platform::resident_kib;
use crate::support::shell::COUNT;
use crate::support::{Home, eventually, heavy, pause};

#[test]
fn items_come_in_order_then_the_end() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut stream: Stream<u64> = home.client().stream("one", "count", (10_000,)).unwrap();
    for expected in 1..=10_000 {
        assert_eq!(stream.next().unwrap().unwrap(), expected);
    }
    assert!(stream.next().is_none());
    assert!(stream.next().is_none());
}

#[test]
fn a_failure_comes_after_the_items_before_it() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let items: Vec<Result<u64>> = home.client().stream("one", "fail_at", (3,)).unwrap().collect();
    assert_eq!(items.len(), 3, "{items:?}");
    assert_eq!((items[0].as_ref().unwrap(), items[1].as_ref().unwrap()), (&1, &2));
    let error = items[2].as_ref().unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::Application, "broke at 3"));
    home.mesh(&["stream", "one", "fail_at", "3"]).exits(1).prints("1\n2\n").says("broke at 3");
}

#[test]
fn a_refusal_before_the_first_item_is_raised() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let first = home
        .client()
        .stream::<u64>("one", "refused", ())
        .and_then(|mut stream| stream.next().transpose());
    assert_eq!(code(first), ErrorCode::Application);
    let unknown = home
        .client()
        .stream::<u64>("one", "no_such", ())
        .and_then(|mut stream| stream.next().transpose());
    assert_eq!(code(unknown), ErrorCode::NoSuchMethod);
}

#[test]
fn a_value_method_streams_its_one_value() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let items: Result<Vec<i64>> = home.client().stream("one", "add", (1, 2)).unwrap().collect();
    assert_eq!(items.unwrap(), [3]);
    let mut failed: Stream<Value> = home.client().stream("one", "fail", ("no",)).unwrap();
    assert_eq!(code(failed.next().unwrap()), ErrorCode::Application);
}

#[test]
fn a_reader_waits_for_an_item_for_a_time_and_that_gives_the_app_no_more() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut counted: Stream<u64> = home.client().stream("one", "count", (1,)).unwrap();
    assert!(counted.ready_within(Duration::from_secs(10)));
    assert_eq!(counted.next().unwrap().unwrap(), 1);
    assert!(counted.ready_within(Duration::MAX), "the end is no wait either");
    assert!(counted.next().is_none());
    assert!(counted.ready_within(Duration::ZERO));

    let mut silent: Stream<Value> = home.client().stream("one", "until_cancelled", ()).unwrap();
    assert!(!silent.ready_within(Duration::ZERO));
    let begun = Instant::now();
    while !silent.ready_within(Duration::from_millis(50)) {
        assert!(begun.elapsed() < Duration::from_secs(15), "the time of silence began anew");
    }
    assert_eq!(code(silent.next().unwrap()), ErrorCode::Deadline);
}

#[test]
fn a_stream_whose_app_is_killed_says_so_once_and_ends() {
    let home = Home::new();
    let app = home.app("one", &[]);
    let mut stream: Stream<u64> = home.client().stream("one", "tick", (10,)).unwrap();
    stream.next().unwrap().unwrap();
    app.kill();
    let lost = stream.by_ref().find_map(Result::err).expect("the loss is told");
    assert_eq!(lost.code(), ErrorCode::ConnectionLost);
    assert!(stream.next().is_none());
}

#[test]
fn a_slow_reader_bounds_the_servers_memory_and_slows_nobody_else() {
    let _heavy = heavy();
    let home = Home::new();
    let app = home.app("one", &[]);
    let slow = home.client();
    let warm: Vec<Result<String>> = slow.stream("one", "flood", ()).unwrap().take(2_000).collect();
    assert!(warm.iter().all(Result::is_ok));
    let before = resident_kib(app.pid());
    let produced = home.counter("one", "flooded");

    let mut paused: Stream<String> = slow.stream("one", "flood", ()).unwrap();
    paused.next().unwrap().unwrap();
    let end = Instant::now() + Duration::from_secs(3);
    let other = home.client();
    while Instant::now() < end {
        let begun = Instant::now();
        other.call::<i64>("one", "add", (1, 2)).unwrap();
        // The slow reader's own connection stays usable, too.
        slow.call::<i64>("one", "add", (1, 2)).unwrap();
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        pause(Duration::from_millis(10));
    }
    let grown = resident_kib(app.pid()).saturating_sub(before);
    assert!(grown < 8 << 10, "the app grew by {grown} KiB");
    let ahead = home.counter("one", "flooded") - produced;
    assert!(ahead < 4_096, "{ahead} KiB produced for a reader who takes none");
    for _ in 0..5_000 {
        assert_eq!(paused.next().unwrap().unwrap().len(), 1024);
    }
}

#[test]
fn the_tail_of_a_small_stream_is_never_lost() {
    let _heavy = heavy();
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    for n in 0..1_000_u64 {
        let items: Result<Vec<u64>> = client.stream("one", "count", (n % 7,)).unwrap().collect();
        assert_eq!(items.unwrap(), (1..=n % 7).collect::<Vec<u64>>(), "stream {n}");
    }
}

#[test]
fn the_last_words_of_an_app_that_leaves_are_heard() {
    let _heavy = heavy();
    let home = Home::new();
    home.registered("one", &[]);
    let client = home.client();
    for round in 0..4 {
        let items: Result<Vec<u64>> = client.stream("one", "last_words", (500,)).unwrap().collect();
        assert_eq!(items.unwrap().len(), 500, "round {round}");
        eventually(Duration::from_secs(10), "the app has left", || {
            client.live().unwrap().is_empty().then_some(())
        });
    }
}

#[test]
fn a_command_that_prints_and_exits_at_once_loses_nothing() {
    let _heavy = heavy();
    let home = Home::new();
    home.mesh(&["serve", "-d", "shell", "--stream", &format!("lines={COUNT}")]).exits(0);
    let client = home.client();
    for n in 1..=200_u64 {
        let items: Result<Vec<u64>> = client.stream("shell", "lines", (n,)).unwrap().collect();
        assert_eq!(items.unwrap().last(), Some(&n));
    }
}

#[test]
fn many_streams_share_one_connection_fairly() {
    let _heavy = heavy();
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    let paused: Stream<String> = client.stream("one", "flood", ()).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            let client = &client;
            scope.spawn(move || {
                let items: Result<Vec<u64>> =
                    client.stream("one", "count", (20_000,)).unwrap().collect();
                assert_eq!(items.unwrap().len(), 20_000);
            });
        }
    });
    drop(paused);
}
