//! The launch ledger of one name: who is being started, how often, and how the last start failed.
//!
//! A small JSON file beside a lock of its own. It is changed only under that lock, which is held
//! for the time of one change or one spawn and never while somebody waits; each change replaces
//! the file, so it is read without the lock. A ledger of another boot, or one that does not
//! parse, is an empty one: it guards against storms, and a new boot ends those.
//!
//! Times are milliseconds since boot, so that all processes agree and nobody can set them. Where
//! boots have no names, a ledger that tells of what is still to come is of another one. One that
//! does not may hold a suspension over for the minute that the longest takes, and no process: a
//! start time is not given twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};
use crate::limits::{STARTS_MAX, STARTS_WINDOW};
use crate::name::AppName;
use crate::sys::clock;
use crate::sys::file::{self, Durability};
use crate::sys::home::Home;
use crate::sys::lock::FileLock;
use crate::sys::process::{self, ProcessId};

/// Bytes of a ledger, the text of a failure included.
const BYTES_MAX: u64 = 64 << 10;
/// The back-off of a suspension: doubled with each further start.
const BACKOFF_FIRST_MS: u64 = 1_000;
const BACKOFF_LAST_MS: u64 = 60_000;
/// Free to start and not started for so long, a name is as good as new.
const FORGET_MS: u64 = 60_000;

/// What is known of the launches of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// The boot that the times count from.
    boot: String,
    /// The start under way.
    pub(crate) start: Option<Start>,
    /// The start that failed last.
    pub(crate) failure: Option<Failure>,
    /// When the latest starts were, at most [`STARTS_MAX`].
    starts: Vec<u64>,
    /// How many suspensions in a row.
    level: u32,
    /// No start before this moment.
    suspended_until: u64,
}

/// A start that is not known to be over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The process that was spawned.
    pub(crate) child: ProcessId,
    /// The process that spawned it and writes down how it ends.
    pub(crate) launcher: Option<ProcessId>,
    /// When.
    pub(crate) since: u64,
    /// How long it may take until it is ready.
    pub(crate) budget: u64,
}

/// How a start failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The child; none when it could not be made.
    pub(crate) child: Option<ProcessId>,
    /// When.
    pub(crate) at: u64,
    /// It was ended on request: whoever waited wants no other start.
    #[serde(default)]
    pub(crate) stopped: bool,
    /// What happened, and the last lines of the child's output.
    pub(crate) text: String,
}

/// What is to be done about a name that nobody owns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Start it.
    Start,
    /// Wait for this start.
    Wait(Start),
    /// Start it no earlier than after this time.
    Suspended(Duration),
}

/// What has become of a start that somebody waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It goes on.
    Pending(Start),
    /// Its child is dead, and nobody will write down how it ended.
    Unexplained,
    /// It failed.
    Failed(Failure),
    /// It is over and did not fail: the app became ready.
    Over,
}

impl Start {
    /// Whether the start may still succeed. A child that is dead while its launcher lives and has
    /// written nothing down has descendants that hold the ready pipe: one of them may become the
    /// app. That is believed for the time of the budget, since a launcher may hang too.
    fn is_pending(&self, now: u64, lives: impl Fn(&ProcessId) -> bool) -> bool {
        let in_time = now < self.since.saturating_add(self.budget);
        lives(&self.child) || (in_time && self.launcher.as_ref().is_some_and(lives))
    }

    /// How long it has been starting, and how long it may.
    pub(crate) fn progress(&self, now: u64) -> (Duration, Duration) {
        let elapsed = Duration::from_millis(now.saturating_sub(self.since));
        (elapsed, Duration::from_millis(self.budget))
    }
}

