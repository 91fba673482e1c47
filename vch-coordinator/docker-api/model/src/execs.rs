//! Execs (`docker exec`: a further process in a running container) as Docker's responses show them.

use serde::Serialize;

/// The response to `POST /containers/{id}/exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecCreated {
    /// The new exec's ID: 64 hexadecimal digits.
    pub id: String,
}

/// The response to `GET /exec/{id}/json`: the complete description of an exec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecInspect {
    /// The exec's ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Whether the process runs. False before its start and after its end.
    pub running: bool,
    /// The exit code of the process; `None`, shown as null, before its end.
    pub exit_code: Option<i64>,
    /// The process's command, terminal and user.
    pub process_config: ProcessConfig,
    /// Whether the exec was created to pass the client's input to the process. If false, the process's standard input
    /// is empty.
    pub open_stdin: bool,
    /// Whether the exec was created to pass the process's standard error to the client.
    pub open_stderr: bool,
    /// Whether the exec was created to pass the process's standard output to the client.
    pub open_stdout: bool,
    /// Whether the process has ended. False before its start and while it runs.
    pub can_remove: bool,
    /// The ID of the container that the process runs in.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// The keys by which an attached client detaches, as the client wrote them; empty for the default, `ctrl-p,ctrl-q`.
    pub detach_keys: String,
    /// The process's PID in the container while it runs; 0 before its start and after its end.
    pub pid: u32,
}

/// The process of an exec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessConfig {
    /// Whether the process has a terminal. If false, its standard output and standard error are separate streams.
    pub tty: bool,
    /// The program: the first word of the exec's command.
    pub entrypoint: String,
    /// The program's arguments: the further words of the exec's command.
    pub arguments: Vec<String>,
    /// Whether the process has all capabilities, because the exec or its container is privileged.
    pub privileged: bool,
    /// The user that the process runs as, and its group behind a colon: the exec's, or else the container's. Empty (the
    /// key is left out) for root.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
}
