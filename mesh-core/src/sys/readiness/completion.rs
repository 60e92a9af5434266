//! The set by a completion port.
//!
//! A port reports finished operations, not readiness: a source is ready when the operation that it
//! began in order to be told has finished. What belongs to a source carries a *route*, which is
//! fixed for a handle's life; the set knows which token a route leads to now, so that a pipe that
//! was a listener's can become a connection's. Packets of a route that leads nowhere are dropped.
//!
//! A port has no timer: whoever waits, waits no longer than to the time that is set, and who sets
//! an earlier one wakes a waiter, which then waits for that.
#![expect(unsafe_code, reason = "completion ports have no safe form in std")]

use std::collections::HashMap;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::INFINITE;

use super::Woken;

/// What the bell and a change of the timer post; routes are other numbers.
const BELL: usize = usize::MAX;
const TIMER: usize = usize::MAX - 1;

/// As many threads may run as there are: the pool decides how many, not the port.
const THREADS: u32 = u32::MAX;

/// The set.
#[derive(Debug)]
pub(crate) struct Readiness {
    port: OwnedHandle,
    routes: Mutex<Routes>,
    timer: Mutex<Option<Instant>>,
    /// A ring that nobody has heard yet.
    rung: AtomicBool,
}

/// Where routes lead.
#[derive(Debug, Default)]
struct Routes {
    last: usize,
    tokens: HashMap<usize, u64>,
}

impl Readiness {
    /// An empty set.
    ///
    /// # Errors
    /// When the system has no room for one.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: plain values; no handle is associated.
        let port =
            unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, THREADS) };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new handle that nobody else has.
        let port = unsafe { OwnedHandle::from_raw_handle(port) };
        let (routes, timer) = (Mutex::default(), Mutex::default());
        Ok(Self { port, routes, timer, rung: AtomicBool::new(false) })
    }

    /// Associates a handle with the set, for as long as it is open; answers its route.
    ///
    /// # Errors
    /// When the handle is in a set already, or cannot be in one.
    pub(crate) fn attach(&self, handle: BorrowedHandle<'_>, token: u64) -> io::Result<usize> {
        let mut routes = self.routes.lock();
        let route = routes.last + 1;
        let (file, port) = (handle.as_raw_handle(), self.port.as_raw_handle());
        // SAFETY: both handles are open: one is borrowed, the other is ours.
        let done = unsafe { CreateIoCompletionPort(file, port, route, 0) };
        if done.is_null() {
            return Err(io::Error::last_os_error());
        }
        routes.last = route;
        routes.tokens.insert(route, token);
        Ok(route)
    }

    /// Lets a route lead to another token.
    pub(crate) fn redirect(&self, route: usize, token: u64) {
        self.routes.lock().tokens.insert(route, token);
    }

    /// Drops what still comes by this route.
    pub(crate) fn detach(&self, route: usize) {
        self.routes.lock().tokens.remove(&route);
    }

    /// Reports the source of this route as ready.
    ///
    /// # Errors
    /// When the system has no memory left.
    pub(crate) fn post(&self, route: usize) -> io::Result<()> {
        // SAFETY: the port is ours; no operation is named, and none is looked for in `wait`.
        let done =
            unsafe { PostQueuedCompletionStatus(self.port.as_raw_handle(), 0, route, ptr::null()) };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits for one event. Many threads may wait; the kernel picks one for each event.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn wait(&self, most: Option<Duration>) -> io::Result<Woken> {
        let end = most.map(|most| Instant::now() + most);
        loop {
            let timer = *self.timer.lock();
            let until = [end, timer].into_iter().flatten().min();
            match self.next(until)? {
                Some(BELL) => {
                    self.rung.store(false, Ordering::SeqCst);
                    return Ok(Woken::Bell);
                }
                Some(TIMER) => {}
                Some(route) => {
                    if let Some(token) = self.routes.lock().tokens.get(&route) {
                        return Ok(Woken::Source(*token));
                    }
                }
                None => {}
            }
            let now = Instant::now();
            if self.timer.lock().take_if(|at| *at <= now).is_some() {
                return Ok(Woken::Timer);
            }
            if end.is_some_and(|end| end <= now) {
                return Ok(Woken::Idle);
            }
        }
    }

    /// The route of the next packet; nothing at the given time.
    fn next(&self, until: Option<Instant>) -> io::Result<Option<usize>> {
        let time = until.map_or(INFINITE, |until| {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up: what wakes too early would turn in circles.
            u32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(INFINITE - 1)
        });
        let (mut bytes, mut route, mut operation) = (0, 0, ptr::null_mut());
        let port = self.port.as_raw_handle();
        // SAFETY: the port is ours, and the three places outlive the call. The operation is only
        // compared with null: it may be gone by now.
        let done = unsafe {
            GetQueuedCompletionStatus(port, &mut bytes, &mut route, &mut operation, time)
        };
        if done != 0 || !operation.is_null() {
            // A failed operation has finished as well: its owner sees why.
            return Ok(Some(route));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error().and_then(|code| u32::try_from(code).ok()) {
            Some(WAIT_TIMEOUT) => Ok(None),
            _ => Err(error),
        }
    }

    /// Wakes one waiter; if none waits, the next one.
    pub(crate) fn ring(&self) {
        // Who hears a ring looks for all work that came before, so one in the queue is enough.
        if !self.rung.swap(true, Ordering::SeqCst)
            && let Err(error) = self.post(BELL)
        {
            self.rung.store(false, Ordering::SeqCst);
            log::error!(target: "mesh::readiness", "cannot wake a worker: {error}");
        }
    }

    /// Sets the timer to run out after this long, once; replaces what was set before.
    ///
    /// # Errors
    /// When the system has no memory left.
    pub(crate) fn set_timer(&self, after: Duration) -> io::Result<()> {
        let at = Instant::now() + after;
        let before = self.timer.lock().replace(at);
        if before.is_none_or(|before| at < before) { self.post(TIMER) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Option<Duration> = Some(Duration::from_secs(5));

    #[test]
    fn rings_and_packets_wake_one_wait_each_and_lost_routes_none() {
        let set = Readiness::new().unwrap();
        set.ring();
        set.ring();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Bell);
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        set.redirect(3, 7);
        set.post(3).unwrap();
        set.post(4).unwrap();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(7));
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        set.detach(3);
        set.post(3).unwrap();
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
    }

    #[test]
    fn the_timer_wakes_one_wait_and_an_earlier_one_is_noticed() {
        let set = Readiness::new().unwrap();
        set.set_timer(Duration::from_secs(3_600)).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| set.wait(SOON).unwrap());
            set.set_timer(Duration::from_millis(1)).unwrap();
            assert_eq!(waiter.join().unwrap(), Woken::Timer);
        });
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        set.ring();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Bell);
    }
}
