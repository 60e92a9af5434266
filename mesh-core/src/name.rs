//! Names of apps and methods: parsed once, valid for ever after.
//!
//! An app's name becomes a file name, a pipe name and an address on every platform, so its
//! alphabet is what all of them agree on. A method's name is only text on the wire. Nothing here
//! touches the world.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{APP_NAME_MAX, METHOD_NAME_MAX};

/// The namespace of the runtime's own methods; no app may expose a method in it.
pub const RESERVED: &str = "mesh.";

/// Device names that Windows keeps for itself, with or without an extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The name of an app: `[a-z0-9][a-z0-9._-]{0,62}`, at most one live owner per user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

impl AppName {
    /// Checks `text` against the rule.
    ///
    /// # Errors
    /// [`BadName`] says which part of the rule is broken and suggests a name that keeps it.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad = |rule| Err(BadName { text: text.to_owned(), rule, better: suggestion(text) });
        if text.is_empty() || text.len() > APP_NAME_MAX {
            return bad("a name has 1 to 63 characters");
        }
        if !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')) {
            return bad("a name is made of a-z, 0-9, '.', '_' and '-', in lower case");
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return bad("a name begins with a letter or a digit");
        }
        if text.contains("..") || text.ends_with('.') {
            return bad("a name neither ends with a dot nor has two in a row");
        }
        if is_device(text) {
            return bad("Windows keeps it for a device");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AppName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> Self {
        name.0
    }
}

/// The name of a method: 1 to 256 bytes of printable text; dotted identifiers by convention.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MethodName(String);

impl MethodName {
    /// Checks `text` against the rule.
    ///
    /// # Errors
    /// [`BadName`] says which part of the rule is broken.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad = |rule| Err(BadName { text: text.to_owned(), rule, better: None });
        if text.is_empty() || text.len() > METHOD_NAME_MAX {
            return bad("a name has 1 to 256 bytes");
        }
        if text.chars().any(char::is_control) {
            return bad("a name has no control characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the runtime itself answers this method (`mesh.ping` and the like).
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED)
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MethodName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

impl From<MethodName> for String {
    fn from(name: MethodName) -> Self {
        name.0
    }
}

/// A text that cannot be a name, the rule it breaks, and a name near to it that would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadName {
    /// What was given.
    pub text: String,
    /// The rule that it breaks, as a sentence.
    pub rule: &'static str,
    /// A permitted name near to it.
    pub better: Option<String>,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be a name: {}", self.text, self.rule)
    }
}

impl std::error::Error for BadName {}

/// The candidate nearest to `text`, when it is near enough that a typing slip explains it.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (text.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(text, candidate), candidate))
        .filter(|(steps, _)| *steps <= allowed)
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, remove, replace, swap of neighbours) that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut steps = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                steps = steps.min(before[j - 1] + 1);
            }
            row.push(steps);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or(text);
    DEVICES.contains(&stem)
        || (stem.len() == 4
            && (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.ends_with(|c: char| c.is_ascii_digit() && c != '0'))
}

fn suggestion(text: &str) -> Option<String> {
    let mut better = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        if (better.is_empty() && !c.is_ascii_alphanumeric()) || (c == '.' && better.ends_with('.'))
        {
            continue;
        }
        better.push(c);
    }
    better.truncate(APP_NAME_MAX);
    let better = better.trim_end_matches(['.', '-']).to_owned();
    (better != text && AppName::parse(&better).is_ok()).then_some(better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_app_names_are_taken_as_they_are() {
        for name in ["a", "0", "scanner_app", "com-x", "a.b-c_d", &"x".repeat(63)] {
            assert_eq!(AppName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn bad_app_names_are_refused_with_the_rule() {
        let long = "x".repeat(64);
        for name in [
            "", ".", "..", "a..b", "a.", "-a", "_a", ".a", "a/b", "a\\b", "a b", "a\0", "Scanner",
            "\u{e4}", "con", "nul.txt", "com1", "lpt9.x", "a#1", "a@host", &long,
        ] {
            assert!(AppName::parse(name).is_err(), "{name:?} was taken");
        }
    }

    #[test]
    fn a_refused_name_suggests_its_lower_case_form() {
        assert_eq!(AppName::parse("Scanner App").unwrap_err().better.unwrap(), "scanner-app");
        assert_eq!(AppName::parse("..").unwrap_err().better, None);
    }

    #[test]
    fn the_rule_reads_as_the_reason() {
        let told = |name: &str| AppName::parse(name).unwrap_err().to_string();
        assert_eq!(told("con"), "\"con\" cannot be a name: Windows keeps it for a device");
        let rule = "a name begins with a letter or a digit";
        assert_eq!(told("-a"), format!("\"-a\" cannot be a name: {rule}"));
    }

    #[test]
    fn method_names_are_printable_text() {
        assert!(MethodName::parse("POST /input").is_ok());
        assert!(MethodName::parse("a\nb").is_err());
        assert!(MethodName::parse("").is_err());
        assert!(MethodName::parse(&"m".repeat(257)).is_err());
        assert!(MethodName::parse("mesh.ping").unwrap().is_reserved());
    }

    #[test]
    fn a_typing_slip_finds_the_nearest_name() {
        assert_eq!(nearest("gretter", ["greeter", "scanner"]), Some("greeter"));
        assert_eq!(nearest("statubsar", ["statusbar"]), Some("statusbar"));
        assert_eq!(nearest("zzz", ["greeter"]), None);
    }
}
