//! [`AppBuilder`]: settings of an app, before it claims its name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::runner::Executor;
use super::{App, Claim};
use crate::client::software;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::Limits;
use crate::name::AppName;
use crate::registry::{Entry, Kind, this_directory, this_program};
use crate::sys::home::Home;
use crate::wire::hello::Hello;
use crate::wire::manifest::MethodInfo;

/// Settings of an app. What is not set is read from the environment or has its default.
pub struct AppBuilder {
    pub(super) name: String,
    pub(super) home: Option<Home>,
    pub(super) limits: Limits,
    pub(super) executor: Option<Executor>,
    pub(super) registration: Registration,
}

/// How an app is written into the registry.
#[derive(Clone, Debug, Default)]
pub(super) struct Registration {
    pub(super) unregistered: bool,
    pub(super) version: Option<String>,
    command: Option<(Kind, Vec<String>)>,
    cwd: Option<PathBuf>,
    env: BTreeMap<String, String>,
    pub(super) ready_timeout: Option<Duration>,
    pub(super) stop_grace: Option<Duration>,
}

impl AppBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            home: None,
            limits: Limits::default(),
            executor: None,
            registration: Registration::default(),
        }
    }

    /// The home; by default `MESH_HOME`, or `~/.mesh`.
    #[must_use]
    pub fn home(mut self, home: Home) -> Self {
        self.home = Some(home);
        self
    }

    /// Bounds other than the default ones.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The app's own version, for people and for `mesh ps`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.registration.version = Some(version.into());
        self
    }

    /// The command that launches this app, instead of its program without arguments. For a script
    /// it is the interpreter, then the script.
    #[must_use]
    pub fn command(mut self, kind: Kind, command: Vec<String>) -> Self {
        self.registration.command = Some((kind, command));
        self
    }

    /// The directory that it is launched in. By default a program's own directory, and for a
    /// script the current one.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.registration.cwd = Some(cwd.into());
        self
    }

    /// An addition to the environment that it is launched with.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.registration.env.insert(key.into(), value.into());
        self
    }

    /// How long it may take from its start until it is ready; 10 s by default, 120 s at most.
    #[must_use]
    pub fn ready_timeout(mut self, budget: Duration) -> Self {
        self.registration.ready_timeout = Some(budget);
        self
    }

    /// How long calls in flight may go on when it is asked to stop; 5 s by default.
    #[must_use]
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.registration.stop_grace = Some(grace);
        self
    }

    /// Leaves the registry alone: the app is found while it runs and never launched.
    #[must_use]
    pub fn unregistered(mut self) -> Self {
        self.registration.unregistered = true;
        self
    }

    /// Hands every call, and the rest of every stream, to `executor`, which runs it where it
    /// likes: on the main loop of a GUI, say. It must not block, and must run or drop every job; a
    /// dropped one fails its call. Jobs that wait there are bounded by the calls that connections
    /// may have open.
    #[must_use]
    pub fn executor(
        mut self,
        executor: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static,
    ) -> Self {
        self.executor = Some(Arc::new(executor));
        self
    }

    /// Claims the name as [`App::claim`] does.
    ///
    /// # Errors
    /// As [`App::claim`].
    pub fn claim(self) -> Result<App> {
        match self.try_claim()? {
            Claim::Primary(app) => Ok(app),
            Claim::Secondary(running) => super::second_start(&running),
        }
    }

    /// Claims the name as [`App::try_claim`] does.
    ///
    /// # Errors
    /// As [`App::try_claim`].
    pub fn try_claim(self) -> Result<Claim> {
        super::try_claim(self)
    }

    /// The bounds, with the grace that was set beside them.
    pub(super) fn bounds(&self) -> Limits {
        let mut limits = self.limits.clone();
        limits.stop_grace = self.registration.stop_grace.unwrap_or(limits.stop_grace);
        limits
    }

    pub(super) fn hello(&self, name: &AppName) -> Hello {
        let ready = self.registration.ready_timeout;
        Hello {
            name: Some(name.to_string()),
            pid: std::process::id(),
            version: self.registration.version.clone(),
            software: software(),
            message_max: Some(self.limits.message as u64),
            session: 0,
            ready: false,
            ready_timeout_ms: ready.and_then(|time| u64::try_from(time.as_millis()).ok()),
            stop_grace_ms: u64::try_from(self.bounds().stop_grace.as_millis()).ok(),
        }
    }
}

