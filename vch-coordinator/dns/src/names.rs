//! The table of published names, from which the name server answers.

use parking_lot::{Mutex, MutexGuard, RwLock};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use indexmap::IndexSet;
use ipnet::IpNet;

use crate::config::{ConfigError, check_upstreams};
use crate::name::Name;
use crate::network_id::NetworkId;
use crate::subnets::Subnets;
use crate::tally::ClientKey;

/// The rules by which the name server answers, for all networks alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long a client may cache an answer about a published name, in whole seconds (RFC 1035, 3.2.1); at most
    /// [`Policy::MAX_TTL`]. The default is 0, "only for the transaction in progress": then a cache that follows the RFC
    /// never has an outdated answer, and asking again takes only microseconds. [`Network::ttl`] overrides it for a
    /// network.
    pub ttl: Duration,
    /// Whether a query for an unpublished name of one label (such as `db`) is forwarded to upstream servers. The
    /// default is no: names of containers have one label, so such a query would tell others what runs here, and an
    /// answer from outside could give a container's name to a foreign host.
    pub forward_single_labels: bool,
}

impl Policy {
    /// The greatest [`Policy::ttl`]: 10 s, so that clients soon find a name that has moved to another address.
    pub const MAX_TTL: Duration = Duration::from_secs(10);
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::ZERO,
            forward_single_labels: false,
        }
    }
}

/// The settings of a network that decide how queries from it are answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Whether the network has no route to the outside. A client all of whose networks are internal gets NXDOMAIN for
    /// every name that is not published; queries of other clients are forwarded to upstream servers.
    pub internal: bool,
    /// The network's subnets. Queries for their reverse names are never forwarded to upstream servers. A client outside
    /// of them that queries this network's gateway is refused, unless it has a view ([`Names::set_asker`]). If empty,
    /// every client is answered.
    pub subnets: Vec<IpNet>,
    /// How long a client may cache an answer about this network's names, in whole seconds; at most
    /// [`Network::MAX_TTL`]. `None` means [`Policy::ttl`].
    pub ttl: Option<Duration>,
}

impl Network {
    /// The greatest [`Network::ttl`]: a day (86,400 s).
    pub const MAX_TTL: Duration = Duration::from_secs(86_400);
}

/// What one client sees: the networks whose names it can resolve, and the upstream servers for its other queries.
/// [`Names::set_asker`] gives it to a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The networks whose names the client can resolve. If several of them have a name, the first one's addresses are
    /// the answer.
    pub networks: Vec<NetworkId>,
    /// The upstream servers for the client's other queries (`--dns`), in order of preference, at most 8. If empty,
    /// [`Config::upstreams`](crate::Config::upstreams) are used. An address that this name server serves is never
    /// queried.
    pub upstreams: Vec<SocketAddr>,
    /// The client's identity, a number that the caller chooses, if the client has several addresses or queries several
    /// gateways: all views with one identity share one client's limits
    /// ([`Config::max_waiting`](crate::Config::max_waiting) and others). `None` if the source address at each gateway
    /// counts as a client of its own.
    pub client: Option<NetworkId>,
}

impl View {
    /// Returns a view of these networks, with the server's own upstream servers and without an identity.
    #[must_use]
    pub fn of(networks: &[NetworkId]) -> Self {
        Self {
            networks: networks.to_vec(),
            upstreams: Vec::new(),
            client: None,
        }
    }
}

/// The reason why a setting of the table of names is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// [`Policy::ttl`] is greater than [`Policy::MAX_TTL`], or not in whole seconds.
    #[error("ttl of {ttl:?} is not possible: use 0 to 10 whole seconds")]
    Ttl {
        /// The invalid value.
        ttl: Duration,
    },
    /// [`Network::ttl`] is greater than [`Network::MAX_TTL`], or not in whole seconds.
    #[error("a network's ttl of {ttl:?} is not possible: use 0 to 86400 whole seconds")]
    NetworkTtl {
        /// The invalid value.
        ttl: Duration,
    },
    /// A network has more subnets than [`Names::MAX_SUBNETS`].
    #[error("a network has {count} subnets: give it at most {max}")]
    TooManySubnets {
        /// The number of subnets.
        count: usize,
        /// The greatest allowed number.
        max: usize,
    },
    /// A client's [`View`] has no network, or more than [`Names::MAX_ASKER_NETWORKS`].
    #[error("asker {source_address} sees {count} networks: give it 1 to {max}")]
    AskerNetworks {
        /// The client's address.
        source_address: IpAddr,
        /// The number of networks in the view.
        count: usize,
        /// The greatest allowed number.
        max: usize,
    },
    /// An upstream server of a client's [`View`] is invalid.
    #[error(transparent)]
    Upstreams(#[from] ConfigError),
}

