//! Shell commands, a program, and a worker, as the methods of an app.
//!
//! `spec` says what was typed, `template` where arguments go in a program's command line, `program`
//! which one that is, `served` what a command is given and what its output means, `running` watches
//! the process, `tail` keeps the last lines of its standard error, `turn` lets one start of a name
//! go on at a time. What ends a command with its app is in `platform`; a worker, which stays, is in
//! `crate::worker`.
//!
//! A command that runs costs its handler's thread and two that read its pipes; how many run at
//! one time is bounded by [`limits`]. A command that leaves a process behind which holds the pipes
//! keeps those threads until that process ends.

pub(crate) mod program;
pub(crate) mod running;
pub(crate) mod served;
pub(crate) mod spec;
pub(crate) mod tail;
mod template;
pub(crate) mod turn;

use mesh_core::{
    App, Args, Context, Error, ErrorCode, Limits, Method, MethodInfo, Params, Result, Shape, Sink,
    Value,
};

use crate::message::Message;
use crate::platform::{Guard, shell_doc};
use crate::worker::{Announced, Worker};
use served::Served;
use spec::{Plan, Work};

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

/// Exposes every command as a method of the app, and those of its worker, which it answers with.
///
/// # Errors
/// What the app says of the methods; `launch_failed` when the commands cannot be guarded, or the
/// worker does not start or announce itself.
///
/// # Blocking
/// Up to 8 s for a worker that announces its methods.
pub(crate) fn expose(app: &App, plan: &Plan, message: Message) -> Result<Option<Worker>> {
    let guard = Guard::start()?;
    let name = app.name().as_str();
    let worker = match &plan.worker {
        Some(program) => Some(Worker::start(name, program, guard.clone(), message)?),
        None => None,
    };
    if let Some((worker, program)) = worker.as_ref().zip(plan.worker.as_ref()) {
        let methods = match plan.is_announced() {
            true => worker.announced()?,
            false => plan.of_worker(),
        };
        for method in methods {
            if plan.specs.iter().any(|spec| spec.method == method.name && spec.work != Work::Worker)
            {
                let what = format!("the worker announces {:?}, which is a command", method.name);
                return Err(Error::new(ErrorCode::LaunchFailed, what)
                    .hint("Give the command another name."));
            }
            expose_worker(app, worker.clone(), method, program)?;
        }
    }
    for spec in plan.specs.iter().filter(|spec| spec.work != Work::Worker) {
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
    Ok(worker)
}

fn expose_worker(app: &App, worker: Worker, of: Announced, program: &[String]) -> Result<()> {
    let own = worker_doc(program);
    let doc = if of.doc.is_empty() { own } else { format!("{} ({own})", of.doc) };
    let method = Method::new(&of.name).doc(doc);
    let params = of.params.map_or_else(Params::any, Params::from);
    match of.shape {
        Shape::Stream => app.expose_stream(method, params, move |sink: &Sink, args: Args| {
            worker.items(sink, &args)
        }),
        _ => {
            let answer = move |context: &Context, args: Args| -> Result<Value> {
                worker.value(context, &args)
            };
            app.expose(method, params, answer)
        }
    }
}

/// Whether an app with these methods serves what is planned, and nothing else.
pub(crate) fn is_made_of(methods: &[MethodInfo], plan: &Plan) -> bool {
    let own = plan.worker.as_deref().map(worker_doc);
    let is_workers = |info: &&MethodInfo| {
        own.as_ref().is_some_and(|own| info.doc == *own || info.doc.ends_with(&format!(" ({own})")))
    };
    let (workers, commands): (Vec<_>, Vec<_>) = methods.iter().partition(is_workers);
    let is_whole = match plan.is_announced() {
        true => !workers.is_empty() && commands.len() == plan.specs.len(),
        false => methods.len() == plan.specs.len(),
    };
    is_whole
        && plan.specs.iter().all(|spec| {
            let named =
                |info: &&&MethodInfo| (&info.name, info.shape) == (&spec.method, spec.shape);
            match spec.work {
                Work::Worker => workers.iter().any(|info| named(&info)),
                _ => commands.iter().any(|info| named(&info) && info.doc == doc(&spec.work)),
            }
        })
}

/// What a worker's methods say of it; it holds the whole command line, by which it is known again.
fn worker_doc(program: &[String]) -> String {
    format!("worker {}", template::words(program.iter().map(String::as_str)))
}

/// What a served method says of itself; it holds the whole command, by which it is known again.
fn doc(work: &Work) -> String {
    match work {
        Work::Shell(text) => shell_doc(text),
        Work::Program(template) => format!("runs {template}"),
        Work::Worker => String::new(),
    }
}

/// What it takes: a shell command any arguments, a program those that it has a place for.
fn params(work: &Work) -> Params {
    match work {
        Work::Shell(_) | Work::Worker => Params::any(),
        Work::Program(template) => template.params().to_vec().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::spec::Spec;
    use super::*;

    #[test]
    fn an_app_with_a_worker_is_known_again_by_its_program() {
        let program = ["prog", "a b"].map(str::to_owned).to_vec();
        let command =
            |name: &str, work| Spec { method: name.to_owned(), work, shape: Shape::Value };
        let of = |name: &str, doc: &str| {
            let mut info = MethodInfo::new(name, Shape::Value);
            doc.clone_into(&mut info.doc);
            info
        };
        let announced = Plan { specs: Vec::new(), worker: Some(program.clone()) };
        let given = Plan { specs: vec![command("add", Work::Worker)], ..announced.clone() };
        let add = of("add", "Adds. (worker prog \"a b\")");
        let bare = of("add", "worker prog \"a b\"");
        for plan in [&announced, &given] {
            assert!(is_made_of(std::slice::from_ref(&add), plan));
            assert!(is_made_of(std::slice::from_ref(&bare), plan));
            assert!(!is_made_of(&[of("add", "worker prog a b")], plan));
            assert!(!is_made_of(&[add.clone(), of("date", "sh -c 'date'")], plan));
            assert!(!is_made_of(&[], plan));
        }
        assert!(!is_made_of(&[add.clone(), of("sub", &bare.doc)], &given));
        assert!(is_made_of(&[add.clone(), of("sub", &bare.doc)], &announced));
        let date = command("date", Work::Shell("date".to_owned()));
        let mixed = Plan { specs: vec![date.clone()], ..announced };
        assert!(is_made_of(&[add.clone(), of("date", &doc(&date.work))], &mixed));
        assert!(!is_made_of(&[add], &mixed));
    }

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
        let plan = |specs: &[Spec]| Plan { specs: specs.to_vec(), worker: None };
        assert!(is_made_of(&methods, &plan(&specs)));
        assert!(!is_made_of(&methods[..1], &plan(&specs)));
        assert!(!is_made_of(&methods, &plan(&specs[..1])));
        for other in [spec("b", "seq 3", Shape::Stream), spec("b", "seq 2", Shape::Value)] {
            assert!(!is_made_of(&methods, &plan(&[specs[0].clone(), other])));
        }
    }
}