impl Ledger {
    /// The ledger as it is, without the lock.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = file::open(path).and_then(|file| file::read_bounded(&file, BYTES_MAX));
        let ledger: Self =
            bytes.ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        if ledger.boot == process::boot_id() && ledger.is_past(clock::since_boot_ms()) {
            return ledger;
        }
        Self { boot: process::boot_id().to_owned(), ..Self::default() }
    }

    /// Whether all that it tells of has happened by now.
    fn is_past(&self, now: u64) -> bool {
        let start = self.start.iter().map(|start| start.since);
        let failure = self.failure.iter().map(|failure| failure.at);
        self.starts.iter().copied().chain(start).chain(failure).all(|moment| moment <= now)
    }

    /// What to do now, if nobody owns the name.
    pub(crate) fn decide(&self, now: u64, lives: impl Fn(&ProcessId) -> bool) -> Decision {
        match &self.start {
            Some(start) if start.is_pending(now, lives) => Decision::Wait(start.clone()),
            _ if now < self.suspended_until => {
                Decision::Suspended(Duration::from_millis(self.suspended_until - now))
            }
            _ => Decision::Start,
        }
    }

    /// What has become of the start of `child`, which somebody has waited for since `since`.
    pub(crate) fn outcome(
        &self,
        child: &ProcessId,
        since: u64,
        now: u64,
        lives: impl Fn(&ProcessId) -> bool,
    ) -> Outcome {
        match &self.start {
            Some(start) if start.child == *child => {
                if start.is_pending(now, lives) {
                    Outcome::Pending(start.clone())
                } else {
                    Outcome::Unexplained
                }
            }
            // A failure after the wait began is that of a start that came after this one: the
            // answer is the same.
            _ => match &self.failure {
                Some(failure) if failure.child.as_ref() == Some(child) || failure.at >= since => {
                    Outcome::Failed(failure.clone())
                }
                _ => Outcome::Over,
            },
        }
    }

    /// Writes down that a child was spawned, or that the attempt failed.
    pub(crate) fn record_start(&mut self, now: u64, start: Option<Start>) {
        // A suspension is no sign of health: the minute begins when it ends.
        let quiet =
            self.starts.last().map(|last| now.saturating_sub(self.suspended_until.max(*last)));
        if quiet.is_none_or(|quiet| quiet >= FORGET_MS) {
            self.forget_starts();
        }
        self.starts.push(now);
        if self.starts.len() > STARTS_MAX {
            self.starts.remove(0);
        }
        self.start = start;
        let window = u64::try_from(STARTS_WINDOW.as_millis()).unwrap_or(u64::MAX);
        let oldest = self.starts[0];
        let is_full = self.starts.len() == STARTS_MAX && now.saturating_sub(oldest) < window;
        if is_full || self.level > 0 {
            let backoff = BACKOFF_FIRST_MS << self.level.min(16);
            let slides = if is_full { oldest.saturating_add(window) } else { 0 };
            self.suspended_until = slides.max(now.saturating_add(backoff.min(BACKOFF_LAST_MS)));
            self.level = self.level.saturating_add(1);
        }
    }

    /// Writes down that the start of `child` failed, unless it is over already.
    pub(crate) fn record_failure(&mut self, child: &ProcessId, now: u64, text: String) {
        if self.is_about(child) {
            self.start = None;
            self.failure =
                Some(Failure { child: Some(child.clone()), at: now, stopped: false, text });
        }
    }

    /// Writes down that no child could be made.
    pub(crate) fn record_no_child(&mut self, now: u64, text: String) {
        self.failure = Some(Failure { child: None, at: now, stopped: false, text });
    }

    /// Writes down that the start under way is ended on request.
    pub(crate) fn record_stop(&mut self, now: u64, text: String) {
        if let Some(Start { child, .. }) = self.start.take() {
            self.failure = Some(Failure { child: Some(child), at: now, stopped: true, text });
        }
    }

    /// Forgets the starts: a ready app that was stopped on request is no sign of a crash.
    pub(crate) fn forget_starts(&mut self) {
        self.starts.clear();
        (self.level, self.suspended_until) = (0, 0);
    }

    /// Writes down that the start of `child` is over and the app is ready.
    pub(crate) fn record_ready(&mut self, child: &ProcessId) {
        if self.is_about(child) {
            self.start = None;
            // What went wrong before is mended.
            self.failure = None;
        }
    }

    fn is_about(&self, child: &ProcessId) -> bool {
        self.start.as_ref().is_some_and(|start| start.child == *child)
    }
}

/// A ledger that nobody else changes meanwhile.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    _lock: FileLock,
    /// The ledger; changes count once they are [saved](Self::save).
    pub(crate) ledger: Ledger,
}

