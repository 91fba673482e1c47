//! Selects networks by the filters of a list.

use super::is_unused;
use docker_model::{
    DockerError,
    filters::Filters,
    networks::response::{driver, scope},
};
use vch_ledger::{Ledger, Network};

const KNOWN: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/// Returns the networks that match the filters, ordered by name.
///
/// # Errors
/// Returns 400 if a filter is unknown or its value is not valid.
pub fn listed<'a>(ledger: &'a Ledger, filters: &Filters) -> Result<Vec<&'a Network>, DockerError> {
    filters.only(&KNOWN)?;
    let dangling = filters.switch("dangling")?;
    for kind in filters.values("type") {
        if !matches!(kind, "builtin" | "custom") {
            let shown: String = kind.chars().take(80).collect();
            let message = format!("invalid filter: 'type'='{shown}'");
            // The status of dockerd 20.10, as for other values that it parses late.
            return Err(DockerError::failed(message));
        }
    }
    let mut all: Vec<&Network> = ledger
        .networks()
        .filter(|network| {
            let kind = if network.predefined {
                "builtin"
            } else {
                "custom"
            };
            // A prune keeps networks that are in use.
            let unused = || !network.predefined && is_unused(ledger, network);
            filters.exact("driver", driver(network))
                && filters.pattern("name", network.name.as_str())
                && filters.pattern("id", &network.id.to_string())
                && filters.labels("label", &network.labels)
                && filters.exact("scope", scope(network))
                && filters.exact("type", kind)
                && dangling.is_none_or(|dangling| dangling == unused())
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}
