//! Calls between real processes: values, arguments, errors, and who serves whom meanwhile.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use mesh_core::{CancelToken, ErrorCode, Limits, Result, Value};

use crate::support::platform::{OWN_FILES, open_files, threads, user};
use crate::support::wait::SOON;
use crate::support::{Home, Proc, eventually, heavy};

/// The code of a failed call.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T>) -> ErrorCode {
    result.expect_err("the call fails").code()
}

#[test]
fn values_of_every_kind_come_back_unchanged() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    for value in [
        Value::Null,
        Value::from(true),
        Value::from(i64::MIN),
        Value::from(u64::MAX),
        Value::from(1.5),
        Value::from("text \u{e9}\u{1f600}"),
        Value::from(vec![0_u8, 255]),
        Value::List(vec![Value::from(1), Value::Null]),
        Value::from([(1, true), (2, false)]),
    ] {
        let back: Value = client.call("one", "echo", (value.clone(),)).unwrap();
        assert_eq!(back, value);
    }
}

#[test]
fn a_large_value_is_cut_into_frames_and_put_together() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let bytes = 5 << 20;
    let sent = Value::from(vec![7_u8; bytes]);
    assert_eq!(home.client().call::<usize>("one", "size", (sent,)).unwrap(), bytes);
    let got: Value = home.client().call("one", "big", (bytes,)).unwrap();
    assert_eq!(got, Value::Bytes(vec![b'x'; bytes]));
}

#[test]
fn an_oversized_value_is_refused_and_the_app_goes_on() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    assert_eq!(code(client.call::<Value>("one", "big", (20 << 20,))), ErrorCode::TooLarge);
    let large = Value::from(vec![0_u8; 20 << 20]);
    assert_eq!(code(client.call::<Value>("one", "size", (large,))), ErrorCode::TooLarge);
    assert_eq!(client.call::<i64>("one", "add", (1, 2)).unwrap(), 3);
}

#[test]
fn named_and_positional_arguments_bind_the_same_parameters() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    for args in [vec!["3", "4"], vec!["3", "b=4"], vec!["a=3", "b=4"], vec!["b=4", "a=3"]] {
        let call = [vec!["call", "one", "add"], args].concat();
        home.mesh(&call).exits(0).prints("7\n");
    }
    home.mesh(&["call", "one", "greet", "times=2", "name=Ann"]).prints("\"hello Annhello Ann\"\n");
    home.mesh(&["call", "one", "greet", "Ann"]).prints("\"hello Ann\"\n");
}

#[test]
fn bad_arguments_are_named() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    home.mesh(&["call", "one", "add", "1"]).exits(4).says("b");
    home.mesh(&["call", "one", "add", "1", "a=1"]).exits(4).says("a");
    home.mesh(&["call", "one", "add", "1", "2", "3"]).exits(4);
    home.mesh(&["call", "one", "add", "1", "b=2", "c=3"]).exits(4).says("c");
    home.mesh(&["call", "one", "add", "1", "two"]).exits(4).says("b");
    home.mesh(&["call", "one", "greet", "Ann", "times=x"]).exits(4).says("times");
    assert_eq!(home.client().call::<i64>("one", "add", (1, 2)).unwrap(), 3);
}

#[test]
fn an_unknown_method_is_answered_with_a_near_name() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let error = home.client().call::<Value>("one", "ecko", ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoSuchMethod);
    home.mesh(&["call", "one", "ecko", "1"]).exits(4).says("echo");
}

#[test]
fn a_handlers_failure_is_data_and_the_app_goes_on() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    let error = client.call::<Value>("one", "fail", ("no milk",)).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::Application, "no milk"));
    assert_eq!(error.data().and_then(|data| data.get("reason")), Some(&Value::from("asked to")));
    let error = client.call::<Value>("one", "fail_io", ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Application);
    home.mesh(&["call", "one", "fail", "no milk"]).exits(1).prints("").says("no milk");
    assert_eq!(client.call::<i64>("one", "add", (1, 2)).unwrap(), 3);
}

#[test]
fn a_panic_is_an_error_reply_and_no_worker_is_lost() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    for _ in 0..200 {
        assert_eq!(code(client.call::<Value>("one", "panic", ("oh",))), ErrorCode::Panicked);
    }
    assert_eq!(client.call::<i64>("one", "add", (1, 2)).unwrap(), 3);
}

