//! An app that streams the files below a folder: `deep_scan(folder, delay_ms)`.
//!
//! One item for each file; `total` is null until a count that runs beside the scan knows it. The
//! delay is before each item, and a cancel cuts it short.
#![expect(clippy::print_stdout, reason = "an example talks to the person who started it")]

mod walk;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use mesh_core::{App, CancelToken, Context, Method, Result};
use serde::{Deserialize, Serialize};

use walk::Walk;

#[derive(Deserialize)]
struct Request {
    folder: PathBuf,
    #[serde(default)]
    delay_ms: u64,
}

#[derive(Serialize)]
struct Item {
    status: &'static str,
    file: String,
    done: u64,
    total: Option<u64>,
}

fn main() -> Result<()> {
    let app = App::claim("scanner")?;
    let stop = app.stop_handle();
    ctrlc::set_handler(move || stop.stop())?;
    let deep_scan = Method::new("deep_scan").doc("The files below a folder, one item each.");
    app.expose_stream(deep_scan, ["folder", "delay_ms"], |context: &Context, request: Request| {
        Scan::start(&request, context.cancel_token().clone())
    })?;
    app.ready()?;
    println!("ready");
    app.run()
}

struct Scan {
    walk: Walk,
    delay: Duration,
    done: u64,
    total: Arc<OnceLock<u64>>,
    cancel: CancelToken,
    /// Ends the count when the scan is dropped.
    over: CancelToken,
}

impl Scan {
    fn start(request: &Request, cancel: CancelToken) -> Result<Self> {
        let walk = Walk::below(&request.folder)?;
        let count = Walk::below(&request.folder)?;
        let (total, over) = (Arc::new(OnceLock::new()), CancelToken::new());
        let (known, told) = (Arc::clone(&total), over.clone());
        thread::Builder::new().name("count".into()).spawn(move || {
            let counted = count.take_while(|_| !told.is_cancelled()).count() as u64;
            if !told.is_cancelled() {
                let _ = known.set(counted);
            }
        })?;
        let delay = Duration::from_millis(request.delay_ms);
        Ok(Self { walk, delay, done: 0, total, cancel, over })
    }
}

impl Iterator for Scan {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let over = if self.delay.is_zero() {
            self.cancel.is_cancelled()
        } else {
            self.cancel.wait_timeout(self.delay)
        };
        let (status, path) = if over { None } else { self.walk.next() }?;
        self.done += 1;
        let (file, total) = (path.to_string_lossy().into_owned(), self.total.get().copied());
        Some(Item { status, file, done: self.done, total })
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.over.cancel();
    }
}
