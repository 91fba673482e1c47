//! What a caller's words name, and who holds what.
//!
//! Words: full id, then full name, then unique prefix of an id.

use crate::{
    ContainerName, ContainerRef, EndpointId, Id, NetworkRef, Reference, Refusal,
    books::{Books, ContainerBook, NetworkBook},
    id::prefix_range,
};
use std::collections::BTreeMap;

enum Miss {
    None,
    Several,
}

/// The network that a caller names.
pub(crate) fn network<'a>(
    books: &'a Books,
    network: &NetworkRef,
) -> Result<&'a NetworkBook, Refusal> {
    let by_name = |text: &str| books.network_names.get(&text.parse().ok()?).copied();
    find(&books.networks, network, by_name).map_err(|miss| match miss {
        Miss::None => Refusal::NetworkNotFound(network.to_string()),
        Miss::Several => Refusal::NetworkAmbiguous(network.to_string()),
    })
}

/// The container that a caller names.
pub(crate) fn container<'a>(
    books: &'a Books,
    container: &ContainerRef,
) -> Result<&'a ContainerBook, Refusal> {
    let by_name = |text: &str| books.container_names.get(&text.parse().ok()?).copied();
    find(&books.containers, container, by_name).map_err(|miss| match miss {
        Miss::None => Refusal::ContainerNotFound(container.to_string()),
        Miss::Several => Refusal::ContainerAmbiguous(container.to_string()),
    })
}

/// The name of the container whose endpoint it is.
pub(crate) fn holder(books: &Books, endpoint: EndpointId) -> Option<ContainerName> {
    let endpoint = books.endpoints.get(&endpoint)?;
    let container = books.containers.get(&endpoint.container)?;
    Some(container.row.name.clone())
}

fn find<'a, I: Id, B>(
    books: &'a BTreeMap<I, B>,
    reference: &Reference<I>,
    by_name: impl Fn(&str) -> Option<I>,
) -> Result<&'a B, Miss> {
    let text = match reference {
        Reference::Id(id) => return books.get(id).ok_or(Miss::None),
        Reference::Text(text) => text,
    };
    let prefix = prefix_range(text);
    let whole = prefix.filter(|_| text.len() == 64);
    let named = whole
        .and_then(|(id, _)| books.get(&I::from_bytes(id)))
        .or_else(|| books.get(&by_name(text)?));
    if let Some(book) = named {
        return Ok(book);
    }
    let (low, high) = prefix.ok_or(Miss::None)?;
    let mut matches = books.range(I::from_bytes(low)..=I::from_bytes(high));
    match (matches.next(), matches.next()) {
        (Some((_, book)), None) => Ok(book),
        (None, _) => Err(Miss::None),
        (Some(_), Some(_)) => Err(Miss::Several),
    }
}
