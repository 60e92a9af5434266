//! A shell command behind a method: how it is called, and what its output means.
//!
//! `sh -c COMMAND NAME ARG...`: positional arguments are the shell's, named ones are variables.
//! Standard output is the value, or a line of it an item, and is bounded by the size of a message.
//! How the process itself is watched and ended is `running`'s business.

use std::process::{Command, ExitStatus, Stdio};

use mesh_core::{Args, Context, Error, ErrorCode, Limits, Result, Shape, Sink, Value};

use crate::argument;
use crate::parser;
use crate::platform;
use crate::serve::guard::Guard;
use crate::serve::running::Running;

/// A command behind a method.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    app: String,
    command: String,
    hidden: Vec<String>,
    limit: usize,
    guard: Guard,
}

impl Shell {
    /// `command` as a method of `app`.
    pub(crate) fn new(app: &str, command: &str, guard: Guard) -> Self {
        let limit = Limits::default().message;
        // A command behaves the same whether the app was started by hand or launched.
        let hidden = parser::variables();
        Self { app: app.to_owned(), command: command.to_owned(), hidden, limit, guard }
    }

    /// Runs the command; its standard output is the value.
    pub(crate) fn value(&self, context: &Context, args: &Args) -> Result<Value> {
        let mut printed = Vec::new();
        self.run(context, args, |piece| {
            printed.extend_from_slice(piece);
            self.within_limit(printed.len(), Shape::Value)
        })?;
        if printed.last() == Some(&b'\n') {
            printed.pop();
        }
        Ok(argument::lenient(printed))
    }

    /// Runs the command; each line of its standard output is an item.
    pub(crate) fn items(&self, sink: &Sink, args: &Args) -> Result<()> {
        let mut rest = Vec::new();
        self.run(sink, args, |piece| {
            for line in whole_lines(&mut rest, piece) {
                sink.send(&argument::lenient(line))?;
            }
            self.within_limit(rest.len(), Shape::Stream)
        })?;
        if rest.is_empty() { Ok(()) } else { sink.send(&argument::lenient(rest)) }
    }

    fn within_limit(&self, printed: usize, shape: Shape) -> Result<()> {
        if printed <= self.limit {
            return Ok(());
        }
        let mib = self.limit >> 20;
        let (what, advice) = match shape {
            Shape::Stream => (
                format!("a line that the command printed is longer than {mib} MiB"),
                "Let it print shorter lines, or write a file and print its name.",
            ),
            _ => (
                format!("the command printed more than {mib} MiB"),
                "Let it print less, or serve it with --stream, where each line is an item.",
            ),
        };
        Err(Error::new(ErrorCode::TooLarge, what).hint(advice))
    }

    fn run(
        &self,
        context: &Context,
        args: &Args,
        each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let running =
            Running::start(self.prepared(args, context.call_path())?, self.guard.clone())?;
        let _guard = context.cancel_token().on_cancel(running.waker());
        let ended = running.watch(|| context.is_cancelled(), each)?;
        if context.is_cancelled() {
            return Err(Error::new(ErrorCode::Cancelled, "the command was ended by a cancel"));
        }
        if ended.status.success() { Ok(()) } else { Err(failed(ended.status, &ended.stderr)) }
    }

    fn prepared(&self, args: &Args, path: &[String]) -> Result<Command> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).arg(&self.app);
        command.args(args.positional.iter().map(argument::to_text));
        for name in &self.hidden {
            command.env_remove(name);
        }
        // Calls that the command makes know where they come from, so a circle of them ends.
        command.env("MESH_CALL_PATH", path.join(","));
        // The launcher's pipe is this process's, not the command's.
        command.env_remove("MESH_READY_FD");
        for (name, value) in variables(args)? {
            command.env(name, value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        platform::in_own_group(&mut command);
        Ok(command)
    }
}

