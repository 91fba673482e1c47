//! The table of names that the server answers from.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
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

/// How the table answers, for all networks alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long a client may keep an answer about one of our names, in whole seconds (RFC 1035,
    /// 3.2.1). The default is 0: "only for the transaction in progress". A name that moves or goes
    /// is then never wrong in a cache that follows the RFC, and an answer costs microseconds, so
    /// there is nothing to save. At most [`Policy::MAX_TTL`]. A network may have its own: [`Network::ttl`].
    pub ttl: Duration,
    /// Whether a name of one label that we do not know (`db`, `localdomain`) is asked upstream.
    /// The default is no: such names are our own kind, asking for them abroad tells others what runs here,
    /// and an answer from there would be a stranger with a container's name.
    pub forward_single_labels: bool,
}

impl Policy {
    /// The longest time to live, so that a moved name is found again soon.
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

/// What the table has to know of a network beyond its names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Whether its containers have no way out: one that is on internal networks alone gets
    /// NXDOMAIN for every name that is not ours.
    pub internal: bool,
    /// Its subnets. Their reverse names are never asked upstream; and a source outside of them
    /// that asks at this network's gateway is refused unless it was named by [`Names::set_asker`].
    /// Empty: whoever asks at the gateway is answered.
    pub subnets: Vec<IpNet>,
    /// How long a client may keep an answer about this network's names, in whole seconds, in place of
    /// [`Policy::ttl`]. At most [`Network::MAX_TTL`].
    pub ttl: Option<Duration>,
}

impl Network {
    /// The longest time to live of a network whose owner chose it: a day.
    pub const MAX_TTL: Duration = Duration::from_secs(86_400);
}

/// What one asker sees and who is asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The networks whose names it sees; a name that several of them know is answered from the
    /// first.
    pub networks: Vec<NetworkId>,
    /// The servers that its outside questions go to, in order of preference, in place of the
    /// server's own ([`crate::Config::upstreams`]); empty: those. At most 8. An address that the
    /// server listens on is never asked.
    pub upstreams: Vec<SocketAddr>,
    /// Who it is, where it asks from several addresses or at several gateways: all of them have one
    /// share of the server. `None`: this address alone.
    pub client: Option<NetworkId>,
}

impl View {
    /// These networks, and the server's own upstream servers.
    #[must_use]
    pub fn of(networks: &[NetworkId]) -> Self {
        Self {
            networks: networks.to_vec(),
            upstreams: Vec::new(),
            client: None,
        }
    }
}

/// Why the table refused a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// [`Policy::ttl`] is over its bound, or not in whole seconds.
    #[error("ttl of {ttl:?} is not possible: use 0 to 10 whole seconds")]
    Ttl {
        /// The value.
        ttl: Duration,
    },
    /// [`Network::ttl`] is over its bound, or not in whole seconds.
    #[error("a network's ttl of {ttl:?} is not possible: use 0 to 86400 whole seconds")]
    NetworkTtl {
        /// The value.
        ttl: Duration,
    },
    /// A network with too many subnets.
    #[error("a network has {count} subnets: give it at most {max}")]
    TooManySubnets {
        /// How many were given.
        count: usize,
        /// How many are possible.
        max: usize,
    },
    /// A source address that would see no network, or too many.
    #[error("asker {source_address} sees {count} networks: give it 1 to {max}")]
    AskerNetworks {
        /// The source address.
        source_address: IpAddr,
        /// How many were given.
        count: usize,
        /// How many are possible.
        max: usize,
    },
    /// A server that can't be asked.
    #[error(transparent)]
    Upstreams(#[from] ConfigError),
}

/// The shared table: which names each network has, and who may see them.
///
/// Reads and writes go to maps of independent shards, each under its own read-write lock
/// (`dashmap`): a query holds one shard's read lock for a few hundred nanoseconds, a change holds
/// one shard's write lock for one insertion, and neither ever waits for the whole table. An
/// arc-swap of a whole map would copy all names on each change, and one for each entry needs a
/// concurrent map around it all the same.
///
/// Every change is one entry: its cost does not depend on how many names there are (PTR names of
/// one address: O(log n) of those). Changes are idempotent; they are serialised among themselves,
/// so that a name and its PTR agree once the last call has returned.
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

/// The addresses of one name. Sets that are also lists: a rotated answer may start anywhere
/// without a walk, and one address comes or goes in O(1) however many there are.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    pub v4: IndexSet<std::net::Ipv4Addr>,
    pub v6: IndexSet<std::net::Ipv6Addr>,
}

/// For each name published at an address, the PTR name that came with it.
type Pointers = BTreeMap<Name, Option<Name>>;

/// A [`View`], checked.
#[derive(Debug)]
pub(crate) struct Asking {
    networks: Box<[NetworkId]>,
    upstreams: Option<Arc<[SocketAddr]>>,
    client: Option<NetworkId>,
}

