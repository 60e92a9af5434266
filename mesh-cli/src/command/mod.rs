//! The commands: one file each, named as it is typed.

mod call;
mod cancel;
pub(crate) mod describe;
mod launch;
mod live;
mod logs;
mod ping;
mod ps;
mod registry;
mod serve;
mod stop;
mod stream;
mod tasks;
mod tour;

use crate::args::Command;
use crate::context::Context;
use crate::failure::Result;
use crate::platform;

/// Does what was typed.
///
/// # Errors
/// The exit code, and what to say about it.
pub(crate) fn run(context: &Context, command: Command) -> Result {
    match command {
        Command::Call(invocation) => call::run(context, &invocation),
        Command::Stream(invocation) => stream::run(context, &invocation),
        Command::Tasks { app } => tasks::run(context, app.as_deref()),
        Command::Cancel { app, task } => cancel::run(context, &app, &task),
        Command::Registry(command) => registry::run(context, command),
        Command::Ps => ps::run(context),
        Command::Ping { app } => ping::run(context, &app),
        Command::Describe { target } => describe::run(context, &target),
        Command::Launch { app } => launch::run(context, &app),
        Command::Stop { app } => stop::run(context, &app),
        Command::Logs { app, follow } => logs::run(context, &app, follow),
        Command::Serve(serve) => serve::run(context, &serve),
        Command::Tour => tour::run(context),
        Command::TourApp => tour::app::run(context),
        Command::ServeGuard => {
            platform::guard(std::io::stdin().lock());
            Ok(())
        }
    }
}
