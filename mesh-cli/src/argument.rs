//! The argument rule: how a text of the command line becomes a value. Pure.
//!
//! A text is JSON if it is `null`, `true`, `false`, a number that prints back as it was typed, or
//! begins with `{`, `[` or `"`; then it must parse, and is never silently a string instead:
//! some shells eat quotes. All else is text. So `1.10`, `1e5`, `007` and an id of 23 digits stay
//! what they are. The same rule reads the output of a served command, except that there what
//! does not parse is text ([`lenient`]). `docs/cli.md` has the table.

use std::collections::HashSet;

use mesh_core::{Args, Value, json};

use crate::escape;

/// Characters shown on either side of the place where JSON breaks.
const AROUND: usize = 36;

/// A text that is not the JSON it should be: why, and a picture of where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadArgument {
    /// What is wrong.
    pub(crate) reason: String,
    /// The text and a caret below it, on two lines; empty where there is no place to show.
    pub(crate) picture: String,
}

impl BadArgument {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), picture: String::new() }
    }
}

/// Reads the arguments of one call.
///
/// # Errors
/// The first text that should be JSON and is not, or a name that is given twice.
pub(crate) fn all(texts: &[String]) -> Result<Args, BadArgument> {
    let mut args = Args::new();
    for text in texts {
        let Some((name, value)) = named(text) else {
            args.positional.push(value(text)?);
            continue;
        };
        let value = match value {
            Named::ByRule(text) => self::value(text)?,
            Named::Json(text) => strict(text)?,
        };
        if args.named.iter().any(|(given, _)| given == name) {
            return Err(BadArgument::new(format!("the argument {name:?} is given twice")));
        }
        args.named.push((name.to_owned(), value));
    }
    Ok(args)
}

/// Reads all arguments from one JSON array (positional) or object (named).
///
/// # Errors
/// The text is not JSON, or neither an array nor an object.
pub(crate) fn at_once(text: &str) -> Result<Args, BadArgument> {
    let mut args = Args::new();
    match strict(text)? {
        Value::List(items) => args.positional = items,
        Value::Map(pairs) => {
            for (key, value) in pairs {
                let Value::Text(key) = key else {
                    return Err(BadArgument::new("the names of arguments are texts"));
                };
                args.named.push((key, value));
            }
        }
        _ => return Err(BadArgument::new("--args takes a JSON array or object")),
    }
    Ok(args)
}

/// Reads one text by the rule.
///
/// # Errors
/// It begins like JSON and does not parse.
pub(crate) fn value(text: &str) -> Result<Value, BadArgument> {
    match text {
        "null" => Ok(Value::Null),
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ if text.starts_with(['{', '[', '"']) => strict(text),
        _ => Ok(number(text).unwrap_or_else(|| Value::from(text))),
    }
}

/// Reads what a command printed: by the rule, but text where that fails, and bytes where it is
/// not UTF-8.
pub(crate) fn lenient(printed: Vec<u8>) -> Value {
    match String::from_utf8(printed) {
        Ok(text) => value(&text).unwrap_or(Value::Text(text)),
        Err(error) => Value::Bytes(error.into_bytes()),
    }
}

/// How a value is handed to a shell command: a text as it is, all else as one line of JSON.
pub(crate) fn to_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => json::to_json(other).to_string(),
    }
}

enum Named<'a> {
    ByRule(&'a str),
    Json(&'a str),
}

fn named(text: &str) -> Option<(&str, Named<'_>)> {
    let (key, value) = text.split_once('=')?;
    match key.strip_suffix(':') {
        Some(key) if is_identifier(key) => Some((key, Named::Json(value))),
        None if is_identifier(key) => Some((key, Named::ByRule(value))),
        _ => None,
    }
}

/// Whether a text can name an argument on the command line.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The number that prints back as `text`, in plain decimal notation.
fn number(text: &str) -> Option<Value> {
    if !text.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'.') {
        return None;
    }
    if let Ok(whole) = text.parse::<i128>() {
        return (fits(whole) && whole.to_string() == text).then_some(Value::Int(whole));
    }
    let float = text.parse::<f64>().ok()?;
    let mut printed = float.to_string();
    if !printed.contains('.') {
        printed.push_str(".0");
    }
    (printed == text).then_some(Value::Float(float))
}

fn fits(whole: i128) -> bool {
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&whole)
}

/// Reads JSON.
///
/// # Errors
/// It does not parse, has a number beyond 64 bits or a key twice in one object.
pub(crate) fn strict(text: &str) -> Result<Value, BadArgument> {
    let parsed: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        let told = error.to_string();
        let reason = told.split(" at line ").next().unwrap_or(&told);
        let reason = format!("an argument is not valid JSON: {reason}");
        BadArgument { reason, picture: picture(text, error.line(), error.column()) }
    })?;
    if let Some(large) = beyond_64_bits(text) {
        return Err(BadArgument::new(format!(
            "the number {large} does not fit in 64 bits: write it as a text, in quotes"
        )));
    }
    if let Some(key) = given_twice(text) {
        return Err(BadArgument::new(format!("the key {key} is given twice")));
    }
    json::from_json(&parsed).map_err(|error| BadArgument::new(error.message()))
}

