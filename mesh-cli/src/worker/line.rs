//! The lines between an app and its worker: what is written, and what an answer is. Pure.
//!
//! Of an answer only the fields of the outermost object are looked for here; what an item or a
//! value holds is read by the call that it is for, so that what is wrong with it harms that call
//! alone.

use mesh_core::{Args, Error, ErrorCode, Result, Value, json};
use serde_json::{Map, Value as Json, json};

use crate::argument::{self, after_string};

/// Bytes of a line in either direction: 16 MiB of bytes as base64, and a little.
pub(crate) const LINE_MAX: usize = 24 << 20;

/// What a worker says of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) id: u64,
    pub(crate) said: Said,
}

/// The JSON text of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Item(String),
    Value(String),
    Error(String),
}

/// The line that asks for a call, with its line break.
///
/// # Errors
/// `too_large` when it is longer than a line may be.
pub(crate) fn call(id: u64, method: &str, args: &Args, path: &[String]) -> Result<Vec<u8>> {
    let positional: Vec<Json> = args.positional.iter().map(json::to_json).collect();
    let named = args.named.iter().map(|(name, value)| (name.clone(), json::to_json(value)));
    let named: Map<String, Json> = named.collect();
    let call =
        json!({"id": id, "method": method, "args": positional, "kwargs": named, "path": path});
    let line = format!("{call}\n").into_bytes();
    if line.len() > LINE_MAX {
        let what = format!("the arguments of {method} are more than {} MiB", LINE_MAX >> 20);
        let advice = "Write them into a file, and pass its name.";
        return Err(Error::new(ErrorCode::TooLarge, what + " as JSON").hint(advice));
    }
    Ok(line)
}

/// The line that takes a call back.
pub(crate) fn cancel(id: u64) -> Vec<u8> {
    format!("{{\"id\":{id},\"cancel\":true}}\n").into_bytes()
}

/// The line that asks a stream to pause, or to go on.
pub(crate) fn flow(id: u64, paused: bool) -> Vec<u8> {
    let word = if paused { "pause" } else { "resume" };
    format!("{{\"id\":{id},\"{word}\":true}}\n").into_bytes()
}

/// Reads an answer.
///
/// # Errors
/// Why the line is none.
pub(crate) fn answer(line: &str) -> std::result::Result<Answer, String> {
    let fields = fields(line)?;
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
    let id = field("id").ok_or("it has no `id`")?;
    let id = id.parse().map_err(|_| "its `id` is no number that a call has".to_owned())?;
    let said = match (field("item"), field("value"), field("error")) {
        (Some(item), None, None) => Said::Item(item.to_owned()),
        (None, Some(value), None) => Said::Value(value.to_owned()),
        (None, None, Some(error)) => Said::Error(error.to_owned()),
        (None, None, None) => return Err("it has no `item`, `value` or `error`".to_owned()),
        _ => return Err("it has more than one of `item`, `value` and `error`".to_owned()),
    };
    Ok(Answer { id, said })
}

