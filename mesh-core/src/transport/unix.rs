//! Local sockets: Unix domain sockets, by the interprocess crate.
//!
//! The socket file is owner-only from before it exists under its name, in a directory that is
//! owner-only too; on macOS, where a socket has no mode before it has a name, the directory alone
//! protects it in the moment between. Both ends ask the kernel who the other one is, before a byte
//! is read.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(target_os = "macos")]
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use interprocess::ConnectWaitMode;
use interprocess::local_socket::traits::{Listener as _, StreamCommon as _};
use interprocess::local_socket::{
    self, ConnectOptions, GenericFilePath, ListenerNonblockingMode, ListenerOptions, ToFsName as _,
};
#[cfg(target_os = "linux")]
use interprocess::os::unix::local_socket::ListenerOptionsExt as _;

use super::Peer;
use super::address::Address;
use crate::sys::clock;
use crate::sys::readiness::{Interest, Readiness};

/// The mode of a socket file.
const MODE: rustix::fs::RawMode = 0o600;

/// How often a listener is tried whose queue is full.
const FULL_TURN: Duration = Duration::from_millis(5);

/// A socket that apps connect to. Dropping it leaves the file: only the owner of the name may
/// remove that, see [`Listener::unlink`].
#[derive(Debug)]
pub(crate) struct Listener {
    inner: local_socket::Listener,
    address: Address,
}

impl Listener {
    /// What to look at when [`Self::bind`] fails.
    pub(crate) const HINT: &str = "Look at the rights of its directory and the room on its disk.";

    /// Listens at an address that nobody listens at. Only the holder of the name's lock may call
    /// this: a file that is left there is taken for a dead owner's and removed.
    ///
    /// # Errors
    /// What the system says, a full disk or missing rights for example.
    pub(crate) fn bind(address: Address) -> io::Result<Self> {
        match fs::remove_file(&address.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let options = ListenerOptions::new()
            .name(address.short.as_os_str().to_fs_name::<GenericFilePath>()?)
            .nonblocking(ListenerNonblockingMode::Both)
            .reclaim_name(false);
        #[cfg(target_os = "linux")]
        let options = options.mode(MODE);
        let mut inner = options.create_sync()?;
        inner.do_not_reclaim_name_on_drop();
        #[cfg(target_os = "macos")]
        fs::set_permissions(&address.path, fs::Permissions::from_mode(MODE.into()))?;
        Ok(Self { inner, address })
    }

    /// The next connection; `None` when nobody waits.
    ///
    /// # Errors
    /// What the system says: no descriptors left, for example.
    pub(crate) fn accept(&self) -> io::Result<Option<Stream>> {
        loop {
            return match self.inner.accept() {
                Ok(stream) => match Stream::without_signal(stream) {
                    // The client left before its connection could be set up.
                    Err(_) => continue,
                    stream => stream.map(Some),
                },
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => Ok(None),
                    // The client left between its connect and our accept, or a signal came.
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted => continue,
                    _ => Err(error),
                },
            };
        }
    }

    /// Whether callers find the listener: its socket file may have been deleted.
    pub(crate) fn is_reachable(&self) -> bool {
        self.address.path.exists()
    }

    /// Removes the socket file. Only while the name's lock is held.
    pub(crate) fn unlink(&self) {
        if let Err(error) = fs::remove_file(&self.address.path)
            && error.kind() != ErrorKind::NotFound
        {
            log::warn!("cannot remove {}: {error}", self.address.path.display());
        }
    }

    /// Puts the listener into a readiness set, disarmed.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn watch(&self, set: &Readiness, token: u64) -> io::Result<()> {
        set.add(self.fd(), token)
    }

    /// Arms it for the next connection.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn arm(&self, set: &Readiness, token: u64) -> io::Result<()> {
        set.arm(self.fd(), token, Interest { read: true, write: false })
    }

    /// Takes it out of the set.
    pub(crate) fn forget(&self, set: &Readiness) {
        set.remove(self.fd());
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.inner {
            local_socket::Listener::UdSocket(socket) => socket.as_fd(),
        }
    }
}

/// A connected byte stream.
#[derive(Debug)]
pub(crate) struct Stream(local_socket::Stream);

impl Stream {
    /// Connects, without waiting. That it succeeds proves little: the kernel accepts on behalf of
    /// a process that is frozen.
    ///
    /// # Errors
    /// `NotFound` and `ConnectionRefused` when nobody listens, `WouldBlock` when too many wait
    /// to be accepted; macOS does not tell that from nobody.
    pub(crate) fn connect(address: &Address) -> io::Result<Self> {
        let name = address.short.as_os_str().to_fs_name::<GenericFilePath>()?;
        let stream = ConnectOptions::new()
            .name(name)
            .wait_mode(ConnectWaitMode::Deferred)
            .nonblocking_stream(true)
            .connect_sync()?;
        // A connect that could not be made at once is not under way: for local sockets that means
        // a full queue, and the system keeps no place for us.
        let local_socket::Stream::UdSocket(socket) = &stream;
        if socket.inner().peer_addr().is_err_and(|error| error.kind() == ErrorKind::NotConnected) {
            return Err(ErrorKind::WouldBlock.into());
        }
        // Fails when the listener is closed already, with all who wait there.
        Self::without_signal(stream).map_err(|_| ErrorKind::ConnectionRefused.into())
    }

    /// A stream that answers a write to a peer who is gone with an error, not with a signal that
    /// ends the program where it is not ignored. Linux is asked for that with each write.
    fn without_signal(stream: local_socket::Stream) -> io::Result<Self> {
        let stream = Self(stream);
        #[cfg(target_os = "macos")]
        rustix::net::sockopt::set_socket_nosigpipe(stream.fd(), true)?;
        Ok(stream)
    }

