//! Being an app: claiming a name, exposing methods, serving until stopped.

mod arguments;
mod binding;
mod builder;
mod builtin;
mod claim;
mod context;
pub mod handler;
mod methods;
mod params;
mod producer;
mod runner;
mod serial;
mod stop;

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use parking_lot::Mutex;

pub use self::builder::AppBuilder;
use self::builder::Registration;
pub use self::claim::Running;
use self::claim::{Claimed, Owned};
pub use self::context::{Caller, Context, Sink};
use self::handler::{Handler, StreamHandler};
use self::methods::{Body, Exposed, Methods};
pub use self::params::{Method, Params};
use self::runner::Runner;
use self::serial::Serial;
use crate::client::{Client, name_default};
use crate::error::{Error, ErrorCode, Result};
use crate::launch::forget_call_path;
use crate::name::AppName;
use crate::registry::Registry;
use crate::runtime::service::{Service, Work};
use crate::runtime::task::Request;
use crate::runtime::{Engine, thread};
use crate::sys::home::Home;
use crate::sys::spawn::{ReadySignal, take_ready_signal};
use crate::wire::manifest::Shape;

/// An app that owns its name. Dropping it stops it, as [`StopHandle::stop`] does.
pub struct App {
    state: Arc<State>,
}

/// How a claim ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Claim {
    /// The name is ours.
    Primary(App),
    /// A live app has it.
    Secondary(Running),
}

/// All that an app's threads share.
pub(crate) struct State {
    name: AppName,
    home: Home,
    version: Option<String>,
    engine: Arc<Engine>,
    methods: Methods,
    registration: Registration,
    runner: Runner,
    /// The lock and the socket, until the end.
    address: Mutex<Option<Owned>>,
    /// How often something was deleted from the directory of addresses.
    removals: AtomicU64,
    launcher: Mutex<Option<ReadySignal>>,
    client: OnceLock<Client>,
    ready: AtomicBool,
    began: Instant,
    calls: AtomicU64,
    streams: AtomicU64,
    end: stop::End,
}

impl App {
    /// Claims a name. If a live app has it, says so in one line on stderr and ends this process
    /// with exit code 0: the second start of an app is no failure.
    ///
    /// # Errors
    /// `not_responding` when the owner is frozen, `bad_name`, `home` and `refused` when the home
    /// cannot be used.
    ///
    /// # Blocking
    /// Up to 2 s for an owner that does not answer.
    pub fn claim(name: &str) -> Result<Self> {
        Self::builder(name).claim()
    }

    /// Claims a name, for programs that decide for themselves what a second start does.
    ///
    /// # Errors
    /// As [`App::claim`].
    ///
    /// # Blocking
    /// As [`App::claim`].
    pub fn try_claim(name: &str) -> Result<Claim> {
        Self::builder(name).try_claim()
    }

