//! Local sockets: named pipes.
//!
//! Only this user may open them, by their access list, and nobody on another machine. Both ends
//! ask the system who the other one is, before a byte is read. The pipe is there as long as
//! somebody at either end holds an instance of it: a name whose owner died has no address, once
//! its clients have noticed.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Peer;
use super::address::Address;
use crate::sys::access::Descriptor;
use crate::sys::pipe::Pipe;
use crate::sys::readiness::{Interest, Readiness};
use crate::sys::{clock, user};

/// Instances that wait for a client at any time: so many may come at once. More are told to try
/// again, as with a full queue of a socket.
const SPARE: usize = 32;

/// How long the connections of an owner that has just left may hold on to its name, before it is
/// taken over with them.
const HOLD: Duration = Duration::from_millis(500);
const HOLD_TURN: Duration = Duration::from_millis(5);

/// A pipe that apps connect to: the instances that wait for a client.
#[derive(Debug)]
pub(crate) struct Listener {
    address: Address,
    owner: Descriptor,
    spare: Mutex<Vec<Pipe>>,
}

impl Listener {
    /// What to look at when [`Self::bind`] fails.
    pub(crate) const HINT: &str = "If access is denied, another program has made a pipe of this \
                                   name: find it and end it.";

    /// Listens at an address that nobody listens at. Only the holder of the name's lock may call
    /// this.
    ///
    /// # Errors
    /// `PermissionDenied` when another user has made a pipe of this name; what the system says.
    ///
    /// # Blocking
    /// Up to half a second, while connections of a former owner are closed.
    pub(crate) fn bind(address: Address) -> io::Result<Self> {
        let owner = Descriptor::exclusive()?;
        let until = Instant::now() + HOLD;
        let first = loop {
            match Pipe::create(&address.pipe, &owner, true) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    if Instant::now() >= until {
                        break Self::take_over(&address, &owner)?;
                    }
                    clock::pause(HOLD_TURN);
                }
                made => break made?,
            }
        };
        let mut spare = vec![first];
        while spare.len() < SPARE {
            spare.push(Pipe::create(&address.pipe, &owner, false)?);
        }
        Ok(Self { address, owner, spare: Mutex::new(spare) })
    }

    /// An instance of a pipe that is still there, though the lock says that nobody listens: a
    /// client of the dead owner sleeps and has not closed its end. Only if the pipe is this user's.
    fn take_over(address: &Address, owner: &Descriptor) -> io::Result<Pipe> {
        let pipe = Pipe::create(&address.pipe, owner, false)?;
        if pipe.is_exclusive()? { Ok(pipe) } else { Err(ErrorKind::PermissionDenied.into()) }
    }

    /// The next connection; `None` when nobody waits.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn accept(&self) -> io::Result<Option<Stream>> {
        let mut spare = self.spare.lock();
        let mut at = 0;
        while let Some(pipe) = spare.get(at) {
            let Some(accepted) = pipe.accepted() else {
                at += 1;
                continue;
            };
            // The new one is there before the old one goes, so that the name never vanishes.
            let fresh = Pipe::create(&self.address.pipe, &self.owner, false)?;
            spare.push(fresh);
            let pipe = spare.swap_remove(at);
            if accepted.is_ok() {
                return Ok(Some(Stream { pipe, side: Side::Server }));
            }
        }
        Ok(None)
    }

    /// Whether callers find the listener: always, nobody can delete a pipe.
    #[expect(clippy::unused_self, reason = "the face of the other platforms")]
    pub(crate) fn is_reachable(&self) -> bool {
        true
    }

    /// Gives up the name, as far as no connection has it. Only while the name's lock is held.
    pub(crate) fn unlink(&self) {
        self.spare.lock().clear();
    }

    /// Puts the listener into a readiness set, disarmed.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn watch(&self, set: &Readiness, token: u64) -> io::Result<()> {
        self.spare.lock().iter().try_for_each(|pipe| pipe.attach(set, token))
    }

    /// Arms it for the next connection.
    ///
    /// # Errors
    /// What the system says of any instance; the others are armed all the same.
    pub(crate) fn arm(&self, set: &Readiness, token: u64) -> io::Result<()> {
        let arm = |pipe: &Pipe| {
            pipe.attach(set, token)?;
            pipe.listen(set)
        };
        self.spare.lock().iter().map(arm).fold(Ok(()), io::Result::and)
    }

    /// Takes it out of the set.
    pub(crate) fn forget(&self, _set: &Readiness) {
        for pipe in self.spare.lock().iter() {
            pipe.detach();
        }
    }
}

