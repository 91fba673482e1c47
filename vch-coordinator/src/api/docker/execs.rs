//! Processes beside a container's own: `docker exec`, and `docker top`.

mod carry;
mod register;
mod top;

pub use register::Execs;

use super::{
    Docker, DockerError, Json, Parameters, Path, Version,
    streams::{Hijack, Keys, Shape, size},
};
use crate::runtime::{RuntimeError, process, set_variable};
use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing,
};
use carry::{Ending, carried, drained, explained, whole};
use protocol::process::{Process, TerminalSize};
use register::{Exec, Stage};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most bytes of a request to start one.
const MAX_BODY: usize = 64 << 10;

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
struct Wish {
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
}

async fn create(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    Json(wish): Json<Wish>,
) -> Result<Response, DockerError> {
    let id = docker.container(&container).await?;
    let looked = docker.runtime.must(id).await?;
    if !looked.container.runs() {
        return Err(DockerError::conflict(format!(
            "Container {id} is not running"
        )));
    }
    let words = wish.cmd.unwrap_or_default();
    if words.is_empty() {
        return Err(DockerError::invalid("No exec command specified"));
    }
    let own = process(&looked).map_err(DockerError::invalid)?;
    let mut environment = own.environment.clone();
    if wish.tty {
        set_variable(&mut environment, "TERM=xterm");
    }
    for variable in wish.env.unwrap_or_default() {
        set_variable(&mut environment, &variable);
    }
    let or_own = |wished: String, own: &String| {
        if wished.is_empty() {
            own.clone()
        } else {
            wished
        }
    };
    let shown = told(&words);
    let exec = docker.execs.add(Exec {
        number: 0,
        container: id,
        attach: [wish.attach_stdin, wish.attach_stdout, wish.attach_stderr],
        detach_keys: wish.detach_keys,
        state: Stage::Created,
        process: Process {
            words,
            environment,
            folder: or_own(wish.working_dir, &own.folder),
            user: or_own(wish.user, &own.user),
            terminal: wish.tty.then_some(TerminalSize {
                rows: 24,
                columns: 80,
            }),
            input: wish.attach_stdin,
            privileged: wish.privileged || own.privileged,
            ..own
        },
    })?;
    let known = [("execID", exec.clone())];
    docker
        .runtime
        .tell_of(&looked, &format!("exec_create: {shown}"), &known);
    Ok((StatusCode::CREATED, Json(json!({"Id": exec}))).into_response())
}

/// A command as events tell of it: dockerd's space stands behind a program without arguments, too.
fn told(words: &[String]) -> String {
    let (program, arguments) = words.split_first().unzip();
    let arguments: &[String] = arguments.unwrap_or_default();
    format!(
        "{} {}",
        program.map_or("", String::as_str),
        arguments.join(" ")
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct StartWish {
    detach: bool,
    tty: bool,
    console_size: Option<(u16, u16)>,
}

async fn start(
    State(docker): State<Docker>,
    Path(exec): Path<String>,
    version: Version,
    mut request: Request,
) -> Result<Response, DockerError> {
    let hijack = Hijack::of(&mut request);
    let body = axum::body::to_bytes(request.into_body(), MAX_BODY).await;
    let body = body.map_err(|error| DockerError::invalid(error.to_string()))?;
    let wish: StartWish = if body.is_empty() {
        StartWish::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| DockerError::invalid(format!("invalid JSON: {error}")))?
    };
    let asked = docker.execs.get(&exec)?;
    let keys = Keys::of(
        asked.detach_keys.as_deref(),
        asked.process.terminal.is_some(),
    )?;
    let mut one = docker.execs.claim(&exec)?;
    if let (Some(terminal), Some((rows, columns))) = (&mut one.process.terminal, wish.console_size)
    {
        *terminal = TerminalSize { rows, columns };
    }
    let looked = docker.runtime.must(one.container).await?;
    if !looked.container.runs() {
        docker.execs.set(&exec, Stage::Created);
        let id = looked.container.id;
        return Err(DockerError::conflict(format!(
            "Container {id} is not running"
        )));
    }
    let shape = Shape {
        out: one.attach[1],
        err: one.attach[2],
        terminal: one.process.terminal.is_some(),
    };
    let kind = shape.kind(version);
    let client = docker.runtime.client(&looked)?;
    let running = match client.exec(one.process.clone()).await {
        Ok(running) => running,
        Err(error) => {
            docker.execs.set(&exec, Stage::Ended(code(&error, version)));
            let refused = refused(&error);
            return match hijack {
                Some(hijack) if !wish.detach => {
                    tokio::spawn(explained(hijack, refused, shape));
                    Ok(Hijack::answer(kind))
                }
                _ => Err(refused),
            };
        }
    };
    docker
        .execs
        .set(&exec, Stage::Running(running.id, running.pid));
    let known = [("execID", exec.clone())];
    let words = told(&one.process.words);
    docker
        .runtime
        .tell_of(&looked, &format!("exec_start: {words}"), &known);
    let ending = Ending {
        docker: docker.clone(),
        exec,
        client,
    };
    if wish.detach {
        tokio::spawn(drained(ending, running));
        return Ok(StatusCode::OK.into_response());
    }
    let Some(hijack) = hijack else {
        return Ok(whole(ending, running, shape, kind).await);
    };
    let input = one.attach[0];
    tokio::spawn(carried(ending, running, hijack, shape, (input, keys)));
    Ok(Hijack::answer(kind))
}

/// Docker's code of a process that did not start; releases that speak up to 1.41 have one for all.
fn code(error: &vch_shim::ClientError, version: Version) -> i64 {
    match error {
        vch_shim::ClientError::Refused { code, .. }
            if code == "not-found" && version >= Version(42) =>
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
            "Container {exec} is not running"
        )));
    };
    let looked = docker.runtime.must(one.container).await?;
    let client = docker.runtime.client(&looked)?;
    client.resize(id, size).await.map_err(RuntimeError::from)?;
    Ok(StatusCode::CREATED)
}

async fn inspect(
    State(docker): State<Docker>,
    Path(exec): Path<String>,
) -> Result<Json<Value>, DockerError> {
    let one = docker.execs.get(&exec)?;
    let (running, code, pid) = match one.state {
        Stage::Created | Stage::Starting => (false, Value::Null, 0),
        Stage::Running(_, pid) => (true, Value::Null, pid),
        Stage::Ended(code) => (false, code.into(), 0),
    };
    let (program, arguments) = one.process.words.split_first().unzip();
    let mut shown = json!({
        "ID": exec,
        "Running": running,
        "ExitCode": code,
        "ProcessConfig": {
            "tty": one.process.terminal.is_some(),
            "entrypoint": program.cloned().unwrap_or_default(),
            "arguments": arguments.unwrap_or_default(),
            "privileged": one.process.privileged,
        },
        "OpenStdin": one.attach[0],
        "OpenStderr": one.attach[2],
        "OpenStdout": one.attach[1],
        "CanRemove": !running && !code.is_null(),
        "ContainerID": one.container.to_string(),
        "DetachKeys": one.detach_keys.unwrap_or_default(),
        "Pid": pid,
    });
    if !one.process.user.is_empty() {
        shown["ProcessConfig"]["user"] = one.process.user.into();
    }
    Ok(Json(shown))
}
