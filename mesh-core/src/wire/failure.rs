//! An error as it travels: in an end frame with the error flag, and in a goaway.
//!
//! It always fits in one control frame, so that a failure reaches a reader that takes no data.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode};
use crate::limits::CONTROL_BODY_MAX;
use crate::value::Value;
use crate::wire::codec;

/// Bytes of the body: a goaway puts eight more before it.
const BODY_MAX: usize = CONTROL_BODY_MAX - 8;

/// Bytes of a message or a hint; longer ones are cut.
const TEXT_MAX: usize = 8 << 10;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Failure {
    code: u16,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

/// The body that carries an error. Details that do not fit are left out.
#[must_use]
pub fn encode(error: &Error) -> Vec<u8> {
    let mut failure = Failure {
        code: error.code().number(),
        message: shortened(error.to_string()),
        hint: error.next_step().map(|hint| shortened(hint.to_owned())),
        details: error.data().cloned(),
    };
    if let Some(body) = codec::encode(&failure).ok().filter(|body| body.len() <= BODY_MAX) {
        return body;
    }
    failure.details = None;
    codec::encode(&failure).unwrap_or_default()
}

/// The error that a body carries; one that cannot be read is a `protocol` error.
#[must_use]
pub fn decode(body: &[u8]) -> Error {
    match codec::decode::<Failure>(body) {
        Ok(failure) => {
            let mut error = Error::new(ErrorCode::from_number(failure.code), failure.message);
            if let Some(hint) = failure.hint {
                error = error.hint(hint);
            }
            if let Some(details) = failure.details {
                error = error.details(details);
            }
            error
        }
        Err(error) => Error::new(
            ErrorCode::Protocol,
            format!("the peer sent a failure that cannot be read: {error}"),
        ),
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        let mut end = TEXT_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_message_hint_and_details_travel() {
        let error = Error::application("no such folder").hint("Make it.").details("x");
        let back = decode(&encode(&error));
        assert_eq!(back.code(), ErrorCode::Application);
        assert_eq!(back.message(), "no such folder");
        assert_eq!(back.next_step(), Some("Make it."));
        assert_eq!(back.data().and_then(Value::as_str), Some("x"));
    }

    #[test]
    fn a_failure_always_fits_in_a_control_frame() {
        let error = Error::application("x".repeat(1 << 20)).details(vec![0u8; 1 << 20]);
        let body = encode(&error);
        assert!(body.len() <= BODY_MAX);
        assert!(decode(&body).data().is_none());
    }

    #[test]
    fn garbage_is_a_protocol_error() {
        assert_eq!(decode(&[0xff, 1]).code(), ErrorCode::Protocol);
    }
}
