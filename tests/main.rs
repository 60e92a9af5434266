//! End to end: real processes, real sockets, real kills. One binary; one module for each theme;
//! each test in a home of its own.
#![cfg(test)]

mod bad_input;
mod call;
mod cancel;
mod cli;
mod deadline;
mod embedded;
mod examples;
mod exec;
mod launch;
mod permissions;
mod platforms;
mod registry;
mod serve;
mod singleton;
mod stop;
mod stream;
mod support;
mod tidy;
mod wire;
mod worker;