impl Held {
    /// Locks and reads the ledger of a name.
    ///
    /// # Errors
    /// `launch_failed` when it stays locked, else as the lock.
    ///
    /// # Blocking
    /// For up to `wait`.
    pub(crate) fn open(home: &Home, name: &AppName, wait: Duration) -> Result<Self> {
        Self::open_within(home, name, wait)?.ok_or_else(|| Self::stays_locked(home, name))
    }

    /// The same; `None` when it stays locked.
    pub(super) fn open_within(home: &Home, name: &AppName, wait: Duration) -> Result<Option<Self>> {
        let path = home.ledger_path(name);
        let Some(lock) = FileLock::acquire_within(&lock_path(home, name), wait)? else {
            return Ok(None);
        };
        let ledger = Ledger::read(&path);
        Ok(Some(Self { path, _lock: lock, ledger }))
    }

    pub(super) fn stays_locked(home: &Home, name: &AppName) -> Error {
        let what = format!("the launch ledger {} stays locked", home.ledger_path(name).display());
        Error::new(ErrorCode::LaunchFailed, what)
            .hint("Another process hangs while it launches this app; try again.")
    }

    /// Writes the ledger.
    ///
    /// # Errors
    /// `launch_failed` when it cannot be written.
    pub(crate) fn save(&self) -> Result<()> {
        let failed = || {
            let what = format!("the launch ledger {} cannot be written", self.path.display());
            Error::new(ErrorCode::LaunchFailed, what)
                .hint("Make room on its disk, or see who owns its directory; nothing was started.")
        };
        let bytes = serde_json::to_vec(&self.ledger).map_err(|error| failed().source(error))?;
        // No name holds a `#`, so that the prefix of one name never begins that of another.
        let prefix = format!(".{}#", self.path.file_name().unwrap_or_default().display());
        file::sweep(&self.path, &prefix)
            .and_then(|()| file::replace(&self.path, &prefix, &bytes, Durability::Relaxed))
            .map_err(|error| failed().source(error))
    }
}

