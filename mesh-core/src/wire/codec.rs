//! Values as MessagePack: named fields, human-readable mode, bytes as `bin`.
//!
//! Decoding is bounded in depth and takes a body as a whole: what is left over is an error.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};
use crate::limits::VALUE_DEPTH_MAX;
use crate::wire::span;

/// Appends the MessagePack form of a value.
///
/// # Errors
/// `bad_value` when the value cannot be encoded; `out` may then hold a part of it.
pub fn encode_into<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<()> {
    let mut serializer = rmp_serde::Serializer::new(out).with_struct_map().with_human_readable();
    value
        .serialize(&mut serializer)
        .map_err(|error| Error::new(ErrorCode::BadValue, format!("cannot be encoded: {error}")))
}

/// The MessagePack form of a value.
///
/// # Errors
/// `bad_value` when the value cannot be encoded.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    encode_into(&mut out, value)?;
    Ok(out)
}

/// The value of a whole body. An empty body is nothing (`()`, `None`, `Null`).
///
/// # Errors
/// `bad_value` when the bytes are no such value.
pub fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T> {
    const NIL: &[u8] = &[0xc0];
    let (value, rest) = decode_front(if bytes.is_empty() { NIL } else { bytes })?;
    match rest {
        [] => Ok(value),
        rest => Err(Error::new(
            ErrorCode::BadValue,
            format!("{} bytes are left over behind the value", rest.len()),
        )),
    }
}

/// The value at the front of `bytes`, and what follows it.
///
/// # Errors
/// `bad_value` when the bytes begin with no such value.
pub fn decode_front<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<(T, &'de [u8])> {
    // Spanned first: every length that the value declares is then known to be true.
    let (front, rest) = span::split(bytes)?;
    let value = T::deserialize(&mut deserializer(front))
        .map_err(|error| Error::new(ErrorCode::BadValue, error.to_string()))?;
    Ok((value, rest))
}

/// A deserializer of bytes that were spanned.
pub(crate) fn deserializer(bytes: &[u8]) -> Bounded<'_> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    // A value's own nesting, and the containers of arguments around it.
    deserializer.set_max_depth(VALUE_DEPTH_MAX + 8);
    deserializer
}

/// What [`deserializer`] makes.
pub(crate) type Bounded<'de> = rmp_serde::Deserializer<
    rmp_serde::decode::ReadRefReader<'de, [u8]>,
    rmp_serde::config::HumanReadableConfig<rmp_serde::config::DefaultConfig>,
>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Point {
        x: i64,
        id: uuid::Uuid,
    }

    #[test]
    fn fields_are_named_and_ids_are_text() {
        let point = Point { x: -1, id: uuid::Uuid::nil() };
        let bytes = encode(&point).unwrap();
        let seen: Value = decode(&bytes).unwrap();
        assert_eq!(seen.get("x").unwrap().as_i64(), Some(-1));
        assert_eq!(seen.get("id").unwrap().as_str(), Some("00000000-0000-0000-0000-000000000000"));
        assert_eq!(decode::<Point>(&bytes).unwrap(), point);
    }

    #[test]
    fn an_empty_body_is_nothing() {
        decode::<()>(b"").unwrap();
        assert_eq!(decode::<Value>(b"").unwrap(), Value::Null);
    }

    #[test]
    fn what_is_left_over_is_an_error() {
        assert_eq!(decode::<i64>(&[1, 2]).unwrap_err().code(), ErrorCode::BadValue);
    }

    #[test]
    fn a_bomb_of_depth_or_size_is_refused_without_allocating_for_it() {
        assert!(decode::<Value>(&[0x91; 1 << 20]).is_err());
        assert!(decode::<Value>(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err());
        let mut nils = vec![0xdd, 0, 0x10, 0, 0];
        nils.resize(5 + (1 << 20), 0xc0);
        assert!(decode::<Value>(&nils).unwrap_err().to_string().contains("elements"));
    }
}
