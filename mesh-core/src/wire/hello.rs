//! The hello: who speaks. The first frame of each side.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{READY_TIMEOUT, READY_TIMEOUT_MAX};

/// What one side says of itself. Unknown fields are skipped, missing ones take their default.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Hello {
    /// The app's name, if it owns one. A caller's is only its own word.
    pub name: Option<String>,
    /// The process, for messages; identity is the kernel's word, not this.
    pub pid: u32,
    /// The app's own version.
    pub version: Option<String>,
    /// The library and its version.
    pub software: String,
    /// Bytes of the largest message that this side takes; none is no bound.
    pub message_max: Option<u64>,
    /// A random number; with an exchange's id it makes a task's id.
    pub session: u64,
    /// Whether calls are answered already; a ready frame follows if not.
    pub ready: bool,
    /// How long the app may take to become ready, in milliseconds; 10 s if it does not say.
    pub ready_timeout_ms: Option<u64>,
    /// How long calls in flight may go on when the app is asked to stop, in milliseconds; 5 s if it
    /// does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_ms: Option<u64>,
}

impl Hello {
    /// How long a caller waits for an app that is starting.
    #[must_use]
    pub fn ready_budget(&self) -> Duration {
        let asked = self.ready_timeout_ms.map_or(READY_TIMEOUT, Duration::from_millis);
        asked.min(READY_TIMEOUT_MAX)
    }
}
