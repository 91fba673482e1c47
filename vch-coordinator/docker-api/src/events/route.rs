//! `GET /events`: a JSON line for each event, first the past ones that are kept, then new ones.

use super::{DockerEvent, filter::wants};
use crate::{Docker, Parameters, extract::json_line};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};
use docker_model::{
    DockerError,
    filters::Filters,
    time::{self, TimeBound},
};
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Instant, timeout_at},
};

/// A time without end for practical purposes: a century.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

pub(crate) fn routes() -> Router<Docker> {
    Router::new().route("/events", get(events))
}

async fn events(
    State(docker): State<Docker>,
    parameters: Parameters,
) -> Result<Response, DockerError> {
    let now = time::now();
    let bound = |name| TimeBound::Events(name).read(parameters.get(name), now);
    let (since, until) = (bound("since")?, bound("until")?);
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(DockerError::invalid(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            parameters.get("since").unwrap_or_default(),
            parameters.get("until").unwrap_or_default(),
        )));
    }
    let filters = Filters::parse(parameters.get("filters"))?;
    let (past, live) = docker.events.listen();
    let asks_for_past = since.is_some() || until.is_some();
    let past = past.into_iter().filter(|event| {
        let within =
            event.at >= since.unwrap_or_default() && until.is_none_or(|until| event.at <= until);
        asks_for_past && within && wants(&filters, event)
    });
    let left = until.map_or(FOR_EVER, |until| until.saturating_sub(now).min(FOR_EVER));
    let listening = Listening {
        past: past.collect(),
        live,
        end: Instant::now() + left,
        filters,
    };
    let lines = futures_util::stream::unfold(listening, |mut listening| async {
        let event = listening.next().await?;
        Some((Ok::<_, Infallible>(json_line(&*event)?), listening))
    });
    let kind = [(CONTENT_TYPE, "application/json")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

struct Listening {
    past: VecDeque<Arc<DockerEvent>>,
    live: broadcast::Receiver<Arc<DockerEvent>>,
    end: Instant,
    filters: Filters,
}

impl Listening {
    async fn next(&mut self) -> Option<Arc<DockerEvent>> {
        if let Some(event) = self.past.pop_front() {
            return Some(event);
        }
        loop {
            match timeout_at(self.end, self.live.recv()).await.ok()? {
                Ok(event) if wants(&self.filters, &event) => return Some(event),
                // A slow subscriber is not told that it lost events, as in dockerd.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
