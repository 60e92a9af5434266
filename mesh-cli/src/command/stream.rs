//! `mesh stream APP METHOD [ARG]...`: prints the items, one per line.
//!
//! The first Ctrl-C cancels the task on the server and waits for its end, which the server
//! confirms; a second one quits. A reader that goes away ends the stream as well: dropping it
//! cancels.

use mesh_core::{ErrorCode, Stream, Value};

use crate::args::Invocation;
use crate::command::call::Asked;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::{exit_code, signal};

pub(crate) fn run(context: &Context, invocation: &Invocation) -> Result {
    let (asked, request) = Asked::new(context, invocation)?;
    let improve = |error| asked.improve(error);
    let items: Stream<Value> = request.stream().map_err(improve)?;
    let mut progress = Progress::new(context.message.is_quiet());
    let printed = print(context, items, &mut progress, improve);
    progress.finish();
    if signal::came() && printed.as_ref().err().is_none_or(is_cancelled) {
        context.message.notice("cancelled");
        return Err(Failure::silent(exit_code::INTERRUPTED));
    }
    printed
}

fn print(
    context: &Context,
    items: Stream<Value>,
    progress: &mut Progress,
    improve: impl Fn(mesh_core::Error) -> mesh_core::Error,
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
