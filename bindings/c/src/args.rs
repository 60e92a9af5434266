//! The arguments of a call: those that C gives, and those that its handlers get.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use mesh_core::{Args, Error, ErrorCode, Result, Value};

use crate::entry::entry;
use crate::handle::{self, Lent, Opaque, misuse, put_must};
use crate::read;
use crate::status::MeshStatus;
use crate::text::MeshText;
use crate::value::{self, MeshValue};

/// The arguments of a call that a handler serves; lent to the handler until it returns. Any thread
/// may read them meanwhile.
#[derive(Debug)]
pub struct MeshArgs(());

/// What is behind it: positional and named arguments, and the names of the method's parameters.
#[derive(Debug)]
pub(crate) struct Given {
    positional: Value,
    named: Value,
    params: Vec<String>,
}

impl Opaque for MeshArgs {
    type Inner = Given;
    const NOUN: &'static str = "arguments";
    const TAG: u64 = u64::from_be_bytes(*b"mesh arg");
}

/// Arguments as they are lent to a handler.
pub(crate) fn lent(args: Args, params: &[String]) -> Lent<MeshArgs> {
    let named = args.named.into_iter().map(|(name, value)| (Value::Text(name), value)).collect();
    let (positional, named) = (Value::List(args.positional), Value::Map(named));
    Lent::new(Given { positional, named, params: params.to_vec() })
}

/// What C gives with a call: a list or NULL, and a map or NULL, both copied.
///
/// # Safety
/// NULL or live.
pub(crate) unsafe fn collect(
    positional: *const MeshValue,
    named: *const MeshValue,
) -> Result<Args> {
    let mut args = Args::new();
    if !positional.is_null() {
        // SAFETY: as the caller promises.
        match unsafe { value::look(positional)? } {
            Value::List(values) => args.positional.clone_from(values),
            other => {
                let text = format!("positional arguments are a list, not {}", value::noun(other));
                return Err(misuse(text));
            }
        }
    }
    if !named.is_null() {
        // SAFETY: as the caller promises.
        let Value::Map(pairs) = (unsafe { value::look(named)? }) else {
            return Err(misuse("named arguments are a map"));
        };
        for (name, value) in pairs {
            let Value::Text(name) = name else {
                return Err(misuse("the name of an argument is not text"));
            };
            args.named.push((name.clone(), value.clone()));
        }
    }
    Ok(args)
}

impl Given {
    fn list(&self) -> &[Value] {
        match &self.positional {
            Value::List(values) => values,
            _ => &[],
        }
    }

    /// The argument of a parameter, however the caller gave it.
    fn get(&self, name: &str) -> Option<&Value> {
        let at = self.params.iter().position(|param| param == name);
        at.and_then(|at| self.list().get(at)).or_else(|| self.named.get(name))
    }

    fn at(&self, at: usize) -> Option<&Value> {
        let by_name = || self.named.get(self.params.get(at)?);
        self.list().get(at).or_else(by_name)
    }
}

/// The argument of a parameter by its place in the method's `params`, from 0 on; NULL where the
/// caller gave none. Lent as the arguments.
///
/// # Safety
/// `args` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_args_at(args: *const MeshArgs, at: usize) -> *const MeshValue {
    // SAFETY: as the caller promises.
    let found = unsafe { handle::look(args) }.ok().and_then(|args| args.at(at));
    found.map_or(std::ptr::null(), value::lend)
}

/// The argument of a parameter by its name, given by place or by name; NULL where the caller gave
/// none. Lent as the arguments.
///
/// # Safety
/// `args` is NULL or still lent; `name` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_args_get(args: *const MeshArgs, name: MeshText) -> *const MeshValue {
    // SAFETY: as the caller promises.
    let found = unsafe { handle::look(args).ok().zip(name.read().ok()) };
    found.and_then(|(args, name)| args.get(name)).map_or(std::ptr::null(), value::lend)
}

/// What the caller gave by place: a list. For methods with `MESH_ANY_PARAMS`. Lent.
///
/// # Safety
/// `args` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_args_positional(args: *const MeshArgs) -> *const MeshValue {
    // SAFETY: as the caller promises.
    let found = unsafe { handle::look(args) };
    found.map_or(std::ptr::null(), |args| value::lend(&args.positional))
}

/// What the caller gave by name: a map. For methods with `MESH_ANY_PARAMS`. Lent.
///
/// # Safety
/// `args` is NULL or still lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_args_named(args: *const MeshArgs) -> *const MeshValue {
    // SAFETY: as the caller promises.
    let found = unsafe { handle::look(args) };
    found.map_or(std::ptr::null(), |args| value::lend(&args.named))
}

/// Reads a truth that the caller must give. `bad_arguments` names the argument that is missing or
/// something else: a handler returns it as it is.
///
/// # Safety
/// `args` is NULL or still lent; `name` can be read; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_arg_bool(
    args: *const MeshArgs,
    name: MeshText,
    out: *mut bool,
) -> MeshStatus {
    // SAFETY: as the caller promises.
    unsafe { read_as(args, name, out, read::bool_of) }
}

/// As `mesh_arg_bool`, a whole number.
///
/// # Safety
/// As `mesh_arg_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_arg_int(
    args: *const MeshArgs,
    name: MeshText,
    out: *mut i64,
) -> MeshStatus {
    // SAFETY: as the caller promises.
    unsafe { read_as(args, name, out, read::int_of) }
}

/// As `mesh_arg_bool`, a number as a `double`.
///
/// # Safety
/// As `mesh_arg_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_arg_float(
    args: *const MeshArgs,
    name: MeshText,
    out: *mut f64,
) -> MeshStatus {
    // SAFETY: as the caller promises.
    unsafe { read_as(args, name, out, read::float_of) }
}

/// As `mesh_arg_bool`, a text, lent as the arguments.
///
/// # Safety
/// As `mesh_arg_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_arg_text(
    args: *const MeshArgs,
    name: MeshText,
    out: *mut MeshText,
) -> MeshStatus {
    // SAFETY: as the caller promises.
    unsafe { read_as(args, name, out, read::text_of) }
}

/// # Safety
/// As `mesh_arg_bool`.
unsafe fn read_as<T>(
    args: *const MeshArgs,
    name: MeshText,
    out: *mut T,
    of: impl FnOnce(&Value) -> Result<T>,
) -> MeshStatus {
    entry(|| {
        // SAFETY: as the caller promises.
        let (args, name) = unsafe { (handle::look(args)?, name.read()?) };
        let bad = |text: String| Error::new(ErrorCode::BadArguments, text);
        let value = args.get(name);
        let value = value.ok_or_else(|| bad(format!("the argument `{name}` is missing")))?;
        let answer = of(value).map_err(|error| bad(format!("the argument `{name}`: {error}")));
        // SAFETY: as the caller promises.
        unsafe { put_must(out, || answer) }
    })
}
