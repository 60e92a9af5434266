//! What follows from what the machine tells: noted under the connection's lock, done after it.
//!
//! User code may run in an action (a handler, an action on a cancel), so no lock is held then.

use std::sync::Arc;

use super::call::Job;
use super::connection::{Connection, Inner, Serving};
use super::task::{Exchange, Request, Task};
use crate::error::{Error, ErrorCode};
use crate::proto::Event;

/// What is to be done once the lock is free.
pub(super) enum Action {
    Serve(Request),
    Cancel(Arc<Task>, ErrorCode),
    Resume(Job, Arc<Task>),
    Wake(Arc<Task>),
    Closed,
}

impl Connection {
    /// Notes what one event asks for; what lands in a slot lands at once.
    pub(super) fn note(
        self: &Arc<Self>,
        inner: &mut Inner,
        event: Event,
        actions: &mut Vec<Action>,
    ) {
        match event {
            Event::Opened { id, open, deadline } => {
                let caller = inner.proto.peer().and_then(|peer| peer.name.clone());
                let who = (self.peer.clone(), caller);
                let task = Arc::new(Task::new(id, inner.session, open.head, deadline, who));
                inner.tasks.insert(id, Serving { task: Arc::clone(&task), parked: None });
                let exchange = Exchange::new(Arc::clone(self), Arc::clone(&task));
                actions.push(Action::Serve(Request { task, args: open.args, exchange }));
            }
            Event::Cancelled { id, code } => {
                if let Some(serving) = inner.tasks.get_mut(&id) {
                    let parked = serving.parked.take();
                    actions.push(Action::Cancel(Arc::clone(&serving.task), code));
                    let task = Arc::clone(&serving.task);
                    actions.extend(parked.map(|job| Action::Resume(job, task)));
                }
            }
            Event::Writable { id } => {
                if let Some(serving) = inner.tasks.get_mut(&id) {
                    let wake = Action::Wake(Arc::clone(&serving.task));
                    let task = Arc::clone(&serving.task);
                    let resume = serving.parked.take().map(|job| Action::Resume(job, task));
                    actions.push(resume.unwrap_or(wake));
                }
            }
            Event::Item { id, body, cost } => {
                if let Some(slot) = inner.slots.get(&id) {
                    slot.put_item(body, cost);
                }
            }
            Event::Ended { id, outcome } => {
                if let Some(slot) = inner.slots.remove(&id) {
                    slot.put_end(outcome);
                }
            }
            Event::Connected(_) | Event::PeerReady | Event::GoingAway(_) => inner.tell_watchers(),
            Event::Closed(error) => {
                log::debug!(target: "mesh::connection", "with {:?} over: {error}", self.peer);
                inner.tell_watchers();
                actions.push(Action::Closed);
            }
        }
    }

    /// Does what was noted.
    pub(super) fn act(self: &Arc<Self>, actions: Vec<Action>) {
        if actions.is_empty() {
            return;
        }
        let Some(engine) = self.engine.upgrade() else { return };
        for action in actions {
            match action {
                Action::Serve(request) => engine.serve(request),
                Action::Cancel(task, code) => {
                    task.token.cancel_because(code);
                    task.open_gate();
                    if task.begin() {
                        let error = Error::new(code, "it was cancelled before it began");
                        self.end(task.exchange, Err(&error));
                    }
                }
                Action::Resume(job, task) => {
                    // One that comes too late is dropped, which ends its call.
                    engine.resume(job, engine.is_circle(&task));
                }
                Action::Wake(task) => task.open_gate(),
                Action::Closed => engine.forget(self),
            }
        }
    }
}
