//! Near names: what a person probably meant when an app or a method is not found.
//!
//! Asks the registry and the live apps; never launches anything, and never turns one error into
//! another: only the next step is added.

use mesh_core::{AppName, Client, Error, ErrorCode, MethodInfo, name};

use crate::context::Context;

/// The error with a better next step, where one is found.
pub(crate) fn improve(
    error: Error,
    context: &Context,
    client: &Client,
    app: &AppName,
    method: &str,
) -> Error {
    match error.code() {
        ErrorCode::NoSuchApp => no_such_app(error, client, app.as_str()),
        ErrorCode::NoSuchMethod => {
            no_such_method(error, &methods(context, client, app), app.as_str(), method)
        }
        ErrorCode::IsStream => error.hint(format!("Use `mesh stream {app} {method}`.")),
        // The runtime names a setting of programs; a shell has none.
        ErrorCode::TooLarge if error.next_step().is_some_and(|step| step.contains("Limits::")) => {
            error.hint("Have the app stream it, or write a file and answer with its name.")
        }
        ErrorCode::Deadline => match error.next_step().map(in_words_of_a_shell) {
            Some(step) => error.hint(step),
            None => error,
        },
        ErrorCode::NotRunning if error.next_step().is_none() => {
            error.hint(format!("`mesh launch {app}` starts it."))
        }
        _ => error,
    }
}

/// The next step after a deadline: a program sets a timeout, a shell has a flag.
fn in_words_of_a_shell(step: &str) -> String {
    step.replace("a timeout of your own", "`--timeout`")
        .replace("longer timeout", "longer `--timeout`")
}

/// The error for a name that no app has.
pub(crate) fn unknown_app(client: &Client, app: &AppName) -> Error {
    let error = Error::new(ErrorCode::NoSuchApp, format!("no app {app} runs or is registered"));
    no_such_app(error, client, app.as_str())
}

/// Adds the nearest name of an app that is registered or live.
pub(crate) fn no_such_app(error: Error, client: &Client, app: &str) -> Error {
    let known = apps(client);
    match name::nearest(app, known.iter().map(AppName::as_str).filter(|known| *known != app)) {
        Some(near) => error.hint(format!("Did you mean `{near}`?")),
        None if error.next_step().is_none() => {
            error.hint("`mesh registry list` shows the apps that can be launched.")
        }
        None => error,
    }
}

/// Adds the nearest name of a method in the manifest.
pub(crate) fn no_such_method(
    error: Error,
    methods: &[MethodInfo],
    app: &str,
    method: &str,
) -> Error {
    match name::nearest(method, methods.iter().map(|known| known.name.as_str())) {
        Some(near) => error.hint(format!("Did you mean `{near}`?")),
        None if error.next_step().is_none() => {
            error.hint(format!("`mesh describe {app}` shows its methods."))
        }
        None => error,
    }
}

/// Every app that is registered or live. What cannot be read is left out: this only advises.
pub(crate) fn apps(client: &Client) -> Vec<AppName> {
    let mut known: Vec<AppName> = match client.registry().read() {
        Ok(snapshot) => snapshot.entries.into_keys().collect(),
        Err(_) => Vec::new(),
    };
    known.extend(client.live().unwrap_or_default());
    known.sort();
    known.dedup();
    known
}

fn methods(context: &Context, client: &Client, app: &AppName) -> Vec<MethodInfo> {
    let described = crate::command::describe::ask(context, client, app);
    let registered = || client.registry().entry(app).ok().flatten().map(|entry| entry.methods);
    described.map(|described| described.methods).ok().or_else(registered).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::Shape;

    #[test]
    fn a_slip_in_a_method_names_the_right_one() {
        let methods = [MethodInfo::new("get_stats", Shape::Value)];
        let error = || Error::new(ErrorCode::NoSuchMethod, "no such method");
        let near = no_such_method(error(), &methods, "statusbar", "get_stat");
        assert_eq!(near.next_step(), Some("Did you mean `get_stats`?"));
        let far = no_such_method(error(), &methods, "statusbar", "zzz");
        assert_eq!(far.next_step(), Some("`mesh describe statusbar` shows its methods."));
    }

    #[test]
    fn after_a_deadline_the_flag_is_named() {
        let step = in_words_of_a_shell("Give it more time with a timeout of your own.");
        assert_eq!(step, "Give it more time with `--timeout`.");
        assert_eq!(in_words_of_a_shell("with a longer timeout."), "with a longer `--timeout`.");
    }
}
