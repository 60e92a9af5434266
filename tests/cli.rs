//! The `mesh` command as a person and a script use it: output, exit codes, the argument rule.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::programs::{executable, test_app};
use crate::support::{Home, Proc, shell};

#[test]
fn an_argument_is_json_only_if_it_prints_back_the_same() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    for (argument, printed) in [
        ("null", "null"),
        ("true", "true"),
        ("42", "42"),
        ("-7", "-7"),
        ("1.5", "1.5"),
        ("1.10", "\"1.10\""),
        ("007", "\"007\""),
        ("1e3", "\"1e3\""),
        ("12345678901234567890123", "\"12345678901234567890123\""),
        ("plain text", "\"plain text\""),
        ("", "\"\""),
        ("[1, 2]", "[1,2]"),
        ("{\"a\": 1}", "{\"a\":1}"),
        ("\"quoted\"", "\"quoted\""),
        ("https://x/?a=b", "\"https://x/?a=b\""),
        ("value=5", "5"),
        ("value:=\"5\"", "\"5\""),
        ("{\"$bytes\":\"AP8=\"}", "{\"$bytes\":\"AP8=\"}"),
    ] {
        let call = home.mesh(&["call", "one", "echo", argument]).exits(0);
        assert_eq!(call.stdout.trim_end(), printed, "{argument}");
    }
}

#[test]
fn what_looks_like_json_and_is_not_is_a_usage_error() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    for argument in ["{a: 1}", "[1,", "\"open", "value:=text", "value:="] {
        let call = home.mesh(&["call", "one", "echo", argument]).exits(2).prints("");
        assert!(call.stderr.contains("JSON"), "{argument}: {call}");
    }
}

#[test]
fn all_arguments_can_be_given_at_once() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    home.mesh(&["call", "one", "add", "--args", "[1,2]"]).exits(0).prints("3\n");
    home.mesh(&["call", "one", "add", "--args", "{\"b\":2,\"a\":1}"]).exits(0).prints("3\n");
    let file = home.beside("args.json");
    std::fs::write(&file, "[3,4]").unwrap();
    let at = format!("@{}", file.display());
    home.mesh(&["call", "one", "add", "--args", &at]).exits(0).prints("7\n");
    home.mesh(&["call", "one", "add", "--args", "5"]).exits(2);
    home.mesh(&["call", "one", "add", "--args", "@/no/such/file"]).exits(2).says("/no/such/file");
}

#[test]
fn output_forms_are_one_line_pretty_or_raw() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let value = "{\"a\":[1,2]}";
    home.mesh(&["call", "one", "echo", value]).prints("{\"a\":[1,2]}\n");
    home.mesh(&["call", "one", "echo", value, "-o", "json"]).prints("{\"a\":[1,2]}\n");
    let pretty = home.mesh(&["call", "one", "echo", value, "-o", "pretty"]).exits(0);
    assert!(pretty.stdout.lines().count() > 1, "{pretty}");
    assert_eq!(pretty.json(), json!({"a": [1, 2]}));
    let raw = home.mesh(&["call", "one", "echo", "a text", "-o", "raw"]).exits(0);
    assert_eq!(raw.stdout.trim_end(), "a text");
    home.mesh(&["call", "one", "echo", value, "-o", "nonsense"]).exits(2);
}

#[test]
fn what_a_peer_says_is_escaped_for_terminals() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let fail = home.mesh(&["call", "one", "fail", "\u{1b}]0;owned\u{7}\r\u{202e}"]).exits(1);
    let hostile = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
    assert!(!fail.stderr.contains(hostile), "{:?}", fail.stderr);
    let call = home.mesh(&["call", "one", "echo", "\u{1b}[31m"]).exits(0);
    assert!(!call.stdout.contains('\u{1b}'), "{:?}", call.stdout);
    assert_eq!(call.json(), "\u{1b}[31m");
}

#[test]
fn unknown_apps_are_answered_with_near_names() {
    let home = Home::new();
    home.registered("greeter", &[]);
    home.mesh(&["call", "gretter", "hello"]).exits(3).prints("").says("greeter");
    home.mesh(&["describe", "gretter"]).exits(3).says("greeter");
    home.mesh(&["launch", "nothing-like-it"]).exits(3);
}

#[test]
fn a_name_that_is_not_allowed_is_a_usage_error_with_a_better_one() {
    let home = Home::new();
    home.mesh(&["call", "Scanner", "scan"]).exits(2).says("scanner");
    for name in ["", "..", "a/b", "con", &"n".repeat(64)] {
        home.mesh(&["ping", name]).exits(2);
    }
    home.mesh(&["no-such-command"]).exits(2);
    home.mesh(&["call", "one"]).exits(2);
}

