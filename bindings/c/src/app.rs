//! Apps: claiming a name, exposing methods, serving until stopped.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use std::ffi::c_void;

use mesh_core::{
    App, AppBuilder, Args, Claim, Context, Error, ErrorCode, Home, Kind, Method, Params, Result,
    Running, Sink, Value,
};

use crate::args::{self, MeshArgs};
use crate::callback::UserData;
use crate::client::{self, MeshClient};
use crate::context::{self, MeshContext, MeshSink};
use crate::entry::entry;
use crate::error;
use crate::handle::{self, Opaque, misuse, put_must};
use crate::job::{self, MeshJob};
use crate::options::{self, Options, check_flags, timeout};
use crate::status::{MESH_OK, MeshStatus};
use crate::text::{MeshText, slice};
use crate::value::{self, MeshValue};

/// An app that owns its name. Every function of it may run on any thread, on several at once.
#[derive(Debug)]
pub struct MeshApp(());

impl Opaque for MeshApp {
    type Inner = App;
    const NOUN: &'static str = "an app";
    const TAG: u64 = u64::from_be_bytes(*b"mesh app");
}

/// Settings of an app. Zeros are the defaults.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[repr(C)]
pub struct MeshAppOptions {
    /// `sizeof(mesh_app_options)`.
    pub struct_size: usize,
    /// The home; by default `MESH_HOME`, or `~/.mesh`.
    pub home: MeshText,
    /// The app's own version, for people.
    pub version: MeshText,
    /// The directory that it is launched in; by default the program's own.
    pub cwd: MeshText,
    /// The command that launches it, a list of texts, instead of its program without arguments. For
    /// a script (`MESH_SCRIPT`) the interpreter, then the script. Copied.
    pub command: *const MeshValue,
    /// Additions to the environment that it is launched with, a map of texts. Copied.
    pub env: *const MeshValue,
    /// Bounds other than the default ones, a map of names to whole numbers: `handlers` and the
    /// others of `Limits`. Copied.
    pub limits: *const MeshValue,
    /// How long it may take from its start until it is ready; 0 is 10 s.
    pub ready_timeout_ms: i64,
    /// How long calls in flight may go on when it is asked to stop; 0 is 5 s.
    pub stop_grace_ms: i64,
    /// Is handed every call, and runs it where it likes by `mesh_job_run`: on the main loop of a
    /// GUI, say. It must not block, and must run or free every job. NULL: on threads of mesh.
    pub executor: Option<unsafe extern "C-unwind" fn(*mut c_void, *mut MeshJob)>,
    /// What `executor` is given first.
    pub executor_data: *mut c_void,
    /// Called once when `executor` is not needed any more, also on failure; NULL for nothing.
    pub executor_destroy: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
    /// `MESH_EXIT_IF_RUNNING`, `MESH_UNREGISTERED`, `MESH_SCRIPT`.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: sizes, numbers, pointers and optional functions, for which zeros are a value.
unsafe impl Options for MeshAppOptions {}

/// A second start says who runs, in one line on stderr, and ends the process with exit code 0.
pub const MESH_EXIT_IF_RUNNING: u32 = 1;
/// The registry is left alone: the app is found while it runs and never launched.
pub const MESH_UNREGISTERED: u32 = 2;
/// `command` is an interpreter and a script.
pub const MESH_SCRIPT: u32 = 4;

/// What a method is called, how it behaves, what it takes. Zeros are the defaults.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[repr(C)]
pub struct MeshMethod {
    /// `sizeof(mesh_method)`.
    pub struct_size: usize,
    /// Its name: 1 to 256 bytes of printable text, not beginning with `mesh.`.
    pub name: MeshText,
    /// What it does, for people.
    pub doc: MeshText,
    /// The names of its parameters in order. Copied.
    pub params: *const MeshText,
    /// How many.
    pub params_len: usize,
    /// `MESH_SERIAL`, `MESH_IDEMPOTENT`, `MESH_ANY_PARAMS`.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: sizes, numbers and pointers, for which zeros are a value.
unsafe impl Options for MeshMethod {}

/// One call at a time; others wait their turn without holding a thread.
pub const MESH_SERIAL: u32 = 1;
/// Callers are told that repeating a call does no harm.
pub const MESH_IDEMPOTENT: u32 = 2;
/// Any arguments at all.
pub const MESH_ANY_PARAMS: u32 = 4;

/// Answers a call: puts a value into `out`, which mesh then owns (none is nothing), and returns
/// `MESH_OK`; or returns what `mesh_fail` answered, or the status of another function that failed.
/// All that it is given is lent until it returns. Runs on threads of mesh, on several at once
/// unless the method is `MESH_SERIAL`. It must not throw: an exception that gets out ends the
/// process.
pub type MeshHandler = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        context: *const MeshContext,
        args: *const MeshArgs,
        out: *mut *mut MeshValue,
    ) -> MeshStatus,
>;

/// Answers with a stream: sends items by `mesh_sink_send` and returns `MESH_OK` after the last one,
/// or fails as a `mesh_handler`. Everything said there holds here.
pub type MeshStreamHandler = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        context: *const MeshContext,
        args: *const MeshArgs,
        sink: *const MeshSink,
    ) -> MeshStatus,
