//! An app that answers `get_stats` with the figures of the machine it runs on.
//!
//! The figures come from `/proc` and `/sys`; what a system does not offer is null. Nothing is
//! sampled while nobody asks: `cpu` is the load since the answer before.
#![expect(clippy::print_stdout, reason = "an example talks to the person who started it")]

use std::fs;
use std::sync::{Mutex, PoisonError};

use mesh_core::{App, Method, Result};
use serde::Serialize;

#[derive(Serialize)]
struct Stats {
    /// Per cent of all cores.
    cpu: Option<f64>,
    /// Per cent in use.
    memory: Option<f64>,
    /// Per cent left.
    battery: Option<f64>,
    /// Seconds.
    uptime: Option<f64>,
}

/// What all cores together have done since boot, in ticks.
#[derive(Clone, Copy, Default)]
struct Ticks {
    idle: u64,
    total: u64,
}

fn main() -> Result<()> {
    let app = App::claim("statusbar")?;
    let stop = app.stop_handle();
    ctrlc::set_handler(move || stop.stop())?;
    let before = Mutex::new(Ticks::default());
    let get_stats = Method::new("get_stats").doc("Load, memory, battery and uptime.").idempotent();
    app.expose(get_stats, [], move || Stats {
        cpu: cpu(&mut before.lock().unwrap_or_else(PoisonError::into_inner)),
        memory: memory(),
        battery: battery(),
        uptime: first_number("/proc/uptime"),
    })?;
    app.ready()?;
    println!("ready");
    app.run()
}

fn cpu(before: &mut Ticks) -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    let now = Ticks { idle: *fields.get(3)? + *fields.get(4)?, total: fields.iter().sum() };
    let idle = now.idle.saturating_sub(before.idle);
    let total = now.total.saturating_sub(before.total).max(1);
    *before = now;
    Some(percent(total.saturating_sub(idle), total))
}

fn memory() -> Option<f64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| -> Option<u64> {
        info.lines()
            .find_map(|line| line.strip_prefix(name))?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    let total = field("MemTotal:")?;
    Some(percent(total.saturating_sub(field("MemAvailable:")?), total.max(1)))
}

fn battery() -> Option<f64> {
    let supplies = fs::read_dir("/sys/class/power_supply").ok()?;
    supplies.flatten().find_map(|supply| first_number(supply.path().join("capacity").to_str()?))
}

fn first_number(path: &str) -> Option<f64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// To one decimal.
fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64 * 1000.0).round() / 10.0
}
