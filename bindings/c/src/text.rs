//! Texts and bytes across the border: a pointer and a length.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use std::borrow::Cow;
use std::ffi::c_char;

use mesh_core::{Error, ErrorCode, Result};

use crate::entry::entry;
use crate::handle::misuse;

/// UTF-8 text: where it begins, and how many bytes it has. `{NULL, 0}` is the empty text.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[repr(C)]
pub struct MeshText {
    /// The first byte. Only texts that the caller has to free end with a NUL.
    pub ptr: *const c_char,
    /// Bytes, without a NUL.
    pub len: usize,
}

/// Bytes: where they begin, and how many they are. `{NULL, 0}` is no bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[repr(C)]
pub struct MeshBytes {
    /// The first byte.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

impl MeshText {
    /// The empty text.
    pub(crate) const EMPTY: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// Lends a text to C, for as long as what it is in lives.
    pub(crate) fn lend(text: &str) -> Self {
        Self { ptr: text.as_ptr().cast(), len: text.len() }
    }

    /// Gives a text to C, which frees it with `mesh_free_text`.
    pub(crate) fn give(text: String) -> Self {
        let len = text.len();
        let mut bytes = text.into_bytes();
        bytes.push(0);
        Self { ptr: Box::into_raw(bytes.into_boxed_slice()).cast(), len }
    }

    /// What C says.
    ///
    /// # Errors
    /// `bad_value` when it is not UTF-8, `misuse` when it cannot be read.
    ///
    /// # Safety
    /// Its bytes can be read, and stay as they are for `'a`.
    pub(crate) unsafe fn read<'a>(self) -> Result<&'a str> {
        // SAFETY: as the caller promises.
        let bytes = unsafe { slice(self.ptr.cast::<u8>(), self.len)? };
        std::str::from_utf8(bytes).map_err(|error| {
            let text = format!("a text is not UTF-8 from its byte {} on", error.valid_up_to());
            Error::new(ErrorCode::BadValue, text).hint("Bytes that are no text go as bytes.")
        })
    }

    /// What C says to a person: what is not UTF-8 in it is marked, not refused.
    ///
    /// # Errors
    /// `misuse` when it cannot be read.
    ///
    /// # Safety
    /// As [`read`](Self::read).
    pub(crate) unsafe fn read_lossy<'a>(self) -> Result<Cow<'a, str>> {
        // SAFETY: as the caller promises.
        let bytes = unsafe { slice(self.ptr.cast::<u8>(), self.len)? };
        Ok(String::from_utf8_lossy(bytes))
    }

    /// What C says, where nothing at all is the empty text.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Safety
    /// As [`read`](Self::read).
    pub(crate) unsafe fn read_some<'a>(self) -> Result<Option<&'a str>> {
        // SAFETY: as the caller promises.
        let text = unsafe { self.read()? };
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

impl MeshBytes {
    /// Lends bytes to C, for as long as what they are in lives.
    pub(crate) fn lend(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }
}

/// What lies between a pointer and its length.
///
/// # Errors
/// `misuse` for NULL with a length, and for a length that no object has.
///
/// # Safety
/// `len` values can be read at `ptr`, and stay as they are for `'a`.
pub(crate) unsafe fn slice<'a, T>(ptr: *const T, len: usize) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    let most = isize::MAX.unsigned_abs() / size_of::<T>().max(1);
    if ptr.is_null() || !ptr.is_aligned() || len > most {
        let text = format!("{len} values were promised where nothing can be read");
        return Err(misuse(text));
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(ptr, len) })
}

/// Frees a text that a function gave to its caller; a lent one must not come here. `{NULL, 0}` is
/// left alone.
///
/// # Safety
/// `text` came from a function whose description says that the caller frees it, and is freed once.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_free_text(text: MeshText) {
    entry(|| {
        if !text.ptr.is_null() {
            let whole =
                std::ptr::slice_from_raw_parts_mut(text.ptr.cast_mut().cast::<u8>(), text.len + 1);
            // SAFETY: `give` made it, with one byte more than its length.
            drop(unsafe { Box::from_raw(whole) });
        }
        Ok(())
    });
}
