//! [`Value`]: any value that can be on the wire, for programs that do not know types beforehand.
//!
//! Data only: decoding one runs no code, and is budgeted in depth and elements, because sixteen
//! bytes of a hostile peer can declare four thousand million members. Typed programs never need
//! it. How a value looks as JSON is written in `docs/protocol.md`.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{self, SerializeMap, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

use crate::limits::{VALUE_DEPTH_MAX, VALUE_ELEMENTS_MAX};

/// Any value that can be on the wire.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// Truth.
    Bool(bool),
    /// A whole number from `i64::MIN` to `u64::MAX`.
    Int(i128),
    /// A binary fraction of 64 bits.
    Float(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes that are not text.
    Bytes(Vec<u8>),
    /// Values in order.
    List(Vec<Value>),
    /// Keys and values in the order of their writer; keys need not be text.
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one and fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The whole number, if it is one, is not negative and fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The value under a text key, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(pairs) => {
                pairs.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

macro_rules! from {
    ($($type:ty => $make:expr;)+) => {
        $(impl From<$type> for Value {
            fn from(from: $type) -> Self {
                $make(from)
            }
        })+
    };
}

from! {
    () => |()| Value::Null;
    bool => Value::Bool;
    i32 => |n| Value::Int(i128::from(n));
    u32 => |n| Value::Int(i128::from(n));
    i64 => |n| Value::Int(i128::from(n));
    u64 => |n| Value::Int(i128::from(n));
    f64 => Value::Float;
    &str => |text: &str| Value::Text(text.to_owned());
    String => Value::Text;
    Vec<u8> => Value::Bytes;
    Vec<Value> => Value::List;
    Vec<(Value, Value)> => Value::Map;
}

impl<K: Into<Value>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Value {
    fn from(pairs: [(K, V); N]) -> Self {
        Value::Map(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Int(number) => {
                if let Ok(small) = i64::try_from(*number) {
                    serializer.serialize_i64(small)
                } else if let Ok(large) = u64::try_from(*number) {
                    serializer.serialize_u64(large)
                } else {
                    Err(ser::Error::custom(format!("{number} needs more than 64 bits")))
                }
            }
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Value::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut elements = VALUE_ELEMENTS_MAX;
        Budget { depth: VALUE_DEPTH_MAX, elements: &mut elements }.deserialize(deserializer)
    }
}

/// What a value may still take; every nested value draws on the same store of elements.
struct Budget<'a> {
    depth: usize,
    elements: &'a mut usize,
}

impl Budget<'_> {
    fn nested(&mut self) -> Budget<'_> {
        Budget { depth: self.depth.saturating_sub(1), elements: self.elements }
    }

    fn enter<E: de::Error>(&self) -> Result<(), E> {
        match self.depth {
            0 => Err(E::custom(format!("nested deeper than {VALUE_DEPTH_MAX} levels"))),
            _ => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Budget<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.elements.checked_sub(1) {
            Some(left) => *self.elements = left,
            None => {
                let text = format!("more than {VALUE_ELEMENTS_MAX} elements");
                return Err(de::Error::custom(text));
            }
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Budget<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Int(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        self.enter()?;
        // The declared length is the peer's word: the list grows as members really arrive.
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.nested())? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key_seed(self.nested())? {
            let value = map.next_value_seed(self.nested())?;
            pairs.push((key, value));
        }
        Ok(Value::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_values_come_through_unchanged() {
        let text = r#"{"a":[1,-2,18446744073709551615,1.5,null,true,"x"],"b":{}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            value.get("a").and_then(|a| match a {
                Value::List(items) => items[2].as_u64(),
                _ => None,
            }),
            Some(u64::MAX)
        );
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(serde_json::from_str::<Value>(&deep(VALUE_DEPTH_MAX)).is_ok());
        let error = serde_json::from_str::<Value>(&deep(VALUE_DEPTH_MAX + 1)).unwrap_err();
        assert!(error.to_string().contains("64 levels"), "{error}");
    }

    #[test]
    fn elements_are_bounded() {
        let many = |n: usize| format!("[{}0]", "0,".repeat(n - 1));
        assert!(serde_json::from_str::<Value>(&many(VALUE_ELEMENTS_MAX - 1)).is_ok());
        assert!(serde_json::from_str::<Value>(&many(VALUE_ELEMENTS_MAX)).is_err());
    }
}
