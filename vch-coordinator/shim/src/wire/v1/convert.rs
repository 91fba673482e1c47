//! Conversions between version 1 and the shim's own types.
//!
//! Every type is taken apart field by field, so that a new field does not compile before its conversion is written
//! here.

use super::{
    Exit, Failure, InterfaceUsage, Listed, Nic, Outcome, Output, Phase, Position, Process,
    ProcessId, Reply, Request, Stage, TerminalSize, Usage,
};
use crate::{launch, log, outcome, phase, stage, wire, wire::NotInVersion1};
use protocol::process;

/// Version 1 tells of no state of a process: as ps(1) writes one that is unknown.
const UNKNOWN: &str = "?";

impl TryFrom<wire::Request> for Request {
    type Error = NotInVersion1;

    fn try_from(request: wire::Request) -> Result<Self, NotInVersion1> {
        Ok(match request {
            wire::Request::Watch => Self::Watch,
            wire::Request::Attach {
                from,
                input,
                ends_input,
            } => Self::Attach {
                from: from.map(Into::into),
                input,
                ends_input,
            },
            wire::Request::Exec(process) => Self::Exec(Box::new((*process).try_into()?)),
            wire::Request::Input(bytes) => Self::Input(bytes),
            wire::Request::Signal(id, signal) => Self::Signal(id.into(), signal),
            wire::Request::Resize(id, size) => Self::Resize(id.into(), size.into()),
            wire::Request::List => Self::List,
            wire::Request::Usage => Self::Usage,
            wire::Request::Plug(nic) => Self::Plug(nic.into()),
            wire::Request::Unplug(id) => Self::Unplug(id),
            wire::Request::Reattach(nic) => Self::Reattach(nic.into()),
            wire::Request::Kill => Self::Kill,
            wire::Request::Update(_) => return Err(NotInVersion1("other bounds while it runs")),
        })
    }
}

impl From<Request> for wire::Request {
    fn from(request: Request) -> Self {
        match request {
            Request::Watch => Self::Watch,
            Request::Attach {
                from,
                input,
                ends_input,
            } => Self::Attach {
                from: from.map(Into::into),
                input,
                ends_input,
            },
            Request::Exec(process) => Self::Exec(Box::new((*process).into())),
            Request::Input(bytes) => Self::Input(bytes),
            Request::Signal(id, signal) => Self::Signal(id.into(), signal),
            Request::Resize(id, size) => Self::Resize(id.into(), size.into()),
            Request::List => Self::List,
            Request::Usage => Self::Usage,
            Request::Plug(nic) => Self::Plug(nic.into()),
            Request::Unplug(id) => Self::Unplug(id),
            Request::Reattach(nic) => Self::Reattach(nic.into()),
            Request::Kill => Self::Kill,
        }
    }
}

impl TryFrom<wire::Reply> for Reply {
    type Error = NotInVersion1;

    fn try_from(reply: wire::Reply) -> Result<Self, NotInVersion1> {
        Ok(match reply {
            wire::Reply::Stage(stage) => Self::Stage(stage.into()),
            wire::Reply::Output(stream, bytes) => Self::Output(stream.into(), bytes),
            wire::Reply::Started(id, pid) => Self::Started(id.into(), pid),
            wire::Reply::Exited(exit) => Self::Exited(exit.into()),
            wire::Reply::Listed(all) => Self::Listed(each(all)),
            wire::Reply::Used(usage) => Self::Used(usage.into()),
            wire::Reply::Done => Self::Done,
            wire::Reply::Refused { code, reason } => Self::Refused { code, reason },
            wire::Reply::Updated(_) => return Err(NotInVersion1("other bounds while it runs")),
        })
    }
}

impl From<Reply> for wire::Reply {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Stage(stage) => Self::Stage(stage.into()),
            Reply::Output(stream, bytes) => Self::Output(stream.into(), bytes),
            Reply::Started(id, pid) => Self::Started(id.into(), pid),
            Reply::Exited(exit) => Self::Exited(exit.into()),
            Reply::Listed(all) => Self::Listed(each(all)),
            Reply::Used(usage) => Self::Used(usage.into()),
            Reply::Done => Self::Done,
            Reply::Refused { code, reason } => Self::Refused { code, reason },
        }
    }
}

fn each<T, U: From<T>>(all: Vec<T>) -> Vec<U> {
    all.into_iter().map(Into::into).collect()
}

impl TryFrom<process::Process> for Process {
    type Error = NotInVersion1;

