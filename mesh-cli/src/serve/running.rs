//! A command that runs: its output is read, and it is ended when nobody wants it any more.
//!
//! The handler's thread owns the command; it alone signals and reaps it, so that no signal goes to
//! a process id that has passed on. Two threads read the pipes into a short queue: a reader of the
//! stream who is slow makes the queue full, the pipe full, and so the command wait. An end is
//! asked for politely, where the system can, of the whole group; what of it lives after a grace is
//! killed.

use std::io::{ErrorKind, Read};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mesh_core::{Error, ErrorCode, Result};

use crate::platform::{self, End, Group, Guard};
use crate::serve::tail::Tail;

/// How long a cancelled command may take to clean up, before it is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// How long output is waited for when the command itself has ended.
pub(crate) const REST: Duration = Duration::from_millis(100);

/// How often a command that closed its standard output is looked at: at first, and at last.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Bytes read at one time, and pieces that wait for the handler.
const PIECE: usize = 16 << 10;
const PIECES: usize = 4;

/// A command that was started and is not yet reaped. Dropping it kills its group and reaps it.
#[derive(Debug)]
pub(crate) struct Running {
    group: Group,
    guard: Guard,
    reaped: bool,
    /// When it was asked to end, and how.
    asked: Option<(Instant, End)>,
    events: SyncSender<Event>,
    queue: Receiver<Event>,
    stderr: Arc<Mutex<Tail>>,
    stderr_ended: bool,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit status.
    pub(crate) status: ExitStatus,
    /// The last lines of its standard error.
    pub(crate) stderr: String,
}

/// What the handler's thread waits for.
#[derive(Debug)]
enum Event {
    Output(Vec<u8>),
    OutputEnds,
    ErrorEnds,
    Wake,
}

impl Running {
    /// Starts the command and the two readers of its pipes; `guard` knows of it while it runs.
    ///
    /// # Errors
    /// `bad_arguments` where the arguments do not fit a command line; else why it does not start.
    pub(crate) fn start(mut command: Command, guard: Guard) -> Result<Self> {
        let group = Group::spawn(&mut command).map_err(|error| not_started(&command, error))?;
        guard.add(&group);
        let (events, queue) = sync_channel(PIECES);
        let stderr = Arc::default();
        let (asked, reaped, stderr_ended) = (None, false, false);
        let mut running = Self { group, guard, reaped, asked, events, queue, stderr, stderr_ended };
        running.read()?;
        Ok(running)
    }

