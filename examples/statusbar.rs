//! An app that answers `get_stats` with the figures of the machine it runs on.
//!
//! What a system does not offer is null. Nothing is sampled while nobody asks: `cpu` is the load
//! since the answer before.
#![expect(clippy::print_stdout, reason = "an example talks to the person who started it")]

use std::sync::{Mutex, PoisonError};

use mesh_core::{App, Method, Result};
use serde::Serialize;
use systemstat::{CPULoad, DelayedMeasurement, Memory, Platform, System};

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

/// What the load is measured from.
type Begun = Option<DelayedMeasurement<CPULoad>>;

fn main() -> Result<()> {
    let app = App::claim("statusbar")?;
    let stop = app.stop_handle();
    ctrlc::set_handler(move || stop.stop())?;
    let system = System::new();
    let begun: Mutex<Begun> = Mutex::new(system.cpu_load_aggregate().ok());
    let get_stats = Method::new("get_stats").doc("Load, memory, battery and uptime.").idempotent();
    app.expose(get_stats, [], move || Stats {
        cpu: cpu(&system, &mut begun.lock().unwrap_or_else(PoisonError::into_inner)),
        memory: system.memory().ok().and_then(|memory| in_use(&memory)),
        battery: system
            .battery_life()
            .ok()
            .and_then(|battery| percent(f64::from(battery.remaining_capacity))),
        uptime: system.uptime().ok().map(|uptime| uptime.as_secs_f64()),
    })?;
    app.ready()?;
    println!("ready");
    app.run()
}

fn cpu(system: &System, begun: &mut Begun) -> Option<f64> {
    let before = std::mem::replace(begun, system.cpu_load_aggregate().ok());
    let load = before?.done().ok()?;
    percent(f64::from(load.user + load.nice + load.system + load.interrupt))
}

fn in_use(memory: &Memory) -> Option<f64> {
    percent(1.0 - memory.free.as_u64() as f64 / memory.total.as_u64() as f64)
}

/// A part of 1 to one decimal; none where the system counted nothing.
fn percent(part: f64) -> Option<f64> {
    part.is_finite().then(|| (part.clamp(0.0, 1.0) * 1000.0).round() / 10.0)
}
