//! [`Noise`]: lines of a worker's that are none of its answers. Pure.
//!
//! The first ones of a life are shown; many in a row mean that the program speaks no protocol at
//! all, and end it.

use mesh_core::Error;

use crate::escape;

/// Lines one after another that end the worker.
const IN_A_ROW: u32 = 100;

/// Lines of one life that are shown.
const SHOWN: u32 = 10;

/// Characters shown of one.
const CHARACTERS: usize = 120;

/// The count of them.
#[derive(Debug, Default)]
pub(crate) struct Noise {
    in_a_row: u32,
    in_all: u32,
}

/// What is to be done about a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) is_shown: bool,
    pub(crate) is_last_shown: bool,
    pub(crate) is_too_much: bool,
}

impl Noise {
    /// One more.
    pub(crate) fn heard(&mut self) -> Heard {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.in_all = self.in_all.saturating_add(1);
        Heard {
            is_shown: self.in_all <= SHOWN,
            is_last_shown: self.in_all == SHOWN,
            is_too_much: self.in_a_row == IN_A_ROW,
        }
    }

    /// An answer came.
    pub(crate) fn is_over(&mut self) {
        self.in_a_row = 0;
    }
}

/// The error of a worker that prints too many of them.
pub(crate) fn too_much(name: &str) -> Error {
    let what = format!("{name} printed {IN_A_ROW} lines in a row that are no answers: it is ended");
    Error::application(what)
        .hint("Its standard output is for answers alone; talk belongs to standard error.")
}

/// The beginning of a line, fit to be shown.
pub(crate) fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut cut: String = text.chars().take(CHARACTERS).collect();
    if cut.len() < text.len() {
        cut.push_str("...");
    }
    escape::line(&cut).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ones_are_shown_and_a_hundred_in_a_row_are_too_much() {
        let mut noise = Noise::default();
        let all: Vec<Heard> = (0..99).map(|_| noise.heard()).collect();
        assert_eq!(all.iter().filter(|heard| heard.is_shown).count(), 10);
        assert!(all[9].is_last_shown && !all[10].is_last_shown);
        noise.is_over();
        assert!((0..99).all(|_| !noise.heard().is_too_much));
        let heard = noise.heard();
        assert!(heard.is_too_much && !heard.is_shown);
    }

    #[test]
    fn a_line_is_cut_and_cannot_drive_a_terminal() {
        let line = format!("\x1b[2J{}", "x".repeat(1_000));
        let text = shown(line.as_bytes());
        assert!(text.starts_with("\\u{1b}") && text.ends_with("...") && text.len() < 150, "{text}");
        assert_eq!(shown(b"\xff"), "\u{fffd}");
    }
}