/// The id that a line names first, for one that is too long to be read.
pub(crate) fn first_id(beginning: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(beginning);
    let rest = text.trim_start().strip_prefix('{')?.trim_start().strip_prefix("\"id\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    rest.split_once(',')?.0.trim_end().parse().ok()
}

/// Reads a value or an item.
///
/// # Errors
/// `bad_value` when it is not JSON, or not of the forms that stand for what JSON lacks.
pub(crate) fn value(text: &str) -> Result<Value> {
    argument::strict(text).map_err(|bad| {
        let what = format!("the worker's answer is no value: {}", bad.reason);
        Error::new(ErrorCode::BadValue, what)
            .hint("The forms of values are in docs/worker.md; a float that is not finite has one.")
    })
}

/// Reads an error: a text, or an object with `message` and perhaps `code`, `hint`, `details`.
pub(crate) fn error(text: &str) -> Error {
    let (message, code, hint, details) = match serde_json::from_str(text) {
        Ok(Json::String(message)) => (message, None, None, None),
        Ok(Json::Object(mut object)) => {
            let message = match object.remove("message") {
                Some(Json::String(message)) => message,
                _ => text.to_owned(),
            };
            let details = object.remove("details").map(|details| json::from_json(&details));
            (message, object.remove("code"), object.remove("hint"), details)
        }
        _ => (text.to_owned(), None, None, None),
    };
    let code = code.and_then(|code| code_of(&code)).unwrap_or(ErrorCode::Application);
    let mut error = Error::new(code, message);
    if let Some(Json::String(hint)) = hint {
        error = error.hint(hint);
    }
    match details {
        Some(Ok(details)) if details != Value::Null => error.details(details),
        _ => error,
    }
}

/// A code by its number or its name.
fn code_of(code: &Json) -> Option<ErrorCode> {
    match code {
        Json::Number(number) => {
            let number = number.as_u64().and_then(|number| u16::try_from(number).ok())?;
            Some(ErrorCode::from_number(number))
        }
        Json::String(name) => ErrorCode::ALL.iter().find(|code| code.as_str() == name).copied(),
        _ => None,
    }
}

/// The fields of an object with the text of their values. That a value is well formed inside is
/// not checked.
fn fields(line: &str) -> std::result::Result<Vec<(String, &str)>, String> {
    let broken = || "it is no JSON object".to_owned();
    let mut rest = line.trim().strip_prefix('{').ok_or_else(broken)?.trim_start();
    let mut fields: Vec<(String, &str)> = Vec::new();
    if rest == "}" {
        return Ok(fields);
    }
    loop {
        if !rest.starts_with('"') {
            return Err(broken());
        }
        let after = after_string(rest);
        let key = &rest[..rest.len() - after.len()];
        let key: String = serde_json::from_str(key).map_err(|_| broken())?;
        let value = after.trim_start().strip_prefix(':').ok_or_else(broken)?.trim_start();
        let after = after_value(value).ok_or_else(broken)?;
        let text = value[..value.len() - after.len()].trim_end();
        if text.is_empty() {
            return Err(broken());
        }
        if fields.iter().any(|(given, _)| *given == key) {
            return Err(format!("it has {key:?} twice"));
        }
        fields.push((key, text));
        match after.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if after == "}" => return Ok(fields),
            None => return Err(broken()),
        }
    }
}

