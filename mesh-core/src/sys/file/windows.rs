//! Files of Windows.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// Opens for reading, without following a link.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    todo!("{path:?}")
}

/// Opens for reading and writing, and creates the file if it is missing.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    todo!("{path:?}")
}

/// Opens for appending, and creates the file if it is missing.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    todo!("{path:?}")
}

/// Closes the file to other users.
pub(crate) fn make_private(file: &File) -> io::Result<()> {
    todo!("{file:?}")
}

/// Whether `path` is a file that this user may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    todo!("{path:?}")
}

/// Puts a temporary file in the place of `path`.
pub(super) fn put(temp: NamedTempFile, path: &Path) -> io::Result<()> {
    todo!("{temp:?} {path:?}")
}

/// Makes the renames in the directory of `path` durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    todo!("{path:?}")
}
