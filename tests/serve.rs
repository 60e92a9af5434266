//! `mesh serve`: shell commands as an app.

use std::fs;
use std::time::Duration;

use mesh_core::{ErrorCode, Value};

use crate::support::programs::program;
use crate::support::shell::sleepers;
use crate::support::shell::{self, ARGUMENTS, BROKEN, COUNT, FAILURE, HELLO, LIST, NAMED, NOTHING};
use crate::support::wait::SOON;
use crate::support::{Home, Proc, eventually, pause};

#[test]
fn a_greeter_of_two_commands_does_all_that_an_app_does() {
    let home = Home::new();
    let serve = ["serve", "-d", "greeter", "--method", &format!("hello={HELLO}")];
    let stream = ["--stream", &format!("count={COUNT}")];
    home.mesh(&[&serve[..], &stream].concat()).exits(0);
    home.mesh(&["call", "greeter", "hello", "1.10"]).exits(0).prints("\"hello 1.10\"\n");
    home.mesh(&["stream", "greeter", "count", "3"]).exits(0).prints("1\n2\n3\n");
    home.mesh(&["stop", "greeter"]).exits(0);
    let describe = home.mesh(&["describe", "greeter"]).exits(0);
    assert!(describe.stdout.contains("hello") && describe.stdout.contains("count"), "{describe}");
    assert!(home.client().live().unwrap().is_empty());
    let again = home.mesh(&["call", "greeter", "hello", "again"]).exits(0);
    again.prints("\"hello again\"\n").says("greeter").says("ms");
    home.mesh(&["call", "gretter", "hello"]).exits(3).says("greeter");
}

fn serve(home: &Home, methods: &[&str]) {
    let mut args = vec!["serve", "-d", "shell"];
    methods.iter().for_each(|method| args.extend(["--method", method]));
    home.mesh(&args).exits(0);
}

#[test]
fn what_a_command_prints_is_read_by_the_argument_rule() {
    let home = Home::new();
    let methods = [
        "text=echo 1.10".to_owned(),
        format!("json={LIST}"),
        format!("broken={BROKEN}"),
        format!("bytes={}", shell::print("ff00")),
        format!("empty={NOTHING}"),
        format!("lines={}", shell::print("610a620a")),
    ];
    serve(&home, &methods.each_ref().map(String::as_str));
    for (method, printed) in [
        ("text", "\"1.10\""),
        ("json", "[1,2]"),
        ("broken", "\"{no\""),
        ("bytes", "{\"$bytes\":\"/wA=\"}"),
        ("empty", "\"\""),
        ("lines", "\"a\\nb\""),
    ] {
        let call = home.mesh(&["call", "shell", method]).exits(0);
        assert_eq!(call.stdout.trim_end(), printed, "{method}");
    }
}

#[test]
fn arguments_reach_the_command_as_they_are() {
    let home = Home::new();
    serve(&home, &[&format!("show={ARGUMENTS}"), &format!("named={NAMED}")]);
    let call = ["call", "shell", "show", "a b", "$(touch x)", "1.10", "7", "{\"k\": [1, 2]}"];
    home.mesh(&call).prints("\"shell|a b|$(touch x)|1.10|7|{\\\"k\\\":[1,2]}|\"\n");
    home.mesh(&["call", "shell", "named", "file_name=x y"]).prints("\"x y\"\n");
}

#[test]
fn a_command_that_fails_is_an_application_error_with_its_words() {
    let home = Home::new();
    serve(&home, &[&format!("fail={FAILURE}")]);
    home.mesh(&["call", "shell", "fail"]).exits(1).prints("").says("no paper").says("7");
    let error = home.client().call::<Value>("shell", "fail", ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Application);
}

