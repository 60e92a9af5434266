//! `mesh serve --exec`: a program without a shell as a method.

use mesh_core::{ErrorCode, Shape};

use crate::support::Home;
use crate::support::home::app_name;

/// A program that every system has and that prints its arguments: the shell's own on Windows, so
/// that values with quotes and the like are tried with the other one only.
const PRINT: &[&str] =
    if cfg!(windows) { &["cmd.exe", "/d", "/c", "echo"] } else { &["printf", "%s\\n"] };

fn serve(home: &Home, how: &[&str], words: &[&str]) {
    home.mesh(&[&["serve", "-d", "printer"], how, &["--"], PRINT, words].concat()).exits(0);
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
    assert_eq!(entry.command[entry.command.len() - PRINT.len() - 2], "--");
    assert_eq!(entry.command.last().unwrap(), "{what}");
    home.mesh(&["call", "printer", "print", "again"]).exits(0).prints("\"again\"\n");
    home.mesh(&["call", "printer", "quick"]).exits(0).prints("1\n");
    serve(&home, &["--method", "quick=echo 1", "--exec", "print"], &["{what}"]);
    let other = ["serve", "-d", "printer", "--exec", "print", "--", PRINT[0], "{what}"];
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
    ] {
        home.mesh(&[&["serve", "-d", "nothing"], words].concat()).exits(2).says(why);
    }
    assert!(home.registry().read().unwrap().entries.is_empty());
    home.mesh(&["serve", "-d", "nothing", "--exec", "m", "--", "no-such-program"]).exits(0);
    let error = home.client().call::<String>("nothing", "m", ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Application);
    assert!(error.message().contains("no-such-program"), "{error}");
}

#[test]
#[cfg(unix)] // unix-only: what prints on Windows is a shell, which would read these values
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
    assert_eq!(error.code(), ErrorCode::BadArguments);
    assert!(error.message().contains("8191"), "{error}");
}
