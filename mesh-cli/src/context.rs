//! What every command works with: the flags, the two writers, and a client on demand.

use std::time::Duration;

use mesh_core::LaunchEvent;
use mesh_core::{AppName, CancelToken, Client, ClientBuilder, Request, Result, Value};

use crate::args::Global;
use crate::message::Message;
use crate::output::Output;

/// The protocol version that this command speaks.
pub(crate) const PROTOCOL_VERSION: u8 = mesh_core::PROTOCOL_VERSION;

/// How long a question that only reads may take, when no `--timeout` is given.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The flags and the two writers.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) message: Message,
    pub(crate) output: Output,
}

impl Context {
    /// As the flags want it.
    pub(crate) fn new(global: Global, message: Message) -> Self {
        let output = Output::new(global.output);
        Self { global, message, output }
    }

    /// A client that tells about launches on standard error.
    pub(crate) fn client(&self) -> Result<Client> {
        let message = self.message;
        self.builder().on_launch(move |event| told(message, event, true)).build()
    }

    /// A client for commands that tell the outcome of a launch themselves.
    pub(crate) fn launching_client(&self) -> Result<Client> {
        let message = self.message;
        self.builder().on_launch(move |event| told(message, event, false)).build()
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder().name("mesh")
    }

    /// Tells a person that a list is empty; in a pipe an empty list is just empty.
    pub(crate) fn nothing(&self, text: &str) {
        if self.output.is_read_live() {
            self.message.notice(text);
        }
    }

    /// A request under the flags of the command line.
    pub(crate) fn request(
        &self,
        client: &Client,
        app: &AppName,
        method: &str,
        token: &CancelToken,
    ) -> Request {
        let mut request = client.request(app.as_str(), method).cancelled_by(token);
        if let Some(timeout) = self.global.timeout {
            request = request.timeout(timeout);
        }
        if self.global.no_launch {
            request = request.no_launch();
        }
        request
    }

    /// What `--timeout` bounds a launch to; 0 is no bound.
    pub(crate) fn bound(&self) -> Option<Duration> {
        self.global.timeout.filter(|timeout| !timeout.is_zero())
    }

    /// A question to a runtime method that only reads: it never launches and is short.
    pub(crate) fn ask(&self, client: &Client, app: &AppName, method: &str) -> Result<Value> {
        self.question(client, app, method).call()
    }

    /// The question itself, for one that takes arguments.
    pub(crate) fn question(&self, client: &Client, app: &AppName, method: &str) -> Request {
        let timeout = self.global.timeout.unwrap_or(READ_TIMEOUT);
        client.request(app.as_str(), method).timeout(timeout).no_launch()
    }
}

fn told(message: Message, event: &LaunchEvent, outcome: bool) {
    match event {
        LaunchEvent::Waiting { name, pid, elapsed, budget } => message.notice(&format!(
            "{name} is still starting, {} s of {} (pid {pid})",
            elapsed.as_secs(),
            budget.as_secs()
        )),
        LaunchEvent::Ready { name, pid, elapsed } if outcome => {
            message.notice(&format!("launched {name} in {} ms (pid {pid})", elapsed.as_millis()));
        }
        _ => {}
    }
}
