//! `mesh logs APP [-f]`: what a launched app printed.
//!
//! The file is rotated at each launch; `-f` goes over to the new one. Lines are escaped for
//! people, and pass untouched with `-o raw`. Never launches.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use mesh_core::{CancelToken, Error, ErrorCode};
use serde_json::json;

use crate::args::Format;
use crate::context::Context;
use crate::failure::{Failure, Result, app_name};
use crate::output::Output;
use crate::platform::same_file;
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
        return file.map_or(Ok(()), |mut file| print(context.output, &mut file, &path));
    }
    let token = signal::token(Second::Quits)?;
    follow_on(context.output, &path, &mut file, &token)?;
    Err(Failure::silent(exit_code::INTERRUPTED))
}

fn follow_on(
    output: Output,
    path: &Path,
    file: &mut Option<BufReader<File>>,
    token: &CancelToken,
) -> Result {
    loop {
        if let Some(file) = file {
            print(output, file, path)?;
        }
        if token.wait_timeout(LOOK) {
            return Ok(());
        }
        if !is_current(file.as_ref(), path) {
            // What was written between the last look and the rotation is still in the old file.
            if let Some(old) = file {
                print(output, old, path)?;
            }
            *file = open(path)?;
        }
    }
}

fn is_current(file: Option<&BufReader<File>>, path: &Path) -> bool {
    let (Some(file), Ok(now)) = (file, path.metadata()) else { return false };
    file.get_ref().metadata().is_ok_and(|then| same_file(&then, &now))
}

fn open(path: &Path) -> Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn print(output: Output, file: &mut BufReader<File>, path: &Path) -> Result {
    loop {
        let line = next_line(file).map_err(|error| unreadable(path, error))?;
        if line.is_empty() {
            return Ok(());
        }
        output.bytes(&shown(&line, output.form()))?;
    }
}

fn next_line(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(LINE_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}

fn shown(line: &[u8], form: Option<Format>) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    match form {
        Some(Format::Raw) => line.to_vec(),
        Some(Format::Json | Format::Pretty) => {
            let json = json!(text.trim_end_matches('\n')).to_string();
            format!("{}\n", escape::json(&json)).into_bytes()
        }
        Some(Format::Table) | None => escape::lines(&text).into_owned().into_bytes(),
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
    fn lines_are_harmless_unless_asked_for_raw() {
        assert_eq!(shown(b"\x1b[2Jx\n", None), b"\\u{1b}[2Jx\n");
        assert_eq!(shown(b"\x1b[2Jx\n", Some(Format::Raw)), b"\x1b[2Jx\n");
        assert_eq!(shown(b"a\"\n", Some(Format::Json)), b"\"a\\\"\"\n");
    }

    #[test]
    fn an_endless_line_comes_in_pieces() {
        let mut endless = io::repeat(b'x').take(LINE_MAX + 10);
        let mut from = BufReader::new(&mut endless);
        assert_eq!(next_line(&mut from).unwrap().len() as u64, LINE_MAX);
        assert_eq!(next_line(&mut from).unwrap().len(), 10);
        assert!(next_line(&mut from).unwrap().is_empty());
    }
}
