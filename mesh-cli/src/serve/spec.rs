//! `M=COMMAND`, and `M` with a program: a method and what is behind it; [`Plan`] is all that an
//! app serves. Pure.

use mesh_core::{MethodName, Shape};

use crate::args::Serve;
use crate::failure::{Result, usage};
use crate::platform;
use crate::serve::program;
use crate::serve::template::{FORM, Template};
use crate::worker::Announced;

/// How a worker is typed.
const WORKER_FORM: &str = "Write it last: --worker -- PROGRAM ARG.";

/// What an app serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Its methods, without those that its worker announces.
    pub(crate) specs: Vec<Spec>,
    /// The program of its worker and the arguments of that, if it has one.
    pub(crate) worker: Option<Vec<String>>,
}

/// One method of a served app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// The method's name.
    pub(crate) method: String,
    /// What is run.
    pub(crate) work: Work,
    /// Whether its output is one value or one item per line.
    pub(crate) shape: Shape,
}

/// What a method runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A text for the system's shell.
    Shell(String),
    /// A program, without any shell.
    Program(Template),
    /// Nothing: the worker is asked.
    Worker,
}

impl Plan {
    /// Whether the worker says itself which methods it has.
    pub(crate) fn is_announced(&self) -> bool {
        self.worker.is_some() && self.of_worker().is_empty()
    }

    /// The methods of the worker that were typed.
    pub(crate) fn of_worker(&self) -> Vec<Announced> {
        let typed = self.specs.iter().filter(|spec| spec.work == Work::Worker);
        typed.map(|spec| Announced::named(&spec.method, spec.shape)).collect()
    }
}

/// Reads what was typed behind `--method`, `--stream`, `--exec` and `--exec-stream`.
///
/// # Errors
/// A usage error for the first that is wrong, and where none is given at all.
pub(crate) fn all(typed: &Serve) -> Result<Plan> {
    let worker = worker(typed)?;
    let one = |text, shape| one(text, shape, worker.is_some());
    let values = typed.method.iter().map(|text| one(text, Shape::Value));
    let streams = typed.stream.iter().map(|text| one(text, Shape::Stream));
    let program = if worker.is_some() { None } else { of_program(typed) };
    let mut specs: Vec<Spec> = Vec::new();
    for spec in values.chain(streams).chain(program) {
        let spec = spec?;
        if specs.iter().any(|given| given.method == spec.method) {
            return Err(usage(
                format!("the method {:?} is given twice", spec.method),
                "Each method has one command; it is a value or a stream.",
            ));
        }
        specs.push(spec);
    }
    if specs.is_empty() && worker.is_none() {
        let hint = format!("Give at least one: {}.", platform::EXAMPLE);
        return Err(usage("no method to serve", hint));
    }
    Ok(Plan { specs, worker })
}

/// The program of a worker, if it was typed as one.
fn worker(typed: &Serve) -> Result<Option<Vec<String>>> {
    if !typed.worker {
        return Ok(None);
    }
    if typed.exec.is_some() || typed.exec_stream.is_some() {
        let what = "--worker and --exec are given, and one program";
        return Err(usage(what, "Serve the other one under a name of its own."));
    }
    match typed.program.first() {
        Some(program) if !program.is_empty() => Ok(Some(typed.program.clone())),
        _ => Err(usage("no program stands behind `--`", WORKER_FORM)),
    }
}

/// The method of a program, if one was typed.
fn of_program(typed: &Serve) -> Option<Result<Spec>> {
    let (name, shape) = match (&typed.exec, &typed.exec_stream) {
        (Some(name), None) => (name, Shape::Value),
        (None, Some(name)) => (name, Shape::Stream),
        (None, None) if typed.program.is_empty() => return None,
        (None, None) => {
            let what = "a program stands behind `--`, and no method that runs it";
            return Some(Err(usage(what, FORM)));
        }
        (Some(_), Some(_)) => {
            let what = "--exec and --exec-stream are given, and one program";
            return Some(Err(usage(what, "Serve the other one under a name of its own.")));
        }
    };
    let spec = || {
        if let Some((name, _)) = name.split_once('=') {
            let what = "--exec takes the name of a method, and its program stands behind `--`";
            return Err(usage(what, format!("Write --exec {name} -- PROGRAM ARG {{0}} {{name}}.")));
        }
        let method = method(name, FORM)?;
        let template =
            Template::parse(&typed.program).map_err(|wrong| usage(wrong.what, wrong.hint))?;
        program::refuse_shell(&template.program, &template)?;
        Ok(Spec { method, work: Work::Program(template), shape })
    };
    Some(spec())
}

