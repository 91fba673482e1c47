//! The start of a container: from the request to a running process, or to a failed start.

use super::{
    Action, Answer, Ended, Launched, Lifecycle, Policy, Refused, Request, RequestId, Running,
    StartFailure, State, Told, Waiting,
};
use crate::{
    restart,
    workload::{RunState, Status},
};
use std::time::{Duration, Instant};

/// SIGKILL.
const KILL: u8 = 9;

/// A start that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starting {
    /// Whether the restart policy starts the container, and retries if the start fails.
    pub(super) by_policy: bool,
    /// How many times in a row the restart policy has started the container, including this time.
    restarts: u32,
    /// Whether an earlier coordinator began the start and its shim has not answered yet.
    pub(super) found: bool,
    /// Whether the start is being cancelled.
    aborted: bool,
}

impl Starting {
    /// Returns the start that an earlier coordinator left under way.
    pub(super) fn found(run: &RunState) -> Self {
        Self {
            by_policy: true,
            restarts: run.restarts,
            found: true,
            aborted: false,
        }
    }
}

impl<E: Clone> Lifecycle<E> {
    /// Begins a start.
    pub(super) fn start(&mut self, by_policy: bool, out: &mut Vec<Action<E>>) {
        let again = matches!(self.state, State::Restarting { .. });
        if !by_policy {
            self.tries = Default::default();
        }
        self.state = State::Starting(Starting {
            by_policy,
            restarts: match by_policy && again {
                true => self.run.restarts.saturating_add(1),
                false => 0,
            },
            found: false,
            aborted: false,
        });
        out.push(Action::Prepare);
    }

