//! `mesh call APP METHOD [ARG]...`: prints the value.

use std::io::Read;

use mesh_core::{AppName, Args, Client, Error, MethodName, Request, Value};

use crate::args::Invocation;
use crate::argument::{self, BadArgument};
use crate::context::Context;
use crate::failure::{Failure, Result, app_name, usage};
use crate::signal::Second;
use crate::{near, platform, signal};

/// Bytes of arguments that are read from a file or from standard input.
const INPUT_MAX: u64 = 64 << 20;

/// Sends what was typed, and prints the value.
pub(crate) fn run(context: &Context, invocation: &Invocation) -> Result {
    let (asked, request) = Asked::new(context, invocation)?;
    let value: Value = request.call().map_err(|error| asked.improve(error))?;
    Ok(context.output.value(&value)?)
}

/// Who is asked for what: all that is known before anything is sent.
pub(crate) struct Asked<'a> {
    context: &'a Context,
    client: Client,
    app: AppName,
    method: String,
}

impl<'a> Asked<'a> {
    /// Checks what was typed, and makes a request of it that Ctrl-C cancels.
    pub(crate) fn new(context: &'a Context, invocation: &Invocation) -> Result<(Self, Request)> {
        let app = app_name(&invocation.app)?;
        let method = method_name(&invocation.method)?;
        let args = arguments(invocation)?;
        let token = signal::token(Second::Quits)?;
        let client = context.client()?;
        let request = context.request(&client, &app, &method, &token).args(args);
        Ok((Self { context, client, app, method }, request))
    }

    /// Adds near names to an error about a name.
    pub(crate) fn improve(&self, error: Error) -> Error {
        near::improve(error, self.context, &self.client, &self.app, &self.method)
    }
}

/// Checks a method's name that was typed.
pub(crate) fn method_name(text: &str) -> Result<String> {
    MethodName::parse(text)
        .map(|name| name.as_str().to_owned())
        .map_err(|bad| Failure::usage(bad.into()))
}

/// The arguments of a call or stream, however they were given.
pub(crate) fn arguments(invocation: &Invocation) -> Result<Args> {
    let read = match invocation.args.as_deref() {
        None => argument::all(&invocation.arguments),
        Some("-") => argument::at_once(&input("standard input", std::io::stdin())?),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => {
                let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
                argument::at_once(&input(path, file)?)
            }
            None => argument::at_once(text),
        },
    };
    read.map_err(bad_argument)
}

fn input(source: &str, from: impl Read) -> Result<String> {
    let mut text = String::new();
    from.take(INPUT_MAX + 1).read_to_string(&mut text).map_err(|e| unreadable(source, &e))?;
    if text.len() as u64 > INPUT_MAX {
        let mib = INPUT_MAX >> 20;
        return Err(usage(
            format!("{source} holds more than {mib} MiB"),
            "Pass the name of a file and let the app read it.",
        ));
    }
    Ok(text)
}

fn unreadable(source: &str, error: &std::io::Error) -> Failure {
    usage(
        format!("cannot read the arguments from {source}: {error}"),
        "--args takes JSON, @FILE, or - for standard input.",
    )
}

fn bad_argument(bad: BadArgument) -> Failure {
    let advice = format!(
        "Quote the whole argument for the shell: {}.\n\
         A text that begins with {{, [ or \" is written as a JSON string.",
        platform::QUOTED_JSON
    );
    if bad.picture.is_empty() {
        return usage(bad.reason, "`mesh call --help` has the rule.");
    }
    usage(bad.reason, format!("{}\n{advice}", bad.picture))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code;

    fn given(arguments: &[&str], args: Option<&str>) -> Invocation {
        Invocation {
            app: "a".to_owned(),
            method: "m".to_owned(),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            args: args.map(str::to_owned),
        }
    }

    #[test]
    fn arguments_come_from_the_line_or_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"a\": [1]}\n").unwrap();
        let at = format!("@{}", file.path().display());
        let read = arguments(&given(&[], Some(&at))).unwrap();
        assert_eq!(read.named[0].0, "a");
        assert_eq!(arguments(&given(&["1"], None)).unwrap().positional, [Value::from(1)]);
    }

    #[test]
    fn bad_json_is_a_usage_error_with_a_caret() {
        let failure = arguments(&given(&["{a:1}"], None)).unwrap_err();
        assert_eq!(failure.code, exit_code::USAGE);
        let error = failure.error.unwrap();
        assert!(error.next_step().unwrap().contains("{a:1}\n ^\n"), "{error:?}");
        assert!(error.next_step().unwrap().contains("a=1"), "{error:?}");
        assert_eq!(error.message().matches("JSON").count(), 1, "{error:?}");
    }

    #[test]
    fn a_missing_file_is_a_usage_error() {
        let failure = arguments(&given(&[], Some("@/nowhere/args.json"))).unwrap_err();
        assert_eq!(failure.code, exit_code::USAGE);
    }
}
