//! Trust by owners and access lists.

use std::fs::{File, Metadata};
use std::path::Path;

use crate::error::{ErrorCode, Result};

/// Checks `path`, which must be absolute, and everything on the way to it.
///
/// # Errors
/// `refused` names the component and who may change it; another failure to look at it is `code`.
pub(crate) fn check_path(path: &Path, code: ErrorCode) -> Result<()> {
    todo!("{path:?} {code:?}")
}

/// As [`check_path`], for a directory in which something of ours is made: it is on the way.
///
/// # Errors
/// As [`check_path`].
pub(crate) fn check_parent(path: &Path, code: ErrorCode) -> Result<()> {
    todo!("{path:?} {code:?}")
}

/// Checks an opened regular file; the directories on the way to it are [`check_path`]'s.
///
/// # Errors
/// As [`check_path`].
pub(crate) fn check_file(file: &File, path: &Path, code: ErrorCode) -> Result<()> {
    todo!("{file:?} {path:?} {code:?}")
}

/// What kind of thing this is, for a message.
pub(crate) fn kind_of(about: &Metadata) -> &'static str {
    todo!("{about:?}")
}