/// Which end of a pipe this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

/// A connected byte stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pipe: Pipe,
    side: Side,
}

impl Stream {
    /// Connects, without waiting. That it succeeds proves little: an instance that waits takes a
    /// client on behalf of a process that is frozen.
    ///
    /// # Errors
    /// `NotFound` when nobody listens, `WouldBlock` when too many wait to be accepted.
    pub(crate) fn connect(address: &Address) -> io::Result<Self> {
        Ok(Self { pipe: Pipe::open(&address.pipe)?, side: Side::Client })
    }

    /// Blocks until the listener has room for one more, for `most` at the longest; answers whether
    /// it had. Somebody else may be faster.
    pub(crate) fn wait_for_room(address: &Address, most: Duration) -> bool {
        Pipe::wait_for_room(&address.pipe, most)
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// When the system does not know, because the peer is gone already.
    pub(crate) fn peer(&self) -> io::Result<Peer> {
        let (pid, known) = match self.side {
            // The access list let it in.
            Side::Server => (self.pipe.client()?, user::own()),
            // A number may be another process's by now; whose the pipe is cannot be forged.
            Side::Client => (self.pipe.server()?, self.pipe.maker()?),
        };
        if known != user::own() {
            return Ok(Peer { pid, user: known });
        }
        let user = match user::of_process(pid) {
            // A process with more rights than this one does not show whose it is.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => known,
            told => told?,
        };
        Ok(Peer { pid, user })
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 at the end.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(buffer)
    }

    /// Writes what fits; `WouldBlock` when nothing does.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.write(bytes)
    }

    /// How many of the bytes that were written last the peer has certainly not read: a pipe does
    /// not tell.
    pub(crate) fn unread(_error: &io::Error) -> u64 {
        0
    }

    /// Whether the peer can read all that was written, even if this end is closed now.
    pub(crate) fn is_flushed(&self) -> bool {
        self.pipe.is_flushed()
    }

    /// Ends both directions.
    pub(crate) fn shutdown(&self) {
        self.pipe.close();
    }

