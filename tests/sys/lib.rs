//! What the tests need of a system and std does not offer. Only Windows has such things:
//! consoles, pipes, and the figures of another process.
//!
//! A library, because the tests and the app that they start both use it.

#[cfg(windows)]
pub mod windows;
