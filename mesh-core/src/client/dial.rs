//! Finding an app: one attempt to connect to its address, and what it says of itself.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorCode, Result};
use crate::launch::Probe;
use crate::name::AppName;
use crate::proto::Role;
use crate::runtime::Engine;
use crate::runtime::connection::Connection;
use crate::runtime::current;
use crate::sys::clock::Allowance;
use crate::sys::home::Home;
use crate::sys::lock::FileLock;
use crate::sys::process::ProcessId;
use crate::transport::{Address, Stream};

/// How long an app may accept nobody before it counts as frozen: for who only looks, and for a
/// call.
const LOOK_WAIT: Duration = Duration::from_secs(1);
const CALL_WAIT: Duration = Duration::from_secs(4);
/// How long anybody waits in a queue that moves.
const QUEUE_WAIT: Duration = Duration::from_secs(30);
/// How long one wait for room in a full queue of connections may take.
const FULL_TURN: Duration = Duration::from_millis(50);

/// How long a prober waits for a hello before it takes the app for one that is starting.
const PROBE_WAIT: Duration = Duration::from_millis(500);

/// Connects to whoever listens at the app's address; `None` when nobody does. That it succeeds
/// says that the name has an owner, not that the owner is well. Waits only while the owner's
/// queue of connections is full, as long as `queueing` says.
///
/// # Errors
/// `refused` when the listener is another user's, `not_responding` when its queue stays full,
/// `connect_failed` when the system cannot.
pub(crate) fn dial(
    engine: &Arc<Engine>,
    home: &Home,
    name: &AppName,
    queueing: &Queueing<'_>,
) -> Result<Option<Arc<Connection>>> {
    let failed = |error: io::Error| {
        Error::new(ErrorCode::ConnectFailed, format!("cannot connect to {name}")).source(error)
    };
    let address = Address::of(home, name)?;
    let stream = match connect(&address, queueing) {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory => {
                    Ok(None)
                }
                ErrorKind::PermissionDenied => {
                    let text = format!("the address of {name} is closed to this user");
                    Err(Error::new(ErrorCode::Refused, text)
                        .hint(format!("Look who owns {address}."))
                        .source(error))
                }
                ErrorKind::WouldBlock => Err(not_accepting(home, name).source(error)),
                _ => Err(failed(error)),
            };
        }
    };
    let peer = match stream.peer() {
        Ok(peer) => peer,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let text = format!("the system does not tell who listens as {name}");
            let hint = "It may run with more rights than this process, or as another user.";
            return Err(Error::new(ErrorCode::Refused, text).hint(hint).source(error));
        }
        Err(_) => return Ok(None),
    };
    if !peer.is_own() {
        let text = format!(
            "whoever listens as {name} is user {} (pid {}), not this user",
            peer.user, peer.pid
        );
        return Err(Error::new(ErrorCode::Refused, text).hint(format!("Look who owns {address}.")));
    }
    engine.connect(stream, peer, Role::Initiator).map(Some).map_err(failed)
}

/// What a full queue of connections means. Whoever holds the lock of the name is told, because the
/// kernel does not say who listens before it lets us in.
fn not_accepting(home: &Home, name: &AppName) -> Error {
    let owner = owner_by_lock(home, name).map(|owner| format!(", pid {}", owner.pid));
    let owner = owner.unwrap_or_default();
    let text = format!("{name} is running, not responding: it accepts no connections{owner}");
    Error::new(ErrorCode::NotResponding, text)
        .hint(format!("If it does not recover, `mesh stop {name}` ends it."))
}

/// Who signed the name's lock and still runs.
pub(crate) fn owner_by_lock(home: &Home, name: &AppName) -> Option<ProcessId> {
    FileLock::signer(&home.lock_path(name)).filter(ProcessId::is_alive)
}

/// How long who finds a full queue of connections waits for a place in it.
pub(crate) struct Queueing<'a> {
    /// Without a sign that the queue moves.
    still: Duration,
    until: Instant,
    cancelled: &'a dyn Fn() -> bool,
}

impl Queueing<'_> {
    /// Of who only looks.
    pub(crate) fn look() -> Self {
        Self::claim(LOOK_WAIT)
    }

    /// Of who wants the name, and gives an owner `still` to show that it lives.
    pub(crate) fn claim(still: Duration) -> Self {
        Self { still, until: Instant::now() + QUEUE_WAIT, cancelled: &|| false }
    }

    fn goes_on(&self, still: &Allowance) -> bool {
        !still.is_over() && Instant::now() < self.until && !(self.cancelled)()
    }
}

impl<'a> Queueing<'a> {
    /// Of a call that ends at `until`, if it does.
    pub(crate) fn call(until: Option<Instant>, cancelled: &'a dyn Fn() -> bool) -> Self {
        let most = Instant::now() + QUEUE_WAIT;
        Self { still: CALL_WAIT, until: until.map_or(most, |until| until.min(most)), cancelled }
    }
}

/// Connects; a listener with a full queue is tried again.
fn connect(address: &Address, queueing: &Queueing<'_>) -> io::Result<Stream> {
    let mut still = Allowance::new(queueing.still);
    loop {
        match Stream::connect(address) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && queueing.goes_on(&still) => {
                let _place = current::block();
                if still.turn(FULL_TURN, |most| Stream::wait_for_room(address, most)) {
                    // Somebody else may have been faster, but the owner is at work.
                    still = Allowance::new(queueing.still);
                }
            }
            done => return done,
        }
    }
}

/// Who owns the name now. Connections that were made to find out are kept in `known`.
///
/// # Errors
/// As [`dial`].
pub(crate) fn probe(
    engine: &Arc<Engine>,
    home: &Home,
    name: &AppName,
    known: &mut Option<Arc<Connection>>,
) -> Result<Probe> {
    if known.as_ref().is_none_or(|connection| !connection.is_usable()) {
        *known = dial(engine, home, name, &Queueing::look())?;
    }
    let Some(connection) = known else { return Ok(Probe::Absent) };
    let pid = connection.peer().pid;
    let until = Instant::now() + PROBE_WAIT;
    connection.watch(until, |machine| machine.peer().is_some() || machine.refusal().is_some());
    if !connection.is_usable() {
        return Ok(Probe::Absent);
    }
    match connection.hello() {
        Some(hello) if hello.ready => Ok(Probe::Ready { pid }),
        Some(_) => Ok(Probe::Starting { pid }),
        None => Ok(Probe::Silent { pid }),
    }
}
