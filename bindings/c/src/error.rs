//! The last error of each thread, and how a handler makes one.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use std::cell::RefCell;

use mesh_core::{Error, ErrorCode};

use crate::entry::{entry, entry_or};
use crate::handle::{self, Lent, Opaque, misuse};
use crate::status::{self, MeshStatus};
use crate::text::MeshText;
use crate::value::{self, MeshValue};

/// What went wrong: a code, a message, often the next step, sometimes data of the app's.
#[derive(Debug)]
pub struct MeshError(());

/// An error as it is lent to C.
#[derive(Debug)]
pub(crate) struct Kept {
    error: Error,
    /// With its causes, on one line.
    message: String,
}

impl Opaque for MeshError {
    type Inner = Kept;
    const NOUN: &'static str = "an error";
    const TAG: u64 = u64::from_be_bytes(*b"mesh err");
}

thread_local! {
    static LAST: RefCell<Option<Box<Lent<MeshError>>>> = const { RefCell::new(None) };
}

/// Keeps an error for the running thread; answers its status.
pub(crate) fn keep(error: Error) -> MeshStatus {
    let status = status::of(error.code());
    let kept = Kept { message: error.to_string(), error };
    // A thread that is ending has no place for it any more; its status is told all the same.
    let _untold = LAST.try_with(|last| last.replace(Some(Box::new(Lent::new(kept)))));
    status
}

/// Forgets the thread's last error, so that a callback does not end with one of before.
pub(crate) fn forget() {
    let _unset = LAST.try_with(|last| last.replace(None));
}

/// The error that a callback of C ended with: the thread's last one, if it has that status.
pub(crate) fn of_callback(status: MeshStatus) -> Error {
    let last = LAST.try_with(|last| {
        let last = last.borrow();
        let kept = last.as_ref().and_then(|lent| {
            // SAFETY: it is our own and stays where it is while it is borrowed.
            unsafe { handle::look(lent.as_ptr()) }.ok()
        })?;
        (status::of(kept.error.code()) == status).then(|| kept.error.clone())
    });
    if let Ok(Some(error)) = last {
        return error;
    }
    match status::code(status) {
        Some(code) => Error::new(code, format!("the handler answered {status}"))
            .hint("Say why by `mesh_fail`."),
        None => {
            Error::application(format!("the handler answered {status}, which is no error code"))
        }
    }
}

/// What the last function of this thread that failed has to say; NULL if none has yet. A function
/// that goes well leaves it as it is: look at the status first. Lent until the next failure on
/// this thread, or until a handler runs on it.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_last_error() -> *const MeshError {
    let lent = LAST.try_with(|last| last.borrow().as_ref().map(|lent| lent.as_ptr()));
    lent.ok().flatten().unwrap_or(std::ptr::null())
}

/// The code of an error; 0 for NULL.
///
/// # Safety
/// `error` is NULL or still lent. The thread that it was lent to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_error_code(error: *const MeshError) -> MeshStatus {
    // SAFETY: as the caller promises.
    unsafe { look(error, 0, |kept| status::of(kept.error.code())) }
}

/// What happened and why, on one line; empty for NULL. Lent as long as the error.
///
/// # Safety
/// As `mesh_error_code`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_error_message(error: *const MeshError) -> MeshText {
    // SAFETY: as the caller promises.
    unsafe { look(error, MeshText::EMPTY, |kept| MeshText::lend(&kept.message)) }
}

/// The next step, a full sentence; empty where none is known. Lent as long as the error.
///
/// # Safety
/// As `mesh_error_code`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_error_hint(error: *const MeshError) -> MeshText {
    let hint = |kept: &Kept| kept.error.next_step().map_or(MeshText::EMPTY, MeshText::lend);
    // SAFETY: as the caller promises.
    unsafe { look(error, MeshText::EMPTY, hint) }
}

/// The data that the app sent along; NULL where there is none. Lent as long as the error.
///
/// # Safety
/// As `mesh_error_code`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_error_details(error: *const MeshError) -> *const MeshValue {
    let details = |kept: &Kept| kept.error.data().map_or(std::ptr::null(), value::lend);
    // SAFETY: as the caller promises.
    unsafe { look(error, std::ptr::null(), details) }
}

/// Looks into an error, which never fails: a second error would replace the first one.
///
/// # Safety
/// NULL, or still lent.
unsafe fn look<T>(error: *const MeshError, otherwise: T, part: impl FnOnce(&Kept) -> T) -> T {
    // SAFETY: as the caller promises.
    match unsafe { handle::look(error) } {
        Ok(kept) => part(kept),
        Err(_) => otherwise,
    }
}

/// The name of a status: `ok`, `end`, `again`, `deadline` and so on; `other` for the numbers of
/// applications. Lives for ever. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_status_name(status: MeshStatus) -> MeshText {
    MeshText::lend(match status {
        status::MESH_OK => "ok",
        status::MESH_END => "end",
        status::MESH_AGAIN => "again",
        status => status::code(status).map_or("other", ErrorCode::as_str),
    })
}

/// Makes an error the thread's last one, and answers its code: `return mesh_fail(...)` is how a
/// handler fails. What is not UTF-8 in the message is marked. `code` is `MESH_ERR_APPLICATION` or a
/// number from 1000 to 65535 of your own; `MESH_ERR_BAD_ARGUMENTS` and the like say what they say.
/// What is no code becomes `MESH_ERR_APPLICATION`.
///
/// # Safety
/// `message` can be read. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_fail(code: MeshStatus, message: MeshText) -> MeshStatus {
    // SAFETY: as the caller promises; no details are none.
    unsafe { mesh_fail_with(code, message, MeshText::EMPTY, std::ptr::null()) }
}

/// As `mesh_fail`, with the next step (empty for none) and data (NULL for none), which is copied.
///
/// # Safety
/// `message` and `hint` can be read; `details` is NULL or live. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_fail_with(
    code: MeshStatus,
    message: MeshText,
    hint: MeshText,
    details: *const MeshValue,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let (message, hint) = unsafe { (message.read_lossy()?, hint.read_lossy()?) };
        let code = status::code(code).unwrap_or(ErrorCode::Application);
        let mut error = Error::new(code, message);
        if !hint.is_empty() {
            error = error.hint(hint);
        }
        if !details.is_null() {
            // SAFETY: as the caller promises.
            error = error.details(unsafe { value::look(details)? }.clone());
        }
        Err(error)
    })
}

/// Checks that the program was compiled for this library: call it once if the two may differ.
/// Answers 0 if so.
///
/// `abi` is `MESH_ABI_VERSION`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_check_abi(abi: u32) -> MeshStatus {
    entry(|| match abi {
        MESH_ABI_VERSION => Ok(()),
        other => {
            let text = format!(
                "the program was compiled for version {other} of the interface, \
                 the library has {MESH_ABI_VERSION}"
            );
            Err(misuse(text).hint("Compile it again with the mesh.h of this library."))
        }
    })
}

/// The version of this interface: functions come without a new one, and go only with one.
pub const MESH_ABI_VERSION: u32 = 1;

/// The version of the library, as text. Lives for ever. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_version() -> MeshText {
    entry_or(MeshText::EMPTY, || Ok(MeshText::lend(env!("CARGO_PKG_VERSION"))))
}
