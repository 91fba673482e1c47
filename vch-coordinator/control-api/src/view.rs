//! Converts the ledger's rows and the agents' reports to the types of answers.

mod ports;
pub mod row;

pub use ports::{binding, ports, protocol};

use super::shape;
use protocol::spec::FirewallLevel;
use std::collections::BTreeMap;
use vch_ledger::{
    Attachment, Channel, Container, Endpoint, External, ExternalAddressing, Ledger, Link, Network,
    NetworkKind, SegmentKind,
    desired::{port_name, segment_of},
};
use vch_network::tether::{EndpointState, Readiness, SessionState, Tether, failures};

/// A container with its endpoints and published ports, as they were read from the ledger.
pub struct ContainerRows {
    /// The container.
    pub container: Container,
    /// The container's endpoints.
    pub endpoints: Vec<EndpointView>,
    /// The container's published ports that are in force.
    pub bindings: Vec<shape::Binding>,
}

/// An endpoint as it was read from the ledger, with the names of its container and its network.
pub struct EndpointView {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The container that the endpoint belongs to.
    pub container: Container,
    /// The name of the endpoint's network.
    pub network: String,
    /// The container's own names for other containers, as `container:alias`.
    pub links: Vec<String>,
}

impl ContainerRows {
    /// Reads a container's rows from the ledger.
    pub fn of(ledger: &Ledger, container: &Container) -> Self {
        let endpoints = ledger.endpoints_of(container.id);
        Self {
            container: container.clone(),
            endpoints: endpoints
                .filter_map(|endpoint| EndpointView::of(ledger, endpoint))
                .collect(),
            bindings: ledger
                .bindings_of(container.id)
                .filter_map(|one| binding(ledger, one))
                .collect(),
        }
    }

    /// Returns the container as the API shows it. `tether` has what its agent reported.
    pub fn show(&self, tether: &Tether) -> shape::Container {
        let container = &self.container;
        let state = session_state(tether, container);
        shape::Container {
            id: container.id.to_string(),
            name: container.name.to_string(),
            hostname: container.hostname.to_string(),
            channel: channel(container, tether),
            incarnation: container
                .incarnation
                .map(|incarnation| incarnation.to_string()),
            generation: container.generation.0,
            running: container.runs(),
            healthy: !container.unhealthy,
            session: session(container, &state),
            ports: ports(container),
            bindings: self.bindings.clone(),
            endpoints: self
                .endpoints
                .iter()
                .map(|endpoint| (endpoint.network.clone(), endpoint.show_with(&state)))
                .collect(),
            created: container.created_ms / 1000,
        }
    }
}

impl EndpointView {
    /// Reads an endpoint and the names of its container and network from the ledger; `None` if the ledger has no
    /// such container or network any more.
    pub fn of(ledger: &Ledger, endpoint: &Endpoint) -> Option<Self> {
        Some(Self {
            endpoint: endpoint.clone(),
            container: ledger.container_by_id(endpoint.container)?.clone(),
            network: ledger.network_by_id(endpoint.network)?.name.to_string(),
            links: links(ledger, endpoint),
        })
    }

    /// Returns the endpoint as the API shows it. `tether` has what its agent reported.
    pub fn show(&self, tether: &Tether) -> shape::Endpoint {
        self.show_with(&session_state(tether, &self.container))
    }

