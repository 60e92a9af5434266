//! What is behind a served method: how it is called, and what its output means.
//!
//! Arguments reach a command by the shell, a program at the places of its template; both have
//! them as variables too. Standard output is the value, or a line of it an item, and is bounded by
//! the size of a message. How the process itself is watched and ended is `running`'s business.

use std::ffi::OsString;
use std::process::{Command, ExitStatus, Stdio};

use mesh_core::{Args, Context, Error, ErrorCode, Limits, Result, Shape, Sink, Value};

use crate::argument;
use crate::parser;
use crate::platform::{self, ARGUMENT_VARIABLE as VARIABLE, Guard};
use crate::serve::running::Running;
use crate::serve::spec::Work;

/// A command or a program behind a method.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    app: String,
    work: Work,
    hidden: Vec<OsString>,
    limit: usize,
    guard: Guard,
}

impl Served {
    /// `work` as a method of `app`.
    pub(crate) fn new(app: &str, work: &Work, guard: Guard) -> Self {
        let limit = Limits::default().message;
        Self { app: app.to_owned(), work: work.clone(), hidden: hidden(), limit, guard }
    }

    /// Runs the command; its standard output is the value.
    pub(crate) fn value(&self, context: &Context, args: &Args) -> Result<Value> {
        let mut printed = Vec::new();
        self.run(context, args, |piece| {
            printed.extend_from_slice(piece);
            self.within_limit(printed.len(), Shape::Value)
        })?;
        Ok(argument::lenient(without_break(printed)))
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
        let positional: Vec<String> = args.positional.iter().map(argument::to_text).collect();
        let variables = variables(&positional, args)?;
        let mut command = match &self.work {
            Work::Shell(text) => platform::shell(text, &self.app, &positional, &variables)?,
            Work::Program(template) => {
                let program = template
                    .found
                    .as_ref()
                    .map_or(template.program.as_ref(), |found| found.as_os_str());
                let mut command = Command::new(program);
                command.args(template.fill(args)?);
                command
            }
            Work::Worker => {
                return Err(Error::new(ErrorCode::Internal, "a worker's method is no command"));
            }
        };
        for name in &self.hidden {
            command.env_remove(name);
        }
        // Calls that the command makes know where they come from, so a circle of them ends.
        command.env("MESH_CALL_PATH", path.join(","));
        command.envs(variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }
}

/// The variables that a command does not have: it behaves the same whether the app was started by
/// hand or launched, and has no arguments but its own.
pub(crate) fn hidden() -> Vec<OsString> {
    let of_arguments = |name: &OsString| {
        let name = name.to_string_lossy().to_ascii_uppercase();
        name.starts_with(VARIABLE)
    };
    let inherited = std::env::vars_os().map(|(name, _)| name).filter(of_arguments);
    let hidden = parser::variables().into_iter().map(OsString::from).chain(inherited);
    // The launcher's pipe is this process's, not the command's.
    hidden.chain([OsString::from(platform::READY_VARIABLE)]).collect()
}

/// Adds a piece to what is left of the last one, and takes out the lines that are whole.
fn whole_lines(rest: &mut Vec<u8>, piece: &[u8]) -> Vec<Vec<u8>> {
    let from = rest.len();
    rest.extend_from_slice(piece);
    let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let after = rest.split_off(from + end + 1);
    let whole = std::mem::replace(rest, after);
    let lines = whole[..from + end].split(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec()).collect()
}

/// Without the break of its last line, of either kind.
fn without_break(mut printed: Vec<u8>) -> Vec<u8> {
    if printed.ends_with(b"\n") {
        printed.pop();
        if printed.ends_with(b"\r") {
            printed.pop();
        }
    }
    printed
}

/// The arguments as variables: positional ones by their number, from 1 on, named ones by their
/// key.
fn variables(positional: &[String], args: &Args) -> Result<Vec<(String, String)>> {
    let numbered = (1..).zip(positional);
    let numbered =
        numbered.map(|(at, value): (usize, _)| (format!("{VARIABLE}{at}"), value.clone()));
    let mut variables: Vec<(String, String)> = numbered.collect();
    for (key, value) in &args.named {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name = format!("{VARIABLE}{}", key.chars().map(letter).collect::<String>());
        if variables.iter().any(|(given, _)| *given == name) {
            let message = format!("two arguments are both ${name}, one of them {key:?}");
            return Err(Error::new(ErrorCode::BadArguments, message));
        }
        variables.push((name, argument::to_text(value)));
    }
    Ok(variables)
}

fn failed(status: ExitStatus, tail: &str) -> Error {
    ended("the command", status, tail)
}

/// The error for a process that has ended: how, and its last words.
pub(crate) fn ended(what: &str, status: ExitStatus, tail: &str) -> Error {
    let how = match (status.code(), platform::signal_of(status)) {
        (Some(code), _) => format!("{what} exited with status {code}"),
        (None, Some(signal)) => format!("{what} was ended by signal {signal}"),
        (None, None) => format!("{what} failed"),
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
    use crate::serve::template::Template;

    #[test]
    fn named_arguments_are_variables_in_capitals() {
        let args = Args::new().with_named("folder", "/a b").with_named("max-size", 5);
        let expected = [("MESH_ARG_FOLDER", "/a b"), ("MESH_ARG_MAX_SIZE", "5")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables(&[], &args).unwrap(), expected);
        let twice = Args::new().with_named("a", 1).with_named("A", 2);
        assert_eq!(variables(&[], &twice).unwrap_err().code(), ErrorCode::BadArguments);
    }

    #[test]
    fn positional_arguments_are_variables_by_their_number() {
        let given = ["x".to_owned(), "y".to_owned()];
        let expected = [("MESH_ARG_1", "x"), ("MESH_ARG_2", "y")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables(&given, &Args::new()).unwrap(), expected);
        assert!(variables(&given, &Args::new().with_named("2", 1)).is_err());
    }

    fn shell(text: &str) -> Served {
        Served::new("greeter", &Work::Shell(text.to_owned()), Guard::default())
    }

    fn started(served: &Served, args: &Args) -> Result<Running> {
        Running::start(served.prepared(args, &[])?, Guard::default())
    }

    #[test]
    fn a_null_character_is_a_bad_argument() {
        let error = started(&shell("exit"), &Args::new().with("a\0b")).err().unwrap();
        assert_eq!(error.code(), ErrorCode::BadArguments);
    }

    #[test]
    fn a_command_sees_its_name_and_arguments_and_fails_with_its_last_lines() {
        let text = match cfg!(windows) {
            true => "echo no %1 and !MESH_ARG_CUP! for %0 1>&2& exit 3",
            false => "echo \"no $1 and $MESH_ARG_CUP for $0\" >&2; exit 3",
        };
        let args = Args::new().with("tea").with_named("cup", Value::List(vec![1.into()]));
        let ended = started(&shell(text), &args).unwrap().watch(|| false, |_| Ok(())).unwrap();
        let error = failed(ended.status, &ended.stderr);
        let told = "the command exited with status 3: no tea and [1] for greeter";
        assert_eq!(error.message(), told);
        assert_eq!(error.data().and_then(|data| data.get("status")), Some(&Value::from(3)));
    }

    #[test]
    fn any_value_passes_through_a_variable_and_is_never_run() {
        let text = match cfg!(windows) {
            true => "echo !MESH_ARG_1!",
            false => "printf '%s\\r\\n' \"$MESH_ARG_1\"",
        };
        for value in [
            "a&b|c",
            "\"x\" & exit 1 & \"",
            "100%^!",
            "$(exit 1)`exit 1`",
            "a)(<>b",
            "\u{fc}\u{65e5}",
        ] {
            let mut printed = Vec::new();
            let each = |piece: &[u8]| {
                printed.extend_from_slice(piece);
                Ok(())
            };
            let running = started(&shell(text), &Args::new().with(value)).unwrap();
            assert!(running.watch(|| false, each).unwrap().status.success(), "{value}");
            assert_eq!(without_break(printed), value.as_bytes());
        }
    }

    #[test]
    fn a_program_that_cannot_be_started_is_named() {
        let template = Template::parse(&["no-such-program-xyz".to_owned()]).unwrap();
        let served = Served::new("greeter", &Work::Program(template), Guard::default());
        let error = started(&served, &Args::new()).err().unwrap();
        assert_eq!(error.code(), ErrorCode::Application);
        assert!(error.message().contains("no-such-program-xyz"), "{error}");
    }

    #[test]
    fn a_script_without_its_interpreter_is_told_to_have_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("script{}", std::env::consts::EXE_SUFFIX));
        std::fs::write(&path, "print(1)\n").unwrap();
        let own = std::env::current_exe().unwrap().metadata().unwrap();
        std::fs::set_permissions(&path, own.permissions()).unwrap();
        let mut template = Template::parse(&["script".to_owned()]).unwrap();
        template.found = Some(path);
        let served = Served::new("greeter", &Work::Program(template), Guard::default());
        let error = loop {
            let error = started(&served, &Args::new()).err().unwrap();
            // A child of another test, just born, may still hold the file open.
            if !error.to_string().contains("busy") {
                break error;
            }
        };
        assert_eq!(error.code(), ErrorCode::Application);
        assert!(error.next_step().unwrap().contains("interpreter"), "{error}");
    }

    #[test]
    fn a_line_that_is_too_long_is_not_told_to_be_streamed() {
        let shell = shell("exit");
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
