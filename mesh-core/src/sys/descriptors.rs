//! How many descriptors this process may have.

/// The soft limit; no limit is a very large number.
#[cfg(unix)]
pub(crate) fn most() -> usize {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// A process may have millions of handles.
#[cfg(windows)]
pub(crate) fn most() -> usize {
    usize::MAX
}
