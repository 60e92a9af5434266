//! `mesh serve --worker`: one program that speaks lines of JSON, played by the test app. The
//! programs of `examples/worker` are tried in `examples`.

use std::fs;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mesh_core::{Args, ErrorCode, Shape, Value};

use crate::support::home::app_name;
use crate::support::programs::test_app;
use crate::support::wait::SOON;
use crate::support::{Home, Proc, eventually, pause};

/// Serves the test app as the worker of `tools`.
#[track_caller]
fn serve(home: &Home, options: &[&str], flags: &[&str]) {
    home.mesh(&words(&["serve", "-d", "tools", "--worker"], options, flags)).exits(0);
}

fn words<'a>(serve: &[&'a str], options: &[&'a str], flags: &[&'a str]) -> Vec<&'a str> {
    [serve, options, &["--", test_app(), "--worker"], flags].concat()
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::List(values.into_iter().collect())
}

fn texts(values: &[&str]) -> Args {
    values.iter().fold(Args::new(), |args, &value| args.with(value))
}

fn beside<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new().name("caller".to_owned()).spawn(run).expect("a thread starts")
}

/// The pids of all lives of a worker with `--lives`.
fn lives(file: &str) -> Vec<u32> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| line.parse().expect("a pid")).collect()
}

fn lives_of(home: &Home) -> String {
    home.beside("lives").to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn a_worker_is_announced_registered_called_and_launched_again() {
    let home = Home::new();
    serve(&home, &[], &[]);
    home.mesh(&["call", "tools", "add", "2", "3"]).exits(0).prints("5\n");
    home.mesh(&["stream", "tools", "count", "3"]).exits(0).prints("1\n2\n3\n");
    home.mesh(&["call", "tools", "add", "1", "2", "3"]).exits(4).says("it takes a, b");
    home.mesh(&["call", "tools", "count", "3"]).exits(4).says("mesh stream");
    home.mesh(&["call", "tools", "ad", "3"]).exits(4).says("add");
    home.mesh(&["stop", "tools"]).exits(0);
    eventually(SOON, "all have ended", || home.processes().is_empty().then_some(()));
    let entry = home.registry().entry(&app_name("tools")).unwrap().unwrap();
    let add = entry.methods.iter().find(|method| method.name == "add").unwrap();
    assert!(add.doc.starts_with("Adds. (worker ") && !add.open, "{add:?}");
    assert_eq!(add.params, ["a", "b"]);
    let count = entry.methods.iter().find(|method| method.name == "count").unwrap();
    assert_eq!((count.shape, count.open), (Shape::Stream, true));
    home.mesh(&["call", "tools", "add", "2", "2"]).exits(0).prints("4\n").says("ms");
}

#[test]
fn a_second_start_says_who_runs_and_other_programs_are_refused() {
    let home = Home::new();
    serve(&home, &[], &[]);
    home.mesh(&words(&["serve", "tools", "--worker"], &[], &[])).exits(0).says("already runs");
    serve(&home, &[], &[]);
    let other = words(&["serve", "tools", "--worker"], &[], &["--stays"]);
    home.mesh(&other).exits(5).says("not with these commands");
    home.mesh(&["serve", "tools", "--method", "a=echo 1"]).exits(5).says("mesh stop tools");
}

#[test]
fn values_of_every_kind_come_back_as_they_were() {
    let home = Home::new();
    serve(&home, &[], &[]);
    let value = list([
        Value::Null,
        true.into(),
        u64::MAX.into(),
        i64::MIN.into(),
        0.1.into(),
        Value::Float(f64::INFINITY),
        "\u{e4}\u{65e5}\n\u{2028}\"\\".into(),
        Value::Bytes((0..=255).collect()),
        Value::from([("$bytes", 1)]),
        Value::from([(1, "not a text")]),
        list([list([])]),
    ]);
    let args = Args::new().with(value.clone()).with_named("named", value.clone());
    let back: Value = home.client().call("tools", "echo", args).unwrap();
    assert_eq!(back, list([list([value.clone()]), Value::from([("named", value)])]));
}

#[test]
fn answers_come_in_any_order_and_a_slow_call_holds_up_nobody() {
    let home = Home::new();
    serve(&home, &[], &[]);
    let client = home.client();
    client.call::<Value>("tools", "add", (1, 1)).unwrap();
    let slow = beside({
        let client = client.clone();
        move || client.call::<u64>("tools", "later", (1_500, 1)).map(|_| Instant::now())
    });
    let calls: Vec<_> = (0..20_u64)
        .map(|n| {
            let client = client.clone();
            beside(move || client.call::<u64>("tools", "later", (20 - n, n)).unwrap())
        })
        .collect();
    let answers: Vec<u64> = calls.into_iter().map(|call| call.join().unwrap()).collect();
    let quick = Instant::now();
    assert_eq!(answers, (0..20).collect::<Vec<_>>());
    assert!(slow.join().unwrap().unwrap() > quick);
}

#[test]
fn a_cancel_reaches_the_worker_with_its_id_and_the_worker_stays() {
    let home = Home::new();
    serve(&home, &[], &[]);
    let client = home.client();
    let pid: u32 = client.call("tools", "pid", ()).unwrap();
    let mut stream = client.stream::<String>("tools", "flood", ("heeds",)).unwrap();
    stream.next().unwrap().unwrap();
    drop(stream);
    let error = client
        .request("tools", "later")
        .timeout(Duration::from_millis(50))
        .args((100_000,))
        .call::<Value>()
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Deadline);
    eventually(SOON, "both are cancelled", || {
        let told: Value = client.call("tools", "told", ()).unwrap();
        let Some(Value::List(cancelled)) = told.get("cancelled") else { return None };
        (cancelled.len() == 2).then_some(())
    });
    assert_eq!(client.call::<u32>("tools", "pid", ()).unwrap(), pid);
}

