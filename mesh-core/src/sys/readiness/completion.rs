//! The set by a completion port.
//!
//! A port reports finished operations, not readiness: a source is ready when the operation that it
//! began in order to be told has finished. What belongs to a source carries a *route*, which is
//! fixed for a handle's life; the set knows which token a route leads to now, so that a pipe that
//! was a listener's can become a connection's. Packets of a route that leads nowhere are dropped.
//!
//! A port has no timer: a waiter waits no longer than to the time that is set, and so *keeps* the
//! timer. Whoever sets an earlier time wakes a waiter, which then keeps that; and a keeper that
//! leaves with something else to do, while nobody else keeps and others wait, wakes one of them.
#![expect(unsafe_code, reason = "completion ports have no safe form in std")]

use std::collections::HashMap;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::INFINITE;

use super::Woken;
use crate::sys::win32::{code, owned};

/// What the bell and a change of the timer post; routes are other numbers.
const BELL: usize = usize::MAX;
const TIMER: usize = usize::MAX - 1;

/// As many threads may run as there are: the pool decides how many, not the port.
const THREADS: u32 = u32::MAX;

/// The set.
#[derive(Debug)]
pub(crate) struct Readiness {
    port: OwnedHandle,
    routes: Arc<Mutex<Routes>>,
    timer: Mutex<Timer>,
    /// A ring that nobody has heard yet.
    rung: AtomicBool,
}

/// Where routes lead.
#[derive(Debug, Default)]
struct Routes {
    last: usize,
    tokens: HashMap<usize, u64>,
}

/// The place of one handle in the set. Dropped, nothing is reported of it any more.
#[derive(Debug)]
pub(crate) struct Route {
    number: usize,
    routes: Arc<Mutex<Routes>>,
}

impl Route {
    /// Lets the route lead to another token, unless it has ended.
    pub(crate) fn lead_to(&self, token: u64) {
        if let Some(known) = self.routes.lock().tokens.get_mut(&self.number) {
            *known = token;
        }
    }

    /// Drops what still comes by this route.
    pub(crate) fn end(&self) {
        self.routes.lock().tokens.remove(&self.number);
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.end();
    }
}

/// The time that is set, and who waits for it.
#[derive(Debug, Default)]
struct Timer {
    at: Option<Instant>,
    /// Counts the times that were set: who waits for an earlier one does not keep this one.
    round: u64,
    keepers: usize,
    waiters: usize,
}

impl Timer {
    /// A thread is about to wait; answers the time that it keeps, and its round.
    fn begin(&mut self) -> (Option<Instant>, u64) {
        self.waiters += 1;
        self.keepers += usize::from(self.at.is_some());
        (self.at, self.round)
    }

    /// It waits no more. Whether it kept a time that nobody keeps now.
    fn end(&mut self, (kept, round): (Option<Instant>, u64)) -> bool {
        self.waiters -= 1;
        if kept.is_some() && round == self.round {
            self.keepers -= 1;
        }
        self.at.is_some() && self.keepers == 0 && self.waiters > 0
    }

    /// Sets another time; whether a waiter has to be told.
    fn set(&mut self, at: Instant) -> bool {
        let earlier = self.at.is_none_or(|before| at < before);
        self.at = Some(at);
        if earlier {
            // Those who wait, wait too long.
            self.round += 1;
            self.keepers = 0;
        }
        earlier && self.waiters > 0
    }

    /// Takes the time if it has come.
    fn take(&mut self, now: Instant) -> bool {
        let came = self.at.take_if(|at| *at <= now).is_some();
        if came {
            self.round += 1;
            self.keepers = 0;
        }
        came
    }
}

