//! [`Producer`]: an iterator on its way into a stream, on a worker only while its reader takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handler::Encoded;
use super::methods::unpanicked;
use super::runner::Runner;
use super::serial::Turn;
use crate::error::{Error, ErrorCode};
use crate::proto::Flow;
use crate::runtime::current::{self, Current};
use crate::runtime::task::{Exchange, Task};

/// How long a producer holds a worker while other calls wait for one.
const TURN: Duration = Duration::from_millis(10);

/// Items between two looks at the clock.
const ITEMS_PER_LOOK: u32 = 64;

/// A stream that is being produced.
pub(super) struct Producer {
    items: Encoded,
    exchange: Exchange,
    task: Arc<Task>,
    current: Current,
    /// Held until the stream has ended.
    runner: Runner,
    _turn: Option<Turn>,
}

/// Why a producer stopped for now.
enum Pause {
    Reader,
    Others,
    Over(Result<(), Error>),
}

impl Producer {
    pub(super) fn new(
        items: Encoded,
        exchange: Exchange,
        task: Arc<Task>,
        current: Current,
        (runner, turn): (Runner, Option<Turn>),
    ) -> Self {
        Self { items, exchange, task, current, runner, _turn: turn }
    }

    /// Produces until the end, or until the reader is slow: then the rest waits with the
    /// connection and no thread is held.
    pub(super) fn run(mut self) {
        let current = self.current.clone();
        match current::serve(current, || self.produce()) {
            Pause::Over(result) => self.exchange.finish(result.map(|()| Vec::new())),
            Pause::Others => {
                let runner = self.runner.clone();
                let task = Arc::clone(&self.task);
                runner.resume(Box::new(move || self.run()), &task);
            }
            Pause::Reader => {
                let connection = Arc::clone(self.exchange.connection());
                let (task, runner) = (Arc::clone(&self.task), self.runner.clone());
                connection.park(&task, runner.parked(Box::new(move || self.run())));
            }
        }
    }

    fn produce(&mut self) -> Pause {
        let began = Instant::now();
        let mut sent = 0u32;
        loop {
            if let Some(code) = self.task.token.reason() {
                return Pause::Over(Err(Error::new(code, "nobody wants more items")));
            }
            let item = unpanicked(|| self.items.next().transpose().map_err(Error::of_handler));
            let flow = match item {
                Ok(Some(body)) => self.exchange.item(body),
                Ok(None) => return Pause::Over(Ok(())),
                Err(error) => return Pause::Over(Err(error)),
            };
            match flow {
                Flow::Open => {}
                Flow::Wait => return Pause::Reader,
                Flow::Stop => {
                    let code = self.task.token.reason().unwrap_or(ErrorCode::Cancelled);
                    return Pause::Over(Err(Error::new(code, "nobody wants more items")));
                }
            }
            sent = sent.wrapping_add(1);
            let looks = sent.is_multiple_of(ITEMS_PER_LOOK);
            if looks && began.elapsed() >= TURN && self.runner.is_pressed() {
                return Pause::Others;
            }
        }
    }
}