    /// Settings before the claim.
    #[must_use]
    pub fn builder(name: &str) -> AppBuilder {
        AppBuilder::new(name)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &AppName {
        &self.state.name
    }

    /// Makes a closure callable. It takes its arguments as a tuple, a struct, one plain value or
    /// nothing, after a [`&Context`](Context) if it wants one; it answers with any serde value or
    /// a `Result<_, mesh_core::Error>`. `params` names the arguments in order. Also after
    /// [`ready`](Self::ready): the registry follows.
    ///
    /// # Errors
    /// `bad_name` for a name that is not allowed, `misuse` when the closure does not fit `params`.
    pub fn expose<M>(
        &self,
        method: impl Into<Method>,
        params: impl Into<Params>,
        handler: impl Handler<M>,
    ) -> Result<()> {
        fn check<M, H: Handler<M>>(_: &H, params: &Params) -> Result<()> {
            H::check(params)
        }
        let params = params.into();
        let fits = check(&handler, &params);
        let body = Body::Value(Box::new(move |context, bound| handler.answer(context, bound)));
        self.add(method.into(), params, Shape::Value, body, fits)
    }

    /// Makes a closure callable as a stream: one that returns an iterator, or one that puts items
    /// into a [`&Sink`](Sink). The reader's pace slows it, a cancel ends it.
    ///
    /// # Errors
    /// As [`expose`](Self::expose).
    pub fn expose_stream<M>(
        &self,
        method: impl Into<Method>,
        params: impl Into<Params>,
        handler: impl StreamHandler<M>,
    ) -> Result<()> {
        fn check<M, H: StreamHandler<M>>(_: &H, params: &Params) -> Result<()> {
            H::check(params)
        }
        let params = params.into();
        let fits = check(&handler, &params);
        let body = Body::Stream(Box::new(move |sink, bound| handler.produce(sink, bound)));
        self.add(method.into(), params, Shape::Stream, body, fits)
    }

    fn add(
        &self,
        method: Method,
        params: Params,
        shape: Shape,
        body: Body,
        fits: Result<()>,
    ) -> Result<()> {
        let info = method.info(&params, shape)?;
        if let Err(error) = fits {
            let text = format!("{} cannot be exposed: {error}", info.name);
            return Err(Error::new(ErrorCode::Misuse, text));
        }
        let serial = method.serial.then(Arc::<Serial>::default);
        self.state.methods.insert(Exposed { info, params, body, serial });
        if self.state.ready.load(Ordering::SeqCst) {
            self.state.register();
        }
        Ok(())
    }

    /// Writes the app into the registry and answers calls from here on; those that came before
    /// are answered now. A registry that cannot be written (locked, full disk) is reported on
    /// stderr and the app serves all the same.
    ///
    /// # Errors
    /// `refused` when the registry is not to be trusted.
    ///
    /// # Blocking
    /// Up to 2 s for the registry's lock.
    pub fn ready(&self) -> Result<()> {
        self.state.engine.check_process()?;
        if self.state.ready.swap(true, Ordering::SeqCst) || self.state.end.has_begun() {
            return Ok(());
        }
        if let Err(error) = self.state.register_checked() {
            if error.code() == ErrorCode::Refused {
                self.state.ready.store(false, Ordering::SeqCst);
                return Err(error);
            }
            say(&format!("{} serves, but is not registered: {error}", self.state.name));
        }
        self.state.engine.set_ready();
        forget_call_path();
        if let Some(launcher) = self.state.launcher.lock().take() {
            launcher.ready();
        }
        Ok(())
    }

    /// Blocks until the app has stopped: by `mesh stop`, by a [`StopHandle`]. Makes it ready
    /// first, if it is not.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn run(self) -> Result<()> {
        self.ready()?;
        self.state.end.wait();
        Ok(())
    }

    /// A handle that stops the app from anywhere: a signal handler, a window's close button.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle { state: Arc::clone(&self.state) }
    }

    /// A client that calls in this app's name and on its threads.
    #[must_use]
    pub fn client(&self) -> Client {
        let State { engine, home, name, client, .. } = &*self.state;
        client
            .get_or_init(|| Client::of_app(Arc::clone(engine), home.clone(), name.to_string()))
            .clone()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if self.state.engine.check_process().is_ok() {
            stop::begin(&self.state);
            self.state.end.wait();
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("name", &self.state.name).finish_non_exhaustive()
    }
}

/// Stops an app from anywhere. Clones stop the same one.
#[derive(Clone)]
pub struct StopHandle {
    state: Arc<State>,
}

impl StopHandle {
    /// Begins to stop the app and answers at once: calls in flight go on for the grace, then the
    /// name is given back and [`App::run`] returns. Later calls do nothing.
    pub fn stop(&self) {
        stop::begin(&self.state);
    }

    /// Blocks until the app has stopped.
    pub fn wait(&self) {
        self.state.end.wait();
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StopHandle").field(&self.state.name).finish()
    }
}

impl State {
    /// Sees to it that the lock and the socket come back when somebody deletes them.
    fn guard(self: &Arc<Self>) {
        let state = Arc::downgrade(self);
        let act = move || {
            if let Some(state) = state.upgrade() {
                state.look();
            }
        };
        if let Err(error) = self.engine.watch(&self.home.run_dir(), act) {
            log::info!(target: "mesh::app", "{} is not guarded: {error}", self.name);
        }
    }

    /// Something was deleted. What has to come back does so on a thread of its own: it may wait for
    /// a newcomer that looks at us, and must not keep us from answering it.
    fn look(self: &Arc<Self>) {
        let missing = |owned: &Owned| !owned.is_whole();
        self.removals.fetch_add(1, Ordering::SeqCst);
        // Whoever has the lock now puts something back, and looks again after it.
        if !self.address.try_lock().is_some_and(|owned| owned.as_ref().is_some_and(missing)) {
            return;
        }
        let state = Arc::clone(self);
        let restore = move || {
            let mut seen = None;
            while seen != Some(state.removals.load(Ordering::SeqCst)) {
                seen = Some(state.removals.load(Ordering::SeqCst));
                state.restore();
            }
        };
        let restored = thread::spawn(format!("mesh-restore-{}", self.name), restore);
        if let Err(error) = restored {
            log::error!(target: "mesh::app", "{} is unreachable: {error}", self.name);
        }
    }

