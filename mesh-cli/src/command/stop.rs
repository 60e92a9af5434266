//! `mesh stop APP`: stops it and waits until its name is free.
//!
//! An app that is registered and off is as wanted: that is no error.

use mesh_core::Stopped;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Result, app_name};
use crate::near;

pub(crate) fn run(context: &Context, app: &str) -> Result {
    let app = app_name(app)?;
    let client = context.client()?;
    let stopped = client
        .stop(app.as_str())
        .map_err(|error| near::improve(error, context, &client, &app, "mesh.stop"))?;
    if stopped == Stopped::NotRunning && client.registry().entry(&app)?.is_none() {
        return Err(near::unknown_app(&client, &app).into());
    }
    let (outcome, told) = match stopped {
        Stopped::NotRunning => ("not_running", format!("{app} is not running")),
        Stopped::Terminated => {
            ("terminated", format!("{app} did not leave in time and was terminated"))
        }
        Stopped::Killed => ("killed", format!("{app} did not leave in time and was killed")),
        _ => ("stopped", format!("{app} has stopped")),
    };
    let json = json!({"name": app.as_str(), "outcome": outcome});
    Ok(context.output.report(&json, || told)?)
}
