//! What an app does with the calls that arrive: the seam between threads and methods.

use super::call::Job;
use super::task::Request;
use crate::error::{Error, ErrorCode};

/// Decides where a call is worked on.
pub(crate) trait Service: Send + Sync {
    /// Called on the thread that read the call, without any lock; must not block.
    fn route(&self, request: Request) -> Work;
}

/// Where a call is worked on.
pub(crate) enum Work {
    /// Here and now: it is short and never blocks.
    Now(Job),
    /// On the pool, as one of its handlers.
    Pool(Job),
}

/// A process that only calls: every call to it is refused.
pub(crate) struct NoService;

impl Service for NoService {
    fn route(&self, request: Request) -> Work {
        Work::Now(Box::new(move || {
            let text = "this end of the connection serves no methods";
            request.exchange.fail(&Error::new(ErrorCode::NoSuchMethod, text));
        }))
    }
}
