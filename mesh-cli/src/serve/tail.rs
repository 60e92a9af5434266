//! The last lines of a command's standard error, for the error that it ends in. Pure.

use std::collections::VecDeque;

use mesh_core::limits::{STDERR_TAIL_BYTES, STDERR_TAIL_LINES};

/// The last bytes of a text that may be endless.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    /// Adds what came, and forgets what is too old.
    pub(crate) fn push(&mut self, more: &[u8]) {
        let from = more.len().saturating_sub(STDERR_TAIL_BYTES);
        self.bytes.extend(&more[from..]);
        let old = self.bytes.len().saturating_sub(STDERR_TAIL_BYTES);
        self.bytes.drain(..old);
    }

    /// The last lines as text.
    pub(crate) fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(STDERR_TAIL_LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut tail = Tail::default();
        for number in 0..10_000 {
            tail.push(format!("line {number}\n").as_bytes());
            assert!(tail.bytes.len() <= STDERR_TAIL_BYTES);
        }
        let text = tail.text();
        assert_eq!(text.lines().count(), STDERR_TAIL_LINES);
        assert!(text.ends_with("line 9999"));
    }

    #[test]
    fn one_endless_line_is_cut() {
        let mut tail = Tail::default();
        tail.push(&vec![b'x'; 3 * STDERR_TAIL_BYTES]);
        assert_eq!(tail.text().len(), STDERR_TAIL_BYTES);
        assert_eq!(Tail::default().text(), "");
    }
}
