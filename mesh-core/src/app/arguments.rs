//! Bound arguments as serde sees them: a tuple, a struct, one plain value, or
//! [`Args`](crate::wire::args::Args), as the handler's own type asks.
//!
//! Only the way in is here; which argument belongs to which parameter is decided in
//! [`binding`](super::binding).

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::binding::Bound;
use crate::error::{Error, ErrorCode, Result};
use crate::wire::args::ARGS;
use crate::wire::codec;

/// [`Error`] as serde wants one.
pub(super) struct Failure(pub(super) Error);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(Error::new(ErrorCode::BadArguments, text.to_string()))
    }
}

/// All arguments, as a deserializer.
pub(super) struct Arguments<'b, 'a>(pub(super) &'b Bound<'a>);

macro_rules! one_plain_value {
    ($($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.0.only()?.$method(visitor)
        })+
    };
}

impl<'de> Deserializer<'de> for Arguments<'_, 'de> {
    type Error = Failure;

    one_plain_value! {
        deserialize_any deserialize_bool deserialize_char deserialize_str deserialize_string
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf
        deserialize_option deserialize_seq deserialize_map deserialize_identifier
        deserialize_ignored_any
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.0.params.names.is_empty() && !self.0.params.any {
            return visitor.visit_unit();
        }
        self.0.only()?.deserialize_unit(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.0.params.names.len() {
            declared if declared == length => visitor.visit_seq(InOrder { bound: self.0, at: 0 }),
            1 => self.0.only()?.deserialize_tuple(length, visitor),
            _ => Err(self.0.misfit(&format!("a tuple of {length}"))),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == ARGS {
            let both = [self.0.positional, self.0.named];
            return visitor.visit_seq(Both(both.into_iter()));
        }
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let names = &self.0.params.names;
        if !self.0.params.any && names.iter().all(|name| fields.contains(&name.as_str())) {
            let map = ByName { bound: self.0, at: 0, value: None };
            return MapAccessDeserializer::new(map).deserialize_struct(name, fields, visitor);
        }
        match names.len() {
            1 => self.0.only()?.deserialize_struct(name, fields, visitor),
            _ => Err(self.0.misfit(&format!("a struct with the fields {}", fields.join(", ")))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.0.only()?.deserialize_enum(name, variants, visitor)
    }
}

/// The elements of a tuple.
struct InOrder<'b, 'a> {
    bound: &'b Bound<'a>,
    at: usize,
}

impl<'de> SeqAccess<'de> for InOrder<'_, 'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some((_, argument)) = self.bound.named_value(self.at) else { return Ok(None) };
        self.at += 1;
        seed.deserialize(argument).map(Some)
    }
}

/// The fields of a struct; those without an argument are left to its defaults.
struct ByName<'b, 'a> {
    bound: &'b Bound<'a>,
    at: usize,
    value: Option<Argument<'a>>,
}

impl<'de> MapAccess<'de> for ByName<'_, 'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        while let Some((name, argument)) = self.bound.named_value(self.at) {
            self.at += 1;
            if argument.value.is_some() {
                self.value = Some(argument);
                return seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        match self.value.take() {
            Some(argument) => seed.deserialize(argument),
            None => Err(de::Error::custom("a value without a name")),
        }
    }
}

/// The two parts of an [`Args`](crate::wire::args::Args).
struct Both<'a>(std::array::IntoIter<&'a [u8], 2>);

impl<'de> SeqAccess<'de> for Both<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some(value) = self.0.next() else { return Ok(None) };
        seed.deserialize(Argument { name: "arguments", value: Some(value) }).map(Some)
    }
}

/// One argument, present or not, as a deserializer whose errors name it.
#[derive(Clone, Copy)]
pub(super) struct Argument<'a> {
    pub(super) name: &'a str,
    pub(super) value: Option<&'a [u8]>,
}

impl Argument<'_> {
    /// What is wrong with it, for the one who gave it: the codec speaks of its own codes.
    fn about(&self, asked: &str, error: &impl fmt::Display) -> Failure {
        let error = error.to_string();
        let scalar = !matches!(wanted(asked), None | Some("a list" | "a map"));
        let misfit = error.starts_with("wrong msgpack marker")
            || (scalar && error.starts_with("invalid type"));
        let text = match (misfit, wanted(asked), self.kind()) {
            _ if scalar && error.starts_with("invalid value") => {
                format!("argument `{}` is out of range: {error}", self.name)
            }
            (true, Some(wanted), Some(kind)) => {
                format!("argument `{}` is {kind}, expected {wanted}", self.name)
            }
            _ => format!("argument `{}`: {error}", self.name),
        };
        Failure(Error::new(ErrorCode::BadArguments, text))
    }

    /// What kind of value it is.
    fn kind(&self) -> Option<&'static str> {
        Some(match self.value?.first()? {
            0x00..=0x7f | 0xe0..=0xff | 0xcc..=0xd3 => "a whole number",
            0x80..=0x8f | 0xde | 0xdf => "a map",
            0x90..=0x9f | 0xdc | 0xdd => "a list",
            0xa0..=0xbf | 0xd9..=0xdb => "text",
            0xc0 => "null",
            0xc2 | 0xc3 => "true or false",
            0xc4..=0xc6 => "bytes",
            0xca | 0xcb => "a number with a fraction",
            _ => return None,
        })
    }
}

macro_rules! by_the_codec {
    ($($method:ident($($arg:ident: $type:ty),*))+) => {
        $(fn $method<V: Visitor<'de>>(
            self,
            $($arg: $type,)*
            visitor: V,
        ) -> Result<V::Value, Failure> {
            match self.value {
                Some(bytes) => {
                    let mut value = codec::deserializer(bytes);
                    let read = (&mut value).$method($($arg,)* visitor);
                    read.map_err(|error| self.about(stringify!($method), &error))
                }
                None => Missing(self.name).$method($($arg,)* visitor),
            }
        })+
    };
}

impl<'de> Deserializer<'de> for Argument<'de> {
    type Error = Failure;

    by_the_codec! {
        deserialize_any() deserialize_bool() deserialize_char() deserialize_str()
        deserialize_string() deserialize_i8() deserialize_i16() deserialize_i32()
        deserialize_i64() deserialize_i128() deserialize_u8() deserialize_u16()
        deserialize_u32() deserialize_u64() deserialize_u128() deserialize_f32()
        deserialize_f64() deserialize_bytes() deserialize_byte_buf() deserialize_option()
        deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str) deserialize_seq()
        deserialize_tuple(length: usize)
        deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier() deserialize_ignored_any()
    }
}

/// What a deserializer is asked for, in the words of a person.
fn wanted(asked: &str) -> Option<&'static str> {
    Some(match asked.strip_prefix("deserialize_")? {
        "bool" => "true or false",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" => "a whole number",
        "f32" | "f64" => "a number",
        "char" | "str" | "string" => "text",
        "bytes" | "byte_buf" => "bytes",
        "unit" | "unit_struct" => "null",
        "seq" | "tuple" | "tuple_struct" => "a list",
        "map" | "struct" => "a map",
        _ => return None,
    })
}

/// An argument that was not given: only an option can do without.
struct Missing<'a>(&'a str);

impl<'de> Deserializer<'de> for Missing<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(de::Error::custom(format!("the argument `{}` is missing", self.0)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
