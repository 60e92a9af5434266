//! [`Home`]: the directory under which everything of mesh lives, and the names of what is in it.
//!
//! Directories are 0700 whatever the umask is; the process's umask is never touched, because
//! other threads create files too. What exists already is verified and not repaired, except for
//! an empty directory that nobody else could write: any other may hold anything.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorCode, Result};
use crate::name::AppName;
use crate::sys::trust;

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

/// The environment variable that names another home.
pub(crate) const HOME_VARIABLE: &str = "MESH_HOME";

/// How long another process may take to create a directory and set its mode.
const CREATION: Duration = Duration::from_millis(100);

/// The home directory of mesh: `~/.mesh`, or what `MESH_HOME` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// `MESH_HOME` if it is set, else `~/.mesh`. Only looks at the environment.
    ///
    /// # Errors
    /// `home` when neither is known.
    pub fn from_env() -> Result<Self> {
        if let Some(root) = std::env::var_os(HOME_VARIABLE).filter(|root| !root.is_empty()) {
            return Ok(Self::at(PathBuf::from(root)));
        }
        let user = directories::BaseDirs::new().ok_or_else(|| {
            Error::new(ErrorCode::Home, "the home directory of the user is not known")
                .hint("Set HOME, or MESH_HOME to a directory of your own.")
        })?;
        Ok(Self::at(user.home_dir().join(".mesh")))
    }

    /// The home at `root`, which is taken relative to the current directory.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        // Without a current directory the path stays as it is, and `prepare` refuses it.
        Self { root: std::path::absolute(&root).unwrap_or(root) }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `registry.json`.
    #[must_use]
    pub fn registry_path(&self) -> PathBuf {
        self.root.join("registry.json")
    }

    /// `run/`: sockets, locks and ledgers.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("run")
    }

    /// `log/`: what launched apps print.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.root.join("log")
    }

    /// `run/<name>.lock`: whoever holds it owns the name.
    #[must_use]
    pub fn lock_path(&self, name: &AppName) -> PathBuf {
        self.run_dir().join(format!("{name}.lock"))
    }

    /// `run/<name>.sock`.
    #[must_use]
    pub fn socket_path(&self, name: &AppName) -> PathBuf {
        self.run_dir().join(format!("{name}.sock"))
    }

    /// `run/<name>.launch`: the launch ledger; its lock is beside it, `run/<name>.launch-lock`.
    #[must_use]
    pub fn ledger_path(&self, name: &AppName) -> PathBuf {
        self.run_dir().join(format!("{name}.launch"))
    }

    /// `log/<name>.log`; the one before it is `log/<name>.log.1`.
    #[must_use]
    pub fn log_path(&self, name: &AppName) -> PathBuf {
        self.log_dir().join(format!("{name}.log"))
    }

    /// Creates what is missing and verifies the rest: owner, modes, directories on the way, file
    /// system. May be called any number of times, by many processes at once.
    ///
    /// # Errors
    /// `refused` when a directory is not to be trusted; `home` when one cannot be used.
    pub fn prepare(&self) -> Result<()> {
        if !self.root.is_absolute() {
            return Err(self.unusable("is not an absolute path"));
        }
        if let Some(parent) = self.root.parent() {
            platform::create_all(parent).map_err(|error| cannot_create(&self.root, error))?;
            trust::check_parent(parent, ErrorCode::Home)?;
        }
        let until = Instant::now() + CREATION;
        platform::create(&self.root)?;
        platform::close_if_empty(&self.root)?;
        platform::verify(&self.root, until)?;
        platform::check_file_system(self)?;
        for directory in [self.run_dir(), self.log_dir()] {
            platform::create(&directory)?;
            platform::verify(&directory, until)?;
        }
        Ok(())
    }

    fn unusable(&self, why: &str) -> Error {
        Error::new(ErrorCode::Home, format!("the home {} {why}", self.root.display()))
    }
}

fn cannot_create(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorCode::Home, format!("the directory {} cannot be created", path.display()))
        .hint("Set MESH_HOME to a directory of your own that can be written.")
        .source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::trust::testing::{close, is_private, open_to_all};
    use std::fs;

    #[test]
    fn a_new_home_is_made_private_and_may_be_prepared_by_many_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("a/b/home"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| home.prepare().unwrap());
            }
        });
        for path in [home.root().to_owned(), home.run_dir(), home.log_dir()] {
            assert!(is_private(&path), "{}", path.display());
        }
    }

    #[test]
    fn a_home_that_is_open_to_others_is_refused_with_the_repair() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        home.prepare().unwrap();
        for directory in [home.root().to_owned(), home.run_dir(), home.log_dir()] {
            open_to_all(&directory, false);
            let error = home.prepare().unwrap_err();
            assert_eq!(error.code(), ErrorCode::Refused);
            #[cfg(unix)]
            let repair = format!("`chmod 700 {}`", directory.display());
            #[cfg(windows)]
            let repair = format!("`icacls \"{}\" /inheritance:d", directory.display());
            assert!(error.next_step().unwrap().contains(&repair), "{error:?}");
            close(&directory);
        }
        open_to_all(home.root(), true);
        assert_eq!(home.prepare().unwrap_err().code(), ErrorCode::Refused);
        close(home.root());
        open_to_all(dir.path(), true);
        assert_eq!(home.prepare().unwrap_err().code(), ErrorCode::Refused);
    }

    #[test]
    fn an_empty_directory_is_made_private_unless_others_can_write_it() {
        let dir = tempfile::tempdir().unwrap();
        open_to_all(dir.path(), true);
        assert_eq!(Home::at(dir.path()).prepare().unwrap_err().code(), ErrorCode::Refused);
        close(dir.path());
        open_to_all(dir.path(), false);
        Home::at(dir.path()).prepare().unwrap();
        assert!(is_private(dir.path()));
    }

    #[test]
    fn a_file_in_place_of_the_home_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = Home::at(&file).prepare().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Home);
        assert!(error.message().contains("is a regular file"), "{error:?}");
        assert_eq!(Home::at(file.join("x")).prepare().unwrap_err().code(), ErrorCode::Home);
    }

    /// On Windows a link needs a right that users do not have.
    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_the_home_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(Home::at(&link).prepare().unwrap_err().message().contains("symbolic link"));
    }

    #[test]
    fn a_relative_home_is_made_absolute() {
        assert!(Home::at("x").root().is_absolute());
    }
}
