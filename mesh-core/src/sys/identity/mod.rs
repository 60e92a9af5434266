//! [`FileId`]: which file an open file is, under whatever name.
//!
//! Times of creation do not tell that: Windows gives a new file the time of the one that had its
//! name shortly before.

use std::fs::File;
use std::io;

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

/// A file of this machine. The number is the file's own while somebody has it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    volume: u64,
    number: u64,
}

impl FileId {
    /// Which file this is.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(file: &File) -> io::Result<Self> {
        platform::of(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_file_stays_itself_and_its_successor_is_another() {
        let home = tempfile::tempdir().unwrap();
        let (log, old) = (home.path().join("log"), home.path().join("old"));
        let first = File::create(&log).unwrap();
        let id = FileId::of(&first).unwrap();
        assert_eq!(FileId::of(&File::open(&log).unwrap()).unwrap(), id);
        std::fs::rename(&log, &old).unwrap();
        let second = File::create(&log).unwrap();
        assert_eq!(FileId::of(&File::open(&old).unwrap()).unwrap(), id);
        assert_ne!(FileId::of(&second).unwrap(), id);
    }
}
