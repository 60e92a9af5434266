//! Cancel reaches the work: a waiting handler, a producer, a task named from outside; and nothing
//! else.

use std::thread;
use std::time::{Duration, Instant};

use mesh_core::{CancelToken, ErrorCode, Stream, Value};

use crate::call::code;
use crate::support::wait::SOON;
use crate::support::{Home, Proc, eventually, heavy, pause};

/// The id of a task that nobody has.
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn a_handler_that_waits_on_its_token_answers_cancelled_within_50_ms() {
    let _heavy = heavy();
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    for round in 1..=10 {
        let token = CancelToken::new();
        let request = client.request("one", "until_cancelled").cancelled_by(&token);
        thread::scope(|scope| {
            let call = scope.spawn(|| (request.call::<Value>(), Instant::now()));
            home.counted("one", "waiting", round);
            let begun = Instant::now();
            token.cancel();
            let (result, at) = call.join().unwrap();
            assert_eq!(code(result), ErrorCode::Cancelled);
            assert!(at - begun <= Duration::from_millis(50), "{:?}", at - begun);
        });
        home.counted("one", "told", round);
    }
    no_tasks(&home, "one");
}

#[test]
fn a_cancelled_stream_ends_and_its_producer_stops() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut stream: Stream<String> = home.client().stream("one", "flood", ()).unwrap();
    assert_eq!(stream.next().unwrap().unwrap().len(), 1024);
    stream.cancel();
    // What was under way may still come, then the end; never an error.
    stream.by_ref().for_each(|item| assert!(item.is_ok(), "{item:?}"));
    assert!(stream.next().is_none());
    no_tasks(&home, "one");
    let produced = home.counter("one", "flooded");
    pause(Duration::from_millis(100));
    assert_eq!(home.counter("one", "flooded"), produced);
}

#[test]
fn a_dropped_stream_tells_a_quiet_producer_at_once() {
    let _heavy = heavy();
    let home = Home::new();
    let _app = home.app("one", &[]);
    let stream: Stream<u64> = home.client().stream("one", "tick", (60_000,)).unwrap();
    home.counted("one", "ticking", 1);
    let begun = Instant::now();
    drop(stream);
    home.counted("one", "tick_told", 1);
    assert!(begun.elapsed() <= Duration::from_millis(100), "{:?}", begun.elapsed());
    no_tasks(&home, "one");
}

#[test]
fn a_stream_is_cancelled_from_another_thread() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let stream: Stream<u64> = home.client().stream("one", "tick", (60_000,)).unwrap();
    let canceller = stream.canceller();
    thread::scope(|scope| {
        scope.spawn(|| {
            home.counted("one", "ticking", 1);
            canceller.cancel();
        });
        assert_eq!(stream.count(), 0);
    });
}

#[test]
fn a_killed_caller_is_a_cancel() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let call = Proc::spawn(&mut home.mesh_command(&["call", "one", "until_cancelled"]));
    let stream = Proc::spawn(&mut home.mesh_command(&["stream", "one", "tick", "60000"]));
    home.counted("one", "waiting", 1);
    home.counted("one", "ticking", 1);
    call.kill();
    stream.kill();
    home.counted("one", "told", 1);
    home.counted("one", "tick_told", 1);
    no_tasks(&home, "one");
}

#[test]
fn a_task_is_cancelled_from_outside_and_only_that_one() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    let first: Stream<u64> = client.stream("one", "tick", (60_000,)).unwrap();
    let mut second: Stream<u64> = client.stream("one", "tick", (200,)).unwrap();
    home.counted("one", "ticking", 2);
    assert_ne!(first.task(), second.task());
    let tasks = home.mesh(&["tasks", "one", "-o", "json"]).exits(0);
    for task in [first.task(), second.task()] {
        assert!(tasks.stdout.contains(&task), "{task} in\n{tasks}");
    }
    home.mesh(&["cancel", "one", &first.task()]).exits(0);
    home.counted("one", "tick_told", 1);
    let ended: Vec<_> = first.collect();
    assert!(ended.iter().all(|item| matches!(item, Err(e) if e.code() == ErrorCode::Cancelled)));
    assert!(second.nth(1).unwrap().is_ok(), "the other one goes on");
    assert_eq!(home.counter("one", "tick_told"), 1);
}

#[test]
fn an_unknown_task_is_no_failure_of_the_app() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let cancelled: bool = home.client().call("one", "mesh.cancel", (UNKNOWN,)).unwrap();
    assert!(!cancelled, "nothing was there to cancel");
}

#[test]
fn a_cancel_never_launches_an_app() {
    let home = Home::new();
    home.registered("one", &[]);
    let cancel = home.mesh(&["cancel", "one", UNKNOWN]);
    assert_ne!(cancel.code, 0, "{cancel}");
    assert!(home.starts("one").is_empty());

    let running = home.app("two", &["--unregistered"]);
    let stream: Stream<u64> = home.client().stream("two", "tick", (60_000,)).unwrap();
    running.kill();
    running.wait().exits(137);
    home.registered("two", &[]);
    stream.cancel();
    drop(stream);
    assert!(home.starts("two").is_empty());
}

#[test]
fn a_task_that_is_over_is_off_the_list() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    client.stream::<u64>("one", "count", (3,)).unwrap().for_each(drop);
    client.stream::<u64>("one", "fail_at", (3,)).unwrap().for_each(drop);
    drop(client.stream::<String>("one", "flood", ()).unwrap());
    let stream = Proc::spawn(&mut home.mesh_command(&["stream", "one", "tick", "60000"]));
    home.counted("one", "ticking", 1);
    stream.kill();
    no_tasks(&home, "one");
}

#[track_caller]
fn no_tasks(home: &Home, app: &str) {
    eventually(SOON, "no task is left", || {
        let tasks = home.mesh(&["tasks", app, "-o", "json"]).exits(0);
        (tasks.json() == serde_json::json!([])).then_some(())
    });
}
