//! [`Method`] and [`Params`]: what a method is called, how it behaves, what it takes.

use crate::error::{Error, ErrorCode, Result};
use crate::name::MethodName;
use crate::wire::manifest::{MethodInfo, Shape};

/// A method's name and how it behaves. A plain text is a method without options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    name: String,
    doc: String,
    pub(super) serial: bool,
    idempotent: bool,
}

impl Method {
    /// A method of this name: 1 to 256 bytes of printable text, not beginning with `mesh.`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), doc: String::new(), serial: false, idempotent: false }
    }

    /// What it does, for people: shown by `mesh describe`.
    #[must_use]
    pub fn doc(mut self, doc: impl Into<String>) -> Self {
        self.doc = doc.into();
        self
    }

    /// One call at a time; others wait their turn without holding a thread.
    #[must_use]
    pub fn serial(mut self) -> Self {
        self.serial = true;
        self
    }

    /// Tells callers that repeating a call does no harm.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// What the manifest says of it.
    pub(super) fn info(&self, params: &Params, shape: Shape) -> Result<MethodInfo> {
        let name = MethodName::parse(&self.name)?;
        if name.is_reserved() {
            let text = format!("{name} cannot be exposed: names in `mesh.` are the runtime's own");
            return Err(Error::new(ErrorCode::BadName, text));
        }
        for (at, param) in params.names.iter().enumerate() {
            if params.names.iter().take(at).any(|earlier| earlier == param) {
                let text = format!("{name} has two parameters named {param:?}");
                return Err(Error::new(ErrorCode::Misuse, text));
            }
        }
        let mut info = MethodInfo::new(name, shape);
        info.doc.clone_from(&self.doc);
        info.params.clone_from(&params.names);
        info.open = params.any;
        info.idempotent = self.idempotent;
        Ok(info)
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Method {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// The names of a method's parameters in order: `["a", "b"]`, `[]`, or a `Vec<String>`.
///
/// Positional arguments fill them in order, named ones the rest. A parameter without an argument
/// must have a default: an `Option`, or a struct field with `#[serde(default)]`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Params {
    pub(super) names: Vec<String>,
    pub(super) any: bool,
}

impl Params {
    /// Any arguments at all, for a handler that takes [`Args`](crate::Args).
    #[must_use]
    pub fn any() -> Self {
        Self { names: Vec::new(), any: true }
    }
}

impl<const N: usize> From<[&str; N]> for Params {
    fn from(names: [&str; N]) -> Self {
        Self { names: names.into_iter().map(str::to_owned).collect(), any: false }
    }
}

impl From<Vec<String>> for Params {
    fn from(names: Vec<String>) -> Self {
        Self { names, any: false }
    }
}
