//! The scanner of the tour: walks a real folder and tells its progress.
//!
//! Hidden behind `mesh tour-app`, so that the tour needs no other program than this one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_core::{App, Claim, Kind, Method, Sink, Value};

use crate::context::Context;
use crate::failure::Result;
use crate::platform::this_program;
use crate::signal::{self, Second};

/// The name that it claims.
pub(crate) const NAME: &str = "scanner";

/// Files that it looks at: the tour is short whatever the folder.
const FILES_MAX: usize = 2_000;

pub(crate) fn run(context: &Context) -> Result {
    let program = this_program()?;
    let command = vec![program.display().to_string(), "tour-app".to_owned()];
    let app = match App::builder(NAME).command(Kind::Binary, command).try_claim()? {
        Claim::Primary(app) => app,
        Claim::Secondary(running) => {
            context.message.notice(&running.to_string());
            return Ok(());
        }
        _ => return Ok(()),
    };
    let method = Method::new("deep_scan").doc("Walks a folder; `delay_ms` slows it down.");
    app.expose_stream(method, ["folder", "delay_ms"], |sink: &Sink, asked: (PathBuf, u64)| {
        scan(sink, &asked.0, Duration::from_millis(asked.1))
    })?;
    let stop = app.stop_handle();
    signal::on_first(Second::Quits, move || stop.stop())?;
    app.ready()?;
    let _ = context.output.people("ready");
    Ok(app.run()?)
}

fn scan(sink: &Sink, folder: &Path, delay: Duration) -> mesh_core::Result<()> {
    let files = files_below(folder, || sink.is_cancelled());
    for (done, file) in (1_u64..).zip(&files) {
        if !delay.is_zero() && sink.cancel_token().wait_timeout(delay) {
            break;
        }
        sink.send(&Value::from([
            ("status", Value::from("scanning")),
            ("file", Value::from(file.display().to_string())),
            ("done", Value::from(done)),
            ("total", Value::from(files.len() as u64)),
        ]))?;
    }
    Ok(())
}

/// The first files in and below a folder. What cannot be read is left out; links are not
/// followed, so that there is an end.
pub(super) fn files_below(folder: &Path, cancelled: impl Fn() -> bool) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if files.len() >= FILES_MAX || cancelled() {
                return files;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_finds_what_is_below_and_has_an_end() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("below")).unwrap();
        for name in ["a", "below/b"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        assert_eq!(files_below(home.path(), || false).len(), 2);
        assert!(files_below(home.path(), || true).is_empty());
        assert!(files_below(Path::new("/nowhere/at/all"), || false).is_empty());
    }
}
