//! Any serde value as the arguments of a call.
//!
//! | value | arguments |
//! |---|---|
//! | `()` | none |
//! | a tuple, a tuple struct | positional |
//! | a struct | named |
//! | [`Args`](super::args::Args) | as they are |
//! | anything else | one positional |
//!
//! So `(1, 2)` is two arguments, `vec![1, 2]` is one that is a list, and `(vec![1, 2],)` too.
//!
//! A tuple's MessagePack form is the array of the positional arguments and a struct's the map of
//! the named ones, so all that has to be found out is which of them a value is: a probe lets
//! the value begin to describe itself and stops it at the first word.

use std::fmt;

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};

use super::args::ARGS;
use super::codec;
use crate::error::Result;

/// An array and a map without members.
const NO_POSITIONAL: u8 = 0x90;
const ONE_POSITIONAL: u8 = 0x91;
const NO_NAMED: u8 = 0x80;

/// The body of the arguments: an array of the positional ones, then a map of the named ones.
///
/// # Errors
/// `bad_value` when one of them cannot be encoded.
pub fn encode(args: &(impl Serialize + ?Sized)) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    match shape_of(args) {
        Shape::Nothing => body.extend([NO_POSITIONAL, NO_NAMED]),
        Shape::Positional => {
            codec::encode_into(&mut body, args)?;
            body.push(NO_NAMED);
        }
        Shape::Named => {
            body.push(NO_POSITIONAL);
            codec::encode_into(&mut body, args)?;
        }
        Shape::Both => {
            // A pair of the two containers: all but the pair's own header.
            codec::encode_into(&mut body, args)?;
            body.remove(0);
        }
        Shape::One => {
            body.push(ONE_POSITIONAL);
            codec::encode_into(&mut body, args)?;
            body.push(NO_NAMED);
        }
    }
    Ok(body)
}

/// What a value is as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Nothing,
    Positional,
    Named,
    Both,
    One,
}

fn shape_of(args: &(impl Serialize + ?Sized)) -> Shape {
    match args.serialize(Probe) {
        Ok(never) => match never {},
        Err(shape) => shape,
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Shape {}

impl ser::Error for Shape {
    /// A value that refuses to be described: encoding it will say why.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Shape::One
    }
}

/// A serializer that answers, as its error, what the value is.
struct Probe;

/// What a probe never gives.
enum Never {}

macro_rules! scalars {
    ($($method:ident($type:ty))+) => {
        $(fn $method(self, _: $type) -> Result<Never, Shape> {
            Err(Shape::One)
        })+
    };
}

type Stop = Impossible<Never, Shape>;

impl Serializer for Probe {
    type Ok = Never;
    type Error = Shape;
    type SerializeSeq = Stop;
    type SerializeTuple = Stop;
    type SerializeTupleStruct = Stop;
    type SerializeTupleVariant = Stop;
    type SerializeMap = Stop;
    type SerializeStruct = Stop;
    type SerializeStructVariant = Stop;

    scalars! {
        serialize_bool(bool) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_i128(i128) serialize_u128(u128) serialize_f32(f32) serialize_f64(f64)
    }

    fn serialize_none(self) -> Result<Never, Shape> {
        Err(Shape::One)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Never, Shape> {
        Err(Shape::One)
    }

    fn serialize_unit(self) -> Result<Never, Shape> {
        Err(Shape::Nothing)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Never, Shape> {
        Err(Shape::Nothing)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<Never, Shape> {
        Err(Shape::One)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        inner: &T,
    ) -> Result<Never, Shape> {
        inner.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Never, Shape> {
        Err(Shape::One)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Stop, Shape> {
        Err(Shape::One)
    }

    fn serialize_tuple(self, _: usize) -> Result<Stop, Shape> {
        Err(Shape::Positional)
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Stop, Shape> {
        Err(if name == ARGS { Shape::Both } else { Shape::Positional })
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Stop, Shape> {
        Err(Shape::One)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Stop, Shape> {
        Err(Shape::One)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Stop, Shape> {
        Err(Shape::Named)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Stop, Shape> {
        Err(Shape::One)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use crate::wire::args::Args;

    fn read(args: impl Serialize) -> (Value, Value) {
        let body = encode(&args).unwrap();
        let (positional, rest) = codec::decode_front(&body).unwrap();
        (positional, codec::decode(rest).unwrap())
    }

    fn list(items: impl IntoIterator<Item = i32>) -> Value {
        Value::List(items.into_iter().map(Value::from).collect())
    }

    const NOTHING: Value = Value::Map(Vec::new());

    #[test]
    fn the_table_holds() {
        #[derive(Serialize)]
        struct Named {
            a: i32,
        }
        #[derive(Serialize)]
        struct Pair(i32, i32);
        assert_eq!(read(()), (list([]), NOTHING));
        assert_eq!(read((1, 2)), (list([1, 2]), NOTHING));
        assert_eq!(read(Pair(1, 2)), (list([1, 2]), NOTHING));
        assert_eq!(read(Named { a: 1 }), (list([]), Value::from([("a", 1)])));
        assert_eq!(read(7), (list([7]), NOTHING));
        assert_eq!(read(vec![1, 2]), (Value::List(vec![list([1, 2])]), NOTHING));
        assert_eq!(read((vec![1, 2],)), (Value::List(vec![list([1, 2])]), NOTHING));
    }

    #[test]
    fn dynamic_arguments_go_as_they_are() {
        let args = Args::new().with(1).with_named("b", 2);
        assert_eq!(read(args), (list([1]), Value::from([("b", 2)])));
    }
}
