//! mesh for C and whatever can call C, thin over `mesh-core`. The face is `mesh.h`, which
//! cbindgen makes of this crate; its head says what holds for every function.
//!
//! - A function answers a status, 0 for success; what went wrong is kept for the thread.
//! - Whatever has threads or a peer behind it is a handle with a tag that says its kind.
//! - No panic crosses: every entry catches (`entry`). Deliberately absent: the registry, and the
//!   pull form of stream handlers; C has `mesh_sink`.

pub mod app;
pub mod args;
mod callback;
pub mod client;
pub mod context;
mod entry;
pub mod error;
mod handle;
pub mod job;
mod options;
pub mod read;
pub mod status;
pub mod stream;
pub mod text;
pub mod token;
pub mod value;

#[cfg(test)]
mod tests;