#[test]
fn commands_end_with_an_app_that_is_killed() {
    let home = Home::new();
    let wait = format!("wait={}", shell::sleep_twice(&home));
    let commands = ["--method", &wait, "--method", "quick=echo 1"];
    let serve = [&["serve", "shell"][..], &commands].concat();
    let mut app = Proc::spawn(&mut home.mesh_command(&serve));
    app.line("ready");
    let call = Proc::spawn(&mut home.mesh_command(&["call", "shell", "wait", "--timeout", "0"]));
    eventually(SOON, "both sleep", || (sleepers(&home) == 2).then_some(()));
    // The guard is told of the command right after its start; a call later it certainly was.
    home.mesh(&["call", "shell", "quick"]).exits(0);
    app.kill();
    call.wait().exits(5);
    eventually(SOON, "all have ended", || home.processes().is_empty().then_some(()));
}

#[test]
fn a_cancel_ends_the_whole_process_group_of_the_command() {
    let home = Home::new();
    serve(&home, &[&format!("wait={}", shell::sleep_twice(&home))]);
    let sleepers = || sleepers(&home);
    let call =
        Proc::interruptible(&mut home.mesh_command(&["call", "shell", "wait", "--timeout", "0"]));
    eventually(SOON, "both sleep", || (sleepers() == 2).then_some(()));
    call.interrupt();
    call.wait().exits(130);
    eventually(SOON, "both are ended", || (sleepers() == 0).then_some(()));
}

#[test]
fn a_stream_command_is_heard_line_by_line_and_ended_by_its_reader() {
    let home = Home::new();
    let forever = format!("lines={}", shell::then(&["echo first", &shell::sleep(&home)]));
    home.mesh(&["serve", "-d", "shell", "--stream", &forever]).exits(0);
    let mut stream = Proc::spawn(&mut home.mesh_command(&["stream", "shell", "lines"]));
    assert_eq!(stream.line("\"first"), "\"first\"");
    pause(Duration::from_millis(50));
    stream.kill();
    eventually(SOON, "the command is ended", || {
        let tasks = home.mesh(&["tasks", "shell", "-o", "json"]);
        (tasks.stdout == "[]\n").then_some(())
    });
}

#[test]
fn a_second_serve_of_a_name_says_who_runs() {
    let home = Home::new();
    serve(&home, &["a=echo 1"]);
    home.mesh(&["serve", "shell", "--method", "a=echo 1"]).exits(0).says("shell");
    home.mesh(&["serve", "shell", "--method", "b=echo 2"]).exits(5).says("mesh stop shell");
    home.mesh(&["call", "shell", "a"]).exits(0).prints("1\n");
    home.mesh(&["serve", "mine", "--method", "no-command"]).exits(2);
    home.mesh(&["serve", "mine", "--method", "mesh.ping=echo 1"]);
    assert!(home.registry().entry(&crate::support::home::app_name("mine")).unwrap().is_none());
}

#[test]
fn a_served_command_that_calls_its_own_app_ends_with_the_circle_named() {
    let home = Home::new();
    let again = format!("again={}", shell::run(program("mesh"), "call shell again --timeout 18s"));
    serve(&home, &[&again]);
    // Each turn of the circle is two new processes.
    let call = home.mesh(&["call", "shell", "again", "--timeout", "18s"]).exits(1).prints("");
    assert!(call.stderr.contains("shell -> mesh -> shell"), "{call}");
}

#[test]
fn of_concurrent_starts_with_other_commands_one_runs_and_the_entry_is_its_own() {
    let home = Home::new();
    for _ in 0..3 {
        let methods = [1, 2, 3].map(|number| format!("e=echo {number}"));
        let start = |method: &String| {
            Proc::spawn(&mut home.mesh_command(&["serve", "-d", "t", "--method", method]))
        };
        let ended = methods.each_ref().map(start).map(Proc::wait);
        let won = ended.iter().position(|output| output.code == 0).expect("one of them runs");
        for (number, output) in ended.iter().enumerate().filter(|(number, _)| *number != won) {
            assert_eq!(output.code, 5, "{number} beside {won}: {output}");
            assert!(output.stderr.contains("not with these commands"), "{output}");
        }
        let printed = format!("{}\n", won + 1);
        home.mesh(&["call", "t", "e"]).exits(0).prints(&printed);
        home.mesh(&["stop", "t"]).exits(0);
        let shown = home.mesh(&["registry", "show", "t", "-o", "json"]).exits(0).json();
        assert_eq!(shown["command"][3], format!("--method={}", methods[won]), "{shown}");
        assert_eq!(shown["methods"][0]["name"], "e", "{shown}");
        home.mesh(&["registry", "remove", "t"]).exits(0);
    }
}

