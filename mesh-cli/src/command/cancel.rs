//! `mesh cancel APP TASK`: cancels a running task from outside. Never launches.

use mesh_core::{Args, Error, ErrorCode};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, Result, app_name};
use crate::{exit_code, near};

pub(crate) fn run(context: &Context, app: &str, task: &str) -> Result {
    let app = app_name(app)?;
    let client = context.client()?;
    let question = context.question(&client, &app, "mesh.cancel").args(Args::new().with(task));
    let cancelled: bool = question
        .call()
        .map_err(|error| near::improve(error, context, &client, &app, "mesh.cancel"))?;
    if !cancelled {
        let error = Error::new(ErrorCode::Application, format!("{app} runs no task {task:?}"))
            .hint(format!("`mesh tasks {app}` lists those that run; it may have ended by itself."));
        return Err(Failure { code: exit_code::ANSWERED, error: Some(error) });
    }
    let json = json!({"app": app.as_str(), "task": task, "cancelled": true});
    Ok(context.output.report(&json, || format!("cancelled {task}"))?)
}
