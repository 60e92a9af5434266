//! `mesh serve NAME --method 'M=COMMAND' ... [--exec M -- PROG ...] [-d]`: commands as an app;
//! `mesh serve NAME --worker [-d] -- PROG ...`: a program that speaks lines of JSON.
//!
//! It registers its own command line, with the directory where it was typed, so that the next
//! call launches it and relative paths in its commands keep their meaning. A second start with
//! the same command line says who runs and is content; one with other methods is an error,
//! because what was asked for is not what runs.

use mesh_core::{
    App, AppName, Claim, Client, Entry, Error, ErrorCode, Home, Kind, Launched, MethodInfo,
    Registry,
};
use serde_json::json;

use crate::args::Serve;
use crate::command::describe;
use crate::context::Context;
use crate::failure::{Result, app_name};
use crate::platform::{READY_VARIABLE, this_program};
use crate::serve::program;
use crate::serve::spec::{self, Plan, Work};
use crate::serve::turn::Turn;
use crate::signal::Second;
use crate::{serve, signal};

pub(crate) fn run(context: &Context, typed: &Serve) -> Result {
    let app = app_name(&typed.name)?;
    let mut plan = spec::all(typed)?;
    let cwd = std::env::current_dir().map_err(|error| {
        Error::new(ErrorCode::LaunchFailed, "the working directory is gone").source(error)
    })?;
    if let Some(worker) = &mut plan.worker {
        // Found here, and not where it is launched from: a worker is one program for all time.
        worker.clone_from(&Entry::new(Kind::Binary, worker.clone(), cwd.clone())?.command);
    }
    let command = command_line(typed, plan.worker.as_deref())?;
    let entry = Entry::new(Kind::Binary, command.clone(), cwd.clone())?;
    // What a launch would refuse is better told now than at the next call.
    entry.check_launch()?;
    for spec in &mut plan.specs {
        if let Work::Program(template) = &mut spec.work {
            program::find(template, &cwd)?;
        }
    }
    if typed.detach {
        return detach(context, &app, &plan, entry);
    }
    // Whoever launches it has the turn, or needs none.
    let launched = std::env::var_os(READY_VARIABLE).is_some();
    let turn = if launched { None } else { Some(Turn::take(&Home::from_env()?, &app)?) };
    let builder = App::builder(app.as_str()).limits(serve::limits());
    let builder = builder.command(Kind::Binary, command).cwd(cwd);
    match builder.try_claim()? {
        Claim::Primary(app) => serve_until_stopped(context, app, &plan, turn),
        Claim::Secondary(running) => {
            already_runs(context, &context.client()?, &app, &plan, Some(running.pid))
        }
        _ => Err(Error::new(ErrorCode::Internal, format!("no claim on {app}")).into()),
    }
}

fn serve_until_stopped(context: &Context, app: App, plan: &Plan, turn: Option<Turn>) -> Result {
    let worker = serve::expose(&app, plan, context.message)?;
    let stop = app.stop_handle();
    signal::on_first(Second::Quits, move || stop.stop())?;
    app.ready()?;
    drop(turn);
    // Whoever started it may have closed its end; the app serves all the same.
    let _ = context.output.people("ready");
    let served = app.run();
    if let Some(worker) = worker {
        worker.stop();
    }
    Ok(served?)
}

/// Registers, and lets the runtime launch it as any caller would. When that fails, or something
/// else runs, the registry is as before.
fn detach(context: &Context, app: &AppName, plan: &Plan, entry: Entry) -> Result {
    let client = context.launching_client()?;
    let _turn = Turn::take(client.home(), app)?;
    let before = client.registry().entry(app)?;
    if client.live()?.contains(app) {
        let pid = client.owner(app);
        return already_runs(context, &client, app, plan, pid);
    }
    // An entry that says the same knows the methods as well.
    if before.as_ref().is_some_and(|before| is_same(before, &entry)) {
        return start(context, &client, app, plan);
    }
    client.registry().put(app, entry.clone())?;
    start(context, &client, app, plan)
        .inspect_err(|_| restore(context, client.registry(), app, &entry, before))
}

