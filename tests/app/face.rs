//! The program of the README, as a person would copy it. A test compares the two and runs it.
#![expect(clippy::print_stdout, reason = "the program is shown as a person would write it")]

use mesh_core::{App, Result, call};
use serde::Deserialize;

#[derive(Deserialize)]
struct Stats {
    cpu: f64,
}

fn main() -> Result<()> {
    let app = App::claim("adder")?; // a second start says who runs, and exits 0
    app.expose("add", ["a", "b"], |(a, b): (i64, i64)| a + b)?;
    app.expose_stream("count", ["to"], |to: u64| 1..=to)?;
    app.ready()?; // from here on it is registered and callable
    let stats: Stats = call("statusbar", "get_stats", ())?;
    println!("cpu {}", stats.cpu);
    app.run() // until stopped
}
