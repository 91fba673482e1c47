//! Makes the name server's entries and listeners agree with the ledger, entry by entry.

use crate::port_probe;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::sync::mpsc;
use vch_dns::{
    ListenError, Name, Names, NamesError, Network, OnEnd, Server, SpawnError, Stats, View,
};
use vch_ledger::desired::{
    AgentTarget, Delta, DesiredEndpoint, NetworkBacking, PrivateName, Segment,
};
use vch_ledger::{ContainerId, DnsTtl, EndpointId, Id, NetworkId, Protocol};
use vch_metrics::{Description, RegisterError, Registry};

/// Servers are asked where servers of names listen (RFC 1035, 4.2).
const PORT: u16 = 53;

/// A number of the server's.
type Count = fn(&Stats) -> u64;

/// What becomes of a message to the name server, with the count of it.
const OUTCOMES: [(&str, Count); 4] = [
    ("answered", |stats| stats.answered),
    ("forwarded", |stats| stats.forwarded),
    ("dropped", |stats| stats.dropped),
    ("beyond_share", |stats| stats.beyond),
];

/// Why the name server does not agree with the ledger.
#[derive(Debug, Error)]
pub enum DnsError {
    /// The name server does not start: one of its settings is invalid, or a thread can't be started.
    #[error("the name server does not start")]
    Spawn(#[from] SpawnError),
    /// The name server can't listen on a gateway's address.
    #[error("the name server cannot listen on gateway {address}")]
    Listen {
        /// The gateway's address, of a bridge network.
        address: IpAddr,
        /// The name server's error: the port is in use, the kernel refuses, or the address cannot be served.
        #[source]
        source: ListenError,
    },
    /// Another program listens on port 53, at the gateway's address or at all addresses.
    #[error(
        "the name server cannot listen on gateway {address}: {transport} port {port} is held by \
         {holder}: stop it, or have it listen on its own addresses only (dnsmasq: \
         `bind-interfaces`, unbound: `interface`, named: `listen-on`)"
    )]
    Held {
        /// The gateway's address.
        address: IpAddr,
        /// The transport protocol: `tcp` or `udp`.
        transport: &'static str,
        /// The number of the port that is in use.
        port: u16,
        /// The program and process that listens, as in `dnsmasq (process 7)`.
        holder: String,
    },
    /// The name server's table refuses a setting: the TTL, a network's subnets, or a container's networks and DNS
    /// servers.
    #[error(transparent)]
    Names(#[from] NamesError),
}

impl DnsError {
    /// Returns the error with the name of the program that holds the port: if this is a [`DnsError::Listen`] about a
    /// port that is in use, it becomes a [`DnsError::Held`]. Other errors, and one whose program is not found, are
    /// returned as they are. Reads `/proc` for all processes, on a thread for blocking work.
    pub async fn naming_holder(self) -> Self {
        let Self::Listen {
            address,
            source: ListenError::InUse {
                port, transport, ..
            },
        } = self
        else {
            return self;
        };
        let protocol = match transport {
            "udp" => Protocol::Udp,
            _ => Protocol::Tcp,
        };
        let at = SocketAddr::new(address, port);
        let named = tokio::task::spawn_blocking(move || port_probe::named(protocol, at));
        match named.await {
            Ok(Some(holder)) => Self::Held {
                address,
                transport,
                port,
                holder,
            },
            _ => self,
        }
    }
}

/// The VCH's name server for containers, which answers on the gateways' addresses of bridge networks. It holds what was
/// published so far, to publish only what changes.
pub struct Dns {
    names: Arc<Names>,
    server: Server,
    published: BTreeMap<EndpointId, BTreeSet<Entry>>,
    links: BTreeSet<PrivateName>,
    declared: BTreeSet<NetworkId>,
    listening: BTreeMap<NetworkId, BTreeSet<IpAddr>>,
    askers: BTreeMap<ContainerId, BTreeSet<(NetworkId, IpAddr)>>,
    /// Told when a thread has ended; taken by the first waiter.
    ended: Option<mpsc::Receiver<usize>>,
}

/// A name that answers in a network, and one of its addresses.
type Entry = (NetworkId, Name, IpAddr);

impl Dns {
    /// Starts the name server's threads. `server` has its numbers, limits and upstream servers; `policy` has the
    /// default TTL. It listens on no address before the first [`Dns::follow`] or [`Dns::reconcile`].
    ///
    /// # Errors
    /// Returns [`DnsError::Spawn`] if a setting is invalid or a thread can't be started, and [`DnsError::Names`] if the
    /// TTL of `policy` is not possible.
    pub fn spawn(server: &vch_dns::Config, policy: vch_dns::Policy) -> Result<Self, DnsError> {
        let names = Arc::new(Names::new(policy)?);
        // One word is enough: the first thread's end is the server's.
        let (tell, ended) = mpsc::channel(1);
        let on_end: OnEnd = Arc::new(move |thread| {
            // It was told already, or the receiver is gone.
            let _ = tell.try_send(thread);
        });
        let server = Server::spawn_watched(server, &names, &on_end)?;
        Ok(Self {
            names,
            server,
            published: BTreeMap::new(),
            links: BTreeSet::new(),
            declared: BTreeSet::new(),
            listening: BTreeMap::new(),
            askers: BTreeMap::new(),
            ended: Some(ended),
        })
    }