fn start(context: &Context, client: &Client, app: &AppName, plan: &Plan) -> Result {
    let launched = client.launch_within(app.as_str(), context.bound())?;
    let pid = match launched {
        Launched::AlreadyRunning { pid } => {
            return already_runs(context, client, app, plan, Some(pid));
        }
        Launched::Started { pid, elapsed } => {
            // A start by a call, under the entry of before, may have won the name.
            if let Ok(described) = describe::ask(context, client, app) {
                check_commands(app, plan, &described.methods, Some(pid))?;
            }
            let millis = elapsed.as_millis();
            context.message.notice(&format!("{app} is ready after {millis} ms (pid {pid})"));
            pid
        }
        _ => return Ok(()),
    };
    if context.output.form().is_some() {
        let json = json!({"name": app.as_str(), "pid": pid});
        context.output.report(&json, || format!("{app} {pid}"))?;
    }
    Ok(())
}

/// Takes back what was registered for a start that failed, unless the app that runs has
/// registered itself meanwhile.
fn restore(
    context: &Context,
    registry: &Registry,
    app: &AppName,
    ours: &Entry,
    before: Option<Entry>,
) {
    let undone = match registry.entry(app) {
        Ok(Some(now)) if !is_same(&now, ours) => return,
        _ => match before {
            Some(before) => registry.put(app, before),
            None => registry.remove(app),
        },
    };
    if let Err(error) = undone {
        context.message.notice(&format!("the entry of {app} stays: {error}"));
    }
}

fn is_same(a: &Entry, b: &Entry) -> bool {
    (a.kind, &a.command, &a.cwd) == (b.kind, &b.command, &b.cwd)
}

fn already_runs(
    context: &Context,
    client: &Client,
    app: &AppName,
    plan: &Plan,
    pid: Option<u32>,
) -> Result {
    let described = describe::ask(context, client, app).map_err(|error| match error.code() {
        ErrorCode::Deadline | ErrorCode::NotResponding | ErrorCode::ConnectFailed => {
            let told = format!("{app} is running, not responding{}", process(pid));
            Error::new(ErrorCode::NotResponding, told)
                .hint(format!("If it does not recover, `mesh stop {app}` ends it."))
        }
        _ => error,
    })?;
    check_commands(app, plan, &described.methods, pid)?;
    let advice = format!("`mesh stop {app}` first, to replace it.");
    context.message.notice(&format!("{app} already runs{}; {advice}", process(pid)));
    Ok(())
}

/// Whether what runs is what was asked for. The app is asked, not the registry: that may have
/// been written for another start.
fn check_commands(app: &AppName, plan: &Plan, methods: &[MethodInfo], pid: Option<u32>) -> Result {
    if serve::is_made_of(methods, plan) {
        return Ok(());
    }
    let told = format!("{app} already runs{}, and not with these commands", process(pid));
    let advice = format!("`mesh stop {app}` first, to replace it.");
    Err(Error::new(ErrorCode::AlreadyRunning, told).hint(advice).into())
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// The command line that launches this app again: absolute, and without `-d`.
fn command_line(typed: &Serve, worker: Option<&[String]>) -> Result<Vec<String>> {
    let program = this_program()?;
    let program = program.to_str().ok_or_else(|| {
        let message = format!("the path {} is not UTF-8", program.display());
        Error::new(ErrorCode::Registry, message).hint("Install mesh under a path that is text.")
    })?;
    Ok(again(program, typed, worker.unwrap_or(&typed.program)))
}

fn again(program: &str, typed: &Serve, behind: &[String]) -> Vec<String> {
    let mut command = vec![program.to_owned(), "serve".to_owned(), typed.name.clone()];
    command.extend(typed.method.iter().map(|text| format!("--method={text}")));
    command.extend(typed.stream.iter().map(|text| format!("--stream={text}")));
    command.extend(typed.exec.iter().map(|name| format!("--exec={name}")));
    command.extend(typed.exec_stream.iter().map(|name| format!("--exec-stream={name}")));
    if typed.worker {
        command.push("--worker".to_owned());
    }
    if !behind.is_empty() {
        command.push("--".to_owned());
        command.extend(behind.iter().cloned());
    }
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
            exec: Some("run".to_owned()),
            exec_stream: None,
            worker: true,
            detach: true,
            program: ["prog", "--", "-d", "{0}"].map(str::to_owned).to_vec(),
        };
        let cli = crate::args::Cli::try_parse_from(again("/bin/mesh", &typed, &typed.program));
        let cli = cli.unwrap();
        match cli.command {
            crate::args::Command::Serve(parsed) => {
                assert_eq!(parsed.method, typed.method);
                assert_eq!(parsed.stream, typed.stream);
                assert_eq!((parsed.exec, parsed.exec_stream), (typed.exec, None));
                assert_eq!(parsed.program, typed.program);
                assert!(parsed.worker && !parsed.detach);
            }
            other => panic!("{other:?}"),
        }
    }
}