    fn try_from(process: process::Process) -> Result<Self, NotInVersion1> {
        let process::Process {
            args,
            environment,
            dir,
            user,
            groups,
            terminal,
            input,
            capabilities,
            no_new_privileges,
            limits,
            oom_score,
            privileged,
            unfiltered,
        } = process;
        if privileged {
            return Err(NotInVersion1("a privileged process"));
        }
        if unfiltered {
            return Err(NotInVersion1("a process without a seccomp filter"));
        }
        Ok(Self {
            args,
            environment,
            dir,
            user,
            groups,
            terminal: terminal.map(Into::into),
            input,
            capabilities,
            no_new_privileges,
            limits,
            oom_score,
        })
    }
}

impl From<Process> for process::Process {
    fn from(process: Process) -> Self {
        let Process {
            args,
            environment,
            dir,
            user,
            groups,
            terminal,
            input,
            capabilities,
            no_new_privileges,
            limits,
            oom_score,
        } = process;
        Self {
            args,
            environment,
            dir,
            user,
            groups,
            terminal: terminal.map(Into::into),
            input,
            capabilities,
            no_new_privileges,
            limits,
            oom_score,
            privileged: false,
            unfiltered: false,
        }
    }
}

impl From<process::Listed> for Listed {
    fn from(listed: process::Listed) -> Self {
        let process::Listed {
            pid,
            parent,
            uid,
            cpu_ms,
            started_ms,
            command_line,
            state: _,
            memory_kib: _,
        } = listed;
        Self {
            pid,
            parent,
            uid,
            cpu_ms,
            started_ms,
            command_line,
        }
    }
}

impl From<Listed> for process::Listed {
    fn from(listed: Listed) -> Self {
        let Listed {
            pid,
            parent,
            uid,
            cpu_ms,
            started_ms,
            command_line,
        } = listed;
        Self {
            pid,
            parent,
            uid,
            cpu_ms,
            started_ms,
            command_line,
            state: UNKNOWN.to_owned(),
            memory_kib: [0; 2],
        }
    }
}

/// Structs of the same fields in both; those that are named after `each` are lists of such, those after `may` optional.
macro_rules! same {
    ($($ours:path = $frozen:ident { $($field:ident),* ; $($each:ident),* ; $($may:ident),* })*) => {$(
        impl From<$ours> for $frozen {
            fn from(from: $ours) -> Self {
                let $ours { $($field,)* $($each,)* $($may,)* } = from;
                Self {
                    $($field: $field.into(),)*
                    $($each: each($each),)*
                    $($may: $may.map(Into::into),)*
                }
            }
        }

        impl From<$frozen> for $ours {
            fn from(from: $frozen) -> Self {
                let $frozen { $($field,)* $($each,)* $($may,)* } = from;
                Self {
                    $($field: $field.into(),)*
                    $($each: each($each),)*
                    $($may: $may.map(Into::into),)*
                }
            }
        }
    )*};
}

same! {
    log::Position = Position { file, offset; ; }
    stage::Stage = Stage { log_from; phases; started_ms, ended }
    phase::Phase = Phase { name, at_us; ; uptime_us }
    outcome::Outcome = Outcome {
        code, out_of_memory, started_ms, finished_ms, log_from; phases; failure
    }
    outcome::Failure = Failure { code, text; ; }
    launch::Nic = Nic { id, mac, tap; ; }
    process::TerminalSize = TerminalSize { rows, columns; ; }
    process::Exit = Exit { code, out_of_memory; ; }
    process::Usage = Usage {
        cpu_ns, memory, memory_limit, tasks, disk, cpus; interfaces;
    }
    process::InterfaceUsage = InterfaceUsage { name, received, sent; ; }
}

impl From<process::ProcessId> for ProcessId {
    fn from(id: process::ProcessId) -> Self {
        Self(id.0)
    }
}

impl From<ProcessId> for process::ProcessId {
    fn from(id: ProcessId) -> Self {
        Self(id.0)
    }
}

impl From<process::Output> for Output {
    fn from(stream: process::Output) -> Self {
        match stream {
            process::Output::Stdout => Self::Stdout,
            process::Output::Stderr => Self::Stderr,
        }
    }
}

impl From<Output> for process::Output {
    fn from(stream: Output) -> Self {
        match stream {
            Output::Stdout => Self::Stdout,
            Output::Stderr => Self::Stderr,
        }
    }
}
