//! A child for tests on every platform: this test program once more, which runs one test only.
//! That one does the steps of a script in its environment, and ends the process.
//!
//! The harness prints a few lines of its own before the first step.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::take_ready_signal;
use crate::sys::clock;

/// The variable that holds the script: steps, separated by semicolons.
pub(crate) const SCRIPT_VARIABLE: &str = "SCRIPT";

/// How long a child waits at its gate: longer than any test, and not for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command line of a child that does the steps of its environment, and then ends well.
pub(crate) fn command() -> Vec<String> {
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let test = format!("{}::a_script_is_done", module_path!().split_once("::").unwrap().1);
    vec![program, "--exact".to_owned(), test, "--nocapture".to_owned()]
}

#[test]
fn a_script_is_done() {
    // Else it is the harness that runs all tests.
    if let Ok(script) = std::env::var(SCRIPT_VARIABLE) {
        let mut steps = script.split(';').map(str::trim).filter(|step| !step.is_empty());
        while let Some(step) = steps.next() {
            match step {
                "hand-over" => hand_over(&steps.by_ref().collect::<Vec<_>>().join(";")),
                _ => run(step),
            }
        }
        std::process::exit(0);
    }
}

fn run(step: &str) {
    let (verb, object) = step.split_once(' ').unwrap_or((step, ""));
    match verb {
        // Counts a start.
        "count" => append("COUNT", "start\n"),
        // Owns the name: for itself, or for another process.
        "own" => {
            let pid =
                if object.is_empty() { std::process::id().to_string() } else { object.into() };
            let (new, path) = (path("OWNER").with_extension("new"), path("OWNER"));
            fs::write(&new, pid).unwrap();
            fs::rename(new, path).unwrap();
        }
        "ready" => take_ready_signal().unwrap().ready(),
        "say" => writeln!(io::stderr(), "{object}").unwrap(),
        "about" => about(),
        // Waits until the test removes this file, be it with its whole directory.
        "gate" => {
            let (gate, end) = (path("GATE"), Instant::now() + PATIENCE);
            while gate.exists() && Instant::now() < end {
                clock::pause(Duration::from_millis(5));
            }
        }
        "exit" => std::process::exit(object.parse().unwrap()),
        _ => panic!("no such step: {step}"),
    }
}

/// Prints what the child was given.
fn about() {
    let mut out = io::stdout().lock();
    for (key, value) in std::env::vars_os() {
        writeln!(out, "env {}={}", key.display(), value.display()).unwrap();
    }
    for argument in std::env::args_os().skip(1) {
        writeln!(out, "arg {}", argument.display()).unwrap();
    }
    writeln!(out, "cwd {}", std::env::current_dir().unwrap().display()).unwrap();
    writeln!(out, "input {:?}", io::read_to_string(io::stdin()).unwrap()).unwrap();
}

/// Another process does the rest, and this one ends badly.
fn hand_over(rest: &str) {
    let (program, args) = (std::env::current_exe().unwrap(), std::env::args_os().skip(1));
    Command::new(program).args(args).env(SCRIPT_VARIABLE, rest).spawn().unwrap();
    std::process::exit(1);
}

fn append(variable: &str, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path(variable)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn path(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap().into()
}