    /// Puts the stream into a readiness set, disarmed.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn watch(&self, set: &Readiness, token: u64) -> io::Result<()> {
        self.pipe.attach(set, token)
    }

    /// Arms it.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn arm(&self, set: &Readiness, _token: u64, interest: Interest) -> io::Result<()> {
        self.pipe.arm(set, interest)
    }

    /// Takes it out of the set.
    pub(crate) fn forget(&self, _set: &Readiness) {
        self.pipe.detach();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::AppName;
    use crate::sys::home::Home;
    use crate::sys::readiness::Woken;

    const SOON: Option<Duration> = Some(Duration::from_secs(5));
    const READ: Interest = Interest { read: true, write: false };

    fn address(home: &tempfile::TempDir) -> Address {
        Address::of(&Home::at(home.path()), &AppName::parse("a").unwrap()).unwrap()
    }

    /// A listener that is armed, and both ends of a connection.
    fn pair(set: &Readiness, address: &Address) -> (Listener, Stream, Stream) {
        let listener = Listener::bind(address.clone()).unwrap();
        listener.watch(set, 1).unwrap();
        listener.arm(set, 1).unwrap();
        assert!(listener.accept().unwrap().is_none());
        let near = Stream::connect(address).unwrap();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(1));
        let far = listener.accept().unwrap().unwrap();
        far.watch(set, 2).unwrap();
        near.watch(set, 3).unwrap();
        (listener, near, far)
    }

    #[test]
    fn both_ends_know_who_the_other_is_and_bytes_pass() {
        let home = tempfile::tempdir().unwrap();
        let (address, set) = (address(&home), Readiness::new().unwrap());
        let (_listener, near, far) = pair(&set, &address);
        for end in [&near, &far] {
            let peer = end.peer().unwrap();
            assert_eq!(peer.pid, std::process::id());
            assert!(peer.is_own());
        }
        assert_eq!(near.pipe.maker().unwrap(), user::own());
        far.arm(&set, 2, READ).unwrap();
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        assert_eq!(near.write(b"hello").unwrap(), 5);
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(2));
        let mut buffer = [0; 4];
        assert_eq!(far.read(&mut buffer).unwrap(), 4);
        assert_eq!(far.read(&mut buffer).unwrap(), 1);
        assert_eq!(far.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        // What came while it was not armed is reported when it is.
        near.write(b"again").unwrap();
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        far.arm(&set, 2, READ).unwrap();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(2));
        near.shutdown();
        assert_eq!(far.read(&mut [0; 64]).unwrap(), 5, "what was written before the end");
        assert_eq!(far.read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn a_full_pipe_takes_no_more_and_reports_that_there_is_room() {
        let home = tempfile::tempdir().unwrap();
        let (address, set) = (address(&home), Readiness::new().unwrap());
        let (_listener, near, far) = pair(&set, &address);
        let (data, mut written) = (vec![7; 50_000], 0);
        let full = loop {
            match near.write(&data) {
                Ok(length) => written += length,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        near.arm(&set, 3, Interest { read: false, write: true }).unwrap();
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        assert!(!near.is_flushed(), "what is under way would be lost by an end now");
        let (mut buffer, mut read) = (vec![0; 30_000], 0);
        while read < written {
            match far.read(&mut buffer) {
                Ok(length) => read += length,
                Err(error) => panic!("{read} of {written}: {error}"),
            }
        }
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(3));
        // Armed only after the room was reported to somebody else: it is reported again.
        near.arm(&set, 3, Interest { read: false, write: true }).unwrap();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(3));
        assert!(near.is_flushed());
        assert_eq!(near.write(b"x").unwrap(), 1);
    }

    #[test]
    fn a_pipe_that_was_armed_by_a_thread_that_has_ended_is_read_all_the_same() {
        let home = tempfile::tempdir().unwrap();
        let (address, set) = (address(&home), Readiness::new().unwrap());
        let (_listener, near, far) = pair(&set, &address);
        std::thread::scope(|scope| scope.spawn(|| far.arm(&set, 2, READ)).join().unwrap()).unwrap();
        // Wine reports a read that its thread took along; then it is to be begun again.
        if set.wait(Some(Duration::ZERO)).unwrap() == Woken::Source(2) {
            assert_eq!(far.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
            far.arm(&set, 2, READ).unwrap();
        }
        near.write(b"hello").unwrap();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(2));
        assert_eq!(far.read(&mut [0; 8]).unwrap(), 5);
    }

    #[test]
    fn the_end_of_a_peer_is_reported_and_an_armed_pipe_may_be_closed() {
        let home = tempfile::tempdir().unwrap();
        let (address, set) = (address(&home), Readiness::new().unwrap());
        let (_listener, near, far) = pair(&set, &address);
        far.arm(&set, 2, READ).unwrap();
        near.arm(&set, 3, READ).unwrap();
        far.forget(&set);
        far.shutdown();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(3));
        assert_eq!(near.read(&mut [0; 8]).unwrap(), 0);
        assert!(near.write(b"x").is_err());
    }

    #[test]
    fn a_name_has_one_listener_and_is_free_after_it() {
        let home = tempfile::tempdir().unwrap();
        let address = address(&home);
        assert_eq!(Stream::connect(&address).unwrap_err().kind(), ErrorKind::NotFound);
        let listener = Listener::bind(address.clone()).unwrap();
        let owner = Descriptor::exclusive().unwrap();
        let second = Pipe::create(&address.pipe, &owner, true).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::PermissionDenied);
        let clients: Vec<_> = (0..SPARE).map(|_| Stream::connect(&address).unwrap()).collect();
        assert_eq!(Stream::connect(&address).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(clients);
        listener.unlink();
        assert_eq!(Stream::connect(&address).unwrap_err().kind(), ErrorKind::NotFound);
        Listener::bind(address).unwrap();
    }

    #[test]
    fn a_client_that_sleeps_does_not_keep_the_name_of_a_dead_owner() {
        let home = tempfile::tempdir().unwrap();
        let (address, set) = (address(&home), Readiness::new().unwrap());
        let (listener, sleeper, far) = pair(&set, &address);
        assert!(sleeper.pipe.is_exclusive().unwrap());
        drop((listener, far));
        let next = Listener::bind(address.clone()).unwrap();
        Stream::connect(&address).unwrap();
        drop((sleeper, next));
    }
}
