//! The start of a child by the one waiter that gets to do it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::ledger::{Decision, Failure, Held, Ledger, Start};
use super::watch::{LEDGER_WAIT, Watch};
use super::{Launch, LaunchEvent, Probe, environment};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{READY_TIMEOUT, STARTS_MAX, STARTS_WINDOW};
use crate::registry::Entry;
use crate::sys::process::ProcessId;
use crate::sys::spawn::Detached;
use crate::sys::{clock, file};

/// How long the lock is waited for before the ledger is read without it.
const GLANCE: Duration = Duration::from_millis(50);

/// A child that this process has started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) start: Start,
    pub(super) watch: Watch,
}

impl Launch<'_> {
    /// Starts the app, unless somebody is ahead of us: then there is nothing, and the caller looks
    /// again. The ledger is locked from the last look to the moment the child is in it.
    ///
    /// `begun` is when the caller's wait began: an attempt since then that made no child is told
    /// to it and not made again.
    pub(super) fn start(&self, begun: u64) -> Result<Option<Started>> {
        self.refuse_cycle()?;
        self.home.prepare()?;
        let entry = self.registry.entry_to_launch(self.name)?;
        let Some(mut held) = self.turn()? else { return Ok(None) };
        let now = clock::since_boot_ms();
        if let Some(Failure { child: None, at, text, .. }) = &held.ledger.failure
            && *at >= begun
        {
            return Err(Error::new(ErrorCode::LaunchFailed, text.as_str()));
        }
        match held.ledger.decide(now, ProcessId::is_alive) {
            Decision::Wait(_) => return Ok(None),
            Decision::Suspended(left) => return Err(self.suspended(left, &held)),
            Decision::Start => {}
        }
        if (self.probe)()? != Probe::Absent {
            return Ok(None);
        }
        // Counted before it happens: what cannot be counted is not done.
        held.ledger.record_start(now, None);
        held.save()?;
        let (watch, child) = match self.spawn(&entry) {
            Ok(spawned) => spawned,
            Err(error) => {
                held.ledger.record_no_child(now, error.to_string());
                held.save()?;
                return Err(error);
            }
        };
        let budget = entry.launch.ready_timeout.unwrap_or(READY_TIMEOUT);
        let start = Start {
            child,
            launcher: ProcessId::own(),
            since: now,
            budget: u64::try_from(budget.as_millis()).unwrap_or(u64::MAX),
        };
        held.ledger.start = Some(start.clone());
        held.save()?;
        drop(held);
        (self.observe)(&LaunchEvent::Started { name: self.name.clone(), pid: start.child.pid });
        Ok(Some(Started { start, watch }))
    }

    /// The locked ledger; nothing when before our turn somebody's start is in it, or the name has
    /// an owner. Of many who come at once only few need the lock.
    fn turn(&self) -> Result<Option<Held>> {
        let until = Instant::now() + LEDGER_WAIT;
        loop {
            if let Some(held) = Held::open_within(self.home, self.name, GLANCE)? {
                return Ok(Some(held));
            }
            let ledger = Ledger::read(&self.home.ledger_path(self.name));
            let decision = ledger.decide(clock::since_boot_ms(), ProcessId::is_alive);
            if matches!(decision, Decision::Wait(_)) || (self.probe)()? != Probe::Absent {
                return Ok(None);
            }
            if Instant::now() >= until {
                return Err(Held::stays_locked(self.home, self.name));
            }
        }
    }

    fn spawn(&self, entry: &Entry) -> Result<(Watch, ProcessId)> {
        let path = self.home.log_path(self.name);
        let log = new_log(&path).map_err(|error| {
            let what = format!("the log {} cannot be made", path.display());
            Error::new(ErrorCode::LaunchFailed, what).source(error)
        })?;
        let ours = std::env::vars_os();
        let env = environment::of_child(ours, &entry.env, self.home, self.call_path);
        let Some((program, args)) = entry.command.split_first() else {
            let what = format!("the entry of {} has no command", self.name);
            return Err(Error::new(ErrorCode::Registry, what));
        };
        let program = Path::new(program);
        let detached = Detached { program, args, cwd: &entry.cwd, env: &env, log: &log };
        Watch::spawn(self.home, self.name, &detached)
    }

    fn suspended(&self, left: Duration, held: &Held) -> Error {
        let what = format!(
            "{} is suspended for another {:.1} s: it was started {STARTS_MAX} times in {} s",
            self.name,
            left.as_secs_f32(),
            STARTS_WINDOW.as_secs()
        );
        let what = match &held.ledger.failure {
            Some(failure) => format!("{what}; {}", failure.text),
            None => what,
        };
        Error::new(ErrorCode::Suspended, what).hint(format!(
            "See {} for why it ends, or start it by hand.",
            self.home.log_path(self.name).display()
        ))
    }
}

/// An empty log; the one before it is kept with `.1` appended. One that cannot be renamed, because
/// a program on Windows has it open and shares it with nobody, is gone on with.
fn new_log(path: &Path) -> io::Result<File> {
    let mut before = path.to_owned().into_os_string();
    before.push(".1");
    if let Err(error) = fs::rename(path, before)
        && error.kind() != ErrorKind::NotFound
    {
        log::warn!("the log {} is not begun anew: {error}", path.display());
    }
    file::open_to_append(path)
}
