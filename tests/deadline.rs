//! Deadlines: nobody waits for ever by default, and what a caller sets is what happens.

use std::time::{Duration, Instant};

use mesh_core::{ErrorCode, Result, Stream, Value};

use crate::call::code;
use crate::support::{Home, heavy, impostor};

/// How late an error may be.
const SLACK: Duration = Duration::from_millis(50);

#[track_caller]
fn ends_after<T: std::fmt::Debug>(budget: Duration, action: impl FnOnce() -> Result<T>) {
    let begun = Instant::now();
    let error = action().expect_err("silence is an error");
    let took = begun.elapsed();
    let late = took.checked_sub(budget).unwrap_or_else(|| panic!("too early: {took:?} {error:?}"));
    assert!(late <= SLACK, "{took:?} instead of {budget:?}: {error:?}");
    assert!(matches!(error.code(), ErrorCode::Deadline | ErrorCode::NotResponding), "{error:?}");
}

#[test]
fn a_silent_peer_is_an_error_after_5_seconds() {
    let _heavy = heavy();
    let home = Home::new();
    impostor(&home, "one", b"");
    ends_after(Duration::from_secs(5), || home.client().call::<Value>("one", "echo", (1,)));
}

#[test]
fn a_silent_peer_of_a_stream_is_an_error_after_5_seconds() {
    let _heavy = heavy();
    let home = Home::new();
    impostor(&home, "one", b"");
    ends_after(Duration::from_secs(5), || {
        let mut stream: Stream<Value> = home.client().stream("one", "count", (1,))?;
        stream.next().transpose()
    });
}

#[test]
fn an_explicit_timeout_bounds_call_and_stream() {
    let _heavy = heavy();
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    client.call::<bool>("one", "mesh.ping", ()).unwrap();
    let budget = Duration::from_millis(300);
    ends_after(budget, || {
        client.request("one", "block").args((60_000,)).timeout(budget).call::<Value>()
    });
    ends_after(budget, || {
        let request = client.request("one", "tick").args((60_000,)).timeout(budget);
        request.stream::<Value>()?.next().transpose()
    });
}

#[test]
fn the_default_is_5_seconds_and_the_handler_knows_what_is_left() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    let left: u64 = client.call("one", "time_left_ms", ()).unwrap();
    assert!((4_500..=5_000).contains(&left), "{left} ms");
    let timed = client.request("one", "time_left_ms").timeout(Duration::from_secs(2));
    let left: u64 = timed.call().unwrap();
    assert!((1_500..=2_000).contains(&left), "{left} ms");
    let unbounded = client.request("one", "time_left_ms").timeout(Duration::ZERO);
    assert_eq!(unbounded.call::<Option<u64>>().unwrap(), None);
}

#[test]
fn a_deadline_that_passed_tells_the_handler() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let short = Duration::from_millis(100);
    let call = home.client().request("one", "until_cancelled").timeout(short).call::<Value>();
    assert_eq!(code(call), ErrorCode::Deadline);
    home.counted("one", "told", 1);
    home.mesh(&["call", "one", "until_cancelled", "--timeout", "100ms"]).exits(124).prints("");
}

#[test]
fn items_re_arm_the_silence_budget_of_a_stream() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let stream: Stream<u64> = home.client().stream("one", "tick", (500,)).unwrap();
    let begun = Instant::now();
    let items: Result<Vec<u64>> = stream.take(13).collect();
    assert_eq!(items.unwrap().len(), 13);
    assert!(begun.elapsed() > Duration::from_secs(6), "longer than the 5 s to its first answer");
}

#[test]
fn a_callers_deadline_never_kills_a_starting_app() {
    let home = Home::new();
    home.registered("one", &["--ready-after-ms", "1500"]);
    let short = Duration::from_millis(300);
    let early = home.client().request("one", "pid").timeout(short).call::<u32>();
    assert_eq!(code(early), ErrorCode::Deadline);
    let pid: u32 = home.client().call("one", "pid", ()).unwrap();
    assert_eq!(home.starts("one"), [pid]);
}
