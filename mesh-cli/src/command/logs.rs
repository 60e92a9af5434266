//! `mesh logs APP [-f]`: what a launched app printed.
//!
//! The file is rotated at each launch; `-f` goes over to the new one. Lines are escaped for
//! people, and pass untouched with `-o raw` into a pipe; as JSON a line waits for its end. Never
//! launches.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use mesh_core::os::FileId;
use mesh_core::{CancelToken, Error, ErrorCode};
use serde_json::json;

use crate::args::Format;
use crate::context::Context;
use crate::failure::{Failure, Result, app_name};
use crate::output::Output;
use crate::signal::Second;
use crate::{escape, exit_code, near, signal};

/// A longer line is printed in pieces.
const LINE_MAX: u64 = 64 << 10;

/// How often `-f` looks for more.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(context: &Context, app: &str, follow: bool) -> Result {
    let app = app_name(app)?;
    let client = context.client()?;
    let path = client.home().log_path(&app);
    let mut file = open(&path)?;
    if file.is_none() {
        if !near::apps(&client).contains(&app) {
            return Err(near::unknown_app(&client, &app).into());
        }
        context.message.notice(&format!("{app} has no log: nothing has launched it yet"));
    }
    if !follow {
        return file.map_or(Ok(()), |mut log| log.print(context.output, &path, true));
    }
    let token = signal::token(Second::Quits)?;
    follow_on(context.output, &path, &mut file, &token)?;
    Err(Failure::silent(exit_code::INTERRUPTED))
}

fn follow_on(output: Output, path: &Path, log: &mut Option<Log>, token: &CancelToken) -> Result {
    loop {
        if let Some(log) = log {
            log.print(output, path, token.is_cancelled())?;
        }
        if token.is_cancelled() {
            return Ok(());
        }
        token.wait_timeout(LOOK);
        if !is_current(log.as_ref(), path) {
            // What was written between the last look and the rotation is still in the old file.
            if let Some(old) = log {
                old.print(output, path, true)?;
            }
            *log = open(path)?;
        }
    }
}

fn is_current(log: Option<&Log>, path: &Path) -> bool {
    let (Some(log), Ok(now)) = (log, File::open(path)) else { return false };
    let (then, now) = (FileId::of(log.from.get_ref()), FileId::of(&now));
    matches!((then, now), (Ok(then), Ok(now)) if then == now)
}

fn open(path: &Path) -> Result<Option<Log>> {
    match File::open(path) {
        Ok(file) => Ok(Some(Log { from: BufReader::new(file), begun: Vec::new() })),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// A log that is read, and the line of it that has no end yet.
#[derive(Debug)]
struct Log<R = File> {
    from: BufReader<R>,
    begun: Vec<u8>,
}

impl<R: Read> Log<R> {
    /// Prints what there is; `last` says that no more is waited for.
    fn print(&mut self, output: Output, path: &Path, last: bool) -> Result {
        // A text that is half of a line would look like a line.
        let halves = last || !matches!(output.form(), Some(Format::Json | Format::Pretty));
        while let Some(line) = self.line(halves).map_err(|error| unreadable(path, error))? {
            output.bytes(&shown(&line, output.form(), output.is_terminal()))?;
        }
        Ok(())
    }

    /// The next line, or a piece of one that is too long; with `halves` also one without an end.
    fn line(&mut self, halves: bool) -> io::Result<Option<Vec<u8>>> {
        let room = LINE_MAX.saturating_sub(self.begun.len() as u64);
        self.from.by_ref().take(room).read_until(b'\n', &mut self.begun)?;
        let whole = self.begun.ends_with(b"\n") || self.begun.len() as u64 >= LINE_MAX;
        let ready = whole || (halves && !self.begun.is_empty());
        Ok(ready.then(|| std::mem::take(&mut self.begun)))
    }
}

fn shown(line: &[u8], form: Option<Format>, terminal: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    match form {
        Some(Format::Raw) if !terminal => line.to_vec(),
        Some(Format::Json | Format::Pretty) => {
            let json = json!(text.trim_end_matches('\n')).to_string();
            format!("{}\n", escape::json(&json)).into_bytes()
        }
        _ => escape::lines(&text).into_owned().into_bytes(),
    }
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    Error::new(ErrorCode::Home, format!("cannot read the log {}", path.display()))
        .source(error)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_harmless_unless_asked_for_raw_in_a_pipe() {
        let line = b"\x1b[2Jx\n";
        for terminal in [true, false] {
            assert_eq!(shown(line, None, terminal), b"\\u{1b}[2Jx\n");
            assert_eq!(shown(b"a\"\n", Some(Format::Json), terminal), b"\"a\\\"\"\n");
        }
        assert_eq!(shown(line, Some(Format::Raw), false), line);
        assert_eq!(shown(line, Some(Format::Raw), true), b"\\u{1b}[2Jx\n");
    }

    fn log<R: Read>(from: R) -> Log<R> {
        Log { from: BufReader::new(from), begun: Vec::new() }
    }

    #[test]
    fn an_endless_line_comes_in_pieces() {
        let mut log = log(io::repeat(b'x').take(LINE_MAX + 10));
        assert_eq!(log.line(true).unwrap().unwrap().len() as u64, LINE_MAX);
        assert_eq!(log.line(false).unwrap(), None);
        assert_eq!(log.line(true).unwrap().unwrap().len(), 10);
        assert_eq!(log.line(true).unwrap(), None);
    }

    #[test]
    fn a_line_that_is_being_written_waits_for_its_end() {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\ntw").unwrap();
        file.rewind().unwrap();
        let mut log = log(file.try_clone().unwrap());
        assert_eq!(log.line(false).unwrap().unwrap(), b"one\n");
        assert_eq!(log.line(false).unwrap(), None);
        // Both share one place in the file.
        file.write_all(b"o\n").unwrap();
        file.seek(io::SeekFrom::Current(-2)).unwrap();
        assert_eq!(log.line(false).unwrap().unwrap(), b"two\n");
    }
}