    /// Blocks until the listener may have room for one more, for `most` at the longest. Whether it
    /// had, the system does not tell.
    pub(crate) fn wait_for_room(_address: &Address, most: Duration) -> bool {
        clock::pause(most.min(FULL_TURN));
        false
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// When the kernel does not know, because the peer is gone already.
    pub(crate) fn peer(&self) -> io::Result<Peer> {
        let creds = self.0.peer_creds()?;
        let unknown = || io::Error::from(ErrorKind::Unsupported);
        #[cfg(target_os = "linux")]
        let pid = creds.pid().and_then(|pid| u32::try_from(pid).ok()).ok_or_else(unknown)?;
        #[cfg(target_os = "macos")]
        let pid = crate::sys::peer::pid_of(self.fd())?;
        let user = creds.euid().ok_or_else(unknown)?.to_string().into();
        Ok(Peer { pid, user })
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 at the end.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| (&self.0).read(buffer))
    }

    /// Writes what fits; `WouldBlock` when nothing does.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| (&self.0).write(bytes))
    }

    /// How many of the bytes that were written last the peer has certainly not read, now that
    /// reading or writing failed with `error`. Linux resets a local socket exactly when the peer
    /// closes it with unread bytes, and bytes are read in order: the last one was not.
    pub(crate) fn unread(error: &io::Error) -> u64 {
        u64::from(cfg!(target_os = "linux") && error.kind() == ErrorKind::ConnectionReset)
    }

    /// Whether the peer can read all that was written, even if this end is closed now: the kernel
    /// has it.
    #[expect(clippy::unused_self, reason = "the face of the other platforms")]
    pub(crate) fn is_flushed(&self) -> bool {
        true
    }

    /// Ends both directions; a thread that reads wakes.
    pub(crate) fn shutdown(&self) {
        let local_socket::Stream::UdSocket(socket) = &self.0;
        // Fails only for a socket that is shut already.
        let _shut = socket.inner().shutdown(Shutdown::Both);
    }

    /// Puts the stream into a readiness set, disarmed.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn watch(&self, set: &Readiness, token: u64) -> io::Result<()> {
        set.add(self.fd(), token)
    }

    /// Arms it.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn arm(&self, set: &Readiness, token: u64, interest: Interest) -> io::Result<()> {
        set.arm(self.fd(), token, interest)
    }

    /// Takes it out of the set.
    pub(crate) fn forget(&self, set: &Readiness) {
        set.remove(self.fd());
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            local_socket::Stream::UdSocket(socket) => socket.as_fd(),
        }
    }
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::AppName;
    use crate::sys::home::Home;
    use std::os::unix::fs::PermissionsExt;

    fn address(home: &tempfile::TempDir) -> Address {
        let home = Home::at(home.path());
        fs::create_dir_all(home.run_dir()).unwrap();
        Address::of(&home, &AppName::parse("a").unwrap()).unwrap()
    }

    #[test]
    fn both_ends_know_who_the_other_is_and_bytes_pass() {
        let home = tempfile::tempdir().unwrap();
        let address = address(&home);
        let listener = Listener::bind(address.clone()).unwrap();
        assert!(listener.accept().unwrap().is_none());
        let near = Stream::connect(&address).unwrap();
        let far = listener.accept().unwrap().unwrap();
        for end in [&near, &far] {
            let peer = end.peer().unwrap();
            assert_eq!(peer.pid, std::process::id());
            assert!(peer.is_own());
        }
        assert_eq!(near.write(b"hello").unwrap(), 5);
        let mut buffer = [0; 8];
        assert_eq!(far.read(&mut buffer).unwrap(), 5);
        assert_eq!(far.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        near.shutdown();
        assert_eq!(far.read(&mut buffer).unwrap(), 0);
    }

    /// Elsewhere the reader sees an end.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_peer_that_closes_with_unread_bytes_resets_the_stream() {
        let home = tempfile::tempdir().unwrap();
        let address = address(&home);
        let listener = Listener::bind(address.clone()).unwrap();
        let near = Stream::connect(&address).unwrap();
        let far = listener.accept().unwrap().unwrap();
        near.write(b"hello").unwrap();
        far.read(&mut [0; 4]).unwrap();
        drop(far);
        let error = near.read(&mut [0; 8]).unwrap_err();
        assert_eq!(Stream::unread(&error), 1);
    }

    #[cfg(target_os = "linux")] // macOS does not tell a full queue from nobody.
    #[test]
    fn a_full_queue_is_told_and_leaves_nothing_half_open() {
        let home = tempfile::tempdir().unwrap();
        let address = address(&home);
        let listener = Listener::bind(address.clone()).unwrap();
        let full = (0..10_000).find_map(|_| Stream::connect(&address).err());
        assert_eq!(full.unwrap().kind(), ErrorKind::WouldBlock);
        listener.accept().unwrap().unwrap();
        Stream::connect(&address).unwrap();
    }

    #[test]
    fn the_socket_is_owner_only_and_outlives_its_listener_until_unlinked() {
        let home = tempfile::tempdir().unwrap();
        let address = address(&home);
        let listener = Listener::bind(address.clone()).unwrap();
        let mode = fs::metadata(&address.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(listener);
        let refused = Stream::connect(&address).unwrap_err().kind();
        assert_eq!(refused, ErrorKind::ConnectionRefused);
        Listener::bind(address.clone()).unwrap().unlink();
        assert_eq!(Stream::connect(&address).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