fn one(text: &str, shape: Shape, has_worker: bool) -> Result<Spec> {
    let Some((name, command)) = text.split_once('=') else {
        if has_worker {
            return Ok(Spec { method: method(text, WORKER_FORM)?, work: Work::Worker, shape });
        }
        return Err(usage(format!("{text:?} names no command"), platform::SHELL_FORM));
    };
    let method = method(name, platform::SHELL_FORM)?;
    if command.trim().is_empty() {
        return Err(usage(format!("the command of {name:?} is empty"), platform::SHELL_FORM));
    }
    if let Some(why) = platform::bad_command(command) {
        let hint = "Write it in one line, or into a file that is run.";
        return Err(usage(format!("the command of {name:?} {why}"), hint));
    }
    Ok(Spec { method, work: Work::Shell(command.to_owned()), shape })
}

fn method(name: &str, form: &str) -> Result<String> {
    let parsed = MethodName::parse(name).map_err(|bad| usage(bad.to_string(), form))?;
    if parsed.is_reserved() {
        return Err(usage(
            format!("{name:?} is in the runtime's own namespace"),
            "Choose a name that does not begin with `mesh.`.",
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn typed(method: &[&str], stream: &[&str]) -> Serve {
        Serve {
            name: "greeter".to_owned(),
            method: texts(method),
            stream: texts(stream),
            exec: None,
            exec_stream: None,
            worker: false,
            detach: false,
            program: Vec::new(),
        }
    }

    fn refused(typed: &Serve) -> bool {
        all(typed).is_err_and(|failure| failure.code == exit_code::USAGE)
    }

    #[test]
    fn a_method_ends_at_the_first_equals_sign() {
        let specs = all(&typed(&["hello=A=1 echo"], &["count=seq $1"])).unwrap().specs;
        assert_eq!(specs[0].method, "hello");
        assert_eq!(specs[0].work, Work::Shell("A=1 echo".to_owned()));
        assert_eq!((specs[1].method.as_str(), specs[1].shape), ("count", Shape::Stream));
    }

    #[test]
    fn what_cannot_be_served_is_a_usage_error() {
        for bad in [&["hello"][..], &["=x"], &["a="], &["a= "], &["mesh.ping=x"], &["a=1", "a=2"]] {
            assert!(refused(&typed(bad, &[])), "{bad:?}");
        }
        assert!(refused(&typed(&[], &[])));
        assert!(refused(&typed(&["a=1"], &["a=2"])));
    }

    #[test]
    fn a_program_has_one_method_beside_those_of_the_shell() {
        let mut one = typed(&["a=1"], &[]);
        one.program = texts(&["prog", "{0}"]);
        assert!(refused(&one), "no method");
        one.exec_stream = Some("b".to_owned());
        let specs = all(&one).unwrap().specs;
        assert_eq!((specs[1].method.as_str(), specs[1].shape), ("b", Shape::Stream));
        assert!(refused(&Serve { exec: Some("c".to_owned()), ..one.clone() }), "two methods");
        for (method, program) in
            [("a", &["p"][..]), ("mesh.x", &["p"]), ("c", &[]), ("c", &["{0}"]), ("c=d", &["p"])]
        {
            let exec_stream = Some(method.to_owned());
            let program = texts(program);
            assert!(refused(&Serve { exec_stream, program, ..one.clone() }), "{method}");
        }
    }

    #[test]
    fn a_worker_has_methods_without_commands_beside_those_with() {
        let mut one = typed(&[], &[]);
        one.worker = true;
        assert!(refused(&one), "no program");
        one.program = texts(&["prog", "{0}"]);
        let plan = all(&one).unwrap();
        assert!(plan.is_announced() && plan.specs.is_empty());
        assert_eq!(plan.worker, Some(texts(&["prog", "{0}"])));
        one.method = texts(&["a=1"]);
        assert!(all(&one).unwrap().is_announced());
        one.stream = texts(&["b"]);
        let plan = all(&one).unwrap();
        assert!(!plan.is_announced());
        assert_eq!((&plan.specs[1].work, plan.specs[1].shape), (&Work::Worker, Shape::Stream));
        assert!(refused(&Serve { method: texts(&["b"]), ..one.clone() }), "twice");
        assert!(refused(&Serve { method: texts(&["mesh.b"]), ..one.clone() }));
        assert!(refused(&Serve { exec: Some("c".to_owned()), ..one }));
    }
}