/// Adds a piece to what is left of the last one, and takes out the lines that are whole.
fn whole_lines(rest: &mut Vec<u8>, piece: &[u8]) -> Vec<Vec<u8>> {
    let from = rest.len();
    rest.extend_from_slice(piece);
    let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let after = rest.split_off(from + end + 1);
    let whole = std::mem::replace(rest, after);
    whole[..from + end].split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// The named arguments as variables.
fn variables(args: &Args) -> Result<Vec<(String, String)>> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for (key, value) in &args.named {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name = format!("MESH_ARG_{}", key.chars().map(letter).collect::<String>());
        if variables.iter().any(|(given, _)| *given == name) {
            let message = format!("two arguments are both ${name}, one of them {key:?}");
            return Err(Error::new(ErrorCode::BadArguments, message));
        }
        variables.push((name, argument::to_text(value)));
    }
    Ok(variables)
}

fn failed(status: ExitStatus, tail: &str) -> Error {
    let how = match (status.code(), platform::signal_of(status)) {
        (Some(code), _) => format!("the command exited with status {code}"),
        (None, Some(signal)) => format!("the command was ended by signal {signal}"),
        (None, None) => "the command failed".to_owned(),
    };
    let details = Value::from([
        ("status", status.code().map_or(Value::Null, Value::from)),
        ("signal", platform::signal_of(status).map_or(Value::Null, Value::from)),
    ]);
    let message = if tail.is_empty() { how } else { format!("{how}: {tail}") };
    Error::application(message).details(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_arguments_are_variables_in_capitals() {
        let args = Args::new().with_named("folder", "/a b").with_named("max-size", 5);
        let expected = [("MESH_ARG_FOLDER", "/a b"), ("MESH_ARG_MAX_SIZE", "5")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables(&args).unwrap(), expected);
        let twice = Args::new().with_named("a", 1).with_named("A", 2);
        assert_eq!(variables(&twice).unwrap_err().code(), ErrorCode::BadArguments);
    }

    #[test]
    fn a_null_character_is_a_bad_argument() {
        let shell = Shell::new("greeter", "true", Guard::default());
        let command = shell.prepared(&Args::new().with("a\0b"), &[]).unwrap();
        assert_eq!(
            Running::start(command, Guard::default()).err().unwrap().code(),
            ErrorCode::BadArguments
        );
    }

    #[test]
    fn a_command_sees_its_name_and_arguments_and_fails_with_its_last_lines() {
        let shell = Shell::new(
            "greeter",
            "echo \"no $1 and $MESH_ARG_CUP for $0\" >&2; exit 3",
            Guard::default(),
        );
        let args = Args::new().with("tea").with_named("cup", Value::List(vec![1.into()]));
        let running =
            Running::start(shell.prepared(&args, &[]).unwrap(), Guard::default()).unwrap();
        let ended = running.watch(|| false, |_| Ok(())).unwrap();
        let error = failed(ended.status, &ended.stderr);
        let told = "the command exited with status 3: no tea and [1] for greeter";
        assert_eq!(error.message(), told);
        assert_eq!(error.data().and_then(|data| data.get("status")), Some(&Value::from(3)));
    }

    #[test]
    fn a_line_that_is_too_long_is_not_told_to_be_streamed() {
        let shell = Shell::new("greeter", "true", Guard::default());
        let error = |shape| shell.within_limit(shell.limit + 1, shape).unwrap_err();
        assert!(error(Shape::Value).next_step().unwrap().contains("--stream"));
        assert!(!error(Shape::Stream).next_step().unwrap().contains("--stream"));
        assert!(error(Shape::Stream).message().starts_with("a line"));
        assert!(shell.within_limit(shell.limit, Shape::Stream).is_ok());
    }

    #[test]
    fn pieces_are_cut_into_lines_wherever_they_break() {
        let text = b"a\n\nbc\nd";
        for size in 1..=text.len() {
            let (mut rest, mut lines) = (Vec::new(), Vec::new());
            for piece in text.chunks(size) {
                for line in whole_lines(&mut rest, piece) {
                    lines.push(String::from_utf8(line).unwrap());
                }
            }
            assert_eq!((lines.join(","), rest), ("a,,bc".to_owned(), b"d".to_vec()), "{size}");
        }
    }
}
