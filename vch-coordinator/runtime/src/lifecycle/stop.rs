//! The end of a container's run: stopping it in stages, and continuing after its end.

use super::{
    Action, Answer, LAST_READS, Lifecycle, Policy, Refused, Request, RequestId, Running, State,
    Stop, Told, Waiting, waiting,
};
use crate::restart;
use std::time::{Duration, Instant};

/// SIGKILL.
const KILL: u8 = 9;
/// The time between SIGKILL and ending the VM.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// The time between ending the VM and killing its shim, and between that and reporting the
/// container as unkillable.
const END_GRACE: Duration = Duration::from_secs(20);

/// A run that is being ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopping {
    pub(super) running: Running,
    stage: Stage,
    /// When the next stage is due; `None` if no further stage follows.
    pub(super) next_at: Option<Instant>,
}

/// The stage of ending a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The process was sent the stop signal.
    Signalled,
    /// The process was sent SIGKILL.
    Killed,
    /// The shim was told to end the VM.
    VmEnded,
    /// The shim was killed.
    ShimKilled,
}

impl<E: Clone> Lifecycle<E> {
    /// Handles a request that arrived while the process runs or is being ended.
    pub(super) fn while_running(
        &mut self,
        id: RequestId,
        request: Request,
        policy: &Policy,
        now: Instant,
        out: &mut Vec<Action<E>>,
    ) {
        match request {
            Request::Start => out.push(Action::Answer(id, Answer::Unchanged)),
            Request::Stop(how) | Request::Restart(how) => {
                self.waiting.push((id, waiting(request)));
                self.signal(how, policy, now, out);
            }
            Request::Kill(KILL) | Request::Remove { .. } => {
                self.waiting.push((id, waiting(request)));
                self.kill(now, out);
            }
            Request::Kill(signal) => {
                if signal == policy.stop_signal {
                    self.stopped_by_user(out);
                }
                out.push(Action::Signal(signal, Some(id)));
            }
        }
    }

    fn running(&self) -> Option<Running> {
        match &self.state {
            State::Running(running) => Some(*running),
            State::Stopping(stopping) => Some(stopping.running),
            _ => None,
        }
    }

    /// Notes that a user ends the container, so that its restart policy does not start it again.
    /// This takes effect at once and is stored with the end of the run at the latest, so that a
    /// container can be stopped even if the disk is full.
    fn stopped_by_user(&mut self, out: &mut Vec<Action<E>>) {
        if !self.run.stopped_by_user {
            self.run.stopped_by_user = true;
            out.push(Action::Record(self.run.clone(), None));
        }
    }

    fn signal(&mut self, how: Stop, policy: &Policy, now: Instant, out: &mut Vec<Action<E>>) {
        self.stopped_by_user(out);
        let signal = how.signal.unwrap_or(policy.stop_signal);
        // A time that the clock cannot represent means no limit.
        let due = now.checked_add(how.grace.unwrap_or(policy.stop_grace));
        match &mut self.state {
            State::Running(running) => {
                self.state = State::Stopping(Stopping {
                    running: *running,
                    stage: Stage::Signalled,
                    next_at: due,
                });
            }
            // The shorter of the two times applies.
            State::Stopping(stopping) if stopping.stage == Stage::Signalled => {
                stopping.next_at = match (stopping.next_at, due) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
            _ => return self.kill(now, out),
        }
        out.push(Action::Signal(signal, None));
    }

    fn kill(&mut self, now: Instant, out: &mut Vec<Action<E>>) {
        self.stopped_by_user(out);
        let Some(running) = self.running() else {
            return;
        };
        match &mut self.state {
            State::Stopping(stopping) if stopping.stage == Stage::ShimKilled => {
                out.push(Action::EndShim);
                stopping.next_at = Some(now + END_GRACE);
            }
            State::Stopping(stopping) if stopping.stage != Stage::Signalled => {}
            _ => {
                self.state = State::Stopping(Stopping {
                    running,
                    stage: Stage::Killed,
                    next_at: Some(now + KILL_GRACE),
                });
                out.push(Action::Signal(KILL, None));
            }
        }
    }

    /// Ends the VM without a signal to the process.
    pub(super) fn end_vm(&mut self, running: Running, now: Instant, out: &mut Vec<Action<E>>) {
        self.state = State::Stopping(Stopping {
            running,
            stage: Stage::VmEnded,
            next_at: Some(now + END_GRACE),
        });
        out.push(Action::EndVm);
    }

    /// Goes on to the next stage, because the previous one did not end the run in time.
    pub(super) fn escalate(&mut self, now: Instant, out: &mut Vec<Action<E>>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let (stage, grace, action) = match stopping.stage {
            Stage::Signalled => (Stage::Killed, KILL_GRACE, Action::Signal(KILL, None)),
            Stage::Killed => (Stage::VmEnded, END_GRACE, Action::EndVm),
            Stage::VmEnded => (Stage::ShimKilled, END_GRACE, Action::EndShim),
            // The VM still runs, so that the container must not be recorded as ended. The next
            // request tries again.
            Stage::ShimKilled => {
                stopping.next_at = None;
                for (id, _) in self.waiting.drain(..) {
                    out.push(Action::Answer(id, Answer::Refused(Refused::Unkillable)));
                }
                return;
            }
        };
        stopping.stage = stage;
        stopping.next_at = Some(now + grace);
        out.push(action);
    }

    /// Continues after an end has been stored.
    pub(super) fn has_ended(&mut self, policy: &Policy, now: Instant, out: &mut Vec<Action<E>>) {
        let State::Ending {
            found,
            ran,
            failed_start,
        } = self.state
        else {
            return;
        };
        if let Some(failed) = failed_start {
            return self.has_not_started(failed, policy, now, out);
        }
        let lived = self.run.finished_ms.saturating_sub(self.run.started_ms);
        out.push(Action::Tell(Told::Die {
            code: u8::try_from(self.run.exit_code).unwrap_or(u8::MAX),
            ran: Duration::from_millis(lived),
        }));
        let (mut starts, mut removed) = (false, false);
        for (id, waiting) in std::mem::take(&mut self.waiting) {
            match waiting {
                Waiting::Stop(_) => {
                    self.stopped_by_user(out);
                    out.push(Action::Tell(Told::Stop));
                    out.push(Action::Answer(id, Answer::Done));
                    continue;
                }
                Waiting::Kill(_) => {
                    out.push(Action::Answer(id, Answer::Done));
                    continue;
                }
                Waiting::Remove => removed = true,
                Waiting::Restart => {
                    out.push(Action::Tell(Told::Stop));
                    starts = true;
                }
                Waiting::Start | Waiting::RestartOnceItRuns(_) => starts = true,
            }
            self.waiting.push((id, waiting));
        }
        if removed {
            return self.remove(out);
        }
        if starts {
            return self.start(false, out);
        }
        if found && restart::at_start(&policy.restart, &self.run, true) {
            return self.start(true, out);
        }
        let again = match found {
            true => None,
            false => restart::after_end(&policy.restart, &self.run, ran, &mut self.tries),
        };
        if again.is_none() && policy.remove_at_end {
            self.state = State::Exited {
                removed_at: now.checked_add(LAST_READS),
            };
            out.push(Action::AwaitReaders);
            return;
        }
        self.rest(again, now, out);
    }
}