    /// Handles a request that arrived during a start.
    pub(super) fn while_starting(
        &mut self,
        id: RequestId,
        request: Request,
        out: &mut Vec<Action<E>>,
    ) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        let (waiting, aborts) = match request {
            Request::Start => (Waiting::Start, false),
            Request::Restart(how) => (Waiting::RestartOnceItRuns(how), false),
            Request::Stop(how) => (Waiting::Stop(how), false),
            Request::Kill(signal) => (Waiting::Kill(signal), signal == KILL),
            Request::Remove { .. } => (Waiting::Remove, true),
        };
        self.waiting.push((id, waiting));
        if aborts && !starting.aborted {
            starting.aborted = true;
            out.push(Action::AbortLaunch);
        }
    }

    pub(super) fn prepared(&mut self, out: &mut Vec<Action<E>>) {
        if let State::Starting(starting) = &self.state {
            out.push(Action::Launch);
            if starting.aborted {
                out.push(Action::AbortLaunch);
            }
        }
    }

    pub(super) fn launched(&mut self, launched: &Launched, out: &mut Vec<Action<E>>) {
        let State::Starting(starting) = &self.state else {
            return;
        };
        self.run.status = Status::Running;
        self.run.started_ms = launched.started_ms;
        // A start that an earlier coordinator began keeps what that coordinator recorded.
        if !starting.found {
            self.run = RunState {
                pid: launched.pid,
                vm: launched.vm,
                exit_code: 0,
                error: String::new(),
                out_of_memory: false,
                stopped_by_user: false,
                restarts: starting.restarts,
                ..self.run.clone()
            };
        }
        out.push(Action::RecordStart(self.run.clone()));
    }

    /// Continues after a start or an end has been stored.
    pub(super) fn recorded(&mut self, policy: &Policy, now: Instant, out: &mut Vec<Action<E>>) {
        match self.state {
            State::Starting(_) => self.runs(policy, now, out),
            State::Ending { .. } => self.has_ended(policy, now, out),
            _ => {}
        }
    }

    fn runs(&mut self, policy: &Policy, now: Instant, out: &mut Vec<Action<E>>) {
        self.state = State::Running(Running {
            since: now,
            found: false,
        });
        out.push(Action::Tell(Told::Start));
        let mut first = true;
        for (id, waiting) in std::mem::take(&mut self.waiting) {
            let request = match waiting {
                Waiting::Start | Waiting::Restart => {
                    if waiting == Waiting::Restart {
                        out.push(Action::Tell(Told::Restart));
                    }
                    let done = first || waiting == Waiting::Restart;
                    let answer = if done {
                        Answer::Done
                    } else {
                        Answer::Unchanged
                    };
                    first = false;
                    out.push(Action::Answer(id, answer));
                    continue;
                }
                Waiting::RestartOnceItRuns(how) => Request::Restart(how),
                Waiting::Stop(how) => Request::Stop(how),
                Waiting::Kill(signal) => Request::Kill(signal),
                Waiting::Remove => Request::Remove { force: true },
            };
            self.while_running(id, request, policy, now, out);
        }
    }

    /// Ends a VM whose start cannot be stored: after a crash, the next coordinator would not know
    /// of it.
    pub(super) fn start_not_recorded(&mut self, error: E, now: Instant, out: &mut Vec<Action<E>>) {
        if !matches!(self.state, State::Starting(_)) {
            return;
        }
        let starts = |waiting: &Waiting| {
            matches!(
                waiting,
                Waiting::Start | Waiting::Restart | Waiting::RestartOnceItRuns(_)
            )
        };
        self.waiting.retain(|(id, waiting)| {
            let answered = starts(waiting);
            if answered {
                let answer = Answer::Refused(Refused::Failed(error.clone()));
                out.push(Action::Answer(*id, answer));
            }
            !answered
        });
        let running = Running {
            since: now,
            found: false,
        };
        self.end_vm(running, now, out);
    }

    pub(super) fn start_failed(&mut self, failure: StartFailure<E>, out: &mut Vec<Action<E>>) {
        let State::Starting(starting) = &self.state else {
            return;
        };
        let StartFailure {
            code,
            reason,
            ended_ms,
            error,
        } = failure;
        self.run = RunState {
            // As in Docker, a container whose first start failed is again in the state `created`.
            status: match self.run.started_ms {
                0 => Status::Created,
                _ => Status::Exited,
            },
            exit_code: code.into(),
            error: reason,
            finished_ms: ended_ms.unwrap_or(self.run.finished_ms),
            pid: 0,
            restarts: starting.restarts,
            stopped_by_user: self.run.stopped_by_user || starting.aborted,
            ..self.run.clone()
        };
        self.failed = Some(error);
        self.state = State::Ending {
            found: false,
            ran: Duration::ZERO,
            failed_start: Some(FailedStart {
                by_policy: starting.by_policy,
            }),
        };
        out.push(Action::RecordEnd(self.run.clone()));
    }

    /// Continues after a failed start has been stored.
    pub(super) fn has_not_started(
        &mut self,
        FailedStart { by_policy }: FailedStart,
        policy: &Policy,
        now: Instant,
        out: &mut Vec<Action<E>>,
    ) {
        let removed = |(_, waiting): &(RequestId, Waiting)| *waiting == Waiting::Remove;
        if (policy.remove_at_end && !by_policy) || self.waiting.iter().any(removed) {
            // The requests for the start are answered with the reason of its failure once the
            // container is removed.
            self.remove(out);
            return;
        }
        let failed = self.failed.take();
        let mut stopped = false;
        for (id, waiting) in std::mem::take(&mut self.waiting) {
            let answer = match (waiting, &failed) {
                (Waiting::Stop(_), _) => {
                    stopped = true;
                    Answer::Unchanged
                }
                (Waiting::Kill(_), _) | (_, None) => Answer::Refused(Refused::NotRunning),
                (_, Some(error)) => Answer::Refused(Refused::Failed(error.clone())),
            };
            out.push(Action::Answer(id, answer));
        }
        let again = (by_policy && !stopped).then(|| {
            restart::after_end(&policy.restart, &self.run, Duration::ZERO, &mut self.tries)
        });
        self.rest(again.flatten(), now, out);
    }

    /// Goes to a state in which the container waits: for the next start by its restart policy after
    /// `pause`, or for a request.
    pub(super) fn rest(&mut self, pause: Option<Duration>, now: Instant, out: &mut Vec<Action<E>>) {
        self.state = match (pause, self.run.status) {
            (Some(pause), _) => {
                self.run.status = Status::Restarting;
                out.push(Action::Record(self.run.clone(), None));
                State::Restarting { at: now + pause }
            }
            (None, Status::Created) => State::Created,
            (None, _) => State::Exited { removed_at: None },
        };
    }

    pub(super) fn ended(&mut self, ended: Ended, now: Instant, out: &mut Vec<Action<E>>) {
        let (since, found) = match &self.state {
            State::Running(running) => (running.since, running.found),
            State::Stopping(stopping) => (stopping.running.since, stopping.running.found),
            State::Starting(starting) => (now, starting.found),
            _ => return,
        };
        let Ended {
            code,
            out_of_memory,
            finished_ms,
            error,
        } = ended;
        self.run = RunState {
            status: Status::Exited,
            exit_code: code.into(),
            error,
            out_of_memory,
            finished_ms,
            pid: 0,
            ..self.run.clone()
        };
        self.state = State::Ending {
            found,
            ran: now.saturating_duration_since(since),
            failed_start: None,
        };
        if out_of_memory {
            out.push(Action::Tell(Told::OutOfMemory));
        }
        out.push(Action::RecordEnd(self.run.clone()));
    }
}

/// A start that failed and is being stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedStart {
    /// Whether the restart policy started the container.
    by_policy: bool,
}