    /// Returns a future that resolves when a thread of the name server has ended. Before [`Dns::close`] this means that
    /// the name server has failed. Only the future of the first call ever resolves.
    pub fn ended(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let ended = self.ended.take();
        async {
            match ended {
                Some(mut ended) => {
                    // The sender's end, too, is that of the threads.
                    let _ = ended.recv().await;
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Adds the name server's counters to the registry. Their values are read at each reading of the metrics.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if the registry has a metric of the same name already.
    pub fn register_metrics(&self, registry: &Registry) -> Result<(), RegisterError> {
        let messages = Description::new(
            "vch_dns_messages_total",
            "Messages to the name server, by what became of them.",
        );
        for (outcome, count) in OUTCOMES {
            let stats = self.server.stats_reader();
            let reading = messages.of("outcome", outcome);
            registry.add(reading.read_counter(move || count(&stats.read())))?;
        }
        Ok(())
    }

    /// Ends the name server: stops listening, ends its threads and waits for them. The failure of a thread is logged.
    pub fn close(self) {
        if let Err(error) = self.server.shutdown() {
            tracing::error!(%error, "the name server did not end well");
        }
    }

    /// Adds, changes and removes names, clients' views and listeners on gateways' addresses, as the delta (the changes
    /// that one transaction makes) states. After a failure the rest is still done. Applying the same delta again
    /// changes nothing.
    ///
    /// # Errors
    /// Returns the first failure: [`DnsError::Listen`] or [`DnsError::Names`].
    pub fn follow(&mut self, delta: &Delta) -> Result<(), DnsError> {
        for (id, change) in &delta.endpoints {
            self.endpoint(*id, change.after.as_ref());
        }
        for (link, answers) in &delta.links {
            self.link(link, *answers);
        }
        let mut done = Ok(());
        for (id, target) in &delta.containers {
            let one = self.container(*id, target.as_ref());
            done = done.and(one);
        }
        for (id, backing) in &delta.networks {
            let one = self.network(*id, backing.as_ref());
            done = done.and(one);
        }
        done
    }

    /// Makes all names and listeners agree with `whole`, the desired state of the whole ledger: adds what is missing
    /// and removes everything else. Called at the start, and after a failure.
    ///
    /// # Errors
    /// Returns the first failure: [`DnsError::Listen`] or [`DnsError::Names`].
    pub fn reconcile(&mut self, whole: &Delta) -> Result<(), DnsError> {
        let mut gone = Delta::default();
        let endpoints = self.published.keys();
        let endpoints = endpoints.filter(|id| !whole.endpoints.contains_key(id));
        gone.endpoints
            .extend(endpoints.map(|id| (*id, Default::default())));
        let links = self.links.iter();
        let links = links.filter(|link| !whole.links.contains_key(link));
        gone.links.extend(links.map(|link| (link.clone(), false)));
        let containers = self.askers.keys();
        let containers = containers.filter(|id| !whole.containers.contains_key(id));
        gone.containers.extend(containers.map(|id| (*id, None)));
        let networks = self.declared.iter();
        let networks = networks.filter(|id| !whole.networks.contains_key(id));
        gone.networks.extend(networks.map(|id| (*id, None)));
        let ended = self.follow(&gone);
        let rest = self.follow(whole);
        ended.and(rest)
    }

    fn network(&mut self, id: NetworkId, backing: Option<&NetworkBacking>) -> Result<(), DnsError> {
        // On an external network the VCH is nobody's name server; its names are found by those of
        // its containers that are on a bridge too.
        let served = backing.filter(|backing| !matches!(backing.segment, Segment::External(_)));
        let wanted: BTreeSet<IpAddr> = served
            .iter()
            .flat_map(|backing| &backing.addresses)
            .map(ipnet::IpNet::addr)
            .collect();
        match backing {
            Some(backing) => {
                self.names.declare_network(
                    zone(id),
                    Network {
                        internal: backing.internal,
                        subnets: backing.subnets.clone(),
                        ttl: backing.dns_ttl.map(seconds),
                    },
                )?;
                self.declared.insert(id);
            }
            None => {
                self.names.forget_network(zone(id));
                self.declared.remove(&id);
            }
        }
        let listening = self.listening.entry(id).or_default();
        for address in wanted.difference(&listening.clone()) {
            let listen = self.server.listen(zone(id), *address);
            listen.map_err(|source| DnsError::Listen {
                address: *address,
                source,
            })?;
            listening.insert(*address);
        }
        for address in listening.clone().difference(&wanted) {
            self.server.unlisten(*address);
            listening.remove(address);
        }
        if listening.is_empty() {
            self.listening.remove(&id);
        }
        Ok(())
    }

    fn endpoint(&mut self, id: EndpointId, endpoint: Option<&DesiredEndpoint>) {
        let after: BTreeSet<Entry> = endpoint.into_iter().flat_map(entries).collect();
        let before = self.published.remove(&id).unwrap_or_default();
        for (network, name, address) in before.difference(&after) {
            self.names.withdraw(zone(*network), name, *address);
        }
        let pointer = endpoint.and_then(|endpoint| endpoint.pointer.as_str().parse::<Name>().ok());
        for (network, name, address) in &after {
            self.names
                .publish(zone(*network), name, *address, pointer.as_ref());
        }
        if !after.is_empty() {
            self.published.insert(id, after);
        }
    }

    fn link(&mut self, link: &PrivateName, answers: bool) {
        let (asker, alias, address) = link;
        let Ok(name) = alias.as_str().parse::<Name>() else {
            return;
        };
        if answers {
            self.names.publish_alias(private(*asker), &name, *address);
            self.links.insert(link.clone());
        } else {
            self.names.withdraw(private(*asker), &name, *address);
            self.links.remove(link);
        }
    }

    fn container(&mut self, id: ContainerId, target: Option<&AgentTarget>) -> Result<(), DnsError> {
        let asks_from = target.map(|t| t.asks_from.clone()).unwrap_or_default();
        let networks: BTreeSet<NetworkId> = asks_from.iter().map(|(network, _)| *network).collect();
        // From each of its addresses at each of its gateways: while a NIC is awaited the container
        // asks that network's gateway by way of another.
        let pairs = networks.iter().flat_map(|network| {
            let addresses = asks_from.iter().map(|(_, address)| *address);
            addresses.map(|address| (*network, address))
        });
        let wanted: BTreeSet<(NetworkId, IpAddr)> = pairs.collect();
        let before = self.askers.remove(&id).unwrap_or_default();
        for (network, address) in before.difference(&wanted) {
            self.names.forget_asker(zone(*network), *address);
        }
        if wanted.is_empty() {
            self.names.forget_network(private(id));
            return Ok(());
        }
        // Its own names lead nowhere: whether it has a way out is its networks' matter.
        let no_way_out = Network {
            internal: true,
            subnets: Vec::new(),
            ttl: None,
        };
        self.names.declare_network(private(id), no_way_out)?;
        let servers = target.iter().flat_map(|t| &t.forwards_to);
        let upstreams: Vec<_> = servers.map(|ip| SocketAddr::new(*ip, PORT)).collect();
        let mut done = Ok(());
        for (network, address) in &wanted {
            // The container's own names come first, then what the network itself knows, then what
            // its other networks know.
            let others = networks.iter().filter(|other| *other != network);
            let seen = [network].into_iter().chain(others).map(|n| zone(*n));
            let view = View {
                networks: [private(id)].into_iter().chain(seen).collect(),
                upstreams: upstreams.clone(),
                client: Some(private(id)),
            };
            let one = self.names.set_asker(zone(*network), *address, &view);
            done = done.and(one);
        }
        self.askers.insert(id, wanted);
        Ok(done?)
    }
}

fn seconds(ttl: DnsTtl) -> Duration {
    Duration::from_secs(ttl.seconds().into())
}

/// Returns the name server's number for a network: the first half of the network's random ID.
fn zone(network: NetworkId) -> vch_dns::NetworkId {
    numbered(network.bytes())
}

/// Returns the name server's number for the names that only one container has.
fn private(container: ContainerId) -> vch_dns::NetworkId {
    numbered(container.bytes())
}

fn numbered(id: &[u8; 32]) -> vch_dns::NetworkId {
    let mut half = [0; 16];
    half.copy_from_slice(&id[..16]);
    vch_dns::NetworkId(u128::from_be_bytes(half))
}

/// Returns the endpoint's entries, one for each name and address.
fn entries(endpoint: &DesiredEndpoint) -> Vec<Entry> {
    let names = endpoint
        .names
        .iter()
        .filter_map(|name| name.as_str().parse::<Name>().ok());
    names
        .flat_map(|name| {
            endpoint
                .addresses
                .iter()
                .map(move |ip| (endpoint.network, name.clone(), *ip))
        })
        .collect()
}

#[cfg(test)]
mod tests;
