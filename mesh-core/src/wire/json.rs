//! How a [`Value`] looks as JSON: in the command line, the registry and debug output.
//!
//! Pure. JSON has no bytes, no NaN and only text keys, so three forms with a `$` stand for them,
//! and a real map with a single key that begins with `$` gets the `$` doubled. The table is in
//! `docs/protocol.md`; the way there and back is exact.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value as Json};

use crate::error::{Error, ErrorCode, Result};
use crate::value::Value;

const BYTES: &str = "$bytes";
const FLOAT: &str = "$float";
const MAP: &str = "$map";

/// The JSON form of a value.
#[must_use]
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => whole(*number),
        Value::Float(number) => match Number::from_f64(*number) {
            Some(number) => Json::Number(number),
            None => single(FLOAT, Json::from(not_finite(*number))),
        },
        Value::Text(text) => Json::from(text.as_str()),
        Value::Bytes(bytes) => single(BYTES, Json::from(STANDARD.encode(bytes))),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(pairs) => map_to_json(pairs),
    }
}

/// The value of a JSON form.
///
/// # Errors
/// `bad_value` when a `$` form does not hold what it says.
pub fn from_json(json: &Json) -> Result<Value> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => number_from(number)?,
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect::<Result<_>>()?),
        Json::Object(object) => map_from(object)?,
    })
}

fn whole(number: i128) -> Json {
    if let Ok(small) = i64::try_from(number) {
        return Json::from(small);
    }
    u64::try_from(number).map_or(Json::Null, Json::from)
}

fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "nan"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

fn single(key: &str, value: Json) -> Json {
    let mut map = Map::new();
    map.insert(key.to_owned(), value);
    Json::Object(map)
}

fn map_to_json(pairs: &[(Value, Value)]) -> Json {
    let mut map = Map::new();
    for (key, value) in pairs {
        let Value::Text(key) = key else { return pairs_to_json(pairs) };
        let key =
            if pairs.len() == 1 && key.starts_with('$') { format!("${key}") } else { key.clone() };
        if map.insert(key, to_json(value)).is_some() {
            return pairs_to_json(pairs);
        }
    }
    Json::Object(map)
}

fn pairs_to_json(pairs: &[(Value, Value)]) -> Json {
    let pair = |(key, value): &(Value, Value)| Json::Array(vec![to_json(key), to_json(value)]);
    single(MAP, Json::Array(pairs.iter().map(pair).collect()))
}

fn number_from(number: &Number) -> Result<Value> {
    if let Some(small) = number.as_i64() {
        return Ok(Value::Int(small.into()));
    }
    if let Some(large) = number.as_u64() {
        return Ok(Value::Int(large.into()));
    }
    match number.as_f64() {
        Some(float) => Ok(Value::Float(float)),
        None => Err(bad(format!("the number {number} does not fit in 64 bits"))),
    }
}

fn map_from(object: &Map<String, Json>) -> Result<Value> {
    let mut only = object.iter();
    if let (Some((key, value)), None) = (only.next(), only.next())
        && key.starts_with('$')
    {
        return special(key, value);
    }
    let pairs = object.iter().map(|(key, value)| Ok((Value::Text(key.clone()), from_json(value)?)));
    Ok(Value::Map(pairs.collect::<Result<_>>()?))
}

fn special(key: &str, value: &Json) -> Result<Value> {
    match (key, value) {
        (BYTES, Json::String(text)) => STANDARD
            .decode(text)
            .map(Value::Bytes)
            .map_err(|error| bad("`$bytes` does not hold base64").source(error)),
        (FLOAT, Json::String(text)) => match text.as_str() {
            "nan" => Ok(Value::Float(f64::NAN)),
            "inf" => Ok(Value::Float(f64::INFINITY)),
            "-inf" => Ok(Value::Float(f64::NEG_INFINITY)),
            other => Err(bad(format!("`$float` holds {other:?}, not nan, inf or -inf"))),
        },
        (MAP, Json::Array(pairs)) => {
            Ok(Value::Map(pairs.iter().map(pair_from).collect::<Result<_>>()?))
        }
        (doubled, value) if doubled.starts_with("$$") => {
            Ok(Value::Map(vec![(Value::Text(doubled[1..].to_owned()), from_json(value)?)]))
        }
        (unknown, _) => Err(bad(format!("{unknown:?} is no form that this version knows"))
            .hint("Double the `$` if it is a key of your own.")),
    }
}

fn pair_from(pair: &Json) -> Result<(Value, Value)> {
    match pair.as_array().map(Vec::as_slice) {
        Some([key, value]) => Ok((from_json(key)?, from_json(value)?)),
        _ => Err(bad("`$map` holds a list of pairs")),
    }
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadValue, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(value: &Value, text: &str) {
        let json = to_json(value);
        assert_eq!(json.to_string(), text);
        assert_eq!(&from_json(&serde_json::from_str(text).unwrap()).unwrap(), value);
    }

    #[test]
    fn plain_values_are_plain_json() {
        there_and_back(&Value::from([("a", Value::from(1))]), r#"{"a":1}"#);
        there_and_back(&Value::from(u64::MAX), "18446744073709551615");
        there_and_back(&Value::from(1.5), "1.5");
        there_and_back(&Value::List(vec![Value::Null, true.into()]), "[null,true]");
    }

    #[test]
    fn what_json_lacks_has_a_form() {
        there_and_back(&Value::Bytes(vec![0, 255]), r#"{"$bytes":"AP8="}"#);
        there_and_back(&Value::Float(f64::INFINITY), r#"{"$float":"inf"}"#);
        there_and_back(&Value::from([(1, true)]), r#"{"$map":[[1,true]]}"#);
        assert_eq!(to_json(&Value::Float(f64::NAN)).to_string(), r#"{"$float":"nan"}"#);
    }

    #[test]
    fn a_real_key_with_a_dollar_is_doubled() {
        there_and_back(&Value::from([("$bytes", "x")]), r#"{"$$bytes":"x"}"#);
        there_and_back(&Value::from([("$a", 1), ("b", 2)]), r#"{"$a":1,"b":2}"#);
    }

    #[test]
    fn a_form_that_lies_is_refused() {
        for text in [r#"{"$bytes":"*"}"#, r#"{"$float":"x"}"#, r#"{"$map":[1]}"#, r#"{"$x":1}"#] {
            assert!(from_json(&serde_json::from_str(text).unwrap()).is_err(), "{text}");
        }
    }
}