/// The networks whose names one asker sees, the most preferred first.
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

    /// The asker's own upstream servers.
    pub(crate) fn upstreams(&self) -> Option<Arc<[SocketAddr]>> {
        match self {
            Self::One(_) => None,
            Self::Many(asking) => asking.upstreams.clone(),
        }
    }
}

impl Names {
    /// How many networks one asker may see.
    pub const MAX_ASKER_NETWORKS: usize = 64;
    /// How many subnets one network may have.
    pub const MAX_SUBNETS: usize = 64;

    /// An empty table.
    ///
    /// # Errors
    /// [`NamesError::Ttl`].
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

    /// Makes a network known, or replaces what was said of it before. Names may be published
    /// before and after.
    ///
    /// # Errors
    /// [`NamesError::TooManySubnets`], [`NamesError::NetworkTtl`]: nothing was changed.
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

    /// Forgets what [`Names::declare_network`] said; the names stay until they are withdrawn.
    /// Returns whether there was anything to forget.
    pub fn forget_network(&self, id: NetworkId) -> bool {
        let _one_at_a_time = self.changing();
        let Some((_, before)) = self.networks.remove(&id) else {
            return false;
        };
        let mut subnets = write(&self.subnets);
        before.subnets.iter().for_each(|net| subnets.remove(*net));
        true
    }

    /// Lets `name` answer with `address` in `network`, beside the addresses that it has already.
    ///
    /// `ptr` is what the address's reverse name answers. An address published without any answers
    /// with the names it is published under. The same (network, name, address) again replaces its
    /// `ptr`. Returns whether anything changed.
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

    /// Lets `name` answer with `address`, and leaves the address's reverse name as it is: for a
    /// name that one asker alone has for what has a name already. Returns whether anything
    /// changed.
    pub fn publish_alias(&self, network: NetworkId, name: &Name, address: IpAddr) -> bool {
        let _one_at_a_time = self.changing();
        self.add(network, name, address)
    }

    /// Takes back one [`Names::publish`] or [`Names::publish_alias`]. Returns whether anything changed.
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

    /// Says what is seen by who asks from `source` at the gateway of `listening`: a container on
    /// several networks sees the names of all of them. Replaces what was said before.
    ///
    /// The key has the listening network in it, since two networks may use the same addresses.
    ///
    /// # Errors
    /// [`NamesError::AskerNetworks`], [`NamesError::Upstreams`]: nothing was changed.
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

    /// Forgets an asker, who from then on sees the listening network's names only. Returns whether
    /// there was anything to forget.
    pub fn forget_asker(&self, listening: NetworkId, source: IpAddr) -> bool {
        self.askers.remove(&(listening, source)).is_some()
    }

    /// How many names there are, over all networks. Walks the shards, not the names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is no name at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whose share of the server a question counts to.
    pub(crate) fn client(&self, listening: NetworkId, source: IpAddr) -> ClientKey {
        let asking = self.askers.get(&(listening, source));
        match asking.and_then(|asking| asking.client) {
            Some(container) => ClientKey::Container(container),
            None => ClientKey::Address(listening, source),
        }
    }

    /// `None`: this source has no business at that gateway.
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

    /// Hands the addresses of a name (wire format, lower-cased) to `read`, from the first network
    /// of the scope that knows it, with how long that network's answers may be kept.
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

    /// The PTR names of an address, from the first network of the scope that knows it, with how long that
    /// network's answers may be kept.
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

    /// How long answers about a network's names may be kept.
    fn ttl(&self, network: NetworkId) -> Duration {
        let own = self.networks.get(&network).and_then(|network| network.ttl);
        own.unwrap_or(self.policy.ttl)
    }

    /// Whether every network of the scope is internal.
    pub(crate) fn is_internal(&self, scope: &Scope) -> bool {
        scope.networks().iter().all(|network| {
            self.networks
                .get(network)
                .is_some_and(|network| network.internal)
        })
    }

    /// Whether the prefix lies inside a subnet of any network, seen by the asker or not.
    pub(crate) fn owns(&self, prefix: IpNet) -> bool {
        self.subnets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .cover(prefix)
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
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_possible(ttl: Duration, longest: Duration) -> bool {
    ttl <= longest && ttl.subsec_nanos() == 0
}

fn write(subnets: &RwLock<Subnets>) -> std::sync::RwLockWriteGuard<'_, Subnets> {
    subnets.write().unwrap_or_else(PoisonError::into_inner)
}

fn key(network: NetworkId, wire: &[u8]) -> Box<[u8]> {
    [network.0.to_be_bytes().as_slice(), wire]
        .concat()
        .into_boxed_slice()
}

#[cfg(test)]
mod tests;
