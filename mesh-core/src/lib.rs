//! mesh: peer-to-peer IPC for suites of apps on one machine.

mod app;
mod client;
mod error;
mod launch;
pub mod limits;
pub mod name;
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
pub use client::{Canceller, Client, ClientBuilder, Request, Stopped, Stream, call, stream};
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
