//! The home by owners and access lists.

use std::io;
use std::path::Path;
use std::time::Instant;

use super::Home;
use crate::error::Result;

/// Creates a directory and all above it that is missing, private.
pub(super) fn create_all(path: &Path) -> io::Result<()> {
    todo!("{path:?}")
}

/// Refuses file systems that cannot be written or on which locks fail.
pub(super) fn check_file_system(home: &Home) -> Result<()> {
    todo!("{home:?}")
}

/// Creates a private directory, or finds one.
pub(super) fn create(path: &Path) -> Result<()> {
    todo!("{path:?}")
}

/// Makes an empty directory private that others could read but not write.
pub(super) fn close_if_empty(path: &Path) -> Result<()> {
    todo!("{path:?}")
}

/// Refuses a directory that is not this user's own and private.
pub(super) fn verify(path: &Path, until: Instant) -> Result<()> {
    todo!("{path:?} {until:?}")
}
