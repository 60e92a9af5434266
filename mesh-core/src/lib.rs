//! mesh: peer-to-peer IPC for suites of apps on one machine.

pub mod error;
pub mod limits;
pub mod name;
pub mod value;
pub mod wire;

pub use error::{Error, ErrorCode, Result};
pub use name::{AppName, MethodName};
pub use value::Value;
