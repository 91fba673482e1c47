//! The kernel's dumps, read into [`Observed`].

use super::{Address, Link, LinkKind, LinkRoute, Observed, Sysctls, Sysfs};
use crate::MARK;
use crate::netlink::{Message, Netlink, NetlinkError, Request, number};
use ipnet::IpNet;
use protocol::spec::{MacAddress, Route};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use thiserror::Error;

/// `IFA_PROTO` of linux/if_addr.h, Linux 5.18.
pub(crate) const IFA_PROTO: u16 = 11;
/// `IFLA_PERM_ADDRESS` of linux/if_link.h, Linux 5.6.
const IFLA_PERM_ADDRESS: u16 = 54;
/// Bytes of `struct ifinfomsg`, `struct ifaddrmsg` and `struct rtmsg` (linux/rtnetlink.h,
/// linux/if_addr.h).
const IFINFOMSG_BYTES: usize = 16;
const IFADDRMSG_BYTES: usize = 8;
const RTMSG_BYTES: usize = 12;
/// `RTNH_F_ONLINK` of linux/rtnetlink.h.
pub(crate) const RTNH_F_ONLINK: u32 = 4;

/// Why the kernel's state could not be read.
#[derive(Debug, Error)]
#[error("the kernel's {table} can't be read")]
pub struct ObserveError {
    /// Which table.
    pub table: &'static str,
    /// Why.
    #[source]
    pub source: NetlinkError,
}

/// Reads what the kernel has, by three dumps.
///
/// `remembered` are the addresses that the agent itself added, by link: on a kernel that keeps no
/// `IFA_PROTO` they are the ones it takes for its own.
pub fn observe(
    netlink: &mut Netlink,
    sysfs: &Sysfs,
    remembered: &BTreeSet<(u32, IpAddr)>,
) -> Result<Observed, ObserveError> {
    let named = |table| move |source| ObserveError { table, source };
    let get = |kind, size| Request::new(kind, &vec![0; size]);
    let mut links: BTreeMap<u32, Link> = netlink
        .dump(
            &get(libc::RTM_GETLINK, IFINFOMSG_BYTES),
            |found, message| {
                read_into(found, link(message));
            },
        )
        .map_err(named("links"))?;
    for (index, link) in &mut links {
        link.pci = sysfs.pci_place(*index, link);
        link.sysctls = match link.kind {
            LinkKind::Ethernet => sysfs.sysctls(&link.name),
            LinkKind::Loopback | LinkKind::Other => Sysctls::default(),
        };
    }
    let found: Vec<(Address, Option<u8>)> = netlink
        .dump(
            &get(libc::RTM_GETADDR, IFADDRMSG_BYTES),
            |found, message| {
                read_into(found, address(message));
            },
        )
        .map_err(named("addresses"))?;
    let addresses = claim(found, remembered);
    let routes: BTreeSet<LinkRoute> = netlink
        .dump(&get(libc::RTM_GETROUTE, RTMSG_BYTES), |found, message| {
            read_into(found, route(message));
        })
        .map_err(named("routes"))?;
    Ok(Observed {
        links,
        addresses,
        routes,
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

fn read_into<T, C: Extend<T>>(found: &mut C, one: Option<T>) {
    found.extend(one);
}

fn link(message: Message<'_>) -> Option<(u32, Link)> {
    if message.kind != libc::RTM_NEWLINK {
        return None;
    }
    let (fixed, attributes) = message.split(IFINFOMSG_BYTES)?;
    let kind = match u16::from_ne_bytes(fixed[2..4].try_into().ok()?) {
        libc::ARPHRD_ETHER => LinkKind::Ethernet,
        libc::ARPHRD_LOOPBACK => LinkKind::Loopback,
        _ => LinkKind::Other,
    };
    let index = number(&fixed[4..8])?;
    let flags = number(&fixed[8..12])?;
    let has = |flag: libc::c_int| flags & flag.cast_unsigned() != 0;
    let mut link = Link {
        name: String::new(),
        kind,
        mac: None,
        permanent_mac: None,
        pci: None,
        mtu: 0,
        up: has(libc::IFF_UP),
        carrier: has(libc::IFF_LOWER_UP),
        marked: false,
        sysctls: Sysctls::default(),
    };
    attributes.each(|kind, value| match kind {
        libc::IFLA_IFNAME => link.name = text(value),
        libc::IFLA_ADDRESS => link.mac = mac(value),
        IFLA_PERM_ADDRESS => link.permanent_mac = mac(value),
        libc::IFLA_MTU => link.mtu = number(value).unwrap_or(0),
        libc::IFLA_GROUP => link.marked = number(value) == Some(u32::from(MARK)),
        _ => {}
    });
    Some((index, link))
}

/// The address and, where the kernel keeps one, its mark.
fn address(message: Message<'_>) -> Option<(Address, Option<u8>)> {
    if message.kind != libc::RTM_NEWADDR {
        return None;
    }
    let (fixed, attributes) = message.split(IFADDRMSG_BYTES)?;
    let prefix = fixed[1];
    let link = number(&fixed[4..8])?;
    let (mut address, mut local, mut mark) = (None, None, None);
    attributes.each(|kind, value| match kind {
        libc::IFA_ADDRESS => address = ip(value),
        libc::IFA_LOCAL => local = ip(value),
        IFA_PROTO => mark = value.first().copied(),
        _ => {}
    });
    // On a point-to-point link IFA_ADDRESS is the peer's (linux/if_addr.h).
    let own = local.or(address)?;
    if matches!(own, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return None;
    }
    let net = IpNet::new(own, prefix).ok()?;
    let ours = false;
    Some((Address { link, net, ours }, mark))
}

fn route(message: Message<'_>) -> Option<LinkRoute> {
    if message.kind != libc::RTM_NEWROUTE {
        return None;
    }
    let (fixed, attributes) = message.split(RTMSG_BYTES)?;
    let [family, prefix, _, _, table, protocol, _, kind] = *fixed.first_chunk()?;
    let flags = number(&fixed[8..12])?;
    let from_kernel = matches!(protocol, libc::RTPROT_KERNEL | libc::RTPROT_REDIRECT);
    if table != libc::RT_TABLE_MAIN || kind != libc::RTN_UNICAST || from_kernel {
        return None;
    }
    let mut destination = match i32::from(family) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        libc::AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let (mut link, mut gateway, mut metric, mut source) = (None, None, 0, None);
    attributes.each(|kind, value| match kind {
        libc::RTA_DST => destination = ip(value).unwrap_or(destination),
        libc::RTA_OIF => link = number(value),
        libc::RTA_GATEWAY => gateway = ip(value),
        libc::RTA_PRIORITY => metric = number(value).unwrap_or(0),
        libc::RTA_PREFSRC => source = ip(value),
        _ => {}
    });
    Some(LinkRoute {
        link: link?,
        route: Route {
            destination: IpNet::new(destination, prefix).ok()?,
            gateway,
            metric,
            on_link: flags & RTNH_F_ONLINK != 0,
            source,
        },
        ours: protocol == MARK,
    })
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

fn mac(value: &[u8]) -> Option<MacAddress> {
    MacAddress::try_from(<[u8; 6]>::try_from(value).ok()?).ok()
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::from(v4));
    }
    Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?))
}
