//! What every end-to-end test stands on: a home of its own, real processes, and waits with a
//! deadline.
//!
//! Nothing here knows how mesh works inside; processes belong to the home that was in their
//! environment when they began, so that also launched, detached ones end with the test that made
//! them. What differs between systems is in `platform`.

pub(crate) mod heavy;
pub(crate) mod home;
pub(crate) mod impostor;
pub(crate) mod output;
pub(crate) mod platform;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod shell;
pub(crate) mod wait;

pub(crate) use heavy::heavy;
pub(crate) use home::Home;
pub(crate) use impostor::impostor;
pub(crate) use process::Proc;
pub(crate) use programs::program;
pub(crate) use wait::{eventually, pause};

/// Says on the real stderr, past the capture of the test runner, that a test cannot be run here.
pub(crate) fn not_here(test: &str, why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: {why}");
}
