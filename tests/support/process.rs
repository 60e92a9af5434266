//! [`Proc`]: a child process of a test, whose output is read as it comes and who never outlives
//! the test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::output::Output;
use super::platform;
use super::wait::{SOON, eventually};

/// Lines that wait to be looked at; a child that prints more pauses.
const LINES: usize = 65_536;

/// A running child.
pub(crate) struct Proc {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    seen: [String; 2],
}

impl Proc {
    /// Starts the command with both outputs read.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::started(command, false)
    }

    /// The same; Ctrl-C can reach it.
    pub(crate) fn interruptible(command: &mut Command) -> Self {
        Self::started(command, true)
    }

    fn started(command: &mut Command, is_interruptible: bool) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = platform::spawn(command, is_interruptible);
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = lines(child.stdout.take().expect("stdout is piped"));
        let stderr = lines(child.stderr.take().expect("stderr is piped"));
        Self { child, stdout, stderr, seen: Default::default() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of stdout that begins with `start`.
    #[track_caller]
    pub(crate) fn line(&mut self, start: &str) -> String {
        let end = Instant::now() + SOON;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.stdout.recv_timeout(left) {
                Ok(line) => {
                    self.seen[0] += &line;
                    if line.starts_with(start) {
                        return line.trim_end().to_owned();
                    }
                }
                Err(error) => {
                    let why = match error {
                        RecvTimeoutError::Timeout => "in time",
                        RecvTimeoutError::Disconnected => "before the end",
                    };
                    self.drain();
                    panic!("no line {start:?} {why}; it printed {:?}", self.seen);
                }
            }
        }
    }

    // The child is reaped in `wait` or `drop` only, so its pid is still its own.

    pub(crate) fn kill(&self) {
        platform::kill(self.pid());
    }

    /// Presses Ctrl-C, if it was started by [`Self::interruptible`].
    pub(crate) fn interrupt(&self) {
        platform::interrupt(self.pid());
    }

    /// Stops it as Ctrl-Z does.
    pub(crate) fn freeze(&self) {
        platform::freeze(self.pid());
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        platform::thaw(self.pid());
    }

    /// Asks it politely to end.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        platform::signal(self.pid(), rustix::process::Signal::TERM);
    }

    /// Reads no more of its stdout, and lets it know at its next line.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout = sync_channel(0).1;
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Whether nobody can print where it printed, once it was waited for.
    pub(crate) fn is_silenced(&self) -> bool {
        let end = |lines: &Receiver<String>| lines.recv_timeout(SOON).unwrap_err();
        [&self.stdout, &self.stderr].map(end) == [RecvTimeoutError::Disconnected; 2]
    }

    /// Waits for the end and all that was printed.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Output {
        self.wait_within(SOON)
    }

    /// Waits for the end and all that was printed.
    #[track_caller]
    pub(crate) fn wait_within(&mut self, deadline: Duration) -> Output {
        let status = eventually(deadline, "the end of a child", || {
            self.seen[0].extend(self.stdout.try_iter());
            self.seen[1].extend(self.stderr.try_iter());
            self.child.try_wait().expect("a child can be waited for")
        });
        self.drain();
        let [stdout, stderr] = std::mem::take(&mut self.seen);
        Output { code: platform::code(status), stdout, stderr }
    }

    /// Takes what is printed until nothing more can come; a grandchild may hold a pipe open.
    fn drain(&mut self) {
        let brief = Duration::from_millis(500);
        for (seen, lines) in self.seen.iter_mut().zip([&self.stdout, &self.stderr]) {
            while let Ok(line) = lines.recv_timeout(brief) {
                seen.push_str(&line);
            }
        }
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(LINES);
    let reader = move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    };
    thread::Builder::new().name("lines".into()).spawn(reader).expect("a thread starts");
    receiver
}
