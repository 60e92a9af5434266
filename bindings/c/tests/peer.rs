//! The peer of the tests in Rust: the same methods as peer.c and peer.cpp.
#![expect(clippy::print_stdout, reason = "it talks to the test that started it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use mesh_core::{App, Args, CancelGuard, Context, Error, ErrorCode, Params, Result, Sink, Value};

fn main() -> Result<()> {
    let app = App::claim("peer-rs")?;
    let cancels = Arc::new(AtomicI64::new(0));
    app.expose("echo", ["value"], |value: Value| value)?;
    app.expose("add", ["a", "b"], |(a, b): (i64, i64)| a + b)?;
    app.expose("any", Params::any(), |args: Args| {
        let named = args.named.into_iter().map(|(name, value)| (Value::Text(name), value));
        let named = Value::Map(named.collect());
        Value::from([("positional", Value::List(args.positional)), ("named", named)])
    })?;
    app.expose("who", [], |context: &Context| {
        let left = context.deadline().map_or(-1, |deadline| {
            i64::try_from((deadline - Instant::now()).as_millis()).unwrap_or(i64::MAX)
        });
        let path = context.call_path().iter().map(|name| Value::from(name.as_str()));
        Value::from([
            ("pid", Value::from(context.caller().pid)),
            ("name", context.caller().name.map_or(Value::Null, Value::from)),
            ("method", Value::from(context.method())),
            ("path", Value::List(path.collect())),
            ("left", Value::from(left)),
        ])
    })?;
    app.expose("fail", ["code"], |code: u16| -> Result<()> {
        let error = Error::new(ErrorCode::from_number(code), "no tea").hint("Boil water.");
        Err(error.details([("cup", 1)]))
    })?;
    app.expose("boom", [], || -> Result<()> { Err(Error::application("boom")) })?;
    let counted = counter(&cancels);
    app.expose("hang", [], move |context: &Context| {
        let _guard = counted(context);
        context.cancel_token().wait();
        context.cancel_token().reason().map(ErrorCode::number)
    })?;
    let counted = counter(&cancels);
    app.expose("cancelled", [], move || cancels.load(Ordering::SeqCst))?;
    app.expose("die", [], || -> Value { std::process::exit(9) })?;
    app.expose_stream("count", ["to"], |to: i64| 1..=to)?;
    app.expose_stream("tick", [], move |sink: &Sink, (): ()| -> Result<()> {
        let _guard = counted(sink);
        for n in 1.. {
            if sink.cancel_token().wait_timeout(Duration::from_millis(5)) {
                break;
            }
            sink.send(&n)?;
        }
        Ok(())
    })?;
    app.expose_stream("broken", ["to"], |to: i64| {
        (1..=to).map(Ok).chain([Err(Error::application("it broke"))])
    })?;
    app.expose_stream("die_midway", [], |sink: &Sink, (): ()| -> Result<()> {
        sink.send(&1)?;
        sink.cancel_token().wait_timeout(Duration::from_millis(200));
        std::process::exit(9)
    })?;
    app.ready()?;
    println!("ready");
    app.run()
}

fn counter(cancels: &Arc<AtomicI64>) -> impl Fn(&Context) -> CancelGuard + Send + Sync + 'static {
    let cancels = Arc::clone(cancels);
    move |context| {
        let cancels = Arc::clone(&cancels);
        context.cancel_token().on_cancel(move || {
            cancels.fetch_add(1, Ordering::SeqCst);
        })
    }
}
