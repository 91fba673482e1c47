//! The lifecycle of a container: a state machine without I/O.
//!
//! ```text
//!              start, restart, policy                  its process runs
//!   Created ─────────────────────────► Starting ────────────────────────► Running
//!   Exited  ◄────── start failed ───────┘  ▲                              │    │
//!                                          │ pause is over       it ended │    │ stop, restart,
//!                                     Restarting                          │    │ kill, forced removal
//!                                          ▲                              ▼    ▼
//!   Exited ◄──── no further start ──── Ending ◄──────── it ended ──────── Stopping
//!
//!   Created, Exited, Restarting, Ending ── removal ──► Removing ──► Removed
//! ```
//!
//! A [`Lifecycle`] takes one [`Event`] after another and returns the [`Action`]s that follow from it. The
//! container's supervisor carries the actions out in order, and reports their results as further events.
//!
//! Architecture invariants:
//! - Only [`Event::Ended`] ends a run. A shim that is slow or unreadable causes no event: a supervisor sends
//!   `Ended` only for an outcome that the shim reported or wrote, or if the shim's process is known to be gone.
//! - Each request is answered exactly once, and only when the result that it reports is durable.
//! - Starts by the restart policy are paced, whatever the reason of their failures; a user's stop ends them.
//! - [`State::Removed`] is final.

mod event;
mod start;
mod stop;

pub use event::{
    Action, Answer, Ended, Event, Launched, Policy, Refused, Request, RequestId, StartFailure,
    Stop, Told,
};

use super::{
    restart::{self, Tries},
    workload::{RunState, Status},
};
use std::time::{Duration, Instant};

/// How long clients may go on reading the output of a container that is removed when it ends.
const LAST_READS: Duration = Duration::from_secs(10);

/// The exit code of a container whose start was refused, as in Docker.
const NOT_STARTED: i32 = 128;

/// The state of a container's lifecycle. [`Lifecycle::step`] changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The container has never run.
    Created,
    /// A start is under way.
    Starting(start::Starting),
    /// The container's process runs.
    Running(Running),
    /// The container's process is being ended.
    Stopping(stop::Stopping),
    /// The container has ended or its start has failed, and this is being stored.
    Ending {
        /// Whether an earlier coordinator started the run, and its shim never answered this
        /// coordinator. The container then probably ended because the host went down, and not by
        /// itself.
        found: bool,
        /// How long the container ran.
        ran: Duration,
        /// The start that failed; `None` if the container's process had run.
        failed_start: Option<start::FailedStart>,
    },
    /// The container has ended.
    Exited {
        /// If the container is to be removed at its end: the time of its removal. It is removed
        /// earlier if no client reads its output any more. `None` if the container is kept.
        removed_at: Option<Instant>,
    },
    /// The restart policy will start the container.
    Restarting {
        /// When the restart policy starts the container.
        at: Instant,
    },
    /// The container is being removed.
    Removing,
    /// The container is removed.
    Removed,
}

/// A run whose container process was seen running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Since when this coordinator follows the run.
    since: Instant,
    /// Whether an earlier coordinator started the run and its shim has not answered yet.
    found: bool,
}

/// A request that waits for the operation that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Start,
    Restart,
    /// A restart that arrived during a start: once the process runs, it is stopped and started
    /// again.
    RestartOnceItRuns(Stop),
    Stop(Stop),
    Kill(u8),
    Remove,
}

/// The lifecycle of one container: a state machine without I/O. `E` is the type of the errors in
/// answers to requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle<E> {
    state: State,
    run: RunState,
    tries: Tries,
    /// The waiting requests, in order of arrival.
    waiting: Vec<(RequestId, Waiting)>,
    /// The error of a failed start after which the container is removed: the answer to the requests
    /// for that start.
    failed: Option<E>,
}

impl<E: Clone> Lifecycle<E> {
    /// Returns the lifecycle of a container whose run state was read from the ledger. `in_force`
    /// says whether the ledger has the container as started: its start was committed, and its end
    /// was not.
    pub fn new(run: RunState, in_force: bool, now: Instant) -> Self {
        let state = match run.status {
            Status::Running if in_force => State::Running(Running {
                since: now,
                found: true,
            }),
            _ if in_force => State::Starting(start::Starting::found(&run)),
            Status::Created => State::Created,
            Status::Restarting => State::Restarting { at: now },
            Status::Running | Status::Exited | Status::Removing => {
                State::Exited { removed_at: None }
            }
        };
        Self {
            state,
            run,
            tries: Tries::default(),
            waiting: Vec::new(),
            failed: None,
        }
    }

