//! What a handler knows of the call that it serves, and where a stream handler puts its items.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use std::sync::OnceLock;
use std::time::Instant;

use mesh_core::{Caller, Context, Sink, Value};

use crate::entry::{entry, entry_or};
use crate::handle::{self, Lent, Opaque};
use crate::status::{self, MeshStatus};
use crate::text::MeshText;
use crate::token::MeshToken;
use crate::value::{self, MeshValue};

/// The call that a handler serves; lent to the handler until it returns. Any thread may use it
/// meanwhile. To hear of a cancel later, keep its token.
#[derive(Debug)]
pub struct MeshContext(());

/// What is behind it.
pub(crate) struct Served {
    context: *const Context,
    caller: OnceLock<Caller>,
    task: OnceLock<String>,
}

impl Opaque for MeshContext {
    type Inner = Served;
    const NOUN: &'static str = "a context";
    const TAG: u64 = u64::from_be_bytes(*b"mesh ctx");
}

/// Where a stream handler puts its items; lent to the handler until it returns. Any thread may use
/// it meanwhile, on several at once.
#[derive(Debug)]
pub struct MeshSink(());

impl Opaque for MeshSink {
    type Inner = *const Sink;
    const NOUN: &'static str = "a sink";
    const TAG: u64 = u64::from_be_bytes(*b"mesh snk");
}

/// A context as it is lent to a handler, which is shorter than the reference lives.
pub(crate) fn lent(context: &Context) -> Lent<MeshContext> {
    let (caller, task) = (OnceLock::new(), OnceLock::new());
    Lent::new(Served { context: &raw const *context, caller, task })
}

/// A sink as it is lent to a handler, which is shorter than the reference lives.
pub(crate) fn lent_sink(sink: &Sink) -> Lent<MeshSink> {
    Lent::new(&raw const *sink)
}

/// # Safety
/// NULL or still lent.
unsafe fn look<T>(
    context: *const MeshContext,
    otherwise: T,
    part: impl FnOnce(&'static Context, &'static Served) -> T,
) -> T {
    entry_or(otherwise, || {
        // SAFETY: as the caller promises.
        let served: &Served = unsafe { handle::look(context)? };
        // SAFETY: while the context is lent, the handler runs and so the reference of `lent` lives.
        Ok(part(unsafe { &*served.context }, served))
    })
}

/// The process that calls, by the kernel's word. 0 where it has no number here.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_pid(context: *const MeshContext) -> u32 {
    let pid = |context: &Context, served: &Served| caller(context, served).pid;
    // SAFETY: as the caller promises.
    unsafe { look(context, 0, pid) }
}

/// The user that calls, always the app's own: a number on Unix, `S-1-5-...` on Windows. Lent.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_user(context: *const MeshContext) -> MeshText {
    // SAFETY: as the caller promises.
    unsafe { look(context, MeshText::EMPTY, |c, served| MeshText::lend(&caller(c, served).user)) }
}

/// The app that the caller says it is; empty if it says none. Lent.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_name(context: *const MeshContext) -> MeshText {
    let name = |context: &Context, served: &'static Served| {
        caller(context, served).name.as_deref().map_or(MeshText::EMPTY, MeshText::lend)
    };
    // SAFETY: as the caller promises.
    unsafe { look(context, MeshText::EMPTY, name) }
}

fn caller<'a>(context: &Context, served: &'a Served) -> &'a Caller {
    served.caller.get_or_init(|| context.caller())
}

/// The method that was called. Lent.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_method(context: *const MeshContext) -> MeshText {
    // SAFETY: as the caller promises.
    unsafe { look(context, MeshText::EMPTY, |context, _| MeshText::lend(context.method())) }
}

/// The task's id, as `mesh tasks` shows it. Lent.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_task(context: *const MeshContext) -> MeshText {
    let task = |context: &Context, served: &'static Served| {
        MeshText::lend(served.task.get_or_init(|| context.task()))
    };
    // SAFETY: as the caller promises.
    unsafe { look(context, MeshText::EMPTY, task) }
}

/// The apps whose handlers led to this call, the first caller first and this app last: a list of
/// texts. The caller's.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_call_path(context: *const MeshContext) -> *mut MeshValue {
    let path = |context: &Context, _: &Served| {
        let names = context.call_path().iter().map(|name| Value::from(name.as_str()));
        value::give(Value::List(names.collect()))
    };
    // SAFETY: as the caller promises.
    unsafe { look(context, std::ptr::null_mut(), path) }
}

/// Milliseconds until the caller's patience ends; -1 if it does not. Calls that the handler makes
/// share it.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_remaining_ms(context: *const MeshContext) -> i64 {
    let left = |context: &Context, _: &Served| {
        context.deadline().map_or(-1, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            i64::try_from(left).unwrap_or(i64::MAX)
        })
    };
    // SAFETY: as the caller promises.
    unsafe { look(context, -1, left) }
}

/// Whether nobody wants the result any more. Costs little: a loop may ask each time round.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_is_cancelled(context: *const MeshContext) -> bool {
    // SAFETY: as the caller promises.
    unsafe { look(context, false, |context, _| context.is_cancelled()) }
}

/// The token that tells when the caller cancels, its deadline passes, or it is gone. The caller's:
/// `mesh_free_token`; it may outlive the handler. NULL for NULL.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_token(context: *const MeshContext) -> *mut MeshToken {
    let token = |context: &Context, _: &Served| handle::give(context.cancel_token().clone());
    // SAFETY: as the caller promises.
    unsafe { look(context, std::ptr::null_mut(), token) }
}

/// Sends an item, which stays the caller's. Blocks while the reader is slow; a cancel ends the
/// wait. `cancelled`, `deadline` or `connection_lost` when nobody wants more: return that then.
/// `bad_value` when it cannot be encoded.
///
/// # Safety
/// `sink` is NULL or still lent; `item` is NULL (`misuse`) or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_sink_send(
    sink: *const MeshSink,
    item: *const MeshValue,
) -> MeshStatus {
    entry(|| {
        // SAFETY: while the sink is lent, the handler runs, and so the sink of `lent_sink` lives.
        let (sink, item) = unsafe { (&**handle::look(sink)?, value::look(item)?) };
        sink.send(item)
    })
}

/// Why nobody wants more, as `mesh_token_reason`; 0 while somebody does.
///
/// # Safety
/// `context` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_context_cancel_reason(context: *const MeshContext) -> MeshStatus {
    let reason =
        |context: &Context, _: &Served| context.cancel_token().reason().map_or(0, status::of);
    // SAFETY: as the caller promises.
    unsafe { look(context, 0, reason) }
}
