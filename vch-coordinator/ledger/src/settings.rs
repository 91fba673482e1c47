//! The settings of the ledger, made from the VCH's configuration.

use crate::{AddressRange, External, NetworkName, PortNumber, SegmentKind, Subnet, VchId, derived};
use ipnet::IpNet;
use protocol::spec::{DomainName, InterfaceName};
use std::{collections::BTreeMap, fmt, net::IpAddr, ops::RangeInclusive, str::FromStr};
use thiserror::Error;

/// The settings of the ledger. The coordinator makes them from its configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The identity of the VCH.
    pub vch: VchId,
    /// The address pools from which the VCH chooses subnets for networks, in the order in which they are tried.
    pub pools: Vec<Pool>,
    /// The part of each subnet from which this coordinator may give out addresses.
    pub grants: Grants,
    /// The name and subnet of the default bridge network.
    pub default_bridge: DefaultBridge,
    /// The name of the predefined network for containers without a network: `none` by default.
    pub none: NetworkName,
    /// The kind of bridge for a network whose request names none.
    pub default_segment: SegmentKind,
    /// The name of the bridge that all shared networks use.
    pub shared_link: InterfaceName,
    /// The external networks that the configuration file declares; [`Ledger::decide`](crate::Ledger::decide) replaces
    /// them when it carries out a [`Command::Configure`](crate::Command::Configure).
    pub externals: Vec<ExternalNetwork>,
    /// The ports of the VCH that the ledger may choose for a published port without a host port.
    pub ephemeral: RangeInclusive<u16>,
    /// The ports that the VCH's own services use, each with the name of the service. No container's port is published
    /// at them.
    pub reserved: BTreeMap<PortNumber, String>,
    /// The addresses of the VCH at which no port is published, each with the network that it is on: the management
    /// network or the Docker endpoint.
    pub private: BTreeMap<IpAddr, String>,
    /// The search domain for containers that have none of their own; `None` for no search domain.
    pub domain: Option<DomainName>,
    /// The limits on numbers of objects.
    pub limits: Limits,
}

/// An external network, as the configuration file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalNetwork {
    /// The network's name.
    pub name: NetworkName,
    /// The network's subnets, each with the VCH's own address and the ranges from which the VCH may choose addresses.
    pub subnets: Vec<Subnet>,
    /// The network's other settings, such as the VCH's interface.
    pub external: External,
}

/// The settings of the default bridge network, which the ledger creates at its first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultBridge {
    /// The name of the default bridge network.
    pub name: NetworkName,
    /// The subnet of the default bridge network; `None` for the first free subnet of the pools.
    pub net: Option<IpNet>,
}

/// The default of [`Settings::ephemeral`], the ports that the ledger may choose: nearly all that IANA assigns to no
/// service (RFC 6335, 6). Docker also uses this range if the kernel's own is not known.
pub const DEFAULT_EPHEMERAL: RangeInclusive<u16> = 49_153..=65_535;

/// An address pool: a range of addresses that is cut into subnets of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    base: IpNet,
    size: u8,
}

impl Pool {
    /// Makes a pool of the range `base`, cut into subnets of prefix length `size`.
    ///
    /// # Errors
    /// Returns [`PoolError::HostBits`] if `base` has bits set beyond its prefix, [`PoolError::Size`] if `size` is
    /// shorter than the prefix of `base` or leaves a subnet no room for a container, and [`PoolError::Unusable`] if
    /// `base` is a reserved range or its prefix is too short.
    pub fn new(base: IpNet, size: u8) -> Result<Self, PoolError> {
        if base.trunc() != base {
            return Err(PoolError::HostBits(base));
        }
        let longest = longest_prefix(&base);
        if size < base.prefix_len() || size > longest {
            return Err(PoolError::Size {
                base,
                size,
                longest,
            });
        }
        if let Some(reason) = unusable(&base) {
            return Err(PoolError::Unusable { base, reason });
        }
        Ok(Self { base, size })
    }

    /// Returns the pool's whole range, without host bits.
    pub fn base(&self) -> IpNet {
        self.base
    }

    /// Returns the prefix length of each subnet of the pool.
    pub fn size(&self) -> u8 {
        self.size
    }
}

/// The reason for which a range can't be a pool.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PoolError {
    /// The range has bits set beyond its prefix.
    #[error("pool base {0} has host bits: write {net}", net = .0.trunc())]
    HostBits(IpNet),
    /// The subnets' prefix length is shorter than that of the range, or leaves a subnet no room for a container.
    #[error(
        "pool size {size} does not fit base {base}: use a prefix length of {shortest} to {longest}",
        shortest = base.prefix_len()
    )]
    Size {
        /// The range of the pool.
        base: IpNet,
        /// The prefix length of the pool's subnets, as requested.
        size: u8,
        /// The longest prefix length that is possible.
        longest: u8,
    },
    /// The range is reserved, or its prefix is too short.
    #[error("pool base {base} is not possible: {reason}: choose a private range")]
    Unusable {
        /// The range of the pool.
        base: IpNet,
        /// The reason why it can't be used, as text.
        reason: &'static str,
    },
}

/// Returns the longest prefix length of a subnet that has room for the VCH and a container.
pub(crate) fn longest_prefix(net: &IpNet) -> u8 {
    match net {
        IpNet::V4(_) => 30,
        IpNet::V6(_) => 126,
    }
}

