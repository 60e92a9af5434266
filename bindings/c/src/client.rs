//! Clients: calling other apps, launching and stopping them.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use mesh_core::{AppName, Client, Home, LaunchEvent, Launched, Request, Result, Stopped, Value};

use crate::args;
use crate::callback::UserData;
use crate::entry::entry;
use crate::handle::{self, Opaque, misuse, put, put_must};
use crate::options::{self, Options, check_flags, timeout};
use crate::status::MeshStatus;
use crate::text::MeshText;
use crate::token::MeshToken;
use crate::value::{self, MeshValue};

/// Calls other apps, over one connection to each. Every function of it may run on any thread, on
/// several at once. Where a function takes one, NULL is the process's own client, which has no
/// settings and is never freed.
#[derive(Debug)]
pub struct MeshClient(());

impl Opaque for MeshClient {
    type Inner = Mutex<Option<Client>>;
    const NOUN: &'static str = "a client";
    const TAG: u64 = u64::from_be_bytes(*b"mesh cli");
}

/// Settings of a client. Zeros are the defaults.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[repr(C)]
pub struct MeshClientOptions {
    /// `sizeof(mesh_client_options)`.
    pub struct_size: usize,
    /// The home; by default `MESH_HOME`, or `~/.mesh`.
    pub home: MeshText,
    /// The name that peers are told beside what the kernel tells them.
    pub name: MeshText,
    /// Bounds other than the default ones, a map of names to whole numbers: `message` and the
    /// others of `Limits`. Copied.
    pub limits: *const MeshValue,
    /// Told of each launch, on the thread that waits for it: a map with `event` (`started`,
    /// `waiting`, `ready`), `name`, `pid`, and `elapsed_ms` where it is known.
    pub on_launch: Option<unsafe extern "C-unwind" fn(*mut c_void, *const MeshValue)>,
    /// What `on_launch` is given first.
    pub on_launch_data: *mut c_void,
    /// Called once when `on_launch` is not needed any more, also on failure; NULL for nothing.
    pub on_launch_destroy: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
}

// SAFETY: sizes, pointers and optional functions, for which zeros are a value.
unsafe impl Options for MeshClientOptions {}

/// Options of one call or stream. Zeros are the defaults.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[repr(C)]
pub struct MeshCallOptions {
    /// `sizeof(mesh_call_options)`.
    pub struct_size: usize,
    /// Bounds everything together: the launch, the wait, the answer. 0 is the default, 5 s from the
    /// moment the app is ready (for a stream: for the first item, and between two); negative
    /// (`MESH_FOREVER`) is no bound.
    pub timeout_ms: i64,
    /// Cancels it, and the wait for it; NULL for none. Need not outlive the function.
    pub token: *const MeshToken,
    /// `MESH_NO_LAUNCH`, or 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: sizes, numbers and pointers, for which zeros are a value.
unsafe impl Options for MeshCallOptions {}

/// No bound, as a timeout.
pub const MESH_FOREVER: i64 = -1;

/// An app that is off is not launched: the call fails as `not_running`.
pub const MESH_NO_LAUNCH: u32 = 1;

/// A client. `options` may be NULL. `out` gets it, the caller's: `mesh_free_client`. Threads start
/// with the first call.
///
/// # Safety
/// `options` is NULL or can be read; `out` can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_client_new(
    options: *const MeshClientOptions,
    out: *mut *mut MeshClient,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let options = unsafe { options::read(options, "mesh_client_options")? };
        let data = UserData::new(options.on_launch_data, options.on_launch_destroy);
        // SAFETY: as the caller promises.
        let limits = unsafe { options::limits(options.limits)? };
        let mut builder = Client::builder().limits(limits);
        // SAFETY: as the caller promises.
        let (home, name) = unsafe { (options.home.read_some()?, options.name.read_some()?) };
        if let Some(home) = home {
            builder = builder.home(Home::at(home));
        }
        if let Some(name) = name {
            builder = builder.name(name);
        }
        if let Some(tell) = options.on_launch {
            builder = builder.on_launch(move |event| {
                let event = told(event);
                // SAFETY: C gave both together, and the event lives as long as the call.
                unsafe { tell(data.get(), value::lend(&event)) };
            });
        }
        // SAFETY: as the caller promises.
        unsafe { put_must(out, || Ok(give(builder.build()?))) }
    })
}

/// Gives a client to C.
pub(crate) fn give(client: Client) -> *mut MeshClient {
    handle::give(Mutex::new(Some(client)))
}

/// # Safety
/// NULL or live.
unsafe fn look(client: *const MeshClient) -> Result<Client> {
    // SAFETY: as the caller promises.
    let client = unsafe { handle::look(client)? };
    let client = client.lock().unwrap_or_else(PoisonError::into_inner).clone();
    client.ok_or_else(|| misuse("the client was closed"))
}

/// An exchange in the making.
///
/// # Safety
/// As `mesh_call`.
pub(crate) unsafe fn request(
    client: *const MeshClient,
    (app, method): (MeshText, MeshText),
    (positional, named): (*const MeshValue, *const MeshValue),
    options: *const MeshCallOptions,
) -> Result<Request> {
    // SAFETY: as the caller promises.
    let (app, method) = unsafe { (app.read()?, method.read()?) };
    // SAFETY: as the caller promises.
    let args = unsafe { args::collect(positional, named)? };
    // SAFETY: as the caller promises.
    let options = unsafe { options::read(options, "mesh_call_options")? };
    check_flags(options.flags, MESH_NO_LAUNCH)?;
    let mut request = if client.is_null() {
        mesh_core::request(app, method)?
    } else {
        // SAFETY: as the caller promises.
        unsafe { look(client)? }.request(app, method)
    };
    request = request.args(args);
    if let Some(timeout) = timeout(options.timeout_ms) {
        request = request.timeout(timeout);
    }
    if options.flags & MESH_NO_LAUNCH != 0 {
        request = request.no_launch();
    }
    if !options.token.is_null() {
        // SAFETY: as the caller promises.
        request = request.cancelled_by(unsafe { handle::look(options.token)? });
    }
    Ok(request)
}

