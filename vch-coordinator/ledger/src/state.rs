//! The ledger's state: every row in memory, with indexes that find rows in O(log n).

use crate::{
    Channel, Container, ContainerId, ContainerName, Document, DocumentKind, Endpoint, EndpointId,
    HostPort, Network, NetworkId, NetworkName, PortBinding, PortNumber, Protocol, Row, RowKey,
    Settings, SocketPath, Subnet,
    ipam::{Intervals, Space, SubnetState},
};
use protocol::spec::MacAddress;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Every row, with its indexes. Applies the changes of transactions; decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerState {
    pub(crate) networks: BTreeMap<NetworkId, NetworkState>,
    pub(crate) network_names: BTreeMap<NetworkName, NetworkId>,
    pub(crate) containers: BTreeMap<ContainerId, ContainerState>,
    pub(crate) container_names: BTreeMap<ContainerName, ContainerId>,
    pub(crate) channels: BTreeMap<ChannelKey, ContainerId>,
    pub(crate) endpoints: BTreeMap<EndpointId, Endpoint>,
    pub(crate) macs: BTreeMap<MacAddress, EndpointId>,
    /// The bindings by port of the VCH, then by address, so that bindings that may conflict are
    /// found together.
    pub(crate) bindings: BTreeMap<PortNumber, BTreeMap<Option<IpAddr>, PortBinding>>,
    /// The ports of the VCH, by protocol, that no container has at any address.
    pub(crate) free_ports: BTreeMap<Protocol, Intervals>,
    /// The endpoints that have a link to a container on a network.
    pub(crate) linked: BTreeMap<(ContainerId, NetworkId), BTreeSet<EndpointId>>,
    /// The endpoints that await a container of a name, to link it.
    pub(crate) awaited: BTreeMap<ContainerName, BTreeSet<EndpointId>>,
    pub(crate) space: Space,
}

/// A network with its endpoints and allocators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkState {
    pub(crate) row: Network,
    pub(crate) subnets: Vec<SubnetState>,
    pub(crate) endpoints: BTreeSet<EndpointId>,
}

/// A container with its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerState {
    pub(crate) row: Container,
    pub(crate) endpoints: BTreeMap<NetworkId, EndpointId>,
    pub(crate) bindings: BTreeSet<HostPort>,
    pub(crate) documents: BTreeMap<DocumentKind, Document>,
}

/// The part of a channel that two containers can't share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChannelKey {
    Path(SocketPath),
    Cid(u32),
}

impl ChannelKey {
    /// Returns the key of a channel; `None` if the coordinator chooses the path, by the container's
    /// ID.
    pub(crate) fn of(channel: &Channel) -> Option<Self> {
        match channel {
            Channel::HybridVsock { path, .. } | Channel::Chardev { path } => {
                Some(Self::Path(path.clone()))
            }
            Channel::Unix { path } => path.clone().map(Self::Path),
            Channel::Vsock { cid } => Some(Self::Cid(*cid)),
        }
    }
}

impl NetworkState {
    pub(crate) fn subnet_of(&self, address: IpAddr) -> Option<&SubnetState> {
        self.subnets.iter().find(|s| s.net().contains(&address))
    }

    fn subnet_of_mut(&mut self, address: IpAddr) -> Option<&mut SubnetState> {
        self.subnets.iter_mut().find(|s| s.net().contains(&address))
    }
}

