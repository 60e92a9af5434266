//! The runtime's own methods, `mesh.*`: short, answered on the reading worker, also while every
//! handler is busy and before the app is ready.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use serde::Serialize;

use super::State;
use super::binding::Bound;
use super::params::Params;
use super::stop;
use crate::error::{Error, ErrorCode, Result};
use crate::registry::rfc3339;
use crate::runtime::task::{Request, Task};
use crate::wire::codec;
use crate::wire::manifest::{MethodInfo, Shape};

/// The names of the runtime's methods.
const METHODS: [&str; 6] =
    ["mesh.cancel", "mesh.describe", "mesh.ping", "mesh.stats", "mesh.stop", "mesh.tasks"];

/// The answer of `mesh.describe`.
#[derive(Serialize)]
struct Description<'a> {
    name: &'a str,
    version: Option<&'a str>,
    methods: Vec<MethodInfo>,
}

/// The answer of `mesh.stats`.
#[derive(Serialize)]
struct Stats<'a> {
    name: &'a str,
    pid: u32,
    version: Option<&'a str>,
    ready: bool,
    started_at: String,
    uptime_ms: u64,
    calls: u64,
    streams: u64,
    in_flight: usize,
    connections: usize,
    threads: usize,
}

/// One row of `mesh.tasks`.
#[derive(Serialize)]
struct TaskRow<'a> {
    task: String,
    method: &'a str,
    shape: Shape,
    caller: CallerRow<'a>,
    age_ms: u64,
    items: u64,
}

#[derive(Serialize)]
struct CallerRow<'a> {
    name: Option<&'a str>,
    pid: u32,
    user: &'a str,
}

/// Answers a call in the reserved namespace.
pub(super) fn serve(state: &Arc<State>, request: Request) {
    if !request.task.begin() {
        return;
    }
    if request.task.head.method == "mesh.stop" {
        return stop::asked(state, request);
    }
    let answer = answer(state, &request);
    match (request.task.head.shape, answer) {
        (Shape::Stream, Ok(value)) => {
            request.exchange.item(value);
            request.exchange.finish(Ok(Vec::new()));
        }
        (_, answer) => request.exchange.finish(answer),
    }
}

fn answer(state: &Arc<State>, request: &Request) -> Result<Vec<u8>> {
    let Request { task, args, .. } = request;
    let none = Params::default();
    let method = task.head.method.as_str();
    if method == "mesh.cancel" {
        let params = Params::from(["task"]);
        let id: String = Bound::new(&params, args)?.read()?;
        return codec::encode(&cancel(state, &id));
    }
    Bound::new(&none, args)?.read::<()>()?;
    match method {
        "mesh.ping" => codec::encode(&true),
        "mesh.describe" => codec::encode(&Description {
            name: state.name.as_str(),
            version: state.version.as_deref(),
            methods: state.methods.manifest(),
        }),
        "mesh.stats" => codec::encode(&stats(state, task)),
        "mesh.tasks" => tasks(state, task),
        unknown => {
            let text = format!("the runtime has no method {unknown}");
            Err(Error::new(ErrorCode::NoSuchMethod, text)
                .hint(format!("It has {}.", METHODS.join(", "))))
        }
    }
}

fn cancel(state: &State, id: &str) -> bool {
    let found = state.engine.tasks().into_iter().find(|(_, task)| task.id.to_string() == id);
    if let Some((connection, task)) = &found {
        connection.stop_task(task.exchange, ErrorCode::Cancelled);
    }
    found.is_some()
}

fn stats<'a>(state: &'a State, own: &Arc<Task>) -> Stats<'a> {
    let tasks = state.engine.tasks();
    let uptime = state.began.elapsed();
    Stats {
        name: state.name.as_str(),
        pid: std::process::id(),
        version: state.version.as_deref(),
        ready: state.ready.load(Ordering::SeqCst),
        started_at: rfc3339(SystemTime::now() - uptime),
        uptime_ms: millis(uptime),
        calls: state.calls.load(Ordering::Relaxed),
        streams: state.streams.load(Ordering::Relaxed),
        in_flight: tasks.iter().filter(|(_, task)| !Arc::ptr_eq(task, own)).count(),
        connections: state.engine.connections().len(),
        threads: state.engine.threads(),
    }
}

fn tasks(state: &State, own: &Arc<Task>) -> Result<Vec<u8>> {
    let tasks = state.engine.tasks();
    let mut others: Vec<&Arc<Task>> =
        tasks.iter().map(|(_, task)| task).filter(|task| !Arc::ptr_eq(task, own)).collect();
    others.sort_by_key(|task| task.began);
    let rows: Vec<TaskRow<'_>> = others
        .iter()
        .map(|task| TaskRow {
            task: task.id.to_string(),
            method: &task.head.method,
            shape: task.head.shape,
            caller: CallerRow {
                name: task.caller.as_deref(),
                pid: task.peer.pid,
                user: &task.peer.user,
            },
            age_ms: millis(task.began.elapsed()),
            items: task.items.load(Ordering::Relaxed),
        })
        .collect();
    codec::encode(&rows)
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
