//! [`Lines`]: cuts what a worker prints into lines, none of them longer than it may be. Pure.

/// Bytes kept of a line that is too long, to see whose it is.
const BEGINNING: usize = 256;

/// The lines of a pipe that is read piece by piece.
#[derive(Debug)]
pub(crate) struct Lines {
    most: usize,
    rest: Vec<u8>,
    /// Bytes that were dropped since the line became too long.
    dropped: Option<usize>,
}

/// A line, without its break.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Vec<u8>),
    /// It is longer than it may be, and is dropped to its end; this is its beginning. Of one
    /// without an end this comes again and again.
    TooLong(Vec<u8>),
}

impl Lines {
    /// Lines of at most so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, rest: Vec::new(), dropped: None }
    }

    /// The lines that a further piece completes.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(at) = piece.iter().position(|byte| *byte == b'\n') {
            self.add(&piece[..at], &mut lines);
            piece = &piece[at + 1..];
            if self.dropped.take().is_none() {
                lines.push(Line::Whole(self.whole()));
            }
        }
        self.add(piece, &mut lines);
        lines
    }

    /// What stands behind the last line break, if anything does.
    pub(crate) fn end(&mut self) -> Option<Vec<u8>> {
        Some(self.whole()).filter(|line| !line.is_empty())
    }

    fn whole(&mut self) -> Vec<u8> {
        let mut line = std::mem::take(&mut self.rest);
        if line.ends_with(b"\r") {
            line.pop();
        }
        line
    }

    fn add(&mut self, piece: &[u8], lines: &mut Vec<Line>) {
        if let Some(dropped) = &mut self.dropped {
            *dropped += piece.len();
            if *dropped > self.most {
                *dropped = 0;
                lines.push(Line::TooLong(Vec::new()));
            }
        } else if self.rest.len() + piece.len() > self.most {
            let mut beginning = std::mem::take(&mut self.rest);
            beginning.extend_from_slice(&piece[..piece.len().min(BEGINNING)]);
            beginning.truncate(BEGINNING);
            beginning.shrink_to_fit();
            self.dropped = Some(0);
            lines.push(Line::TooLong(beginning));
        } else {
            self.rest.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_cut_wherever_the_pieces_break() {
        let text = b"a\r\n\nbc\nd";
        for size in 1..=text.len() {
            let mut lines = Lines::new(10);
            let found: Vec<Line> = text.chunks(size).flat_map(|piece| lines.push(piece)).collect();
            assert_eq!(found, [whole("a"), whole(""), whole("bc")], "{size}");
            assert_eq!(lines.end(), Some(b"d".to_vec()));
            assert_eq!(lines.end(), None);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_the_next_one_read() {
        let text = [&[b'x'; 25][..], b"\nok\n"].concat();
        for size in [1, 7, 100] {
            let mut lines = Lines::new(20);
            let found: Vec<Line> = text.chunks(size).flat_map(|piece| lines.push(piece)).collect();
            assert_eq!(found.len(), 2, "{size}");
            assert!(matches!(&found[0], Line::TooLong(text) if text.starts_with(b"xxxxx")));
            assert_eq!(found[1], whole("ok"));
        }
    }

    #[test]
    fn a_line_without_end_is_told_again_and_keeps_nothing() {
        let mut lines = Lines::new(1_000);
        let mut told = 0;
        for _ in 0..1_000 {
            told += lines.push(&[b'x'; 100]).len();
            assert!(lines.rest.len() <= 1_000);
        }
        assert!((50..=100).contains(&told), "{told}");
        assert_eq!(lines.end(), None);
    }
}
