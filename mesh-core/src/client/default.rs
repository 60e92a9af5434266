//! The client of the whole process, for programs that need no settings.

use std::sync::OnceLock;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, Request, Stream};
use crate::error::Result;

static DEFAULT: OnceLock<Client> = OnceLock::new();

/// The app of this process, once it has claimed its name: calls are made in it.
static NAME: Mutex<Option<String>> = Mutex::new(None);

/// What peers are told about the library.
pub(crate) fn software() -> String {
    concat!("mesh-core ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// Lets the process's own client call in the name of an app, if it has not called yet.
pub(crate) fn name_default(name: &str) {
    NAME.lock().get_or_insert_with(|| name.to_owned());
}

fn default() -> Result<&'static Client> {
    if let Some(client) = DEFAULT.get() {
        return Ok(client);
    }
    let mut builder = Client::builder();
    if let Some(name) = NAME.lock().as_deref() {
        builder = builder.name(name);
    }
    let client = builder.build()?;
    Ok(DEFAULT.get_or_init(|| client))
}

/// Calls a method of an app and waits for its value; launches the app if it is off.
///
/// ```no_run
/// let sum: i64 = mesh_core::call("calculator", "add", (2, 3))?;
/// # Ok::<(), mesh_core::Error>(())
/// ```
///
/// # Errors
/// As [`Client::call`].
///
/// # Blocking
/// As [`Client::call`]: 5 s from the moment the app is ready.
pub fn call<R: DeserializeOwned>(app: &str, method: &str, args: impl Serialize) -> Result<R> {
    default()?.call(app, method, args)
}

/// Opens a stream of an app; launches the app if it is off. Dropping the stream cancels it.
///
/// ```no_run
/// for item in mesh_core::stream::<String>("scanner", "scan", ("/usr",))? {
///     println!("{}", item?);
/// }
/// # Ok::<(), mesh_core::Error>(())
/// ```
///
/// # Errors
/// As [`Client::stream`].
///
/// # Blocking
/// As [`Client::stream`].
pub fn stream<T: DeserializeOwned>(
    app: &str,
    method: &str,
    args: impl Serialize,
) -> Result<Stream<T>> {
    default()?.stream(app, method, args)
}

/// An exchange of the process's own client in the making, for a call or a stream with options.
///
/// # Errors
/// `home` when no home is known.
pub fn request(app: &str, method: &str) -> Result<Request> {
    Ok(default()?.request(app, method))
}
