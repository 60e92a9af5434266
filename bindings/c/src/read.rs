//! Reading values, and their JSON form.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use mesh_core::{Error, ErrorCode, Result, Value, json};

use crate::entry::{entry, entry_or};
use crate::handle::put_must;
use crate::status::MeshStatus;
use crate::text::{MeshBytes, MeshText};
use crate::value::{
    MESH_BOOL, MESH_BYTES, MESH_FLOAT, MESH_INT, MESH_LIST, MESH_MAP, MESH_NULL, MESH_TEXT,
    MeshKind, MeshValue, give, lend, look, other,
};

/// What it is. NULL is `MESH_NULL`.
///
/// # Safety
/// `value` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_kind(value: *const MeshValue) -> MeshKind {
    // SAFETY: as the caller promises.
    match unsafe { look(value) } {
        Ok(Value::Bool(_)) => MESH_BOOL,
        Ok(Value::Int(_)) => MESH_INT,
        Ok(Value::Float(_)) => MESH_FLOAT,
        Ok(Value::Text(_)) => MESH_TEXT,
        Ok(Value::Bytes(_)) => MESH_BYTES,
        Ok(Value::List(_)) => MESH_LIST,
        Ok(Value::Map(_)) => MESH_MAP,
        _ => MESH_NULL,
    }
}

/// Reads a truth. `bad_value` when it is something else.
///
/// # Safety
/// `value` is NULL or live; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_get_bool(
    value: *const MeshValue,
    out: *mut bool,
) -> MeshStatus {
    // SAFETY: as the caller promises.
    unsafe { read(value, out, bool_of) }
}

/// Reads a whole number. `bad_value` when it is something else or does not fit.
///
/// # Safety
/// As `mesh_value_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_get_int(value: *const MeshValue, out: *mut i64) -> MeshStatus {
    // SAFETY: as the caller promises.
    unsafe { read(value, out, int_of) }
}

/// Reads a whole number that is not negative. `bad_value` when it is something else.
///
/// # Safety
/// As `mesh_value_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_get_uint(value: *const MeshValue, out: *mut u64) -> MeshStatus {
    let of = |value: &Value| value.as_u64().ok_or_else(|| other(value, "a number of 0 to 2^64-1"));
    // SAFETY: as the caller promises.
    unsafe { read(value, out, of) }
}

/// Reads a number as a `double`; a whole one is rounded to the nearest. `bad_value` when it is
/// something else.
///
/// # Safety
/// As `mesh_value_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_get_float(
    value: *const MeshValue,
    out: *mut f64,
) -> MeshStatus {
    // SAFETY: as the caller promises.
    unsafe { read(value, out, float_of) }
}

/// Reads a text, lent by the value. `bad_value` when it is something else.
///
/// # Safety
/// As `mesh_value_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_get_text(
    value: *const MeshValue,
    out: *mut MeshText,
) -> MeshStatus {
    // SAFETY: as the caller promises.
    unsafe { read(value, out, text_of) }
}

/// Reads bytes, lent by the value. `bad_value` when it is something else.
///
/// # Safety
/// As `mesh_value_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_get_bytes(
    value: *const MeshValue,
    out: *mut MeshBytes,
) -> MeshStatus {
    let of = |value: &Value| match value {
        Value::Bytes(bytes) => Ok(MeshBytes::lend(bytes)),
        value => Err(other(value, "bytes")),
    };
    // SAFETY: as the caller promises.
    unsafe { read(value, out, of) }
}

/// How many members a list or map has, how many bytes a text or bytes; 0 for all else.
///
/// # Safety
/// `value` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_len(value: *const MeshValue) -> usize {
    // SAFETY: as the caller promises.
    match unsafe { look(value) } {
        Ok(Value::Text(text)) => text.len(),
        Ok(Value::Bytes(bytes)) => bytes.len(),
        Ok(Value::List(items)) => items.len(),
        Ok(Value::Map(pairs)) => pairs.len(),
        _ => 0,
    }
}

/// The item of a list, or the value of a map's pair, at a place from 0 on; NULL where there is
/// none. Lent by the list or map until that changes.
///
/// # Safety
/// As `mesh_value_len`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_at(value: *const MeshValue, at: usize) -> *const MeshValue {
    // SAFETY: as the caller promises.
    let found = match unsafe { look(value) } {
        Ok(Value::List(items)) => items.get(at),
        Ok(Value::Map(pairs)) => pairs.get(at).map(|(_, value)| value),
        _ => None,
    };
    found.map_or(std::ptr::null(), lend)
}

/// The key of a map's pair at a place from 0 on; NULL where there is none. Lent as the values.
///
/// # Safety
/// As `mesh_value_len`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_key_at(value: *const MeshValue, at: usize) -> *const MeshValue {
    // SAFETY: as the caller promises.
    match unsafe { look(value) } {
        Ok(Value::Map(pairs)) => pairs.get(at).map_or(std::ptr::null(), |(key, _)| lend(key)),
        _ => std::ptr::null(),
    }
}

/// The value under a text key of a map; NULL where there is none. Lent by the map.
///
/// # Safety
/// `value` is NULL or live; `key` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_get(
    value: *const MeshValue,
    key: MeshText,
) -> *const MeshValue {
    // SAFETY: as the caller promises.
    let found = unsafe { look(value).ok().zip(key.read().ok()) };
    found.and_then(|(map, key)| map.get(key)).map_or(std::ptr::null(), lend)
}

/// The value of a JSON text, in the form of docs/protocol.md. The caller's; NULL (`bad_value`) when
/// the text is no JSON.
///
/// # Safety
/// `text` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_from_json(text: MeshText) -> *mut MeshValue {
    entry_or(std::ptr::null_mut(), || {
        // SAFETY: as the caller promises.
        let text = unsafe { text.read()? };
        let json = serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorCode::BadValue, "this is no JSON").source(error))?;
        json::from_json(&json).map(give)
    })
}

/// The JSON text of a value, on one line. The caller frees it with `mesh_free_text`; it ends with
/// a NUL.
///
/// # Safety
/// `value` is NULL or live; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_to_json(
    value: *const MeshValue,
    out: *mut MeshText,
) -> MeshStatus {
    let of = |value: &Value| Ok(MeshText::give(json::to_json(value).to_string()));
    // SAFETY: as the caller promises.
    unsafe { read(value, out, of) }
}

/// # Safety
/// As `mesh_value_get_bool`.
unsafe fn read<T>(
    value: *const MeshValue,
    out: *mut T,
    of: impl FnOnce(&'static Value) -> Result<T>,
) -> MeshStatus {
    // SAFETY: as the caller promises. What is lent outlives the call only as a pointer.
    entry(|| unsafe { put_must(out, || of(look(value)?)) })
}

pub(crate) fn bool_of(value: &Value) -> Result<bool> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        value => Err(other(value, "a truth")),
    }
}

pub(crate) fn int_of(value: &Value) -> Result<i64> {
    value.as_i64().ok_or_else(|| other(value, "a whole number of 64 bits with a sign"))
}

#[expect(clippy::cast_precision_loss, reason = "the nearest one is what is promised")]
pub(crate) fn float_of(value: &Value) -> Result<f64> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        value => Err(other(value, "a number")),
    }
}

pub(crate) fn text_of(value: &Value) -> Result<MeshText> {
    value.as_str().map(MeshText::lend).ok_or_else(|| other(value, "a text"))
}
