//! `mesh serve --exec`: a program without a shell as a method.

use mesh_core::Shape;

use crate::support::Home;
use crate::support::home::app_name;
use crate::support::programs::{copy, executable, remove, test_app};

/// A program that prints its arguments, each on a line.
fn print() -> [&'static str; 2] {
    [test_app(), "--words"]
}

fn serve(home: &Home, how: &[&str], words: &[&str]) {
    home.mesh(&[&["serve", "-d", "printer"], how, &["--"], &print(), words].concat()).exits(0);
}

#[test]
fn a_program_gets_positional_and_named_arguments_at_their_places() {
    let home = Home::new();
    serve(&home, &["--exec", "print"], &["{0}-{name}-{{0}}"]);
    home.mesh(&["call", "printer", "print", "x", "name=y"]).exits(0).prints("\"x-y-{0}\"\n");
    home.mesh(&["call", "printer", "print", "1", "[2]"]).exits(0).prints("\"1-[2]-{0}\"\n");
    for (arguments, why) in [
        (&["x"][..], "`name` is missing"),
        (&["x", "y", "z"], "it takes 0, name"),
        (&["x", "nane=y"], "`name`"),
    ] {
        home.mesh(&[&["call", "printer", "print"], arguments].concat()).exits(4).says(why);
    }
}

#[test]
fn a_program_is_registered_with_its_parameters_and_launched_by_the_next_call() {
    let home = Home::new();
    serve(&home, &["--method", "quick=echo 1", "--exec", "print"], &["{what}"]);
    home.mesh(&["stop", "printer"]).exits(0);
    let described = home.mesh(&["describe", "printer.print", "-o", "json"]).exits(0).json();
    assert_eq!(described["params"], serde_json::json!(["what"]));
    let entry = home.registry().entry(&app_name("printer")).unwrap().unwrap();
    assert_eq!(entry.command[entry.command.len() - print().len() - 2], "--");
    assert_eq!(entry.command.last().unwrap(), "{what}");
    home.mesh(&["call", "printer", "print", "again"]).exits(0).prints("\"again\"\n");
    home.mesh(&["call", "printer", "quick"]).exits(0).prints("1\n");
    serve(&home, &["--method", "quick=echo 1", "--exec", "print"], &["{what}"]);
    let other = ["serve", "-d", "printer", "--exec", "print", "--", print()[0], "{what}"];
    home.mesh(&other).exits(5).says("not with these commands");
}

#[test]
fn the_lines_of_a_program_are_items() {
    let home = Home::new();
    serve(&home, &["--exec-stream", "print"], &["{0}"]);
    home.mesh(&["stream", "printer", "print", "one"]).exits(0).prints("\"one\"\n");
    let entry = home.registry().entry(&app_name("printer")).unwrap().unwrap();
    assert_eq!((entry.methods[0].shape, entry.methods[0].open), (Shape::Stream, false));
}

#[test]
fn what_cannot_be_run_is_told_at_once_or_with_the_call() {
    let home = Home::new();
    for (words, why) in [
        (&["--exec", "m"][..], "no program"),
        (&["--", "p"], "no method"),
        (&["--exec", "m", "--", "{0}"], "the program"),
        (&["--exec", "m", "--", "p", "{"], "brace"),
        (&["--exec", "mesh.m", "--", "p"], "namespace"),
        (&["--exec", "m", "--exec-stream", "n", "--", "p"], "one program"),
        (&["--exec", "a=b", "--", "p"], "--exec a -- PROGRAM"),
        (&["--exec", "m", "--", "sh", "-c", "echo {0}"], "--method"),
        (&["--exec", "m", "--", "C:\\x\\cmd.exe", "/c", "echo", "{0}"], "--method"),
    ] {
        home.mesh(&[&["serve", "-d", "nothing"], words].concat()).exits(2).says(why);
    }
    assert!(home.registry().read().unwrap().entries.is_empty());
    let notes = home.beside("notes.txt");
    std::fs::write(&notes, "").unwrap();
    for (program, code, why) in [
        ("no-such-program", 3, "\"no-such-program\" is in PATH"),
        ("./no-such-program", 3, "does not exist"),
        (notes.to_str().unwrap(), 6, "may not be executed"),
    ] {
        for detached in [&["-d"][..], &[]] {
            let serve = [&["serve"], detached, &["nothing", "--exec", "m", "--", program, "{0}"]];
            home.mesh(&serve.concat()).exits(code).says(why);
        }
    }
    assert!(home.registry().read().unwrap().entries.is_empty());
}