#[test]
fn a_result_that_cannot_be_encoded_is_an_error_of_its_own() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    assert_eq!(code(client.call::<Value>("one", "not_encodable", ())), ErrorCode::BadValue);
    let mismatch = client.call::<bool>("one", "add", (1, 2));
    assert_eq!(code(mismatch), ErrorCode::BadValue);
    assert_eq!(client.call::<i64>("one", "add", (1, 2)).unwrap(), 3);
}

#[test]
fn a_stream_method_that_is_called_says_to_stream_it() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    assert_eq!(code(home.client().call::<Value>("one", "count", (3,))), ErrorCode::IsStream);
    home.mesh(&["call", "one", "count", "3"]).exits(4).says("mesh stream");
}

#[test]
fn ping_answers_true() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    assert!(home.client().call::<bool>("one", "mesh.ping", ()).unwrap());
    home.mesh(&["ping", "one"]).exits(0);
}

#[test]
fn a_method_exposed_after_ready_is_callable_and_in_the_manifest() {
    let home = Home::new();
    let app = home.app("one", &["--late", "afterwards"]);
    assert!(home.client().call::<bool>("one", "afterwards", ()).unwrap());
    home.mesh(&["stop", "one"]).exits(0);
    app.wait().exits(0);
    home.mesh(&["describe", "one.afterwards"]).exits(0);
}

#[test]
fn the_caller_is_known_by_the_kernels_word() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let caller: Value = home.client().call("one", "caller", ()).unwrap();
    assert_eq!(caller.get("pid").and_then(Value::as_u64), Some(std::process::id().into()));
    let user = user();
    assert_eq!(caller.get("user").and_then(Value::as_str), Some(user.as_str()));
    assert_eq!(caller.get("name").and_then(Value::as_str), Some("test"));
}

#[test]
fn one_connection_serves_all_threads_of_a_process() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    client.call::<Value>("one", "echo", (1,)).unwrap();
    assert_eq!(home.connections("one"), 2, "that of the client, and that of who asks");
    thread::scope(|scope| {
        for thread in 0..16_i64 {
            let client = &client;
            scope.spawn(move || {
                for n in 0..200 {
                    let sum: i64 = client.call("one", "add", (thread, n)).unwrap();
                    assert_eq!(sum, thread + n);
                }
            });
        }
    });
    assert_eq!(home.connections("one"), 2);
}

#[test]
fn a_client_reconnects_to_the_next_instance_by_itself() {
    let home = Home::new();
    let first = home.app("one", &[]);
    let client = home.client();
    client.call::<u32>("one", "pid", ()).unwrap();
    first.kill();
    first.wait().exits(137);
    let second = home.app("one", &[]);
    assert_eq!(client.call::<u32>("one", "pid", ()).unwrap(), second.pid());
}

#[test]
fn a_dying_app_fails_its_calls_in_flight_once() {
    let home = Home::new();
    let app = home.app("one", &["--unregistered"]);
    let client = home.client();
    thread::scope(|scope| {
        let calls: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| client.call::<Value>("one", "block", (60_000,))))
            .collect();
        home.counted("one", "blocked", 4);
        app.kill();
        for call in calls {
            assert_eq!(code(call.join().unwrap()), ErrorCode::ConnectionLost);
        }
    });
}

#[test]
fn a_long_handler_delays_nothing_else_on_its_connection() {
    let home = Home::new();
    let app = home.app("one", &[]);
    let client = home.client();
    thread::scope(|scope| {
        let stop_waiting = CancelToken::new();
        let (long, waiting) = (
            client.request("one", "block").args((60_000,)).timeout(Duration::ZERO),
            client.request("one", "until_cancelled").timeout(Duration::ZERO),
        );
        let waiting = waiting.cancelled_by(&stop_waiting);
        scope.spawn(|| long.call::<Value>());
        let waiting = scope.spawn(|| (waiting.call::<Value>(), Instant::now()));
        home.counted("one", "blocked", 1);
        home.counted("one", "waiting", 1);

        for _ in 0..100 {
            let begun = Instant::now();
            client.call::<bool>("one", "mesh.ping", ()).unwrap();
            client.call::<i64>("one", "add", (1, 2)).unwrap();
            assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
        }
        let begun = Instant::now();
        stop_waiting.cancel();
        let (cancelled, at) = waiting.join().unwrap();
        assert_eq!(code(cancelled), ErrorCode::Cancelled);
        assert!(at - begun < Duration::from_millis(50), "{:?}", at - begun);
        app.kill();
    });
}

