//! Containers come, start, are renamed and go.

use super::{Decision, Draft, Scene, addresses, at_most, endpoint, possible, random, renumber};
use crate::{
    AddContainer, Answer, Channel, Container, ContainerId, ContainerName, ContainerRef, Endpoint,
    Id, MAX_DNS_SERVERS, MAX_EXTRA_HOSTS, Refusal, Row, Surroundings,
    books::{Books, ChannelKey, ContainerBook},
    lookup,
    published::short_hostname,
    spec::{self, Place},
};
use protocol::spec::{Generation, Incarnation};
use std::collections::BTreeMap;

/// Makes a container known.
pub(super) fn add(
    scene: Scene<'_>,
    wish: AddContainer,
    around: &mut Surroundings<'_>,
) -> Result<Decision, Refusal> {
    let limit = scene.settings.limits.containers;
    at_most("containers", scene.books.containers.len() + 1, limit)?;
    at_most("dns servers", wish.dns.servers.len(), MAX_DNS_SERVERS)?;
    at_most("extra hosts", wish.extra_hosts.len(), MAX_EXTRA_HOSTS)?;
    check_name(scene.books, &wish.name)?;
    check_channel(scene.books, &wish.channel)?;
    let id = fresh_id(scene.books, around);
    let container = Container {
        id,
        hostname: wish.hostname.unwrap_or_else(|| short_hostname(id)),
        name: wish.name,
        channel: wish.channel,
        dns: wish.dns,
        extra_hosts: wish.extra_hosts,
        ports: Vec::new(),
        publish_all: false,
        chosen: BTreeMap::new(),
        unhealthy: false,
        incarnation: None,
        generation: Generation(0),
        created_ms: around.now_ms,
    };
    // Refused now, and not when the first endpoint makes a resolver of it.
    spec::resolver_of(&container, Vec::new(), scene.settings).map_err(|reason| {
        Refusal::Resolver {
            container: container.name.clone(),
            reason: reason.to_string(),
        }
    })?;
    possible(scene.settings, &container, &[])?;
    let mut draft = Draft::default();
    draft.add(Row::Container(container));
    Ok(draft.answered(Answer::ContainerAdded { container: id }))
}

/// Forgets a container.
pub(super) fn remove(
    scene: Scene<'_>,
    container: &ContainerRef,
    force: bool,
) -> Result<Decision, Refusal> {
    let book = lookup::container(scene.books, container)?;
    if !force && !book.endpoints.is_empty() {
        let networks = book.endpoints.keys();
        let names = networks.filter_map(|id| scene.books.networks.get(id));
        let names: Vec<&str> = names.map(|network| network.row.name.as_str()).collect();
        return Err(Refusal::ContainerConnected {
            container: book.row.name.clone(),
            networks: names.join(", "),
        });
    }
    let mut draft = Draft::default();
    for (network, id) in &book.endpoints {
        let endpoint = scene.books.endpoints.get(id);
        let network = scene.books.networks.get(network);
        if let Some((endpoint, network)) = endpoint.zip(network) {
            draft.remove(Row::Endpoint(endpoint.clone()));
            addresses::release(scene, network, endpoint, &mut draft);
        }
    }
    draft.remove(Row::Container(book.row.clone()));
    Ok(draft.answered(Answer::ContainerRemoved {
        container: book.row.id,
        endpoints: book.endpoints.values().copied().collect(),
    }))
}

/// Gives a container a new life.
pub(super) fn start(
    scene: Scene<'_>,
    container: &ContainerRef,
    around: &mut Surroundings<'_>,
) -> Result<Decision, Refusal> {
    let book = lookup::container(scene.books, container)?;
    let incarnation = Incarnation(random(around));
    let row = Container {
        incarnation: Some(incarnation),
        generation: Generation(book.row.generation.0 + 1),
        ..book.row.clone()
    };
    let answer = Answer::Started {
        container: row.id,
        incarnation,
        generation: row.generation,
    };
    let mut draft = Draft::default();
    draft.replace(Row::Container(book.row.clone()), Row::Container(row));
    Ok(draft.answered(answer))
}

/// Gives a container another name, and its endpoints the names that follow from it.
pub(super) fn rename(
    scene: Scene<'_>,
    container: &ContainerRef,
    name: ContainerName,
) -> Result<Decision, Refusal> {
    let book = lookup::container(scene.books, container)?;
    check_name(scene.books, &name)?;
    let mut row = Container {
        name,
        ..book.row.clone()
    };
    let before = spec::places(scene.books, book);
    let renamed = renamed(scene.books, &row, book);
    let pairs = before.iter().zip(&renamed);
    let after: Vec<Place<'_>> = pairs
        .map(|(place, endpoint)| Place {
            endpoint,
            network: place.network,
        })
        .collect();
    renumber(scene.settings, (&book.row, &before), &mut row, &after)?;
    let mut draft = Draft::default();
    for (place, endpoint) in before.iter().zip(&renamed) {
        let old = Row::Endpoint(place.endpoint.clone());
        draft.replace(old, Row::Endpoint(endpoint.clone()));
    }
    let answer = Answer::Renamed { container: row.id };
    draft.replace(Row::Container(book.row.clone()), Row::Container(row));
    Ok(draft.answered(answer))
}

/// A container's endpoints, in the order of its places, as they are once it has its new name.
fn renamed(books: &Books, container: &Container, book: &ContainerBook) -> Vec<Endpoint> {
    let places = book.endpoints.iter();
    let renamed = places.filter_map(|(network, endpoint)| {
        let network = books.networks.get(network)?;
        let old = books.endpoints.get(endpoint)?;
        Some(Endpoint {
            names: endpoint::names(container, network, &old.aliases),
            pointer: endpoint::pointer(container, network),
            ..old.clone()
        })
    });
    renamed.collect()
}

fn check_name(books: &Books, name: &ContainerName) -> Result<(), Refusal> {
    match books.container_names.get(name) {
        None => Ok(()),
        Some(holder) => Err(Refusal::ContainerNameTaken {
            name: name.clone(),
            holder: holder.to_string(),
        }),
    }
}

fn check_channel(books: &Books, channel: &Channel) -> Result<(), Refusal> {
    if let Channel::Vsock { cid } = channel
        && (*cid < 3 || *cid == u32::MAX)
    {
        return Err(Refusal::ReservedCid(*cid));
    }
    let holder = ChannelKey::of(channel).and_then(|key| books.channels.get(&key));
    match holder.and_then(|holder| books.containers.get(holder)) {
        None => Ok(()),
        Some(holder) => Err(Refusal::ChannelTaken {
            channel: channel.to_string(),
            holder: holder.row.name.clone(),
        }),
    }
}

fn fresh_id(books: &Books, around: &mut Surroundings<'_>) -> ContainerId {
    loop {
        let id = ContainerId::from_bytes(random(around));
        if !books.containers.contains_key(&id) {
            return id;
        }
    }
}
