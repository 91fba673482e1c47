//! Version 1, as release 0.1.0 speaks it: the messages and all that is in them, frozen.
//!
//! Nothing here ever changes (`golden/v1.hex`). The module `convert` has the conversions to and from the shim's own
//! types.

mod convert;

use serde::{Deserialize, Serialize};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub file: u64,
    pub offset: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub log_from: Position,
    pub phases: Vec<Phase>,
    pub started_ms: Option<u64>,
    pub ended: Option<Outcome>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    pub at_us: u64,
    pub uptime_us: Option<u64>,
}

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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: String,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    pub id: String,
    pub mac: [u8; 6],
    pub tap: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    Stdout,
    Stderr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub code: u8,
    pub out_of_memory: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub pid: u32,
    pub parent: u32,
    pub uid: u32,
    pub cpu_ms: u64,
    pub started_ms: u64,
    pub command_line: String,
}

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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceUsage {
    pub name: String,
    pub received: [u64; 4],
    pub sent: [u64; 4],
}
