//! Claiming a name: at most one process of the user gets it, decided by a kernel lock.
//!
//! The lock says who may own the name; the socket is its address and the second witness: if the
//! lock file was deleted under a living owner, the owner still answers there. A claimant that
//! loses touches nothing.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::dial::{Queueing, dial};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::CLAIM_WAIT;
use crate::name::AppName;
use crate::proto;
use crate::runtime::{Engine, current};
use crate::sys::clock::{self, Allowance};
use crate::sys::home::Home;
use crate::sys::lock::FileLock;
use crate::sys::process;
use crate::transport::{Address, Listener};

/// How often a name that is held by somebody who does not answer is looked at.
const TURN: Duration = Duration::from_millis(10);
/// One turn of the wait for an owner's first word.
const WORD: Duration = Duration::from_millis(50);

/// The app that owns a name already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Running {
    /// The name.
    pub name: AppName,
    /// Its process.
    pub pid: u32,
    /// Its program, where the system tells.
    pub program: Option<PathBuf>,
    /// How long its process has been running.
    pub age: Option<Duration>,
    /// Whether it answers calls yet.
    pub ready: bool,
}

impl Running {
    fn of(name: &AppName, pid: u32, ready: bool) -> Self {
        let (program, age) = (process::program_of(pid), process::age_of(pid));
        Self { name: name.clone(), pid, program, age, ready }
    }
}

/// One line: who runs, where, since when, and how to replace it.
impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is already running (pid {}", self.name, self.pid)?;
        if let Some(program) = &self.program {
            write!(f, ", {}", program.display())?;
        }
        if let Some(age) = self.age {
            write!(f, ", for {}", Age(age))?;
        }
        write!(f, "); `mesh stop {}` to replace it", self.name)
    }
}

/// A duration in its largest whole unit.
struct Age(Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ 0..=119 => write!(f, "{seconds} s"),
            seconds @ 120..=7_199 => write!(f, "{} min", seconds / 60),
            seconds @ 7_200..=172_799 => write!(f, "{} h", seconds / 3_600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}

/// An owned name: the lock, and the socket that callers find. Dropping it gives the name back.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) listener: Arc<Listener>,
    lock: FileLock,
}

impl Owned {
    /// Whether the lock file and the socket are there.
    pub(super) fn is_whole(&self) -> bool {
        self.lock.is_current().unwrap_or(false) && self.listener.is_reachable()
    }

    /// Puts back what a cleaner removed: the lock file, and the socket. Answers the new listener
    /// when there is one.
    pub(super) fn restore(&mut self, home: &Home, name: &AppName) -> Result<Option<Arc<Listener>>> {
        if !self.lock.is_current().unwrap_or(false) {
            home.prepare()?;
            // Somebody who starts holds the new one for a moment, while it looks and finds us.
            let path = home.lock_path(name);
            let _place = current::block();
            let Some(lock) = FileLock::acquire_within(&path, CLAIM_WAIT)? else {
                let text = format!("the lock of {name} was deleted, and somebody else has it now");
                return Err(Error::new(ErrorCode::AlreadyRunning, text));
            };
            sign(&lock, name);
            self.lock = lock;
        }
        if self.listener.is_reachable() {
            return Ok(None);
        }
        self.listener = bind(home, name)?;
        Ok(Some(Arc::clone(&self.listener)))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // While the lock is held: after it, the file may be another owner's. A forked child owns
        // nothing.
        if self.lock.is_ours() && self.lock.is_current().unwrap_or(false) {
            self.listener.unlink();
        }
    }
}

/// How a claim ended.
pub(super) enum Claimed {
    Owner(Owned),
    Loser(Running),
}

