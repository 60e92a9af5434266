//! Stopping an app: ask it, wait for its word, and only then use force, through a handle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Inner;
use super::dial::{Queueing, dial, owner_by_lock};
use crate::error::{Error, ErrorCode, Result};
use crate::launch::{starting, stopped, stopping};
use crate::limits::STOP_GRACE;
use crate::name::AppName;
use crate::proto::Patience;
use crate::runtime::connection::Connection;
use crate::runtime::current;
use crate::runtime::slot::{Arrival, Slot};
use crate::sys::lock::FileLock;
use crate::sys::process::Handle;
use crate::wire::arguments;
use crate::wire::hello::Hello;
use crate::wire::manifest::Shape;
use crate::wire::open::{Head, Open};

/// What an app may take beyond its grace, to say goodbye.
const MARGIN: Duration = Duration::from_secs(1);

/// The most that an app may ask for.
const GRACE_MAX: Duration = Duration::from_secs(600);

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
    /// It left after SIGTERM, which Windows does not have.
    Terminated,
    /// It was killed.
    Killed,
}

pub(super) fn stop(client: &Inner, name: &AppName) -> Result<Stopped> {
    let connection = match dial(&client.engine, &client.home, name, &Queueing::look()) {
        Ok(Some(connection)) => connection,
        Ok(None) => return stop_start(client, name),
        Err(error) if error.code() == ErrorCode::NotResponding => {
            // Its queue is full and nobody can ask it. Who signed the lock of a living name owns
            // it.
            let owner = owner_by_lock(&client.home, name).and_then(|owner| Handle::of(&owner));
            return owner.map_or(Err(error), |handle| force(name, &handle));
        }
        Err(error) => return Err(error),
    };
    // The kernel tells who made the listener. That process may be gone, with a forked child of its
    // that holds the socket, and its number another's: only who signed the lock is ended by force.
    let pid = connection.peer().pid;
    let owner = FileLock::signer(&client.home.lock_path(name)).filter(|owner| owner.pid == pid);
    let handle = owner.and_then(|owner| Handle::of(&owner));
    let entry = client.registry.entry(name).ok().flatten();
    let known = entry.and_then(|entry| entry.launch.stop_grace).unwrap_or(STOP_GRACE);
    let begun = Instant::now();
    let _place = current::block();
    let told = |machine: &crate::proto::Connection| machine.peer().is_some() || machine.is_closed();
    connection.watch(begun + known + MARGIN, told);
    let hello = connection.hello();
    let until = begun + grace(known, hello.as_ref()) + MARGIN;
    let was_ready = hello.is_some_and(|hello| hello.ready);
    if !was_ready {
        note(name, stopping(&client.home, name));
    }
    ask(&connection, until)?;
    if connection.watch(until, |machine| machine.is_closed()) {
        if was_ready {
            note(name, stopped(&client.home, name));
        }
        return Ok(Stopped::Stopped);
    }
    let Some(handle) = handle else {
        let text = format!("{name} does not stop, and pid {pid} is not known to be it");
        return Err(Error::new(ErrorCode::NotResponding, text).hint(format!(
            "See what pid {pid} is before you end it; it may be a child of {name}."
        )));
    };
    force(name, &handle)
}

/// How long the app is given: what is `known` of it, or more if it says so itself.
fn grace(known: Duration, hello: Option<&Hello>) -> Duration {
    let own = hello.and_then(|hello| hello.stop_grace_ms).map_or(known, Duration::from_millis);
    known.max(own.min(GRACE_MAX))
}

/// Nobody owns the name; a start of it that hangs is ended all the same.
fn stop_start(client: &Inner, name: &AppName) -> Result<Stopped> {
    let Some(handle) = starting(&client.home, name).and_then(|process| Handle::of(&process)) else {
        return Ok(Stopped::NotRunning);
    };
    note(name, stopping(&client.home, name));
    force(name, &handle)
}

/// A ledger that cannot be written is no reason not to stop the app.
fn note(name: &AppName, done: Result<()>) {
    if let Err(error) = done {
        log::warn!("the stop of {name} is not written down: {error}");
    }
}

fn force(name: &AppName, handle: &Handle) -> Result<Stopped> {
    // One that could not be asked is not waited for; if it is gone, it left of itself just now.
    let (left, wait) = match handle.terminate() {
        true => (Stopped::Terminated, SIGNAL_WAIT),
        false => (Stopped::Stopped, Duration::ZERO),
    };
    if handle.wait(wait) {
        return Ok(left);
    }
    let is_killed = handle.kill();
    if handle.wait(SIGNAL_WAIT) {
        return Ok(if is_killed { Stopped::Killed } else { left });
    }
    let text = format!("the process of {name} is killed and does not end");
    Err(Error::new(ErrorCode::NotResponding, text)
        .hint("The system ends it when what it waits for, such as a device, lets it go."))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::ProcessId;
    use crate::sys::spawn::script::{SCRIPT_VARIABLE, command};
    use std::process::{Child, Command, Stdio};

    /// A process that lives longer than its test.
    fn living() -> (Child, Handle) {
        let line = command();
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).env(SCRIPT_VARIABLE, "gate").env("GATE", &line[0]);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let handle = Handle::of(&ProcessId::of(child.id()).unwrap()).unwrap();
        (child, handle)
    }

    #[test]
    fn what_ended_before_force_was_used_was_not_ended_by_force() {
        let name = AppName::parse("one").unwrap();
        let (mut child, handle) = living();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(force(&name, &handle).unwrap(), Stopped::Stopped);
        let (mut child, handle) = living();
        assert_ne!(force(&name, &handle).unwrap(), Stopped::Stopped);
        child.wait().unwrap();
    }

    #[test]
    fn an_app_may_ask_for_more_time_than_is_known_but_not_for_ever() {
        let hello = |ms| Hello { stop_grace_ms: ms, ..Hello::default() };
        let given = |ms| grace(STOP_GRACE, Some(&hello(ms)));
        assert_eq!(grace(STOP_GRACE, None), STOP_GRACE);
        assert_eq!(given(None), STOP_GRACE);
        assert_eq!(given(Some(20_000)), Duration::from_secs(20));
        assert_eq!(given(Some(500)), STOP_GRACE);
        assert_eq!(given(Some(u64::MAX)), GRACE_MAX);
    }
}
