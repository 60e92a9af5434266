//! What an engine watches: its listener, its connections, a directory; how each comes and goes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::engine::{Engine, random};
use crate::error::{Error, ErrorCode};
use crate::proto::{self, Role};
use crate::sys::descriptors;
use crate::sys::watch::Watch;
use crate::transport::{Listener, Peer, Stream};

/// How long the listener rests when the system has no room.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Connections accepted in one turn before others have theirs.
const ACCEPTS_PER_TURN: usize = 64;

#[derive(Clone)]
pub(super) enum Source {
    Listener(Arc<Listener>),
    Connection(Arc<Connection>),
    Watch(Arc<Watched>),
}

/// A directory that is watched, and what to do when something was removed from it.
pub(super) struct Watched {
    watch: Watch,
    act: Box<dyn Fn() + Send + Sync>,
}

impl Engine {
    /// Serves the connections that come to a listener.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn listen(self: &Arc<Self>, listener: Arc<Listener>) -> io::Result<()> {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        listener.watch(&self.readiness, token)?;
        self.sources.lock().insert(token, Source::Listener(Arc::clone(&listener)));
        listener.arm(&self.readiness, token)?;
        self.ensure_worker()
    }

    /// Nobody is accepted any more; who waited to be is told by the kernel.
    pub(crate) fn unlisten(&self) {
        self.sources.lock().retain(|_, source| match source {
            Source::Listener(listener) => {
                listener.forget(&self.readiness);
                false
            }
            Source::Watch(_) | Source::Connection(_) => true,
        });
    }

    /// Takes a connected stream in.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn connect(
        self: &Arc<Self>,
        stream: Stream,
        peer: Peer,
        role: Role,
    ) -> io::Result<Arc<Connection>> {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        let mut hello = self.hello.lock().clone();
        hello.session = random();
        let session = hello.session;
        let now = Instant::now();
        let proto = proto::Connection::new(role, (&self.limits).into(), hello, now);
        self.ensure_worker()?;
        stream.watch(&self.readiness, token)?;
        let connection = Arc::new(Connection::new(self, token, (stream, peer), proto, session));
        self.sources.lock().insert(token, Source::Connection(Arc::clone(&connection)));
        if self.hello.lock().ready {
            // The app may have become ready between the hello and the entry in the table.
            connection.set_ready();
        }
        if let Some(error) = self.leaving.get().filter(|_| role == Role::Acceptor) {
            connection.go_away(error);
        }
        if self.pool().is_closed() {
            connection.close(&Error::new(ErrorCode::ShuttingDown, "the app has stopped"));
            return Err(io::Error::other("the app that it was for has stopped"));
        }
        connection.begin();
        Ok(connection)
    }

    /// Accepts who waits. Runs on a worker.
    pub(super) fn accept(self: &Arc<Self>, listener: &Listener, token: u64) {
        for _ in 0..ACCEPTS_PER_TURN {
            match listener.accept() {
                Ok(Some(stream)) => self.admit(stream),
                Ok(None) => break,
                Err(error) => {
                    // No descriptors, most likely: try again when something has been closed.
                    log::warn!(target: "mesh::engine", "cannot accept: {error}");
                    self.add_timer(Instant::now() + ACCEPT_AGAIN, token);
                    return;
                }
            }
        }
        if let Err(error) = listener.arm(&self.readiness, token) {
            log::error!(target: "mesh::engine", "cannot watch the listener: {error}");
            self.add_timer(Instant::now() + ACCEPT_AGAIN, token);
        }
    }

    fn admit(self: &Arc<Self>, stream: Stream) {
        let peer = match stream.peer() {
            Ok(peer) if peer.is_own() => peer,
            Ok(peer) => {
                log::warn!(target: "mesh::engine", "refused user {} (pid {})", peer.user, peer.pid);
                return;
            }
            Err(_) => return,
        };
        if let Some(text) = self.crowd(&peer) {
            log::warn!(target: "mesh::engine", "refused pid {}: {text}", peer.pid);
            let farewell = proto::refusal(&self.hello.lock(), &Error::new(ErrorCode::Busy, text));
            // A socket that has just been accepted takes it; if not, the end must do.
            let _written = stream.write(&farewell);
            return;
        }
        if let Err(error) = self.connect(stream, peer, Role::Acceptor) {
            log::warn!(target: "mesh::engine", "cannot serve a connection: {error}");
        }
    }

    /// Why there is no room for one more connection of this peer, if so. Half of the process's
    /// descriptors are left for everything else.
    fn crowd(&self, peer: &Peer) -> Option<String> {
        let most = self.limits.connections.min(descriptors::most() / 2);
        let sources = self.sources.lock();
        if sources.len() > most {
            return Some(format!("the app has {most} connections already"));
        }
        let of_peer = |source: &&Source| match source {
            Source::Connection(connection) => connection.peer().pid == peer.pid,
            Source::Listener(_) | Source::Watch(_) => false,
        };
        let most = self.limits.connections_per_process;
        let crowded = sources.values().filter(of_peer).count() >= most;
        crowded.then(|| format!("the process has {most} connections to the app already"))
    }

    /// Works on the source with this token. Runs on a worker.
    pub(super) fn on_source(self: &Arc<Self>, token: u64, buffer: &mut [u8]) {
        let source = self.sources.lock().get(&token).cloned();
        match source {
            Some(Source::Connection(connection)) => connection.on_ready(buffer),
            Some(Source::Listener(listener)) => self.accept(&listener, token),
            Some(Source::Watch(watched)) => {
                watched.watch.drain();
                if let Err(error) = watched.watch.arm(&self.readiness, token) {
                    log::warn!(target: "mesh::engine", "cannot go on watching: {error}");
                }
                (watched.act)();
            }
            None => {}
        }
    }

    /// Acts on removals from a directory, instead of any that was watched before. `act` runs on a
    /// worker and must be short.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn watch(
        &self,
        directory: &Path,
        act: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<()> {
        let watch = Watch::removals(directory)?;
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        watch.watch(&self.readiness, token)?;
        let watched = Source::Watch(Arc::new(Watched { watch, act: Box::new(act) }));
        let mut sources = self.sources.lock();
        sources.retain(|_, source| !matches!(source, Source::Watch(_)));
        sources.insert(token, watched);
        Ok(())
    }

    /// Takes a connection that is over out of the set, and out of the table once no handler works
    /// for it any more: until then its tasks are shown and waited for.
    pub(crate) fn forget(&self, connection: &Arc<Connection>) {
        connection.stream().forget(&self.readiness);
        self.timers.lock().remove(connection.token());
        if connection.tasks().is_empty() {
            self.sources.lock().remove(&connection.token());
        }
        self.tell();
    }

    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        let connection = |source: &Source| match source {
            Source::Connection(connection) => Some(Arc::clone(connection)),
            Source::Listener(_) | Source::Watch(_) => None,
        };
        self.sources.lock().values().filter_map(connection).collect()
    }
}
