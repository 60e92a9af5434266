//! What a finished command left: its exit code, stdout and stderr, with checks that show all of
//! it when one fails.

use std::fmt;

use serde_json::Value as Json;

/// The end of a command.
pub(crate) struct Output {
    /// Its exit code; a signal counts as 128 and its number, as in a shell.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Panics unless the command ended with `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of\n{self}");
        self
    }

    /// Panics unless stdout is exactly `text`.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "stdout of\n{self}");
        self
    }

    /// Panics unless stderr holds `text`.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} on stderr of\n{self}");
        self
    }

    /// Stdout as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        match serde_json::from_str(&self.stdout) {
            Ok(json) => json,
            Err(error) => panic!("stdout is not JSON ({error}):\n{self}"),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit {code}\n-- stdout --\n{stdout}-- stderr --\n{stderr}")
    }
}