    /// Returns the state of the lifecycle.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns the state of the container's run, as it was last given to the supervisor to be
    /// stored.
    pub fn run(&self) -> &RunState {
        &self.run
    }

    /// Returns when the supervisor must send [`Event::Woke`]; `None` if the state waits for no
    /// time.
    pub fn wakes_at(&self) -> Option<Instant> {
        match &self.state {
            State::Stopping(stopping) => stopping.next_at,
            State::Exited { removed_at } => *removed_at,
            State::Restarting { at } => Some(*at),
            _ => None,
        }
    }

    /// Takes an event, changes the state, and returns the actions that follow, in order. `policy`
    /// is the container's present configuration, and `now` the present time.
    pub fn step(&mut self, event: Event<E>, policy: &Policy, now: Instant) -> Vec<Action<E>> {
        let mut actions = Vec::new();
        let out = &mut actions;
        match event {
            Event::Requested(id, request) => self.requested(id, request, policy, now, out),
            Event::Explained(id, reason) => self.explained(id, reason, out),
            Event::CoordinatorStarted => self.coordinator_started(policy, out),
            Event::Resumed => match &mut self.state {
                State::Running(running) => running.found = false,
                State::Starting(starting) => starting.found = false,
                _ => {}
            },
            Event::Prepared => self.prepared(out),
            Event::Launched(launched) => self.launched(&launched, out),
            Event::StartFailed(failure) => self.start_failed(failure, out),
            Event::Recorded => self.recorded(policy, now, out),
            Event::NotRecorded(error) => self.start_not_recorded(error, now, out),
            Event::Ended(ended) => self.ended(ended, now, out),
            Event::Woke => self.woke(now, out),
            Event::ReadersGone => {
                if matches!(
                    self.state,
                    State::Exited {
                        removed_at: Some(_)
                    }
                ) {
                    self.remove(out);
                }
            }
            Event::RowRemoved => self.row_removed(out),
            Event::RowKept(error) => self.row_kept(&error, out),
        }
        actions
    }

    fn requested(
        &mut self,
        id: RequestId,
        request: Request,
        policy: &Policy,
        now: Instant,
        out: &mut Vec<Action<E>>,
    ) {
        let refused = |why| Action::Answer(id, Answer::Refused(why));
        match (&self.state, request) {
            (State::Removed, _) => out.push(refused(Refused::Gone)),
            (State::Removing, Request::Remove { force: true }) => {
                self.waiting.push((id, Waiting::Remove));
            }
            (State::Removing, _) => out.push(refused(Refused::Removing)),

            (
                State::Created | State::Exited { .. } | State::Restarting { .. },
                Request::Start | Request::Restart(_),
            ) => {
                self.waiting.push((id, waiting(request)));
                self.start(false, out);
            }
            (State::Running(_), Request::Start) => {
                out.push(Action::Answer(id, Answer::Unchanged));
            }
            // A second start waits for the first one. A start that arrives during a stop starts the
            // container again.
            (State::Starting(_) | State::Stopping(_) | State::Ending { .. }, Request::Start) => {
                self.waiting.push((id, Waiting::Start));
            }

            (State::Created | State::Exited { .. }, Request::Stop(_)) => {
                out.push(Action::Answer(id, Answer::Unchanged));
            }
            (State::Restarting { .. }, Request::Stop(_)) => {
                self.run.status = Status::Exited;
                self.run.stopped_by_user = true;
                self.state = State::Exited { removed_at: None };
                out.push(Action::Record(self.run.clone(), Some(id)));
            }
            (
                State::Created
                | State::Exited { .. }
                | State::Restarting { .. }
                | State::Ending { .. },
                Request::Kill(_),
            ) => out.push(refused(Refused::NotRunning)),

            (
                State::Created | State::Exited { .. } | State::Ending { .. },
                Request::Remove { .. },
            )
            | (State::Restarting { .. }, Request::Remove { force: true }) => {
                self.waiting.push((id, Waiting::Remove));
                if !matches!(self.state, State::Ending { .. }) {
                    self.remove(out);
                }
            }
            (State::Restarting { .. }, Request::Remove { force: false }) => {
                out.push(refused(Refused::NotRemovable("restarting")));
            }
            (
                State::Starting(_) | State::Running(_) | State::Stopping(_),
                Request::Remove { force: false },
            ) => out.push(refused(Refused::NotRemovable("running"))),

            (State::Ending { .. }, Request::Stop(_) | Request::Restart(_)) => {
                self.waiting.push((id, waiting(request)));
            }
            (State::Starting(_), request) => self.while_starting(id, request, out),
            (State::Running(_) | State::Stopping(_), request) => {
                self.while_running(id, request, policy, now, out);
            }
        }
    }