#[test]
fn describe_works_while_the_app_is_off() {
    let home = Home::new();
    home.app("one", &[]).kill();
    let describe = home.mesh(&["describe", "one"]).exits(0);
    assert!(describe.stdout.contains("add") && describe.stdout.contains("sum"), "{describe}");
    let one = home.mesh(&["describe", "one.add", "-o", "json"]).exits(0);
    let text = one.json().to_string();
    assert!(text.contains("\"a\"") && text.contains("\"b\""), "{one}");
    home.mesh(&["describe", "one.ad"]).exits(4).says("add");
    assert!(home.client().live().unwrap().is_empty(), "describing launches nothing");
}

#[test]
fn lists_are_arrays_of_objects_with_the_promised_keys() {
    let home = Home::new();
    home.registered("off", &[]);
    let app = home.app("on", &["--version", "1.2"]);
    let list = home.mesh(&["registry", "list", "-o", "json"]).exits(0).json();
    let live: Vec<(&str, bool)> = rows(&list)
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["live"].as_bool().unwrap()))
        .collect();
    assert_eq!(live, [("off", false), ("on", true)]);
    let ps = home.mesh(&["ps", "-o", "json"]).exits(0).json();
    assert_eq!(rows(&ps).len(), 1);
    assert_eq!((&ps[0]["name"], &ps[0]["pid"]), (&json!("on"), &json!(app.pid())));
    for row in rows(&list).iter().chain(rows(&ps)) {
        for key in ["name", "live", "pid", "kind", "command", "cwd"] {
            assert!(row.get(key).is_some(), "{key} in {row}");
        }
    }
    let table = home.mesh(&["ps", "-o", "table"]).exits(0);
    assert!(
        table.stdout.contains("on") && table.stdout.contains(&app.pid().to_string()),
        "{table}"
    );
}

fn rows(json: &Json) -> &[Json] {
    json.as_array().expect("an array")
}

#[test]
fn entries_are_added_shown_and_removed_by_hand() {
    let home = Home::new();
    let folder = home.beside("folder");
    std::fs::create_dir(&folder).unwrap();
    let cwd = folder.to_str().unwrap();
    let add = ["registry", "add", "one", "--cwd", cwd, "--env", "K=V", "--", test_app(), "-x"];
    home.mesh(&add).exits(0);
    let show = home.mesh(&["registry", "show", "one", "-o", "json"]).exits(0).json();
    assert_eq!(show["command"], json!([test_app(), "-x"]));
    assert_eq!((&show["cwd"], &show["env"]["K"]), (&json!(cwd), &json!("V")));
    let path = home.mesh(&["registry", "path"]).exits(0);
    assert_eq!(path.stdout.trim_end(), home.registry_file().to_str().unwrap());
    home.mesh(&["registry", "remove", "one"]).exits(0);
    home.mesh(&["registry", "show", "one"]).exits(3);
    home.mesh(&["registry", "remove", "one"]).exits(3);
    let missing = home.beside("missing");
    let add = ["registry", "add", "one", "--", missing.to_str().unwrap()];
    home.mesh(&add).exits(3).says("missing");
}

#[test]
fn a_timeout_ends_with_124_and_has_a_variable() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    home.mesh(&["call", "one", "block", "60000", "--timeout", "200ms"])
        .exits(124)
        .says("`--timeout`")
        .prints("");
    let mut call = home.mesh_command(&["call", "one", "block", "60000"]);
    Proc::spawn(call.env("MESH_TIMEOUT", "200ms")).wait().exits(124).prints("");
    home.mesh(&["call", "one", "block", "1", "--timeout", "soon"]).exits(2);
    home.mesh(&["call", "one", "block", "5500", "--timeout", "0"]).exits(0).prints("5500\n");
}

#[test]
fn ctrl_c_cancels_on_the_server_and_ends_with_130() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut stream = Proc::interruptible(&mut home.mesh_command(&["stream", "one", "tick", "20"]));
    assert_eq!(stream.line("1"), "1");
    stream.interrupt();
    stream.wait().exits(130);
    home.counted("one", "tick_told", 1);
    home.mesh(&["tasks", "one", "-o", "json"]).exits(0).prints("[]\n");
    let call = Proc::interruptible(&mut home.mesh_command(&["call", "one", "until_cancelled"]));
    home.counted("one", "waiting", 1);
    call.interrupt();
    call.wait().exits(130).prints("");
    home.counted("one", "told", 1);
}

