//! Values: what they are, making and filling them.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use mesh_core::{Error, ErrorCode, Result, Value};

use crate::entry::{entry, entry_or};
use crate::handle::misuse;
use crate::status::MeshStatus;
use crate::text::{MeshBytes, MeshText, slice};

/// Any value that can be on the wire: nothing, truth, a whole number from `INT64_MIN` to
/// `UINT64_MAX`, a `double`, text, bytes, a list, or a map, whose keys may be any values.
///
/// A value that a function answers as `mesh_value *` is the caller's: `mesh_free_value`, once. What
/// is answered as `const mesh_value *` is lent by what it is in. Functions that only read may run
/// on several threads at once.
#[derive(Debug)]
pub struct MeshValue(());

/// What a value is: one of `MESH_NULL` to `MESH_MAP`.
pub type MeshKind = i32;

/// Nothing.
pub const MESH_NULL: MeshKind = 0;
/// Truth.
pub const MESH_BOOL: MeshKind = 1;
/// A whole number.
pub const MESH_INT: MeshKind = 2;
/// A `double`.
pub const MESH_FLOAT: MeshKind = 3;
/// UTF-8 text.
pub const MESH_TEXT: MeshKind = 4;
/// Bytes that are not text.
pub const MESH_BYTES: MeshKind = 5;
/// Values in order.
pub const MESH_LIST: MeshKind = 6;
/// Keys and values in order.
pub const MESH_MAP: MeshKind = 7;

/// Gives a value to C.
pub(crate) fn give(value: Value) -> *mut MeshValue {
    Box::into_raw(Box::new(value)).cast()
}

/// Lends a value to C, for as long as what it is in lives.
pub(crate) fn lend(value: &Value) -> *const MeshValue {
    (&raw const *value).cast()
}

/// The value behind a pointer.
///
/// # Errors
/// `misuse` for NULL.
///
/// # Safety
/// NULL, or live and unchanged for `'a`.
pub(crate) unsafe fn look<'a>(value: *const MeshValue) -> Result<&'a Value> {
    // SAFETY: a value's pointer is always one of a `Value`; the caller promises that it is live.
    unsafe { value.cast::<Value>().as_ref() }.ok_or_else(|| misuse("a value is expected, not NULL"))
}

/// As [`look`], for a value that is changed.
///
/// # Safety
/// NULL, or live and used by nobody else for `'a`.
unsafe fn change<'a>(value: *mut MeshValue) -> Result<&'a mut Value> {
    // SAFETY: as `look`.
    unsafe { value.cast::<Value>().as_mut() }.ok_or_else(|| misuse("a value is expected, not NULL"))
}

/// Takes a value back from C.
///
/// # Safety
/// NULL, or the caller's own, which it gives up.
pub(crate) unsafe fn take(value: *mut MeshValue) -> Option<Box<Value>> {
    // SAFETY: `give` made it, and the caller gives it up.
    (!value.is_null()).then(|| unsafe { Box::from_raw(value.cast::<Value>()) })
}

/// What a value is, for messages.
pub(crate) fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "truth",
        Value::Int(_) => "a whole number",
        Value::Float(_) => "a float",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        _ => "a value of a kind unknown here",
    }
}

pub(crate) fn other(value: &Value, wanted: &str) -> Error {
    Error::new(ErrorCode::BadValue, format!("{wanted} is expected, this is {}", noun(value)))
}

/// Nothing, as a value. The caller's.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_value_null() -> *mut MeshValue {
    give(Value::Null)
}

/// A truth. The caller's.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_value_bool(truth: bool) -> *mut MeshValue {
    give(Value::Bool(truth))
}

/// A whole number. The caller's.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_value_int(number: i64) -> *mut MeshValue {
    give(Value::from(number))
}

/// A whole number that is not negative. The caller's.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_value_uint(number: u64) -> *mut MeshValue {
    give(Value::from(number))
}

/// A float. The caller's.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_value_float(number: f64) -> *mut MeshValue {
    give(Value::Float(number))
}