    fn restore(self: &Arc<Self>) {
        let mut address = self.address.lock();
        let Some(owned) = address.as_mut() else { return };
        if owned.is_whole() {
            return;
        }
        // The directory may be gone too. The new one is guarded before the look, however that
        // ends: a removal that comes meanwhile is looked at next.
        if let Err(error) = self.home.prepare() {
            log::error!(target: "mesh::app", "{} is unreachable: {error}", self.name);
        }
        self.guard();
        let restored = owned.restore(&self.home, &self.name).and_then(|listener| {
            let Some(listener) = listener else { return Ok(()) };
            log::warn!(target: "mesh::app", "the socket of {} was deleted; it is back", self.name);
            self.engine.unlisten();
            Ok(self.engine.listen(listener)?)
        });
        if let Err(error) = restored {
            log::error!(target: "mesh::app", "{} is unreachable: {error}", self.name);
        }
    }

    /// Writes the entry, or says why not.
    fn register(&self) {
        if let Err(error) = self.register_checked() {
            say(&format!("{} serves, but its entry could not be updated: {error}", self.name));
        }
    }

    fn register_checked(&self) -> Result<()> {
        if self.registration.unregistered {
            return Ok(());
        }
        // The manifest is looked at under the lock: of two threads that expose, the later writer
        // knows the methods of both.
        let entry = |stored| self.registration.entry(self.methods.manifest(), stored);
        Registry::at(&self.home).renew(&self.name, entry).map(drop)
    }
}

/// The seam to the threads: where each call is worked on. The threads outlive the app's state by
/// a moment, not the other way round.
struct Serving(Weak<State>);

impl Service for Serving {
    fn route(&self, request: Request) -> Work {
        let refuse = |request: Request, error: Error| {
            Work::Now(Box::new(move || request.exchange.fail(&error)))
        };
        let Some(state) = self.0.upgrade() else {
            return refuse(request, Error::new(ErrorCode::ShuttingDown, "the app has stopped"));
        };
        if request.task.head.method.starts_with(crate::name::RESERVED) {
            return Work::Now(Box::new(move || builtin::serve(&state, request)));
        }
        let exposed = match state.methods.find(state.name.as_str(), &request.task) {
            Ok(exposed) => exposed,
            Err(error) => return refuse(request, error),
        };
        let counter = match exposed.info.shape {
            Shape::Stream => &state.streams,
            _ => &state.calls,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let (app, runner) = (Arc::from(state.name.as_str()), state.runner.clone());
        state.runner.work(Box::new(move || exposed.serve(app, runner, request)))
    }
}

fn try_claim(builder: AppBuilder) -> Result<Claim> {
    let launcher = take_ready_signal();
    let name = AppName::parse(&builder.name)?;
    let home = builder.home.clone().map_or_else(Home::from_env, Ok)?;
    let engine = Engine::new(builder.bounds(), builder.hello(&name))?;
    let owned = match claim::claim(&engine, &home, &name) {
        Ok(Claimed::Owner(owned)) => owned,
        other => {
            engine.close(std::time::Duration::from_millis(100));
            return match other {
                Ok(Claimed::Loser(running)) => Ok(Claim::Secondary(running)),
                Ok(Claimed::Owner(_)) => Err(Error::new(ErrorCode::Internal, "claimed and not")),
                Err(error) => Err(error),
            };
        }
    };
    let listener = Arc::clone(&owned.listener);
    let state = Arc::new(State {
        version: builder.registration.version.clone(),
        engine: Arc::clone(&engine),
        methods: Methods::default(),
        registration: builder.registration,
        runner: Runner::new(Arc::clone(&engine), builder.executor),
        address: Mutex::new(Some(owned)),
        removals: AtomicU64::new(0),
        launcher: Mutex::new(launcher),
        client: OnceLock::new(),
        ready: AtomicBool::new(false),
        began: Instant::now(),
        calls: AtomicU64::new(0),
        streams: AtomicU64::new(0),
        end: stop::End::default(),
        name,
        home,
    });
    engine.set_service(Arc::new(Serving(Arc::downgrade(&state))));
    engine.listen(listener).map_err(|error| {
        let text = format!("cannot serve as {}", state.name);
        Error::new(ErrorCode::Internal, text).source(error)
    })?;
    state.guard();
    name_default(state.name.as_str());
    Ok(Claim::Primary(App { state }))
}

fn second_start(running: &Running) -> ! {
    say(&running.to_string());
    std::process::exit(0)
}

/// The few lines that an app says to the person who started it.
fn say(text: &str) {
    // A closed stderr is no reason to fail.
    let _unsaid = writeln!(std::io::stderr(), "mesh: {text}");
}
