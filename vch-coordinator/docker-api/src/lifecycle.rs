//! Container lifecycle: start, stop, kill, restart, rename, remove, wait.

use super::{Docker, Parameters, Path, extract::json_line};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing,
};
use docker_model::{
    DockerError, Version,
    containers::{created::Waited, document::ContainerDocument},
    error::{NOT_BOUND, bind_failure},
    gates, names,
};
use futures_util::stream;
use std::{convert::Infallible, time::Duration};
use vch_engine::RequestError;
use vch_ledger::{Command, ContainerId, ContainerName, ContainerRef, Refusal};
use vch_runtime::{RuntimeError, Stop, Until, event::ContainerAction, signal_number};

/// Returns the routes that change a container's run: start, stop, kill, restart, rename, remove, wait.
pub fn routes() -> Router<Docker> {
    let at = |rest: &str| format!("/containers/{{container}}{rest}");
    Router::new()
        .route(&at(""), routing::delete(remove))
        // `docker rm --link CONTAINER/ALIAS`.
        .route(&at("/{link}"), routing::delete(remove_link))
        .route(&at("/start"), routing::post(start))
        .route(&at("/stop"), routing::post(stop))
        .route(&at("/restart"), routing::post(restart))
        .route(&at("/kill"), routing::post(kill))
        .route(&at("/rename"), routing::post(rename))
        .route(&at("/wait"), routing::post(wait))
}

impl Docker {
    /// Returns the ID of the container that a client names: by its name, with or without a leading slash, by its ID, or
    /// by the beginning of its ID.
    ///
    /// # Errors
    /// Returns a [`DockerError`] of status 404 if no container matches, 400 if the IDs of several containers begin so,
    /// and 503 if the coordinator is stopping.
    pub async fn container(&self, named: &str) -> Result<ContainerId, DockerError> {
        let bare = named.strip_prefix('/').unwrap_or(named);
        let container = ContainerRef::from(bare);
        let found = self.requests.ledger_handle.read(move |ledger| {
            let container = ledger.container(&container)?;
            Ok::<_, Refusal>(container.id)
        });
        Ok(found.await??)
    }
}

impl Docker {
    /// Returns dockerd's error for a port that cannot be bound, which names the container's first
    /// endpoint.
    async fn not_bound(&self, id: ContainerId, why: &str) -> DockerError {
        let first = self.runtime.require(id).await.ok().and_then(|snapshot| {
            let (_, endpoint) = snapshot.endpoints.first()?;
            Some(format!(
                " on endpoint {} ({})",
                snapshot.container.name, endpoint.id
            ))
        });
        let endpoint = first.unwrap_or_default();
        DockerError::failed(format!("{NOT_BOUND}{endpoint}: {why}"))
    }
}

