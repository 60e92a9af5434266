//! [`Args`]: the arguments of a call when no types are known; positional and named.

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeTupleStruct, Serializer};
use serde::{Deserialize, Serialize};

use crate::value::Value;

/// The serde name by which both ends of the library know an [`Args`] from any other pair.
pub(crate) const ARGS: &str = "mesh::Args";

/// Positional and named arguments, as in `call(app, method, *args, **kwargs)`.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Args {
    /// Values in order.
    pub positional: Vec<Value>,
    /// Values by parameter name.
    pub named: Vec<(String, Value)>,
}

impl Args {
    /// No arguments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a positional argument.
    #[must_use]
    pub fn with(mut self, value: impl Into<Value>) -> Self {
        self.positional.push(value.into());
        self
    }

    /// Adds a named argument.
    #[must_use]
    pub fn with_named(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.named.push((name.into(), value.into()));
        self
    }
}

impl Serialize for Args {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple_struct(ARGS, 2)?;
        pair.serialize_field(&self.positional)?;
        pair.serialize_field(&Named(&self.named))?;
        pair.end()
    }
}

struct Named<'a>(&'a [(String, Value)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Args {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple_struct(ARGS, 2, Pair)
    }
}

struct Pair;

impl<'de> Visitor<'de> for Pair {
    type Value = Args;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("positional and named arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Args, A::Error> {
        let missing = |part| de::Error::custom(format!("the {part} arguments are missing"));
        let positional = match seq.next_element::<Value>()? {
            Some(Value::List(values)) => values,
            _ => return Err(missing("positional")),
        };
        let named = match seq.next_element::<Value>()? {
            Some(Value::Map(pairs)) => pairs,
            _ => return Err(missing("named")),
        };
        let name = |(key, value)| match key {
            Value::Text(name) => Ok((name, value)),
            _ => Err(de::Error::custom("the name of an argument is not text")),
        };
        Ok(Args { positional, named: named.into_iter().map(name).collect::<Result<_, _>>()? })
    }
}
