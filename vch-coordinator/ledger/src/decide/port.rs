//! Decides which ports of the VCH lead to a container, and which of the container's own ports are
//! open.

use super::{DecisionContext, host_port};
use crate::{
    Container, ContainerId, ContainerPort, Endpoint, Environment, HostPort, Network, PortBinding,
    PortNumber, PortRefusal, Protocol, Publish, Refusal, Settings,
    spec::{self, EndpointRef},
    state::LedgerState,
};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Returns the ports of a container that are open on its external networks, in ascending order.
pub(super) fn opened(container: &Container) -> Vec<PortNumber> {
    let plain = container.ports.iter().filter(|port| no_nat(port).is_none());
    let numbers: BTreeSet<PortNumber> = plain.map(|port| port.number).collect();
    numbers.into_iter().collect()
}

/// Returns the part of a request that an external network can't serve: a port is open there or not.
fn no_nat(port: &ContainerPort) -> Option<&'static str> {
    let publish = port.publish.as_ref()?;
    let other = publish.port.is_some_and(|host| host != port.number.port);
    if other || publish.through.is_some() {
        return Some("where there is no NAT that could make another port of it");
    }
    if publish
        .address
        .is_some_and(|address| !address.is_unspecified())
    {
        return Some("where it would be at the container's own address, not at one of the VCH");
    }
    (!publish.clients.is_empty()).then_some("where a port is open to everyone")
}

/// Refuses requests that are not possible for a container whose networks are all external.
///
/// # Errors
/// Returns [`Refusal`] with the reason.
pub(super) fn check_external(
    container: &Container,
    ports: &[ContainerPort],
    networks: &[&Network],
) -> Result<(), Refusal> {
    let Some(first) = networks.first() else {
        return Ok(());
    };
    if networks.iter().any(|network| network.external().is_none()) {
        return Ok(());
    }
    let mut impossible = ports.iter().filter_map(|port| Some((port, no_nat(port)?)));
    match impossible.next() {
        None => Ok(()),
        Some((port, reason)) => Err(PortRefusal::OnExternal {
            request: port.to_string(),
            container: container.name.clone(),
            network: first.name.clone(),
            reason,
            plain: ContainerPort {
                number: port.number,
                publish: None,
            }
            .to_string(),
        }
        .into()),
    }
}

/// A request for a port of the VCH.
struct PortRequest {
    number: PortNumber,
    publish: Publish,
    /// The port that was chosen for it last.
    chosen: Option<u16>,
}