impl Registration {
    /// The entry to write. Of a `stored` one of the same program stays what the builder did not
    /// set: a person may have chosen it.
    pub(super) fn entry(&self, methods: Vec<MethodInfo>, stored: Option<Entry>) -> Result<Entry> {
        let (kind, command) = match &self.command {
            Some((kind, command)) => (*kind, command.clone()),
            None => (Kind::Binary, this_program()?),
        };
        let cwd = match (&self.cwd, kind) {
            (Some(cwd), _) => cwd.clone(),
            (None, Kind::Binary) => this_directory(),
            (None, Kind::Script) => std::env::current_dir().map_err(|error| {
                let text = "the current directory is not known";
                Error::new(ErrorCode::Registry, text).source(error)
            })?,
        };
        let mut entry = Entry::new(kind, command, cwd)?;
        if let Some(stored) = stored.filter(|stored| stored.is_same_program(&entry)) {
            if self.command.is_none() {
                entry.command = stored.command;
            }
            if self.cwd.is_none() {
                entry.cwd = stored.cwd;
            }
            entry.env = stored.env;
            entry.launch = stored.launch;
        }
        entry.env.extend(self.env.clone());
        entry.version.clone_from(&self.version);
        entry.launch.ready_timeout = self.ready_timeout.or(entry.launch.ready_timeout);
        entry.launch.stop_grace = self.stop_grace.or(entry.launch.stop_grace);
        entry.methods = methods;
        Ok(entry)
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder")
            .field("name", &self.name)
            .field("home", &self.home)
            .field("registration", &self.registration)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_hand(program: &str) -> Entry {
        let command = [program, "--small"].map(str::to_owned).to_vec();
        let mut entry = Entry::new(Kind::Binary, command, "/usr".into()).unwrap();
        entry.env.insert("FOO".to_owned(), "bar".to_owned());
        entry.launch.ready_timeout = Some(Duration::from_secs(7));
        entry
    }

    #[test]
    fn what_a_person_chose_for_this_program_stays_unless_the_builder_says_otherwise() {
        let stored = by_hand(&this_program().unwrap()[0]);
        let plain = Registration::default();
        let entry = plain.entry(Vec::new(), Some(stored.clone())).unwrap();
        assert_eq!((&entry.command, &entry.cwd), (&stored.command, &stored.cwd));
        assert_eq!((&entry.env, entry.launch), (&stored.env, stored.launch));

        let mut set = Registration::default();
        set.env.insert("FOO".to_owned(), "mine".to_owned());
        set.ready_timeout = Some(Duration::from_secs(1));
        let elsewhere = std::env::temp_dir();
        set.cwd = Some(elsewhere.clone());
        set.command = Some((Kind::Binary, this_program().unwrap()));
        let entry = set.entry(Vec::new(), Some(stored)).unwrap();
        assert_eq!(entry.command, this_program().unwrap());
        assert_eq!(entry.cwd, elsewhere);
        assert_eq!(entry.env["FOO"], "mine");
        assert_eq!(entry.launch.ready_timeout, Some(Duration::from_secs(1)));
    }

    #[test]
    fn an_entry_of_another_program_is_replaced() {
        let entry = Registration::default().entry(Vec::new(), Some(by_hand("/bin/sh"))).unwrap();
        assert_eq!(entry.command, this_program().unwrap());
        assert!(entry.env.is_empty() && entry.launch.ready_timeout.is_none());
    }
}
