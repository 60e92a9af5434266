//! From the arguments of a call to the parameter of a handler.
//!
//! [`Bound`] decides which argument belongs to which parameter; [`Arguments`] hands them to serde
//! as what the handler's own type asks for: a tuple, a struct, one plain value, or
//! [`Args`](crate::wire::args::Args). Each argument is decoded once, from the bytes of the frame.

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::params::Params;
use crate::error::{Error, ErrorCode, Result};
use crate::name::nearest;
use crate::wire::args::ARGS;
use crate::wire::{codec, span};

/// The arguments of one call, each with its parameter.
pub struct Bound<'a> {
    params: &'a Params,
    values: Vec<Option<&'a [u8]>>,
    positional: &'a [u8],
    named: &'a [u8],
}

impl<'a> Bound<'a> {
    /// Binds the body of an open frame.
    pub(super) fn new(params: &'a Params, body: &'a [u8]) -> Result<Self> {
        let (positional, named) = span::split(body).map_err(bad)?;
        let mut bound = Self { params, values: vec![None; params.names.len()], positional, named };
        if !params.any {
            bound.bind()?;
        }
        Ok(bound)
    }

    /// No arguments, to find out what a handler asks for.
    fn empty(params: &'a Params) -> Self {
        const NOTHING: (&[u8], &[u8]) = (&[0x90], &[0x80]);
        let values = vec![None; params.names.len()];
        Self { params, values, positional: NOTHING.0, named: NOTHING.1 }
    }

    fn bind(&mut self) -> Result<()> {
        let names = &self.params.names;
        let (count, mut rest) = span::array(self.positional).map_err(bad)?;
        if count > names.len() {
            let text = format!("{count} arguments were given, it takes {}", list(names));
            return Err(Error::new(ErrorCode::BadArguments, text));
        }
        for value in self.values.iter_mut().take(count) {
            let (argument, after) = span::split(rest).map_err(bad)?;
            *value = Some(argument);
            rest = after;
        }
        let (count, mut rest) = span::map(self.named).map_err(bad)?;
        for _ in 0..count {
            let (name, after) = codec::decode_front::<&str>(rest).map_err(bad)?;
            let (argument, after) = span::split(after).map_err(bad)?;
            rest = after;
            let Some(at) = names.iter().position(|known| known == name) else {
                let text = format!("there is no argument `{name}`, it takes {}", list(names));
                let error = Error::new(ErrorCode::BadArguments, text);
                return Err(match nearest(name, names.iter().map(String::as_str)) {
                    Some(near) => error.hint(format!("Did you mean `{near}`?")),
                    None => error,
                });
            };
            match self.values.get_mut(at) {
                Some(value @ None) => *value = Some(argument),
                _ => {
                    let text = format!("the argument `{name}` is given twice");
                    return Err(Error::new(ErrorCode::BadArguments, text));
                }
            }
        }
        Ok(())
    }

    /// The handler's parameter.
    pub(super) fn read<A: DeserializeOwned>(&self) -> Result<A> {
        A::deserialize(Arguments(self)).map_err(|failure| failure.0)
    }

    fn named_value(&self, at: usize) -> Option<(&'a str, Argument<'a>)> {
        let name = self.params.names.get(at)?.as_str();
        Some((name, Argument { name, value: self.values.get(at).copied().flatten() }))
    }

    /// The only argument, for a handler that takes one plain value.
    fn only(&self) -> Result<Argument<'a>, Failure> {
        match self.named_value(0) {
            Some((_, argument)) if self.params.names.len() == 1 => Ok(argument),
            _ => Err(self.misfit("one plain value")),
        }
    }

    fn misfit(&self, takes: &str) -> Failure {
        let declared = if self.params.any {
            "any arguments are declared; take `mesh_core::Args`".to_owned()
        } else {
            format!("{} parameters are declared", self.params.names.len())
        };
        Failure(Error::new(ErrorCode::Misuse, format!("its handler takes {takes}, but {declared}")))
    }
}

impl fmt::Debug for Bound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("params", &self.params.names).finish_non_exhaustive()
    }
}

