//! Supervises one container in one task, which drives the container's [`Lifecycle`] and alone
//! changes how
//! the container runs.
//!
//! ```text
//!   Handle ── requests ──► ┌────────────┐ ──► Lifecycle::step ──► actions
//!   Follower (shim) ─────► │ Supervisor │      │ stores: one after the other, in this task
//!   finished work ───────► └────────────┘ ◄────┴ disks, launch, signals, removal: concurrently, reported as events
//! ```
//!
//! Architecture invariants:
//! - The task awaits no guest, shim or disk, so that it can always take the next request.
//! - The states of a run are stored in the order in which they were decided.
//! - The task ends when its container is removed, or when the coordinator stops, which leaves VMs running.

mod follow;
mod launch;
mod record;
mod removal;

use super::{
    ContainerSnapshot, Runtime, RuntimeError,
    ask::{Ask, Reply, Shared},
    checks,
    event::{ContainerAction, now_ms},
    handle::Handle,
    lifecycle::{
        Action, Answer, Ended, Event, Launched, Lifecycle, Refused, RequestId, StartFailure, State,
        Told,
    },
};
use follow::{Followed, Follower};
use futures_util::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::FuturesUnordered,
};
use launch::StartDisks;
use protocol::process::ProcessId;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};
use tokio::{sync::mpsc, time::sleep_until};
use tokio_util::sync::CancellationToken;
use vch_ledger::ContainerId;
use vch_log::error_chain;
use vch_shim::Outcome;

/// The exit code that Docker gives to a container that could not be launched.
pub(super) const NOT_LAUNCHED: u8 = 128;

/// A container's supervisor before it has read the container from the ledger.
pub(super) struct Supervisor {
    /// The runtime that the container belongs to.
    pub runtime: Runtime,
    /// The container's ID.
    pub id: ContainerId,
    /// The handle by which other tasks reach the supervisor.
    pub handle: Arc<Handle>,
    /// The messages to the supervisor.
    pub asks: mpsc::Receiver<Ask>,
}

/// The result of work that ran concurrently with the supervisor.
enum Done {
    Event(Event<Shared>),
    Prepared(Result<StartDisks, RuntimeError>),
    Launched(Box<Result<(Launched, Follower), RuntimeError>>),
    Followed(Box<Follower>, Followed),
    /// The result of sending a signal, and the request that waits for it.
    Signalled(Option<RequestId>, Result<(), RuntimeError>),
    Nothing,
}

type ActionFuture = BoxFuture<'static, Done>;

/// The state of a container's supervisor while it runs.
struct Supervised {
    runtime: Runtime,
    id: ContainerId,
    handle: Arc<Handle>,
    lifecycle: Lifecycle<Shared>,
    replies: BTreeMap<RequestId, Reply>,
    requests: u64,
    work: FuturesUnordered<ActionFuture>,
    health: Option<BoxFuture<'static, ()>>,
    /// The time at which the last start began.
    start_began: Instant,
    /// The disks for the start that is under way.
    disks: StartDisks,
    /// Cancels the launch that is under way.
    abort: CancellationToken,
    /// The container as it was before its removal, which still has the name and labels for the
    /// removal event.
    removed: Option<ContainerSnapshot>,
    /// Events that follow from actions; they are handled before any other event.
    next: VecDeque<Event<Shared>>,
}

impl Supervisor {
    /// Supervises the container until it is removed, or until the coordinator stops.
    pub async fn run(mut self) {
        let snapshot = {
            // The policy must not change between reading the container and setting it.
            let _edits = self.handle.edits.lock().await;
            let snapshot = self.runtime.require(self.id).await;
            if let Ok(snapshot) = &snapshot {
                self.handle.set_policy((&*snapshot.workload).into());
            }
            snapshot
        };
        match snapshot {
            Ok(snapshot) => self.supervise(snapshot).await,
            // The container was removed meanwhile, or its documents cannot be read: the next
            // request starts a new supervisor.
            Err(error) => {
                self.runtime.forget(self.id, &self.handle);
                if matches!(error, RuntimeError::NotOurs(_)) {
                    self.handle.show_removal();
                }
                self.refuse(Arc::new(error)).await;
            }
        }
    }

