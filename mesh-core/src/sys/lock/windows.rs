//! Lock files of Windows.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Whether the path leads to this open file.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    todo!("{file:?} {path:?}")
}

/// Refuses what is not a private regular file of this user's, and makes it private.
pub(super) fn check(held: &File, path: &Path) -> Result<()> {
    todo!("{held:?} {path:?}")
}

/// What went wrong with a lock file, and whose fault that is.
pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    todo!("{path:?} {error}")
}