/// Refuses a port at an address of a family that none of the container's endpoints has.
///
/// # Errors
/// Returns [`PortRefusal`] with the port and the family.
pub(super) fn check_family(
    container: &Container,
    endpoints: &[EndpointRef<'_>],
    ports: &[ContainerPort],
) -> Result<(), PortRefusal> {
    let targets = targets(endpoints);
    if targets.is_empty() {
        return Ok(());
    }
    let requests = ports.iter().filter_map(|port| {
        Some(PortRequest {
            number: port.number,
            publish: port.publish.clone()?,
            chosen: None,
        })
    });
    for request in requests {
        if !targets.iter().any(|endpoint| endpoint.fits(&request)) {
            return Err(no_family(&request, container));
        }
    }
    Ok(())
}

fn no_family(request: &PortRequest, container: &Container) -> PortRefusal {
    PortRefusal::Family {
        number: request.number,
        host: HostPort {
            protocol: request.number.protocol,
            address: request.publish.address,
            port: request.publish.port.unwrap_or_default(),
        },
        container: container.name.clone(),
    }
}

/// Returns the requests to publish ports of a container, in the order in which they are decided:
/// named ports, then ranges, then those that have had a chosen port, then the rest.
fn requests(container: &Container) -> Vec<PortRequest> {
    let chosen = |number, address| container.chosen.get(&(number, address)).copied();
    let asked = container.ports.iter().filter_map(|port| {
        let publish = port.publish.clone()?;
        let chosen = chosen(port.number, publish.address);
        Some((port.number, publish, chosen))
    });
    let mut all: Vec<_> = asked.collect();
    if container.publish_all {
        let published: BTreeSet<_> = all.iter().map(|(number, ..)| *number).collect();
        let numbers = container.ports.iter().map(|port| port.number);
        let exposed = numbers.filter(|number| !published.contains(number));
        all.extend(exposed.map(|number| (number, Publish::default(), chosen(number, None))));
    }
    all.sort_by_key(|(_, publish, chosen)| {
        let range = publish.through.is_some();
        (publish.port.is_none(), range, chosen.is_none())
    });
    let requests = all
        .into_iter()
        .map(|(number, publish, chosen)| PortRequest {
            number,
            publish,
            chosen,
        });
    requests.collect()
}

/// Forgets the chosen ports of requests that the container no longer has.
pub(super) fn forget_chosen(container: &mut Container) {
    let requests = requests(container);
    let unnamed = requests
        .iter()
        .filter(|request| request.publish.port.is_none());
    let keys: BTreeSet<_> = unnamed
        .map(|request| (request.number, request.publish.address))
        .collect();
    container.chosen.retain(|key, _| keys.contains(key));
}

/// Returns the published ports of a container that are in force, and remembers the chosen ones on
/// its row. A port that can't be published is left out, or refused if `all` must be.
///
/// # Errors
/// Returns [`Refusal`] if `all` ports must be published and one of them can't.
pub(super) fn in_force(
    context: DecisionContext<'_>,
    container: &mut Container,
    targets: &[PublishTarget],
    all: bool,
    environment: &mut Environment<'_>,
) -> Result<Vec<PortBinding>, Refusal> {
    if !container.runs() || targets.is_empty() {
        return Ok(Vec::new());
    }
    let mut bindings = BTreeMap::new();
    let mut claims = Claims {
        state: context.state,
        settings: context.settings,
        container: container.id,
        decided: BTreeMap::new(),
    };
    let mut chosen = BTreeMap::new();
    for request in requests(container) {
        let decided = bind(&claims, container, targets, &request, environment);
        match decided {
            Ok(binding) => {
                if binding.ephemeral {
                    let key = (request.number, request.publish.address);
                    chosen.insert(key, binding.host.port);
                }
                let there = claims.decided.entry(binding.host.number());
                there
                    .or_default()
                    .push((binding.host.address, request.number));
                bindings.insert(binding.host, binding);
            }
            Err(refusal) if all => return Err(refusal.into()),
            Err(_) => {}
        }
    }
    container.chosen.extend(chosen);
    Ok(bindings.into_values().collect())
}

/// An endpoint that published ports may lead to.
pub(super) struct PublishTarget {
    row: Endpoint,
    /// The address at which the endpoint's network publishes ports whose request names no address.
    binding: Option<IpAddr>,
}

impl PublishTarget {
    /// Returns the address of the VCH at which a request that leads to this endpoint is bound.
    fn address(&self, request: &PortRequest) -> Option<IpAddr> {
        request.publish.address.or(self.binding)
    }

    /// Returns whether the endpoint has an address to which the request may lead.
    fn fits(&self, request: &PortRequest) -> bool {
        !target(&self.row, self.address(request)).is_empty()
    }
}

/// Returns the endpoints that published ports may lead to, ordered so that the first one's gateway
/// is the default. Endpoints on internal networks are left out: nothing comes in from outside.
pub(super) fn targets(endpoints: &[EndpointRef<'_>]) -> Vec<PublishTarget> {
    let ranked = spec::in_gateway_order(endpoints).into_iter();
    let bridges =
        ranked.filter(|endpoint| endpoint.network.is_bridge() && !endpoint.network.internal);
    let endpoints = bridges.map(|endpoint| PublishTarget {
        row: endpoint.row.clone(),
        binding: endpoint.network.bridge.published_at(),
    });
    endpoints.collect()
}

/// Returns the binding of one request.
fn bind(
    claims: &Claims<'_>,
    container: &Container,
    targets: &[PublishTarget],
    request: &PortRequest,
    environment: &mut Environment<'_>,
) -> Result<PortBinding, PortRefusal> {
    let wanted = request.publish.port;
    let Some(first) = targets.iter().find(|endpoint| endpoint.fits(request)) else {
        return Err(no_family(request, container));
    };
    let address = first.address(request);
    if let Some(address) = address.filter(|_| request.publish.address.is_none()) {
        host_port::check_address(claims.state, claims.settings, request.number, address)?;
    }
    let host = |port| HostPort {
        protocol: request.number.protocol,
        address,
        port,
    };
    let own = |port: u16| claims.own(&host(port));
    let (host, ephemeral) = match wanted {
        Some(first) if let Some(last) = request.publish.through => (
            host(claims.within(request, address, (first, last), environment)?),
            false,
        ),
        Some(port) => {
            claims.check_own(&host(port), request)?;
            match own(port) {
                None => claims.check(&host(port), environment)?,
                // One that the VCH chose is not taken from the request that has it.
                Some(chosen) if chosen.ephemeral => {
                    return Err(twice(request, chosen.container_number()));
                }
                Some(_) => {}
            }
            (host(port), false)
        }
        None => {
            let kept = request.chosen.filter(|port| own(*port).is_some());
            let port = match kept {
                Some(port) => port,
                None => claims.choose(request, address, environment)?,
            };
            (host(port), true)
        }
    };
    // A binding stays where it is as long as that endpoint does.
    let before = claims.own(&host).map(|binding| binding.endpoint);
    let mut same = targets
        .iter()
        .filter(|endpoint| endpoint.fits(request) && endpoint.address(request) == address);
    let stays = same.find(|endpoint| Some(endpoint.row.id) == before);
    let endpoint = &stays.unwrap_or(first).row;
    Ok(PortBinding {
        host,
        container: container.id,
        endpoint: endpoint.id,
        container_port: request.number.port,
        target: target(endpoint, address),
        clients: request.publish.clients.clone(),
        ephemeral,
    })
}

/// Returns the addresses of an endpoint to which packets to a host address may lead.
fn target(endpoint: &Endpoint, host: Option<IpAddr>) -> Vec<IpAddr> {
    let addresses = endpoint.addresses.iter().map(IpNet::addr);
    let fits = |own: &IpAddr| host.is_none_or(|host| host.is_ipv4() == own.is_ipv4());
    addresses.filter(fits).collect()
}

/// The ports of the VCH that are taken, from the view of one container that requests some.
struct Claims<'a> {
    state: &'a LedgerState,
    settings: &'a Settings,
    container: ContainerId,
    /// The ports that the container gets in this decision, each with the container's port that it
    /// leads to.
    decided: BTreeMap<PortNumber, Vec<(Option<IpAddr>, PortNumber)>>,
}

impl Claims<'_> {
    /// Returns the container's own binding of a port, if it has one already.
    fn own(&self, host: &HostPort) -> Option<&PortBinding> {
        let binding = self.state.binding(host)?;
        (binding.container == self.container).then_some(binding)
    }

    /// Refuses a port that the container has by another of its requests: since they were checked, the
    /// default external networks may have become others.
    fn check_own(&self, host: &HostPort, request: &PortRequest) -> Result<(), PortRefusal> {
        let mut there = self.decided.get(&host.number()).into_iter().flatten();
        let met = there.find(|(address, _)| host_port::meet(self.settings, host.address, *address));
        match met {
            None => Ok(()),
            Some((_, other)) => Err(twice(request, *other)),
        }
    }

    /// Refuses a port that another container or a process of the VCH has, or that the VCH itself
    /// needs.
    fn check(&self, host: &HostPort, environment: &Environment<'_>) -> Result<(), PortRefusal> {
        host_port::check_reserved(self.settings, host)?;
        // As many as addresses of the VCH have this one port.
        let there = self
            .state
            .bindings
            .get(&host.number())
            .into_iter()
            .flatten();
        let mut others = there.filter(|(_, other)| other.container != self.container);
        let met =
            others.find(|(address, _)| host_port::meet(self.settings, host.address, **address));
        let holder = met.and_then(|(_, met)| {
            let holder = self.state.containers.get(&met.container)?;
            Some((met.host, holder.row.name.clone()))
        });
        if let Some((taken, holder)) = holder {
            return Err(PortRefusal::Taken {
                host: *host,
                taken,
                holder,
            });
        }
        match (environment.listener)(host) {
            None => Ok(()),
            Some(holder) => Err(PortRefusal::InUse {
                host: *host,
                holder,
            }),
        }
    }

    /// Returns the first free port of a range; an existing binding keeps its port.
    fn within(
        &self,
        request: &PortRequest,
        address: Option<IpAddr>,
        (first, last): (u16, u16),
        environment: &Environment<'_>,
    ) -> Result<u16, PortRefusal> {
        let protocol = request.number.protocol;
        let host = |port| HostPort {
            protocol,
            address,
            port,
        };
        let undecided = |port: &u16| self.check_own(&host(*port), request).is_ok();
        let had = (first..=last).find(|port| {
            let own = self.own(&host(*port));
            own.is_some_and(|own| own.container_number() == request.number && !own.ephemeral)
                && undecided(port)
        });
        let free = |port: &u16| {
            let mine = self.own(&host(*port)).is_some();
            !mine && undecided(port) && self.check(&host(*port), environment).is_ok()
        };
        let found = had.or_else(|| (first..=last).find(free));
        found.ok_or(PortRefusal::RangeTaken {
            host: host(first),
            last,
            number: request.number,
        })
    }

    /// Returns the port that was chosen last if it is free, else the next port that is free at
    /// every address, searched from a random one on.
    fn choose(
        &self,
        request: &PortRequest,
        address: Option<IpAddr>,
        environment: &mut Environment<'_>,
    ) -> Result<u16, PortRefusal> {
        let protocol = request.number.protocol;
        let usable = |port: u16, environment: &Environment<'_>| {
            let host = HostPort {
                protocol,
                address,
                port,
            };
            !self.decided.contains_key(&host.number()) && self.check(&host, environment).is_ok()
        };
        if let Some(last) = request.chosen.filter(|port| usable(*port, environment)) {
            return Ok(last);
        }
        let (first, last) = (
            *self.settings.ephemeral.start(),
            *self.settings.ephemeral.end(),
        );
        let draw = u16::from_be_bytes(super::random(environment));
        // An empty range has nothing to draw from.
        let width = u32::from(last.saturating_sub(first)) + 1;
        let begin = first.saturating_add(u16::try_from(u32::from(draw) % width).unwrap_or(0));
        let found = [(begin, last), (first, begin.saturating_sub(1))]
            .into_iter()
            .find_map(|(low, high)| {
                self.free(protocol, low, high)
                    .find(|port| usable(*port, environment))
            });
        found.ok_or(PortRefusal::Exhausted {
            protocol,
            first,
            last,
            number: request.number,
        })
    }

    /// Returns the ports from `low` to `high` that no container has, in ascending order.
    fn free(&self, protocol: Protocol, low: u16, high: u16) -> impl Iterator<Item = u16> {
        let free = self.state.free_ports.get(&protocol);
        let next = move |from: u16| {
            let port = free?.next_from(u128::from(from))?;
            u16::try_from(port).ok().filter(|port| *port <= high)
        };
        std::iter::successors(next(low), move |port| next(port.checked_add(1)?))
    }
}

fn twice(request: &PortRequest, other: PortNumber) -> PortRefusal {
    let request = ContainerPort {
        number: request.number,
        publish: Some(request.publish.clone()),
    };
    PortRefusal::Twice {
        request: request.to_string(),
        other,
    }
}