/// The table of names: the published names of each network with their addresses, and each client's [`View`]. The caller
/// changes it while the [`Server`](crate::Server)'s threads answer from it.
///
/// The table consists of maps in independent shards, each with its own read-write lock (`dashmap`). A query holds one
/// shard's read lock for a few hundred nanoseconds, a change holds one shard's write lock for one insertion; neither
/// waits for the whole table. (An arc-swap of a whole map would copy all names at each change.)
///
/// A change costs the same however many names exist, except that the reverse names of one address cost O(log n) of
/// their number. Changes can be repeated without effect. They run one after another, so that a name and its reverse
/// name agree once the last call has returned.
#[derive(Debug)]
pub struct Names {
    policy: Policy,
    changes: Mutex<()>,
    /// By network id (16 bytes, big-endian) and name in wire format.
    by_name: DashMap<Box<[u8]>, Addresses>,
    by_address: DashMap<(NetworkId, IpAddr), Pointers>,
    askers: DashMap<(NetworkId, IpAddr), Arc<Asking>>,
    networks: DashMap<NetworkId, Arc<Network>>,
    subnets: RwLock<Subnets>,
}

/// The addresses of one name. Each set is also a list: a rotated answer may start at any index, and an address is added
/// or removed in O(1).
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// The IPv4 addresses.
    pub v4: IndexSet<std::net::Ipv4Addr>,
    /// The IPv6 addresses.
    pub v6: IndexSet<std::net::Ipv6Addr>,
}

/// For each name published at an address, the PTR name that came with it.
type Pointers = BTreeMap<Name, Option<Name>>;

/// A checked [`View`].
#[derive(Debug)]
pub(crate) struct Asking {
    networks: Box<[NetworkId]>,
    upstreams: Option<Arc<[SocketAddr]>>,
    client: Option<NetworkId>,
}

/// The networks whose names one client sees, the most preferred first.
#[derive(Debug)]
pub(crate) enum Scope {
    One(NetworkId),
    Many(Arc<Asking>),
}

impl Scope {
    fn networks(&self) -> &[NetworkId] {
        match self {
            Self::One(network) => std::slice::from_ref(network),
            Self::Many(asking) => &asking.networks,
        }
    }

    /// Returns the client's own upstream servers; `None` for the server's.
    pub(crate) fn upstreams(&self) -> Option<Arc<[SocketAddr]>> {
        match self {
            Self::One(_) => None,
            Self::Many(asking) => asking.upstreams.clone(),
        }
    }
}

impl Names {
    /// The most networks in one client's [`View`]: 64.
    pub const MAX_ASKER_NETWORKS: usize = 64;
    /// The most subnets of one [`Network`]: 64.
    pub const MAX_SUBNETS: usize = 64;

    /// Creates an empty table.
    ///
    /// # Errors
    /// Returns [`NamesError::Ttl`] if the policy's TTL is too great or not in whole seconds.
    pub fn new(policy: Policy) -> Result<Self, NamesError> {
        if !is_possible(policy.ttl, Policy::MAX_TTL) {
            return Err(NamesError::Ttl { ttl: policy.ttl });
        }
        Ok(Self {
            policy,
            changes: Mutex::default(),
            by_name: DashMap::default(),
            by_address: DashMap::default(),
            askers: DashMap::default(),
            networks: DashMap::default(),
            subnets: RwLock::default(),
        })
    }

