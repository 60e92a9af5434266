//! The way in from C: errors become a status, and no panic goes further out than this.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mesh_core::{Error, ErrorCode, Result};

use crate::error;
use crate::status::{MESH_OK, MeshStatus};

/// Runs what a function does, and answers its status. An error is kept for the thread.
pub(crate) fn entry(body: impl FnOnce() -> Result<()>) -> MeshStatus {
    entry_status(|| body().map(|()| MESH_OK))
}

/// As [`entry`], for a function with more to say than that it went well.
pub(crate) fn entry_status(body: impl FnOnce() -> Result<MeshStatus>) -> MeshStatus {
    caught(body).unwrap_or_else(error::keep)
}

/// Runs what a function does that answers something else than a status.
pub(crate) fn entry_or<T>(otherwise: T, body: impl FnOnce() -> Result<T>) -> T {
    caught(body).unwrap_or_else(|error| {
        error::keep(error);
        otherwise
    })
}

fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        // What is in a panic may panic again when it is dropped.
        std::mem::forget(panic);
        Err(Error::new(ErrorCode::Internal, "mesh panicked; its message is on stderr"))
    })
}
