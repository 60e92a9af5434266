//! When an entry goes: its program is missing, on a volume that is there, twice.
//!
//! A rebuild unlinks a program for a moment, so what is missing is looked for a second time half a
//! second later. What cannot be looked at (no permission, a failing disk) is not missing. An
//! entry whose volume is not mounted is reported and stays.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::format::Document;
use super::store::Store;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::PRUNE_RECHECK;
use crate::name::AppName;
use crate::sys::{clock, volume};

/// What an entry has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The program, or a script's interpreter.
    Program,
    /// The script.
    Script,
    /// The mounted volume that the program or script was on.
    Volume,
}

/// An entry whose program was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// The app.
    pub name: AppName,
    /// What was not found.
    pub path: PathBuf,
    /// What it is to the entry.
    pub missing: Missing,
    /// Whether the entry was removed; an unmounted volume and a dry run only report.
    pub removed: bool,
}

impl Pruned {
    /// The error of a launch that found this.
    pub(crate) fn error(&self) -> Error {
        let (name, path) = (&self.name, self.path.display());
        if self.missing == Missing::Volume {
            let what = format!("{name} is on a volume that is not mounted: {path}");
            return Error::new(ErrorCode::LaunchFailed, what)
                .hint("Mount the volume and try again; the entry is kept.");
        }
        let what = if self.missing == Missing::Script { "script" } else { "program" };
        let gone =
            Error::new(ErrorCode::NoSuchApp, format!("the {what} of {name}, {path}, is gone"));
        if self.removed {
            gone.hint("Its entry is removed; start the app from its new place to register it.")
        } else {
            gone.hint("Its entry could not be removed; `mesh registry prune` says why.")
        }
    }
}

/// Prunes the whole registry.
pub(crate) fn all(store: &Store, dry_run: bool) -> Result<Vec<Pruned>> {
    let suspects: Vec<Suspect> = store
        .load()?
        .document
        .entries()
        .0
        .into_iter()
        .filter_map(|(name, entry)| Suspect::of(name, entry))
        .collect();
    confirm(store, &suspects, dry_run)
}

/// Looks at one entry; answers what it has lost, if anything.
pub(crate) fn one(store: &Store, name: &AppName, entry: &Entry) -> Result<Option<Pruned>> {
    let Some(suspect) = Suspect::of(name.clone(), entry.clone()) else { return Ok(None) };
    match confirm(store, std::slice::from_ref(&suspect), false) {
        Ok(mut found) => Ok(found.pop()),
        // That the program is gone is true even if the entry cannot be removed.
        Err(error) => {
            log::warn!("the entry of {name} cannot be pruned: {error}");
            Ok(suspect.again().map(|suspect| suspect.found(false)))
        }
    }
}

/// An entry whose program was not there when it was looked for.
#[derive(Clone)]
struct Suspect {
    name: AppName,
    entry: Entry,
    missing: Missing,
    path: PathBuf,
}

impl Suspect {
    fn of(name: AppName, entry: Entry) -> Option<Self> {
        let (missing, path) = lost(&entry, is_missing, volume::is_present)?;
        Some(Self { name, entry, missing, path })
    }

    fn again(&self) -> Option<Self> {
        Self::of(self.name.clone(), self.entry.clone())
    }

    fn found(self, removed: bool) -> Pruned {
        Pruned { name: self.name, path: self.path, missing: self.missing, removed }
    }
}

/// Looks again after a while, and removes what is still missing and was not changed meanwhile.
fn confirm(store: &Store, suspects: &[Suspect], dry_run: bool) -> Result<Vec<Pruned>> {
    let is_gone = |suspect: &Suspect| suspect.missing != Missing::Volume;
    if suspects.iter().any(is_gone) {
        clock::pause(PRUNE_RECHECK);
    }
    let again = || suspects.iter().filter_map(Suspect::again);
    if dry_run || !again().any(|suspect| is_gone(&suspect)) {
        return Ok(again().map(|suspect| suspect.found(false)).collect());
    }
    let mut found = Vec::new();
    store.update(|document| {
        // Looked at under the lock: the wait for it may have been longer than a rebuild.
        for suspect in again() {
            let unchanged = has(document, &suspect);
            let removed = is_gone(&suspect) && unchanged && document.remove(&suspect.name);
            if unchanged {
                found.push(suspect.found(removed));
            }
        }
        Ok(found.iter().any(|pruned| pruned.removed))
    })?;
    Ok(found)
}

fn has(document: &Document, suspect: &Suspect) -> bool {
    document.entry(&suspect.name).is_ok_and(|entry| entry.as_ref() == Some(&suspect.entry))
}

/// What the entry has lost, by these two looks at the world.
fn lost(
    entry: &Entry,
    is_missing: impl Fn(&Path) -> bool,
    is_present: impl Fn(&str) -> bool,
) -> Option<(Missing, PathBuf)> {
    let (place, path) = entry.files().enumerate().find(|(_, path)| is_missing(path))?;
    let missing = match &entry.volume {
        Some(volume) if !is_present(volume) => Missing::Volume,
        _ if place == 0 => Missing::Program,
        _ => Missing::Script,
    };
    Some((missing, path.to_owned()))
}

fn is_missing(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(_) => false,
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Kind;

    #[test]
    fn an_entry_has_lost_its_program_its_script_or_its_volume() {
        let dir = tempfile::tempdir().unwrap();
        let (program, file) = (dir.path().join("program"), dir.path().join("file"));
        fs::write(&program, "").unwrap();
        fs::write(&file, "").unwrap();
        let entry = |kind, volume: Option<&str>| {
            let command = [&program, &file].map(|path| path.to_str().unwrap().to_owned());
            let mut entry = Entry::new(kind, command.into(), dir.path().into()).unwrap();
            entry.volume = volume.map(str::to_owned);
            entry
        };
        let what = |entry: &Entry, gone: &Path, mounted: bool| {
            lost(entry, |path| path == gone, |_| mounted).map(|(missing, _)| missing)
        };
        let (binary, script) = (entry(Kind::Binary, Some("v")), entry(Kind::Script, Some("v")));
        assert_eq!(what(&binary, Path::new("/none"), true), None);
        assert_eq!(what(&binary, &program, true), Some(Missing::Program));
        assert_eq!(what(&binary, &file, true), None, "an argument is no program");
        assert_eq!(what(&script, &program, true), Some(Missing::Program));
        assert_eq!(what(&script, &file, true), Some(Missing::Script));
        assert_eq!(what(&script, &file, false), Some(Missing::Volume));
        let unknown = entry(Kind::Binary, None);
        assert_eq!(what(&unknown, &program, false), Some(Missing::Program));
    }

    #[test]
    fn only_what_is_not_there_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let cases = vec![("file", false), ("none", true), ("none/x", true), ("file/x", true)];
        // On Windows a link needs a right that users do not have.
        #[cfg(unix)]
        let cases = {
            std::os::unix::fs::symlink("nothing", dir.path().join("dangling")).unwrap();
            std::os::unix::fs::symlink("circle", dir.path().join("circle")).unwrap();
            [cases, vec![("dangling", true), ("circle", false)]].concat()
        };
        for (name, missing) in cases {
            assert_eq!(is_missing(&dir.path().join(name)), missing, "{name}");
        }
    }
}