    /// Sets the settings of the network `id`, or replaces them. The network's names may be published before or after; a
    /// network without settings counts as not internal, without subnets and with the TTL of the [`Policy`].
    ///
    /// # Errors
    /// Returns [`NamesError::TooManySubnets`] or [`NamesError::NetworkTtl`] if a setting is out of its limits. Nothing
    /// is changed then.
    pub fn declare_network(&self, id: NetworkId, network: Network) -> Result<(), NamesError> {
        let count = network.subnets.len();
        if count > Self::MAX_SUBNETS {
            return Err(NamesError::TooManySubnets {
                count,
                max: Self::MAX_SUBNETS,
            });
        }
        if let Some(ttl) = network.ttl
            && !is_possible(ttl, Network::MAX_TTL)
        {
            return Err(NamesError::NetworkTtl { ttl });
        }
        let _one_at_a_time = self.changing();
        let mut subnets = write(&self.subnets);
        network.subnets.iter().for_each(|net| subnets.add(*net));
        let before = self.networks.insert(id, Arc::new(network));
        for net in before.iter().flat_map(|network| &network.subnets) {
            subnets.remove(*net);
        }
        Ok(())
    }

    /// Removes a network's settings, but not its published names. Returns whether the network had settings; if not,
    /// nothing changes.
    pub fn forget_network(&self, id: NetworkId) -> bool {
        let _one_at_a_time = self.changing();
        let Some((_, before)) = self.networks.remove(&id) else {
            return false;
        };
        let mut subnets = write(&self.subnets);
        before.subnets.iter().for_each(|net| subnets.remove(*net));
        true
    }

    /// Adds `address` to the addresses of `name` in `network`. Returns whether anything changed.
    ///
    /// `ptr` is the name that a reverse query for the address returns. With `None`, a reverse query returns the names
    /// under which the address is published. Publishing the same name and address again replaces `ptr`.
    pub fn publish(
        &self,
        network: NetworkId,
        name: &Name,
        address: IpAddr,
        ptr: Option<&Name>,
    ) -> bool {
        let _one_at_a_time = self.changing();
        let added = self.add(network, name, address);
        let mut pointers = self.by_address.entry((network, address)).or_default();
        let before = pointers.insert(name.clone(), ptr.cloned());
        added || before.is_none_or(|before| before.as_ref() != ptr)
    }

    /// Adds `address` to the addresses of `name` in `network`, without effect on reverse queries. Used for names that
    /// only one client sees: they are in a network of their own, which only that client's [`View`] contains. Returns
    /// whether the name did not have the address yet.
    pub fn publish_alias(&self, network: NetworkId, name: &Name, address: IpAddr) -> bool {
        let _one_at_a_time = self.changing();
        self.add(network, name, address)
    }

