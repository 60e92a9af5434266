//! [`FileLock`]: a lock that the kernel gives and takes back when its holder dies.
//!
//! The lock is on an open file; the file itself is never deleted, because a newcomer could then
//! lock a new one while the old one is still held. For the same reason the path is looked at
//! again once the lock is held: a file that somebody did delete is given up for the new one.
//! The file may say who signed it; whether the lock is held is never read from that.
//!
//! A child that was forked without exec has a copy of the lock and of the descriptor. The lock is
//! still its maker's: what the child drops gives nothing back.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::sys::process::ProcessId;
use crate::sys::{clock, file};

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

use platform::{check, failed};

/// Bytes of a signature.
const NOTE_MAX: u64 = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(25);

/// A held lock; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    path: PathBuf,
    /// The process that took it.
    maker: u32,
}

impl FileLock {
    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    /// `refused` when the file is not a regular file of ours, `home` when it cannot be used.
    pub(crate) fn try_acquire(path: &Path) -> Result<Option<Self>> {
        loop {
            let file = match file::open_or_create(path) {
                Ok(file) => file,
                Err(error) if platform::is_held(&error) => return Ok(None),
                Err(error) => return Err(failed(path, error)),
            };
            check(&file, path)?;
            match platform::lock(&file) {
                Ok(()) => {}
                Err(error) if platform::is_held(&error) => return Ok(None),
                Err(error) => return Err(failed(path, error)),
            }
            let lock = Self { file, path: path.to_owned(), maker: std::process::id() };
            if lock.is_current()? {
                return Ok(Some(lock));
            }
        }
    }

    /// Takes the lock, and waits for its holder for up to `wait`.
    ///
    /// # Errors
    /// As [`Self::try_acquire`]; `None` when it is still held at the end.
    ///
    /// # Blocking
    /// For up to `wait`.
    pub(crate) fn acquire_within(path: &Path, wait: Duration) -> Result<Option<Self>> {
        let end = Instant::now() + wait;
        let mut step = FIRST_PAUSE;
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(Some(lock));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            clock::pause(step.min(left));
            step = (step * 2).min(LAST_PAUSE);
        }
    }

    /// Writes into the file who holds the lock.
    ///
    /// # Errors
    /// `home` when the file cannot be written.
    pub(crate) fn sign(&self) -> Result<()> {
        let note = ProcessId::own().map(|own| own.to_note()).unwrap_or_default();
        let write = || {
            self.file.set_len(0)?;
            (&self.file).seek(SeekFrom::Start(0))?;
            (&self.file).write_all(note.as_bytes())
        };
        write().map_err(|error| failed(&self.path, error))
    }

    /// Who signed the lock last, be it held or not.
    pub(crate) fn signer(path: &Path) -> Option<ProcessId> {
        let bytes = file::read_bounded(&file::open(path).ok()?, NOTE_MAX).ok()?;
        ProcessId::from_note(std::str::from_utf8(&bytes).ok()?)
    }

    /// Whether this process took it, and is not a forked child of the one that did.
    pub(crate) fn is_ours(&self) -> bool {
        self.maker == std::process::id()
    }

    /// Whether the path still leads to the file that is locked.
    ///
    /// # Errors
    /// `home` when the path cannot be looked at.
    pub(crate) fn is_current(&self) -> Result<bool> {
        platform::is_at(&self.file, &self.path).map_err(|error| failed(&self.path, error))
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing is not enough while a forked child still holds a copy of the descriptor; but an
        // unlock by that child would take the lock from its parent.
        if self.is_ours() {
            platform::unlock(&self.file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use std::fs;

    #[test]
    fn a_lock_has_one_holder_and_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = FileLock::try_acquire(&path).unwrap().unwrap();
        held.sign().unwrap();
        assert!(FileLock::try_acquire(&path).unwrap().is_none());
        assert!(FileLock::acquire_within(&path, Duration::from_millis(5)).unwrap().is_none());
        assert_eq!(FileLock::signer(&path), ProcessId::own());
        drop(held);
        assert!(FileLock::try_acquire(&path).unwrap().is_some());
        assert!(crate::sys::trust::testing::is_private(&path));
    }

    #[test]
    fn a_waiter_gets_the_lock_when_it_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = FileLock::try_acquire(&path).unwrap().unwrap();
        std::thread::scope(|scope| {
            let waiter =
                scope.spawn(|| FileLock::acquire_within(&path, Duration::from_secs(5)).unwrap());
            drop(held);
            assert!(waiter.join().unwrap().is_some());
        });
    }

    /// Windows has no fork.
    #[cfg(unix)]
    #[test]
    #[expect(unsafe_code, reason = "a child without exec can only be made by fork")]
    fn what_a_forked_child_drops_stays_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = FileLock::try_acquire(&path).unwrap().unwrap();
        // SAFETY: the child drops the lock, which makes system calls and frees memory (the C
        // library keeps its allocator usable in a forked child), and ends; it never returns.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop(held);
            // SAFETY: ends the child at once, without the parent's handlers of exit.
            unsafe { libc::_exit(0) };
        }
        let child = rustix::process::Pid::from_raw(child).unwrap();
        rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty()).unwrap();
        assert!(FileLock::try_acquire(&path).unwrap().is_none(), "the parent's");
        drop(held);
        assert!(FileLock::try_acquire(&path).unwrap().is_some());
    }

    /// Windows does not delete what is open here: see its own tests.
    #[cfg(unix)]
    #[test]
    fn a_deleted_lock_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = FileLock::try_acquire(&path).unwrap().unwrap();
        assert!(held.is_current().unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!held.is_current().unwrap());
    }

    #[test]
    fn what_is_planted_in_its_place_is_refused_and_does_not_hang() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::hard_link(&victim, at("hard")).unwrap();
        fs::create_dir(at("dir")).unwrap();
        let planted = vec!["hard", "dir"];
        // On Windows a link needs a right that users do not have, and there are no FIFOs in
        // directories.
        #[cfg(unix)]
        let planted = {
            std::os::unix::fs::symlink(&victim, at("link")).unwrap();
            let made = std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap();
            assert!(made.success());
            [planted, vec!["link", "fifo"]].concat()
        };
        for name in planted {
            let error = FileLock::try_acquire(&at(name)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Refused, "{name}: {error:?}");
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }
}