#[test]
fn the_death_of_a_worker_answers_every_open_call_with_its_last_words() {
    let home = Home::new();
    let file = lives_of(&home);
    serve(&home, &[], &["--lives", &file]);
    let client = home.client();
    client.call::<Value>("tools", "add", (1, 1)).unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            beside(move || client.call::<Value>("tools", "later", (100_000, 1)))
        })
        .collect();
    eventually(SOON, "all three wait", || {
        let tasks = home.mesh(&["tasks", "tools", "-o", "json"]).exits(0).json();
        (tasks.as_array().unwrap().len() == 3).then_some(())
    });
    let died = client.call::<Value>("tools", "die", (7,)).unwrap_err();
    for error in waiting.into_iter().map(|call| call.join().unwrap().unwrap_err()).chain([died]) {
        assert_eq!(error.code(), ErrorCode::Application, "{error}");
        assert!(error.message().contains("status 7: out of paper"), "{error}");
        assert_eq!(error.data().unwrap().get("status"), Some(&Value::from(7)));
    }
    home.mesh(&["call", "tools", "add", "1", "1"]).exits(0).prints("2\n");
    assert_eq!(lives(&file).len(), 2);
    let log = home.mesh(&["logs", "tools"]).exits(0).stdout;
    assert!(log.contains("out of paper") && log.contains("exited with status 7"), "{log}");
}

#[test]
fn a_worker_may_leave_when_it_has_answered_and_is_started_for_the_next_call() {
    let home = Home::new();
    let file = lives_of(&home);
    serve(&home, &[], &["--lives", &file]);
    for life in 1..=8 {
        home.client().call::<Value>("tools", "add", (1, 1)).unwrap();
        assert_eq!(lives(&file).len(), life);
        let died = home.client().call::<Value>("tools", "die", (0,)).unwrap_err();
        assert!(died.message().contains("status 0"), "{died}");
    }
}

#[test]
fn a_worker_that_ends_at_once_is_started_five_times_and_then_suspended() {
    let home = Home::new();
    let file = lives_of(&home);
    serve(&home, &["--method", "m"], &["--lives", &file, "--exit", "3"]);
    let client = home.client();
    let begun = Instant::now();
    let codes: Vec<_> = (0..8)
        .map(|_| client.call::<Value>("tools", "m", ()).unwrap_err())
        .map(|error| (error.code(), error.to_string()))
        .collect();
    assert!(codes.iter().all(|(_, told)| told.contains("status 3: no paper")), "{codes:?}");
    if begun.elapsed() < Duration::from_secs(10) {
        assert_eq!(codes[7].0, ErrorCode::Busy, "{codes:?}");
        assert!(lives(&file).len() <= 5);
    }
}

#[test]
fn a_worker_that_announces_nothing_is_refused_unless_its_methods_are_typed() {
    let home = Home::new();
    for (first, why) in [
        ("hello", "its first line is hello"),
        ("{\"methods\":[]}", "it names no method"),
        ("{\"methods\":[\"a\",\"a\"]}", "twice"),
        ("{\"methods\":[\"mesh.a\"]}", "namespace"),
    ] {
        let typed = words(&["serve", "tools", "--worker"], &[], &["--first", first]);
        home.mesh(&typed).exits(5).says(why).says("--method");
    }
    let typed = words(&["serve", "tools", "--worker"], &[], &["--exit", "3"]);
    home.mesh(&typed).exits(5).says("status 3").says("no paper");
    let began = Instant::now();
    let typed = words(&["serve", "tools", "--worker"], &[], &["--silent"]);
    home.mesh(&typed).exits(5).says("within 8 s");
    assert!(began.elapsed() >= Duration::from_secs(8));
    home.mesh(&["serve", "tools", "--worker", "--", "no-such-program-xyz"]).exits(3);
    assert!(home.registry().read().unwrap().entries.is_empty());
    serve(&home, &["--method", "add", "--stream", "count", "--method", "e=echo 7"], &["--silent"]);
    home.mesh(&["call", "tools", "add", "2", "3"]).exits(0).prints("5\n");
    home.mesh(&["stream", "tools", "count", "2"]).exits(0).prints("1\n2\n");
    home.mesh(&["call", "tools", "e"]).exits(0).prints("7\n");
}

