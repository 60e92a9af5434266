//! One question to all live apps, for the commands that list them.
//!
//! All are asked at the same time by a few threads, so that one that does not answer costs the
//! list one timeout and not one each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use mesh_core::{AppName, Client, Result, Value};
use serde_json::{Value as Json, json};

use crate::context::Context;

/// Threads that ask.
const ASKERS: usize = 8;

/// What each live app answers to a runtime method without arguments.
pub(crate) fn ask_all(
    context: &Context,
    client: &Client,
    method: &str,
) -> Result<BTreeMap<AppName, Result<Value>>> {
    let names = client.live()?;
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(BTreeMap::new());
    let ask = || {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let answer = context.ask(client, name, method);
            answers.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), answer);
        }
    };
    thread::scope(|scope| {
        for number in 1..ASKERS.min(names.len()) {
            let named = thread::Builder::new().name(format!("mesh-ask-{number}"));
            // With fewer threads it only takes longer: this one asks in any case.
            let _ = named.spawn_scoped(scope, ask);
        }
        ask();
    });
    Ok(answers.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The answer of each live app to `mesh.stats`; nothing from one that does not answer.
pub(crate) fn stats(context: &Context, client: &Client) -> Result<BTreeMap<AppName, Option<Json>>> {
    let answers = ask_all(context, client, "mesh.stats")?.into_iter();
    let json = |value: &Value| mesh_core::json::to_json(value);
    Ok(answers.map(|(name, answer)| (name, answer.as_ref().ok().map(json))).collect())
}

/// The process of a live app: by its own word, and by the kernel's where it does not answer.
pub(crate) fn pid(client: &Client, app: &AppName, stats: Option<&Json>) -> Json {
    match stats {
        Some(stats) => stats["pid"].clone(),
        None => json!(client.owner(app)),
    }
}
