//! `docker logs`: a container's past output, and with `follow` its further output.

use super::{
    LogParams, Shape,
    lines::{Pieces, now_ns},
    pages::Pages,
    unreadable,
};
use crate::{Docker, Parameters, Path};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use docker_model::{DockerError, Version, containers::create, time};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use std::{io, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};
use vch_ledger::ContainerId;
use vch_runtime::{Outputs, RuntimeError, Until};

/// A time without end for practical purposes: a century.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);
/// How long the end of a response waits for the end of the container after its last output, which
/// the VM reports at once.
const ENDS: Duration = Duration::from_secs(10);

/// Handles `GET /containers/{id}/logs` (`docker logs`): the container's past output, and with the parameter
/// `follow` its further output until its end.
///
/// # Errors
/// Returns 400 if a parameter is not valid or no stream is requested, 404 if the container does not exist, 501 if
/// its log driver is `none`, and 500 if the log's files cannot be read.
pub async fn logs(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    version: Version,
    parameters: Parameters,
) -> Result<Response, DockerError> {
    let id = docker.container(&container).await?;
    let snapshot = docker.runtime.require(id).await?;
    let shape = Shape::of(&parameters, &snapshot);
    if !shape.out && !shape.err {
        return Err(DockerError::invalid(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    if !create::is_log_read(&snapshot.workload) {
        return Err(DockerError::new(
            StatusCode::NOT_IMPLEMENTED,
            "configured logging driver does not support reading",
        ));
    }
    let params = LogParams::of(&parameters, shape)?;
    let pages = Pages::of(docker.runtime.log_dir(id), params);
    let pages = pages.map_err(|error| unreadable(&error))?;
    let body = if parameters.flag("follow") {
        Body::from_stream(followed(docker, id, pages.followed(), params))
    } else {
        Body::from_stream(pages.stream())
    };
    Ok(([(CONTENT_TYPE, shape.kind(version))], body).into_response())
}

/// The state of a response that follows the output.
enum Following {
    Past(Docker, ContainerId, Box<Pages>),
    /// The container's output is followed. The future completes when the container has ended.
    Now(Outputs, Pieces, BoxFuture<'static, ()>),
    /// The container has ended. Output after the last page may still have to be read.
    Rest(Box<Pages>),
    End,
}

/// Streams past and further output until the container ends or the requested time. As in dockerd, a
/// client that has read everything finds a container that has ended and can be removed.
fn followed(
    docker: Docker,
    id: ContainerId,
    pages: Pages,
    params: LogParams,
) -> impl Stream<Item = io::Result<Bytes>> {
    let now = u64::try_from(time::now().as_nanos()).unwrap_or(u64::MAX);
    let left = Duration::from_nanos(params.until_ns.saturating_sub(now));
    let end = Instant::now() + left.min(FOR_EVER);
    let past = Following::Past(docker, id, Box::new(pages));
    let pages = stream::try_unfold(past, move |mut following| async move {
        loop {
            match following {
                Following::Past(docker, id, pages) => {
                    let (mut pages, page) = pages.turn().await?;
                    match page {
                        Some(page) => {
                            let later = Following::Past(docker, id, Box::new(pages));
                            return Ok(Some((page, later)));
                        }
                        None if Instant::now() >= end => return Ok(None),
                        None => match on(&docker, id, &pages).await? {
                            On::Now(now) => following = *now,
                            On::Ended => following = Following::Rest(Box::new(pages)),
                            On::Removed => return Ok(Some((pages.rest(), Following::End))),
                        },
                    }
                }
                // Checked first, since a container that always has output would otherwise be
                // followed forever.
                Following::Now(..) if Instant::now() >= end => return Ok(None),
                Following::Now(mut output, mut pieces, ended) => {
                    let next = match timeout_at(end, output.next()).await {
                        Ok(next) => next.map_err(io::Error::other)?,
                        Err(_) => return Ok(Some((pieces.rest(), Following::End))),
                    };
                    let Some((stream, bytes)) = next else {
                        // After this time, the response ends without the container's end.
                        let _ = timeout(ENDS, ended).await;
                        return Ok(Some((pieces.rest(), Following::End)));
                    };
                    let text = pieces.format(stream, now_ns(), &bytes);
                    return Ok(Some((text, Following::Now(output, pieces, ended))));
                }
                Following::Rest(pages) => {
                    let (mut pages, page) = pages.turn().await?;
                    return Ok(Some(match page {
                        Some(page) => (page, Following::Rest(Box::new(pages))),
                        None => (pages.rest(), Following::End),
                    }));
                }
                Following::End => return Ok(None),
            }
        }
    });
    pages.filter_map(async |page: io::Result<Vec<u8>>| match page {
        Ok(page) if page.is_empty() => None,
        page => Some(page.map(Bytes::from)),
    })
}

/// What follows the last page.
enum On {
    Now(Box<Following>),
    /// The container does not run.
    Ended,
    /// The container was removed meanwhile.
    Removed,
}

async fn on(docker: &Docker, id: ContainerId, pages: &Pages) -> io::Result<On> {
    let (from, pieces) = pages.position();
    let followed = async {
        // Subscribed before the output is followed, so that no end is missed.
        let ended = docker.runtime.awaited(id, Until::NextExit).await?;
        let output = docker.runtime.log_on(id, from).await?;
        Ok(output.map(|output| Following::Now(output, pieces, ended.map(drop).boxed())))
    };
    match followed.await {
        Ok(Some(now)) => Ok(On::Now(Box::new(now))),
        Ok(None) => Ok(On::Ended),
        Err(RuntimeError::NotOurs(_)) => Ok(On::Removed),
        Err(error) => Err(io::Error::other(error)),
    }
}