/// Takes the name, or finds who has it.
pub(super) fn claim(engine: &Arc<Engine>, home: &Home, name: &AppName) -> Result<Claimed> {
    home.prepare()?;
    let path = home.lock_path(name);
    let mut left = Allowance::new(CLAIM_WAIT);
    loop {
        if let Some(lock) = FileLock::try_acquire(&path)? {
            return match look(engine, home, name, &mut left)? {
                Some(running) => Ok(Claimed::Loser(running)),
                None => own(home, name, lock).map(Claimed::Owner),
            };
        }
        if let Some(running) = look(engine, home, name, &mut left)? {
            return Ok(Claimed::Loser(running));
        }
        if left.is_over() {
            let holder = FileLock::signer(&path);
            let holder = holder.map_or_else(|| "unknown".to_owned(), |owner| owner.pid.to_string());
            let text = format!("{name} is held by pid {holder}, which does not answer");
            return Err(Error::new(ErrorCode::NotResponding, text)
                .hint(format!("It may be starting or stopping; try again, or end pid {holder}.")));
        }
        left.turn(TURN, clock::pause);
    }
}

fn own(home: &Home, name: &AppName, lock: FileLock) -> Result<Owned> {
    sign(&lock, name);
    Ok(Owned { listener: bind(home, name)?, lock })
}

/// Writes into the lock who has it. A full disk is no reason not to own the name: without the
/// note the owner can only not be ended by force.
fn sign(lock: &FileLock, name: &AppName) {
    if let Err(error) = lock.sign() {
        log::info!(target: "mesh::app", "the lock of {name} does not say who has it: {error}");
    }
}

fn bind(home: &Home, name: &AppName) -> Result<Arc<Listener>> {
    let address = Address::of(home, name)?;
    Listener::bind(address.clone()).map(Arc::new).map_err(|error| {
        let text = format!("cannot listen at {address}");
        Error::new(ErrorCode::Home, text).hint(Listener::HINT).source(error)
    })
}

/// Who answers at the name's address. Silence until no time is left is an error that says so.
fn look(
    engine: &Arc<Engine>,
    home: &Home,
    name: &AppName,
    left: &mut Allowance,
) -> Result<Option<Running>> {
    let Some(connection) = dial(engine, home, name, &Queueing::claim(CLAIM_WAIT))? else {
        return Ok(None);
    };
    let pid = connection.peer().pid;
    let has_word = |machine: &proto::Connection| machine.peer().is_some() || machine.is_closed();
    let watch = |most| connection.watch(Instant::now() + most, has_word);
    while !left.turn(WORD, watch) && !left.is_over() {}
    let hello = connection.hello();
    let closed = connection.is_closed();
    connection.close(&Error::new(ErrorCode::ConnectionLost, "only looked"));
    match hello {
        Some(hello) => Ok(Some(Running::of(name, pid, hello.ready))),
        None if closed => Ok(None),
        None => Err(Error::new(
            ErrorCode::NotResponding,
            format!("{name} is running, not responding, pid {pid}"),
        )
        .hint(format!("If it does not recover, `mesh stop {name}` ends it."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn owned(home: &Home, name: &AppName) -> Owned {
        let lock = FileLock::try_acquire(&home.lock_path(name)).unwrap().unwrap();
        own(home, name, lock).unwrap()
    }

    // Unix only: elsewhere nobody can delete a lock that is held.
    #[cfg(unix)]
    #[test]
    fn a_deleted_lock_comes_back_even_if_somebody_looks_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let (home, name) = (Home::at(dir.path().join("h")), AppName::parse("one").unwrap());
        home.prepare().unwrap();
        let mut owned = owned(&home, &name);
        assert_eq!(FileLock::signer(&home.lock_path(&name)), process::ProcessId::own());
        std::fs::remove_file(home.lock_path(&name)).unwrap();
        let starter = FileLock::try_acquire(&home.lock_path(&name)).unwrap().unwrap();
        assert!(!owned.is_whole());
        std::thread::scope(|scope| {
            let restored = scope.spawn(|| owned.restore(&home, &name).map(drop));
            drop(starter);
            restored.join().unwrap().unwrap();
        });
        assert!(owned.is_whole());
        assert_eq!(FileLock::signer(&home.lock_path(&name)), process::ProcessId::own());
    }

    #[test]
    fn who_runs_is_told_in_one_line() {
        let running = Running {
            name: AppName::parse("scanner").unwrap(),
            pid: 7,
            program: Some("/bin/scanner".into()),
            age: Some(Duration::from_secs(3_700)),
            ready: true,
        };
        assert_eq!(
            running.to_string(),
            "scanner is already running (pid 7, /bin/scanner, for 61 min); \
             `mesh stop scanner` to replace it"
        );
    }
}
