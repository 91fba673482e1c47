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
    /// Whether the process runs.
    pub running: bool,
    /// The exit code of the process; `None`, shown as null, before its end.
    pub exit_code: Option<i64>,
    /// The process's command, terminal and user.
    pub process_config: ProcessConfig,
    /// Whether the client's input is passed to the process.
    pub open_stdin: bool,
    /// Whether the process's standard error is passed to the client.
    pub open_stderr: bool,
    /// Whether the process's standard output is passed to the client.
    pub open_stdout: bool,
    /// Whether the process has ended.
    pub can_remove: bool,
    /// The ID of the container that the process runs in.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// The keys that detach a client, such as `ctrl-p,ctrl-q`; empty for the default.
    pub detach_keys: String,
    /// The process number; 0 before the start.
    pub pid: u32,
}

/// The process of an exec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessConfig {
    /// Whether the process has a terminal.
    pub tty: bool,
    /// The program.
    pub entrypoint: String,
    /// The program's arguments.
    pub arguments: Vec<String>,
    /// Whether the process has all capabilities.
    pub privileged: bool,
    /// The process's user, and its group behind a colon; empty (the key is left out) for the container's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
}
