//! Cancel tokens: told once that work is no longer wanted, heard by all who hold one.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use std::ffi::c_void;
use std::time::Duration;

use mesh_core::{CancelGuard, CancelToken};

use crate::callback::{Destroy, UserData};
use crate::entry::{entry, entry_or};
use crate::handle::{self, Opaque, misuse, put_must};
use crate::status::{self, MeshStatus};

/// Told once that work is no longer wanted. Every function of it may run on any thread, on several
/// at once.
#[derive(Debug)]
pub struct MeshToken(());

impl Opaque for MeshToken {
    type Inner = CancelToken;
    const NOUN: &'static str = "a token";
    const TAG: u64 = u64::from_be_bytes(*b"mesh tok");
}

/// Keeps an action of `mesh_token_on_cancel` waiting.
#[derive(Debug)]
pub struct MeshGuard(());

impl Opaque for MeshGuard {
    type Inner = CancelGuard;
    const NOUN: &'static str = "a guard";
    const TAG: u64 = u64::from_be_bytes(*b"mesh grd");
}

/// A token that nobody has cancelled. The caller's: `mesh_free_token`. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_token_new() -> *mut MeshToken {
    entry_or(std::ptr::null_mut(), || Ok(handle::give(CancelToken::new())))
}

/// Cancels: calls and streams that were given the token end, and whoever waits wakes. Actions run
/// on this thread. Later calls do nothing.
///
/// # Safety
/// `token` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_token_cancel(token: *const MeshToken) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        unsafe { handle::look(token)? }.cancel();
        Ok(())
    })
}

/// Why it was cancelled: `MESH_ERR_CANCELLED`, `MESH_ERR_DEADLINE`, `MESH_ERR_CONNECTION_LOST` or
/// `MESH_ERR_SHUTTING_DOWN`; 0 while it is not. Costs little: a loop may ask each time round.
///
/// # Safety
/// `token` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_token_reason(token: *const MeshToken) -> MeshStatus {
    // SAFETY: as the caller promises.
    entry_or(0, || Ok(unsafe { handle::look(token)? }.reason().map_or(0, status::of)))
}

/// Blocks until it is cancelled or `timeout_ms` are over (negative: for ever); answers whether it
/// was cancelled. A pause in a handler that ends at once when nobody wants the result.
///
/// # Safety
/// `token` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_token_wait(token: *const MeshToken, timeout_ms: i64) -> bool {
    entry_or(false, || {
        // SAFETY: as the caller promises.
        let token = unsafe { handle::look(token)? };
        Ok(match u64::try_from(timeout_ms) {
            Ok(ms) => token.wait_timeout(Duration::from_millis(ms)),
            Err(_) => {
                token.wait();
                true
            }
        })
    })
}

/// Calls `action` once when the token is cancelled, on the thread that cancels, or at once if it is
/// too late. It must be short and must not block. `destroy` (or NULL) is called once, when the
/// action has run or was forgotten, and also on failure. `out` gets a guard, the caller's;
/// `mesh_free_guard` forgets the action.
///
/// # Safety
/// `token` is NULL or live; `user_data` is what the two functions take, on any thread; `out` can be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_token_on_cancel(
    token: *const MeshToken,
    action: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
    out: *mut *mut MeshGuard,
) -> MeshStatus {
    let destroy: Destroy = destroy;
    let data = UserData::new(user_data, destroy);
    entry(|| {
        let action = action.ok_or_else(|| misuse("the action is NULL"))?;
        // SAFETY: as the caller promises.
        let token = unsafe { handle::look(token)? };
        let act = move || {
            // SAFETY: C gave both together.
            unsafe { action(data.get()) };
        };
        // SAFETY: as the caller promises.
        unsafe { put_must(out, || Ok(handle::give(token.on_cancel(act)))) }
    })
}

/// Frees a guard: an action that has not begun will not run. NULL is left alone.
///
/// # Safety
/// `guard` is NULL or the caller's own. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_free_guard(guard: *mut MeshGuard) {
    // SAFETY: as the caller promises.
    unsafe { handle::free(guard) };
}

/// Frees a token; calls that were given it go on and can no longer be cancelled by it. NULL is left
/// alone.
///
/// # Safety
/// `token` is NULL or the caller's own. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_free_token(token: *mut MeshToken) {
    // SAFETY: as the caller promises.
    unsafe { handle::free(token) };
}
