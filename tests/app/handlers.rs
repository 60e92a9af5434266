//! The methods of the test app: each behaves in one way that a test looks at.
//!
//! Counters are read back with `counter(name)`, so that a test sees what happened inside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mesh_core::{App, CancelToken, Context, Error, Method, Result, Sink, Value};
use serde::{Deserialize, Serialize};

#[derive(Clone, Default)]
struct Counters(Arc<Mutex<BTreeMap<String, u64>>>);

impl Counters {
    fn add(&self, name: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(name.to_owned()).or_default() += 1;
    }

    fn get(&self, name: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or(0)
    }
}

#[derive(Serialize)]
struct CallerSeen {
    pid: u32,
    user: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Greeting {
    name: String,
    #[serde(default)]
    times: Option<u32>,
}

/// Exposes every method.
pub(crate) fn expose(app: &App) -> Result<()> {
    let counters = Counters::default();
    values(app, &counters)?;
    identity(app)?;
    waiting(app, &counters)?;
    calling(app)?;
    streams(app, &counters)
}

fn values(app: &App, counters: &Counters) -> Result<()> {
    app.expose("echo", ["value"], |value: Value| value)?;
    let add = Method::new("add").doc("The sum of two whole numbers.").idempotent();
    app.expose(add, ["a", "b"], |(a, b): (i64, i64)| a + b)?;
    app.expose("greet", ["name", "times"], |it: Greeting| {
        format!("hello {}", it.name).repeat(it.times.unwrap_or(1) as usize)
    })?;
    app.expose("fail", ["message"], |message: String| -> Result<()> {
        Err(Error::application(message).details([("reason", "asked to")]))
    })?;
    app.expose("fail_io", [], || -> Result<String> {
        Ok(std::fs::read_to_string("no/such/file")?)
    })?;
    app.expose("panic", ["message"], |message: String| -> Result<()> {
        std::panic::panic_any(message)
    })?;
    app.expose("big", ["bytes"], |bytes: usize| Value::Bytes(vec![b'x'; bytes]))?;
    app.expose("size", ["value"], |value: Value| match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        _ => 0,
    })?;
    // Wider than the wire's 64 bits, so it has no encoding.
    app.expose("not_encodable", [], || Value::Int(i128::MAX))?;
    let counters = counters.clone();
    app.expose("counter", ["name"], move |name: String| counters.get(&name))
}

fn identity(app: &App) -> Result<()> {
    app.expose("pid", [], std::process::id)?;
    app.expose("environment", [], || std::env::vars().collect::<BTreeMap<String, String>>())?;
    app.expose("folder", [], || -> Result<String> {
        Ok(std::env::current_dir()?.to_string_lossy().into_owned())
    })?;
    #[cfg(target_os = "linux")]
    app.expose("read_own", ["file"], |file: String| -> Result<String> {
        Ok(std::fs::read_to_string(format!("/proc/self/{file}"))?)
    })?;
    #[cfg(target_os = "linux")]
    app.expose("descriptors", [], || -> Result<Vec<String>> {
        let mut open = Vec::new();
        for entry in std::fs::read_dir("/proc/self/fd")? {
            if let Ok(target) = std::fs::read_link(entry?.path()) {
                open.push(target.to_string_lossy().into_owned());
            }
        }
        Ok(open)
    })?;
    #[cfg(windows)]
    app.expose("console", [], mesh_tests::windows::console)?;
    app.expose("caller", [], |context: &Context, (): ()| {
        let caller = context.caller();
        CallerSeen { pid: caller.pid, user: caller.user, name: caller.name }
    })?;
    app.expose("time_left_ms", [], |context: &Context, (): ()| {
        let left = |at: Instant| at.saturating_duration_since(Instant::now()).as_millis();
        context.deadline().map(left).and_then(|ms| u64::try_from(ms).ok())
    })
}

fn waiting(app: &App, counters: &Counters) -> Result<()> {
    let count = counters.clone();
    app.expose("until_cancelled", [], move |context: &Context, (): ()| -> Result<()> {
        count.add("waiting");
        context.cancel_token().wait();
        count.add("told");
        Err(Error::application("was cancelled"))
    })?;
    // Deaf to its cancel token, as a long computation is.
    let count = counters.clone();
    app.expose("block", ["ms"], move |ms: u64| {
        count.add("blocked");
        CancelToken::new().wait_timeout(Duration::from_millis(ms));
        count.add("unblocked");
        ms
    })?;
    let count = counters.clone();
    let serial = Method::new("one_at_a_time").serial();
    let inside = Arc::new(Mutex::new(()));
    app.expose(serial, ["ms"], move |ms: u64| {
        if inside.try_lock().is_err() {
            count.add("overlaps");
        }
        let _inside = inside.lock();
        CancelToken::new().wait_timeout(Duration::from_millis(ms));
    })
}

fn calling(app: &App) -> Result<()> {
    let client = app.client();
    app.expose("relay", ["app", "method", "value"], move |it: (String, String, Value)| {
        client.call::<Value>(&it.0, &it.1, (it.2,))
    })?;
    let (client, own) = (app.client(), app.name().as_str().to_owned());
    app.expose("nest", ["depth"], move |depth: u64| -> Result<u64> {
        match depth {
            0 => Ok(0),
            _ => Ok(1 + client.call::<u64>(&own, "nest", (depth - 1,))?),
        }
    })
}

fn streams(app: &App, counters: &Counters) -> Result<()> {
    app.expose_stream("count", ["to"], |to: u64| 1..=to)?;
    app.expose_stream("fail_at", ["to"], |to: u64| {
        (1..=to).map(move |n| match n {
            n if n == to => Err(Error::application(format!("broke at {n}"))),
            n => Ok(n),
        })
    })?;
    app.expose_stream("refused", [], |(): ()| -> Result<std::iter::Empty<u64>> {
        Err(Error::application("no stream today"))
    })?;
    let count = counters.clone();
    app.expose_stream("flood", [], move |(): ()| {
        let count = count.clone();
        std::iter::repeat_with(move || {
            count.add("flooded");
            "x".repeat(1024)
        })
    })?;
    // Quiet between its items, so only a token can end it early.
    let count = counters.clone();
    app.expose_stream("tick", ["ms"], move |sink: &Sink, ms: u64| {
        count.add("ticking");
        let mut n = 0_u64;
        while !sink.cancel_token().wait_timeout(Duration::from_millis(ms)) {
            n += 1;
            count.add("ticked");
            sink.send(&n)?;
        }
        count.add("tick_told");
        Ok(())
    })?;
    let stop = app.stop_handle();
    app.expose_stream("last_words", ["to"], move |sink: &Sink, to: u64| {
        (1..=to).try_for_each(|n| sink.send(&n))?;
        stop.stop();
        Ok(())
    })
}