    async fn supervise(&mut self, snapshot: ContainerSnapshot) {
        let in_force = snapshot.container.runs();
        let mut supervised = Supervised {
            runtime: self.runtime.clone(),
            id: self.id,
            handle: Arc::clone(&self.handle),
            lifecycle: Lifecycle::new(snapshot.run_state, in_force, Instant::now()),
            replies: BTreeMap::new(),
            requests: 0,
            work: FuturesUnordered::new(),
            health: None,
            start_began: Instant::now(),
            disks: StartDisks::default(),
            abort: CancellationToken::new(),
            removed: None,
            next: VecDeque::new(),
        };
        if in_force {
            supervised.follow_found();
        }
        supervised.drive(&mut self.asks).await;
        self.runtime.forget(self.id, &self.handle);
        self.handle.show_removal();
        let gone = RuntimeError::NotOurs(self.id.to_string());
        self.refuse(Arc::new(gone)).await;
    }

    /// Refuses the requests that wait, and those that still arrive.
    async fn refuse(&mut self, error: Shared) {
        self.asks.close();
        while let Some(ask) = self.asks.recv().await {
            if let Some(reply) = ask.reply() {
                // The client may have stopped waiting for the answer.
                let _ = reply.send(Answer::Refused(Refused::Failed(Arc::clone(&error))));
            }
        }
    }
}

