//! `mesh launch APP`: starts it, if it is off, and waits until it is ready.

use mesh_core::Launched;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Result, app_name, usage};
use crate::near;

pub(crate) fn run(context: &Context, app: &str) -> Result {
    let app = app_name(app)?;
    if context.global.no_launch {
        return Err(usage(
            "`mesh launch` under --no-launch",
            "Leave the flag out, or unset MESH_NO_LAUNCH.",
        ));
    }
    let client = context.launching_client()?;
    let launched = client
        .launch_within(app.as_str(), context.bound())
        .map_err(|error| near::improve(error, context, &client, &app, ""))?;
    let (pid, elapsed) = match launched {
        Launched::AlreadyRunning { pid } => (pid, None),
        Launched::Started { pid, elapsed } => (pid, Some(elapsed.as_millis())),
        other => {
            log::debug!("launch answered {other:?}");
            return Ok(());
        }
    };
    let elapsed = elapsed.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX));
    let json = json!({
        "name": app.as_str(),
        "pid": pid,
        "started": elapsed.is_some(),
        "elapsed_ms": elapsed,
    });
    let told = || match elapsed {
        Some(elapsed) => format!("{app} is ready after {elapsed} ms (pid {pid})"),
        None => format!("{app} already runs (pid {pid})"),
    };
    Ok(context.output.report(&json, told)?)
}
