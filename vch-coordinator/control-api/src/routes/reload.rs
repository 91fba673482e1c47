//! The handler that reloads the configuration.

use super::{Api, ApiError, Reply, answer};
use crate::shape;
use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
};
use vch_ledger::{Answer, NetworkId};

/// Handles `POST /v1/reload`: reloads the configuration file. The request's body is ignored, as for a start.
///
/// # Errors
/// Returns 400 if the file cannot be applied, the ledger's refusal if a change of its networks is not possible, and
/// 503 if the coordinator is stopping.
pub async fn reload(
    State(api): State<Api>,
    _body: Result<Bytes, BytesRejection>,
) -> Reply<shape::Answer<shape::Reloaded>> {
    let outcome = api.reload.reload().await?;
    let Answer::Configured {
        added,
        changed,
        removed,
    } = outcome.committed.answer.clone()
    else {
        return Err(ApiError::gone());
    };
    let named = api.requests.ledger_handle.read(move |ledger| {
        let name = |id: &NetworkId| {
            let network = ledger.network_by_id(*id);
            network.map_or_else(|| id.to_string(), |network| network.name.to_string())
        };
        let names = |ids: &[NetworkId]| ids.iter().map(name).collect();
        shape::Reloaded {
            added: names(&added),
            changed: names(&changed),
            removed: removed.iter().map(ToString::to_string).collect(),
        }
    });
    let reloaded = named.await?;
    Ok(Json(answer(&outcome, reloaded)))
}
