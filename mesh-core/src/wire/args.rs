//! [`Args`]: the arguments of a call when no types are known; positional and named.

use crate::value::Value;

/// Positional and named arguments, as in `call(app, method, *args, **kwargs)`.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Args {
    /// Values in order.
    pub positional: Vec<Value>,
    /// Values by parameter name.
    pub named: Vec<(String, Value)>,
}

impl Args {
    /// No arguments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a positional argument.
    #[must_use]
    pub fn with(mut self, value: impl Into<Value>) -> Self {
        self.positional.push(value.into());
        self
    }

    /// Adds a named argument.
    #[must_use]
    pub fn with_named(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.named.push((name.into(), value.into()));
        self
    }
}
