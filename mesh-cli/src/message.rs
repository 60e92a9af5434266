//! The only writer to standard error: all talk, each line of it begun with `mesh: `.
//!
//! What comes from a peer is escaped here. Standard error that is gone or full is no reason to
//! fail, so errors of writing are dropped.

use std::io::{IsTerminal, Write};

use log::LevelFilter;
use mesh_core::{Error, ErrorCode, json};

use crate::args::{Color, Global};
use crate::platform::prepare_terminal;
use crate::{escape, exit_code};

const RED: &str = "\x1b[1;31m";
const PLAIN: &str = "\x1b[0m";

/// What is said beside the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    quiet: bool,
    verbose: bool,
    color: bool,
}

impl Message {
    /// As the flags want it.
    pub(crate) fn new(global: &Global) -> Self {
        let color = match global.color {
            Color::Always => !std::io::stderr().is_terminal() || prepare_terminal(),
            Color::Never => false,
            Color::Auto => colored_by_default() && prepare_terminal(),
        };
        Self { quiet: global.quiet, verbose: global.verbose > 0, color }
    }

    /// What went wrong, and the next step.
    pub(crate) fn error(self, error: &Error) {
        let prefix = if self.color { format!("{RED}mesh:{PLAIN}") } else { "mesh:".to_owned() };
        write(&format!("{prefix} {}", told(error, self.verbose)));
    }

    /// Something that a person may want to know; `--quiet` suppresses it.
    pub(crate) fn notice(self, text: &str) {
        if !self.quiet {
            write(&format!("mesh: {}\n", escape::lines(text)));
        }
    }

    /// What a program of the user's says itself, such as a worker: its own lines, unmarked.
    pub(crate) fn of_program(text: &str) {
        write(&escape::lines(text));
    }

    /// Whether notices and bars are shown at all.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Lets the runtime log: what `MESH_LOG` asks for, else by the number of `-v`.
    pub(crate) fn start_log(self, verbose: u8) {
        let level = match verbose {
            0 => LevelFilter::Error,
            1 => LevelFilter::Info,
            2 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        };
        let mut logger = env_logger::Builder::new();
        logger.filter_level(level).parse_env("MESH_LOG").format(|out, record| {
            let text = record.args().to_string();
            writeln!(out, "mesh: [{}] {}", record.level(), escape::line(&text))
        });
        // A second logger cannot be; this is the first act of the program.
        let _ = logger.try_init();
    }
}

/// What the parser of the command line has to say, and the exit code for it: help and version
/// are data, anything else is bad usage.
pub(crate) fn of_parser(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        // Help into a closed pipe is no failure.
        let _ = error.print();
        return exit_code::OK;
    }
    let rendered = error.render().to_string();
    let text = escape::lines(&rendered);
    match text.strip_prefix("error: ") {
        Some(text) => write(&format!("mesh: {text}")),
        None => write(&text),
    }
    exit_code::USAGE
}

fn colored_by_default() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !set("NO_COLOR") && !dumb && std::io::stderr().is_terminal()
}

fn told(error: &Error, verbose: bool) -> String {
    let mut text = escape::lines(&error.to_string()).into_owned();
    if verbose {
        text.push_str(&format!(" ({}, {})", error.code(), error.code().number()));
    }
    if let ErrorCode::Other(number) = error.code() {
        text.push_str(&format!(" (code {number})"));
    }
    text.push('\n');
    if let Some(data) = error.data() {
        let data = json::to_json(data).to_string();
        text.push_str(&format!("  details: {}\n", escape::json(&data)));
    }
    if let Some(hint) = error.next_step() {
        for line in escape::lines(hint).lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_data_and_next_step() {
        let error = Error::application("no such folder \"/x\"")
            .details(mesh_core::Value::from([("errno", 2)]))
            .hint("Name a folder that exists.");
        assert_eq!(
            told(&error, false),
            "no such folder \"/x\"\n  details: {\"errno\":2}\n  Name a folder that exists.\n"
        );
        assert!(told(&error, true).contains("(application, 1)"));
    }

    #[test]
    fn an_app_cannot_drive_the_terminal_through_an_error() {
        let hostile = "\x1b]0;x\x07\u{202e}\r";
        let error = Error::application(hostile).hint(hostile).details(hostile);
        let told = told(&error, false).replace('\n', "");
        assert!(!told.contains(char::is_control) && !told.contains('\u{202e}'), "{told:?}");
    }

    #[test]
    fn a_code_of_the_apps_own_is_shown() {
        assert!(told(&Error::new(ErrorCode::Other(1_042), "x"), false).contains("(code 1042)"));
    }
}
