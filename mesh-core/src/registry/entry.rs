//! [`Entry`]: what the registry knows of one app.
//!
//! An entry is valid when it can be launched as it stands: an absolute program, no NUL anywhere,
//! within the bounds. Whether its program exists is another question, asked at launch and by
//! prune. Live state (a pid, an address) has no place here.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::date;
use super::program;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{COMMAND_ARGS_MAX, COMMAND_BYTES_MAX, READY_TIMEOUT_MAX};
use crate::sys::{file, trust, volume};
use crate::wire::manifest::MethodInfo;

/// What `command` begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A program.
    Binary,
    /// An interpreter, then the path of a script.
    Script,
}

/// How an app is launched and what it answers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// What `command` begins with.
    pub kind: Kind,
    /// The program (for a script its interpreter, then the script) and the arguments.
    pub command: Vec<String>,
    /// The directory that it is started in.
    pub cwd: PathBuf,
    /// What is added to its environment.
    pub env: BTreeMap<String, String>,
    /// When the entry was last changed: RFC 3339, UTC.
    pub registered_at: String,
    /// Which version of the runtime wrote it.
    pub registered_by: String,
    /// The app's own version, if it gave one.
    pub version: Option<String>,
    /// Budgets that differ from the defaults.
    pub launch: LaunchPolicy,
    /// The methods that it exposed when it was last ready.
    pub methods: Vec<MethodInfo>,
    /// The mounted volume that the program (or script) is on.
    pub(crate) volume: Option<String>,
}

/// Budgets of an app's launch and end; what is [`None`] is the default of
/// [`limits`](crate::limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LaunchPolicy {
    /// From spawn to ready.
    pub ready_timeout: Option<Duration>,
    /// From the request to stop to its end.
    pub stop_grace: Option<Duration>,
}

impl Entry {
    /// An entry for this command, written now by this version. A program without a slash (on
    /// Windows also a backslash or a drive) is looked for in `PATH`; a relative one, and a script,
    /// are taken relative to `cwd`, and `cwd` to the current directory. On Windows a program may
    /// be named without the extension, if that is in `PATHEXT`.
    ///
    /// # Errors
    /// `no_such_app` when the program or script does not exist; `registry` when the command
    /// cannot be kept in the registry.
    pub fn new(kind: Kind, command: Vec<String>, cwd: PathBuf) -> Result<Self> {
        let cwd = std::path::absolute(file::plain(&cwd)).map_err(|error| {
            Error::new(ErrorCode::Registry, "the current directory is not known").source(error)
        })?;
        let command = program::resolve(kind, command, &cwd)?;
        let mut entry = Self {
            kind,
            command,
            cwd,
            env: BTreeMap::new(),
            registered_at: date::rfc3339(SystemTime::now()),
            registered_by: concat!("mesh-core ", env!("CARGO_PKG_VERSION")).to_owned(),
            version: None,
            launch: LaunchPolicy::default(),
            methods: Vec::new(),
            volume: None,
        };
        entry.check().map_err(|why| {
            Error::new(ErrorCode::Registry, format!("the command cannot be registered: {why}"))
        })?;
        entry.volume = entry.files().last().and_then(volume::of);
        Ok(entry)
    }

