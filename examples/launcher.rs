//! A program that uses two apps: it asks `statusbar` for figures, then scans a folder with
//! `scanner` and cancels when it has seen enough.
//!
//! `launcher [FOLDER]`. Apps that are off are launched; each must have run once before, so that it
//! is registered.
#![expect(clippy::print_stdout, reason = "an example talks to the person who started it")]

use std::env;
use std::time::Duration;

use mesh_core::{Client, Error, Result, Stream, Value};
use serde::Deserialize;

const ENOUGH: u64 = 100;

#[derive(Deserialize)]
struct Item {
    status: String,
    file: String,
    done: u64,
    total: Option<u64>,
}

fn main() -> Result<()> {
    let folder = env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = std::path::absolute(folder)?;
    let folder = folder.to_str().ok_or_else(|| Error::application("the folder is not UTF-8"))?;

    let client = Client::builder().name("launcher").build()?;
    let stats: Value =
        client.request("statusbar", "get_stats").timeout(Duration::from_secs(3)).call()?;
    for figure in ["cpu", "memory", "battery", "uptime"] {
        println!("{figure}: {:?}", stats.get(figure).unwrap_or(&Value::Null));
    }

    let mut scan: Stream<Item> = client.stream("scanner", "deep_scan", (folder,))?;
    let mut seen = 0;
    while let Some(item) = scan.next() {
        let item = item?;
        let total = item.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
        println!("{}/{total} {} {}", item.done, item.status, item.file);
        seen = item.done;
        if seen == ENOUGH {
            scan.cancel();
        }
    }
    println!("{} after {seen} files", if seen < ENOUGH { "done" } else { "cancelled" });
    Ok(())
}
