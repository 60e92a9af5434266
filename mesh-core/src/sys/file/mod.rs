//! Files of our own: opened without following links, replaced as a whole, read up to a bound.
//!
//! A file is replaced by writing a temporary one beside it and renaming: a reader sees the old or
//! the new one, never a part. Temporary files carry a prefix of ours, so that what a killed
//! writer left behind is found by the next one. Errors are plain [`io::Error`]s: the caller knows
//! what the file means.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

#[cfg(windows)]
pub(crate) use platform::wide;
pub(crate) use platform::{
    how_executable, is_executable, make_private, open, open_or_create, open_to_append, plain,
    spellings, sync_directory,
};

/// How sure a replaced file must be to survive a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// On the disk, directory included, before the call returns.
    Durable,
    /// Whenever the system gets to it; still old or new for every reader.
    Relaxed,
}

/// The whole content of a regular file of at most `limit` bytes.
pub(crate) fn read_bounded(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        let what = format!("larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// The last `limit` bytes of a file.
pub(crate) fn read_tail(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let skip = file.metadata()?.len().saturating_sub(limit);
    file.seek(SeekFrom::Start(skip))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that is written and not yet in its place; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Prepared(tempfile::NamedTempFile);

impl Prepared {
    /// Writes `bytes` into a temporary file (0600) beside `path`, whose name begins with `prefix`.
    pub(crate) fn write(
        path: &Path,
        prefix: &str,
        bytes: &[u8],
        durability: Durability,
    ) -> io::Result<Self> {
        let mut temp = tempfile::Builder::new()
            .prefix(prefix)
            .tempfile_in(directory_of(path)?)
            .map_err(without_path)?;
        make_private(temp.as_file())?;
        temp.write_all(bytes).map_err(without_path)?;
        if durability == Durability::Durable {
            temp.as_file().sync_all()?;
        }
        Ok(Self(temp))
    }

    /// Puts the file in the place of `path`.
    pub(crate) fn replace(self, path: &Path) -> io::Result<()> {
        platform::put(self.0, path)
    }
}

/// Replaces `path` by a file with these bytes.
pub(crate) fn replace(
    path: &Path,
    prefix: &str,
    bytes: &[u8],
    durability: Durability,
) -> io::Result<()> {
    Prepared::write(path, prefix, bytes, durability)?.replace(path)?;
    match durability {
        Durability::Durable => sync_directory(path),
        Durability::Relaxed => Ok(()),
    }
}

/// Removes temporary files that a killed writer left beside `path`; what cannot be removed now is
/// left to the next time. Only whoever holds the lock that guards the prefix may call it: a
/// living writer's file has the same look.
pub(crate) fn sweep(path: &Path, prefix: &str) -> io::Result<()> {
    for found in fs::read_dir(directory_of(path)?)? {
        let found = found?;
        if found.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            // On Windows another program may look at it just now.
            let _ = fs::remove_file(found.path());
        }
    }
    Ok(())
}

/// The error without the name of a temporary file, which says nothing to anybody.
fn without_path(error: io::Error) -> io::Error {
    io::Error::from(error.kind())
}

/// The directory that holds `path`.
fn directory_of(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_private_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        replace(&path, ".t-", b"one", Durability::Durable).unwrap();
        replace(&path, ".t-", b"two", Durability::Relaxed).unwrap();
        assert_eq!(read_bounded(&open(&path).unwrap(), 3).unwrap(), b"two");
        assert!(crate::sys::trust::testing::is_private(&path));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::write(dir.path().join(".t-left"), "x").unwrap();
        sweep(&path, ".t-").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn reading_is_bounded_and_follows_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "12345").unwrap();
        assert!(read_bounded(&open(&path).unwrap(), 4).is_err());
        assert_eq!(read_tail(&path, 2).unwrap(), b"45");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&path, dir.path().join("l")).unwrap();
            assert!(open(&dir.path().join("l")).is_err());
            assert!(read_bounded(&File::open(dir.path()).unwrap(), 4).is_err());
        }
    }
}
