//! The watch on a child that this process started: one thread, from spawn to the child's end.
//!
//! The thread waits for the child's word that it is ready, which its death ends at once. Then it
//! waits for the child's end, so that no zombie remains. What it learns it writes into the ledger,
//! for the waiters of all processes, and wakes the one that started the child. It is not joined:
//! it ends with the child, or with this process.

use crate::runtime::thread;
use std::process::ExitStatus;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::ledger::{Held, Ledger};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{STDERR_TAIL_BYTES, STDERR_TAIL_LINES};
use crate::name::AppName;
use crate::sys::home::Home;
use crate::sys::process::{self, ProcessId};
use crate::sys::spawn::{Child, Detached, ReadyWait, ready_pair};
use crate::sys::{clock, file};

/// How long a thread waits for a ledger that another process holds.
pub(super) const LEDGER_WAIT: Duration = Duration::from_secs(2);

/// Wakes the waiter that started a child.
#[derive(Debug)]
pub(super) struct Watch {
    news: Receiver<()>,
}

impl Watch {
    /// Starts the child and the thread that watches it.
    ///
    /// # Errors
    /// `launch_failed` when the program cannot be started.
    pub(super) fn spawn(
        home: &Home,
        name: &AppName,
        detached: &Detached<'_>,
    ) -> Result<(Self, ProcessId)> {
        let failed = |what: &str, error: std::io::Error| {
            Error::new(ErrorCode::LaunchFailed, format!("{name} cannot be started: {what}"))
                .source(error)
        };
        let (word, grant) =
            ready_pair().map_err(|error| failed("no ready signal can be made", error))?;
        let (wake, news) = bounded(1);
        let (give, take) = bounded::<(Child, ProcessId)>(1);
        let reporter = Reporter { home: home.clone(), name: name.clone(), wake };
        // The thread comes first: without it nobody would wait for the child's end.
        thread::spawn("mesh-launch".to_owned(), move || {
            if let Ok((child, id)) = take.recv() {
                reporter.watch(child, &id, word);
            }
        })
        .map_err(|error| failed("no thread can be made", error))?;
        let program = detached.program.display();
        let child = detached
            .spawn(&grant)
            .map_err(|error| failed(&format!("{program} cannot be run"), error))?;
        // It has not been waited for, so it is there even if it has ended.
        let pid = child.id();
        let id = ProcessId::of(pid).unwrap_or(ProcessId {
            pid,
            start: 0,
            boot: process::boot_id().to_owned(),
        });
        // The thread waits for nothing else, and the queue has room.
        let _ = give.send((child, id.clone()));
        Ok((Self { news }, id))
    }

    /// Blocks until there is news of the child, or for `time`.
    pub(super) fn wait(&self, time: Duration) {
        if self.news.recv_timeout(time) == Err(RecvTimeoutError::Disconnected) {
            clock::pause(time);
        }
    }
}

/// What the thread needs to tell the others.
struct Reporter {
    home: Home,
    name: AppName,
    wake: Sender<()>,
}

impl Reporter {
    fn watch(&self, mut child: Child, id: &ProcessId, word: ReadyWait) {
        let is_ready = word.wait(&child);
        if is_ready {
            self.report(|ledger, _| ledger.record_ready(id));
        }
        let status = child.wait();
        if !is_ready {
            let text = failure_text(&self.home, &self.name, status.ok());
            self.report(|ledger, now| ledger.record_failure(id, now, text));
        }
    }

    fn report(&self, change: impl FnOnce(&mut Ledger, u64)) {
        if let Err(error) = change_ledger(&self.home, &self.name, change) {
            log::warn!("the launch of {} is not written down: {error}", self.name);
        }
        // A full queue wakes the waiter as well.
        let _ = self.wake.try_send(());
    }
}

/// Changes the ledger of a name under its lock; writes it only if it has changed.
pub(super) fn change_ledger(
    home: &Home,
    name: &AppName,
    change: impl FnOnce(&mut Ledger, u64),
) -> Result<()> {
    let mut held = Held::open(home, name, LEDGER_WAIT)?;
    let before = held.ledger.clone();
    change(&mut held.ledger, clock::since_boot_ms());
    if held.ledger == before {
        return Ok(());
    }
    held.save()
}

/// How a child ended before it was ready, with the last lines that it printed.
pub(super) fn failure_text(home: &Home, name: &AppName, status: Option<ExitStatus>) -> String {
    let how = status.map_or_else(String::new, |status| format!(" ({})", process::describe(status)));
    let bytes = file::read_tail(&home.log_path(name), STDERR_TAIL_BYTES).unwrap_or_default();
    let lines = last_lines(&String::from_utf8_lossy(&bytes), bytes.len() == STDERR_TAIL_BYTES);
    match lines.is_empty() {
        true => format!("{name} ended before it was ready{how} and printed nothing"),
        false => format!("{name} ended before it was ready{how}; its last lines:\n{lines}"),
    }
}

/// The last lines of a text; the first is left out when it may be cut.
fn last_lines(text: &str, is_cut: bool) -> String {
    let text = match text.split_once('\n') {
        Some((_, rest)) if is_cut && !rest.is_empty() => rest,
        _ => text,
    };
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(STDERR_TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_few_and_whole() {
        let many: String = (0..50).map(|number| format!("line {number}\n")).collect();
        let tail = last_lines(&many, false);
        assert_eq!(tail.lines().count(), STDERR_TAIL_LINES);
        assert!(tail.ends_with("line 49"));
        assert_eq!(last_lines("ut\nwhole\n", true), "whole");
        assert_eq!(last_lines("one long line", true), "one long line");
        assert_eq!(last_lines("", false), "");
    }
}