/// The first key in valid JSON that its object has already: a parser would silently drop one.
fn given_twice(json: &str) -> Option<&str> {
    let (mut rest, mut objects) = (json, Vec::new());
    while let Some(at) = rest.find(['"', '{', '}']) {
        rest = &rest[at..];
        match rest.as_bytes()[0] {
            b'{' => objects.push(HashSet::new()),
            b'}' => drop(objects.pop()),
            _ => {
                let after = after_string(rest);
                let string = &rest[..rest.len() - after.len()];
                rest = after;
                // In valid JSON only a key has a colon behind it.
                if after.trim_start().starts_with(':')
                    && let Some(keys) = objects.last_mut()
                    && !keys.insert(serde_json::from_str::<String>(string).ok())
                {
                    return Some(string);
                }
                continue;
            }
        }
        rest = &rest[1..];
    }
    None
}

/// The first whole number in valid JSON that a parser would silently round.
fn beyond_64_bits(json: &str) -> Option<&str> {
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[at..];
        if rest.starts_with('"') {
            rest = after_string(rest);
            continue;
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
        let whole = !token.contains(['.', 'e', 'E']);
        if whole && !token.parse::<i128>().is_ok_and(fits) {
            return Some(token);
        }
        rest = after;
    }
    None
}

/// What follows the JSON string that `quoted` begins with; nothing where it does not end.
pub(crate) fn after_string(quoted: &str) -> &str {
    let mut escaped = false;
    for (at, c) in quoted.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return &quoted[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The line that breaks, cut to a window, with a caret below the place.
fn picture(text: &str, line: usize, column: usize) -> String {
    let Some(shown) = text.lines().nth(line.saturating_sub(1)) else { return String::new() };
    // The parser counts bytes from one, and names the last byte that it read.
    let mut at = column.saturating_sub(1).min(shown.len());
    while !shown.is_char_boundary(at) {
        at -= 1;
    }
    let before: Vec<char> = shown[..at].chars().collect();
    let start = before.len().saturating_sub(AROUND);
    let before: String = before[start..].iter().collect();
    let after: String = shown[at..].chars().take(AROUND).collect();
    let (before, after) = (escape::line(&before), escape::line(&after));
    let caret = " ".repeat(before.chars().count());
    format!("{before}{after}\n{caret}^")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::from(text)
    }

    #[test]
    fn the_table_of_the_rule_holds() {
        let table = [
            ("null", Value::Null),
            ("true", Value::from(true)),
            ("false", Value::from(false)),
            ("0", Value::from(0)),
            ("-5", Value::from(-5)),
            ("18446744073709551615", Value::from(u64::MAX)),
            ("-9223372036854775808", Value::from(i64::MIN)),
            ("1.5", Value::from(1.5)),
            ("-0.25", Value::from(-0.25)),
            ("1.0", Value::from(1.0)),
            ("0.00001", Value::from(0.000_01)),
            ("-0.0", Value::from(-0.0)),
            ("[1,2]", Value::List(vec![1.into(), 2.into()])),
            (r#"{"a":1}"#, Value::from([("a", 1)])),
            (r#""5""#, text("5")),
            (r#"{"$bytes":"AP8="}"#, Value::Bytes(vec![0, 255])),
        ];
        for (typed, meant) in table {
            assert_eq!(value(typed).as_ref(), Ok(&meant), "{typed}");
        }
    }

    #[test]
    fn what_does_not_print_back_identically_is_text() {
        for typed in [
            "",
            "1.10",
            "1e5",
            "1e20",
            "1E5",
            "01",
            "007",
            "+5",
            "-0",
            "-",
            ".",
            ".5",
            "5.",
            "1.2.3",
            "12345678901234567890123",
            "18446744073709551616",
            "-9223372036854775809",
            "0.12345678901234567890",
            "100000000000000000000",
            "NaN",
            "inf",
            "True",
            "NULL",
            " 5",
            "5 ",
            " {",
            "1_000",
            "0x10",
            "a",
            "hello world",
            "2026-11-20",
            "192.168.0.1",
            "--",
            "-x",
        ] {
            assert_eq!(value(typed), Ok(text(typed)), "{typed}");
        }
    }

    #[test]
    fn what_begins_like_json_must_parse_and_the_caret_shows_where() {
        for (typed, picture) in [
            ("{folder: 1}", "{folder: 1}\n ^"),
            ("[1,]", "[1,]\n   ^"),
            ("[1 2]", "[1 2]\n   ^"),
            (r#""a" b"#, "\"a\" b\n    ^"),
        ] {
            let bad = value(typed).unwrap_err();
            assert_eq!(bad.picture, picture, "{typed}: {}", bad.reason);
        }
        for typed in ["{", "[", "\"", "{\"a\":}", "{]"] {
            let bad = value(typed).unwrap_err();
            assert!(bad.picture.contains('^'), "{typed}: {bad:?}");
            assert!(!bad.reason.contains("line"), "{}", bad.reason);
        }
    }

    #[test]
    fn a_long_text_is_shown_around_the_place() {
        let typed = format!("[\"{}\", x]", "a".repeat(500));
        let bad = value(&typed).unwrap_err();
        let (shown, caret) = bad.picture.split_once('\n').unwrap();
        assert!(shown.chars().count() <= 2 * AROUND);
        assert_eq!(shown.chars().nth(caret.chars().count() - 1), Some('x'));
    }

    #[test]
    fn a_hostile_text_is_shown_harmlessly() {
        let bad = value("[\u{1b}[2J]").unwrap_err();
        assert!(!bad.picture.contains('\u{1b}'));
        let bad = value("[\u{e4}\u{e4} x]").unwrap_err();
        assert!(bad.picture.starts_with("[\u{e4}\u{e4} x]"));
    }

    #[test]
    fn whole_numbers_in_json_are_never_rounded() {
        for typed in ["[12345678901234567890123]", r#"{"id":-9223372036854775809}"#] {
            assert!(value(typed).unwrap_err().reason.contains("64 bits"), "{typed}");
        }
        for typed in [r#"["12345678901234567890123","a\"99999999999999999999"]"#, "[1e30,-1,2.5]"] {
            assert!(value(typed).is_ok(), "{typed}");
        }
    }

    #[test]
    fn a_key_that_is_an_identifier_names_its_argument() {
        let typed = ["a=1", "b:=\"x\"", "c=", "_d=x=y", "x", "e=[1]"].map(str::to_owned);
        let args = all(&typed).unwrap();
        assert_eq!(args.positional, [text("x")]);
        let named: Vec<_> = args.named.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let list = Value::List(vec![1.into()]);
        assert_eq!(
            named,
            [
                ("a", &Value::from(1)),
                ("b", &text("x")),
                ("c", &text("")),
                ("_d", &text("x=y")),
                ("e", &list),
            ]
        );
    }

    #[test]
    fn a_key_that_is_no_identifier_names_nothing() {
        for typed in ["=1", "1a=2", "a-b=1", "http://x?a=b", "a b=1", "--x=1", "a::=1", ":=1"] {
            let args = all(&[typed.to_owned()]).unwrap();
            assert_eq!(args.positional, [text(typed)], "{typed}");
        }
    }

    #[test]
    fn a_strict_argument_must_be_json() {
        assert!(all(&["a:=hello".to_owned()]).is_err());
        assert!(all(&["a:=".to_owned()]).is_err());
        assert_eq!(all(&["a:=1e5".to_owned()]).unwrap().named[0].1, Value::from(1e5));
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        assert!(all(&["a=1".to_owned(), "a:=2".to_owned()]).is_err());
    }

    #[test]
    fn a_key_that_is_given_twice_is_no_json() {
        for typed in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a": 1, "\u0061" : 2}}]"#] {
            assert!(at_once(typed).unwrap_err().reason.contains("twice"), "{typed}");
        }
        let fine = r#"{"a":{"a":"a:\"a\":"},"b":[{"a":1},{"a":"a"}],"c":["a","a"]}"#;
        assert_eq!(at_once(fine).unwrap().named.len(), 3);
    }

    #[test]
    fn all_arguments_at_once_are_an_array_or_an_object() {
        assert_eq!(at_once("[1,\"a\"]").unwrap().positional, [1.into(), text("a")]);
        assert_eq!(at_once("{\"a\":1}\n").unwrap().named, [("a".to_owned(), 1.into())]);
        for typed in ["1", "\"a\"", "", "null", "[1"] {
            assert!(at_once(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn what_a_command_prints_is_read_by_the_rule_without_refusals() {
        assert_eq!(lenient(b"hello 1.10".to_vec()), text("hello 1.10"));
        assert_eq!(lenient(b"3".to_vec()), Value::from(3));
        assert_eq!(lenient(b"".to_vec()), text(""));
        assert_eq!(lenient(b"{broken".to_vec()), text("{broken"));
        assert_eq!(lenient(b"{\"a\":1}\n{}".to_vec()), text("{\"a\":1}\n{}"));
        assert_eq!(lenient(vec![0xff, 0]), Value::Bytes(vec![0xff, 0]));
    }

    #[test]
    fn a_command_gets_texts_as_they_are_and_the_rest_as_json() {
        assert_eq!(to_text(&text("a \"b\"")), "a \"b\"");
        assert_eq!(to_text(&Value::List(vec![1.into(), "x".into()])), r#"[1,"x"]"#);
        assert_eq!(to_text(&Value::Null), "null");
        assert_eq!(to_text(&Value::Bytes(vec![0, 255])), r#"{"$bytes":"AP8="}"#);
    }
}
