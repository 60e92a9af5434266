//! Every bound and every time budget of the runtime, with its default and the reason for it.
//!
//! Constants are fixed by a format (wire, registry, names) or by the house; the fields of
//! [`Limits`] may be set per app with [`App::builder`](crate::App::builder). A value that a peer
//! sends never raises one of our own bounds.

use std::time::Duration;

/// Bytes of an app's name; a pipe, a socket and a file name must hold it.
pub const APP_NAME_MAX: usize = 63;

/// Bytes of a method's name.
pub const METHOD_NAME_MAX: usize = 256;

/// Bytes of one frame's body on the wire; larger bodies are cut, so that control frames pass.
pub const FRAME_BODY_MAX: usize = 1 << 20;

/// Bytes of the body of a control frame (hello, cancel, credit, ping, pong, goaway).
pub const CONTROL_BODY_MAX: usize = 64 << 10;

/// Credit that each direction of an exchange starts with, in bytes; fixed by protocol version 1.
pub const INITIAL_WINDOW: u32 = 256 << 10;

/// What a frame costs in credit beside its body, so that empty items are not free.
pub const FRAME_COST: u32 = 16;

/// Arguments larger than this are counted while their call waits for a handler.
pub const LARGE_CALL: usize = 32 << 10;

/// Names in a call path; the next hop is refused, which ends a cycle.
pub const CALL_PATH_MAX: usize = 16;

/// Nesting of a dynamic value.
pub const VALUE_DEPTH_MAX: usize = 64;

/// Elements of a dynamic value, containers and their members counted.
pub const VALUE_ELEMENTS_MAX: usize = 1_048_576;

/// Bytes of the registry file.
pub const REGISTRY_BYTES_MAX: u64 = 1 << 20;

/// Entries in the registry.
pub const REGISTRY_ENTRIES_MAX: usize = 1_024;

/// Arguments in an entry's command.
pub const COMMAND_ARGS_MAX: usize = 64;

/// Bytes of an entry's command, all arguments together.
pub const COMMAND_BYTES_MAX: usize = 32 << 10;

/// How long a writer waits for the registry's lock.
pub const REGISTRY_WAIT: Duration = Duration::from_secs(2);

/// How long a claim waits for whoever holds the name to answer, before it reports.
pub const CLAIM_WAIT: Duration = Duration::from_secs(2);

/// How long a peer may take over its hello.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Deadline of a call, and of a stream's first answer, from the moment the app is ready.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Budget of a launch when the entry names none: spawn to ready.
pub const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest `ready_timeout` that an entry may ask for.
pub const READY_TIMEOUT_MAX: Duration = Duration::from_secs(120);

/// How long an app may take to leave after it was asked to, when its entry names nothing else.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// Starts of one name within [`STARTS_WINDOW`]; more suspend it with back-off.
pub const STARTS_MAX: usize = 5;

/// The window in which starts are counted.
pub const STARTS_WINDOW: Duration = Duration::from_secs(10);

/// A program must be missing this long before its entry is pruned; a rebuild unlinks for a moment.
pub const PRUNE_RECHECK: Duration = Duration::from_millis(500);

/// Bytes kept of a launched app's standard error for an error message.
pub const STDERR_TAIL_BYTES: usize = 4 << 10;

/// Lines kept of a launched app's standard error for an error message.
pub const STDERR_TAIL_LINES: usize = 20;

/// The bounds that an app may set for itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Handlers that run at one time; further calls wait in the queue. One that waits inside the
    /// runtime (for another app, on its cancel token, for a slow reader) does not count. Default:
    /// four for each core, at least 8, at most 64.
    pub handlers: usize,
    /// Threads altogether, handlers that wait included; they are started when needed. Default: 256.
    pub threads: usize,
    /// Calls that wait for a handler, all connections together; more are answered `busy`.
    /// Default: 1,024.
    pub queue: usize,
    /// Calls that wait for a handler on one connection; more are answered `busy`. Default: 128.
    pub queue_per_connection: usize,
    /// Exchanges that a peer may have open on one connection. Default: 256.
    pub exchanges: usize,
    /// Bytes of one assembled message (arguments, a value, an item). Default: 16 MiB.
    pub message: usize,
    /// Bytes of unfinished large messages on one connection. Default: 64 MiB.
    pub assembly: usize,
    /// Bytes that wait to be written on one connection before its producers pause.
    /// Default: 256 KiB.
    pub output: usize,
    /// Connections that are open at one time, at most half of the process's descriptors. Default:
    /// 1,024.
    pub connections: usize,
    /// Connections of one peer process. Default: 256.
    pub connections_per_process: usize,
    /// How long a stopping app lets its calls in flight go on. Default: 5 s.
    pub stop_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let handlers = (4 * cores).clamp(8, 64);
        Self {
            handlers,
            threads: 256,
            queue: 1_024,
            queue_per_connection: 128,
            exchanges: 256,
            message: 16 << 20,
            assembly: 64 << 20,
            output: 256 << 10,
            connections: 1_024,
            connections_per_process: 256,
            stop_grace: STOP_GRACE,
        }
    }
}
