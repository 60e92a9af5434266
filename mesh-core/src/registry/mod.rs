//! The registry: how every app of this user can be launched, in one file that a person can read.
//!
//! [`Registry`] is a handle on that file. Readers take no lock and see the old or the new file;
//! writers take `registry.lock`. Nothing of what is alive is ever stored here. The file's format
//! is in `docs/registry.md`.
//!
//! - `entry`    what is known of one app, and what makes an entry valid
//! - `format`   bytes to entries and back, pure
//! - `store`    the locked write, the last good copy, the trust check
//! - `prune`    when an entry has lost its program
//! - `program`  how this process is launched again
//! - `date`     a time as text, pure

mod date;
mod entry;
mod format;
mod program;
mod prune;
mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use self::date::rfc3339;
pub use self::entry::{Entry, Kind, LaunchPolicy};
use self::format::Document;
pub(crate) use self::program::{this_directory, this_program};
pub use self::prune::{Missing, Pruned};
use self::store::{Origin, Store};
use crate::error::{Error, ErrorCode, Result};
use crate::name::{AppName, nearest};
use crate::sys::home::Home;

/// A handle on the registry file of one home. Cheap to clone; holds nothing open.
#[derive(Clone, Debug)]
pub struct Registry {
    store: Store,
}

/// What the registry held at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The entries that can be read.
    pub entries: BTreeMap<AppName, Entry>,
    /// What the user should know: a file that cannot be parsed, an entry that is not valid.
    pub warnings: Vec<String>,
    /// The file is of a later version, or not to be trusted: nothing is written to it.
    pub read_only: bool,
}

impl Registry {
    /// The registry of this home.
    #[must_use]
    pub fn at(home: &Home) -> Self {
        Self { store: Store::at(home) }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.store.path().to_owned()
    }

    /// All entries. Takes no lock; a missing file is an empty registry.
    ///
    /// # Errors
    /// `registry` when neither the file nor its last good copy can be read.
    pub fn read(&self) -> Result<Snapshot> {
        let loaded = self.store.load()?;
        let (entries, mut warnings) = loaded.document.entries();
        if let Origin::LastGood(why) = &loaded.origin {
            warnings.push(format!("{why}; its last good copy is used"));
        }
        let distrust = self.store.check_trust().err();
        warnings.extend(distrust.iter().map(ToString::to_string));
        let read_only = loaded.document.is_newer() || distrust.is_some();
        Ok(Snapshot { entries, warnings, read_only })
    }

    /// One entry, for display; [`None`] when the app is not registered.
    ///
    /// # Errors
    /// `registry` as [`Self::read`], and when this entry is not valid.
    pub fn entry(&self, name: &AppName) -> Result<Option<Entry>> {
        self.store.load()?.document.entry(name)
    }

    /// Writes one entry and answers whether the file changed: an entry that differs from the
    /// stored one in nothing but its date is not written. Fields that this version does not know
    /// stay as they are.
    ///
    /// # Errors
    /// `registry` when the file cannot be locked or written, is full or of a later version;
    /// `refused` when it is not to be trusted.
    ///
    /// # Blocking
    /// Up to 2 s for another writer.
    pub fn put(&self, name: &AppName, entry: Entry) -> Result<bool> {
        self.renew(name, |_| Ok(entry.clone()))
    }

    /// As [`Self::put`], with an entry made from the stored one, if that is there and valid. The
    /// last call of `make` is under the lock: what it looks at is no older than the write.
    ///
    /// # Errors
    /// As [`Self::put`], and those of `make`.
    ///
    /// # Blocking
    /// As [`Self::put`].
    pub(crate) fn renew(
        &self,
        name: &AppName,
        make: impl Fn(Option<Entry>) -> Result<Entry>,
    ) -> Result<bool> {
        let renewed = |document: &Document| -> Result<Entry> {
            let entry = make(document.entry(name).ok().flatten())?;
            entry.check().map_err(|why| {
                let text = format!("the entry of {name} is not valid: {why}");
                Error::new(ErrorCode::Registry, text)
            })?;
            Ok(entry)
        };
        self.store.check_trust()?;
        // Most starts change nothing, and need not wait for a lock to learn it.
        if let Ok(loaded) = self.store.load()
            && loaded.origin == Origin::File
            && loaded.document.holds(name, &renewed(&loaded.document)?)
        {
            return Ok(false);
        }
        self.store.update(|document| {
            let entry = renewed(document)?;
            document.set(name, &entry)
        })
    }

    /// Removes an entry and answers whether there was one; see [`Self::unknown`].
    ///
    /// # Errors
    /// As [`Self::put`].
    ///
    /// # Blocking
    /// Up to 2 s for another writer.
    pub fn remove(&self, name: &AppName) -> Result<bool> {
        self.store.update(|document| Ok(document.remove(name)))
    }

    /// Removes the entries whose program is missing on a volume that is present; see [`Pruned`].
    /// With `dry_run` nothing is removed.
    ///
    /// # Errors
    /// As [`Self::put`].
    ///
    /// # Blocking
    /// Half a second when a program is missing: it must be missing twice. Then as [`Self::put`].
    pub fn prune(&self, dry_run: bool) -> Result<Vec<Pruned>> {
        prune::all(&self.store, dry_run)
    }

    /// The error of an app that is not registered, with the nearest name that is.
    #[must_use]
    pub fn unknown(&self, name: &AppName) -> Error {
        let error = Error::new(ErrorCode::NoSuchApp, format!("no app {name} is registered"));
        let entries = self.store.load().map(|l| l.document.entries().0).unwrap_or_default();
        match nearest(name.as_str(), entries.keys().map(AppName::as_str)) {
            Some(near) => error.hint(format!("Is it {near:?}? `mesh registry list` shows all.")),
            None => error.hint(
                "Start it once by hand and it registers itself, or use `mesh registry add`; \
                 `mesh registry list` shows what is there.",
            ),
        }
    }

    /// The entry of an app, when all that leads to its execution is to be trusted: the file as
    /// it was opened, the directories above it, the program, the script and the working
    /// directory. An entry whose program is gone is pruned.
    ///
    /// # Errors
    /// `no_such_app` when it is not registered or its program is gone, `refused` when something
    /// is not to be trusted, `launch_failed` when its volume is not mounted, else `registry`.
    ///
    /// # Blocking
    /// Half a second, and for the registry's lock, when the program is missing.
    pub(crate) fn entry_to_launch(&self, name: &AppName) -> Result<Entry> {
        let loaded = self.store.load_trusted()?;
        let Some(entry) = loaded.document.entry(name)? else { return Err(self.unknown(name)) };
        if let Some(pruned) = prune::one(&self.store, name, &entry)? {
            return Err(pruned.error());
        }
        entry.check_launch()?;
        Ok(entry)
    }
}

#[cfg(test)]
mod tests;
