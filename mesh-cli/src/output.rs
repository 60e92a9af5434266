//! The only writer to standard output: data, and nothing else.
//!
//! Three kinds: the *value* of a call (over several lines on a terminal, on one in a pipe), the
//! *items* of a stream (always one per line unless asked otherwise) and the *reports* of the
//! other commands (for people, unless a form was asked for). Text for people is escaped; with
//! `-o raw` into a pipe a peer's text and bytes pass untouched.

use std::io::{self, IsTerminal, Write};

use mesh_core::{Value, json};
use serde_json::Value as Json;

use crate::args::Format;
use crate::escape;
use crate::table::{self, Column};

/// Where data goes, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    form: Option<Format>,
    terminal: bool,
}

impl Output {
    /// Standard output, in the form that was asked for.
    pub(crate) fn new(form: Option<Format>) -> Self {
        Self { form, terminal: io::stdout().is_terminal() }
    }

    /// Whether a form for programs was asked for.
    pub(crate) fn form(self) -> Option<Format> {
        self.form
    }

    /// Whether a person reads it as it comes.
    pub(crate) fn is_read_live(self) -> bool {
        self.terminal && self.form.is_none()
    }

    /// Whether it is a terminal, which nothing may drive but what a person typed.
    pub(crate) fn is_terminal(self) -> bool {
        self.terminal
    }

    /// The value of a call.
    pub(crate) fn value(self, value: &Value) -> io::Result<()> {
        let form = match self.form {
            Some(form) => form,
            None if self.terminal => Format::Pretty,
            None => Format::Json,
        };
        self.write(&render(value, form, self.terminal))
    }

    /// An item of a stream: a table cannot be laid out before its end, so it is a line as well.
    pub(crate) fn item(self, item: &Value) -> io::Result<()> {
        let form = match self.form {
            None | Some(Format::Table) => Format::Json,
            Some(form) => form,
        };
        self.write(&render(item, form, self.terminal))
    }

    /// One thing that a command reports; `people` makes the text for people.
    pub(crate) fn report(self, json: &Json, people: impl FnOnce() -> String) -> io::Result<()> {
        match self.form {
            Some(Format::Raw) if json.is_string() => self.people(&people()),
            Some(Format::Json | Format::Raw) => self.write(&compact(json)),
            Some(Format::Pretty) => self.write(&pretty(json)),
            Some(Format::Table) | None => self.people(&people()),
        }
    }

    /// A list that a command reports: these columns for people, all of it for programs.
    pub(crate) fn rows(self, columns: &[Column<'_>], rows: Vec<Json>) -> io::Result<()> {
        let text = table::of(columns, &rows);
        self.report(&Json::Array(rows), || text)
    }

    /// Lines for people; a text that ends without a newline gets one.
    pub(crate) fn people(self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.write(&with_newline(escape::lines(text).into_owned().into_bytes()))
    }

    /// Bytes as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)
    }

    fn write(self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }
}

fn render(value: &Value, form: Format, terminal: bool) -> Vec<u8> {
    match (form, value) {
        (Format::Raw, Value::Text(text)) if terminal => {
            with_newline(escape::lines(text).into_owned().into_bytes())
        }
        (Format::Raw, Value::Text(text)) => with_newline(text.clone().into_bytes()),
        // A terminal has no use for bytes; in a pipe not even a newline is added to them.
        (Format::Raw, Value::Bytes(bytes)) if !terminal => bytes.clone(),
        (Format::Json | Format::Raw, value) => compact(&json::to_json(value)),
        (Format::Pretty, value) => pretty(&json::to_json(value)),
        (Format::Table, value) => {
            let json = json::to_json(value);
            match table::of_any(&json) {
                Some(text) if text.is_empty() => Vec::new(),
                Some(text) => with_newline(text.into_bytes()),
                None => pretty(&json),
            }
        }
    }
}

fn compact(json: &Json) -> Vec<u8> {
    with_newline(escape::json(&json.to_string()).into_owned().into_bytes())
}

fn pretty(json: &Json) -> Vec<u8> {
    with_newline(escape::json(&format!("{json:#}")).into_owned().into_bytes())
}

fn with_newline(mut text: Vec<u8>) -> Vec<u8> {
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &Value, form: Format, terminal: bool) -> String {
        String::from_utf8(render(value, form, terminal)).unwrap()
    }

    #[test]
    fn each_form_shows_a_value_in_its_way() {
        let value = Value::from([("a", Value::List(vec![1.into()]))]);
        assert_eq!(shown(&value, Format::Json, false), "{\"a\":[1]}\n");
        assert_eq!(shown(&value, Format::Raw, false), "{\"a\":[1]}\n");
        assert_eq!(shown(&value, Format::Pretty, false), "{\n  \"a\": [\n    1\n  ]\n}\n");
        let rows = Value::List(vec![Value::from([("a", 1)])]);
        assert_eq!(shown(&rows, Format::Table, false), "a\n1\n");
        assert_eq!(shown(&Value::from(5), Format::Table, false), "5\n");
    }

    #[test]
    fn raw_text_has_no_quotes_and_raw_bytes_are_untouched() {
        assert_eq!(shown(&Value::from("a\"b"), Format::Raw, false), "a\"b\n");
        assert_eq!(shown(&Value::from("a\n"), Format::Raw, false), "a\n");
        assert_eq!(shown(&Value::from("\x1b[2J"), Format::Raw, false), "\x1b[2J\n");
        assert_eq!(shown(&Value::from("\x1b[2J"), Format::Raw, true), "\\u{1b}[2J\n");
        let bytes = Value::Bytes(vec![0xff, 0, 0x1b]);
        assert_eq!(render(&bytes, Format::Raw, false), [0xff, 0, 0x1b]);
        assert_eq!(shown(&bytes, Format::Raw, true), "{\"$bytes\":\"/wAb\"}\n");
    }

    #[test]
    fn no_form_but_raw_lets_a_peer_drive_the_terminal() {
        let hostile = "\x1b]0;x\x07\u{9b}\u{202e}\r\x7f";
        let value = Value::List(vec![Value::from([(hostile, hostile)])]);
        for form in [Format::Json, Format::Pretty, Format::Table] {
            let shown = shown(&value, form, true).replace('\n', "");
            assert!(!shown.contains(char::is_control), "{form:?}: {shown:?}");
            assert!(!shown.contains('\u{202e}'), "{form:?}: {shown:?}");
        }
        let printed = shown(&value, Format::Json, false);
        let back: Json = serde_json::from_str(&printed).unwrap();
        assert_eq!(json::from_json(&back).unwrap(), value);
    }
}