>;

/// Claims a name. `out` gets the app, the caller's: `mesh_free_app`. If a live app has the name,
/// `already_running`: the message says who, the details are a map with `name`, `pid`, `program`,
/// `age_ms` and `ready`; with `MESH_EXIT_IF_RUNNING` this is said on stderr and the process exits
/// 0. Blocks up to 2 s for an owner that does not answer (`not_responding`).
///
/// # Safety
/// `name` can be read; `options` is NULL or can be read; `out` can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_app_claim(
    name: MeshText,
    options: *const MeshAppOptions,
    out: *mut *mut MeshApp,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let options = unsafe { options::read(options, "mesh_app_options")? };
        let data = UserData::new(options.executor_data, options.executor_destroy);
        // SAFETY: as the caller promises.
        let builder = unsafe { builder(name.read()?, &options, data)? };
        let claim = || {
            if options.flags & MESH_EXIT_IF_RUNNING != 0 {
                return builder.claim().map(handle::give);
            }
            match builder.try_claim()? {
                Claim::Primary(app) => Ok(handle::give(app)),
                Claim::Secondary(running) => Err(already(&running)),
                _ => Err(Error::new(ErrorCode::Internal, "a claim ended in an unknown way")),
            }
        };
        // SAFETY: as the caller promises.
        unsafe { put_must(out, claim) }
    })
}

/// # Safety
/// What the options lead to can be read.
unsafe fn builder(name: &str, options: &MeshAppOptions, data: UserData) -> Result<AppBuilder> {
    check_flags(options.flags, MESH_EXIT_IF_RUNNING | MESH_UNREGISTERED | MESH_SCRIPT)?;
    // SAFETY: as the caller promises.
    let limits = unsafe { options::limits(options.limits)? };
    let mut builder = App::builder(name).limits(limits);
    // SAFETY: as the caller promises.
    let (home, version) = unsafe { (options.home.read_some()?, options.version.read_some()?) };
    if let Some(home) = home {
        builder = builder.home(Home::at(home));
    }
    if let Some(version) = version {
        builder = builder.version(version);
    }
    // SAFETY: as the caller promises.
    if let Some(cwd) = unsafe { options.cwd.read_some()? } {
        builder = builder.cwd(cwd);
    }
    if !options.command.is_null() {
        let kind = match options.flags & MESH_SCRIPT {
            0 => Kind::Binary,
            _ => Kind::Script,
        };
        // SAFETY: as the caller promises.
        builder = builder.command(kind, texts(unsafe { value::look(options.command)? })?);
    }
    if !options.env.is_null() {
        // SAFETY: as the caller promises.
        let Value::Map(pairs) = (unsafe { value::look(options.env)? }) else {
            return Err(misuse("the environment is no map"));
        };
        for (key, value) in pairs {
            let (Some(key), Some(value)) = (key.as_str(), value.as_str()) else {
                return Err(misuse("the environment is not made of texts"));
            };
            builder = builder.env(key, value);
        }
    }
    if let Some(budget) = timeout(options.ready_timeout_ms).filter(|budget| !budget.is_zero()) {
        builder = builder.ready_timeout(budget);
    }
    if let Some(grace) = timeout(options.stop_grace_ms) {
        builder = builder.stop_grace(grace);
    }
    if options.flags & MESH_UNREGISTERED != 0 {
        builder = builder.unregistered();
    }
    if let Some(execute) = options.executor {
        builder = builder.executor(job::executor(execute, data));
    }
    Ok(builder)
}