    /// Makes `watch` look at once whether the command is still wanted.
    pub(crate) fn waker(&self) -> impl FnOnce() + Send + 'static {
        let events = self.events.clone();
        // A full queue needs no wake-up: the handler is on its way to look.
        move || drop(events.try_send(Event::Wake))
    }

    /// Hands on the output until the command has ended. When it is `cancelled` its group is asked
    /// to end, and nothing more is handed on.
    ///
    /// # Errors
    /// Those of `each`; the group is then killed.
    pub(crate) fn watch(
        mut self,
        cancelled: impl Fn() -> bool,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Ended> {
        let mut output_ended = false;
        let mut look = LOOK.0;
        loop {
            if cancelled() {
                self.end();
            }
            let mut pause = self.next_step();
            if output_ended || self.is_given_up() {
                if let Some(status) = self.ended()? {
                    return Ok(Ended { status, stderr: self.last_lines(status) });
                }
                pause = pause.min(look);
                look = (look * 2).min(LOOK.1);
            }
            match self.queue.recv_timeout(pause) {
                Ok(Event::Output(piece)) if self.asked.is_none() => match each(&piece) {
                    Err(_) if cancelled() => {}
                    result => result?,
                },
                Ok(Event::OutputEnds) => output_ended = true,
                Ok(Event::ErrorEnds) => self.stderr_ended = true,
                Ok(Event::Output(_) | Event::Wake) => {}
                // `self` holds a sender, so the queue is never cut off.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn read(&mut self) -> Result<()> {
        if let Some(stdout) = self.group.leader.stdout.take() {
            let events = self.events.clone();
            reader("mesh-serve-out", move || {
                // A handler that has gone wants no more; the pipe then closes.
                pieces(stdout, |piece| events.send(Event::Output(piece.to_vec())).is_ok());
                let _ = events.send(Event::OutputEnds);
            })?;
        }
        if let Some(stderr) = self.group.leader.stderr.take() {
            let (events, tail) = (self.events.clone(), Arc::clone(&self.stderr));
            reader("mesh-serve-err", move || {
                pieces(stderr, |piece| {
                    tail.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
                    true
                });
                let _ = events.send(Event::ErrorEnds);
            })?;
        }
        Ok(())
    }

    /// Asks the group to end, and kills it after the grace.
    fn end(&mut self) {
        let how = match self.asked {
            None => End::Terminate,
            Some((when, End::Terminate)) if when.elapsed() >= GRACE => End::Kill,
            Some(_) => return,
        };
        self.asked = Some((Instant::now(), how));
        if let Err(error) = self.group.end(how) {
            log::debug!("cannot end the group of {}: {error}", self.group.leader.id());
        }
    }

    /// Killed, and still somebody outside the group holds the pipe, or a device holds somebody in
    /// it: neither is waited for.
    fn is_given_up(&self) -> bool {
        self.asked.is_some_and(|(when, how)| how == End::Kill && when.elapsed() >= REST)
    }

    /// Reaps the command if it has ended. One that was asked to end has not while any of its group
    /// lives: the group's id is the command's, and not to be signalled once it is reaped.
    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let waits = self.asked.is_some() && !self.is_given_up();
        if waits && self.group.lives() {
            return Ok(None);
        }
        if !self.group.has_ended()? {
            return Ok(None);
        }
        self.guard.remove(&self.group);
        let status = self.group.leader.try_wait()?;
        self.reaped = status.is_some();
        Ok(status)
    }

    fn next_step(&self) -> Duration {
        match self.asked {
            None => GRACE,
            Some((when, End::Terminate)) => GRACE.saturating_sub(when.elapsed()).max(LOOK.0),
            Some((_, End::Kill)) => LOOK.1,
        }
    }

    /// The rest of standard error is waited for only where somebody will read it, and not for
    /// long: a process that the command left behind may hold the pipe.
    fn last_lines(&mut self, status: ExitStatus) -> String {
        let until = Instant::now() + REST;
        while !status.success() && !self.stderr_ended {
            let left = until.saturating_duration_since(Instant::now());
            match self.queue.recv_timeout(left) {
                Ok(event) => self.stderr_ended = matches!(event, Event::ErrorEnds),
                Err(_) => break,
            }
        }
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            // Killed, the shell ends at once, so that the wait is short.
            let _ = self.group.end(End::Kill);
            self.guard.remove(&self.group);
            let _ = self.group.leader.wait();
        }
    }
}

fn not_started(command: &Command, error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::ArgumentListTooLong => Error::new(
            ErrorCode::BadArguments,
            "the arguments do not fit a command line",
        )
        .hint("They hold a character that none takes, or are too long; pass the name of a file.")
        .source(error),
        _ => {
            let program = command.get_program().display();
            let hint = if platform::is_no_program(&error) {
                "It is no program of this system; for a script, name its interpreter before it."
            } else {
                "Give the full path of a program that this user may execute."
            };
            Error::application(format!("cannot start {program}")).hint(hint).source(error)
        }
    }
}

fn reader(name: &str, read: impl FnOnce() + Send + 'static) -> Result<()> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(read);
    started.map(drop).map_err(|error| {
        Error::new(ErrorCode::Busy, "no thread is left to read the command's output").source(error)
    })
}

/// Hands on what is read from a pipe until it ends, or nobody wants more.
pub(crate) fn pieces(mut pipe: impl Read, mut each: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; PIECE];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) if each(&buffer[..read]) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}

