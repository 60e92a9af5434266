//! [`Turn`]: one start of a served app at a time.
//!
//! `mesh serve -d` looks who runs, registers and launches; another start of the same name in
//! between would register what does not run. The lock is the kernel's and ends with its holder;
//! its file stays. An app that a call launches takes no turn: it is started by its entry, and
//! leaves that as it is.

use std::fs::{File, OpenOptions, TryLockError};
use std::time::{Duration, Instant};

use mesh_core::limits::READY_TIMEOUT;
use mesh_core::{AppName, CancelToken, Error, ErrorCode, Home, Result};

/// How long another start is waited for: its own budget, and a little.
const WAIT: Duration = Duration::from_secs(READY_TIMEOUT.as_secs() + 5);

/// How often it is looked whether the other start is over.
const LOOK: Duration = Duration::from_millis(10);

/// A held turn; dropping it lets the next start go on.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Closing it gives the lock back; no child inherits it.
    _file: File,
}

impl Turn {
    /// Waits until no other start of this name is under way.
    ///
    /// # Errors
    /// `busy` when one still is after its budget; `home`, `refused` when the home cannot be used.
    ///
    /// # Blocking
    /// Up to 15 s.
    pub(crate) fn take(home: &Home, app: &AppName) -> Result<Self> {
        home.prepare()?;
        let path = home.run_dir().join(format!("{app}.serve-lock"));
        let unusable = |error| {
            let what = format!("the lock file {} cannot be used", path.display());
            Error::new(ErrorCode::Home, what).source(error)
        };
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(unusable)?;
        let until = Instant::now() + WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    CancelToken::new().wait_timeout(LOOK);
                }
                Err(TryLockError::WouldBlock) => {
                    let what = format!("another `mesh serve` has been starting {app} for long");
                    return Err(Error::new(ErrorCode::Busy, what)
                        .hint(format!("See `mesh logs {app}`, then try again.")));
                }
            }
        }
    }
}
