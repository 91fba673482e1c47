//! `GET /containers/{id}/stats`: a container's resource usage, once or every second.

use super::super::{Docker, Json, Parameters, Path, extract::json_line};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use docker_model::{
    DockerError,
    containers::stats::{Sample, Stats},
    time,
};
use futures_util::stream;
use std::{convert::Infallible, time::Duration};
use vch_ledger::ContainerId;
use vch_runtime::ContainerSnapshot;

/// The interval of samples, as in dockerd.
const PAUSE: Duration = Duration::from_secs(1);

/// Handles `GET /containers/{id}/stats` (`docker stats`): a line of JSON, or one every second if the parameter
/// `stream` is true or missing.
///
/// # Errors
/// Returns 404 if the container does not exist, and 503 if the coordinator is stopping.
pub async fn stats(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<Response, DockerError> {
    let id = docker.container(&container).await?;
    let snapshot = docker.runtime.require(id).await?;
    let streams = parameters.get("stream").is_none() || parameters.flag("stream");
    let first = docker.sample(&snapshot).await;
    if !snapshot.container.runs() || (!streams && parameters.flag("one-shot")) {
        let stats = Stats::of(&snapshot, &Sample::default(), &first);
        return Ok(Json(stats).into_response());
    }
    if !streams {
        tokio::time::sleep(PAUSE).await;
        let second = docker.sample(&snapshot).await;
        return Ok(Json(Stats::of(&snapshot, &first, &second)).into_response());
    }
    let begin = (docker, id, Some(Sample::default()));
    let lines = stream::unfold(begin, |(docker, id, before)| async move {
        let before = before?;
        if before.at.is_some() {
            tokio::time::sleep(PAUSE).await;
        }
        let (line, next) = docker.line(id, &before).await?;
        Some((Ok::<_, Infallible>(line), (docker, id, next)))
    });
    let mut response = Body::from_stream(lines).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

impl Docker {
    /// Returns the next line of a stream, and the sample for the following line; `None` as sample
    /// once the container has ended.
    async fn line(&self, id: ContainerId, before: &Sample) -> Option<(Bytes, Option<Sample>)> {
        let snapshot = self.runtime.get(id).await.ok()??;
        let now = self.sample(&snapshot).await;
        let line = json_line(&Stats::of(&snapshot, before, &now))?;
        let next = now.at.is_some().then_some(now);
        Some((line, next))
    }

    /// Takes a sample; an empty one if the container does not run or is about to end.
    async fn sample(&self, snapshot: &ContainerSnapshot) -> Sample {
        let client = match snapshot.container.runs() {
            true => self.runtime.client(snapshot).ok(),
            false => None,
        };
        let Some(client) = client else {
            return Sample::default();
        };
        match client.usage().await {
            Ok(usage) => Sample {
                at: Some(time::now()),
                usage,
            },
            Err(_) => Sample::default(),
        }
    }
}