/// Calls a method and waits for its value; an app that is off is launched. `positional` is a list
/// or NULL, `named` a map or NULL; they stay the caller's. `out` gets the value, the caller's; NULL
/// throws it away. Blocks until the answer, 5 s from the moment the app is ready by default. A call
/// from a handler ends with the call that the handler serves.
///
/// # Safety
/// `client`, `positional` and `named` are NULL or live; `app` and `method` can be read; `options`
/// is NULL or can be read; `out` is NULL or can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_call(
    client: *const MeshClient,
    app: MeshText,
    method: MeshText,
    positional: *const MeshValue,
    named: *const MeshValue,
    options: *const MeshCallOptions,
    out: *mut *mut MeshValue,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let request = unsafe { request(client, (app, method), (positional, named), options)? };
        let answer: Value = request.call()?;
        if !out.is_null() {
            // SAFETY: as the caller promises.
            unsafe { put(out, value::give(answer)) };
        }
        Ok(())
    })
}

/// Starts an app if it is off and waits until it is ready, at most `timeout_ms` (0 and negative: as
/// its entry says, 10 s by default); then it goes on starting. `pid` gets its process, or is NULL.
///
/// # Safety
/// `client` is live, `app` can be read, `pid` is NULL or can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_client_launch(
    client: *const MeshClient,
    app: MeshText,
    timeout_ms: i64,
    pid: *mut u32,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let (client, app) = unsafe { (look(client)?, app.read()?) };
        let bound = timeout(timeout_ms).filter(|bound| !bound.is_zero());
        let process = match client.launch_within(app, bound)? {
            Launched::AlreadyRunning { pid } | Launched::Started { pid, .. } => pid,
            _ => 0,
        };
        // SAFETY: as the caller promises.
        unsafe { put(pid, process) };
        Ok(())
    })
}

/// Asks an app to stop and waits until its name is free; one that does not leave within its grace
/// is ended by force. `how` gets `not_running`, `stopped`, `terminated` or `killed`, which live for
/// ever, or is NULL.
///
/// # Safety
/// `client` is live, `app` can be read, `how` is NULL or can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_client_stop(
    client: *const MeshClient,
    app: MeshText,
    how: *mut MeshText,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let (client, app) = unsafe { (look(client)?, app.read()?) };
        let word = match client.stop(app)? {
            Stopped::NotRunning => "not_running",
            Stopped::Terminated => "terminated",
            Stopped::Killed => "killed",
            _ => "stopped",
        };
        // SAFETY: as the caller promises.
        unsafe { put(how, MeshText::lend(word)) };
        Ok(())
    })
}

/// The names that have a live owner now: a list of texts. `out` gets it, the caller's.
///
/// # Safety
/// `client` is live, `out` can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_client_live(
    client: *const MeshClient,
    out: *mut *mut MeshValue,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let client = unsafe { look(client)? };
        let list = || {
            let names = client.live()?.into_iter().map(|name| name.as_str().into());
            Ok(value::give(Value::List(names.collect())))
        };
        // SAFETY: as the caller promises.
        unsafe { put_must(out, list) }
    })
}

/// The process that owns a name now, by the kernel's word; 0 where nobody does. To be shown, not to
/// be signalled: the number may soon be another process's.
///
/// # Safety
/// `client` is live, `app` can be read, `pid` can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_client_owner(
    client: *const MeshClient,
    app: MeshText,
    pid: *mut u32,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let (client, app) = unsafe { (look(client)?, app.read()?) };
        let name = AppName::parse(app)?;
        // SAFETY: as the caller promises.
        unsafe { put_must(pid, || Ok(client.owner(&name).unwrap_or(0))) }
    })
}

/// Closes a client: later calls by it fail as `misuse`. Calls and streams that are under way go on.
/// The handle stays until `mesh_free_client`. NULL is refused.
///
/// # Safety
/// `client` is NULL or live. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_client_close(client: *const MeshClient) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let client = unsafe { handle::look(client)? };
        let closed = client.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(closed);
        Ok(())
    })
}

/// Frees a client; its connections and threads end with the last stream. NULL is left alone.
///
/// # Safety
/// `client` is NULL or the caller's own; no other thread is in a function with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_free_client(client: *mut MeshClient) {
    // SAFETY: as the caller promises.
    unsafe { handle::free(client) };
}

/// A launch's event as a value.
fn told(event: &LaunchEvent) -> Value {
    let (word, name, pid, elapsed) = match event {
        LaunchEvent::Started { name, pid } => ("started", name, pid, None),
        LaunchEvent::Waiting { name, pid, elapsed, .. } => ("waiting", name, pid, Some(elapsed)),
        LaunchEvent::Ready { name, pid, elapsed } => ("ready", name, pid, Some(elapsed)),
        _ => return Value::from([("event", "other")]),
    };
    let text = |key: &str, text: &str| (Value::from(key), Value::from(text));
    let mut pairs = vec![text("event", word), text("name", name.as_str())];
    pairs.push((Value::from("pid"), Value::from(*pid)));
    if let Some(elapsed) = elapsed {
        let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        pairs.push((Value::from("elapsed_ms"), Value::from(ms)));
    }
    Value::Map(pairs)
}
