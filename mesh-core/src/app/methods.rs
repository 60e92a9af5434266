//! The table of an app's methods, and the way of one call through a method.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::RwLock;

use super::binding::Bound;
use super::context::{Context, Sink};
use super::handler::Produced;
use super::params::Params;
use super::producer::Producer;
use super::runner::Runner;
use super::serial::{Serial, Turn};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::LARGE_CALL;
use crate::name::nearest;
use crate::runtime::current::{self, Current};
use crate::runtime::task::{Exchange, Request, Task};
use crate::wire::manifest::{MethodInfo, Shape};

type ValueBody = Box<dyn Fn(&Context, &Bound<'_>) -> Result<Vec<u8>> + Send + Sync>;
type StreamBody = Box<dyn Fn(&Sink, &Bound<'_>) -> Result<Produced> + Send + Sync>;

/// What a method does.
pub(super) enum Body {
    /// Answers with one value.
    Value(ValueBody),
    /// Answers with items.
    Stream(StreamBody),
}

/// One exposed method.
pub(super) struct Exposed {
    pub(super) info: MethodInfo,
    pub(super) params: Params,
    pub(super) body: Body,
    pub(super) serial: Option<Arc<Serial>>,
}

/// All exposed methods by name.
#[derive(Default)]
pub(super) struct Methods(RwLock<BTreeMap<String, Arc<Exposed>>>);

impl Methods {
    /// Adds a method, or replaces the one of this name: running calls of the old one go on.
    pub(super) fn insert(&self, exposed: Exposed) {
        self.0.write().insert(exposed.info.name.clone(), Arc::new(exposed));
    }

    pub(super) fn manifest(&self) -> Vec<MethodInfo> {
        self.0.read().values().map(|exposed| exposed.info.clone()).collect()
    }

    /// The method that a call asks for, in the shape that it asks for.
    pub(super) fn find(&self, app: &str, task: &Task) -> Result<Arc<Exposed>> {
        let methods = self.0.read();
        let name = &task.head.method;
        let Some(exposed) = methods.get(name) else {
            let error = Error::new(ErrorCode::NoSuchMethod, format!("{app} has no method {name}"));
            return Err(match nearest(name, methods.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("Did you mean {near}?")),
                None => error.hint(format!("See `mesh describe {app}`.")),
            });
        };
        if task.head.shape == Shape::Value && exposed.info.shape == Shape::Stream {
            let text = format!("{app}.{name} is a stream and cannot be called");
            return Err(Error::new(ErrorCode::IsStream, text));
        }
        Ok(Arc::clone(exposed))
    }
}

impl Exposed {
    /// Serves one call, on the running thread or when its turn comes.
    pub(super) fn serve(self: Arc<Self>, app: Arc<str>, runner: Runner, request: Request) {
        match self.serial.clone() {
            None => self.run(&app, runner, request, None),
            Some(serial) => {
                let of = (runner.clone(), Arc::clone(&request.task));
                Serial::enter(&serial, of, move |turn| {
                    self.run(&app, runner, request, Some(turn));
                });
            }
        }
    }

    fn run(&self, app: &str, runner: Runner, request: Request, turn: Option<Turn>) {
        let Request { task, args, exchange } = request;
        if !task.begin() {
            // It was cancelled in the queue, and has been ended as that.
            return;
        }
        if args.len() > LARGE_CALL {
            exchange.connection().begun(task.exchange);
        }
        let mut path = task.head.path.clone();
        path.push(app.to_owned());
        let current = Current {
            path: path.clone(),
            deadline: task.deadline,
            token: task.token.clone(),
            pool: runner.pool(),
        };
        let bound = Bound::new(&self.params, &args);
        match &self.body {
            Body::Value(body) => {
                let context = Context::new(Arc::clone(&task), path);
                let serve = || body(&context, &bound?).map_err(Error::of_handler);
                let answer = current::serve(current, || unpanicked(serve));
                finish(exchange, &task, answer.map_err(|error| about(app, &task, error)));
            }
            Body::Stream(body) => {
                let sink = Sink::new(Context::new(Arc::clone(&task), path), exchange);
                let serve = || body(&sink, &bound?).map_err(Error::of_handler);
                let produced = current::serve(current.clone(), || unpanicked(serve));
                let exchange = sink.into_exchange();
                match produced {
                    Ok(Produced::Items(items)) => {
                        Producer::new(items, exchange, task, current, (runner, turn)).run();
                    }
                    Ok(Produced::Done) => exchange.finish(Ok(Vec::new())),
                    Err(error) => exchange.fail(&about(app, &task, error)),
                }
            }
        }
    }
}

/// Ends a value method's exchange in the shape that its caller asked for.
fn finish(exchange: Exchange, task: &Task, answer: Result<Vec<u8>>) {
    match (task.head.shape, answer) {
        (Shape::Stream, Ok(value)) => {
            exchange.item(value);
            exchange.finish(Ok(Vec::new()));
        }
        (_, answer) => exchange.finish(answer),
    }
}

/// Runs user code; a panic becomes an error.
pub(super) fn unpanicked<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(Error::new(ErrorCode::Panicked, format!("the handler panicked: {text}")))
    })
}

/// Errors that concern the call itself name the method; a handler's own stay as they are.
fn about(app: &str, task: &Task, error: Error) -> Error {
    match error.code() {
        ErrorCode::BadArguments | ErrorCode::BadValue | ErrorCode::Panicked | ErrorCode::Misuse => {
            let text = format!("{app}.{}: {error}", task.head.method);
            let named = Error::new(error.code(), text);
            match error.next_step() {
                Some(hint) => named.hint(hint),
                None => named,
            }
        }
        _ => error,
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.read().keys()).finish()
    }
}
