//! Nothing to watch: what mesh holds open cannot be deleted on Windows.

use std::io;
use std::path::Path;

use crate::sys::readiness::Readiness;

/// A watch that never tells.
#[derive(Debug)]
pub(crate) struct Watch;

impl Watch {
    /// Never fails.
    pub(crate) fn removals(_directory: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    /// Nothing was told.
    #[expect(clippy::unused_self, reason = "the face of the other platforms")]
    pub(crate) fn drain(&self) {}

    /// Never fails.
    #[expect(clippy::unused_self, reason = "the face of the other platforms")]
    pub(crate) fn watch(&self, _set: &Readiness, _token: u64) -> io::Result<()> {
        Ok(())
    }

    /// Never fails.
    #[expect(clippy::unused_self, reason = "the face of the other platforms")]
    pub(crate) fn arm(&self, _set: &Readiness, _token: u64) -> io::Result<()> {
        Ok(())
    }
}