#[test]
fn a_second_ctrl_c_quits_at_once() {
    let home = Home::new();
    let app = home.app("one", &[]);
    let mut stream = Proc::interruptible(&mut home.mesh_command(&["stream", "one", "tick", "20"]));
    stream.line("1");
    app.freeze();
    stream.interrupt();
    crate::support::pause(Duration::from_millis(300));
    stream.interrupt();
    stream.wait_within(Duration::from_secs(2)).exits(130);
    app.thaw();
}

#[test]
fn a_closed_pipe_is_quiet() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut piped = Proc::spawn(&mut home.mesh_command(&["stream", "one", "tick", "1"]));
    assert_eq!((piped.line(""), piped.line("")), ("1".to_owned(), "2".to_owned()));
    piped.close_stdout();
    assert_eq!(piped.wait().stderr, "");
}

#[test]
fn help_and_version_are_on_stdout() {
    let home = Home::new();
    for command in ["call", "stream", "serve", "registry", "tour"] {
        let help = home.mesh(&[command, "--help"]).exits(0);
        assert!(help.stdout.contains("Usage"), "{help}");
    }
    assert!(home.mesh(&["--version"]).exits(0).stdout.starts_with("mesh "));
}

#[test]
fn a_variable_yields_to_what_is_typed_and_an_empty_one_is_unset() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut call = home.mesh_command(&["call", "one", "add", "1", "2"]);
    Proc::spawn(call.env("MESH_ARGS", "[5,6]")).wait().exits(0).prints("3\n");
    let mut call = home.mesh_command(&["call", "one", "add"]);
    Proc::spawn(call.env("MESH_ARGS", "[5,6]")).wait().exits(0).prints("11\n");
    let mut call = home.mesh_command(&["call", "one", "add", "1", "2"]);
    for name in ["MESH_OUTPUT", "MESH_TIMEOUT", "MESH_ARGS", "MESH_COLOR", "MESH_VERBOSE"] {
        call.env(name, "");
    }
    Proc::spawn(&mut call).wait().exits(0).prints("3\n");
    home.mesh(&["call", "one", "add", "1", "2", "--args", "[5,6]"]).exits(2);
}

#[test]
fn a_timeout_bounds_a_launch_and_is_refused_where_it_bounds_nothing() {
    let home = Home::new();
    home.registered("slow", &["--hang"]);
    let began = std::time::Instant::now();
    home.mesh(&["launch", "slow", "--timeout", "300ms"]).exits(124).says("still starting");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    for line in [&["stop", "slow"][..], &["logs", "slow", "-f"]] {
        home.mesh(&[line, &["--timeout", "1s"]].concat()).exits(2).says("--timeout");
    }
    let mut stop = home.mesh_command(&["stop", "slow"]);
    Proc::spawn(stop.env("MESH_TIMEOUT", "1s")).wait().exits(0);
}

#[test]
fn an_answer_that_is_too_large_is_told_with_what_a_shell_can_do() {
    let home = Home::new();
    let large = format!("large={}", shell::print_letters(16 << 20));
    home.mesh(&["serve", "-d", "shell", "--method", &large]).exits(0);
    let call = home.mesh(&["call", "shell", "large"]).exits(1).prints("").says("16 MiB");
    assert!(!call.stderr.contains("Limits::") && call.stderr.contains("file"), "{call}");
}

#[test]
#[cfg(target_os = "linux")] // linux-only: /dev/full
fn output_that_cannot_be_written_is_not_the_methods_error() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut shell = home.command("sh");
    let mesh = crate::support::program("mesh");
    shell.arg("-c").arg(format!("'{}' call one add 1 2 >/dev/full", mesh.display()));
    Proc::spawn(&mut shell).wait().exits(5).says("standard output").says("room");
}

#[test]
fn what_a_launch_would_refuse_is_not_added() {
    use crate::support::platform::{private, share};
    let home = Home::new();
    let shared = home.beside("shared");
    std::fs::create_dir(&shared).unwrap();
    share(&shared);
    let program = executable(&shared.join("program"));
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    private(&program);
    let (shared, program) = (shared.to_str().unwrap(), program.to_str().unwrap());
    let folder = home.path();
    let add = |cwd: &str, program: &str| {
        home.mesh(&["registry", "add", "one", "--cwd", cwd, "--", program])
    };
    let safe = folder.to_str().unwrap();
    add(shared, test_app()).exits(6).says("cwd").says(shared);
    add(safe, program).exits(6).says(shared);
    #[cfg(unix)] // unix-only: elsewhere the ending of its name tells a program
    {
        let plain = home.beside("plain");
        std::fs::write(&plain, "#!/bin/sh\n").unwrap();
        add(safe, plain.to_str().unwrap()).exits(6).says("executed");
    }
    add(safe, shared).exits(3).says("is a directory");
    home.mesh(&["registry", "show", "one"]).exits(3);
}
