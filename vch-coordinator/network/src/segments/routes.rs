//! The routes that the host has by itself, so that the ledger chooses no subnet that would hide one of them.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink_packet_route::{
    AddressFamily,
    route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteType},
};
use parking_lot::RwLock;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// The destinations of the host's routes, of all routing tables, except routes through this VCH's own bridges. The
/// kernel's events keep it current; clones share one table.
///
/// Left out are destinations that no bridge network hides or could have: default routes, also in halves (`0.0.0.0/1`)
/// or as `2000::/3`; loopback, link-local and multicast destinations; the kernel's broadcast, anycast and multicast
/// entries. The host's own addresses are included.
#[derive(Clone, Debug, Default)]
pub struct HostRoutes(Arc<RwLock<Table>>);

impl HostRoutes {
    /// Returns the destination of a route that overlaps this subnet: the widest one that contains the subnet, or else
    /// the first one inside it. `None` if no route overlaps. Costs a few look-ups in an ordered map, and no system
    /// call.
    pub fn overlap(&self, subnet: &IpNet) -> Option<IpNet> {
        let table = self.0.read();
        table.overlap(subnet)
    }

    /// Returns the destinations of all routes, in ascending order.
    pub fn destinations(&self) -> Vec<IpNet> {
        let table = self.0.read();
        table.routes.keys().copied().collect()
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        change(&mut self.0.write())
    }
}

/// The host's routes, by destination. Two destinations either contain one another or have no address in common.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    routes: BTreeMap<IpNet, BTreeSet<Way>>,
}

/// A route of the host that [`HostRoutes`] takes into account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub(super) destination: IpNet,
    pub(super) way: Way,
}

/// The properties that distinguish routes to the same destination: table, metric, type of service, link and gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    rank: Rank,
    /// The index of the link that the route leads through; `None` if it leads through several or no link.
    pub(super) link: Option<u32>,
    gateway: Option<IpAddr>,
}

/// Routes to one destination that replace one another have this in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    table: u32,
    metric: u32,
    tos: u8,
}

impl Table {
    /// Makes a table of these routes.
    pub fn of(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut table = Self::default();
        for route in routes {
            table.insert(route);
        }
        table
    }

    /// Adds a route.
    pub fn insert(&mut self, route: Route) {
        let ways = self.routes.entry(route.destination).or_default();
        ways.insert(route.way);
    }

    /// Adds a route, and removes the others of the same destination, table, metric and type of service.
    pub fn replace(&mut self, route: Route) {
        if let Some(ways) = self.routes.get_mut(&route.destination) {
            ways.retain(|way| way.rank != route.way.rank);
        }
        self.insert(route);
    }

    /// Removes a route. Returns `false` if the table did not have it.
    pub fn remove(&mut self, route: &Route) -> bool {
        let Some(ways) = self.routes.get_mut(&route.destination) else {
            return false;
        };
        let known = ways.remove(&route.way);
        if ways.is_empty() {
            self.routes.remove(&route.destination);
        }
        known
    }

    /// Removes the routes through the link with this index from this table (not from the kernel). Needed when a link
    /// goes down: the kernel then drops its IPv4 routes without an event.
    pub fn remove_link(&mut self, index: u32) {
        self.routes.retain(|_, ways| {
            ways.retain(|way| way.link != Some(index));
            !ways.is_empty()
        });
    }

    fn overlap(&self, subnet: &IpNet) -> Option<IpNet> {
        let holders = (0..=subnet.prefix_len()).filter_map(|length| {
            let holder = IpNet::new(subnet.addr(), length).ok()?.trunc();
            self.routes.contains_key(&holder).then_some(holder)
        });
        let mut within = self.routes.range(subnet.trunc()..).map(|(net, _)| *net);
        let within = within.next().filter(|net| subnet.contains(net));
        holders.into_iter().next().or(within)
    }
}

impl Route {
    /// Decodes a route from the kernel's message. Returns `None` for a route that [`HostRoutes`] leaves out.
    pub fn parse(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let is_noise = matches!(
            header.kind,
            RouteType::Broadcast | RouteType::Anycast | RouteType::Multicast
        );
        // A cloned route is a cache entry.
        if is_noise || header.flags.contains(RouteFlags::Cloned) {
            return None;
        }
        let mut destination = match header.address_family {
            AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => return None,
        };
        let mut rank = Rank {
            table: header.table.into(),
            metric: 0,
            tos: header.tos,
        };
        let mut link = None;
        let mut gateway = None;
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(to) => destination = ip(to)?,
                RouteAttribute::Gateway(via) => gateway = ip(via),
                RouteAttribute::Oif(index) => link = Some(*index),
                RouteAttribute::Priority(metric) => rank.metric = *metric,
                RouteAttribute::Table(table) => rank.table = *table,
                _ => {}
            }
        }
        let destination = IpNet::new(destination, header.destination_prefix_length).ok()?;
        let way = Way {
            rank,
            link,
            gateway,
        };
        is_heeded(&destination).then_some(Self { destination, way })
    }

    /// Returns whether the message is about a route that leads through several links at once.
    pub fn is_multipath(message: &RouteMessage) -> bool {
        let mut attributes = message.attributes.iter();
        attributes.any(|a| matches!(a, RouteAttribute::MultiPath(_)))
    }
}

fn is_heeded(destination: &IpNet) -> bool {
    const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    const LINK_LOCAL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16);
    const UPPER: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3);
    const LINK_LOCAL_6: Ipv6Net =
        Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
    const MULTICAST_6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);
    match destination {
        IpNet::V4(net) => {
            net.prefix_len() > 1
                && ![LOOPBACK, LINK_LOCAL, UPPER]
                    .iter()
                    .any(|n| n.contains(net))
        }
        IpNet::V6(net) => {
            net.prefix_len() > 3
                && net.addr() != Ipv6Addr::LOCALHOST
                && ![LINK_LOCAL_6, MULTICAST_6].iter().any(|n| n.contains(net))
        }
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
