//! What an app says of itself: the methods that it exposes, for `mesh.describe` and the registry.

use serde::{Deserialize, Serialize};

/// How many items a method answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Shape {
    /// One value, in the end frame.
    #[default]
    Value,
    /// Any number of items, then the end.
    Stream,
}

/// One method as a person or a tool sees it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MethodInfo {
    /// The method's name.
    pub name: String,
    /// What it does, in the app's own words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The names of its parameters in order.
    #[serde(default)]
    pub params: Vec<String>,
    /// Whether it takes further arguments of any name and number.
    #[serde(default, skip_serializing_if = "is_false")]
    pub open: bool,
    /// Whether it answers with a value or a stream.
    #[serde(default)]
    pub shape: Shape,
    /// Whether a caller may repeat it without harm.
    #[serde(default, skip_serializing_if = "is_false")]
    pub idempotent: bool,
}

impl MethodInfo {
    /// A method without parameters or doc.
    #[must_use]
    pub fn new(name: impl Into<String>, shape: Shape) -> Self {
        Self { name: name.into(), shape, ..Self::default() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(flag: &bool) -> bool {
    !flag
}
