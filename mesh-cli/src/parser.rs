//! Reads the command line and the variables behind it.
//!
//! The definitions are in `args`. What they cannot say is here: a variable that is empty is not
//! set, one yields to what is typed, and a bound that would bound nothing is refused.

use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};

use crate::args::{Cli, Command};

/// Parses the command line and the variables.
///
/// # Errors
/// What clap says: bad usage, and also the texts of `--help` and `--version`.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    parse_from(std::env::args_os())
}

pub(crate) fn parse_from(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let mut definition = without_variables(Cli::command(), &is_empty);
    let mut typed = definition.try_get_matches_from_mut(args)?;
    let from = |source: Option<ValueSource>| source == Some(ValueSource::CommandLine);
    let bounded = from(typed.value_source("timeout"));
    let all_at_once = typed.subcommand().filter(|(_, below)| {
        below.try_contains_id("args").is_ok() && from(below.value_source("args"))
    });
    let all_at_once = all_at_once.is_some();
    let mut cli = Cli::from_arg_matches_mut(&mut typed)?;
    let mut conflict = |text| Err(definition.error(ErrorKind::ArgumentConflict, text));
    if bounded && !cli.command.can_be_bounded() {
        return conflict(
            "--timeout bounds nothing in this command; its waits have their own bounds",
        );
    }
    if let Command::Call(given) | Command::Stream(given) = &mut cli.command
        && !given.arguments.is_empty()
    {
        if all_at_once {
            return conflict("--args gives all arguments at once: leave out the single ones");
        }
        // What is typed wins over a variable.
        given.args = None;
    }
    Ok(cli)
}

/// The definition without the variables of these names: a variable that is empty is not set.
fn without_variables(command: clap::Command, is_empty: &dyn Fn(&OsStr) -> bool) -> clap::Command {
    let forget = |arg: clap::Arg| match arg.get_env().is_some_and(is_empty) {
        true => arg.env(None::<&'static str>),
        false => arg,
    };
    command.mut_args(forget).mut_subcommands(|below| without_variables(below, is_empty))
}

/// The variables of all flags. A command that an app runs must not inherit them: it would behave
/// otherwise than when the app is launched.
pub(crate) fn variables() -> Vec<String> {
    fn collect(command: &clap::Command, found: &mut Vec<String>) {
        let names = command.get_arguments().filter_map(clap::Arg::get_env);
        found.extend(names.map(|name| name.to_string_lossy().into_owned()));
        command.get_subcommands().for_each(|below| collect(below, found));
    }
    let mut found = Vec::new();
    collect(&Cli::command(), &mut found);
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &[&str]) -> Result<Cli, clap::Error> {
        parse_from(std::iter::once("mesh").chain(line.iter().copied()).map(OsString::from))
    }

    #[test]
    fn a_bound_that_bounds_nothing_is_refused() {
        for line in [&["stop", "a"][..], &["logs", "a", "-f"], &["tour"], &["registry", "path"]] {
            assert!(typed(line).is_ok(), "{line:?}");
            assert!(typed(&[line, &["--timeout", "1s"]].concat()).is_err(), "{line:?}");
        }
        for line in [&["launch", "a"][..], &["call", "a", "m"], &["ps"], &["registry", "list"]] {
            assert!(typed(&[line, &["--timeout", "1s"]].concat()).is_ok(), "{line:?}");
        }
        assert!(typed(&["--timeout", "1s", "stop", "a"]).is_err());
    }

    #[test]
    fn an_empty_variable_is_forgotten() {
        let empty = |name: &OsStr| name == "MESH_OUTPUT" || name == "MESH_ARGS";
        let left = without_variables(Cli::command(), &empty);
        let has = |command: &clap::Command, name: &str| {
            command.get_arguments().filter_map(clap::Arg::get_env).any(|env| env == name)
        };
        assert!(!has(&left, "MESH_OUTPUT") && has(&left, "MESH_TIMEOUT"));
        let call = left.find_subcommand("call").unwrap();
        assert!(!has(call, "MESH_ARGS"));
    }

    #[test]
    fn all_arguments_at_once_exclude_single_ones() {
        assert!(typed(&["call", "a", "m", "--args", "[1]"]).is_ok());
        assert!(typed(&["call", "a", "m", "1", "--args", "[1]"]).is_err());
    }
}
