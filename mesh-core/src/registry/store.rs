//! The registry's file on disk: read without a lock, written under one, never lost or torn.
//!
//! A write is a temporary file, flushed, renamed over the old one, and the directory flushed.
//! A copy of the same bytes, the *last good copy*, is renamed into its place just before, without
//! a flush of its own: it is for the day when a person or a program spoils the file in place, and
//! whoever reads it parses it first. A file that does not parse is never taken for an empty one:
//! readers use the last good copy, and the next writer gives the spoiled file another name.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::date;
use super::format::{Document, FORMAT};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{REGISTRY_BYTES_MAX, REGISTRY_WAIT};
use crate::sys::file::{self, Durability, Prepared};
use crate::sys::home::Home;
use crate::sys::lock::FileLock;
use crate::sys::trust;

/// What the names of temporary files begin with.
const TEMPORARY: &str = ".registry-";
/// Spoiled files that are kept from one second.
const ASIDE_MAX: u32 = 100;

/// The paths of one registry.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    home: Home,
    path: PathBuf,
    last_good: PathBuf,
    lock: PathBuf,
}

/// A document and where it came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) document: Document,
    pub(crate) origin: Origin,
}

/// Where a document came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The registry file.
    File,
    /// There is no file yet.
    Missing,
    /// The last good copy; the text says what is wrong with the file.
    LastGood(String),
    /// Nowhere: neither the file nor its copy can be parsed.
    Lost(String),
}

impl Store {
    pub(crate) fn at(home: &Home) -> Self {
        let path = home.registry_path();
        let beside = |suffix: &str| {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            PathBuf::from(name)
        };
        let lock = path.with_extension("lock");
        Self { home: home.clone(), last_good: beside(".last"), lock, path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads without a lock.
    ///
    /// # Errors
    /// `registry` when it cannot be read, or does not parse and has no good copy.
    pub(crate) fn load(&self) -> Result<Loaded> {
        self.load_with(false)
    }

    /// As [`Self::load`], from a file that nobody else can have written.
    ///
    /// # Errors
    /// `refused` besides.
    pub(crate) fn load_trusted(&self) -> Result<Loaded> {
        trust::check_path(self.home.root(), ErrorCode::Home)?;
        self.load_with(true)
    }

    /// Whether nobody else can write to the file or to the directories above it.
    ///
    /// # Errors
    /// `refused` when somebody can.
    pub(crate) fn check_trust(&self) -> Result<()> {
        if !self.home.root().exists() {
            return Ok(());
        }
        trust::check_path(self.home.root(), ErrorCode::Home)?;
        match self.open(&self.path)? {
            Some(file) => trust::check_file(&file, &self.path, ErrorCode::Registry),
            None => Ok(()),
        }
    }

    /// Changes the document under the lock. `change` answers whether it changed anything; if not,
    /// nothing is written, unless the file must be repaired.
    ///
    /// # Errors
    /// Those of `change`; `registry` when the file cannot be locked or written (it is then as it
    /// was) or is of a later version; `refused` when it is not to be trusted.
    pub(crate) fn update(
        &self,
        change: impl FnOnce(&mut Document) -> Result<bool>,
    ) -> Result<bool> {
        self.home.prepare()?;
        let _lock = self.lock()?;
        self.check_trust()?;
        let Loaded { mut document, origin } = self.load_any(false)?;
        if document.is_newer() {
            let what = format!(
                "{} has format {}, and this version writes format {FORMAT}",
                self.path.display(),
                document.version()
            );
            return Err(Error::new(ErrorCode::Registry, what)
                .hint("It is left as it is. Update this program to change it."));
        }
        let changed = change(&mut document)?;
        let is_sound = matches!(origin, Origin::File | Origin::Missing);
        if changed || !is_sound {
            let bytes = document.to_bytes()?;
            let written = self.write(&bytes, !is_sound);
            written.map_err(|error| self.failed("cannot be written", error))?;
        }
        Ok(changed)
    }

    fn lock(&self) -> Result<FileLock> {
        if let Some(lock) = FileLock::acquire_within(&self.lock, REGISTRY_WAIT)? {
            // The signature is for whoever waits in vain; without it the message is only shorter.
            let _ = lock.sign();
            return Ok(lock);
        }
        let holder = FileLock::signer(&self.lock);
        let holder = holder.map_or_else(|| "unknown".to_owned(), |holder| holder.pid.to_string());
        let what = format!("{} is locked by another process (pid {holder})", self.path.display());
        Err(Error::new(ErrorCode::Registry, what)
            .hint("Try again; if it stays locked, see what that process is doing."))
    }

    fn load_with(&self, trusted: bool) -> Result<Loaded> {
        let loaded = self.load_any(trusted)?;
        let Origin::Lost(why) = loaded.origin else { return Ok(loaded) };
        Err(Error::new(ErrorCode::Registry, format!("{why}; there is no good copy of it")).hint(
            format!(
                "Correct it by hand, or start an app: the file then becomes {}.corrupt-TIME, and \
                 a new one begins.",
                self.path.display()
            ),
        ))
    }

    fn load_any(&self, trusted: bool) -> Result<Loaded> {
        let why = match self.parse(&self.path, trusted)? {
            None => return Ok(Loaded { document: Document::empty(), origin: Origin::Missing }),
            Some(Ok(document)) => return Ok(Loaded { document, origin: Origin::File }),
            Some(Err(why)) => format!("{} is no registry: {why}", self.path.display()),
        };
        match self.parse(&self.last_good, trusted)? {
            Some(Ok(document)) => Ok(Loaded { document, origin: Origin::LastGood(why) }),
            _ => Ok(Loaded { document: Document::empty(), origin: Origin::Lost(why) }),
        }
    }

    /// [`None`] when there is no file; the inner failure when it is no registry.
    fn parse(
        &self,
        path: &Path,
        trusted: bool,
    ) -> Result<Option<std::result::Result<Document, String>>> {
        let Some(file) = self.open(path)? else { return Ok(None) };
        if trusted {
            trust::check_file(&file, path, ErrorCode::Registry)?;
        }
        match file::read_bounded(&file, REGISTRY_BYTES_MAX) {
            // Some editors put a byte order mark in front.
            Ok(bytes) => Ok(Some(Document::parse(bytes.strip_prefix(MARK).unwrap_or(&bytes)))),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                Ok(Some(Err(error.to_string())))
            }
            Err(error) => Err(self.failed("cannot be read", error)),
        }
    }

    fn open(&self, path: &Path) -> Result<Option<File>> {
        match file::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if path.is_symlink() => {
                let what = format!("{} is a symbolic link", path.display());
                Err(Error::new(ErrorCode::Refused, what)
                    .hint("Put the file itself there, or set MESH_HOME to where it is.")
                    .source(error))
            }
            Err(error) => Err(self.failed("cannot be opened", error)),
        }
    }

