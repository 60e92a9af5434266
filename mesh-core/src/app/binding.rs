//! From the arguments of a call to the parameter of a handler.
//!
//! [`Bound`] decides which argument belongs to which parameter; [`Arguments`] then hands them to
//! serde as what the handler's own type asks for. Each argument is decoded once, from the bytes of
//! the frame.

use std::fmt;

use serde::de::DeserializeOwned;

use super::arguments::{Argument, Arguments, Failure};
use super::params::Params;
use crate::error::{Error, ErrorCode, Result};
use crate::name::nearest;
use crate::wire::{codec, span};

/// The arguments of one call, each with its parameter.
pub struct Bound<'a> {
    pub(super) params: &'a Params,
    values: Vec<Option<&'a [u8]>>,
    pub(super) positional: &'a [u8],
    pub(super) named: &'a [u8],
}

impl<'a> Bound<'a> {
    /// Binds the body of an open frame.
    pub(super) fn new(params: &'a Params, body: &'a [u8]) -> Result<Self> {
        let (positional, named) = span::split(body).map_err(bad)?;
        let (named, rest) = span::split(named).map_err(bad)?;
        if !rest.is_empty() {
            let text = format!("{} bytes are left over behind the arguments", rest.len());
            return Err(Error::new(ErrorCode::BadArguments, text));
        }
        let mut bound = Self { params, values: vec![None; params.names.len()], positional, named };
        if !params.any {
            bound.bind()?;
        }
        Ok(bound)
    }

    /// No arguments, to find out what a handler asks for.
    fn empty(params: &'a Params) -> Self {
        const NOTHING: (&[u8], &[u8]) = (&[0x90], &[0x80]);
        let values = vec![None; params.names.len()];
        Self { params, values, positional: NOTHING.0, named: NOTHING.1 }
    }

    fn bind(&mut self) -> Result<()> {
        let names = &self.params.names;
        let (count, mut rest) = span::array(self.positional).map_err(bad)?;
        if count > names.len() {
            let text = format!("{count} arguments were given, it takes {}", list(names));
            return Err(Error::new(ErrorCode::BadArguments, text));
        }
        for value in self.values.iter_mut().take(count) {
            let (argument, after) = span::split(rest).map_err(bad)?;
            *value = Some(argument);
            rest = after;
        }
        let (count, mut rest) = span::map(self.named).map_err(bad)?;
        for _ in 0..count {
            let (name, after) = codec::decode_front::<&str>(rest).map_err(bad)?;
            let (argument, after) = span::split(after).map_err(bad)?;
            rest = after;
            let Some(at) = names.iter().position(|known| known == name) else {
                let text = format!("there is no argument `{name}`, it takes {}", list(names));
                let error = Error::new(ErrorCode::BadArguments, text);
                return Err(match nearest(name, names.iter().map(String::as_str)) {
                    Some(near) => error.hint(format!("Did you mean `{near}`?")),
                    None => error,
                });
            };
            match self.values.get_mut(at) {
                Some(value @ None) => *value = Some(argument),
                _ => {
                    let text = format!("the argument `{name}` is given twice");
                    return Err(Error::new(ErrorCode::BadArguments, text));
                }
            }
        }
        Ok(())
    }

    /// The handler's parameter.
    pub(super) fn read<A: DeserializeOwned>(&self) -> Result<A> {
        A::deserialize(Arguments(self)).map_err(|failure| failure.0)
    }

    pub(super) fn named_value(&self, at: usize) -> Option<(&'a str, Argument<'a>)> {
        let name = self.params.names.get(at)?.as_str();
        Some((name, Argument { name, value: self.values.get(at).copied().flatten() }))
    }

    /// The only argument, for a handler that takes one plain value.
    pub(super) fn only(&self) -> Result<Argument<'a>, Failure> {
        match self.named_value(0) {
            Some((_, argument)) if self.params.names.len() == 1 => Ok(argument),
            _ => Err(self.misfit("one plain value")),
        }
    }

    pub(super) fn misfit(&self, takes: &str) -> Failure {
        let declared = if self.params.any {
            "any arguments are declared; take `mesh_core::Args`".to_owned()
        } else {
            format!("{} parameters are declared", self.params.names.len())
        };
        Failure(Error::new(ErrorCode::Misuse, format!("its handler takes {takes}, but {declared}")))
    }
}

impl fmt::Debug for Bound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("params", &self.params.names).finish_non_exhaustive()
    }
}