impl Readiness {
    /// An empty set.
    ///
    /// # Errors
    /// When the system has no room for one.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: plain values; no handle is associated.
        let port = unsafe {
            owned(CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, THREADS))
        }?;
        let (routes, timer) = (Arc::default(), Mutex::default());
        Ok(Self { port, routes, timer, rung: AtomicBool::new(false) })
    }

    /// Associates a handle with the set, for as long as it is open; answers its route.
    ///
    /// # Errors
    /// When the handle is in a set already, or cannot be in one.
    pub(crate) fn attach(&self, handle: BorrowedHandle<'_>, token: u64) -> io::Result<Route> {
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
        Ok(Route { number: route, routes: Arc::clone(&self.routes) })
    }

    /// Reports the source of this route as ready.
    ///
    /// # Errors
    /// When the system has no memory left.
    pub(crate) fn post(&self, route: &Route) -> io::Result<()> {
        self.send(route.number)
    }

    /// Queues a packet that no operation belongs to.
    fn send(&self, route: usize) -> io::Result<()> {
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
            let mut timer = self.timer.lock();
            if timer.at.is_some() && timer.take(Instant::now()) {
                // Before the packets: they may never end.
                return Ok(Woken::Timer);
            }
            let kept = timer.begin();
            drop(timer);
            let until = [end, kept.0].into_iter().flatten().min();
            let next = self.next(until);
            let now = Instant::now();
            let mut timer = self.timer.lock();
            let is_forgotten = timer.end(kept);
            let woken = match next? {
                Some(BELL) => {
                    self.rung.store(false, Ordering::SeqCst);
                    Some(Woken::Bell)
                }
                Some(TIMER) | None => timer.take(now).then_some(Woken::Timer),
                Some(route) => self.routes.lock().tokens.get(&route).copied().map(Woken::Source),
            };
            drop(timer);
            match woken {
                Some(woken) => {
                    if is_forgotten && woken != Woken::Timer {
                        self.send(TIMER)?;
                    }
                    return Ok(woken);
                }
                None if end.is_some_and(|end| end <= now) => {
                    if is_forgotten {
                        self.send(TIMER)?;
                    }
                    return Ok(Woken::Idle);
                }
                None => {}
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
        match code(&error) {
            WAIT_TIMEOUT => Ok(None),
            _ => Err(error),
        }
    }

    /// Wakes one waiter; if none waits, the next one.
    pub(crate) fn ring(&self) {
        // Who hears a ring looks for all work that came before, so one in the queue is enough.
        if !self.rung.swap(true, Ordering::SeqCst)
            && let Err(error) = self.send(BELL)
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
        let must_tell = self.timer.lock().set(Instant::now() + after);
        if must_tell { self.send(TIMER) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::io::AsHandle;
    use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OVERLAPPED;

    const SOON: Option<Duration> = Some(Duration::from_secs(5));

    #[test]
    fn rings_and_packets_wake_one_wait_each_and_lost_routes_none() {
        let set = Readiness::new().unwrap();
        set.ring();
        set.ring();
        assert_eq!(set.wait(SOON).unwrap(), Woken::Bell);
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        let dir = tempfile::tempdir().unwrap();
        // Any handle that may be in a port.
        let open = |name: &str| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).custom_flags(FILE_FLAG_OVERLAPPED);
            options.open(dir.path().join(name)).unwrap()
        };
        let (a, b) = (open("a"), open("b"));
        let first = set.attach(a.as_handle(), 6).unwrap();
        let second = set.attach(b.as_handle(), 8).unwrap();
        first.lead_to(7);
        second.end();
        second.lead_to(9);
        for route in [&first, &second] {
            set.post(route).unwrap();
        }
        assert_eq!(set.wait(SOON).unwrap(), Woken::Source(7));
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), Woken::Idle);
        drop((first, second));
        assert!(set.routes.lock().tokens.is_empty());
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

    #[test]
    fn a_keeper_that_leaves_hands_the_timer_on() {
        let (mut timer, now) = (Timer::default(), Instant::now());
        let (one, two) = (timer.begin(), timer.begin());
        assert!(timer.set(now + Duration::from_secs(5)), "those who wait, wait for ever");
        assert!(!timer.set(now + Duration::from_secs(6)), "they look again at the earlier time");
        assert!(timer.end(one), "the other one does not know");
        let one = timer.begin();
        assert!(timer.end(one), "the keeper has something else to do");
        timer.end(two);
        let (one, two) = (timer.begin(), timer.begin());
        assert!(!timer.end(one), "the other one keeps it too");
        assert!(!timer.take(now) && timer.take(now + Duration::from_secs(7)));
        assert!(!timer.end(two), "nothing is set");
        assert!(!timer.set(now) && timer.waiters == 0, "who comes later sees it");
    }

    #[test]
    fn a_timer_comes_though_its_keeper_left_and_another_waits_for_ever() {
        let set = Readiness::new().unwrap();
        std::thread::scope(|scope| {
            let waiters = [(); 2].map(|()| scope.spawn(|| set.wait(SOON).unwrap()));
            while set.timer.lock().waiters < 2 {
                std::thread::yield_now();
            }
            set.set_timer(Duration::from_millis(50)).unwrap();
            while set.timer.lock().keepers == 0 {
                std::thread::yield_now();
            }
            // Heard by either: the other one has to come for the timer.
            set.ring();
            let mut woken = waiters.map(|waiter| waiter.join().unwrap());
            woken.sort_by_key(|woken| *woken == Woken::Timer);
            assert_eq!(woken, [Woken::Bell, Woken::Timer]);
        });
    }
}
