//! Thin safe wrappers over what std, fs2 and rustix lack. The only place with unsafe code.
//!
//! Nothing here knows of apps, entries or connections: it deals in files, directories, locks and
//! processes, and says no when one of them is not to be trusted.

pub(crate) mod clock;
pub(crate) mod descriptors;
pub(crate) mod file;
pub(crate) mod home;
pub(crate) mod lock;
pub(crate) mod process;
pub(crate) mod readiness;
pub(crate) mod spawn;
pub(crate) mod trust;
pub(crate) mod volume;
pub(crate) mod watch;