#[test]
fn a_blocked_connection_does_not_block_another() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut blocked = Proc::spawn(&mut home.mesh_command(&["call", "one", "block", "60000"]));
    home.counted("one", "blocked", 1);
    let begun = Instant::now();
    assert_eq!(home.client().call::<i64>("one", "add", (1, 2)).unwrap(), 3);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!blocked.ended());
}

#[test]
fn a_serial_method_runs_one_at_a_time() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| client.call::<Value>("one", "one_at_a_time", (10,)).unwrap());
        }
    });
    assert_eq!(home.counter("one", "overlaps"), 0);
}

#[test]
fn an_app_that_calls_itself_does_not_run_out_of_workers() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    // More handlers at one time than may run, fewer than there may be threads.
    let depth = 5;
    let callers = Limits::default().threads / 8;
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| assert_eq!(client.call::<u64>("one", "nest", (depth,)).unwrap(), depth));
        }
    });
}

#[test]
fn more_nested_calls_than_threads_end_with_a_named_error() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let client = home.client();
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..Limits::default().threads {
            scope.spawn(|| match client.call::<u64>("one", "nest", (10,)) {
                Ok(depth) => assert_eq!(depth, 10),
                // Refused itself, or the handler says how a call of its own ended.
                Err(error) => {
                    let own = error.data().and_then(|data| data.get("code")?.as_u64());
                    let number = own.unwrap_or(error.code().number().into());
                    assert_eq!(number, u64::from(ErrorCode::Busy.number()), "{error:?}");
                }
            });
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(client.call::<i64>("one", "add", (1, 2)).unwrap(), 3);
}

#[test]
fn a_call_path_without_end_is_refused_at_once() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let begun = Instant::now();
    let error = home.client().call::<u64>("one", "nest", (1_000,)).unwrap_err();
    assert!(error.message().contains("one"), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn callers_that_vanish_harm_nobody_and_leave_nothing() {
    let home = Home::new();
    let app = home.app("one", &[]);
    home.mesh(&["call", "one", "add", "1", "2"]).exits(0);
    let open = || open_files(app.pid());
    let before = open();
    for n in 1..=20 {
        let caller = Proc::spawn(&mut home.mesh_command(&["call", "one", "until_cancelled"]));
        home.counted("one", "waiting", n);
        caller.kill();
        caller.wait().exits(137);
    }
    home.counted("one", "told", 20);
    eventually(Duration::from_secs(5), "the connections are closed again", || {
        (home.connections("one") == 1 && open() <= before + OWN_FILES).then_some(())
    });
    assert_eq!(home.client().call::<i64>("one", "add", (1, 2)).unwrap(), 3);
}

#[test]
fn a_thousand_parallel_connections_are_all_served() {
    const PROCESSES: usize = 5;
    let _heavy = heavy();
    let home = Home::new();
    let _app = home.app("one", &["--many-files"]);
    let gate = File::create(home.beside("gate")).unwrap();
    gate.lock().unwrap();
    let each = (1_000 / PROCESSES).to_string();
    let dialers: Vec<Proc> = (0..PROCESSES)
        .map(|_| {
            let mut dialer = home.app_command("one", &["--many-files", "--dial", &each, "--gate"]);
            Proc::spawn(dialer.arg(home.beside("gate")))
        })
        .collect();
    drop(gate);
    for mut dialer in dialers {
        let served = dialer.wait_within(Duration::from_secs(60));
        served.exits(0).prints(&format!("served {each}\n"));
    }
}

#[test]
fn ten_thousand_calls_leave_nothing_behind() {
    let _heavy = heavy();
    let home = Home::new();
    let app = home.app("one", &[]);
    let client = home.client();
    let calls = |n: i64| {
        (0..n).for_each(|n| assert_eq!(client.call::<i64>("one", "add", (n, 1)).unwrap(), n + 1))
    };
    calls(1_000);
    let held = || (open_files(app.pid()), threads(app.pid()));
    let before = held();
    calls(10_000);
    // A worker that is not needed leaves after two seconds.
    eventually(SOON, "descriptors and threads are as before", || {
        let after = held();
        (after.0 <= before.0 + OWN_FILES && after.1 <= before.1).then_some(())
    });
}
