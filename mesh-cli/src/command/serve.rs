//! `mesh serve NAME --method 'M=COMMAND' ... [-d]`: shell commands as an app.
//!
//! It registers its own command line, with the directory where it was typed, so that the next
//! call launches it and relative paths in its commands keep their meaning. A second start with
//! the same command line says who runs and is content; one with other methods is an error,
//! because what was asked for is not what runs.

use mesh_core::{App, AppName, Claim, Client, Entry, Error, ErrorCode, Kind, Launched};
use serde_json::json;

use crate::args::Serve;
use crate::context::Context;
use crate::failure::{Result, app_name};
use crate::platform::this_program;
use crate::serve::spec::{self, Spec};
use crate::signal::Second;
use crate::{serve, signal};

pub(crate) fn run(context: &Context, typed: &Serve) -> Result {
    let app = app_name(&typed.name)?;
    let specs = spec::all(&typed.method, &typed.stream)?;
    let command = command_line(typed)?;
    let cwd = std::env::current_dir().map_err(|error| {
        Error::new(ErrorCode::LaunchFailed, "the working directory is gone").source(error)
    })?;
    if typed.detach {
        let entry = Entry::new(Kind::Binary, command, cwd)?;
        return detach(context, &app, entry);
    }
    let builder = App::builder(app.as_str()).command(Kind::Binary, command.clone()).cwd(cwd);
    match builder.try_claim()? {
        Claim::Primary(app) => serve_until_stopped(context, app, &specs),
        Claim::Secondary(running) => {
            already_runs(context, &context.client()?, &app, running.pid, &command)
        }
        _ => Err(Error::new(ErrorCode::Internal, format!("no claim on {app}")).into()),
    }
}

fn serve_until_stopped(context: &Context, app: App, specs: &[Spec]) -> Result {
    serve::expose(&app, specs)?;
    let stop = app.stop_handle();
    signal::on_first(Second::Quits, move || stop.stop())?;
    app.ready()?;
    // Whoever started it may have closed its end; the app serves all the same.
    let _ = context.output.people("ready");
    Ok(app.run()?)
}

/// Registers, and lets the runtime launch it as any caller would. When that fails the registry
/// is as before.
fn detach(context: &Context, app: &AppName, entry: Entry) -> Result {
    let client = context.launching_client()?;
    let command = entry.command.clone();
    if client.live()?.contains(app) {
        let pid = pid_of(context, &client, app);
        return already_runs(context, &client, app, pid, &command);
    }
    let before = client.registry().entry(app)?;
    client.registry().put(app, entry)?;
    let launched = client.launch(app.as_str()).inspect_err(|_| {
        let undone = match before {
            Some(before) => client.registry().put(app, before),
            None => client.registry().remove(app),
        };
        if let Err(error) = undone {
            context.message.notice(&format!("the entry of {app} stays: {error}"));
        }
    })?;
    let pid = match launched {
        Launched::Started { pid, elapsed } => {
            let millis = elapsed.as_millis();
            context.message.notice(&format!("{app} is ready after {millis} ms (pid {pid})"));
            pid
        }
        Launched::AlreadyRunning { pid } => {
            return already_runs(context, &client, app, pid, &command);
        }
        _ => return Ok(()),
    };
    if context.output.form().is_some() {
        let json = json!({"name": app.as_str(), "pid": pid});
        context.output.report(&json, || format!("{app} {pid}"))?;
    }
    Ok(())
}

fn already_runs(
    context: &Context,
    client: &Client,
    app: &AppName,
    pid: u32,
    command: &[String],
) -> Result {
    // An app registers when it is ready, and answers no sooner: what it answers is of no interest.
    let _ = context.ask(client, app, "mesh.ping");
    let told = format!("{app} already runs (pid {pid})");
    let advice = format!("`mesh stop {app}` first, to replace it.");
    if client.registry().entry(app)?.is_some_and(|entry| entry.command != command) {
        let told = format!("{told}, and not with these commands");
        return Err(Error::new(ErrorCode::AlreadyRunning, told).hint(advice).into());
    }
    context.message.notice(&format!("{told}; {advice}"));
    Ok(())
}

fn pid_of(context: &Context, client: &Client, app: &AppName) -> u32 {
    let stats = context.ask(client, app, "mesh.stats").ok();
    let pid = stats.as_ref().and_then(|stats| stats.get("pid")?.as_u64());
    pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0)
}

/// The command line that launches this app again: absolute, and without `-d`.
fn command_line(typed: &Serve) -> Result<Vec<String>> {
    let program = this_program()?;
    let program = program.to_str().ok_or_else(|| {
        let message = format!("the path {} is not UTF-8", program.display());
        Error::new(ErrorCode::Registry, message).hint("Install mesh under a path that is text.")
    })?;
    Ok(again(program, typed))
}

fn again(program: &str, typed: &Serve) -> Vec<String> {
    let mut command = vec![program.to_owned(), "serve".to_owned(), typed.name.clone()];
    command.extend(typed.method.iter().map(|text| format!("--method={text}")));
    command.extend(typed.stream.iter().map(|text| format!("--stream={text}")));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_command_line_serves_the_same_methods_in_the_foreground() {
        use clap::Parser;
        let typed = Serve {
            name: "greeter".to_owned(),
            method: vec!["hello=echo \"hello $1\"".to_owned(), "-x=-y".to_owned()],
            stream: vec!["count=seq $1".to_owned()],
            detach: true,
        };
        let cli = crate::args::Cli::try_parse_from(again("/bin/mesh", &typed)).unwrap();
        match cli.command {
            crate::args::Command::Serve(parsed) => {
                assert_eq!(parsed.method, typed.method);
                assert_eq!(parsed.stream, typed.stream);
                assert!(!parsed.detach);
            }
            other => panic!("{other:?}"),
        }
    }
}
