//! `M=COMMAND`: a method and the shell command behind it. Pure.

use mesh_core::{MethodName, Shape};

use crate::failure::{Result, usage};

/// One method of a served app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// The method's name.
    pub(crate) method: String,
    /// What `sh -c` runs.
    pub(crate) command: String,
    /// Whether its output is one value or one item per line.
    pub(crate) shape: Shape,
}

/// Reads what was typed behind `--method` and `--stream`.
///
/// # Errors
/// A usage error for the first that is wrong, and where none is given at all.
pub(crate) fn all(methods: &[String], streams: &[String]) -> Result<Vec<Spec>> {
    let typed = methods.iter().map(|text| (text, Shape::Value));
    let typed = typed.chain(streams.iter().map(|text| (text, Shape::Stream)));
    let mut specs: Vec<Spec> = Vec::new();
    for (text, shape) in typed {
        let spec = one(text, shape)?;
        if specs.iter().any(|given| given.method == spec.method) {
            return Err(usage(
                format!("the method {:?} is given twice", spec.method),
                "Each method has one command; it is a value or a stream.",
            ));
        }
        specs.push(spec);
    }
    if specs.is_empty() {
        return Err(usage(
            "no method to serve",
            "Give at least one: --method 'hello=echo \"hello $1\"' or --stream 'count=seq $1'.",
        ));
    }
    Ok(specs)
}

fn one(text: &str, shape: Shape) -> Result<Spec> {
    let form = "Write it as --method 'NAME=COMMAND', in quotes.";
    let Some((method, command)) = text.split_once('=') else {
        return Err(usage(format!("{text:?} names no command"), form));
    };
    let name = MethodName::parse(method).map_err(|bad| usage(bad.to_string(), form))?;
    if name.is_reserved() {
        return Err(usage(
            format!("{method:?} is in the runtime's own namespace"),
            "Choose a name that does not begin with `mesh.`.",
        ));
    }
    if command.trim().is_empty() {
        return Err(usage(format!("the command of {method:?} is empty"), form));
    }
    Ok(Spec { method: method.to_owned(), command: command.to_owned(), shape })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_method_ends_at_the_first_equals_sign() {
        let specs = all(&texts(&["hello=A=1 echo"]), &texts(&["count=seq $1"])).unwrap();
        assert_eq!(specs[0].method, "hello");
        assert_eq!(specs[0].command, "A=1 echo");
        assert_eq!((specs[1].method.as_str(), specs[1].shape), ("count", Shape::Stream));
    }

    #[test]
    fn what_cannot_be_served_is_a_usage_error() {
        for bad in [&["hello"][..], &["=x"], &["a="], &["a= "], &["mesh.ping=x"], &["a=1", "a=2"]] {
            assert_eq!(all(&texts(bad), &[]).unwrap_err().code, exit_code::USAGE, "{bad:?}");
        }
        assert_eq!(all(&[], &[]).unwrap_err().code, exit_code::USAGE);
        assert!(all(&texts(&["a=1"]), &texts(&["a=2"])).is_err());
    }
}
