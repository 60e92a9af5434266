//! How bytes travel: listeners and byte streams between two processes of one machine.
//!
//! Everything here is nonblocking and knows nothing of frames. A shared-memory transport would
//! stand beside [`local`] with the same methods.

pub(crate) mod address;
pub(crate) mod local;

pub(crate) use address::Address;
pub(crate) use local::{Listener, Peer, Stream};