    fn show_with(&self, state: &SessionState) -> shape::Endpoint {
        let endpoint = &self.endpoint;
        let reported = state.report.as_ref().and_then(|report| {
            let of = |one: &&protocol::message::InterfaceReport| one.mac == endpoint.mac;
            report.interfaces.iter().find(of)
        });
        let spec = self.container.spec_id();
        shape::Endpoint {
            id: endpoint.id.to_string(),
            container: self.container.name.to_string(),
            network: self.network.clone(),
            addresses: endpoint.addresses.iter().map(ToString::to_string).collect(),
            mac: endpoint.mac.to_string(),
            interface: endpoint.interface.to_string(),
            attachment: match &endpoint.attachment {
                Attachment::Tap => shape::Attachment::Tap,
                Attachment::Veth { .. } => shape::Attachment::Veth,
            },
            link: port_name(endpoint.id).to_string(),
            names: endpoint.names.iter().map(ToString::to_string).collect(),
            opened: endpoint.opened.iter().map(ToString::to_string).collect(),
            links: self.links.clone(),
            gateway_priority: endpoint.gateway_priority,
            rate: endpoint.rate.map(|rate| rate.to_string()),
            state: spec.map_or(shape::EndpointState::Pending, |spec| {
                endpoint_state(state.endpoint(spec, &endpoint.interface))
            }),
            observed: reported
                .map(|one| one.addresses.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        }
    }
}

fn session_state(tether: &Tether, container: &Container) -> SessionState {
    let state = tether.state(container.id);
    state
        .map(|state| state.borrow().clone())
        .unwrap_or_default()
}

fn session(container: &Container, state: &SessionState) -> shape::Session {
    let readiness = container
        .spec_id()
        .map_or(Readiness::Pending, |spec| state.readiness(spec));
    shape::Session {
        live: state.agent.is_some(),
        agent: state.agent.clone(),
        state: match readiness {
            Readiness::Ready => shape::Readiness::Ready,
            Readiness::Pending => shape::Readiness::Pending,
            Readiness::Failed(_) => shape::Readiness::Failed,
        },
        reported: state.report.as_ref().map(|report| report.spec.generation.0),
        failures: state.report.as_ref().map(failures).unwrap_or_default(),
    }
}

/// Returns the channel to a container's agent as requests write it. A Unix socket whose path the coordinator chose
/// is shown with that path.
pub fn channel(container: &Container, tether: &Tether) -> String {
    match &container.channel {
        Channel::Unix { path } => {
            format!(
                "unix:{}",
                tether.unix_path(container.id, path.as_ref()).display()
            )
        }
        other => other.to_string(),
    }
}

fn links(ledger: &Ledger, endpoint: &Endpoint) -> Vec<String> {
    let shown = |link: &Link| {
        let target = ledger.container_by_id(link.container);
        let name = target.map_or_else(|| link.container.short(), |one| one.name.to_string());
        format!("{name}:{}", link.alias)
    };
    endpoint.links.iter().map(shown).collect()
}

fn endpoint_state(state: EndpointState) -> shape::EndpointState {
    match state {
        EndpointState::Up => shape::EndpointState::Up,
        EndpointState::Waiting => shape::EndpointState::Waiting,
        EndpointState::Failed => shape::EndpointState::Failed,
        EndpointState::Unsupported => shape::EndpointState::Unsupported,
        EndpointState::Pending => shape::EndpointState::Pending,
    }
}

fn segment(network: &Network) -> Option<shape::Segment> {
    match network.kind {
        NetworkKind::Bridge(SegmentKind::Dedicated)
        | NetworkKind::Configuration(SegmentKind::Dedicated) => Some(shape::Segment::Dedicated),
        NetworkKind::Bridge(SegmentKind::Shared)
        | NetworkKind::Configuration(SegmentKind::Shared) => Some(shape::Segment::Shared),
        NetworkKind::None | NetworkKind::External(_) => None,
    }
}

fn external(external: &External) -> shape::External {
    shape::External {
        dns: external.dns.iter().map(ToString::to_string).collect(),
        addressing: match external.addressing {
            ExternalAddressing::Static => shape::Addressing::Static,
            ExternalAddressing::Dhcp => shape::Addressing::Dhcp,
        },
        level: match external.level {
            FirewallLevel::Open => shape::Level::Open,
            FirewallLevel::Closed => shape::Level::Closed,
            FirewallLevel::Outbound => shape::Level::Outbound,
            FirewallLevel::Peers => shape::Level::Peers,
            FirewallLevel::Published => shape::Level::Published,
        },
        published: external.published,
    }
}

/// A network with its endpoints, as they were read from the ledger.
pub struct NetworkView {
    /// The network as it is shown, still without options and endpoints.
    pub network: shape::Network,
    /// The network.
    pub row: Network,
    /// The endpoints on the network.
    pub endpoints: Vec<EndpointView>,
}

/// Reads a network with its endpoints from the ledger. Its options are added later, by the caller, so that the
/// ledger's thread need not parse them.
pub fn network(ledger: &Ledger, network: &Network) -> NetworkView {
    let (driver, scope) = match &network.kind {
        NetworkKind::Bridge(_) => (shape::Driver::Bridge, shape::Scope::Bridge),
        NetworkKind::None => (shape::Driver::Null, shape::Scope::None),
        NetworkKind::External(_) => (shape::Driver::External, shape::Scope::External),
        NetworkKind::Configuration(_) => (shape::Driver::Null, shape::Scope::Configuration),
    };
    let shown = shape::Network {
        id: network.id.to_string(),
        name: network.name.to_string(),
        driver,
        scope,
        segment: segment(network),
        external: network.external().map(external),
        subnets: network
            .subnets
            .iter()
            .map(|subnet| shape::Subnet {
                subnet: subnet.net.to_string(),
                gateway: subnet.gateway.map(|gateway| gateway.to_string()),
                vch: subnet.vch.map(|vch| vch.to_string()),
                auxiliary: subnet
                    .auxiliary
                    .iter()
                    .map(|(name, address)| (name.clone(), address.to_string()))
                    .collect(),
                ranges: subnet.ranges.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        mtu: network.mtu.map(u32::from),
        dns_ttl: network.dns_ttl.map(u32::from),
        internal: network.internal,
        labels: network.labels.clone(),
        options: BTreeMap::new(),
        created: network.created_ms / 1000,
        link: segment_of(ledger, network).map(|segment| segment.link().to_string()),
        endpoints: BTreeMap::new(),
    };
    let endpoints = ledger.endpoints_on(network.id);
    let endpoints = endpoints.filter_map(|endpoint| EndpointView::of(ledger, endpoint));
    NetworkView {
        network: shown,
        row: network.clone(),
        endpoints: endpoints.collect(),
    }
}
