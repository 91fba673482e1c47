//! Reads the kernel's dumps into [`Observed`].

use super::{Address, Link, LinkKind, LinkRoute, Observed, Sysctls, Sysfs};
use crate::MARK;
use crate::netlink::{Netlink, NetlinkError};
use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use protocol::spec::{MacAddress, Route};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use thiserror::Error;

/// The error of [`observe`]: a part of the kernel's network state can't be read.
#[derive(Debug, Error)]
#[error("the kernel's {table} can't be read")]
pub struct ObserveError {
    /// The part that can't be read: "links", "addresses" or "routes".
    pub table: &'static str,
    /// The reason.
    #[source]
    pub source: NetlinkError,
}

/// Reads the links, addresses and routes of the VM from the kernel by `netlink`, and the links' PCI positions and
/// sysctls from `sysfs`. Changes nothing.
///
/// `remembered` has the addresses that the agent added since its start, with their links' indices. On a kernel that
/// can't mark addresses (before Linux 5.18), these count as the agent's own.
///
/// # Errors
/// Returns [`ObserveError`] if the links, the addresses or the routes can't be read. A PCI position or sysctl that
/// can't be read counts as absent.
pub async fn observe(
    netlink: &mut Netlink,
    sysfs: &Sysfs,
    remembered: &BTreeSet<(u32, IpAddr)>,
) -> Result<Observed, ObserveError> {
    let named = |table| move |source| ObserveError { table, source };
    let found = netlink.dump(|| RouteNetlinkMessage::GetLink(LinkMessage::default()));
    let found = found.await.map_err(named("links"))?.into_iter();
    let mut links: BTreeMap<u32, Link> = found.filter_map(link).collect();
    for (index, link) in &mut links {
        link.pci = sysfs.pci_location(*index, link);
        link.sysctls = match link.kind {
            LinkKind::Ethernet => sysfs.sysctls(&link.name),
            LinkKind::Loopback | LinkKind::Other => Sysctls::default(),
        };
    }
    let found = netlink.dump(|| RouteNetlinkMessage::GetAddress(AddressMessage::default()));
    let found = found.await.map_err(named("addresses"))?.into_iter();
    let addresses = claim(found.filter_map(address).collect(), remembered);
    let found = netlink.dump(|| RouteNetlinkMessage::GetRoute(RouteMessage::default()));
    let found = found.await.map_err(named("routes"))?.into_iter();
    Ok(Observed {
        links,
        addresses,
        routes: found.filter_map(route).collect(),
    })
}

/// Tells the agent's addresses from others: by their mark, or by memory where no address bears a
/// mark. A kernel that has marks puts one on loopback's own addresses as well (`IFAPROT_KERNEL_LO`).
fn claim(
    found: Vec<(Address, Option<u8>)>,
    remembered: &BTreeSet<(u32, IpAddr)>,
) -> BTreeSet<Address> {
    let kernel_marks = found.iter().any(|(_, mark)| mark.is_some());
    let claim = |(mut address, mark): (Address, Option<u8>)| {
        address.ours = match mark {
            Some(mark) => mark == MARK,
            None => !kernel_marks && remembered.contains(&(address.link, address.net.addr())),
        };
        address
    };
    found.into_iter().map(claim).collect()
}

fn link(message: RouteNetlinkMessage) -> Option<(u32, Link)> {
    let RouteNetlinkMessage::NewLink(message) = message else {
        return None;
    };
    let has = |flag| message.header.flags.contains(flag);
    let mut link = Link {
        name: String::new(),
        kind: match message.header.link_layer_type {
            LinkLayerType::Ether => LinkKind::Ethernet,
            LinkLayerType::Loopback => LinkKind::Loopback,
            _ => LinkKind::Other,
        },
        mac: None,
        permanent_mac: None,
        pci: None,
        mtu: 0,
        up: has(LinkFlags::Up),
        carrier: has(LinkFlags::LowerUp),
        marked: false,
        sysctls: Sysctls::default(),
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(octets) => link.mac = mac(&octets),
            LinkAttribute::PermAddress(octets) => link.permanent_mac = mac(&octets),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Group(group) => link.marked = group == u32::from(MARK),
            _ => {}
        }
    }
    Some((message.header.index, link))
}

/// Decodes an address and, if the kernel keeps one, its mark.
fn address(message: RouteNetlinkMessage) -> Option<(Address, Option<u8>)> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    let (mut address, mut local, mut mark) = (None, None, None);
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Address(ip) => address = Some(ip),
            AddressAttribute::Local(ip) => local = Some(ip),
            AddressAttribute::Protocol(protocol) => mark = Some(u8::from(protocol)),
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the peer's (linux/if_addr.h).
    let own = local.or(address)?;
    if matches!(own, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return None;
    }
    let link = message.header.index;
    let net = IpNet::new(own, message.header.prefix_len).ok()?;
    let ours = false;
    Some((Address { link, net, ours }, mark))
}

fn route(message: RouteNetlinkMessage) -> Option<LinkRoute> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    let header = &message.header;
    let from_kernel = matches!(
        header.protocol,
        RouteProtocol::Kernel | RouteProtocol::IcmpRedirect
    );
    let in_main = header.table == RouteHeader::RT_TABLE_MAIN;
    if !in_main || header.kind != RouteType::Unicast || from_kernel {
        return None;
    }
    let mut destination = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let (mut link, mut gateway, mut metric, mut source) = (None, None, 0, None);
    for attribute in message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => destination = ip(&to).unwrap_or(destination),
            RouteAttribute::Oif(index) => link = Some(index),
            RouteAttribute::Gateway(via) => gateway = ip(&via),
            RouteAttribute::Priority(priority) => metric = priority,
            RouteAttribute::PrefSource(from) => source = ip(&from),
            _ => {}
        }
    }
    Some(LinkRoute {
        link: link?,
        route: Route {
            destination: IpNet::new(destination, header.destination_prefix_length).ok()?,
            gateway,
            metric,
            on_link: header.flags.contains(RouteFlags::Onlink),
            source,
        },
        ours: u8::from(header.protocol) == MARK,
    })
}

fn mac(octets: &[u8]) -> Option<MacAddress> {
    MacAddress::try_from(<[u8; 6]>::try_from(octets).ok()?).ok()
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}
