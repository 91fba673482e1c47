//! The stream of changes, `GET /v1/changes`: a JSON line for each transaction of the ledger.

use super::{Api, ApiError};
use crate::{NetworkOptions, shape, view::row};
use axum::{
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, sync::Arc};
use vch_ledger::Revision;
use vch_store::{Changes, ChangesError, Logged};

/// The query parameters of `GET /v1/changes`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    /// The revision (number of a transaction) after which the changes begin; 0 for all.
    from: u64,
    /// Whether to wait for further changes; otherwise the answer ends with the newest transaction.
    #[serde(default)]
    follow: bool,
}

/// Handles `GET /v1/changes`: streams the transactions after a revision, one line each. If the stream cannot
/// continue, its last line is a [`shape::Problem`].
///
/// # Errors
/// Returns 400 if a parameter is not valid, 410 if the transactions are no longer kept, and 503 if the coordinator
/// is stopping.
pub async fn follow_changes(
    State(api): State<Api>,
    query: Result<Query<From>, QueryRejection>,
) -> Result<Response, ApiError> {
    let From { from, follow } = query?.0;
    let changes = api
        .requests
        .ledger_handle
        .changes_since(Revision(from))
        .await?;
    let newest = api
        .requests
        .ledger_handle
        .read(|ledger| ledger.revision())
        .await?;
    let stream = Stream {
        changes,
        until: (!follow).then_some(newest),
        options: api.options,
        ended: false,
    };
    let lines = futures_util::stream::unfold(stream, |mut stream| async {
        let line = stream.next().await?;
        Some((Ok::<_, Infallible>(line), stream))
    });
    let kind = [(CONTENT_TYPE, "application/jsonl")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

struct Stream {
    changes: Changes,
    /// The last revision of the stream; `None` if it does not end.
    until: Option<Revision>,
    ended: bool,
    options: Arc<dyn NetworkOptions>,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let reached = self
                .until
                .is_some_and(|until| self.changes.after() >= until);
            if self.ended || reached {
                return None;
            }
            match self.changes.next().await {
                Ok(logged) => return line(&transaction(&logged, &*self.options)),
                // Continues with the transactions in the store.
                Err(ChangesError::Lagged { .. }) => {}
                Err(error) => {
                    self.ended = true;
                    return line(&ApiError::from(error).problem());
                }
            }
        }
    }
}

fn transaction(logged: &Logged, options: &dyn NetworkOptions) -> shape::Transaction {
    let changes = logged.changes.iter();
    shape::Transaction {
        revision: logged.revision.0,
        at_ms: logged.at_ms,
        changes: changes.map(|change| row::change(change, options)).collect(),
    }
}

fn line(value: &impl Serialize) -> Option<Bytes> {
    let mut text = serde_json::to_vec(value).ok()?;
    text.push(b'\n');
    Some(text.into())
}