/// Checks that a handler's parameter fits the names that were declared for it.
pub(super) fn check<A: DeserializeOwned>(params: &Params) -> Result<()> {
    match Bound::empty(params).read::<A>() {
        Err(error) if error.code() == ErrorCode::Misuse => Err(error),
        // Whether it could do without arguments is not the question here.
        _ => Ok(()),
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

fn bad(error: Error) -> Error {
    Error::new(ErrorCode::BadArguments, "the arguments cannot be read").because(error)
}

/// [`Error`] as serde wants one.
pub(super) struct Failure(Error);

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
struct Arguments<'b, 'a>(&'b Bound<'a>);

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
struct Argument<'a> {
    name: &'a str,
    value: Option<&'a [u8]>,
}

impl Argument<'_> {
    fn about(&self, error: impl fmt::Display) -> Failure {
        let text = format!("argument `{}`: {error}", self.name);
        Failure(Error::new(ErrorCode::BadArguments, text))
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
                    (&mut codec::deserializer(bytes)).$method($($arg,)* visitor).map_err(|e| self.about(e))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use crate::wire::args::Args;
    use crate::wire::arguments::encode;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Scan {
        folder: String,
        #[serde(default)]
        depth: u32,
    }

    fn read<A: DeserializeOwned>(names: &[&str], args: impl Serialize) -> Result<A> {
        let params = Params::from(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        let body = encode(&args).unwrap();
        Bound::new(&params, &body)?.read()
    }

    fn refused<A: DeserializeOwned + fmt::Debug>(names: &[&str], args: impl Serialize) -> String {
        let error = read::<A>(names, args).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadArguments, "{error}");
        format!("{error:?}")
    }

    #[test]
    fn a_tuple_takes_positional_and_named_arguments() {
        assert_eq!(read::<(i64, i64)>(&["a", "b"], (1, 2)).unwrap(), (1, 2));
        let mixed = Args::new().with(1).with_named("b", 2);
        assert_eq!(read::<(i64, i64)>(&["a", "b"], mixed).unwrap(), (1, 2));
        let named = Args::new().with_named("b", 2).with_named("a", 1);
        assert_eq!(read::<(i64, i64)>(&["a", "b"], named).unwrap(), (1, 2));
    }

    #[test]
    fn a_struct_takes_both_and_its_defaults_fill_the_rest() {
        let names = ["folder", "depth"];
        let scan = |depth| Scan { folder: "/".into(), depth };
        assert_eq!(read::<Scan>(&names, scan(3)).unwrap(), scan(3));
        assert_eq!(read::<Scan>(&names, ("/", 3)).unwrap(), scan(3));
        assert_eq!(read::<Scan>(&names, ("/",)).unwrap(), scan(0));
    }

    #[test]
    fn one_plain_value_is_the_one_argument() {
        assert_eq!(read::<String>(&["folder"], ("/",)).unwrap(), "/");
        assert_eq!(read::<Vec<i64>>(&["items"], (vec![1, 2],)).unwrap(), [1, 2]);
        assert_eq!(read::<(i64, i64)>(&["point"], ((1, 2),)).unwrap(), (1, 2));
        assert_eq!(read::<(i64,)>(&["a"], (1,)).unwrap(), (1,));
        let scan = Scan { folder: "/".into(), depth: 1 };
        assert_eq!(read::<Scan>(&["options"], (&scan,)).unwrap(), scan);
        assert_eq!(read::<Value>(&["any"], (7,)).unwrap(), Value::from(7));
        assert_eq!(read::<Option<i64>>(&["a"], ()).unwrap(), None);
        read::<()>(&[], ()).unwrap();
    }

    #[test]
    fn an_option_may_be_left_out() {
        type Given = (String, Option<i64>);
        assert_eq!(read::<Given>(&["a", "b"], ("x",)).unwrap(), ("x".into(), None));
        assert_eq!(read::<Given>(&["a", "b"], ("x", 1)).unwrap(), ("x".into(), Some(1)));
    }

    #[test]
    fn refusals_say_which_argument_and_why() {
        let names = ["folder", "depth"];
        assert!(refused::<Scan>(&names, ("/", 1, 2)).contains("it takes folder, depth"));
        let slip = Args::new().with_named("fodler", "/");
        assert!(refused::<Scan>(&names, slip).contains("Did you mean `folder`?"));
        let twice = Args::new().with("/").with_named("folder", "/");
        assert!(refused::<Scan>(&names, twice).contains("`folder` is given twice"));
        assert!(refused::<(i64, i64)>(&["a", "b"], (1,)).contains("`b` is missing"));
        assert!(refused::<Scan>(&names, ()).contains("missing field `folder`"));
        assert!(refused::<(i64, i64)>(&["a", "b"], (1, "x")).contains("argument `b`"));
        assert!(refused::<()>(&[], (1,)).contains("it takes none"));
    }

    #[test]
    fn a_handler_that_cannot_fit_is_found_when_it_is_exposed() {
        let three = Params::from(["a", "b", "c"]);
        assert!(check::<(i64, i64)>(&three).is_err());
        assert!(check::<i64>(&three).is_err());
        assert!(check::<Scan>(&three).is_err());
        assert!(check::<()>(&three).is_err());
        assert!(check::<(i64, i64, i64)>(&three).is_ok());
        assert!(check::<Scan>(&Params::from(["folder", "depth"])).is_ok());
        assert!(check::<i64>(&Params::any()).is_err());
        assert!(check::<Args>(&Params::any()).is_ok());
    }

    #[test]
    fn any_arguments_come_as_they_are() {
        let given = Args::new().with(1).with_named("b", 2);
        let body = encode(&given).unwrap();
        let params = Params::any();
        assert_eq!(Bound::new(&params, &body).unwrap().read::<Args>().unwrap(), given);
    }
}