impl LedgerState {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            networks: BTreeMap::new(),
            network_names: BTreeMap::new(),
            containers: BTreeMap::new(),
            container_names: BTreeMap::new(),
            channels: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            macs: BTreeMap::new(),
            bindings: BTreeMap::new(),
            free_ports: [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
                .map(|protocol| (protocol, Intervals::of(1, u128::from(u16::MAX))))
                .into(),
            linked: BTreeMap::new(),
            awaited: BTreeMap::new(),
            space: Space::new(settings.all_pools()),
        }
    }

    /// Returns the binding in force at a port of the VCH.
    pub(crate) fn binding(&self, host: &HostPort) -> Option<&PortBinding> {
        self.bindings.get(&host.number())?.get(&host.address)
    }

    /// Writes a row; it is new, or replaces the one with its key.
    pub(crate) fn put(&mut self, row: Row, settings: &Settings) {
        match row {
            Row::Network(row) => self.put_network(row, settings),
            Row::Container(row) => self.put_container(row),
            Row::Endpoint(row) => self.put_endpoint(row),
            Row::RestingAddress(row) => {
                if let Some(subnet) = self.subnet_mut(row.network, row.address) {
                    subnet.rest(row.address, row.since);
                }
            }
            Row::AddressCursor(row) => {
                if let Some(subnet) = self.subnet_from(row.network, row.subnet) {
                    subnet.set_cursor(Some(row.next));
                }
            }
            Row::PortBinding(row) => self.put_binding(row),
            Row::Document(row) => {
                if let Some(entry) = self.containers.get_mut(&row.container) {
                    entry.documents.insert(row.kind, row);
                }
            }
        }
    }

    /// Deletes the row with this key.
    pub(crate) fn erase(&mut self, key: RowKey) {
        match key {
            RowKey::Network(id) => self.erase_network(id),
            RowKey::Container(id) => self.erase_container(id),
            RowKey::Endpoint(id) => self.erase_endpoint(id),
            RowKey::RestingAddress(network, address) => {
                if let Some(subnet) = self.subnet_mut(network, address) {
                    subnet.rouse(address);
                }
            }
            RowKey::AddressCursor(network, address) => {
                if let Some(subnet) = self.subnet_from(network, address) {
                    subnet.set_cursor(None);
                }
            }
            RowKey::PortBinding(host) => self.erase_binding(host),
            RowKey::Document(container, kind) => {
                if let Some(entry) = self.containers.get_mut(&container) {
                    entry.documents.remove(&kind);
                }
            }
        }
    }

    fn subnet_mut(&mut self, network: NetworkId, address: IpAddr) -> Option<&mut SubnetState> {
        self.networks.get_mut(&network)?.subnet_of_mut(address)
    }

    /// Returns the subnet that begins with an address.
    fn subnet_from(&mut self, network: NetworkId, address: IpAddr) -> Option<&mut SubnetState> {
        let subnet = self.subnet_mut(network, address)?;
        (subnet.net().network() == address).then_some(subnet)
    }

    fn put_network(&mut self, row: Network, settings: &Settings) {
        if self.networks.contains_key(&row.id) {
            return self.replace_network(row, settings);
        }
        self.network_names.insert(row.name.clone(), row.id);
        for subnet in occupied(&row) {
            self.space.occupy(subnet.net, row.id);
        }
        let subnets = row.subnets.iter();
        let entry = NetworkState {
            subnets: subnets
                .map(|subnet| SubnetState::new(subnet, &settings.grants))
                .collect(),
            endpoints: BTreeSet::new(),
            row,
        };
        self.networks.insert(entry.row.id, entry);
    }

    /// Replaces a network's row. Its name never changes; its subnets may, and its endpoints stay.
    fn replace_network(&mut self, row: Network, settings: &Settings) {
        let Some(entry) = self.networks.get_mut(&row.id) else {
            return;
        };
        let old = std::mem::replace(&mut entry.row, row);
        if old.subnets == entry.row.subnets {
            return;
        }
        for subnet in &old.subnets {
            self.space.vacate(subnet.net);
        }
        let before = std::mem::take(&mut entry.subnets);
        for subnet in &entry.row.subnets {
            self.space.occupy(subnet.net, old.id);
            let mut fresh = SubnetState::new(subnet, &settings.grants);
            before.iter().for_each(|one| fresh.take_over(one));
            entry.subnets.push(fresh);
        }
    }

    fn erase_network(&mut self, id: NetworkId) {
        if let Some(entry) = self.networks.remove(&id) {
            self.network_names.remove(&entry.row.name);
            for subnet in occupied(&entry.row) {
                self.space.vacate(subnet.net);
            }
        }
    }

    fn put_container(&mut self, row: Container) {
        let id = row.id;
        let (endpoints, bindings, documents) = match self.containers.remove(&id) {
            Some(old) => {
                self.forget_container_keys(&old.row);
                (old.endpoints, old.bindings, old.documents)
            }
            None => Default::default(),
        };
        self.container_names.insert(row.name.clone(), id);
        if let Some(key) = ChannelKey::of(&row.channel) {
            self.channels.insert(key, id);
        }
        let entry = ContainerState {
            row,
            endpoints,
            bindings,
            documents,
        };
        self.containers.insert(id, entry);
    }

    fn erase_container(&mut self, id: ContainerId) {
        if let Some(entry) = self.containers.remove(&id) {
            self.forget_container_keys(&entry.row);
        }
    }

    fn forget_container_keys(&mut self, row: &Container) {
        self.container_names.remove(&row.name);
        if let Some(key) = ChannelKey::of(&row.channel) {
            self.channels.remove(&key);
        }
    }

    fn put_binding(&mut self, row: PortBinding) {
        if let Some(entry) = self.containers.get_mut(&row.container) {
            entry.bindings.insert(row.host);
        }
        let (protocol, port) = (row.host.protocol, u128::from(row.host.port));
        if let Some(free) = self.free_ports.get_mut(&protocol) {
            free.remove(port, port);
        }
        let at_port = self.bindings.entry(row.host.number()).or_default();
        at_port.insert(row.host.address, row);
    }

    fn erase_binding(&mut self, host: HostPort) {
        let Some(at_port) = self.bindings.get_mut(&host.number()) else {
            return;
        };
        let gone = at_port.remove(&host.address);
        if at_port.is_empty() {
            self.bindings.remove(&host.number());
            let port = u128::from(host.port);
            if let Some(free) = self.free_ports.get_mut(&host.protocol) {
                free.insert(port, port);
            }
        }
        if let Some(entry) = gone.and_then(|row| self.containers.get_mut(&row.container)) {
            entry.bindings.remove(&host);
        }
    }

    fn put_endpoint(&mut self, row: Endpoint) {
        self.erase_endpoint(row.id);
        self.macs.insert(row.mac, row.id);
        for link in &row.links {
            let linked = self
                .linked
                .entry((link.container, row.network))
                .or_default();
            linked.insert(row.id);
        }
        for link in &row.awaited_links {
            let askers = self.awaited.entry(link.container.clone()).or_default();
            askers.insert(row.id);
        }
        if let Some(entry) = self.containers.get_mut(&row.container) {
            entry.endpoints.insert(row.network, row.id);
        }
        if let Some(entry) = self.networks.get_mut(&row.network) {
            entry.endpoints.insert(row.id);
            for address in &row.addresses {
                if let Some(subnet) = entry.subnet_of_mut(address.addr()) {
                    subnet.take(address.addr(), row.id);
                }
            }
        }
        self.endpoints.insert(row.id, row);
    }

    fn erase_endpoint(&mut self, id: EndpointId) {
        let Some(row) = self.endpoints.remove(&id) else {
            return;
        };
        self.macs.remove(&row.mac);
        for link in &row.links {
            let key = (link.container, row.network);
            if let Some(linked) = self.linked.get_mut(&key) {
                linked.remove(&id);
                if linked.is_empty() {
                    self.linked.remove(&key);
                }
            }
        }
        for link in &row.awaited_links {
            if let Some(askers) = self.awaited.get_mut(&link.container) {
                askers.remove(&id);
                if askers.is_empty() {
                    self.awaited.remove(&link.container);
                }
            }
        }
        if let Some(entry) = self.containers.get_mut(&row.container) {
            entry.endpoints.remove(&row.network);
        }
        if let Some(entry) = self.networks.get_mut(&row.network) {
            entry.endpoints.remove(&id);
            for address in &row.addresses {
                if let Some(subnet) = entry.subnet_of_mut(address.addr()) {
                    subnet.release(address.addr());
                }
            }
        }
    }
}

/// Returns the subnets that no other network may overlap; empty for a configuration.
fn occupied(row: &Network) -> &[Subnet] {
    if row.is_configuration() {
        &[]
    } else {
        &row.subnets
    }
}
