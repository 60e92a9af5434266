//! Handles: what C holds of an object that lives here, and how it is told from another kind.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use mesh_core::{Error, ErrorCode, Result};

use crate::entry::entry;

/// What a C pointer is a handle of. The type itself is never made: it is a name in the header.
pub(crate) trait Opaque {
    /// What lies behind it.
    type Inner;
    /// What it is called in messages.
    const NOUN: &'static str;
    /// Tells it from other kinds.
    const TAG: u64;
}

/// A tag, and what is behind it.
#[repr(C)]
struct Tagged<T> {
    tag: u64,
    inner: T,
}

/// What stands in the tag of a handle that was freed; a glance into freed memory may find it.
const FREED: u64 = u64::from_be_bytes(*b"(freed!)");

/// Hands an object to C, which frees it with [`free`].
pub(crate) fn give<H: Opaque>(inner: H::Inner) -> *mut H {
    Box::into_raw(Box::new(Tagged { tag: H::TAG, inner })).cast()
}

/// An object on our own stack, lent to a callback of C.
pub(crate) struct Lent<H: Opaque>(Tagged<H::Inner>);

impl<H: Opaque> Lent<H> {
    pub(crate) fn new(inner: H::Inner) -> Self {
        Self(Tagged { tag: H::TAG, inner })
    }

    pub(crate) fn as_ptr(&self) -> *const H {
        (&raw const self.0).cast()
    }
}

impl<H: Opaque> Drop for Lent<H> {
    fn drop(&mut self) {
        // SAFETY: a plain write into our own field; volatile, so that it is not optimised away.
        unsafe { (&raw mut self.0.tag).write_volatile(FREED) };
    }
}

/// The object behind a handle.
///
/// # Errors
/// `misuse` for NULL, and for a handle of another kind.
///
/// # Safety
/// NULL, or a live pointer of this library that stays so for `'a`.
pub(crate) unsafe fn look<'a, H: Opaque>(handle: *const H) -> Result<&'a H::Inner> {
    let tagged = handle.cast::<Tagged<H::Inner>>();
    if tagged.is_null() {
        return Err(misuse(format!("{} is expected, not NULL", H::NOUN)));
    }
    // SAFETY: every kind of handle begins with its tag, and the caller promises that it is live.
    let tag = unsafe { (&raw const (*tagged).tag).read() };
    if tag != H::TAG {
        let text = format!("{} is expected, this is another handle or was freed", H::NOUN);
        return Err(misuse(text));
    }
    // SAFETY: the tag says that the type is this one.
    Ok(unsafe { &(*tagged).inner })
}

/// Takes an object back from C; nothing for NULL. A handle of another kind is left alone.
///
/// # Errors
/// `misuse` for a handle of another kind.
///
/// # Safety
/// NULL, or a live pointer of this library, which nobody uses any more.
pub(crate) unsafe fn take<H: Opaque>(handle: *mut H) -> Result<Option<H::Inner>> {
    if handle.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller promises.
    unsafe { look(handle.cast_const())? };
    let tagged = handle.cast::<Tagged<H::Inner>>();
    // SAFETY: the tag says that `give` made it, and the caller gives it up.
    let mut owned = unsafe { Box::from_raw(tagged) };
    // SAFETY: a plain write into our own box; volatile, so that it is not optimised away.
    unsafe { (&raw mut owned.tag).write_volatile(FREED) };
    Ok(Some(owned.inner))
}

/// Frees an object. NULL and handles of another kind are left alone.
///
/// # Safety
/// As [`take`].
pub(crate) unsafe fn free<H: Opaque>(handle: *mut H) {
    entry(|| {
        // SAFETY: as the caller promises.
        drop(unsafe { take(handle)? });
        Ok(())
    });
}

/// The program used the binding in a way that cannot work.
pub(crate) fn misuse(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::Misuse, text)
}

/// Writes an answer to where C wants it; NULL is where nobody wants it.
///
/// # Safety
/// NULL, or a place that may be written.
pub(crate) unsafe fn put<T>(out: *mut T, answer: T) {
    if !out.is_null() {
        // SAFETY: as the caller promises. What was there is not dropped: it may be anything.
        unsafe { out.write(answer) };
    }
}

/// Writes an answer to where C must want it.
///
/// # Errors
/// `misuse` for NULL.
///
/// # Safety
/// As [`put`].
pub(crate) unsafe fn put_must<T>(out: *mut T, answer: impl FnOnce() -> Result<T>) -> Result<()> {
    if out.is_null() {
        return Err(misuse("the place for the answer is NULL"));
    }
    let answer = answer()?;
    // SAFETY: as the caller promises.
    unsafe { put(out, answer) };
    Ok(())
}
