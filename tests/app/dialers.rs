//! Many connections of one process to one app: each thread has a client of its own.

use std::io::{Write, stdout};
use std::sync::Barrier;
use std::thread;

use mesh_core::{Client, Error, ErrorCode, Result};

/// Calls `app` once over each of `count` connections, begun at one moment and held until all were
/// served. Prints `served COUNT` when they were.
pub(crate) fn dial(app: &str, count: usize) -> Result<()> {
    let (start, end) = (Barrier::new(count), Barrier::new(count));
    let served: Vec<Result<i64>> = thread::scope(|scope| {
        let dial = || {
            let client = Client::builder().name("dialer").build();
            start.wait();
            let served = client.as_ref().map(|client| client.call(app, "add", (1, 2)));
            end.wait();
            served.map_err(|error| Error::application(error.to_string()))?
        };
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(dial)).collect();
        let lost = |_| Err(Error::new(ErrorCode::Panicked, "a dialer panicked"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(lost)).collect()
    });
    served.into_iter().collect::<Result<Vec<i64>>>()?;
    Ok(writeln!(stdout(), "served {count}")?)
}

/// Lets this process open as many files as the system allows at all.
pub(crate) fn allow_many_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        // macOS takes no more than this, whatever it says.
        limit.current = Some(limit.maximum.map_or(10_240, |most| most.min(10_240)));
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