    /// The files that must exist: the program, and for a script the script too.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let count = match self.kind {
            Kind::Binary => 1,
            Kind::Script => 2,
        };
        self.command.iter().take(count).map(Path::new)
    }

    /// Whether both begin with the same program; of two scripts, with the same script.
    pub(crate) fn is_same_program(&self, other: &Self) -> bool {
        let resolved = |path: &Path| std::fs::canonicalize(path).ok();
        match (self.files().last(), other.files().last()) {
            (Some(one), Some(two)) if self.kind == other.kind => {
                one == two || resolved(one).is_some_and(|one| resolved(two) == Some(one))
            }
            _ => false,
        }
    }

    /// What makes the entry invalid, as a fragment.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let needed = match self.kind {
            Kind::Binary => 1,
            Kind::Script => 2,
        };
        if self.command.len() < needed {
            return Err(format!("`command` has fewer than {needed} members"));
        }
        if self.command.len() > COMMAND_ARGS_MAX {
            return Err(format!("`command` has more than {COMMAND_ARGS_MAX} members"));
        }
        if self.command.iter().map(String::len).sum::<usize>() > COMMAND_BYTES_MAX {
            return Err(format!("`command` is longer than {COMMAND_BYTES_MAX} bytes"));
        }
        if let Some(path) = self.files().find(|path| !path.is_absolute()) {
            return Err(format!("`command` holds {}, not an absolute path", path.display()));
        }
        let Some(cwd) = self.cwd.to_str() else {
            return Err(format!("`cwd` is not UTF-8: {}", self.cwd.display()));
        };
        if !self.cwd.is_absolute() {
            return Err(format!("`cwd` is not an absolute path: {cwd}"));
        }
        let env = self.env.iter().flat_map(|(key, value)| [key, value]);
        if env.clone().map(String::len).sum::<usize>() > COMMAND_BYTES_MAX {
            return Err(format!("`env` is longer than {COMMAND_BYTES_MAX} bytes"));
        }
        if let Some(key) = self.env.keys().find(|key| key.is_empty() || key.contains('=')) {
            return Err(format!("`env` holds {key:?}, which cannot be a variable's name"));
        }
        if self.command.iter().chain(env).any(|text| text.contains('\0')) || cwd.contains('\0') {
            return Err("it holds a NUL".to_owned());
        }
        match self.launch.ready_timeout {
            Some(budget) if budget > READY_TIMEOUT_MAX => Err(format!(
                "`ready_timeout_ms` is over the limit of {} ms",
                READY_TIMEOUT_MAX.as_millis()
            )),
            _ => Ok(()),
        }
    }

    /// Whether a launch would take the entry as things stand now: what it runs exists, can be run,
    /// and can be changed by nobody but the user and root, as its working directory and all above
    /// them.
    ///
    /// # Errors
    /// Why a launch would refuse it: `no_such_app` when a file or the directory does not exist,
    /// `refused` when one is not to be trusted or is no file, `launch_failed` when it cannot be
    /// looked at or may not be executed.
    pub fn check_launch(&self) -> Result<()> {
        for path in self.files() {
            let about = std::fs::metadata(path).map_err(|error| {
                let code = match error.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory => ErrorCode::NoSuchApp,
                    _ => ErrorCode::LaunchFailed,
                };
                let what = format!("the program {} cannot be looked at", path.display());
                Error::new(code, what).hint("Check the path.").source(error)
            })?;
            if !about.is_file() {
                let found = trust::kind_of(&about);
                let what = format!("{} is {found}, not a program", path.display());
                return Err(Error::new(ErrorCode::Refused, what)
                    .hint("Register the app again with the right command."));
            }
            trust::check_path(path, ErrorCode::LaunchFailed)?;
        }
        if let Some(program) = self.files().next()
            && !file::is_executable(program)
        {
            let what = format!("{} may not be executed", program.display());
            let hint = file::how_executable(program);
            return Err(Error::new(ErrorCode::Refused, what).hint(hint));
        }
        self.check_cwd().map_err(|error| {
            let what = format!("the working directory (`cwd`) of the entry: {error}");
            let named = Error::new(error.code(), what);
            match error.next_step() {
                Some(step) => named.hint(format!("{step} Or register it with another directory.")),
                None => named.hint("Register it with another directory."),
            }
        })
    }

    fn check_cwd(&self) -> Result<()> {
        let at = self.cwd.display();
        match std::fs::metadata(&self.cwd) {
            Ok(about) if about.is_dir() => trust::check_path(&self.cwd, ErrorCode::LaunchFailed),
            Ok(_) => Err(Error::new(ErrorCode::Refused, format!("{at} is not a directory"))),
            Err(error) => {
                let what = format!("{at} cannot be looked at");
                Err(Error::new(ErrorCode::LaunchFailed, what).source(error))
            }
        }
    }
}
