//! Makes text from a peer harmless for a terminal.
//!
//! One rule for all output: control characters (C0, DEL, C1), line and paragraph separators and
//! the marks that turn the direction of writing are shown as escapes. A peer can neither move
//! the cursor, set the title, nor make a line read otherwise than it is. Bytes that are asked
//! for with `-o raw` into a pipe do not come here.

use std::borrow::Cow;
use std::fmt::Write;

/// Text that is to stay on one line: newline and tab are escaped too.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escape(text, is_hostile)
}

/// Text that may have several lines.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_hostile(c) && c != '\n' && c != '\t')
}

/// JSON that stays the same value: the characters stand only in its strings, where a `\u` escape
/// means the same. The newlines of its layout are left alone.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let hostile = |c| is_hostile(c) && c != '\n';
    if !text.contains(hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hostile(c) {
            // All of them have four hexadecimal digits or fewer.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn escape(text: &str, hostile: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hostile(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every hostile character alone, and the sequences that terminals have been attacked with.
    fn corpus() -> Vec<String> {
        let single = (0..=0xffff_u32).filter_map(char::from_u32).filter(|c| is_hostile(*c));
        let mut corpus: Vec<String> = single.map(|c| format!("a{c}b")).collect();
        corpus.extend(
            [
                "\x1b[2J\x1b[H",
                "\x1b]0;title\x07",
                "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
                "\x1b]52;c;cm0gLXJm\x07",
                "safe\rmesh: all is well",
                "\u{9b}31m",
                "user\u{202e}txt.exe",
                "\u{2066}if\u{2069}",
                "a\0b\x7fc",
            ]
            .map(str::to_owned),
        );
        corpus
    }

    #[test]
    fn nothing_hostile_is_left() {
        for text in corpus() {
            assert!(!line(&text).contains(is_hostile), "{text:?}");
            let left = lines(&text).replace(['\n', '\t'], "");
            assert!(!left.contains(is_hostile), "{text:?}");
        }
    }

    #[test]
    fn json_keeps_its_value() {
        for text in corpus() {
            let before = serde_json::json!({ text.clone(): text });
            let printed = serde_json::to_string_pretty(&before).unwrap();
            let escaped = json(&printed);
            assert!(!escaped.replace('\n', "").contains(is_hostile), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), before);
        }
    }

    #[test]
    fn honest_text_is_untouched() {
        for text in ["", "plain", "gr\u{fc}n \u{1f600}", "\u{200d}"] {
            assert!(matches!(line(text), Cow::Borrowed(_)));
        }
        assert_eq!(lines("a\n\tb"), "a\n\tb");
        assert_eq!(line("a\n\tb"), "a\\n\\tb");
        assert_eq!(line("\x1b[0m"), "\\u{1b}[0m");
    }
}
