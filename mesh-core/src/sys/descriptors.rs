//! How many descriptors this process may have.

use rustix::process::{Resource, getrlimit};

/// The soft limit; no limit is a very large number.
pub(crate) fn most() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}