/// Checks that a handler's parameter fits the names that were declared for it.
pub(super) fn check<A: DeserializeOwned>(params: &Params) -> Result<()> {
    match Bound::empty(params).read::<A>() {
        Err(error) if error.code() == ErrorCode::Misuse => Err(error),
        // Whether it could do without arguments is not the question here.
        _ => Ok(()),
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

fn bad(error: Error) -> Error {
    Error::new(ErrorCode::BadArguments, "the arguments cannot be read").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use crate::wire::args::Args;
    use crate::wire::arguments::encode;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Scan {
        folder: String,
        #[serde(default)]
        depth: u32,
    }

    fn read<A: DeserializeOwned>(names: &[&str], args: impl Serialize) -> Result<A> {
        let params = Params::from(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        let body = encode(&args).unwrap();
        Bound::new(&params, &body)?.read()
    }

    fn refused<A: DeserializeOwned + fmt::Debug>(names: &[&str], args: impl Serialize) -> String {
        let error = read::<A>(names, args).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadArguments, "{error}");
        format!("{error:?}")
    }

    #[test]
    fn a_tuple_takes_positional_and_named_arguments() {
        assert_eq!(read::<(i64, i64)>(&["a", "b"], (1, 2)).unwrap(), (1, 2));
        let mixed = Args::new().with(1).with_named("b", 2);
        assert_eq!(read::<(i64, i64)>(&["a", "b"], mixed).unwrap(), (1, 2));
        let named = Args::new().with_named("b", 2).with_named("a", 1);
        assert_eq!(read::<(i64, i64)>(&["a", "b"], named).unwrap(), (1, 2));
    }

    #[test]
    fn a_struct_takes_both_and_its_defaults_fill_the_rest() {
        let names = ["folder", "depth"];
        let scan = |depth| Scan { folder: "/".into(), depth };
        assert_eq!(read::<Scan>(&names, scan(3)).unwrap(), scan(3));
        assert_eq!(read::<Scan>(&names, ("/", 3)).unwrap(), scan(3));
        assert_eq!(read::<Scan>(&names, ("/",)).unwrap(), scan(0));
    }

    #[test]
    fn one_plain_value_is_the_one_argument() {
        assert_eq!(read::<String>(&["folder"], ("/",)).unwrap(), "/");
        assert_eq!(read::<Vec<i64>>(&["items"], (vec![1, 2],)).unwrap(), [1, 2]);
        assert_eq!(read::<(i64, i64)>(&["point"], ((1, 2),)).unwrap(), (1, 2));
        assert_eq!(read::<(i64,)>(&["a"], (1,)).unwrap(), (1,));
        let scan = Scan { folder: "/".into(), depth: 1 };
        assert_eq!(read::<Scan>(&["options"], (&scan,)).unwrap(), scan);
        assert_eq!(read::<Value>(&["any"], (7,)).unwrap(), Value::from(7));
        assert_eq!(read::<Option<i64>>(&["a"], ()).unwrap(), None);
        read::<()>(&[], ()).unwrap();
    }

    #[test]
    fn an_option_may_be_left_out() {
        type Given = (String, Option<i64>);
        assert_eq!(read::<Given>(&["a", "b"], ("x",)).unwrap(), ("x".into(), None));
        assert_eq!(read::<Given>(&["a", "b"], ("x", 1)).unwrap(), ("x".into(), Some(1)));
    }

    #[test]
    fn refusals_say_which_argument_and_why() {
        let names = ["folder", "depth"];
        assert!(refused::<Scan>(&names, ("/", 1, 2)).contains("it takes folder, depth"));
        let slip = Args::new().with_named("fodler", "/");
        assert!(refused::<Scan>(&names, slip).contains("Did you mean `folder`?"));
        let twice = Args::new().with("/").with_named("folder", "/");
        assert!(refused::<Scan>(&names, twice).contains("`folder` is given twice"));
        assert!(refused::<(i64, i64)>(&["a", "b"], (1,)).contains("`b` is missing"));
        assert!(refused::<Scan>(&names, ()).contains("missing field `folder`"));
        assert!(
            refused::<(i64, i64)>(&["a", "b"], (1, "x"))
                .contains("argument `b` is text, expected a whole number")
        );
        assert!(refused::<()>(&[], (1,)).contains("it takes none"));
    }

    #[test]
    fn a_handler_that_cannot_fit_is_found_when_it_is_exposed() {
        let three = Params::from(["a", "b", "c"]);
        assert!(check::<(i64, i64)>(&three).is_err());
        assert!(check::<i64>(&three).is_err());
        assert!(check::<Scan>(&three).is_err());
        assert!(check::<()>(&three).is_err());
        assert!(check::<(i64, i64, i64)>(&three).is_ok());
        assert!(check::<Scan>(&Params::from(["folder", "depth"])).is_ok());
        assert!(check::<i64>(&Params::any()).is_err());
        assert!(check::<Args>(&Params::any()).is_ok());
    }

    #[test]
    fn any_arguments_come_as_they_are() {
        let given = Args::new().with(1).with_named("b", 2);
        let body = encode(&given).unwrap();
        let params = Params::any();
        assert_eq!(Bound::new(&params, &body).unwrap().read::<Args>().unwrap(), given);
    }
}