    /// Removes `address` from the addresses of `name` in `network`, and `name` from the reverse names of `address`. One
    /// call is enough even if they were published several times. Returns whether the name had the address.
    pub fn withdraw(&self, network: NetworkId, name: &Name, address: IpAddr) -> bool {
        let _one_at_a_time = self.changing();
        let Entry::Occupied(mut entry) = self.by_name.entry(key(network, name.as_wire())) else {
            return false;
        };
        let addresses = entry.get_mut();
        let removed = match address {
            IpAddr::V4(address) => addresses.v4.swap_remove(&address),
            IpAddr::V6(address) => addresses.v6.swap_remove(&address),
        };
        if addresses.v4.is_empty() && addresses.v6.is_empty() {
            entry.remove();
        }
        if let Entry::Occupied(mut entry) = self.by_address.entry((network, address)) {
            entry.get_mut().remove(name);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        removed
    }

    /// Sets the [`View`] of the client that sends queries from the address `source` to the gateway of `listening`. It
    /// replaces the client's earlier view. A container on several networks thus sees the names of all of them.
    ///
    /// The client is identified by the network too, since two networks may use the same addresses.
    ///
    /// # Errors
    /// Returns [`NamesError::AskerNetworks`] if the view has no network or too many, [`NamesError::Upstreams`] if an
    /// upstream server is invalid. Nothing is changed then.
    pub fn set_asker(
        &self,
        listening: NetworkId,
        source: IpAddr,
        view: &View,
    ) -> Result<(), NamesError> {
        let count = view.networks.len();
        if count == 0 || count > Self::MAX_ASKER_NETWORKS {
            return Err(NamesError::AskerNetworks {
                source_address: source,
                count,
                max: Self::MAX_ASKER_NETWORKS,
            });
        }
        check_upstreams(&view.upstreams)?;
        let asking = Asking {
            networks: view.networks.as_slice().into(),
            upstreams: (!view.upstreams.is_empty()).then(|| view.upstreams.as_slice().into()),
            client: view.client,
        };
        self.askers.insert((listening, source), Arc::new(asking));
        Ok(())
    }

    /// Removes a client's view. From then on the client sees only the names of the network whose gateway it queries.
    /// Returns whether the client had a view.
    pub fn forget_asker(&self, listening: NetworkId, source: IpAddr) -> bool {
        self.askers.remove(&(listening, source)).is_some()
    }

    /// Returns the number of published names; a name in two networks counts twice, one with two addresses once. The
    /// time that it takes depends on the number of the table's shards, not of its names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Returns whether no name is published.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the client whose share of the server's bounds a question counts to.
    pub(crate) fn client(&self, listening: NetworkId, source: IpAddr) -> ClientKey {
        let asking = self.askers.get(&(listening, source));
        match asking.and_then(|asking| asking.client) {
            Some(container) => ClientKey::Container(container),
            None => ClientKey::Address(listening, source),
        }
    }

    /// Returns the networks that a source sees at a gateway; `None` if the source is refused there.
    pub(crate) fn scope(&self, listening: NetworkId, source: IpAddr) -> Option<Scope> {
        if let Some(asking) = self.askers.get(&(listening, source)) {
            return Some(Scope::Many(Arc::clone(&asking)));
        }
        let foreign = self.networks.get(&listening).is_some_and(|network| {
            let subnets = &network.subnets;
            !subnets.is_empty() && !subnets.iter().any(|subnet| subnet.contains(&source))
        });
        (!foreign).then_some(Scope::One(listening))
    }

    /// Calls `read` with the addresses of a name (wire format, lower-cased) in the first network of
    /// the scope that knows it, and the TTL of that network's answers. Returns its result; `None`
    /// if no network knows the name.
    pub(crate) fn addresses<T>(
        &self,
        scope: &Scope,
        wire: &[u8],
        read: impl FnOnce(&Addresses, Duration) -> T,
    ) -> Option<T> {
        let (network, found) = scope.networks().iter().find_map(|network| {
            let found = self.by_name.get(&*key(*network, wire))?;
            Some((*network, found))
        })?;
        Some(read(&found, self.ttl(network)))
    }

    /// Returns the PTR names of an address in the first network of the scope that knows it, and the TTL of that
    /// network's answers.
    pub(crate) fn pointers(&self, scope: &Scope, address: IpAddr) -> Option<(Vec<Name>, Duration)> {
        let (network, found) = scope.networks().iter().find_map(|network| {
            let found = self.by_address.get(&(*network, address))?;
            Some((*network, found))
        })?;
        let mut named: Vec<Name> = found.values().flatten().cloned().collect();
        if named.is_empty() {
            named = found.keys().cloned().collect();
        }
        named.sort_unstable();
        named.dedup();
        Some((named, self.ttl(network)))
    }

    /// Returns the TTL of answers about a network's names.
    fn ttl(&self, network: NetworkId) -> Duration {
        let own = self.networks.get(&network).and_then(|network| network.ttl);
        own.unwrap_or(self.policy.ttl)
    }

    /// Returns whether every network of the scope is internal.
    pub(crate) fn is_internal(&self, scope: &Scope) -> bool {
        scope.networks().iter().all(|network| {
            self.networks
                .get(network)
                .is_some_and(|network| network.internal)
        })
    }

    /// Returns whether the prefix lies inside a subnet of any network, visible to the client or
    /// not.
    pub(crate) fn owns(&self, prefix: IpNet) -> bool {
        self.subnets.read().cover(prefix)
    }

    fn add(&self, network: NetworkId, name: &Name, address: IpAddr) -> bool {
        let mut entry = self
            .by_name
            .entry(key(network, name.as_wire()))
            .or_default();
        match address {
            IpAddr::V4(address) => entry.v4.insert(address),
            IpAddr::V6(address) => entry.v6.insert(address),
        }
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changes.lock()
    }
}

fn is_possible(ttl: Duration, longest: Duration) -> bool {
    ttl <= longest && ttl.subsec_nanos() == 0
}

fn write(subnets: &RwLock<Subnets>) -> parking_lot::RwLockWriteGuard<'_, Subnets> {
    subnets.write()
}

fn key(network: NetworkId, wire: &[u8]) -> Box<[u8]> {
    [network.0.to_be_bytes().as_slice(), wire]
        .concat()
        .into_boxed_slice()
}

#[cfg(test)]
mod tests;
