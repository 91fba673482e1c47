//! The events that a lifecycle takes, and the actions that it returns.

use crate::{
    signal::stop_signal,
    workload::{RestartPolicy, RunState, VmSize, Workload},
};
use std::time::Duration;

/// The number of a request, by which the lifecycle answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A request about a container's run, from a client of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Start the container.
    Start,
    /// Stop the container: send its stop signal, and SIGKILL after a grace period.
    Stop(Stop),
    /// Stop the container if it runs, then start it.
    Restart(Stop),
    /// Send the signal with this number to the container's process.
    Kill(u8),
    /// Remove the container.
    Remove {
        /// Whether to end the container first if it runs.
        force: bool,
    },
}

/// How a request stops a container (`docker stop --signal --timeout`). The default uses the
/// container's own configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// The time between the stop signal and SIGKILL; `None` for the container's own, which is 10 s
    /// unless configured.
    pub grace: Option<Duration>,
    /// The number of the stop signal (signal(7)); `None` for the container's own, which is SIGTERM
    /// unless configured.
    pub signal: Option<u8>,
}

/// The part of a container's configuration that decides how it is stopped, restarted and removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether and when the container is started again after it ended.
    pub restart: RestartPolicy,
    /// Whether the container is removed when it has ended (`docker run --rm`).
    pub remove_at_end: bool,
    /// The number of the signal that stops the container.
    pub stop_signal: u8,
    /// The time between that signal and SIGKILL.
    pub stop_grace: Duration,
}

/// The time between the stop signal and SIGKILL for a container that sets no time, as in Docker.
const STOP_GRACE: Duration = Duration::from_secs(10);

impl From<&Workload> for Policy {
    fn from(workload: &Workload) -> Self {
        // A negative time means to wait without limit.
        let seconds = |seconds| u64::try_from(seconds).unwrap_or(u64::MAX);
        Self {
            restart: workload.restart.clone(),
            remove_at_end: workload.remove_at_end,
            stop_signal: stop_signal(workload),
            stop_grace: workload
                .stop_timeout
                .map_or(STOP_GRACE, |grace| Duration::from_secs(seconds(grace))),
        }
    }
}

/// An event that a [`Lifecycle`](super::Lifecycle) takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<E> {
    /// The coordinator has started, and the container does not run.
    CoordinatorStarted,
    /// The shim of a VM that an earlier coordinator started has answered, so the VM still runs.
    Resumed,
    /// A client's request has arrived.
    Requested(RequestId, Request),
    /// A client reports why the start that it requested was refused, as it told its user.
    Explained(RequestId, String),
    /// [`Action::Prepare`] is done.
    Prepared,
    /// [`Action::Launch`] is done: the container's process runs.
    Launched(Launched),
    /// [`Action::Prepare`] or [`Action::Launch`] has failed, and no process is left.
    StartFailed(StartFailure<E>),
    /// [`Action::RecordStart`] or [`Action::RecordEnd`] is done.
    Recorded,
    /// [`Action::RecordStart`] has failed.
    NotRecorded(E),
    /// The container's process or its VM has ended.
    Ended(Ended),
    /// The time that `Lifecycle::wakes_at` returned has come.
    Woke,
    /// No client reads the container's output any more.
    ReadersGone,
    /// [`Action::RemoveRow`] is done.
    RowRemoved,
    /// [`Action::RemoveRow`] has failed: the container still exists.
    RowKept(E),
}

/// A container's process that was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launched {
    /// When the process started, in milliseconds since 1970.
    pub started_ms: u64,
    /// The process ID of the VM's shim process on the host.
    pub pid: u32,
    /// The size of the VM.
    pub vm: VmSize,
}

/// A start of a container that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure<E> {
    /// The exit code that is recorded: 125 to 128, as in Docker.
    pub code: u8,
    /// The reason in words.
    pub reason: String,
    /// When the VM ended, in milliseconds since 1970; `None` if there was no VM.
    pub ended_ms: Option<u64>,
    /// The answer to the requests for the start.
    pub error: E,
}

/// The end of a container's run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The exit code.
    pub code: u8,
    /// Whether the guest's kernel killed the process because the container ran out of memory.
    pub out_of_memory: bool,
    /// When the run ended, in milliseconds since 1970.
    pub finished_ms: u64,
    /// The reason for which the VM ended before the process; empty if the process itself ended.
    pub error: String,
}

/// An action that the lifecycle asks the container's supervisor to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<E> {
    /// Provide the VM's disks, and commit the start in the ledger: names and ports are in force
    /// from then on.
    Prepare,
    /// Start the VM and the container's process.
    Launch,
    /// Cancel the launch that is under way, which then fails.
    AbortLaunch,
    /// Send the process the signal with this number, and send an event about it. The result answers
    /// the request, if the action names one.
    Signal(u8, Option<RequestId>),
    /// Tell the shim to end the VM.
    EndVm,
    /// Kill the shim process by SIGKILL, which also ends the VM.
    EndShim,
    /// Store the state of the run. The result answers the request, if the action names one.
    Record(RunState, Option<RequestId>),
    /// Store the state of the run, now that the process runs.
    RecordStart(RunState),
    /// Store the end of the run and release the container's names and ports, both in one
    /// transaction. Repeat this until it succeeds.
    RecordEnd(RunState),
    /// Answer the request with this number.
    Answer(RequestId, Answer<E>),
    /// Send this event to the subscribers.
    Tell(Told),
    /// Report when no client reads the container's output any more.
    AwaitReaders,
    /// Remove the container from the ledger.
    RemoveRow,
    /// Delete the container's directory, and end the supervisor.
    Discard,
}

/// The answer to a request about a container's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<E> {
    /// The request was carried out.
    Done,
    /// The container was already in the requested state.
    Unchanged,
    /// The request was refused or failed.
    Refused(Refused<E>),
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused<E> {
    /// The container does not run.
    NotRunning,
    /// The container cannot be removed without force, since it is in this state: `running` or
    /// `restarting`.
    NotRemovable(&'static str),
    /// The container is being removed.
    Removing,
    /// The container was removed.
    Gone,
    /// The VM still runs although its shim process was killed.
    Unkillable,
    /// An operation failed with this error.
    Failed(E),
}

/// An event of a container that the lifecycle reports to subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The process runs.
    Start,
    /// A user stopped the container.
    Stop,
    /// A user restarted the container.
    Restart,
    /// The guest's kernel killed the container because it ran out of memory.
    OutOfMemory,
    /// The container has ended.
    Die {
        /// The exit code.
        code: u8,
        /// How long the container ran.
        ran: Duration,
    },
    /// The container was removed.
    Destroy,
}
