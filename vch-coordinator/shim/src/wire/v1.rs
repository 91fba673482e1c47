//! Version 1 of the protocol, as release 0.1.0 speaks it: the messages and all types in them, frozen.
//!
//! Nothing here ever changes (`golden/v1.hex`). Each type is the version 1 of the type of the same name that the shim
//! uses today, where its fields are documented. The module `convert` has the conversions between both.

mod convert;

use serde::{Deserialize, Serialize};

/// A request, as [`super::Request`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    Watch,
    Attach {
        from: Option<Position>,
        input: bool,
        ends_input: bool,
    },
    Exec(Box<Process>),
    Input(Vec<u8>),
    Signal(ProcessId, u8),
    Resize(ProcessId, TerminalSize),
    List,
    Usage,
    Plug(Nic),
    Unplug(String),
    Reattach(Nic),
    Kill,
}

/// A reply, as [`super::Reply`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    Stage(Stage),
    Output(Output, Vec<u8>),
    Started(ProcessId, u32),
    Exited(Exit),
    Listed(Vec<Listed>),
    Used(Usage),
    Done,
    Refused { code: String, reason: String },
}

/// A position in the log, as [`crate::log::Position`] was in version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub file: u64,
    pub offset: u64,
}

/// How far a run has come, as [`crate::Stage`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub log_from: Position,
    pub phases: Vec<Phase>,
    pub started_ms: Option<u64>,
    pub ended: Option<Outcome>,
}

/// A phase of a start, as [`crate::Phase`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    pub at_us: u64,
    pub uptime_us: Option<u64>,
}

/// The outcome of a run, as [`crate::Outcome`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub code: u8,
    pub out_of_memory: bool,
    pub started_ms: u64,
    pub finished_ms: u64,
    pub log_from: Position,
    pub failure: Option<Failure>,
    pub phases: Vec<Phase>,
}

/// The reason of a failure, as [`crate::Failure`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: String,
    pub text: String,
}

/// A NIC of a VM, as [`crate::Nic`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    pub id: String,
    pub mac: [u8; 6],
    pub tap: String,
}

/// The number of a process in a run, as [`protocol::process::ProcessId`] was in version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

/// A process to start, as [`protocol::process::Process`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub args: Vec<String>,
    pub environment: Vec<String>,
    pub dir: String,
    pub user: String,
    pub groups: Vec<String>,
    pub terminal: Option<TerminalSize>,
    pub input: bool,
    pub capabilities: Vec<u8>,
    pub no_new_privileges: bool,
    pub limits: Vec<(u8, u64, u64)>,
    pub oom_score: i16,
}

/// The size of a terminal, as [`protocol::process::TerminalSize`] was in version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

/// An output stream, as [`protocol::process::Output`] was in version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    Stdout,
    Stderr,
}

/// The end of a process, as [`protocol::process::Exit`] was in version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub code: u8,
    pub out_of_memory: bool,
}

/// A process in a list, as [`protocol::process::Listed`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub pid: u32,
    pub parent: u32,
    pub uid: u32,
    pub cpu_ms: u64,
    pub started_ms: u64,
    pub command_line: String,
}

/// A container's use of resources, as [`protocol::process::Usage`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub cpu_ns: [u64; 3],
    pub memory: [u64; 2],
    pub memory_limit: u64,
    pub tasks: u32,
    pub disk: [u64; 2],
    pub cpus: u16,
    pub interfaces: Vec<InterfaceUsage>,
}

/// The counters of an interface, as [`protocol::process::InterfaceUsage`] was in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceUsage {
    pub name: String,
    pub received: [u64; 4],
    pub sent: [u64; 4],
}
