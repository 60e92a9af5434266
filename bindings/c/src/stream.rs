//! Streams: the items of one exchange, one by one.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mesh_core::{Canceller, Stream, Value};

use crate::client::{self, MeshCallOptions, MeshClient};
use crate::entry::{entry, entry_status};
use crate::handle::{self, Opaque, misuse, put_must};
use crate::status::{MESH_AGAIN, MESH_END, MESH_OK, MeshStatus};
use crate::text::MeshText;
use crate::value::{self, MeshValue};

/// The items of a stream. The app is slowed to the pace at which they are taken. Every function of
/// it may run on any thread; those that wait for an item take turns.
#[derive(Debug)]
pub struct MeshStream(());

/// What is behind it.
pub(crate) struct Items {
    /// Nothing once it was closed.
    stream: Mutex<Option<Stream<Value>>>,
    canceller: Canceller,
}

impl Opaque for MeshStream {
    type Inner = Items;
    const NOUN: &'static str = "a stream";
    const TAG: u64 = u64::from_be_bytes(*b"mesh str");
}

/// Opens a stream; the arguments are those of `mesh_call`. `out` gets it, the caller's:
/// `mesh_free_stream`. A method that answers with one value gives a stream of one item. Blocks
/// until the app is reached.
///
/// # Safety
/// As `mesh_call`, and `out` can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_stream_open(
    client: *const MeshClient,
    app: MeshText,
    method: MeshText,
    positional: *const MeshValue,
    named: *const MeshValue,
    options: *const MeshCallOptions,
    out: *mut *mut MeshStream,
) -> MeshStatus {
    let open = || {
        // SAFETY: as the caller promises.
        let request =
            unsafe { client::request(client, (app, method), (positional, named), options)? };
        let stream = request.stream()?;
        let canceller = stream.canceller();
        Ok(handle::give(Items { stream: Mutex::new(Some(stream)), canceller }))
    };
    // SAFETY: as the caller promises.
    entry(|| unsafe { put_must(out, open) })
}

/// Waits for the next item. `MESH_OK`: `out` has it, the caller's. `MESH_END`: there is no other.
/// `MESH_AGAIN`: nothing came within `timeout_ms`, and the stream goes on; 0 only looks, negative
/// (`MESH_FOREVER`) waits as long as the options of the stream allow. An error is its end too.
///
/// # Safety
/// `stream` is NULL or live; `out` can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_stream_next(
    stream: *const MeshStream,
    timeout_ms: i64,
    out: *mut *mut MeshValue,
) -> MeshStatus {
    entry_status(|| {
        // SAFETY: as the caller promises.
        let items: &Items = unsafe { handle::look(stream)? };
        if out.is_null() {
            return Err(misuse("the place for the item is NULL"));
        }
        let mut stream = items.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = stream.as_mut().ok_or_else(|| misuse("the stream was closed"))?;
        if let Ok(ms) = u64::try_from(timeout_ms)
            && !stream.ready_within(Duration::from_millis(ms))
        {
            return Ok(MESH_AGAIN);
        }
        match stream.next() {
            Some(item) => {
                // SAFETY: as the caller promises.
                unsafe { put_must(out, || Ok(value::give(item?)))? };
                Ok(MESH_OK)
            }
            None => Ok(MESH_END),
        }
    })
}

/// Asks the app to stop. Items that are on their way come first, then `MESH_END` when the app says
/// that it has stopped. Never blocks; does nothing the second time.
///
/// # Safety
/// `stream` is NULL or live. Any thread, also while another waits for an item.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_stream_cancel(stream: *const MeshStream) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let items: &Items = unsafe { handle::look(stream)? };
        items.canceller.cancel();
        Ok(())
    })
}

/// The id of the task on the app's side, as `mesh tasks` shows it; empty for an app that does not
/// introduce itself. The caller frees it with `mesh_free_text`. Blocks for 1 s at most, and while
/// another thread waits for an item.
///
/// # Safety
/// `stream` is NULL or live; `out` can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_stream_task(
    stream: *const MeshStream,
    out: *mut MeshText,
) -> MeshStatus {
    let task = || {
        // SAFETY: as the caller promises.
        let items: &Items = unsafe { handle::look(stream)? };
        let stream = items.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = stream.as_ref().ok_or_else(|| misuse("the stream was closed"))?;
        Ok(MeshText::give(stream.task()))
    };
    // SAFETY: as the caller promises.
    entry(|| unsafe { put_must(out, task) })
}

/// Cancels a stream that is not over, and forgets what comes; a thread that waits for an item is
/// told the end. Later functions fail as `misuse`. The handle stays until `mesh_free_stream`.
///
/// # Safety
/// `stream` is NULL or live. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_stream_close(stream: *const MeshStream) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let items: &Items = unsafe { handle::look(stream)? };
        // Whoever waits holds the lock until the end comes.
        items.canceller.cancel();
        drop(items.stream.lock().unwrap_or_else(PoisonError::into_inner).take());
        Ok(())
    })
}

/// Frees a stream, and cancels it if it is not over. NULL is left alone.
///
/// # Safety
/// `stream` is NULL or the caller's own; no other thread is in a function with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_free_stream(stream: *mut MeshStream) {
    // SAFETY: as the caller promises.
    unsafe { handle::free(stream) };
}
