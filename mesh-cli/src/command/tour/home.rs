//! The private home of a tour: made, used and taken away again, come what may.
//!
//! Nothing of the user's own home is read or written. Dropping the stage stops every app that is
//! live in it, ends what does not stop, and removes the folder.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use mesh_core::LaunchEvent;
use mesh_core::{CancelToken, Client, Error, ErrorCode, Home, Result};
use tempfile::TempDir;

use crate::parser;
use crate::platform::this_program;

/// How long a program of the tour may take to say what is waited for.
const PATIENCE: Duration = Duration::from_secs(12);

/// How long the end of what was stopped is waited for, and how often it is looked for.
const GONE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// A temporary home, a client in it, and the programs that were started in it.
pub(super) struct Stage {
    pub(super) client: Client,
    children: Vec<Child>,
    /// Last, so that it is removed when nobody uses it any more.
    folder: TempDir,
}

impl Stage {
    /// An empty home; `observer` hears of launches.
    pub(super) fn new(observer: impl Fn(&LaunchEvent) + Send + Sync + 'static) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mesh-tour-").tempdir().map_err(|error| {
            Error::new(ErrorCode::Home, "cannot make a temporary home").source(error)
        })?;
        let home = Home::at(folder.path());
        let client = Client::builder().home(home).name("tour").on_launch(observer).build()?;
        Ok(Self { client, children: Vec::new(), folder })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// This very program in the private home, with these arguments.
    fn mesh(&self, arguments: &[&str]) -> Result<Command> {
        let program = this_program()?;
        let mut command = Command::new(program);
        parser::variables().iter().for_each(|name| {
            command.env_remove(name);
        });
        // Where the tour was started may be a shared folder, in which nothing is launched.
        command.current_dir(self.path());
        command.args(arguments).env("MESH_HOME", self.path()).stdin(Stdio::null());
        Ok(command)
    }

    /// Runs `mesh` with these arguments to its end; answers what it said on standard error.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.mesh(arguments)?;
        let spawned = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| not_started(arguments, error))?;
        let said = hear(child.stderr.take(), |mut pipe| {
            let mut said = String::new();
            pipe.read_to_string(&mut said).map(|_| said)
        })?;
        let in_time = said.recv_timeout(PATIENCE).ok();
        if in_time.is_none() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| not_started(arguments, error))?;
        match in_time {
            Some(said) if status.success() => Ok(said),
            said => Err(failed(arguments, said.as_deref().unwrap_or("did not end in time"))),
        }
    }

    /// Starts `mesh` with these arguments and waits until it prints that it is ready.
    pub(super) fn start(&mut self, arguments: &[&str]) -> Result<()> {
        let mut command = self.mesh(arguments)?;
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.map_err(|error| not_started(arguments, error))?;
        let stdout = child.stdout.take();
        self.children.push(child);
        let said = hear(stdout, |pipe| {
            let mut line = String::new();
            BufReader::new(pipe).read_line(&mut line).map(|_| line)
        })?;
        match said.recv_timeout(PATIENCE) {
            Ok(line) if line.trim() == "ready" => Ok(()),
            _ => Err(failed(arguments, "did not become ready")),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for app in self.client.live().unwrap_or_default() {
            if let Err(error) = self.client.stop(app.as_str()) {
                log::warn!("{app} of the tour did not stop: {error}");
            }
        }
        for child in &mut self.children {
            // One that has stopped is only reaped by this.
            let _ = child.kill();
            let _ = child.wait();
        }
        // A name is free before its process has quite ended, and until then Windows keeps the
        // folder that it runs in.
        let until = Instant::now() + GONE;
        while std::fs::remove_dir_all(self.path()).is_err()
            && self.path().exists()
            && Instant::now() < until
        {
            CancelToken::new().wait_timeout(LOOK);
        }
    }
}

/// Reads a pipe on a thread of its own, so that the wait for it has an end.
fn hear<P: Read + Send + 'static>(
    pipe: Option<P>,
    read: impl FnOnce(P) -> std::io::Result<String> + Send + 'static,
) -> Result<Receiver<String>> {
    let (says, hears) = sync_channel(1);
    let listen = move || {
        let said = pipe.map(read).and_then(std::io::Result::ok).unwrap_or_default();
        // Nobody hears it any more when the time was over.
        let _ = says.send(said);
    };
    let thread = thread::Builder::new().name("mesh-tour-hear".to_owned()).spawn(listen);
    thread.map(|_| hears).map_err(|error| not_started(&[], error))
}

fn failed(arguments: &[&str], why: &str) -> Error {
    let command = arguments.join(" ");
    Error::new(ErrorCode::LaunchFailed, format!("mesh {command}: {}", why.trim()))
}

fn not_started(arguments: &[&str], error: std::io::Error) -> Error {
    let command = arguments.join(" ");
    Error::new(ErrorCode::LaunchFailed, format!("cannot start mesh {command}")).source(error)
}