    /// Stores why a container that does not run was not started.
    fn explained(&mut self, id: RequestId, reason: String, out: &mut Vec<Action<E>>) {
        match self.state {
            State::Created | State::Exited { .. } | State::Restarting { .. } => {
                self.run.exit_code = NOT_STARTED;
                self.run.error = reason;
                out.push(Action::Record(self.run.clone(), Some(id)));
            }
            State::Removed => out.push(Action::Answer(id, Answer::Refused(Refused::Gone))),
            // The container has been started meanwhile, or is being removed.
            _ => out.push(Action::Answer(id, Answer::Unchanged)),
        }
    }

    fn coordinator_started(&mut self, policy: &Policy, out: &mut Vec<Action<E>>) {
        let waited = matches!(self.state, State::Restarting { .. });
        if !waited && !matches!(self.state, State::Created | State::Exited { .. }) {
            return;
        }
        // A container that waited to be restarted did not end because of a user either.
        if restart::at_start(&policy.restart, &self.run, waited) {
            self.start(true, out);
        } else if waited {
            self.run.status = Status::Exited;
            self.state = State::Exited { removed_at: None };
            out.push(Action::Record(self.run.clone(), None));
        }
    }

    fn woke(&mut self, now: Instant, out: &mut Vec<Action<E>>) {
        if self.wakes_at().is_none_or(|at| at > now) {
            return;
        }
        match self.state {
            State::Stopping(_) => self.escalate(now, out),
            State::Exited { .. } => self.remove(out),
            State::Restarting { .. } => self.start(true, out),
            _ => {}
        }
    }

    fn remove(&mut self, out: &mut Vec<Action<E>>) {
        self.state = State::Removing;
        out.push(Action::RemoveRow);
    }

    fn row_removed(&mut self, out: &mut Vec<Action<E>>) {
        if self.state != State::Removing {
            return;
        }
        self.state = State::Removed;
        out.extend([Action::Discard, Action::Tell(Told::Destroy)]);
        let failed = self.failed.take();
        for (id, waiting) in self.waiting.drain(..) {
            let answer = match (waiting, &failed) {
                (Waiting::Remove, _) => Answer::Done,
                (Waiting::Start | Waiting::Restart, Some(error)) => {
                    Answer::Refused(Refused::Failed(error.clone()))
                }
                _ => Answer::Refused(Refused::Gone),
            };
            out.push(Action::Answer(id, answer));
        }
    }

    fn row_kept(&mut self, error: &E, out: &mut Vec<Action<E>>) {
        if self.state != State::Removing {
            return;
        }
        self.state = match self.run.status {
            Status::Created => State::Created,
            _ => State::Exited { removed_at: None },
        };
        let failed = self.failed.take();
        for (id, waiting) in self.waiting.drain(..) {
            let error = match (waiting, &failed) {
                (Waiting::Start | Waiting::Restart, Some(failed)) => failed,
                _ => error,
            };
            let answer = Answer::Refused(Refused::Failed(error.clone()));
            out.push(Action::Answer(id, answer));
        }
    }
}

fn waiting(request: Request) -> Waiting {
    match request {
        Request::Start => Waiting::Start,
        Request::Stop(how) => Waiting::Stop(how),
        Request::Restart(_) => Waiting::Restart,
        Request::Kill(signal) => Waiting::Kill(signal),
        Request::Remove { .. } => Waiting::Remove,
    }
}

#[cfg(test)]
mod tests;