#[test]
fn concurrent_equal_starts_keep_what_the_registry_knows() {
    let home = Home::new();
    let start =
        |_| Proc::spawn(&mut home.mesh_command(&["serve", "-d", "s", "--method", "a=echo 1"]));
    for ended in (0..8).map(start).collect::<Vec<_>>().into_iter().map(Proc::wait) {
        ended.exits(0);
    }
    home.mesh(&["stop", "s"]).exits(0);
    assert!(home.mesh(&["describe", "s"]).exits(0).stdout.contains("echo 1"));
}

#[test]
fn a_start_that_fails_leaves_the_registry_as_it_was() {
    let home = Home::new();
    serve(&home, &["a=echo 1"]);
    home.mesh(&["stop", "shell"]).exits(0);
    let before = home.registry().entry(&crate::support::home::app_name("shell")).unwrap();
    // Without its log nothing is launched.
    let log = home.core().log_path(&crate::support::home::app_name("shell"));
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    fs::create_dir_all(log.with_extension("log.1").join("full")).unwrap();
    home.mesh(&["serve", "-d", "shell", "--method", "b=echo 2"]).exits(5);
    assert_eq!(home.registry().entry(&crate::support::home::app_name("shell")).unwrap(), before);
}

#[test]
fn a_frozen_app_is_named_with_its_pid() {
    let home = Home::new();
    let app = home.app("frozen", &[]);
    app.freeze();
    let pid = format!("pid {}", app.pid());
    let serve = ["serve", "-d", "frozen", "--method", "a=echo 1"];
    home.mesh(&serve).exits(5).says("not responding").says(&pid);
    for list in [&["ps", "-o", "json"][..], &["registry", "list", "-o", "json"]] {
        assert_eq!(home.mesh(list).exits(0).json()[0]["pid"], app.pid(), "{list:?}");
    }
    app.thaw();
}

#[test]
fn idle_streams_do_not_hold_up_a_call() {
    let home = Home::new();
    let wait = format!("wait={}", shell::then(&["echo begun", &shell::sleep(&home)]));
    let streams = ["--stream", &wait, "--method", "a=echo 1"];
    home.mesh(&[&["serve", "-d", "shell"], &streams[..]].concat()).exits(0);
    // More than the handlers that an app has by default on any machine.
    let mut readers: Vec<Proc> = (0..70)
        .map(|_| Proc::spawn(&mut home.mesh_command(&["stream", "shell", "wait"])))
        .collect();
    readers.iter_mut().for_each(|reader| drop(reader.line("\"begun")));
    home.mesh(&["call", "shell", "a"]).exits(0).prints("1\n");
}

#[test]
fn where_a_launch_would_be_refused_nothing_is_served_and_the_tour_goes_on() {
    let home = Home::new();
    let shared = home.beside("shared");
    fs::create_dir(&shared).unwrap();
    crate::support::platform::share(&shared);
    for args in [
        &["serve", "one", "--method", "a=echo 1"][..],
        &["serve", "-d", "one", "--method", "a=echo 1"],
    ] {
        let mut command = home.mesh_command(args);
        let ended = Proc::spawn(command.current_dir(&shared)).wait();
        ended.exits(6).says(shared.to_str().unwrap());
    }
    assert!(home.registry().read().unwrap().entries.is_empty());
    Proc::spawn(home.mesh_command(&["tour"]).current_dir(&shared)).wait().exits(0);
}
