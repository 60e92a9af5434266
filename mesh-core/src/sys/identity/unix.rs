//! Device and inode.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::FileId;

pub(super) fn of(file: &File) -> io::Result<FileId> {
    let about = file.metadata()?;
    Ok(FileId { volume: about.dev(), number: about.ino() })
}
