//! The open: what a caller asks for.
//!
//! Its body is three MessagePack values one behind the other: the head (a map), the positional
//! arguments (an array) and the named ones (a map). The arguments stay bytes until the handler's
//! own types are known.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};
use crate::limits::CALL_PATH_MAX;
use crate::name::MethodName;
use crate::wire::manifest::Shape;
use crate::wire::{codec, span};

/// Bytes of a head: a method, a path and what later versions add.
const HEAD_MAX: usize = 8 << 10;

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

    /// Reads the body of an open frame; the arguments are looked at later. The head has bounds of
    /// its own: it is read before anybody knows whether the method exists.
    ///
    /// # Errors
    /// `bad_value` when the head is none or too large, `bad_name` when its method cannot be a
    /// name, `call_loop` when its path is too long.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let (head, args) = span::split(body)?;
        if head.len() > HEAD_MAX {
            let text =
                format!("the head of the call takes {} bytes, {HEAD_MAX} is the most", head.len());
            return Err(Error::new(ErrorCode::BadValue, text));
        }
        let head: Head = codec::decode(head)?;
        MethodName::parse(&head.method)?;
        if head.path.len() > CALL_PATH_MAX {
            let text = format!("the calls lead through {} apps", head.path.len());
            return Err(Error::new(ErrorCode::CallLoop, text));
        }
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
    fn a_head_is_bounded_before_it_is_read() {
        let path: Vec<&str> = vec![""; 100_000];
        let mut body = codec::encode(&serde_json::json!({"method": "m", "path": path})).unwrap();
        body.extend_from_slice(&[0x90, 0x80]);
        assert_eq!(Open::decode(&body).unwrap_err().code(), ErrorCode::BadValue);
        let long = codec::encode(&serde_json::json!({"method": "m".repeat(300)})).unwrap();
        assert_eq!(Open::decode(&long).unwrap_err().code(), ErrorCode::BadName);
    }

    #[test]
    fn fields_of_a_later_version_are_skipped() {
        let later = serde_json::json!({"method": "m", "trace": "00-1"});
        let mut body = codec::encode(&later).unwrap();
        body.extend_from_slice(&[0x90, 0x80]);
        assert_eq!(Open::decode(&body).unwrap().head.method, "m");
    }
}