    fn write(&self, bytes: &[u8], set_aside: bool) -> io::Result<()> {
        file::sweep(&self.path, TEMPORARY)?;
        // Both are written before either is renamed: a full disk changes nothing.
        let copy = Prepared::write(&self.last_good, TEMPORARY, bytes, Durability::Relaxed)?;
        let new = Prepared::write(&self.path, TEMPORARY, bytes, Durability::Durable)?;
        if set_aside {
            self.set_aside()?;
        }
        copy.replace(&self.last_good)?;
        new.replace(&self.path)?;
        file::sync_directory(&self.path)
    }

    /// Gives the spoiled file a second name; the rename of the new one then takes the first, so
    /// that at no moment there is no file.
    fn set_aside(&self) -> io::Result<()> {
        let time = date::compact(SystemTime::now());
        let mut result = Ok(());
        for number in 0..ASIDE_MAX {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".corrupt-{time}"));
            if number > 0 {
                name.push(format!("-{number}"));
            }
            result = fs::hard_link(&self.path, &name);
            match &result {
                Ok(()) => {
                    let (path, aside) = (self.path.display(), Path::new(&name).display());
                    log::warn!("{path} could not be parsed; it is kept as {aside}");
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // A file system without second names: there the file is missing for a moment.
                Err(_) => return fs::rename(&self.path, &name),
            }
        }
        result
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        let failed = Error::new(ErrorCode::Registry, format!("{} {what}", self.path.display()));
        let failed = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                failed.hint("Make room on the disk; the registry is as it was.")
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                failed.hint("See who owns the file and its directory.")
            }
            _ => failed.hint(
                "See whether it is a file, and whether another program holds it; try again then.",
            ),
        };
        failed.source(error)
    }
}

/// The byte order mark in UTF-8.
const MARK: &[u8] = &[0xef, 0xbb, 0xbf];
