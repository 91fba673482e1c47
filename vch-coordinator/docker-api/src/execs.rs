//! Execs (further processes in a running container): `docker exec` and `docker top`.

mod carry;
mod register;
mod top;

pub use register::Execs;

use super::{
    Docker, Json, Parameters, Path,
    streams::{Hijack, Keys, Shape, size},
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing,
};
use carry::{Ending, carried, drained, explained};
use docker_model::{
    DockerError, Version,
    execs::{ExecCreated, ExecInspect, ProcessConfig},
    gates,
};
use protocol::process::{Process, TerminalSize};
use register::{Claim, Exec, Stage};
use serde::Deserialize;
use vch_runtime::{
    ContainerSnapshot, RuntimeError,
    event::{ContainerAction, ExecAction},
    process, set_variable,
};
use vch_store::WriterError;

/// dockerd's terminal size if the client sends none.
const CONSOLE: TerminalSize = TerminalSize {
    rows: 24,
    columns: 80,
};

/// Returns the routes of execs and of `docker top`.
pub fn routes() -> Router<Docker> {
    Router::new()
        .route("/containers/{container}/exec", routing::post(create))
        .route("/containers/{container}/top", routing::get(top::top))
        .route("/exec/{exec}/start", routing::post(start))
        .route("/exec/{exec}/resize", routing::post(resize))
        .route("/exec/{exec}/json", routing::get(inspect))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct ExecParams {
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    detach_keys: Option<String>,
    tty: bool,
    env: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    privileged: bool,
    user: String,
    working_dir: String,
    console_size: Option<(u16, u16)>,
}

async fn create(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    version: Version,
    Json(params): Json<ExecParams>,
) -> Result<Response, DockerError> {
    Keys::of(params.detach_keys.as_deref(), false)?;
    let id = docker.container(&container).await?;
    let snapshot = docker.runtime.require(id).await?;
    if !snapshot.container.runs() {
        return Err(DockerError::conflict(format!(
            "container {id} is not running"
        )));
    }
    let args = params.cmd.unwrap_or_default();
    if args.is_empty() {
        return Err(DockerError::invalid("No exec command specified"));
    }
    let own = process(&snapshot).map_err(|error| DockerError::invalid(error.to_string()))?;
    let mut environment = own.environment.clone();
    if params.tty {
        set_variable(&mut environment, "TERM=xterm");
    }
    for variable in params.env.unwrap_or_default() {
        set_variable(&mut environment, &variable);
    }
    let or_own = |requested: String, own: &String| {
        if requested.is_empty() {
            own.clone()
        } else {
            requested
        }
    };
    let created = ExecAction::Created(args.clone());
    let exec = docker.execs.add(Exec {
        number: 0,
        container: id,
        attach: [
            params.attach_stdin,
            params.attach_stdout,
            params.attach_stderr,
        ],
        detach_keys: params.detach_keys,
        state: Stage::Created,
        process: Process {
            args,
            environment,
            dir: or_own(params.working_dir, &own.dir),
            user: or_own(params.user, &own.user),
            terminal: params.tty.then_some(match params.console_size {
                Some((rows, columns)) if gates::CONSOLE_SIZE.is_open(version) => {
                    TerminalSize { rows, columns }
                }
                _ => CONSOLE,
            }),
            input: params.attach_stdin,
            privileged: params.privileged || own.privileged,
            ..own
        },
    })?;
    let created = ContainerAction::Exec {
        exec: exec.clone(),
        action: created,
    };
    docker.runtime.tell_of(&snapshot, created);
    Ok((StatusCode::CREATED, Json(ExecCreated { id: exec })).into_response())
}

#[derive(Default, Deserialize)]
#[serde(rename = "StartWish", rename_all = "PascalCase", default)]
struct ExecStartParams {
    detach: bool,
    tty: bool,
    console_size: Option<(u16, u16)>,
}

async fn start(
    State(docker): State<Docker>,
    Path(exec): Path<String>,
    version: Version,
    hijack: Result<Hijack, DockerError>,
    Json(params): Json<ExecStartParams>,
) -> Result<Response, DockerError> {
    let asked = docker.execs.get(&exec)?;
    let hijack = match params.detach {
        true => None,
        false => Some(hijack?),
    };
    let snapshot = docker.runtime.require(asked.container).await?;
    if !snapshot.container.runs() {
        let id = snapshot.container.id;
        return Err(DockerError::conflict(format!(
            "container {id} is not running"
        )));
    }
    let claim = docker.execs.claim(&exec)?;
    let shape = Shape {
        out: asked.attach[1],
        err: asked.attach[2],
        // The client's choice applies, whatever the process has.
        terminal: params.tty,
    };
    let start = Start {
        claim,
        console_size: params
            .console_size
            .filter(|_| params.tty && gates::CONSOLE_SIZE.is_open(version)),
        shape,
        version,
    };
    // The process must keep running and stay known if the client goes away, so this is a separate
    // task.
    let tasks = docker.tasks.clone();
    let started = tasks.spawn(start.run(docker, snapshot, hijack)).await;
    let started = started.map_err(|error| DockerError::failed(error.to_string()))?;
    // The coordinator is stopping.
    started.ok_or(WriterError::Ended)?
}

/// An exec that is about to be started.
struct Start {
    claim: Claim,
    console_size: Option<(u16, u16)>,
    shape: Shape,
    version: Version,
}

impl Start {
    /// Starts the process, and a task that follows it to its end.
    ///
    /// # Errors
    /// Returns dockerd's error if the process can't be started.
    async fn run(
        self,
        docker: Docker,
        snapshot: ContainerSnapshot,
        hijack: Option<Hijack>,
    ) -> Result<Response, DockerError> {
        let Self { claim, shape, .. } = self;
        let mut process = claim.exec.process.clone();
        if let (Some(terminal), Some((rows, columns))) = (&mut process.terminal, self.console_size)
        {
            *terminal = TerminalSize { rows, columns };
        }
        let kind = shape.kind(self.version);
        let client = docker.runtime.client(&snapshot)?;
        let running = match client.exec(process).await {
            Ok(running) => running,
            Err(error) => {
                claim.ended(code(&error, self.version));
                let refused = refused(&error);
                let Some(hijack) = hijack else {
                    return Err(refused);
                };
                let answer = hijack.answer(kind);
                docker.tasks.spawn(explained(hijack, refused, shape));
                return Ok(answer);
            }
        };
        claim.runs(running.id, running.pid);
        let started = ContainerAction::Exec {
            exec: claim.id().to_owned(),
            action: ExecAction::Started(claim.exec.process.args.clone()),
        };
        docker.runtime.tell_of(&snapshot, started);
        let (input, terminal) = (claim.exec.attach[0], claim.exec.process.terminal.is_some());
        let keys = Keys::of(claim.exec.detach_keys.as_deref(), terminal)?;
        let tasks = docker.tasks.clone();
        let ending = Ending { docker, claim };
        let Some(hijack) = hijack else {
            tasks.spawn(drained(ending, running));
            return Ok(StatusCode::OK.into_response());
        };
        let answer = hijack.answer(kind);
        tasks.spawn(carried(ending, running, hijack, shape, (input, keys)));
        Ok(answer)
    }
}

/// Returns Docker's exit code for a process that was not started. API versions up to 1.41 have one
/// code for all reasons.
fn code(error: &vch_shim::ClientError, version: Version) -> i64 {
    match error {
        vch_shim::ClientError::Refused { code, .. }
            if code == "not-found" && gates::EXEC_NOT_FOUND.is_open(version) =>
        {
            127
        }
        vch_shim::ClientError::Refused { .. } => 126,
        _ => 128,
    }
}

fn refused(error: &vch_shim::ClientError) -> DockerError {
    let message =
        format!("VM runtime exec failed: unable to start container process: {error}: unknown");
    match error {
        // dockerd itself resolves the user, before it asks its runtime.
        vch_shim::ClientError::Refused { code, .. } if code == "user" => {
            DockerError::invalid(error.to_string())
        }
        vch_shim::ClientError::Refused { .. } => DockerError::invalid(message),
        _ => DockerError::failed(message),
    }
}

async fn resize(
    State(docker): State<Docker>,
    Path(exec): Path<String>,
    parameters: Parameters,
) -> Result<StatusCode, DockerError> {
    let size = size(&parameters)?;
    let one = docker.execs.get(&exec)?;
    let Stage::Running(id, _) = one.state else {
        return Err(DockerError::conflict(format!(
            "container {exec} is not running"
        )));
    };
    let snapshot = docker.runtime.require(one.container).await?;
    let client = docker.runtime.client(&snapshot)?;
    client.resize(id, size).await.map_err(RuntimeError::from)?;
    Ok(StatusCode::CREATED)
}

async fn inspect(
    State(docker): State<Docker>,
    Path(exec): Path<String>,
) -> Result<Json<ExecInspect>, DockerError> {
    let one = docker.execs.get(&exec)?;
    let (running, exit_code, pid) = match one.state {
        Stage::Created | Stage::Starting => (false, None, 0),
        Stage::Running(_, pid) => (true, None, pid),
        Stage::Ended(code) => (false, Some(code), 0),
    };
    let process = one.process;
    let mut words = process.args.into_iter();
    let [stdin, stdout, stderr] = one.attach;
    Ok(Json(ExecInspect {
        id: exec,
        running,
        exit_code,
        process_config: ProcessConfig {
            tty: process.terminal.is_some(),
            entrypoint: words.next().unwrap_or_default(),
            arguments: words.collect(),
            privileged: process.privileged,
            user: process.user,
        },
        open_stdin: stdin,
        open_stderr: stderr,
        open_stdout: stdout,
        can_remove: !running && exit_code.is_some(),
        container_id: one.container.to_string(),
        detach_keys: one.detach_keys.unwrap_or_default(),
        pid,
    }))
}