impl Supervised {
    async fn drive(&mut self, asks: &mut mpsc::Receiver<Ask>) {
        while *self.lifecycle.state() != State::Removed {
            let wakes_at = self.lifecycle.wakes_at();
            let woken = async {
                match wakes_at {
                    Some(at) => sleep_until(at.into()).await,
                    None => future::pending().await,
                }
            };
            let checked = async {
                match &mut self.health {
                    Some(health) => health.await,
                    None => future::pending().await,
                }
            };
            // Every arm is cancel-safe: `recv`, `next` of a set that keeps its futures, a timer,
            // and a health check whose future is kept in `self`.
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(Ask::Request(request, reply)) => {
                        let id = self.replied(reply);
                        self.step(Event::Requested(id, request)).await;
                    }
                    Some(Ask::Explain(reason, reply)) => {
                        let id = self.replied(reply);
                        self.step(Event::Explained(id, reason)).await;
                    }
                    Some(Ask::CoordinatorStarted) => self.step(Event::CoordinatorStarted).await,
                    // The runtime holds the handle, so the channel closes only when the runtime is
                    // dropped.
                    Some(Ask::RowRemoved) | None => return,
                },
                Some(done) = self.work.next(), if !self.work.is_empty() => self.done(done).await,
                () = woken => self.step(Event::Woke).await,
                // The health check cannot run. The end of the container is still followed.
                () = checked => self.health = None,
            }
        }
    }

    fn replied(&mut self, reply: Reply) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.replies.insert(id, reply);
        id
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Nothing => {}
            Done::Event(event) => self.step(event).await,
            Done::Signalled(id, result) => {
                if let Some(id) = id {
                    self.answer(id, answered(result));
                }
            }
            Done::Prepared(result) => match result {
                Ok(disks) => {
                    self.disks = disks;
                    self.step(Event::Prepared).await;
                }
                Err(error) => {
                    self.handle.show_starting(false);
                    self.step(start_failed(error)).await;
                }
            },
            Done::Launched(result) => {
                self.handle.show_starting(false);
                match *result {
                    Ok((launched, follower)) => {
                        self.follow(follower);
                        self.step(Event::Launched(launched)).await;
                    }
                    Err(error) => self.step(start_failed(error)).await,
                }
            }
            Done::Followed(follower, Followed::Runs(started_ms)) => {
                self.follow(*follower);
                let event = match self.lifecycle.state() {
                    State::Starting(_) => Event::Launched(Launched {
                        started_ms,
                        ..Launched::default()
                    }),
                    _ => {
                        self.check();
                        Event::Resumed
                    }
                };
                self.step(event).await;
            }
            Done::Followed(_, Followed::Ended(outcome)) => {
                self.health = None;
                self.handle.set_health(None);
                self.step(ended(outcome)).await;
            }
        }
    }

    async fn step(&mut self, event: Event<Shared>) {
        self.next.push_back(event);
        while let Some(event) = self.next.pop_front() {
            let policy = self.handle.policy();
            let actions = self.lifecycle.step(event, &policy, Instant::now());
            for action in actions {
                self.act(action).await;
            }
        }
    }

    async fn act(&mut self, action: Action<Shared>) {
        match action {
            Action::Prepare => self.prepare(),
            Action::Launch => self.launch(),
            Action::AbortLaunch => self.abort.cancel(),
            Action::Signal(signal, id) => self.signal(signal, id),
            Action::EndVm => self.end_vm(),
            Action::EndShim => self.end_shim(),
            Action::Record(run_state, id) => {
                let recorded = self.record(run_state.clone()).await;
                if recorded.is_ok() {
                    self.handle.show(run_state);
                }
                match (recorded, id) {
                    (recorded, Some(id)) => self.answer(id, answered(recorded)),
                    (Ok(()), None) => {}
                    (Err(error), None) => {
                        let error = error_chain(&error);
                        tracing::warn!(container = %self.id, error, "container state not stored; storing it with the next change");
                    }
                }
            }
            Action::RecordStart(run_state) => {
                let event = match self.record(run_state.clone()).await {
                    Ok(()) => {
                        self.handle.show_start(run_state);
                        self.check();
                        Event::Recorded
                    }
                    Err(error) => Event::NotRecorded(Arc::new(error)),
                };
                self.next.push_back(event);
            }
            Action::RecordEnd(run_state) => self.record_end(run_state),
            Action::Answer(id, answer) => self.answer(id, answer),
            Action::Tell(told) => self.tell(told).await,
            Action::AwaitReaders => {
                let handle = Arc::clone(&self.handle);
                self.beside(async move {
                    handle.unread().await;
                    Done::Event(Event::ReadersGone)
                });
            }
            Action::RemoveRow => self.remove_row().await,
            Action::Discard => self.discard().await,
        }
    }

    fn beside(&self, work: impl Future<Output = Done> + Send + 'static) {
        self.work.push(work.boxed());
    }

    fn answer(&mut self, id: RequestId, answer: Answer<Shared>) {
        if let Some(reply) = self.replies.remove(&id) {
            // The client may have stopped waiting for the answer.
            let _ = reply.send(answer);
        }
    }

    fn follow(&self, follower: Follower) {
        self.beside(async move {
            let (follower, followed) = follower.next().await;
            Done::Followed(Box::new(follower), followed)
        });
    }

    /// Follows a VM that an earlier coordinator started.
    fn follow_found(&self) {
        self.follow(match self.lifecycle.state() {
            State::Starting(_) => {
                let last_finished_ms = self.lifecycle.run().finished_ms;
                Follower::starting(&self.runtime, self.id, last_finished_ms)
            }
            _ => Follower::running(&self.runtime, self.id),
        });
    }

    /// Starts the container's health check, if it has one.
    fn check(&mut self) {
        let (runtime, id) = (self.runtime.clone(), self.id);
        self.health = Some(checks::keep(runtime, id, Arc::clone(&self.handle)).boxed());
    }

    fn signal(&self, signal: u8, id: Option<RequestId>) {
        let (runtime, container) = (self.runtime.clone(), self.id);
        self.beside(async move {
            let result = async {
                let snapshot = runtime.require(container).await?;
                let client = runtime.client(&snapshot)?;
                // A process that has just ended receives no signal; its end is reported as an
                // event.
                let sent = client.signal(ProcessId::MAIN, signal).await;
                if id.is_none() || sent.is_ok() {
                    runtime.tell_of(&snapshot, ContainerAction::Signalled(signal));
                }
                Ok(sent?)
            };
            Done::Signalled(id, result.await)
        });
    }

    async fn tell(&mut self, told: Told) {
        let action = match told {
            Told::Start => ContainerAction::Started,
            Told::Stop => ContainerAction::Stopped,
            Told::Restart => ContainerAction::Restarted,
            Told::OutOfMemory => ContainerAction::OutOfMemory,
            Told::Die { code, ran } => ContainerAction::Died { code, ran },
            Told::Destroy => {
                if let Some(snapshot) = &self.removed {
                    self.runtime.tell_of(snapshot, ContainerAction::Removed);
                }
                return;
            }
        };
        self.runtime.tell(self.id, action).await;
    }
}

fn answered(result: Result<(), RuntimeError>) -> Answer<Shared> {
    match result {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Refused(Refused::Failed(Arc::new(error))),
    }
}

fn start_failed(error: RuntimeError) -> Event<Shared> {
    let (code, reason, ended_ms) = match &error {
        RuntimeError::NotStarted { code, reason } => (*code, reason.clone(), Some(now_ms())),
        RuntimeError::Request(_) => (NOT_LAUNCHED, error_chain(&error).to_string(), None),
        _ => (
            NOT_LAUNCHED,
            error_chain(&error).to_string(),
            Some(now_ms()),
        ),
    };
    Event::StartFailed(StartFailure {
        code,
        reason,
        ended_ms,
        error: Arc::new(error),
    })
}

fn ended(outcome: Outcome) -> Event<Shared> {
    Event::Ended(Ended {
        code: outcome.code,
        out_of_memory: outcome.out_of_memory,
        finished_ms: outcome.finished_ms,
        error: outcome
            .failure
            .map(|failure| failure.text)
            .unwrap_or_default(),
    })
}