/// Returns why a range can't be a subnet for hosts, as text: it is reserved (loopback, link-local, multicast …), or its
/// prefix is too short or too long. `None` if it can.
pub fn unusable(net: &IpNet) -> Option<&'static str> {
    let reserved: &[(&str, &'static str)] = match net {
        IpNet::V4(_) => &[
            ("0.0.0.0/8", "0.0.0.0/8 means this host (RFC 1122)"),
            ("127.0.0.0/8", "127.0.0.0/8 is loopback (RFC 1122)"),
            ("169.254.0.0/16", "169.254.0.0/16 is link-local (RFC 3927)"),
            (
                "224.0.0.0/3",
                "224.0.0.0/3 is multicast or reserved (RFC 1112)",
            ),
        ],
        IpNet::V6(_) => &[
            (
                "::/96",
                "::/96 holds loopback and reserved addresses (RFC 4291)",
            ),
            ("::ffff:0:0/96", "::ffff:0:0/96 is IPv4-mapped (RFC 4291)"),
            ("fe80::/10", "fe80::/10 is link-local (RFC 4291)"),
            ("ff00::/8", "ff00::/8 is multicast (RFC 4291)"),
        ],
    };
    let shortest = if net.addr().is_ipv4() { 8 } else { 16 };
    if net.prefix_len() < shortest {
        return Some("its prefix is too short: use at least /8 (IPv4) or /16 (IPv6)");
    }
    if net.prefix_len() > longest_prefix(net) {
        return Some(
            "it has no room for a gateway and a container: use at most /30 (IPv4) or /126 (IPv6)",
        );
    }
    let meets = |other: &IpNet| other.contains(net) || net.contains(other);
    let mut hits = reserved
        .iter()
        .filter(|(other, _)| other.parse().is_ok_and(|other| meets(&other)));
    hits.next().map(|(_, reason)| *reason)
}

/// The part of each subnet from which this coordinator may give out addresses: at present all of it. If several
/// coordinators ever share a network, each will be granted a part of the subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Grants {
    /// This coordinator may give out every address of every subnet.
    #[default]
    Whole,
}

impl Grants {
    /// Returns the ranges of a subnet from which this coordinator may give out addresses, in ascending order and
    /// without overlap.
    pub fn of(&self, subnet: &Subnet) -> Vec<AddressRange> {
        match self {
            Self::Whole => vec![AddressRange::from(subnet.net)],
        }
    }
}

/// The limits on numbers of objects, which bound the coordinator's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of networks on the VCH.
    pub networks: usize,
    /// The maximum number of containers on the VCH.
    pub containers: usize,
    /// The maximum number of released addresses that the ledger remembers for one subnet, to choose them again last.
    pub resting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            networks: 16_384,
            containers: 100_000,
            resting: 4_096,
        }
    }
}

impl Settings {
    /// Returns the default settings of a VCH: predefined networks `none` and `bridge`, the pools of [`default_pools`],
    /// and no external network.
    pub fn of(vch: VchId) -> Self {
        Self {
            vch,
            pools: default_pools(),
            grants: Grants::Whole,
            default_bridge: DefaultBridge {
                name: constant("bridge"),
                net: None,
            },
            none: constant("none"),
            default_segment: SegmentKind::default(),
            shared_link: constant("vch-shared"),
            externals: Vec::new(),
            ephemeral: DEFAULT_EPHEMERAL,
            reserved: BTreeMap::new(),
            private: BTreeMap::new(),
            domain: None,
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// Returns the pools, and behind them the pool of the VCH's own ULA prefix.
    pub(crate) fn all_pools(&self) -> impl Iterator<Item = Pool> {
        let ula = Pool::new(derived::ula_prefix(self.vch), 64).ok();
        self.pools.iter().copied().chain(ula)
    }

    /// Returns whether a port that is published at this address conflicts with the same port
    /// published without an address. Only an address on an external network that is not a default
    /// for published ports does not; loopback addresses, gateways, and addresses that may become
    /// the VCH's do.
    pub(crate) fn publishes_at(&self, address: IpAddr) -> bool {
        let own = |network: &&ExternalNetwork| {
            let mut subnets = network.subnets.iter();
            subnets.any(|subnet| subnet.vch == Some(address))
        };
        let network = self.externals.iter().find(own);
        network.is_none_or(|network| network.external.published)
    }
}

fn constant<T: FromStr<Err: fmt::Debug>>(name: &str) -> T {
    #[expect(clippy::expect_used, reason = "a constant of ours, known to be a name")]
    name.parse().expect("a name")
}

/// Returns the default pools: first Docker's own 172.17.0.0/16 to 172.31.0.0/16, then 256 networks
/// of 192.168.0.0/16, then 16,384 of 10.0.0.0/8 with 1,021 containers each.
pub fn default_pools() -> Vec<Pool> {
    use std::net::{IpAddr, Ipv4Addr};
    [
        ([172, 17, 0, 0], 16, 16),
        ([172, 18, 0, 0], 15, 16),
        ([172, 20, 0, 0], 14, 16),
        ([172, 24, 0, 0], 13, 16),
        ([192, 168, 0, 0], 16, 24),
        ([10, 0, 0, 0], 8, 22),
    ]
    .into_iter()
    .filter_map(|(octets, prefix, size)| {
        let base = IpNet::new(IpAddr::V4(Ipv4Addr::from(octets)), prefix).ok()?;
        Pool::new(base, size).ok()
    })
    .collect()
}