/// What follows a value: it begins with the comma or the brace that ends it.
fn after_value(value: &str) -> Option<&str> {
    let (mut rest, mut depth) = (value, 0_usize);
    loop {
        let at = rest.find(['"', '{', '[', '}', ']', ','])?;
        rest = &rest[at..];
        match rest.as_bytes()[0] {
            b'"' => {
                rest = after_string(rest);
                continue;
            }
            b'{' | b'[' => depth += 1,
            _ if depth == 0 => return Some(rest),
            b',' => {}
            _ => depth -= 1,
        }
        rest = &rest[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: Vec<u8>) -> String {
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_lines_of_the_document_are_written() {
        let args = Args::new().with(1).with(Value::Bytes(vec![0])).with_named("$bytes", "x");
        let line = call(7, "add", &args, &["a".to_owned(), "b".to_owned()]).unwrap();
        let expected = "{\"id\":7,\"method\":\"add\",\"args\":[1,{\"$bytes\":\"AA==\"}],\
                        \"kwargs\":{\"$bytes\":\"x\"},\"path\":[\"a\",\"b\"]}\n";
        assert_eq!(text(line), expected);
        assert_eq!(text(cancel(7)), "{\"id\":7,\"cancel\":true}\n");
        assert_eq!(text(flow(7, true)), "{\"id\":7,\"pause\":true}\n");
        assert_eq!(text(flow(7, false)), "{\"id\":7,\"resume\":true}\n");
    }

    #[test]
    fn a_call_that_no_line_holds_is_too_large() {
        let args = Args::new().with("\u{1}".repeat(LINE_MAX / 5));
        assert_eq!(call(1, "m", &args, &[]).unwrap_err().code(), ErrorCode::TooLarge);
    }

    #[test]
    fn answers_are_read_whatever_their_layout() {
        for (line, id, said) in [
            (r#"{"id":1,"value":null}"#, 1, Said::Value("null".to_owned())),
            (
                r#" { "value" : [1, {"a":"}"}] , "id" : 2 } "#,
                2,
                Said::Value(r#"[1, {"a":"}"}]"#.into()),
            ),
            (r#"{"id":3,"item":"\"}]","x":{}}"#, 3, Said::Item(r#""\"}]""#.to_owned())),
            (r#"{"id":4,"error":"no"}"#, 4, Said::Error("\"no\"".to_owned())),
            (r#"{"id":5,"value":{no json}}"#, 5, Said::Value("{no json}".to_owned())),
        ] {
            assert_eq!(answer(line), Ok(Answer { id, said }), "{line}");
        }
    }

    #[test]
    fn what_is_no_answer_says_why() {
        for (line, why) in [
            ("", "no JSON object"),
            ("hello", "no JSON object"),
            ("{", "no JSON object"),
            ("{}", "no `id`"),
            (r#"{"id":1"#, "no JSON object"),
            (r#"{"id":1,"value":[1}"#, "no JSON object"),
            (r#"{"id":1,"value":}"#, "no JSON object"),
            (r#"{"id":1,"value":"x}"#, "no JSON object"),
            (r#"{"id":1,"value":1} x"#, "no JSON object"),
            (r#"{"id":1}"#, "no `item`"),
            (r#"{"id":-1,"value":1}"#, "`id` is no number"),
            (r#"{"id":"1","value":1}"#, "`id` is no number"),
            (r#"{"id":1,"value":1,"item":1}"#, "more than one"),
            (r#"{"id":1,"id":2,"value":1}"#, "twice"),
        ] {
            let told = answer(line).unwrap_err();
            assert!(told.contains(why), "{line}: {told}");
        }
    }

    #[test]
    fn a_line_that_is_cut_anywhere_is_no_answer_and_no_panic() {
        let line = "{\"id\":12,\"value\":{\"k\\\"\":[1,\"\u{e4}\\u00e4\",{}]}}";
        for end in (0..line.len()).filter(|at| line.is_char_boundary(*at)) {
            assert!(answer(&line[..end]).is_err(), "{}", &line[..end]);
        }
    }

    #[test]
    fn values_keep_bytes_and_64_bits_and_what_cannot_be_is_told() {
        let big = value("[18446744073709551615,-9223372036854775808]").unwrap();
        assert_eq!(big, Value::List(vec![u64::MAX.into(), i64::MIN.into()]));
        assert_eq!(value(r#"{"$bytes":"/w=="}"#).unwrap(), Value::Bytes(vec![255]));
        for bad in ["NaN", "{no}", "18446744073709551616", r#"{"$bytes":1}"#, "[1e999]", "1 2"] {
            assert_eq!(value(bad).unwrap_err().code(), ErrorCode::BadValue, "{bad}");
        }
    }

    #[test]
    fn an_error_is_a_text_or_an_object() {
        assert_eq!(error("\"no paper\"").message(), "no paper");
        let told = error(r#"{"message":"m","code":"bad_arguments","hint":"H.","details":[1]}"#);
        assert_eq!((told.code(), told.message()), (ErrorCode::BadArguments, "m"));
        assert_eq!(told.next_step(), Some("H."));
        assert_eq!(told.data(), Some(&Value::List(vec![1.into()])));
        assert_eq!(error(r#"{"message":"m","code":1042}"#).code(), ErrorCode::Other(1_042));
        for odd in ["7", "null", "{no", r#"{"code":"never"}"#, r#"{"code":70000}"#] {
            assert_eq!((error(odd).code(), error(odd).message()), (ErrorCode::Application, odd));
        }
    }

    #[test]
    fn the_id_of_a_long_line_is_found_at_its_beginning() {
        assert_eq!(first_id(b" {\"id\": 12 , \"value\":\"xxx"), Some(12));
        assert_eq!(first_id(b"{\"value\":\"xxx"), None);
        assert_eq!(first_id(b"xxxx\xff"), None);
    }
}
