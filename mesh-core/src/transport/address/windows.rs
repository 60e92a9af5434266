//! Addresses on Windows: pipe names.

use std::fmt;

use crate::error::Result;
use crate::name::AppName;
use crate::sys::home::Home;

/// Where an app listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Address {
    /// `\\\\.\\pipe\\mesh-...`
    pub(in crate::transport) pipe: String,
}

impl Address {
    /// The address of an app below a home.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn of(home: &Home, name: &AppName) -> Result<Self> {
        todo!("{home:?} {name}")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pipe)
    }
}
