//! Shell commands as the methods of an app.
//!
//! `spec` says what was typed, `shell` what a command is given and what its output means,
//! `running` watches the process, `tail` keeps the last lines of its standard error. A command
//! that runs costs its handler's thread and two that read its pipes; how many run at one time is
//! the app's bound on handlers. A command that leaves a process behind which holds the pipes
//! keeps those threads until that process ends.

mod running;
mod shell;
pub(crate) mod spec;
mod tail;

use mesh_core::{App, Args, Context, Method, Params, Result, Shape, Sink, Value};

use shell::Shell;
use spec::Spec;

/// Exposes every command as a method of the app.
///
/// # Errors
/// What the app says of the methods.
pub(crate) fn expose(app: &App, specs: &[Spec]) -> Result<()> {
    for spec in specs {
        let shell = Shell::new(app.name().as_str(), &spec.command);
        let method = Method::new(&spec.method).doc(format!("sh -c '{}'", spec.command));
        match spec.shape {
            Shape::Stream => {
                app.expose_stream(method, Params::any(), move |sink: &Sink, args: Args| {
                    shell.items(sink, &args)
                })?;
            }
            _ => {
                let answer = move |context: &Context, args: Args| -> Result<Value> {
                    shell.value(context, &args)
                };
                app.expose(method, Params::any(), answer)?;
            }
        }
    }
    Ok(())
}