async fn start(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    body: Bytes,
) -> Result<StatusCode, DockerError> {
    // As in dockerd, a body of `{}` or `null`, which old clients send, is accepted.
    if body.len() > 7 {
        return Err(DockerError::invalid(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
    let id = docker.container(&container).await?;
    match docker.runtime.start(id).await {
        Ok(started) => Ok(done(started)),
        Err(RuntimeError::Request(RequestError::Refused(refusal))) => {
            let error = match bind_failure(&refusal) {
                Some(why) => docker.not_bound(id, &why).await,
                None => refusal.into(),
            };
            match docker.runtime.not_started(id, &error.message).await {
                // A container that is removed at its end no longer exists.
                Ok(()) | Err(RuntimeError::NotOurs(_)) => Err(error),
                Err(other) => Err(other.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns 204, or 304 if nothing changed.
fn done(changed: bool) -> StatusCode {
    if changed {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_MODIFIED
    }
}

/// Parses the seconds between the stop signal and SIGKILL; -1 means to wait without limit.
///
/// # Errors
/// Returns 400 if the text is not a number.
fn grace(parameters: &Parameters) -> Result<Option<Duration>, DockerError> {
    let Some(text) = parameters.get("t") else {
        return Ok(None);
    };
    let seconds: i64 = text
        .parse()
        .map_err(|_| DockerError::invalid(format!("invalid value for t: {text}: give seconds")))?;
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX >> 1);
    Ok(Some(Duration::from_secs(seconds)))
}

/// Parses how a request stops a container. `failed` precedes dockerd's message about an invalid
/// signal.
///
/// # Errors
/// Returns 400 for an invalid time or signal. The container keeps running then.
fn how(parameters: &Parameters, version: Version, failed: &str) -> Result<Stop, DockerError> {
    let named = parameters.get("signal");
    let named = gates::STOP_SIGNAL.then(version, named).flatten();
    let signal = named.map(signal).transpose();
    Ok(Stop {
        grace: grace(parameters)?,
        signal: signal
            .map_err(|error| DockerError::invalid(format!("{failed}: {}", error.message)))?,
    })
}

fn signal(named: &str) -> Result<u8, DockerError> {
    signal_number(named).ok_or_else(|| docker_model::error::invalid_signal(named))
}

async fn stop(
    State(docker): State<Docker>,
    version: Version,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<StatusCode, DockerError> {
    let failed = format!("cannot stop container: {container}");
    let how = how(&parameters, version, &failed)?;
    let id = docker.container(&container).await?;
    let stopped = docker.runtime.stop(id, how).await?;
    Ok(done(stopped))
}

async fn restart(
    State(docker): State<Docker>,
    version: Version,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<StatusCode, DockerError> {
    let failed = format!("Cannot restart container {container}");
    let how = how(&parameters, version, &failed)?;
    let id = docker.container(&container).await?;
    docker.runtime.restart(id, how).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn kill(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<StatusCode, DockerError> {
    let named = parameters.get("signal").unwrap_or("KILL");
    let killed = async {
        let signal = signal(named)?;
        let id = docker.container(&container).await?;
        Ok::<_, DockerError>(docker.runtime.kill(id, signal).await?)
    };
    killed.await.map_err(|error| DockerError {
        message: format!("cannot kill container: {container}: {}", error.message),
        ..error
    })?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rename(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<StatusCode, DockerError> {
    let named = parameters
        .get("name")
        .map(|name| name.strip_prefix('/').unwrap_or(name));
    let named = named.filter(|name| !name.is_empty());
    let named =
        named.ok_or_else(|| DockerError::invalid("Neither old nor new names may be empty"))?;
    let name: ContainerName = named.parse().map_err(|_| {
        let refused = names::invalid(&format!("/{named}"));
        let message = format!("Error when allocating new name: {}", refused.message);
        DockerError { message, ..refused }
    })?;
    let id = docker.container(&container).await?;
    let before = docker.runtime.require(id).await?;
    let old = before.container.name.to_string();
    if old == named {
        return Err(DockerError::invalid(
            "Renaming a container with the same name as its current name",
        ));
    }
    docker
        .requests
        .carry_out(Command::RenameContainer {
            container: id.into(),
            name,
        })
        .await
        .map_err(|error| {
            let error = DockerError::from(error);
            let message = format!("Error when allocating new name: {}", error.message);
            DockerError { message, ..error }
        })?;
    let renamed = ContainerAction::Renamed { from: old };
    docker.runtime.tell(id, renamed).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<StatusCode, DockerError> {
    let id = docker.container(&container).await?;
    if parameters.flag("link") {
        // dockerd's message.
        return Err(DockerError::conflict(
            "Conflict, cannot remove the default link name of the container",
        ));
    }
    docker.runtime.remove(id, parameters.flag("force")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Handles the removal of a link, which dockerd treats as a container's further name.
async fn remove_link(
    State(docker): State<Docker>,
    Path((container, link)): Path<(String, String)>,
) -> Result<StatusCode, DockerError> {
    let missing = || DockerError::not_found(format!("No such container: {container}/{link}"));
    let id = docker.container(&container).await.map_err(|_| missing())?;
    let snapshot = docker.runtime.require(id).await?;
    let own = |written: &String| written.rsplit([':', '/']).next() == Some(link.as_str());
    match ContainerDocument::of(&snapshot.workload)
        .links
        .iter()
        .any(own)
    {
        true => Err(DockerError::unsupported(
            "removing a link",
            "use `docker network disconnect`",
        )),
        false => Err(missing()),
    }
}

/// Waits for a container. Sends the response's head at once and the body at the end, since the CLI
/// sends this request before it starts the container.
async fn wait(
    State(docker): State<Docker>,
    version: Version,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<Response, DockerError> {
    let until = match parameters.get("condition") {
        None | Some("not-running") => Until::NotRunning,
        Some("next-exit") => Until::NextExit,
        Some("removed") => Until::Removed,
        Some(other) => {
            return Err(DockerError::invalid(format!(
                "invalid condition: {other:?}"
            )));
        }
    };
    let id = docker.container(&container).await?;
    let awaited = docker.runtime.awaited(id, until).await?;
    let text = async move {
        let run_state = awaited.await;
        let line = json_line(&Waited::of(run_state.exit_code, version));
        Ok::<_, Infallible>(line.unwrap_or_default())
    };
    let mut response = Body::from_stream(stream::once(text)).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
