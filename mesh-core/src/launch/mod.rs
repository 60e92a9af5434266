//! Launching an app that is off, and waiting until it is ready.
//!
//! At most one launch of a name is under way in all processes of the user: the [`ledger`] names
//! the child from spawn to ready, and as long as that child lives and is not ready everybody else
//! waits for it. Whoever asks becomes a *waiter*; one waiter starts the child and has a
//! [`watch`] on it, which learns readiness by a pipe and the end by the child's exit status and
//! writes both into the ledger, where all waiters see them. Every waiter also asks again and
//! again whether the name is owned: a start by hand may win the race, and is as good.
//!
//! A waiter's own deadline ends its wait and nothing else: the child goes on starting. Nothing
//! here kills.

mod environment;
mod ledger;
mod start;
mod wait;
mod watch;

use std::time::{Duration, Instant};

pub(crate) use self::environment::{call_path, forget_call_path};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::CALL_PATH_MAX;
use crate::name::AppName;
use crate::registry::Registry;
use crate::sys::home::Home;
use crate::sys::process::ProcessId;

/// What a launch tells an observer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LaunchEvent {
    /// A process was started.
    Started {
        /// The app.
        name: AppName,
        /// The process.
        pid: u32,
    },
    /// A start that is not over is waited for; told again every second.
    Waiting {
        /// The app.
        name: AppName,
        /// The process that is starting.
        pid: u32,
        /// How long it has been starting.
        elapsed: Duration,
        /// How long it may.
        budget: Duration,
    },
    /// The app is ready; not told when a start by hand was ahead.
    Ready {
        /// The app.
        name: AppName,
        /// The process that owns the name.
        pid: u32,
        /// How long this caller has waited.
        elapsed: Duration,
    },
}

/// How a launch ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Launched {
    /// The name was owned already, or somebody else's start was waited for.
    AlreadyRunning {
        /// The process that owns the name.
        pid: u32,
    },
    /// This caller started the app.
    Started {
        /// The process that owns the name.
        pid: u32,
        /// How long it took until it was ready.
        elapsed: Duration,
    },
}

/// Who owns a name, as the asker finds by connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// A process that answers.
    Ready {
        /// The owner.
        pid: u32,
    },
    /// A process that has the name and is not ready yet.
    Starting {
        /// The owner.
        pid: u32,
    },
    /// A process that has the name and has not said a word.
    Silent {
        /// The owner.
        pid: u32,
    },
    /// Nobody.
    Absent,
}

/// One caller's wish that an app be ready.
pub(crate) struct Launch<'a> {
    /// Where the ledger and the log are.
    pub(crate) home: &'a Home,
    /// Where the app's command is.
    pub(crate) registry: &'a Registry,
    /// The app.
    pub(crate) name: &'a AppName,
    /// The apps whose calls led here; none of them is launched.
    pub(crate) call_path: &'a [String],
    /// The caller's own explicit deadline.
    pub(crate) until: Option<Instant>,
    /// Whether the caller has lost interest.
    pub(crate) cancelled: &'a dyn Fn() -> bool,
    /// Told of each [`LaunchEvent`].
    pub(crate) observe: &'a dyn Fn(&LaunchEvent),
    /// Asks who owns the name now; quick, and never launches.
    pub(crate) probe: &'a dyn Fn() -> Result<Probe>,
}

impl Launch<'_> {
    /// Waits until the app is ready, and starts it if nobody has.
    ///
    /// # Errors
    /// - `no_such_app`: it is not registered, or its program is gone
    /// - `refused`: something on the way to its execution is not to be trusted
    /// - `launch_failed`: it ended before it was ready, or is not ready within its budget, or is
    ///   on the call path already
    /// - `not_responding`: a process that nobody is known to be launching has the name and says
    ///   nothing
    /// - `suspended`: it was started too often
    /// - `deadline`, `cancelled`: the caller's own
    /// - what `probe` and the registry fail with
    ///
    /// # Blocking
    /// Up to the app's `ready_timeout` from its start, or `until`. Looks at `cancelled` at least
    /// every 50 ms.
    pub(crate) fn run(&self) -> Result<Launched> {
        wait::Waiter::new(self).run()
    }

    fn refuse_cycle(&self) -> Result<()> {
        let path = || format!("{} -> {}", self.call_path.join(" -> "), self.name);
        if self.call_path.iter().any(|name| name == self.name.as_str()) {
            let what = format!("{} is not launched in a circle of calls: {}", self.name, path());
            return Err(Error::new(ErrorCode::LaunchFailed, what)
                .hint("One of these apps must not call the next while it starts."));
        }
        if self.call_path.len() >= CALL_PATH_MAX {
            let what = format!("the chain of calls is longer than {CALL_PATH_MAX}: {}", path());
            return Err(Error::new(ErrorCode::LaunchFailed, what));
        }
        Ok(())
    }
}

/// The process that is starting under this name, as far as the ledger tells; it may own no name
/// yet. For a tool that ends a start that hangs.
pub(crate) fn starting(home: &Home, name: &AppName) -> Option<ProcessId> {
    let child = ledger::Ledger::read(&home.ledger_path(name)).start?.child;
    child.is_alive().then_some(child)
}

/// A tool is about to stop the app: those who wait for a start of it are told so.
pub(crate) fn stopping(home: &Home, name: &AppName) -> Result<()> {
    watch::change_ledger(home, name, |ledger, now| {
        ledger.record_stop(now, format!("{name} was stopped while it was starting"));
    })
}

/// A ready app was stopped on request: its starts are no sign of a crash.
pub(crate) fn stopped(home: &Home, name: &AppName) -> Result<()> {
    watch::change_ledger(home, name, |ledger, _| ledger.forget_starts())
}

#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;
