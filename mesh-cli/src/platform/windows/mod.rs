//! Job objects and `cmd.exe`.

mod percent;
mod reading;

use std::ffi::OsString;
use std::io::{self, BufRead};
use std::os::windows::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;

use mesh_core::os::{Job, enable_escapes};
use mesh_core::{Error, ErrorCode, Result};

use super::End;

/// What a child learns by that its launcher waits for it; no business of what it starts itself.
pub(crate) const READY_VARIABLE: &str = "MESH_READY_EVENT";

/// What runs a command.
pub(crate) const SHELL: &str = "cmd.exe";

/// A command that greets its first argument.
pub(crate) const HELLO: &str = "echo hello %1";

/// What a person may type to serve a command.
pub(crate) const EXAMPLE: &str =
    "--method \"hello=echo hello %1\" or --stream \"list=dir /b !MESH_ARG_1!\"";

/// How a method with a shell command is typed.
pub(crate) const SHELL_FORM: &str = "Write it as --method \"NAME=COMMAND\", in quotes.";

/// How a shell is given a value that it does not run.
pub(crate) const SHELL_WAY: &str = "Use --method \"NAME=COMMAND\", with %1 or !MESH_ARG_1! in its \
     text; PowerShell has $env:MESH_ARG_1.";

/// How JSON is quoted for the shell, and what needs no quotes.
pub(crate) const QUOTED_JSON: &str = "\"{\\\"a\\\":1}\", or a=1";

/// Endings of files that a shell reads when they are started.
pub(crate) const BATCH: &[&str] = &[".bat", ".cmd"];

/// `ERROR_BAD_EXE_FORMAT`: a text under the name of a program.
const BAD_EXE_FORMAT: i32 = 193;

/// A folder that every system has, with some hundred files in and below it.
pub(crate) const FOLDER: &str = "C:\\Windows";

/// No window appears for a program of the console when its app has none itself; and Ctrl-C at a
/// console is for the app alone.
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// Lets `cmd.exe`, and what it starts, print UTF-8 into the pipe: in the system's own code page
/// other scripts would be question marks. It is for the console of the command alone. By its full
/// path, because a bare name is looked for in the working directory first. `(call )` forgets how
/// that ended: many commands of `cmd.exe` leave the number of the one before them.
const IN_UTF_8: &str = "\"%SystemRoot%\\System32\\chcp.com\" 65001 >nul 2>nul & (call ) & ";

/// What `cmd.exe` takes, with the values that it puts in itself, and some room for its own words.
const COMMAND_LINE_MAX: usize = 8_000;

/// The exit code of what is ended: the system's own for Ctrl-C.
const ENDED: u32 = 0xC000_013A;

pub(super) fn current(path: PathBuf) -> PathBuf {
    path
}

/// Lets the console that standard error is understand colours; answers whether it does.
pub(crate) fn prepare_terminal() -> bool {
    enable_escapes(&io::stderr())
}

/// `cmd.exe /d /v:on /s /c "COMMAND"`: `%1` and so on are put into the text here, because
/// `cmd.exe` knows them in files only.
///
/// # Errors
/// `bad_arguments` for a value that the command puts where `cmd.exe` would read it as a part of
/// itself, and for a line that is too long.
pub(crate) fn shell(
    text: &str,
    app: &str,
    positional: &[String],
    variables: &[(String, String)],
) -> Result<Command> {
    let text = percent::filled(text, app, positional, variables)?;
    if percent::length(&text, variables) > COMMAND_LINE_MAX {
        let what = "the arguments do not fit a command line of cmd.exe, with 8191 characters";
        let hint = "Pass the name of a file, or serve a program by --exec, which takes more.";
        return Err(Error::new(ErrorCode::BadArguments, what).hint(hint));
    }
    let program = std::env::var_os("ComSpec").unwrap_or_else(|| OsString::from(SHELL));
    let mut command = Command::new(program);
    // Exactly this line: `/s` takes the outer quotes off and leaves the rest as it is.
    command.raw_arg(format!("/d /v:on /s /c \"{IN_UTF_8}{text}\""));
    Ok(command)
}

/// What a shell command says of itself.
pub(crate) fn shell_doc(text: &str) -> String {
    format!("cmd /c \"{text}\"")
}

/// Why the shell cannot run this text.
pub(crate) fn bad_command(text: &str) -> Option<&'static str> {
    let broken = text.contains(['\n', '\r']);
    broken.then_some("has more than one line, of which cmd.exe would run the first")
}

/// Whether what was to be started is a file that the system cannot run.
pub(crate) fn is_no_program(error: &io::Error) -> bool {
    error.raw_os_error() == Some(BAD_EXE_FORMAT)
}

/// No signals end processes here.
pub(crate) fn signal_of(_status: ExitStatus) -> Option<i32> {
    None
}

/// A command and what it starts: a job. What the command starts in the moment before it is taken
/// in is outside of it: a cancel does not end that, the end of the app does.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) leader: Child,
    job: Job,
}

impl Group {
    /// Starts the command in a job of its own.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let job = Job::new()?;
        let mut leader = command.creation_flags(CREATE_NO_WINDOW).spawn()?;
        match job.add(&leader) {
            Ok(()) => {}
            // One that has ended already is in no job, and needs none.
            Err(_) if leader.try_wait()?.is_some() => {}
            Err(error) => {
                let _ = leader.kill();
                let _ = leader.wait();
                return Err(error);
            }
        }
        Ok(Self { leader, job })
    }

    /// Ends all of it at once: a process without a window cannot be asked.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn end(&self, _how: End) -> io::Result<()> {
        self.job.end(ENDED)
    }

    /// Whether anything of it is alive.
    pub(crate) fn lives(&self) -> bool {
        self.job.members().is_ok_and(|members| members > 0)
    }

    /// What blocks until the leader has ended: std has no such wait beside its owner's. The end
    /// of its standard output tells.
    pub(crate) fn until_ended(&self) -> Option<fn()> {
        None
    }

    /// Whether the leader has ended.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.leader.try_wait()?.is_some())
    }
}

/// The job of the app itself: the system ends what is left in it with the app, however that ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard;

/// Closed by the end of the process, and not before: that would end it.
static JOB: OnceLock<Job> = OnceLock::new();

impl Guard {
    /// Puts this process into a job.
    ///
    /// # Errors
    /// `launch_failed` when the system refuses.
    pub(crate) fn start() -> Result<Self> {
        let job = Job::of_this_process().map_err(|error| {
            Error::new(ErrorCode::LaunchFailed, "the commands cannot be bound to their app")
                .source(error)
        })?;
        // Taken already: this process is in the first one, and a second must not be closed either.
        JOB.set(job).unwrap_or_else(std::mem::forget);
        Ok(Self)
    }

    /// What starts in the job is in it.
    pub(crate) fn add(&self, _command: &Group) {}

    /// What has ended has left it.
    pub(crate) fn remove(&self, _command: &Group) {}
}

/// No process of its own guards here; one that is started by hand ends with its input.
pub(crate) fn guard(told: impl BufRead) {
    let mut told = told;
    let _ = io::copy(&mut told, &mut io::sink());
}