/// No app's own lock can have this name, whatever the app is called: those end with `.lock`.
fn lock_path(home: &Home, name: &AppName) -> PathBuf {
    home.run_dir().join(format!("{name}.launch-lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> ProcessId {
        ProcessId { pid, start: 1, boot: "b".to_owned() }
    }

    fn start(pid: u32) -> Start {
        let launcher = Some(process(1));
        Start { child: process(pid), launcher, since: 0, budget: 10_000 }
    }

    fn only(living: &'static [u32]) -> impl Fn(&ProcessId) -> bool {
        move |process| living.contains(&process.pid)
    }

    #[test]
    fn while_a_child_starts_everybody_waits() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.decide(0, only(&[1])), Decision::Start);
        ledger.record_start(0, Some(start(7)));
        assert_eq!(ledger.decide(5, only(&[7])), Decision::Wait(start(7)));
        ledger.record_ready(&process(8));
        assert_eq!(ledger.decide(5, only(&[7])), Decision::Wait(start(7)));
        ledger.record_ready(&process(7));
        assert_eq!(ledger.decide(5, only(&[7])), Decision::Start);
        assert_eq!(ledger.outcome(&process(7), 0, 5, only(&[])), Outcome::Over);
    }

    #[test]
    fn a_death_fails_those_who_waited_and_nobody_after() {
        let mut ledger = Ledger::default();
        ledger.record_start(0, Some(start(7)));
        let dead = ledger.outcome(&process(7), 0, 50, only(&[]));
        assert_eq!(dead, Outcome::Unexplained, "the launcher is dead too");
        ledger.record_failure(&process(7), 60, "why".to_owned());
        let (child, text) = (Some(process(7)), "why".to_owned());
        let failed = Outcome::Failed(Failure { child, at: 60, stopped: false, text });
        assert_eq!(ledger.outcome(&process(7), 0, 70, only(&[1])), failed);
        assert_eq!(ledger.decide(70, only(&[1])), Decision::Start);
        ledger.record_start(70, Some(start(8)));
        assert_eq!(ledger.outcome(&process(7), 0, 80, only(&[1, 8])), failed);
        let late = ledger.outcome(&process(7), 65, 80, only(&[1, 8]));
        assert_eq!(late, failed, "who read an old ledger is told too");
        assert_eq!(ledger.outcome(&process(6), 65, 80, only(&[1, 8])), Outcome::Over);
    }

    #[test]
    fn a_child_that_hands_over_is_waited_for_while_its_launcher_lives() {
        let mut ledger = Ledger::default();
        ledger.record_start(0, Some(start(7)));
        assert_eq!(ledger.decide(9_999, only(&[1])), Decision::Wait(start(7)));
        assert_eq!(ledger.decide(10_000, only(&[1])), Decision::Start, "the launcher hangs");
        assert_eq!(ledger.decide(5_000, only(&[])), Decision::Start);
        assert_eq!(ledger.decide(99_999, only(&[7])), Decision::Wait(start(7)), "it is alive");
    }

    #[test]
    fn five_starts_in_ten_seconds_suspend_with_growing_back_off() {
        let mut ledger = Ledger::default();
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..14 {
            if let Decision::Suspended(left) = ledger.decide(now, only(&[])) {
                pauses.push(left.as_secs());
                now += u64::try_from(left.as_millis()).unwrap();
                assert_eq!(ledger.decide(now, only(&[])), Decision::Start);
            }
            ledger.record_start(now, None);
        }
        assert_eq!(pauses, [10, 2, 4, 8, 16, 32, 60, 60, 60]);
        now += BACKOFF_LAST_MS + FORGET_MS;
        ledger.record_start(now, None);
        assert_eq!(ledger.decide(now, only(&[])), Decision::Start, "forgotten");
    }

    #[test]
    fn a_stop_on_request_ends_a_start_and_forgives_the_starts_before() {
        let mut ledger = Ledger::default();
        ledger.record_start(0, Some(start(7)));
        ledger.record_stop(1, "stopped".to_owned());
        assert!(matches!(
            ledger.outcome(&process(7), 0, 2, only(&[7])),
            Outcome::Failed(Failure { stopped: true, .. })
        ));
        ledger.record_failure(&process(7), 3, "its end".to_owned());
        assert_eq!(ledger.failure.as_ref().unwrap().text, "stopped");
        for now in 0..20 {
            assert_eq!(ledger.decide(now, only(&[])), Decision::Start);
            ledger.record_start(now, None);
            ledger.forget_starts();
        }
    }

    #[test]
    fn there_are_never_more_than_five_starts_in_ten_seconds() {
        let (mut ledger, mut starts) = (Ledger::default(), Vec::<u64>::new());
        for now in (0..300_000).step_by(100) {
            if ledger.decide(now, only(&[])) == Decision::Start {
                ledger.record_start(now, None);
                starts.push(now);
            }
        }
        assert!(starts.windows(6).all(|six| six[5] - six[0] >= 10_000), "{starts:?}");
    }

    #[test]
    fn a_slow_rate_is_never_suspended() {
        let mut ledger = Ledger::default();
        for now in (0..600_000).step_by(2_501) {
            assert_eq!(ledger.decide(now, only(&[])), Decision::Start, "{now}");
            ledger.record_start(now, None);
        }
    }

    #[test]
    fn what_is_still_to_come_is_of_another_boot() {
        let (mut started, mut failed, mut tried) = Default::default();
        Ledger::record_start(&mut started, 100, Some(Start { since: 100, ..start(7) }));
        Ledger::record_no_child(&mut failed, 100, "why".to_owned());
        Ledger::record_start(&mut tried, 100, None);
        for ledger in [started, failed, tried] {
            assert!(ledger.is_past(100) && !ledger.is_past(99), "{ledger:?}");
        }
        assert!(Ledger::default().is_past(0));
    }

    #[test]
    fn a_ledger_is_kept_and_one_that_does_not_parse_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.prepare().unwrap();
        let name = AppName::parse("a").unwrap();
        let mut held = Held::open(&home, &name, Duration::ZERO).unwrap();
        assert!(Held::open(&home, &name, Duration::ZERO).is_err());
        held.ledger.record_start(0, Some(start(7)));
        held.save().unwrap();
        let path = home.ledger_path(&name);
        assert_eq!(Ledger::read(&path).start, Some(start(7)));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Ledger::read(&path).start, None);
    }
}
