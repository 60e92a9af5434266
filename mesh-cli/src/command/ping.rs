//! `mesh ping APP`: whether it is there, and how long an answer takes. Never launches.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::context::Context;
use crate::failure::{Result, app_name};
use crate::near;

pub(crate) fn run(context: &Context, app: &str) -> Result {
    let app = app_name(app)?;
    let client = context.client()?;
    let ask = || {
        let began = Instant::now();
        context
            .ask(&client, &app, "mesh.ping")
            .map_err(|error| near::improve(error, context, &client, &app, "mesh.ping"))?;
        Ok::<_, mesh_core::Error>(began.elapsed())
    };
    // The first answer includes the connection, the second is the round trip alone.
    let (first, warm) = (ask()?, ask()?);
    let json = json!({
        "name": app.as_str(),
        "round_trip_us": micros(warm),
        "first_contact_us": micros(first),
    });
    let told =
        || format!("{app} answers in {} us (first contact {} us)", micros(warm), micros(first));
    Ok(context.output.report(&json, told)?)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
