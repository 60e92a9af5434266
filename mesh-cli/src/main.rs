//! `mesh`, the command: does from a shell what a linked app does in code.
//!
//! A user of mesh-core's public face and of nothing else. `args` says what can be typed, `parser`
//! reads what was; `command` does it; `output` alone writes to standard output and `message`
//! alone to standard error; `exit_code` names every code that a script may rely on.

mod args;
mod argument;
mod command;
mod context;
mod duration;
mod escape;
mod exit_code;
mod failure;
mod message;
mod near;
mod output;
mod parser;
mod platform;
mod progress;
mod serve;
mod signal;
mod table;
mod worker;

use std::process::ExitCode;

use context::Context;
use message::Message;

fn main() -> ExitCode {
    let cli = match parser::parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(message::of_parser(&error)),
    };
    let message = Message::new(&cli.global);
    message.start_log(cli.global.verbose);
    let context = Context::new(cli.global, message);
    let code = match command::run(&context, cli.command) {
        Ok(()) => exit_code::OK,
        Err(failure) => {
            if let Some(error) = &failure.error {
                context.message.error(error);
            }
            failure.code
        }
    };
    ExitCode::from(code)
}
