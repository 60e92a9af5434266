//! [`Walk`]: the files below a folder, one by one.
//!
//! Links are not followed and depth is bounded, so the walk ends and holds few descriptors. A
//! folder that cannot be read is told as an item; it ends nothing.

use std::fs::ReadDir;
use std::path::{Path, PathBuf};

use mesh_core::{Error, Result};

/// Folders that are open at one time.
const DEPTH_MAX: usize = 128;

/// The open folders from the top down to where the walk is.
pub(crate) struct Walk(Vec<(PathBuf, ReadDir)>);

impl Walk {
    pub(crate) fn below(folder: &Path) -> Result<Self> {
        let entries = folder.read_dir().map_err(|error| {
            Error::application(format!("cannot read the folder {}", folder.display())).source(error)
        })?;
        Ok(Self(vec![(folder.to_owned(), entries)]))
    }
}

impl Iterator for Walk {
    type Item = (&'static str, PathBuf);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (folder, entries) = self.0.last_mut()?;
            let entry = match entries.next() {
                Some(Ok(entry)) => entry,
                Some(Err(_)) => {
                    let folder = folder.clone();
                    self.0.pop();
                    return Some(("unreadable", folder));
                }
                None => {
                    self.0.pop();
                    continue;
                }
            };
            let path = entry.path();
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                return Some(("file", path));
            }
            match path.read_dir() {
                Ok(_) if self.0.len() == DEPTH_MAX => return Some(("too deep", path)),
                Ok(entries) => self.0.push((path, entries)),
                Err(_) => return Some(("unreadable", path)),
            }
        }
    }
}
