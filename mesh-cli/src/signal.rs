//! Ctrl-C and SIGTERM: the first asks, the second quits.
//!
//! One handler for the process, on a thread of ctrlc's. The first signal runs the action that the
//! command installed; a second one ends the process at once with 130, so that a person is never
//! held by an app that does not answer.

use std::sync::atomic::{AtomicBool, Ordering};

use mesh_core::{CancelToken, Error, ErrorCode};

use crate::exit_code;
use crate::failure::Result;

static CAME: AtomicBool = AtomicBool::new(false);

/// What a second signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Second {
    /// Ends the process.
    Quits,
    /// Nothing: what is being put in order is short and bounded.
    Ignored,
}

/// Runs `action` at the first signal. Once per process.
///
/// # Errors
/// The handler cannot be installed.
pub(crate) fn on_first(second: Second, action: impl FnOnce() + Send + 'static) -> Result {
    let mut action = Some(action);
    let installed = ctrlc::set_handler(move || {
        CAME.store(true, Ordering::SeqCst);
        match action.take() {
            Some(action) => action(),
            None if second == Second::Quits => {
                std::process::exit(i32::from(exit_code::INTERRUPTED))
            }
            None => {}
        }
    });
    installed.map_err(|error| {
        Error::new(ErrorCode::Internal, "cannot watch for signals").source(error).into()
    })
}

/// A token that the first signal cancels.
///
/// # Errors
/// The handler cannot be installed.
pub(crate) fn token(second: Second) -> Result<CancelToken> {
    let token = CancelToken::new();
    let cancelled = token.clone();
    on_first(second, move || cancelled.cancel())?;
    Ok(token)
}

/// Whether a signal came.
pub(crate) fn came() -> bool {
    CAME.load(Ordering::SeqCst)
}
