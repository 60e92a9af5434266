//! Structures of options: how they grow without a new interface, and what several have in common.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use std::time::Duration;

use mesh_core::{Limits, Result, Value};

use crate::handle::misuse;
use crate::value::{self, MeshValue};

/// The largest that a later version may have; what is larger has an unset size.
const SIZE_MAX: usize = 4_096;

/// A structure that C fills. Zeros are the defaults of all that follows its size.
///
/// # Safety
/// `repr(C)`, its first field the size as `usize`; of what C writes into it every bit is a value.
pub(crate) unsafe trait Options: Copy {}

/// Reads a structure of options by the size that its program knew: what that did not know yet is
/// as by default. NULL is all defaults.
///
/// # Errors
/// `misuse` when the size is none, or the program is newer and asks for what is unknown here.
///
/// # Safety
/// NULL, or as many bytes can be read as its first field says.
pub(crate) unsafe fn read<T: Options>(given: *const T, name: &str) -> Result<T> {
    // SAFETY: `Options` promises that zeros are a value.
    let mut options: T = unsafe { std::mem::zeroed() };
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: it begins with its size, and the caller promises that it can be read.
    let size = unsafe { given.cast::<usize>().read() };
    if !(size_of::<usize>()..=SIZE_MAX).contains(&size) {
        let text = format!("`struct_size` of {name} is {size}");
        return Err(misuse(text).hint(format!("Set it to sizeof({name}).")));
    }
    let known = size.min(size_of::<T>());
    let from = given.cast::<u8>();
    // SAFETY: both are at least this long, and do not overlap: one is our own.
    unsafe { from.copy_to_nonoverlapping((&raw mut options).cast(), known) };
    // SAFETY: the caller promises that this much can be read.
    let rest = unsafe { std::slice::from_raw_parts(from.add(known), size - known) };
    if rest.iter().any(|&byte| byte != 0) {
        let text = format!("{name} asks for something that this library does not know yet");
        return Err(misuse(text).hint("Use a library as new as the mesh.h of the program."));
    }
    Ok(options)
}

/// Refuses flags that are not known.
pub(crate) fn check_flags(given: u32, known: u32) -> Result<()> {
    match given & !known {
        0 => Ok(()),
        unknown => Err(misuse(format!("there is no flag {unknown:#x} here"))),
    }
}

/// Milliseconds of C's as a time: 0 is the default, anything negative no bound, as zero is in Rust.
pub(crate) fn timeout(ms: i64) -> Option<Duration> {
    match ms {
        0 => None,
        ms => Some(u64::try_from(ms).map_or(Duration::ZERO, Duration::from_millis)),
    }
}

/// Bounds other than the default ones, from a map of their names in docs to whole numbers.
///
/// # Errors
/// `misuse` for a name that is none and a number that does not fit.
///
/// # Safety
/// NULL or live.
pub(crate) unsafe fn limits(map: *const MeshValue) -> Result<Limits> {
    let mut limits = Limits::default();
    if map.is_null() {
        return Ok(limits);
    }
    // SAFETY: as the caller promises.
    let Value::Map(pairs) = (unsafe { value::look(map)? }) else {
        return Err(misuse("the limits are no map"));
    };
    for (name, number) in pairs {
        let name = name.as_str().unwrap_or_default();
        let count = number.as_u64().and_then(|number| usize::try_from(number).ok());
        let count =
            count.ok_or_else(|| misuse(format!("the limit `{name}` is no whole number")))?;
        let place = match name {
            "handlers" => &mut limits.handlers,
            "threads" => &mut limits.threads,
            "queue" => &mut limits.queue,
            "queue_per_connection" => &mut limits.queue_per_connection,
            "exchanges" => &mut limits.exchanges,
            "message" => &mut limits.message,
            "assembly" => &mut limits.assembly,
            "output" => &mut limits.output,
            "connections" => &mut limits.connections,
            "connections_per_process" => &mut limits.connections_per_process,
            other => return Err(misuse(format!("there is no limit `{other}`"))),
        };
        *place = count;
    }
    Ok(limits)
}
