//! Shell commands, and a program, as the methods of an app.
//!
//! `spec` says what was typed, `template` where arguments go in a program's command line, `served`
//! what a command is given and what its output means, `running` watches the process, `tail` keeps
//! the last lines of its standard error, `turn` lets one start of a name go on at a time. What
//! ends a command with its app is in `platform`.
//!
//! A command that runs costs its handler's thread and two that read its pipes; how many run at
//! one time is bounded by [`limits`]. A command that leaves a process behind which holds the pipes
//! keeps those threads until that process ends.

pub(crate) mod running;
mod served;
pub(crate) mod spec;
mod tail;
mod template;
pub(crate) mod turn;

use mesh_core::{
    App, Args, Context, Limits, Method, MethodInfo, Params, Result, Shape, Sink, Value,
};

use crate::platform::{Guard, shell_doc};
use served::Served;
use spec::{Spec, Work};

/// Commands that run at one time. A handler of theirs only waits for a process, so their number
/// has nothing to do with that of cores: eight idle streams must not hold up the next call.
const COMMANDS: usize = 256;

/// The bounds of a served app.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.handlers = COMMANDS;
    // A thread reads, and one hands over, whatever the commands do.
    limits.threads = COMMANDS + 2;
    limits
}

/// Exposes every command as a method of the app.
///
/// # Errors
/// What the app says of the methods; `launch_failed` when the commands cannot be guarded.
pub(crate) fn expose(app: &App, specs: &[Spec]) -> Result<()> {
    let guard = Guard::start()?;
    for spec in specs {
        let served = Served::new(app.name().as_str(), &spec.work, guard.clone());
        let method = Method::new(&spec.method).doc(doc(&spec.work));
        match spec.shape {
            Shape::Stream => {
                app.expose_stream(method, params(&spec.work), move |sink: &Sink, args: Args| {
                    served.items(sink, &args)
                })?;
            }
            _ => {
                let answer = move |context: &Context, args: Args| -> Result<Value> {
                    served.value(context, &args)
                };
                app.expose(method, params(&spec.work), answer)?;
            }
        }
    }
    Ok(())
}

/// Whether an app with these methods serves these commands, and no others.
pub(crate) fn is_made_of(methods: &[MethodInfo], specs: &[Spec]) -> bool {
    methods.len() == specs.len()
        && specs.iter().all(|spec| {
            methods.iter().any(|info| {
                (&info.name, info.shape) == (&spec.method, spec.shape)
                    && info.doc == doc(&spec.work)
            })
        })
}

/// What a served method says of itself; it holds the whole command, by which it is known again.
fn doc(work: &Work) -> String {
    match work {
        Work::Shell(text) => shell_doc(text),
        Work::Program(template) => format!("runs {template}"),
    }
}

/// What it takes: a shell command any arguments, a program those that it has a place for.
fn params(work: &Work) -> Params {
    match work {
        Work::Shell(_) => Params::any(),
        Work::Program(template) => template.params().to_vec().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_known_again_by_its_commands() {
        let spec = |method: &str, command: &str, shape| Spec {
            method: method.to_owned(),
            work: Work::Shell(command.to_owned()),
            shape,
        };
        let info = |spec: &Spec| {
            let mut info = MethodInfo::new(&spec.method, spec.shape);
            info.doc = doc(&spec.work);
            info
        };
        let specs = [spec("a", "echo 1", Shape::Value), spec("b", "seq 2", Shape::Stream)];
        let methods = [info(&specs[1]), info(&specs[0])];
        assert!(is_made_of(&methods, &specs));
        assert!(!is_made_of(&methods[..1], &specs));
        assert!(!is_made_of(&methods, &specs[..1]));
        assert!(!is_made_of(&methods, &[specs[0].clone(), spec("b", "seq 3", Shape::Stream)]));
        assert!(!is_made_of(&methods, &[specs[0].clone(), spec("b", "seq 2", Shape::Value)]));
    }
}
