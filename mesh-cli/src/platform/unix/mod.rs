//! Process groups, signals and `sh`.

mod guard;

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

use mesh_core::Result;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::End;
pub(crate) use guard::{Guard, keep as guard};

/// What a child learns by that its launcher waits for it; no business of what it starts itself.
pub(crate) const READY_VARIABLE: &str = "MESH_READY_FD";

/// What runs a command.
pub(crate) const SHELL: &str = "sh";

/// A command that greets its first argument.
pub(crate) const HELLO: &str = "echo \"hello $1\"";

/// What a person may type to serve a command.
pub(crate) const EXAMPLE: &str = "--method 'hello=echo \"hello $1\"' or --stream 'count=seq $1'";

/// How a method with a shell command is typed.
pub(crate) const SHELL_FORM: &str = "Write it as --method 'NAME=COMMAND', in quotes.";

/// How a shell is given a value that it does not run.
pub(crate) const SHELL_WAY: &str =
    "Use --method 'NAME=COMMAND', with \"$1\" or \"$MESH_ARG_1\" in the shell's text.";

/// How JSON is quoted for the shell, and what needs no quotes.
pub(crate) const QUOTED_JSON: &str = "'{\"a\":1}', or a=1";

/// Endings of files that a shell reads when they are started: a script here names its interpreter.
pub(crate) const BATCH: &[&str] = &[];

/// A folder that every system has, with some hundred files in and below it.
pub(crate) const FOLDER: &str = "/etc";

/// Linux marks the path of a program that was replaced while it runs: the new one is meant, that
/// the path itself leads to.
pub(super) fn current(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(replaced) if !path.exists() => PathBuf::from(replaced),
        _ => path,
    }
}

/// Terminals show colours as they are.
pub(crate) fn prepare_terminal() -> bool {
    true
}

/// `sh -c COMMAND NAME ARG...`: positional arguments are the shell's.
///
/// # Errors
/// None here.
pub(crate) fn shell(
    text: &str,
    app: &str,
    positional: &[String],
    _variables: &[(String, String)],
) -> Result<Command> {
    let mut command = Command::new(SHELL);
    command.arg("-c").arg(text).arg(app).args(positional);
    Ok(command)
}

/// What a shell command says of itself.
pub(crate) fn shell_doc(text: &str) -> String {
    format!("sh -c '{text}'")
}

/// Why the shell cannot run this text: `sh` reads any.
pub(crate) fn bad_command(_text: &str) -> Option<&'static str> {
    None
}

/// Whether what was to be started is a file that the system cannot run.
pub(crate) fn is_no_program(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error())
}

/// The signal that ended a process, if one did.
pub(crate) fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// A command and what it starts: a process group. Whoever has it reaps the command, and only
/// then the group's id may pass on.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) leader: Child,
}

impl Group {
    /// Starts the command in a group of its own.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        Ok(Self { leader: command.process_group(0).spawn()? })
    }

    /// Ends all of it. Not after the leader was reaped.
    ///
    /// # Errors
    /// What the system says: nobody is left, for example.
    pub(crate) fn end(&self, how: End) -> io::Result<()> {
        signal_group(self.leader.id(), how)
    }

    /// Whether anything of it is alive.
    pub(crate) fn lives(&self) -> bool {
        group_lives(self.leader.id())
    }

    /// What blocks until the leader has ended, and does not reap it. Whoever reaps it sees to it
    /// that it has ended before.
    #[expect(clippy::unnecessary_wraps, reason = "the other system has none")]
    pub(crate) fn until_ended(&self) -> Option<impl FnOnce() + Send + use<>> {
        let leader = Pid::from_child(&self.leader);
        Some(move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(leader), options) {}
        })
    }

    /// Whether the leader has ended and waits to be reaped.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn has_ended(&mut self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(Pid::from_child(&self.leader)), options)?.is_some())
    }
}

/// Ends a process group of which somebody is known to live.
fn signal_group(group: u32, how: End) -> io::Result<()> {
    let signal = if how == End::Kill { Signal::KILL } else { Signal::TERM };
    let group = i32::try_from(group).ok().and_then(Pid::from_raw);
    kill_process_group(group.ok_or(io::ErrorKind::InvalidInput)?, signal)?;
    Ok(())
}

/// Whether anything in a process group is alive; one that only waits to be reaped is not.
#[cfg(target_os = "linux")]
fn group_lives(group: u32) -> bool {
    let group = group.to_string();
    let is_member = |stat: &[u8]| {
        let stat = String::from_utf8_lossy(stat);
        // The program's name, in parentheses, may hold anything.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.next().is_some_and(|state| !matches!(state, "Z" | "X"))
            && fields.nth(1) == Some(group.as_str())
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .any(|entry| std::fs::read(entry.path().join("stat")).is_ok_and(|stat| is_member(&stat)))
}

/// Elsewhere a group of processes that only wait to be reaped cannot be signalled.
#[cfg(not(target_os = "linux"))]
fn group_lives(group: u32) -> bool {
    let group = i32::try_from(group).ok().and_then(Pid::from_raw);
    group.is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok())
}
