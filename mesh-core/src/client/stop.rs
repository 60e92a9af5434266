//! Stopping an app: ask it, wait for its word, and only then use force, through a handle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Inner;
use super::dial::dial;
use crate::error::{Error, ErrorCode, Result};
use crate::launch::starting;
use crate::limits::STOP_GRACE;
use crate::name::AppName;
use crate::proto::Patience;
use crate::runtime::connection::Connection;
use crate::runtime::current;
use crate::runtime::slot::{Arrival, Slot};
use crate::sys::process::Handle;
use crate::wire::arguments;
use crate::wire::manifest::Shape;
use crate::wire::open::{Head, Open};

/// What an app may take beyond its grace, to say goodbye.
const MARGIN: Duration = Duration::from_secs(1);

/// How long a process may take to die of a signal.
const SIGNAL_WAIT: Duration = Duration::from_secs(2);

/// How an app was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stopped {
    /// Nobody owned the name.
    NotRunning,
    /// It left when it was asked to.
    Stopped,
    /// It left after SIGTERM.
    Terminated,
    /// It was killed.
    Killed,
}

pub(super) fn stop(client: &Inner, name: &AppName) -> Result<Stopped> {
    let Some(connection) = dial(&client.engine, &client.home, name)? else {
        return stop_start(client, name);
    };
    // The handle is taken while the connection holds the process's own socket: if the kernel says
    // after that that the connection lives, the number was not another process's.
    let handle = Handle::open(connection.peer().pid);
    let grace = client
        .registry
        .entry(name)
        .ok()
        .flatten()
        .and_then(|entry| entry.launch.stop_grace)
        .unwrap_or(STOP_GRACE);
    let until = Instant::now() + grace + MARGIN;
    ask(&connection, until)?;
    let _place = current::block();
    if connection.watch(until, |machine| machine.is_closed()) {
        return Ok(Stopped::Stopped);
    }
    let Some(handle) = handle else {
        let text = format!("{name} does not stop, and its process cannot be reached");
        return Err(Error::new(ErrorCode::NotResponding, text));
    };
    force(name, &handle)
}

/// Nobody owns the name; a start of it that hangs is ended all the same.
fn stop_start(client: &Inner, name: &AppName) -> Result<Stopped> {
    let Some(handle) = starting(&client.home, name).and_then(|process| Handle::of(&process)) else {
        return Ok(Stopped::NotRunning);
    };
    force(name, &handle)
}

fn force(name: &AppName, handle: &Handle) -> Result<Stopped> {
    handle.terminate();
    if handle.wait(SIGNAL_WAIT) {
        return Ok(Stopped::Terminated);
    }
    handle.kill();
    if handle.wait(SIGNAL_WAIT) {
        return Ok(Stopped::Killed);
    }
    let text = format!("the process of {name} does not die of SIGKILL");
    Err(Error::new(ErrorCode::NotResponding, text).hint("It may wait for a device; look at `ps`."))
}

/// Sends `mesh.stop`; the answer is the end of the connection.
fn ask(connection: &Arc<Connection>, until: Instant) -> Result<()> {
    let head = Head { method: "mesh.stop".to_owned(), shape: Shape::Value, ..Head::default() };
    let open = Open::new(head, arguments::encode(&())?);
    let patience = Patience { until: Some(until), ..Patience::default() };
    let slot = Arc::new(Slot::default());
    if connection.open(&open, patience, &slot).is_err() {
        // It is leaving already, or gone.
        return Ok(());
    }
    let _place = current::block();
    if let Some(Arrival::End(crate::proto::Outcome::Failure(error))) = slot.take_until(until)
        && error.code() == ErrorCode::Refused
    {
        return Err(error);
    }
    Ok(())
}