#[test]
fn a_program_that_is_gone_when_it_is_called_is_named_with_the_next_step() {
    let home = Home::new();
    let tool = executable(&home.beside("tool"));
    copy(test_app(), &tool);
    let program = tool.to_str().unwrap();
    home.mesh(&["serve", "-d", "tool", "--exec", "m", "--", program, "--words", "{0}"]).exits(0);
    home.mesh(&["call", "tool", "m", "a"]).exits(0).prints("\"a\"\n");
    remove(&tool);
    home.mesh(&["call", "tool", "m", "a"]).exits(1).says("cannot start").says("full path");
}

#[test]
fn a_shell_is_served_where_no_caller_gives_it_words() {
    let home = Home::new();
    let shell: &[&str] =
        if cfg!(windows) { &["cmd", "/d", "/c", "echo", "1"] } else { &["sh", "-c", "echo 1"] };
    home.mesh(&[&["serve", "-d", "one", "--exec", "m", "--"], shell].concat()).exits(0);
    home.mesh(&["call", "one", "m"]).exits(0).prints("1\n");
}

#[test]
fn no_value_is_more_than_one_word() {
    let home = Home::new();
    serve(&home, &["--exec", "print"], &["{0}", "{1}"]);
    let call = ["call", "printer", "print", "a b; exit 1 $(exit 1)", "\"\\\"& | %PATH% *\""];
    let printed = "\"a b; exit 1 $(exit 1)\\n\\\"& | %PATH% *\"\n";
    home.mesh(&call).exits(0).prints(printed);
}

#[test]
#[cfg(windows)] // windows-only: sh takes any value as a parameter
fn a_value_that_cmd_could_run_is_refused_in_its_text_and_passes_as_a_variable() {
    let home = Home::new();
    let commands = ["--method", "text=echo %1", "--method", "variable=echo !MESH_ARG_1!"];
    home.mesh(&[&["serve", "-d", "shell"], &commands[..]].concat()).exits(0);
    for value in ["a&b", "a|b", "x\" & exit 1", "(", "^"] {
        home.mesh(&["call", "shell", "text", value]).exits(4).says("!MESH_ARG_1!");
        let printed: String = home.client().call("shell", "variable", (value,)).unwrap();
        assert_eq!(printed, value);
    }
    home.mesh(&["call", "shell", "text", "gr\u{fc}n \u{65e5}"]).prints("\"gr\u{fc}n \u{65e5}\"\n");
}

#[test]
#[cfg(windows)] // windows-only: sh reads a script once
fn what_cmd_reads_twice_takes_harmless_values_only() {
    let home = Home::new();
    let commands =
        ["--method", "found=echo !MESH_ARG_1!| find \"a\"", "--method", "none=echo [%MESH_ARG_1%]"];
    home.mesh(&[&["serve", "-d", "shell"], &commands[..]].concat()).exits(0);
    for value in ["a & exit 7", "a|b", "%PATH%"] {
        home.mesh(&["call", "shell", "found", value]).exits(4).says("--exec");
    }
    home.mesh(&["call", "shell", "found", "a b"]).exits(0).prints("\"a b\"\n");
    home.mesh(&["call", "shell", "none"]).exits(0).prints("[]\n");
    let long = "x".repeat(9_000);
    let error = home.client().call::<String>("shell", "found", (long,)).unwrap_err();
    assert_eq!(error.code(), mesh_core::ErrorCode::BadArguments);
    assert!(error.message().contains("8191"), "{error}");
}
