//! [`Call`]: work on its way to a worker, and how it is turned away when there is no room.

/// A piece of work for a worker.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Work that waits for a worker.
pub(crate) struct Call {
    /// Does it.
    pub(crate) run: Job,
    /// Answers that there is no room for it; work that has begun before is never refused.
    pub(crate) refuse: Option<Job>,
    /// A handler of this app waits for it.
    pub(crate) nested: bool,
}

impl Call {
    /// Answers that there is no room. Before the job is dropped, which would end the call as a
    /// fault of this side.
    pub(crate) fn turn_away(self) {
        let Self { run, refuse, .. } = self;
        if let Some(refuse) = refuse {
            refuse();
        }
        drop(run);
    }
}