fn texts(list: &Value) -> Result<Vec<String>> {
    let wrong = || misuse("the command is no list of texts");
    let Value::List(items) = list else { return Err(wrong()) };
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn already(running: &Running) -> Error {
    let optional = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let age = running.age.and_then(|age| u64::try_from(age.as_millis()).ok());
    let program = running.program.as_ref().map(|program| program.display().to_string());
    Error::new(ErrorCode::AlreadyRunning, running.to_string()).details([
        ("name", Value::from(running.name.as_str())),
        ("pid", Value::from(running.pid)),
        ("program", optional(program)),
        ("age_ms", age.map_or(Value::Null, Value::from)),
        ("ready", Value::from(running.ready)),
    ])
}

/// Makes a function callable; also when the app is ready. `destroy` (or NULL) is called with
/// `user_data` once, when no call needs it any more, and also on failure. `bad_name` for a name
/// that is not allowed.
///
/// # Safety
/// `app` is NULL or live; `method` and all that it leads to can be read; `user_data` is what the
/// two functions take, on any thread. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_app_expose(
    app: *const MeshApp,
    method: *const MeshMethod,
    handler: MeshHandler,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
) -> MeshStatus {
    let data = UserData::new(user_data, destroy);
    entry(move || {
        let handler = handler.ok_or_else(|| misuse("the handler is NULL"))?;
        // SAFETY: as the caller promises.
        let (app, (method, params, names)) = unsafe { (handle::look(app)?, described(method)?) };
        let answer = move |context: &Context, args: Args| -> Result<Value> {
            let (context, args) = (context::lent(context), args::lent(args, &names));
            let mut out = std::ptr::null_mut();
            error::forget();
            // SAFETY: C gave both together; what it is lent lives until it returns.
            let status =
                unsafe { handler(data.get(), context.as_ptr(), args.as_ptr(), &raw mut out) };
            // SAFETY: the handler gives up what it put there, however it ends.
            let answer = unsafe { value::take(out) };
            match status {
                MESH_OK => Ok(answer.map_or(Value::Null, |answer| *answer)),
                status => Err(error::of_callback(status)),
            }
        };
        app.expose(method, params, answer)
    })
}

/// Makes a function callable as a stream; all else as `mesh_app_expose`.
///
/// # Safety
/// As `mesh_app_expose`. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_app_expose_stream(
    app: *const MeshApp,
    method: *const MeshMethod,
    handler: MeshStreamHandler,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
) -> MeshStatus {
    let data = UserData::new(user_data, destroy);
    entry(move || {
        let handler = handler.ok_or_else(|| misuse("the handler is NULL"))?;
        // SAFETY: as the caller promises.
        let (app, (method, params, names)) = unsafe { (handle::look(app)?, described(method)?) };
        let produce = move |sink: &Sink, args: Args| -> Result<()> {
            let (context, args) = (context::lent(sink), args::lent(args, &names));
            let sink = context::lent_sink(sink);
            let (context, args, sink) = (context.as_ptr(), args.as_ptr(), sink.as_ptr());
            error::forget();
            // SAFETY: as in `mesh_app_expose`.
            match unsafe { handler(data.get(), context, args, sink) } {
                MESH_OK => Ok(()),
                status => Err(error::of_callback(status)),
            }
        };
        app.expose_stream(method, params, produce)
    })
}

