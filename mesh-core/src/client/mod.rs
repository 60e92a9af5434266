//! Calling other apps.
//!
//! A [`Client`] holds one connection to each app that it calls, shared by all threads and made
//! anew when it is lost. [`call`] and [`stream`] use one client of the whole process.

mod default;
pub(crate) mod dial;
pub(crate) mod peer;
mod request;
mod stop;
mod stream;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::default::{call, request, stream};
pub(crate) use self::default::{name_default, software};
use self::peer::{Peer, Wish};
pub use self::request::Request;
pub use self::stop::Stopped;
pub use self::stream::{Canceller, Stream};
use crate::error::{Error, ErrorCode, Result};
use crate::launch::{self, LaunchEvent, Launched};
use crate::limits::Limits;
use crate::name::AppName;
use crate::registry::Registry;
use crate::runtime::current::{self, Current};
use crate::runtime::{CancelToken, Engine};
use crate::sys::home::Home;
use crate::transport::{Address, Stream as Socket};
use crate::wire::hello::Hello;

type Observer = Arc<dyn Fn(&LaunchEvent) + Send + Sync>;

/// Calls other apps. Clones share connections and threads.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    pub(crate) home: Home,
    pub(crate) registry: Registry,
    pub(crate) observer: Option<Observer>,
    /// The app that calls, if it is one.
    pub(crate) name: Option<String>,
    /// Whether the engine is this client's alone, and ends with it.
    owns_engine: bool,
    peers: Mutex<HashMap<AppName, Arc<Peer>>>,
}

impl Client {
    /// A client of the home that `MESH_HOME` or the user's home directory names.
    ///
    /// # Errors
    /// `home` when neither is known.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// A client with settings of its own.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A client of an app: same threads, same home, under the app's name.
    pub(crate) fn of_app(engine: Arc<Engine>, home: Home, name: String) -> Self {
        let registry = Registry::at(&home);
        Self(Arc::new(Inner {
            engine,
            home,
            registry,
            observer: None,
            name: Some(name),
            owns_engine: false,
            peers: Mutex::default(),
        }))
    }

    /// An exchange in the making, with options.
    pub fn request(&self, app: &str, method: &str) -> Request {
        Request::new(self.clone(), app, method)
    }

    /// Calls a method and waits for its value. `args` may be `()`, a tuple (positional), a struct
    /// (named), an [`Args`](crate::Args), or one plain value.
    ///
    /// # Errors
    /// The app's own failure, or what kept the call from it; see [`ErrorCode`].
    ///
    /// # Blocking
    /// Until the answer, at most 5 s from the moment the app is ready; an app that is off is
    /// launched within a budget of its own, 10 s by default.
    pub fn call<R: DeserializeOwned>(
        &self,
        app: &str,
        method: &str,
        args: impl Serialize,
    ) -> Result<R> {
        self.request(app, method).args(args).call()
    }

    /// Opens a stream. A method that answers with one value gives a stream of one item.
    ///
    /// # Errors
    /// What kept the request from the app; the app's own failures come from the stream.
    ///
    /// # Blocking
    /// Until the app is reached; the items are waited for in [`Stream::next`].
    pub fn stream<T: DeserializeOwned>(
        &self,
        app: &str,
        method: &str,
        args: impl Serialize,
    ) -> Result<Stream<T>> {
        self.request(app, method).args(args).stream()
    }

    /// Starts the app if it is off, and waits until it is ready.
    ///
    /// # Errors
    /// `no_such_app`, `launch_failed` with what the app printed last, `suspended`, `refused`.
    ///
    /// # Blocking
    /// At most the entry's `ready_timeout`.
    pub fn launch(&self, app: &str) -> Result<Launched> {
        self.launch_within(app, None)
    }

    /// As [`Self::launch`], and waits no longer than `bound`; the app goes on starting.
    ///
    /// # Errors
    /// As [`Self::launch`], and `deadline`.
    ///
    /// # Blocking
    /// At most the entry's `ready_timeout`, and at most `bound`.
    pub fn launch_within(&self, app: &str, bound: Option<Duration>) -> Result<Launched> {
        self.0.engine.check_process()?;
        let name = AppName::parse(app)?;
        let task = current::get();
        let token = task.as_ref().map_or_else(CancelToken::new, |task| task.token.clone());
        // A bound that no clock can hold is none.
        let own = bound.and_then(|bound| Instant::now().checked_add(bound));
        let until = own.into_iter().chain(task.as_ref().and_then(|task| task.deadline)).min();
        let path = self.0.path(task.as_ref());
        let wish = Wish { launch: true, until, path: &path, token: &token };
        self.0.peer(&name).launch(&self.0, &wish, &mut None)
    }

