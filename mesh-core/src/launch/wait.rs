//! One caller's wait for an app: a loop of three looks (who owns the name, what the ledger says,
//! what the caller wants) and a pause.
//!
//! A waiter that has seen a start *follows* it: it fails when that start fails, whoever started
//! it. A waiter that comes after a failure starts the app anew.

use std::time::{Duration, Instant};

use super::ledger::{Decision, Ledger, Outcome, Start};
use super::start::Started;
use super::watch::{Watch, change_ledger, failure_text};
use super::{Launch, LaunchEvent, Launched, Probe};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::READY_TIMEOUT;
use crate::sys::clock;
use crate::sys::process::ProcessId;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(50);
/// How long an owner that nobody is launching may say nothing.
const SILENCE: Duration = Duration::from_secs(1);
/// How often an observer is told that the wait goes on.
const TELL_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Waiter<'a> {
    launch: &'a Launch<'a>,
    begun: Instant,
    /// The same, in milliseconds since boot.
    begun_ms: u64,
    pause: Duration,
    /// The start that is followed.
    followed: Option<Followed>,
    /// An owner that nobody launched and that is not ready, and since when it is waited for.
    owner: Option<(u32, Instant)>,
    /// The followed start ended well: whoever finds nobody now must not start over.
    was_ready: bool,
    started: bool,
    told: Option<Instant>,
    /// How far the start was when it was last looked at.
    progress: Option<String>,
}

struct Followed {
    child: ProcessId,
    /// Milliseconds since boot when this waiter began to follow.
    since: u64,
    /// Of a child that this waiter started.
    watch: Option<Watch>,
}

impl<'a> Waiter<'a> {
    pub(super) fn new(launch: &'a Launch<'a>) -> Self {
        Self {
            launch,
            begun: Instant::now(),
            begun_ms: clock::since_boot_ms(),
            pause: FIRST_PAUSE,
            followed: None,
            owner: None,
            was_ready: false,
            started: false,
            told: None,
            progress: None,
        }
    }

    pub(super) fn run(mut self) -> Result<Launched> {
        loop {
            let probe = (self.launch.probe)()?;
            if let Probe::Ready { pid } = probe {
                return Ok(self.ready(pid));
            }
            self.check_caller()?;
            let ledger = Ledger::read(&self.launch.home.ledger_path(self.launch.name));
            let now = clock::since_boot_ms();
            match self.followed.as_ref().map(|f| (f.child.clone(), f.since)) {
                Some((child, since)) => {
                    self.follow(&child, ledger.outcome(&child, since, now, ProcessId::is_alive))?;
                }
                None => self.join(probe, ledger.decide(now, ProcessId::is_alive))?,
            }
            self.rest();
        }
    }

    fn ready(&self, pid: u32) -> Launched {
        let name = self.launch.name;
        // A start by hand may have been ahead of the child, or there was no other.
        let followed = self.followed.as_ref().filter(|followed| followed.child.leads(pid));
        let is_launched = self.was_ready || followed.is_some();
        if let Some(followed) = followed {
            let done = change_ledger(self.launch.home, name, |ledger, _| {
                ledger.record_ready(&followed.child);
            });
            if let Err(error) = done {
                log::warn!("the launch of {name} is not written down: {error}");
            }
        }
        let elapsed = self.begun.elapsed();
        if is_launched {
            (self.launch.observe)(&LaunchEvent::Ready { name: name.clone(), pid, elapsed });
        }
        match self.started && is_launched {
            true => Launched::Started { pid, elapsed },
            false => Launched::AlreadyRunning { pid },
        }
    }

    /// What to do while nobody's start is followed.
    fn join(&mut self, probe: Probe, decision: Decision) -> Result<()> {
        match (decision, probe) {
            (Decision::Wait(start), _) => {
                self.followed = Some(Followed {
                    child: start.child.clone(),
                    since: clock::since_boot_ms(),
                    watch: None,
                });
                self.pending(&start)
            }
            (_, Probe::Starting { pid }) => self.wait_for_owner(pid),
            (_, Probe::Silent { pid }) => self.wait_for_word(pid),
            _ if self.was_ready => Err(self.failed(format!(
                "{} became ready and was gone before it could be reached",
                self.launch.name
            ))),
            _ => {
                self.owner = None;
                let since = clock::since_boot_ms();
                let Some(Started { start, watch }) = self.launch.start(self.begun_ms)? else {
                    return Ok(());
                };
                let (child, watch) = (start.child.clone(), Some(watch));
                self.followed = Some(Followed { child, since, watch });
                self.started = true;
                self.pending(&start)
            }
        }
    }