// Written for `sh`, with signals and `/proc`; those for `cmd.exe` are below.
#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::platform;
    use std::process::Stdio;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn shell(text: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", text]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start(command, Guard::default()).unwrap()
    }

    /// Runs until the first output, then cancels; answers the time from there to the end.
    fn cancelled_at_first_output(text: &str) -> (Ended, Duration) {
        let cancel = AtomicBool::new(false);
        let mut when = Instant::now();
        let ended = shell(text).watch(
            || cancel.load(Ordering::SeqCst),
            |_| {
                cancel.store(true, Ordering::SeqCst);
                when = Instant::now();
                Ok(())
            },
        );
        (ended.unwrap(), when.elapsed())
    }

    #[test]
    fn all_output_arrives_and_standard_error_is_no_failure() {
        let mut printed = 0;
        let ended = shell("head -c 1000000 /dev/zero; echo noise >&2").watch(
            || false,
            |piece| {
                printed += piece.len();
                Ok(())
            },
        );
        assert_eq!((ended.unwrap().status.code(), printed), (Some(0), 1_000_000));
    }

    #[test]
    fn a_cancel_ends_the_group_and_what_it_started() {
        let (ended, took) = cancelled_at_first_output("sleep 600 & echo begun; sleep 600; true");
        assert_eq!(platform::signal_of(ended.status), Some(15));
        // Standard output ended, so the sleep in the background, which holds it, has gone too.
        assert!(took < GRACE, "{took:?}");
    }

    #[test]
    fn a_command_may_clean_up_when_it_is_cancelled() {
        let (ended, _) = cancelled_at_first_output(
            "trap 'echo tidy >&2; exit 9' TERM; sleep 600 & echo begun; wait",
        );
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(9), "tidy"));
    }

    #[test]
    fn a_command_that_will_not_end_is_killed_after_the_grace() {
        let (ended, took) =
            cancelled_at_first_output("trap '' TERM; echo begun; while :; do sleep 1; done");
        assert_eq!(platform::signal_of(ended.status), Some(9));
        assert!(took >= GRACE && took < 4 * GRACE, "{took:?}");
    }

    #[test]
    fn what_the_command_left_in_its_group_is_killed_after_the_grace() {
        let text = "(trap '' TERM; exec sleep 600) >/dev/null 2>&1 & echo $!; wait";
        let (cancel, mut printed) = (AtomicBool::new(false), Vec::new());
        let ended = shell(text).watch(
            || cancel.load(Ordering::SeqCst),
            |piece| {
                printed.extend_from_slice(piece);
                cancel.store(true, Ordering::SeqCst);
                Ok(())
            },
        );
        assert_eq!(platform::signal_of(ended.unwrap().status), Some(15));
        let pid = String::from_utf8(printed).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        assert!(stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z ")));
    }

    #[test]
    fn an_error_of_the_reader_ends_the_command() {
        let error = shell("yes").watch(|| false, |_| Err(Error::application("enough")));
        assert_eq!(error.unwrap_err().message(), "enough");
    }

    #[test]
    fn a_command_that_closes_its_output_is_waited_for() {
        let ended = shell("exec >&- 2>&-; exit 4").watch(|| false, |_| Ok(()));
        assert_eq!(ended.unwrap().status.code(), Some(4));
    }

    #[test]
    fn a_process_that_is_left_behind_does_not_hold_a_failure_back() {
        let ended = shell("sleep 600 >&- & echo why >&2; echo $!; exit 1");
        let mut printed = Vec::new();
        let began = Instant::now();
        let ended = ended.watch(
            || false,
            |piece| {
                printed.extend_from_slice(piece);
                Ok(())
            },
        );
        assert_eq!(ended.unwrap().stderr, "why");
        assert!(began.elapsed() < Duration::from_secs(60));
        let pid = String::from_utf8(printed).unwrap();
        Command::new("kill").arg(pid.trim()).status().unwrap();
    }
}

#[cfg(test)]
#[cfg(windows)]
mod tests {
    use super::*;
    use crate::platform;
    use std::process::Stdio;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Never ends by itself, and needs no program beside `cmd.exe`.
    const FOREVER: &str = "for /l %i in (1,0,2) do @rem";

    fn shell(text: &str) -> Running {
        let mut command = platform::shell(text, "app", &[], &[]).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start(command, Guard::default()).unwrap()
    }

    #[test]
    fn all_output_arrives_and_standard_error_is_no_failure() {
        let mut printed = Vec::new();
        let ended = shell("for /l %i in (1,1,500) do @echo 0123456789& echo noise 1>&2").watch(
            || false,
            |piece| {
                printed.extend_from_slice(piece);
                Ok(())
            },
        );
        assert_eq!(ended.unwrap().status.code(), Some(0));
        assert_eq!(String::from_utf8(printed).unwrap().lines().count(), 500);
    }

    #[test]
    fn a_cancel_ends_the_command_and_what_it_started() {
        let cancel = AtomicBool::new(false);
        let mut when = Instant::now();
        let ended = shell(&format!("echo begun& cmd.exe /d /c {FOREVER}")).watch(
            || cancel.load(Ordering::SeqCst),
            |_| {
                cancel.store(true, Ordering::SeqCst);
                when = Instant::now();
                Ok(())
            },
        );
        assert!(!ended.unwrap().status.success());
        // Standard output ended, so the second shell, which holds it, has gone too.
        assert!(when.elapsed() < GRACE, "{:?}", when.elapsed());
    }

    #[test]
    fn an_error_of_the_reader_ends_the_command() {
        let error = shell(&format!("echo begun& {FOREVER}"))
            .watch(|| false, |_| Err(Error::application("enough")));
        assert_eq!(error.unwrap_err().message(), "enough");
    }
}