/// A text, copied. The caller's; NULL (`bad_value`) when it is not UTF-8.
///
/// # Safety
/// `text` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_text(text: MeshText) -> *mut MeshValue {
    // SAFETY: as the caller promises.
    entry_or(std::ptr::null_mut(), || Ok(give(Value::from(unsafe { text.read()? }))))
}

/// Bytes, copied. The caller's; NULL (`misuse`) for a NULL with a length.
///
/// # Safety
/// `bytes` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_bytes(bytes: MeshBytes) -> *mut MeshValue {
    entry_or(std::ptr::null_mut(), || {
        // SAFETY: as the caller promises.
        let bytes = unsafe { slice(bytes.ptr, bytes.len)? };
        Ok(give(Value::Bytes(bytes.to_vec())))
    })
}

/// An empty list. The caller's.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_value_list() -> *mut MeshValue {
    give(Value::List(Vec::new()))
}

/// An empty map. The caller's.
#[unsafe(no_mangle)]
pub extern "C" fn mesh_value_map() -> *mut MeshValue {
    give(Value::Map(Vec::new()))
}

/// A copy with all that is in it. The caller's; NULL for NULL.
///
/// # Safety
/// `value` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_copy(value: *const MeshValue) -> *mut MeshValue {
    // SAFETY: as the caller promises.
    entry_or(std::ptr::null_mut(), || Ok(give(unsafe { look(value)? }.clone())))
}

/// Whether two values are the same, members and their order included. NULL is the same as nothing
/// else.
///
/// # Safety
/// Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_equal(a: *const MeshValue, b: *const MeshValue) -> bool {
    // SAFETY: as the caller promises.
    entry_or(false, || Ok(unsafe { look(a)? == look(b)? }))
}

/// Frees a value and all that is in it. NULL is left alone.
///
/// # Safety
/// `value` is NULL or the caller's own, not one that is lent; nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_free_value(value: *mut MeshValue) {
    entry(|| {
        // SAFETY: as the caller promises.
        drop(unsafe { take(value) });
        Ok(())
    });
}

/// Adds an item to a list and owns it from here on, also on failure. An item that is NULL, because
/// it could not be made, is refused.
///
/// # Safety
/// `list` is used by nobody else meanwhile; `item` is NULL or the caller's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_push(list: *mut MeshValue, item: *mut MeshValue) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let (item, list) = unsafe { (take(item), change(list)?) };
        let item = item.ok_or_else(|| misuse("the item is NULL"))?;
        match list {
            Value::List(items) => items.push(*item),
            value => return Err(other(value, "a list")),
        }
        Ok(())
    })
}

/// Puts a value under a text key into a map, in the place of what was there, and owns it from here
/// on, also on failure. Looks at every key: to build a large map, use `mesh_value_append`.
///
/// # Safety
/// `map` is used by nobody else meanwhile; `key` can be read; `value` is NULL or the caller's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_put(
    map: *mut MeshValue,
    key: MeshText,
    value: *mut MeshValue,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let (value, key, map) = unsafe { (take(value), key.read(), change(map)?) };
        let (key, value) = (key?, value.ok_or_else(|| misuse("the value is NULL"))?);
        let Value::Map(pairs) = map else { return Err(other(map, "a map")) };
        match pairs.iter_mut().find(|(known, _)| known.as_str() == Some(key)) {
            Some((_, place)) => *place = *value,
            None => pairs.push((Value::from(key), *value)),
        }
        Ok(())
    })
}

/// Adds a key of any kind and its value to a map, and owns both from here on, also on failure.
/// Does not look whether the key is there.
///
/// # Safety
/// `map` is used by nobody else meanwhile; `key` and `value` are NULL or the caller's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_value_append(
    map: *mut MeshValue,
    key: *mut MeshValue,
    value: *mut MeshValue,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let (key, value, map) = unsafe { (take(key), take(value), change(map)?) };
        let (Some(key), Some(value)) = (key, value) else {
            return Err(misuse("the key or the value is NULL"));
        };
        match map {
            Value::Map(pairs) => pairs.push((*key, *value)),
            value => return Err(other(value, "a map")),
        }
        Ok(())
    })
}