    /// What to do about the start that is followed.
    fn follow(&mut self, child: &ProcessId, outcome: Outcome) -> Result<()> {
        let (home, name) = (self.launch.home, self.launch.name);
        match outcome {
            Outcome::Pending(start) => self.pending(&start),
            Outcome::Unexplained => {
                // Its launcher is gone, so how it ended is not known; the log is there.
                let text = failure_text(home, name, None);
                change_ledger(home, name, |ledger, now| ledger.record_failure(child, now, text))
            }
            Outcome::Over => {
                self.followed = None;
                self.was_ready = true;
                Ok(())
            }
            Outcome::Failed(failure) if failure.stopped => {
                Err(Error::new(ErrorCode::LaunchFailed, failure.text))
            }
            Outcome::Failed(failure) => match (self.launch.probe)()? {
                // A child that lost the race for its name ends too: the winner is as good.
                Probe::Absent => Err(self.failed(failure.text)),
                _ => {
                    self.followed = None;
                    self.started = false;
                    Ok(())
                }
            },
        }
    }

    fn pending(&mut self, start: &Start) -> Result<()> {
        let (elapsed, budget) = start.progress(clock::since_boot_ms());
        self.within(start.child.pid, elapsed, budget)
    }

    /// A healthy owner says who it is at once, ready or not.
    fn wait_for_word(&mut self, pid: u32) -> Result<()> {
        if self.owned_since(pid).elapsed() < SILENCE {
            return Ok(());
        }
        let name = self.launch.name;
        let what = format!("{name} is running, not responding, pid {pid}");
        Err(Error::new(ErrorCode::NotResponding, what)
            .hint(format!("If it does not recover, `mesh stop {name}` ends it.")))
    }

    /// Since when this process is waited for.
    fn owned_since(&mut self, pid: u32) -> Instant {
        let known = self.owner.filter(|(owner, _)| *owner == pid);
        self.owner.insert(known.unwrap_or((pid, Instant::now()))).1
    }

    fn wait_for_owner(&mut self, pid: u32) -> Result<()> {
        let since = self.owned_since(pid);
        let entry = self.launch.registry.entry(self.launch.name).ok().flatten();
        let budget = entry.and_then(|entry| entry.launch.ready_timeout).unwrap_or(READY_TIMEOUT);
        self.within(pid, since.elapsed(), budget)
    }

    /// Tells the observer, and fails when the budget is spent.
    fn within(&mut self, pid: u32, elapsed: Duration, budget: Duration) -> Result<()> {
        let name = self.launch.name;
        if elapsed >= budget {
            let log = self.launch.home.log_path(name);
            let what = still_starting(name.as_str(), pid, elapsed, budget);
            return Err(Error::new(ErrorCode::LaunchFailed, what).hint(format!(
                "`mesh stop {name}` ends it; what it printed is in {}.",
                log.display()
            )));
        }
        let is_news = match self.told {
            // Whoever started the child has been told so.
            None => !self.started || self.begun.elapsed() >= TELL_EVERY,
            Some(last) => last.elapsed() >= TELL_EVERY,
        };
        if is_news {
            self.told = Some(Instant::now());
            let name = name.clone();
            (self.launch.observe)(&LaunchEvent::Waiting { name, pid, elapsed, budget });
        }
        self.progress = Some(still_starting(name.as_str(), pid, elapsed, budget));
        Ok(())
    }

    fn check_caller(&self) -> Result<()> {
        let name = self.launch.name;
        if (self.launch.cancelled)() {
            let what = format!("the wait for {name} was cancelled");
            return Err(Error::new(ErrorCode::Cancelled, what));
        }
        if self.launch.until.is_none_or(|until| until > Instant::now()) {
            return Ok(());
        }
        let what = format!("the deadline passed before {name} was ready");
        Err(match &self.progress {
            Some(progress) => Error::new(ErrorCode::Deadline, format!("{what}: {progress}"))
                .hint("It goes on starting; ask again, or with a longer timeout."),
            None => Error::new(ErrorCode::Deadline, what).hint("Ask with a longer timeout."),
        })
    }

    fn rest(&mut self) {
        let until = self.launch.until;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let time = left.map_or(self.pause, |left| left.min(self.pause));
        match self.followed.as_ref().and_then(|followed| followed.watch.as_ref()) {
            Some(watch) => watch.wait(time),
            None => clock::pause(time),
        }
        self.pause = (self.pause * 2).min(LAST_PAUSE);
    }

    fn failed(&self, what: String) -> Error {
        let log = self.launch.home.log_path(self.launch.name);
        Error::new(ErrorCode::LaunchFailed, what)
            .hint(format!("What it printed is in {}.", log.display()))
    }
}

fn still_starting(name: &str, pid: u32, elapsed: Duration, budget: Duration) -> String {
    let (elapsed, budget) = (elapsed.as_secs_f32(), budget.as_secs_f32());
    format!("{name} is still starting, {elapsed:.1} s of {budget:.1}, pid {pid}")
}
