//! Containers get places on networks, and lose them.

use super::{Decision, Draft, Scene, addresses, at_most, random, renumber};
use crate::{
    Answer, Connect, Container, ContainerRef, Endpoint, EndpointId, Id, MAX_ALIASES, MAX_ENDPOINTS,
    NetworkKind, NetworkRef, Refusal, Row, Surroundings,
    books::{Books, ContainerBook, NetworkBook},
    derived, lookup, pointer_name, published_names,
    spec::{self, Place},
};
use protocol::spec::{Hostname, InterfaceName, MacAddress, NicMatch};

/// Gives a container a place on a network.
pub(super) fn connect(
    scene: Scene<'_>,
    wish: Connect,
    around: &mut Surroundings<'_>,
) -> Result<Decision, Refusal> {
    let container = lookup::container(scene.books, &wish.container)?;
    let network = lookup::network(scene.books, &wish.network)?;
    check_place(container, network, &wish)?;
    let mut draft = Draft::default();
    let addresses = addresses::choose(scene, network, &wish.addresses, &mut draft)?;
    let id = fresh_id(scene.books, around);
    let mac = choose_mac(scene, id, wish.mac)?;
    let nic = wish.nic.unwrap_or(NicMatch::Mac(mac));
    check_nic(scene.books, container, &nic)?;
    let endpoint = Endpoint {
        id,
        container: container.row.id,
        network: network.row.id,
        addresses,
        mac,
        names: names(&container.row, network, &wish.aliases),
        pointer: pointer(&container.row, network),
        aliases: wish.aliases,
        interface: free_interface(scene.books, container)?,
        nic,
        attachment: wish.attachment,
        gateway_priority: wish.gateway_priority,
        links: Vec::new(),
        only_healthy: false,
        opened: Vec::new(),
    };
    let before = spec::places(scene.books, container);
    let mut after = before.clone();
    after.push(Place {
        endpoint: &endpoint,
        network: &network.row,
    });
    let mut row = container.row.clone();
    renumber(scene.settings, (&container.row, &before), &mut row, &after)?;
    let answer = Answer::Connected {
        endpoint: id,
        container: row.id,
        network: network.row.id,
        addresses: endpoint.addresses.clone(),
        mac,
        interface: endpoint.interface.clone(),
        generation: row.generation,
    };
    draft.add(Row::Endpoint(endpoint));
    draft.replace(Row::Container(container.row.clone()), Row::Container(row));
    Ok(draft.answered(answer))
}

/// Takes a container's place on a network away.
pub(super) fn disconnect(
    scene: Scene<'_>,
    container: &ContainerRef,
    network: &NetworkRef,
) -> Result<Decision, Refusal> {
    let container = lookup::container(scene.books, container)?;
    let network = lookup::network(scene.books, network)?;
    let endpoint = container.endpoints.get(&network.row.id);
    let endpoint = endpoint.and_then(|id| scene.books.endpoints.get(id));
    let endpoint = endpoint.ok_or_else(|| Refusal::NotConnected {
        container: container.row.name.clone(),
        network: network.row.name.clone(),
    })?;
    let mut draft = Draft::default();
    draft.remove(Row::Endpoint(endpoint.clone()));
    addresses::release(scene, network, endpoint, &mut draft);
    let before = spec::places(scene.books, container);
    let mut after = before.clone();
    after.retain(|place| place.endpoint.id != endpoint.id);
    let mut row = container.row.clone();
    renumber(scene.settings, (&container.row, &before), &mut row, &after)?;
    let answer = Answer::Disconnected {
        endpoint: endpoint.id,
        container: row.id,
        network: network.row.id,
        generation: row.generation,
    };
    draft.replace(Row::Container(container.row.clone()), Row::Container(row));
    Ok(draft.answered(answer))
}

/// Every name of a container's endpoint on a network.
pub(super) fn names(
    container: &Container,
    network: &NetworkBook,
    aliases: &[Hostname],
) -> Vec<Hostname> {
    published_names(container.id, &container.name, &network.row.name, aliases)
}

/// The name that its addresses resolve to.
pub(super) fn pointer(container: &Container, network: &NetworkBook) -> Hostname {
    pointer_name(container.id, &container.name, &network.row.name)
}

fn check_place(
    container: &ContainerBook,
    network: &NetworkBook,
    wish: &Connect,
) -> Result<(), Refusal> {
    if network.row.kind == NetworkKind::None {
        return Err(Refusal::NoEndpointsOnNone(network.row.name.clone()));
    }
    if container.endpoints.contains_key(&network.row.id) {
        return Err(Refusal::AlreadyConnected {
            container: container.row.name.clone(),
            network: network.row.name.clone(),
        });
    }
    at_most("endpoints", container.endpoints.len() + 1, MAX_ENDPOINTS)?;
    at_most("aliases", wish.aliases.len(), MAX_ALIASES)
}

fn fresh_id(books: &Books, around: &mut Surroundings<'_>) -> EndpointId {
    loop {
        let id = EndpointId::from_bytes(random(around));
        if !books.endpoints.contains_key(&id) {
            return id;
        }
    }
}

fn choose_mac(
    scene: Scene<'_>,
    endpoint: EndpointId,
    wanted: Option<MacAddress>,
) -> Result<MacAddress, Refusal> {
    let taken = &scene.books.macs;
    let Some(mac) = wanted else {
        let hashed =
            (0..).filter_map(|attempt| derived::mac(scene.settings.vch, endpoint, attempt));
        let mut free = hashed.filter(|mac| !taken.contains_key(mac));
        #[expect(
            clippy::expect_used,
            reason = "2^40 addresses are more than endpoints can be"
        )]
        return Ok(free.next().expect("a free MAC address"));
    };
    match taken
        .get(&mac)
        .and_then(|other| lookup::holder(scene.books, *other))
    {
        None => Ok(mac),
        Some(holder) => Err(Refusal::MacTaken { mac, holder }),
    }
}

fn check_nic(books: &Books, container: &ContainerBook, nic: &NicMatch) -> Result<(), Refusal> {
    let others = container.endpoints.values();
    let mut others = others.filter_map(|id| books.endpoints.get(id));
    if others.any(|other| other.nic == *nic) {
        return Err(Refusal::NicTaken {
            nic: nic.clone(),
            container: container.row.name.clone(),
        });
    }
    Ok(())
}

/// The lowest of eth0, eth1, … that none of the container's endpoints has.
fn free_interface(books: &Books, container: &ContainerBook) -> Result<InterfaceName, Refusal> {
    let used: Vec<&InterfaceName> = container
        .endpoints
        .values()
        .filter_map(|id| books.endpoints.get(id))
        .map(|endpoint| &endpoint.interface)
        .collect();
    let names = (0..=used.len()).filter_map(|n| format!("eth{n}").parse().ok());
    let mut free = names.filter(|name| !used.contains(&name));
    free.next().ok_or(Refusal::TooMany {
        field: "endpoints",
        count: used.len() + 1,
        limit: MAX_ENDPOINTS,
    })
}