#[test]
fn lines_that_are_no_answers_harm_no_call() {
    let home = Home::new();
    serve(&home, &[], &[]);
    let lines = [
        "debug: hello",
        "{\"id\":$ID}",
        "{\"id\":99,\"value\":1}",
        "{\"id\":$ID,\"value\":1,\"error\":2}",
        "",
        "[1]",
        "{\"value\":1,\"id\":$ID}",
        "{\"id\":$ID,\"value\":2}",
    ];
    assert_eq!(home.client().call::<u64>("tools", "lines", texts(&lines)).unwrap(), 1);
    let log = home.mesh(&["logs", "tools"]).exits(0).stdout;
    for told in ["debug: hello", "no call has its `id`", "has no `item`", "more than one"] {
        assert!(log.contains(told), "{told} in\n{log}");
    }
    for (line, code) in [
        ("{\"id\":$ID,\"value\":{no}}", ErrorCode::BadValue),
        ("{\"id\":$ID,\"value\":NaN}", ErrorCode::BadValue),
        ("{\"id\":$ID,\"value\":18446744073709551616}", ErrorCode::BadValue),
        ("{\"id\":$ID,\"item\":1}", ErrorCode::BadValue),
        ("{\"id\":$ID,\"error\":\"no\"}", ErrorCode::Application),
        (
            "{\"id\":$ID,\"error\":{\"message\":\"m\",\"code\":\"bad_arguments\"}}",
            ErrorCode::BadArguments,
        ),
        ("{\"id\":$ID,\"error\":{\"message\":\"m\",\"code\":1042}}", ErrorCode::Other(1_042)),
        (
            "{\"id\":$ID,\"error\":{\"message\":\"m\",\"code\":\"deadline\"}}",
            ErrorCode::Application,
        ),
    ] {
        let error = home.client().call::<Value>("tools", "lines", (line,)).unwrap_err();
        assert_eq!(error.code(), code, "{line}: {error}");
    }
    home.mesh(&["call", "tools", "add", "1", "1"]).exits(0).prints("2\n");
}

#[test]
fn a_worker_that_prints_nothing_but_noise_is_ended() {
    let home = Home::new();
    let file = lives_of(&home);
    serve(&home, &[], &["--lives", &file]);
    let noise = texts(&["noise"; 100]);
    let error = home.client().call::<Value>("tools", "lines", noise).unwrap_err();
    assert!(error.message().contains("100 lines"), "{error}");
    home.mesh(&["call", "tools", "add", "1", "1"]).exits(0).prints("2\n");
    assert_eq!(lives(&file).len(), 2);
}

#[test]
fn a_line_that_is_too_long_ends_its_call_and_no_other() {
    let home = Home::new();
    serve(&home, &[], &[]);
    let client = home.client();
    let pid: u32 = client.call("tools", "pid", ()).unwrap();
    let big = |bytes: u64| {
        let call = client.request("tools", "big").timeout(SOON).args((bytes,));
        call.call::<String>().map(|text| text.len() as u64)
    };
    assert_eq!(big(9 << 20).unwrap(), 9 << 20);
    for bytes in [17 << 20, 25 << 20, 60 << 20] {
        assert_eq!(big(bytes).unwrap_err().code(), ErrorCode::TooLarge, "{bytes}");
    }
    assert_eq!(client.call::<u32>("tools", "pid", ()).unwrap(), pid);
}

#[test]
fn a_slow_reader_pauses_a_worker_that_heeds_it() {
    let home = Home::new();
    serve(&home, &[], &[]);
    let client = home.client();
    let mut stream = client.stream::<String>("tools", "flood", ("heeds",)).unwrap();
    stream.next().unwrap().unwrap();
    eventually(SOON, "it was asked to pause", || {
        let told: Value = client.call("tools", "told", ()).unwrap();
        told.get("pauses").and_then(Value::as_u64).filter(|pauses| *pauses > 0)
    });
    // Others are served while it pauses, for longer than a stream may hold them up.
    let end = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < end {
        assert_eq!(client.call::<u64>("tools", "add", (1, 1)).unwrap(), 2);
        pause(Duration::from_millis(50));
    }
    for _ in 0..5_000 {
        stream.next().unwrap().unwrap();
    }
}