    /// Asks the app to stop and waits until its name is free. An app that does not leave within
    /// its grace is sent SIGTERM, and SIGKILL after that.
    ///
    /// # Errors
    /// `refused` and `connect_failed` when its owner cannot be asked.
    ///
    /// # Blocking
    /// At most the app's `stop_grace` (5 s by default), and a few seconds for the signals.
    pub fn stop(&self, app: &str) -> Result<Stopped> {
        self.0.engine.check_process()?;
        stop::stop(&self.0, &AppName::parse(app)?)
    }

    /// The names that have a live owner now, registered or not. Asks the kernel, not the apps.
    ///
    /// # Errors
    /// `home` when the directory of addresses cannot be read.
    pub fn live(&self) -> Result<Vec<AppName>> {
        let directory = self.0.home.run_dir();
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                let text = format!("cannot read {}", directory.display());
                return Err(Error::new(ErrorCode::Home, text).source(error));
            }
        };
        let name = |entry: std::fs::DirEntry| {
            let file = entry.file_name().into_string().ok()?;
            AppName::parse(file.strip_suffix(Address::TRACE)?).ok()
        };
        let mut live: Vec<AppName> = entries
            .filter_map(|entry| name(entry.ok()?))
            .filter(|name| {
                Address::of(&self.0.home, name).is_ok_and(|address| {
                    // A full queue of connections has an owner too, if a frozen one.
                    Socket::connect(&address)
                        .map_or_else(|e| e.kind() == std::io::ErrorKind::WouldBlock, |_| true)
                })
            })
            .collect();
        live.sort();
        Ok(live)
    }

    /// The process that owns a name now, by the kernel's word, which a frozen process cannot
    /// withhold; nothing where nobody does, or the kernel does not say. The number may be another
    /// process's as soon as this one has ended: it is to be shown, not to be signalled.
    #[must_use]
    pub fn owner(&self, app: &AppName) -> Option<u32> {
        let home = &self.0.home;
        match Socket::connect(&Address::of(home, app).ok()?) {
            // A process of another pid namespace has no number here.
            Ok(stream) => stream.peer().ok().map(|peer| peer.pid).filter(|&pid| pid != 0),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                dial::owner_by_lock(home, app).map(|owner| owner.pid)
            }
            Err(_) => None,
        }
    }

    /// The registry of this client's home.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The home that this client's apps live in.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.0.home
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl Inner {
    /// The app of this name, as this client knows it.
    pub(crate) fn peer(&self, name: &AppName) -> Arc<Peer> {
        let mut peers = self.peers.lock();
        Arc::clone(peers.entry(name.clone()).or_insert_with(|| Arc::new(Peer::new(name.clone()))))
    }

    /// The apps that lead to what this client does now: those of the task that it is done for, or
    /// else of this process's own start.
    pub(crate) fn path(&self, task: Option<&Current>) -> Vec<String> {
        match task {
            Some(task) => task.path.clone(),
            None => launch::call_path().into_iter().chain(self.name.clone()).collect(),
        }
    }

    /// The error for a name that nobody has registered.
    pub(crate) fn unknown(&self, name: &AppName) -> Error {
        self.registry.unknown(name)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.owns_engine {
            self.engine.close(Duration::from_millis(100));
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("home", &self.0.home).finish_non_exhaustive()
    }
}

/// Settings of a [`Client`].
#[derive(Default)]
pub struct ClientBuilder {
    home: Option<Home>,
    name: Option<String>,
    observer: Option<Observer>,
    limits: Limits,
}

impl ClientBuilder {
    /// The home; by default `MESH_HOME`, or `~/.mesh`.
    #[must_use]
    pub fn home(mut self, home: Home) -> Self {
        self.home = Some(home);
        self
    }

    /// The name that peers are told beside what the kernel tells them.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Told of each launch, on the thread that waits for it.
    #[must_use]
    pub fn on_launch(mut self, observer: impl Fn(&LaunchEvent) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Bounds other than the default ones.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The client. Threads start with the first call.
    ///
    /// # Errors
    /// `home` when no home is set or known.
    pub fn build(self) -> Result<Client> {
        let home = self.home.map_or_else(Home::from_env, Ok)?;
        let hello = Hello {
            name: self.name.clone(),
            pid: std::process::id(),
            software: software(),
            message_max: Some(self.limits.message as u64),
            ready: true,
            ..Hello::default()
        };
        let engine = Engine::new(self.limits, hello)?;
        Ok(Client(Arc::new(Inner {
            engine,
            registry: Registry::at(&home),
            home,
            observer: self.observer,
            name: self.name,
            owns_engine: true,
            peers: Mutex::default(),
        })))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("home", &self.home).finish_non_exhaustive()
    }
}
