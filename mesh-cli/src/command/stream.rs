//! `mesh stream APP METHOD [ARG]...`: prints the items, one per line.
//!
//! The first Ctrl-C cancels the task on the server and waits for its end, which the server
//! confirms; a second one quits. What had arrived by then is not printed any more: it may be a lot,
//! and a slow reader would take long for it. A reader that goes away ends the stream as well:
//! dropping it cancels.

use mesh_core::{Error, ErrorCode, Value};

use crate::args::Invocation;
use crate::command::call::Asked;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::{exit_code, signal};

pub(crate) fn run(context: &Context, invocation: &Invocation) -> Result {
    let (asked, request) = Asked::new(context, invocation)?;
    let improve = |error| asked.improve(error);
    let items = wanted(request.stream::<Value>().map_err(improve)?, signal::came);
    let mut progress = Progress::new(context.message.is_quiet());
    let printed = print(context, items, &mut progress, improve);
    progress.finish();
    if signal::came() && printed.as_ref().err().is_none_or(is_cancelled) {
        context.message.notice("cancelled");
        return Err(Failure::silent(exit_code::INTERRUPTED));
    }
    printed
}

/// The items that come before it is told to stop, and an error whenever it comes. The rest is
/// still taken, to its end: that is when the server has confirmed.
fn wanted<T>(
    items: impl Iterator<Item = mesh_core::Result<T>>,
    stops: impl Fn() -> bool,
) -> impl Iterator<Item = mesh_core::Result<T>> {
    items.filter(move |item| item.is_err() || !stops())
}

fn print(
    context: &Context,
    items: impl Iterator<Item = mesh_core::Result<Value>>,
    progress: &mut Progress,
    improve: impl Fn(Error) -> Error,
) -> Result {
    for item in items {
        let item = item.map_err(&improve)?;
        progress.show(&item);
        progress.aside(|| context.output.item(&item))?;
    }
    Ok(())
}

fn is_cancelled(failure: &Failure) -> bool {
    failure.error.as_ref().is_some_and(|error| error.code() == ErrorCode::Cancelled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn after_a_stop_the_rest_is_taken_and_only_its_error_is_shown() {
        let (taken, stopped) = (Cell::new(0), Cell::new(false));
        let end = Err(Error::new(ErrorCode::Cancelled, "by a cancel"));
        let items = (1..=1_000).map(Ok).chain([end]).inspect(|_| taken.set(taken.get() + 1));
        let mut items = wanted(items, || stopped.get());
        assert_eq!(items.next().unwrap().unwrap(), 1);
        stopped.set(true);
        assert_eq!(items.next().unwrap().unwrap_err().code(), ErrorCode::Cancelled);
        assert_eq!(taken.get(), 1_001);
        assert!(items.next().is_none());
    }
}