/// What C says of a method.
///
/// # Safety
/// As `mesh_app_expose`.
unsafe fn described(method: *const MeshMethod) -> Result<(Method, Params, Vec<String>)> {
    if method.is_null() {
        return Err(misuse("a method is expected, not NULL"));
    }
    // SAFETY: as the caller promises.
    let given = unsafe { options::read(method, "mesh_method")? };
    check_flags(given.flags, MESH_SERIAL | MESH_IDEMPOTENT | MESH_ANY_PARAMS)?;
    // SAFETY: as the caller promises.
    let (name, doc) = unsafe { (given.name.read()?, given.doc.read()?) };
    let mut method = Method::new(name).doc(doc);
    if given.flags & MESH_SERIAL != 0 {
        method = method.serial();
    }
    if given.flags & MESH_IDEMPOTENT != 0 {
        method = method.idempotent();
    }
    // SAFETY: as the caller promises.
    let params = unsafe { slice(given.params, given.params_len)? };
    // SAFETY: as the caller promises.
    let name = |param: &MeshText| unsafe { param.read() }.map(str::to_owned);
    let names: Vec<String> = params.iter().map(name).collect::<Result<_>>()?;
    let params = match given.flags & MESH_ANY_PARAMS {
        0 => Params::from(names.clone()),
        _ if names.is_empty() => Params::any(),
        _ => return Err(misuse("a method that takes any arguments names no parameters")),
    };
    Ok((method, params, names))
}

/// Writes the app into the registry and answers calls from here on. A registry that cannot be
/// written is said on stderr, and the app serves all the same. Blocks up to 2 s for the registry's
/// lock.
///
/// # Safety
/// `app` is NULL or live. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_app_ready(app: *const MeshApp) -> MeshStatus {
    // SAFETY: as the caller promises.
    entry(|| unsafe { handle::look(app)? }.ready())
}

/// Makes the app ready, if it is not, and blocks until it has stopped: by `mesh stop`, by
/// `mesh_app_stop`. The handle stays until `mesh_free_app`.
///
/// # Safety
/// `app` is NULL or live. Any thread but that of a handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_app_run(app: *const MeshApp) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let app = unsafe { handle::look(app)? };
        app.ready()?;
        app.stop_handle().wait();
        Ok(())
    })
}

/// Begins to stop the app and answers at once: calls in flight go on for the grace, then the name
/// is given back and `mesh_app_run` returns. Does nothing the second time. Takes locks: not for a
/// signal handler, but for a thread that waits for signals.
///
/// # Safety
/// `app` is NULL or live. Any thread, also a handler's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_app_stop(app: *const MeshApp) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        unsafe { handle::look(app)? }.stop_handle().stop();
        Ok(())
    })
}

/// A client that calls in this app's name and on its threads. `out` gets it, the caller's:
/// `mesh_free_client`.
///
/// # Safety
/// `app` is NULL or live; `out` can be written. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_app_client(
    app: *const MeshApp,
    out: *mut *mut MeshClient,
) -> MeshStatus {
    // SAFETY: as the caller promises.
    let client = || Ok(client::give(unsafe { handle::look(app)? }.client()));
    // SAFETY: as the caller promises.
    entry(|| unsafe { put_must(out, client) })
}

/// Stops the app if it runs, waits until it has stopped, and frees it. Blocks for the grace and a
/// second at most. NULL is left alone.
///
/// # Safety
/// `app` is NULL or the caller's own; no other thread is in a function with it, and this one is not
/// a handler's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_free_app(app: *mut MeshApp) {
    // SAFETY: as the caller promises.
    unsafe { handle::free(app) };
}