#[test]
fn a_slow_reader_of_a_deaf_stream_is_waited_for_alone_and_ended_when_others_wait() {
    let home = Home::new();
    serve(&home, &[], &[]);
    let client = home.client();
    let mut alone = client.stream::<u64>("tools", "count", (60_000,)).unwrap();
    alone.next().unwrap().unwrap();
    pause(Duration::from_millis(1_500));
    assert_eq!(alone.map(|item| item.unwrap()).last(), Some(60_000));

    let mut stream = client.stream::<String>("tools", "flood", ("deaf",)).unwrap();
    stream.next().unwrap().unwrap();
    // Each of these waits too, once the stream is full: then it is ended, and not before.
    eventually(SOON, "the stream is cancelled", || {
        let told: Value = client.request("tools", "told").timeout(SOON).call().unwrap();
        matches!(told.get("cancelled"), Some(Value::List(ids)) if !ids.is_empty()).then_some(())
    });
    let error = stream.find_map(Result::err).expect("an end");
    assert_eq!(error.code(), ErrorCode::Busy, "{error}");
}

#[test]
fn a_worker_that_does_not_read_is_busy_and_not_waited_for() {
    let home = Home::new();
    serve(&home, &["--method", "m"], &["--silent", "--deaf"]);
    let client = home.client();
    let large = "x".repeat(1 << 20);
    let busy = eventually(SOON, "it is busy", || {
        let call = client.request("tools", "m").timeout(Duration::from_millis(200));
        let error = call.args((large.as_str(),)).call::<Value>().unwrap_err();
        (error.code() == ErrorCode::Busy).then_some(error)
    });
    assert!(busy.message().contains("standard input"), "{busy}");
    home.mesh(&["stop", "tools"]).exits(0);
    eventually(SOON, "all have ended", || home.processes().is_empty().then_some(()));
}

#[test]
fn a_worker_that_stays_after_its_input_is_ended_with_its_app() {
    let home = Home::new();
    serve(&home, &[], &["--stays"]);
    home.client().call::<Value>("tools", "start", ()).unwrap();
    home.mesh(&["stop", "tools"]).exits(0);
    eventually(SOON, "all have ended", || home.processes().is_empty().then_some(()));
}

#[test]
fn a_worker_ends_with_an_app_that_is_killed() {
    let home = Home::new();
    let mut app = Proc::spawn(&mut home.mesh_command(&words(
        &["serve", "tools", "--worker"],
        &[],
        &["--stays"],
    )));
    app.line("ready");
    home.client().call::<Value>("tools", "start", ()).unwrap();
    app.kill();
    eventually(SOON, "all have ended", || home.processes().is_empty().then_some(()));
}

/// A process that is left behind and holds the output does not keep calls from hearing of the end.
#[test]
#[cfg(unix)] // unix-only: elsewhere the end of its output tells of a worker's end
fn a_killed_worker_is_noticed_though_its_child_holds_the_pipe() {
    let home = Home::new();
    serve(&home, &[], &[]);
    let client = home.client();
    client.call::<Value>("tools", "start", ()).unwrap();
    let pid: u32 = client.call("tools", "pid", ()).unwrap();
    let waiting = beside({
        let client = client.clone();
        move || client.request("tools", "later").timeout(SOON).args((100_000,)).call::<Value>()
    });
    eventually(SOON, "it waits", || {
        let tasks = home.mesh(&["tasks", "tools", "-o", "json"]).exits(0).json();
        (tasks.as_array().unwrap().len() == 1).then_some(())
    });
    crate::support::platform::kill(pid);
    let error = waiting.join().unwrap().unwrap_err();
    assert!(error.message().contains("signal 9"), "{error}");
    assert_eq!(client.call::<u64>("tools", "add", (1, 1)).unwrap(), 2);
}

#[test]
#[cfg(unix)] // unix-only: `sh` can close its output and live on
fn a_worker_that_closes_its_output_is_ended_and_started_again() {
    let home = Home::new();
    let script = "echo '{\"methods\":[\"m\"]}'; read x; exec >&-; sleep 1000";
    home.mesh(&["serve", "-d", "tools", "--worker", "--", "sh", "-c", script]).exits(0);
    for _ in 0..2 {
        let error = home.client().request("tools", "m").timeout(SOON).call::<Value>().unwrap_err();
        assert!(error.message().contains("closed its standard output"), "{error}");
    }
}
