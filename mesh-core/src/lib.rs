//! **mesh**: apps on one machine that find, launch, call, stream from and cancel each other, with
//! no daemon between them.
//!
//! An *app* is a program that claims a name; per user there is at most one live instance of it.
//! It exposes methods, which are plain closures over serde types, and writes itself into the
//! registry, so that whoever calls it while it is off starts it.
//!
//! ```no_run
//! use mesh_core::{App, Result, call};
//!
//! fn main() -> Result<()> {
//!     let app = App::claim("calculator")?; // a second start says who runs, and exits 0
//!     app.expose("add", ["a", "b"], |(a, b): (i64, i64)| a + b)?;
//!     app.expose_stream("count", ["to"], |to: u64| 1..=to)?;
//!     app.ready()?; // from here on it is registered and callable
//!     let cpu: f64 = call("statusbar", "cpu", ())?;
//!     println!("cpu {cpu}");
//!     app.run() // until stopped
//! }
//! ```
//!
//! - [`App`]: claim a name, [`expose`](App::expose) values and streams, serve.
//! - [`call`] and [`stream`], or a [`Client`] with settings of its own: use another app.
//! - [`CancelToken`] and [`Context`]: hear that nobody wants the result any more.
//! - [`Error`]: what happened, whose fault ([`ErrorCode`]), the next step.
//!
//! # What it does not do
//!
//! It opens no port and reaches no other machine; it protects a user from other users, not from
//! their own programs; it keeps no message for later; it needs no async runtime and brings none.
//!
//! # Features and platforms
//!
//! No cargo features. Linux; the parts for other systems are not written yet.

#![cfg_attr(not(test), deny(clippy::expect_used, clippy::panic))]

mod app;
mod client;
mod error;
mod launch;
pub mod limits;
pub mod name;
/// What the `mesh` command needs of the system and std lacks. Not for other programs: it may change
/// with any version.
#[doc(hidden)]
pub mod os {
    #[cfg(windows)]
    pub use crate::sys::console::enable_escapes;
    pub use crate::sys::identity::FileId;
    #[cfg(windows)]
    pub use crate::sys::job::Job;
}
pub mod proto;
mod registry;
mod runtime;
mod sys;
mod transport;
mod value;
pub mod wire;

pub use app::{
    App, AppBuilder, Caller, Claim, Context, Method, Params, Running, Sink, StopHandle, handler,
};
pub use client::{
    Canceller, Client, ClientBuilder, Request, Stopped, Stream, call, request, stream,
};
pub use error::{Error, ErrorCode, Result};
pub use launch::{LaunchEvent, Launched};
pub use limits::Limits;
pub use name::{AppName, BadName, MethodName};
pub use registry::{Entry, Kind, LaunchPolicy, Missing, Pruned, Registry, Snapshot};
pub use runtime::{CancelGuard, CancelToken};
pub use sys::home::Home;
pub use value::Value;
pub use wire::PROTOCOL_VERSION;
pub use wire::args::Args;
pub use wire::json;
pub use wire::manifest::{MethodInfo, Shape};
