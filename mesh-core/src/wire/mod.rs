//! Bytes and frames, and the data that they carry. Pure: no I/O, no clock, no threads.

pub mod args;
pub mod json;
pub mod manifest;
