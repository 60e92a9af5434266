//! Where one MessagePack value ends, without building it.
//!
//! Arguments are bound to parameters as slices of the body, and each is decoded once, as what
//! its handler wants. Works without recursion, so depth costs nothing.

use crate::error::{Error, ErrorCode, Result};

/// Splits the value at the front of `bytes` from what follows it.
///
/// # Errors
/// `bad_value` when the bytes end inside the value, or begin with the one code that is never used.
pub fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut at = 0;
    let mut pending = 1u64;
    while pending > 0 {
        let (header, more) = one(bytes.get(at..).unwrap_or_default())?;
        at = at.checked_add(header).filter(|end| *end <= bytes.len()).ok_or_else(cut)?;
        pending = pending - 1 + more;
    }
    bytes.split_at_checked(at).ok_or_else(cut)
}

/// Splits a container's header from what follows it: how many members it has.
///
/// # Errors
/// `bad_value` when the bytes do not begin with an array.
pub fn array(bytes: &[u8]) -> Result<(usize, &[u8])> {
    container(bytes, "an array", [0x90, 0xdc, 0xdd])
}

/// As [`array()`], for a map: how many pairs it has.
///
/// # Errors
/// `bad_value` when the bytes do not begin with a map.
pub fn map(bytes: &[u8]) -> Result<(usize, &[u8])> {
    container(bytes, "a map", [0x80, 0xde, 0xdf])
}

fn container<'a>(bytes: &'a [u8], what: &str, codes: [u8; 3]) -> Result<(usize, &'a [u8])> {
    let [short, two, four] = codes;
    let (count, header) = match *bytes {
        [first, ..] if first & 0xf0 == short => (u64::from(first & 0x0f), 1),
        [first, ..] if first == two => (number(bytes, 1, 2)?, 3),
        [first, ..] if first == four => (number(bytes, 1, 4)?, 5),
        _ => {
            return Err(Error::new(ErrorCode::BadValue, format!("{what} was expected")));
        }
    };
    let rest = bytes.get(header..).unwrap_or_default();
    // Every member takes a byte at least: more of them than bytes is a lie.
    let count = usize::try_from(count).ok().filter(|n| *n <= rest.len()).ok_or_else(cut)?;
    Ok((count, rest))
}

/// Bytes of the value at the front without its members, and how many members follow.
fn one(bytes: &[u8]) -> Result<(usize, u64)> {
    let first = *bytes.first().ok_or_else(cut)?;
    let sized = |width: usize, extra: usize| -> Result<(usize, u64)> {
        let length = usize::try_from(number(bytes, 1, width)?).map_err(|_| cut())?;
        Ok((length.saturating_add(1 + width + extra), 0))
    };
    Ok(match first {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (1, 0),
        0x80..=0x8f => (1, 2 * u64::from(first & 0x0f)),
        0x90..=0x9f => (1, u64::from(first & 0x0f)),
        0xa0..=0xbf => (1 + usize::from(first & 0x1f), 0),
        0xc1 => return Err(Error::new(ErrorCode::BadValue, "the code 0xc1 is never used")),
        0xc4 | 0xd9 => sized(1, 0)?,
        0xc5 | 0xda => sized(2, 0)?,
        0xc6 | 0xdb => sized(4, 0)?,
        0xc7 => sized(1, 1)?,
        0xc8 => sized(2, 1)?,
        0xc9 => sized(4, 1)?,
        0xca | 0xce | 0xd2 => (5, 0),
        0xcb | 0xcf | 0xd3 => (9, 0),
        0xcc | 0xd0 => (2, 0),
        0xcd | 0xd1 => (3, 0),
        0xd4..=0xd8 => (2 + (1 << (first - 0xd4)), 0),
        0xdc => (3, number(bytes, 1, 2)?),
        0xdd => (5, number(bytes, 1, 4)?),
        0xde => (3, 2 * number(bytes, 1, 2)?),
        0xdf => (5, 2 * number(bytes, 1, 4)?),
    })
}

/// A big-endian number of `width` bytes; MessagePack's, not mesh's, order.
fn number(bytes: &[u8], at: usize, width: usize) -> Result<u64> {
    let digits = bytes.get(at..at + width).ok_or_else(cut)?;
    Ok(digits.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn cut() -> Error {
    Error::new(ErrorCode::BadValue, "the value is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use crate::wire::codec::encode;

    #[test]
    fn every_kind_of_value_is_spanned() {
        let many = Value::List((0..70_000).map(Value::from).collect());
        let wide = Value::Map((0..20).map(|n| (Value::from(n), Value::from("x"))).collect());
        for value in [
            Value::Null,
            true.into(),
            1.into(),
            (-1).into(),
            (-200).into(),
            70_000.into(),
            u64::MAX.into(),
            i64::MIN.into(),
            1.5.into(),
            "".into(),
            "x".repeat(300).into(),
            "x".repeat(70_000).into(),
            vec![1u8; 10].into(),
            vec![1u8; 70_000].into(),
            many,
            wide,
        ] {
            let mut bytes = encode(&value).unwrap();
            let length = bytes.len();
            bytes.extend_from_slice(b"rest");
            let (front, rest) = split(&bytes).unwrap();
            assert_eq!((front.len(), rest), (length, b"rest".as_slice()));
            assert!(split(&bytes[..length - 1]).is_err());
        }
    }

    #[test]
    fn depth_and_declared_sizes_cost_nothing() {
        let mut deep = vec![0x91; 1 << 20];
        deep.push(0xc0);
        assert_eq!(split(&deep).unwrap().0.len(), deep.len());
        assert!(split(&[0xdf, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(array(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
