//! What a lifecycle is told, and what it asks for.

use crate::{
    signal::stop_signal,
    workload::{Life, RestartPolicy, VmSize, Workload},
};
use std::time::Duration;

/// The number by which a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A request about a container's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Start it.
    Start,
    /// Stop it: a signal, and SIGKILL after a time.
    Stop(Stop),
    /// Stop it if it runs, and start it.
    Restart(Stop),
    /// Send its process a signal.
    Kill(u8),
    /// Remove it.
    Remove {
        /// End it first if it runs.
        force: bool,
    },
}

/// How a request stops a container, where that differs from the container's own way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// The time between the signal and SIGKILL; `None` for the container's own.
    pub grace: Option<Duration>,
    /// The signal (signal(7)); `None` for the container's own.
    pub signal: Option<u8>,
}

/// What a container's configuration says of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When it is started again.
    pub restart: RestartPolicy,
    /// It is removed when it has ended.
    pub remove_at_end: bool,
    /// The signal that stops it.
    pub stop_signal: u8,
    /// The time between that signal and SIGKILL.
    pub stop_grace: Duration,
}

/// Between the signal that stops and SIGKILL, for a container that names no time, as Docker has it.
const STOP_GRACE: Duration = Duration::from_secs(10);

impl From<&Workload> for Policy {
    fn from(workload: &Workload) -> Self {
        // A negative time is without end.
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

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<E> {
    /// The coordinator has started, and the container does not run.
    CoordinatorStarted,
    /// A shim that an earlier coordinator started has answered: its VM runs on.
    Resumed,
    /// A request has come.
    Requested(RequestId, Request),
    /// A client tells why the start that it asked for was refused, in the words that its users know.
    Explained(RequestId, String),
    /// [`Action::Prepare`] is done.
    Prepared,
    /// [`Action::Launch`] is done: its process runs.
    Launched(Launched),
    /// [`Action::Prepare`] or [`Action::Launch`] has failed, and left nothing that runs.
    StartFailed(StartFailure<E>),
    /// [`Action::RecordStart`] or [`Action::RecordEnd`] is done.
    Recorded,
    /// [`Action::RecordStart`] has failed.
    NotRecorded(E),
    /// Its process has ended, or its VM.
    Ended(Ended),
    /// The time of `Lifecycle::wakes_at` has come.
    Woke,
    /// Nobody reads any more what it wrote.
    ReadersGone,
    /// [`Action::RemoveRow`] is done.
    RowRemoved,
    /// [`Action::RemoveRow`] has failed.
    RowKept(E),
}

/// A process that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launched {
    /// When it started, milliseconds since 1970.
    pub started_ms: u64,
    /// The shim's process.
    pub pid: u32,
    /// What its VM has.
    pub vm: VmSize,
}

/// A start that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure<E> {
    /// The exit code that it counts as: 125 to 128, as Docker has them.
    pub code: u8,
    /// The reason in words.
    pub reason: String,
    /// When its VM ended, milliseconds since 1970; `None` if there was none.
    pub ended_ms: Option<u64>,
    /// The error for those who asked for the start.
    pub error: E,
}

/// The end of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The exit code.
    pub code: u8,
    /// The guest's kernel killed it for want of memory.
    pub out_of_memory: bool,
    /// When it ended, milliseconds since 1970.
    pub finished_ms: u64,
    /// Why its VM ended under it, in words; empty if its process ended.
    pub error: String,
}

/// What a supervisor does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<E> {
    /// Provide its disks and commit its start: names and ports are in force from then on.
    Prepare,
    /// Start its VM and its process.
    Launch,
    /// End a launch that is under way; it fails then.
    AbortLaunch,
    /// Send its process a signal and tell of it; the answer of the request, if there is one, is what comes of it.
    Signal(u8, Option<RequestId>),
    /// Let the shim end the VM.
    EndVm,
    /// End the shim by SIGKILL, and the VM with it.
    EndShim,
    /// Store the run; the answer of the request, if there is one, is what comes of it.
    Record(Life, Option<RequestId>),
    /// Store that it runs.
    RecordStart(Life),
    /// Store how it ended, and take its names and ports out of force; tried until it succeeds.
    RecordEnd(Life),
    /// Answer a request.
    Answer(RequestId, Answer<E>),
    /// Tell those who follow events.
    Tell(Told),
    /// Report when nobody reads any more what it wrote.
    AwaitReaders,
    /// Remove it from the ledger.
    RemoveRow,
    /// Remove its directory, and end the supervisor.
    Discard,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<E> {
    /// It was done.
    Done,
    /// It was so already.
    Unchanged,
    /// It was refused or failed.
    Refused(Refused<E>),
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused<E> {
    /// It does not run.
    NotRunning,
    /// It can't be removed without force: it is `running` or `restarting`.
    NotRemovable(&'static str),
    /// Its removal is under way.
    Removing,
    /// It is removed.
    Gone,
    /// It was killed in every way, and its VM goes on.
    Unkillable,
    /// Something failed.
    Failed(E),
}

/// What those who follow events are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its process runs.
    Start,
    /// A user stopped it.
    Stop,
    /// A user restarted it.
    Restart,
    /// The guest's kernel killed it for want of memory.
    OutOfMemory,
    /// It has ended.
    Die {
        /// The exit code.
        code: u8,
        /// How long it ran.
        ran: Duration,
    },
    /// It is removed.
    Destroy,
}
