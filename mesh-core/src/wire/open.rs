//! The open: what a caller asks for.
//!
//! Its body is three MessagePack values one behind the other: the head (a map), the positional
//! arguments (an array) and the named ones (a map). The arguments stay bytes until the handler's
//! own types are known.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::wire::codec;
use crate::wire::manifest::Shape;

/// The head of an open.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// The method.
    pub method: String,
    /// Whether the caller takes one value or a stream.
    #[serde(default, skip_serializing_if = "is_value")]
    pub shape: Shape,
    /// Time that is left to the caller, in milliseconds; none is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The apps whose handlers led to this call, the first caller first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
}

/// A whole open.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Open {
    /// What is called, and under which terms.
    pub head: Head,
    /// The positional and the named arguments, encoded.
    pub args: Vec<u8>,
}

impl Open {
    /// An open of `method` with encoded arguments.
    #[must_use]
    pub fn new(head: Head, args: Vec<u8>) -> Self {
        Self { head, args }
    }

    /// The body of the open frame.
    ///
    /// # Errors
    /// `bad_value` when the head cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut body = Vec::with_capacity(64 + self.args.len());
        codec::encode_into(&mut body, &self.head)?;
        body.extend_from_slice(&self.args);
        Ok(body)
    }

    /// Reads the body of an open frame; the arguments are looked at later.
    ///
    /// # Errors
    /// `bad_value` when the head is none.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let (head, args) = codec::decode_front(body)?;
        Ok(Self { head, args: args.to_vec() })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_value(shape: &Shape) -> bool {
    *shape == Shape::Value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_survives_the_wire() {
        let head = Head {
            method: "scan".into(),
            shape: Shape::Stream,
            timeout_ms: Some(5_000),
            path: vec!["launcher".into()],
        };
        let open = Open::new(head, vec![0x90, 0x80]);
        assert_eq!(Open::decode(&open.encode().unwrap()).unwrap(), open);
    }

    #[test]
    fn fields_of_a_later_version_are_skipped() {
        let later = serde_json::json!({"method": "m", "trace": "00-1"});
        let mut body = codec::encode(&later).unwrap();
        body.extend_from_slice(&[0x90, 0x80]);
        assert_eq!(Open::decode(&body).unwrap().head.method, "m");
    }
}
