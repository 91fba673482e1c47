//! The kernel's links, addresses and limits, as they are decoded from its messages.

use super::{rate::shaping::Shaping, tap::ROOT};
use ipnet::IpNet;
use netlink_packet_route::{
    address::{AddressAttribute, AddressFlags, AddressMessage},
    link::{
        AfSpecInet, AfSpecInet6, AfSpecUnspec, BridgeStpState, In6AddrGenMode, InfoBridge,
        InfoData, InfoKind, InfoTun, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    },
};
use nix::errno::Errno;
use protocol::spec::InterfaceName;
use rtnetlink::packet_core::Nla;
use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

/// The part of the kernel's state that a plan is made from: the whole state, or what one bridge or port needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The links, by name.
    pub links: BTreeMap<InterfaceName, Link>,
    /// The addresses by the index of their link.
    pub addresses: BTreeMap<u32, Vec<Address>>,
    /// The network namespaces that ports must reach into, by path.
    pub namespaces: BTreeMap<PathBuf, Namespace>,
    /// Whether the VCH forwards IP packets.
    pub forwarding: Forwarding,
    /// The traffic limits of links, by the index of the link.
    pub shaping: BTreeMap<u32, Shaping>,
}

/// Whether the observed network namespace forwards IP packets between its links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Whether IPv4 is forwarded (`net.ipv4.ip_forward`).
    pub v4: bool,
    /// Whether IPv6 is forwarded (`net.ipv6.conf.all.forwarding`); `None` if the kernel has no
    /// IPv6.
    pub v6: Option<bool>,
}

/// A link (network interface) as it is in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The link's index. The kernel does not give it to another link while the namespace exists.
    pub index: u32,
    /// The link's group. Links that a VCH made are in the group of its [`Owner`](super::Owner) mark.
    pub group: u32,
    /// Whether the link is up (`IFF_UP`), with or without a carrier.
    pub up: bool,
    /// The MTU in bytes.
    pub mtu: u32,
    /// The link-layer address; for Ethernet the 6 bytes of the MAC address.
    pub mac: Vec<u8>,
    /// The index of the bridge, bond or VRF that the link is a port of; `None` if it is none's port.
    pub master: Option<u32>,
    /// The kind of link.
    pub kind: LinkKind,
    /// The IPv6 settings; `None` if the link has no IPv6.
    pub ipv6: Option<LinkIpv6>,
    /// Whether `net.ipv4.conf.LINK.route_localnet` is set.
    pub route_localnet: bool,
}

/// The kind of a link (network interface), with the settings of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A bridge.
    Bridge {
        /// Whether the bridge is plain: without spanning tree, forwarding delay and multicast snooping.
        plain: bool,
    },
    /// A tap.
    Tap {
        /// Whether ordinary users can't attach to the tap: its owner and its group are root.
        closed: bool,
        /// Whether a process, such as a VM's hypervisor, is attached to the tap. No other process can attach then.
        attached: bool,
        /// Whether the tap outlives the process that created it.
        persistent: bool,
    },
    /// One end of a veth pair.
    Veth {
        /// The ID by which this namespace knows the other end's namespace (`IFLA_LINK_NETNSID`); `None` if the other
        /// end is in this namespace.
        peer: Option<i32>,
    },
    /// Another kind of link, by the kernel's word for it; empty for a physical link.
    Other(String),
}

/// The IPv6 settings of a link (`net.ipv6.conf.LINK.*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkIpv6 {
    /// The setting `disable_ipv6`.
    pub disabled: bool,
    /// The setting `accept_dad`: 0 if addresses are usable at once.
    pub accept_dad: i32,
    /// The setting `accept_ra`.
    pub accept_ra: i32,
    /// The setting `autoconf`.
    pub autoconf: i32,
    /// Whether the link gives itself no link-local address (`addr_gen_mode` 1, none).
    pub no_link_local: bool,
}

/// An IP address of a link, as it is in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address, with its subnet's prefix length.
    pub net: IpNet,
    /// Whether another address of the same subnet was added before this one (IPv4 only). The kernel removes secondary
    /// addresses with their primary one.
    pub secondary: bool,
}

/// The relation of the observed network namespace to another one, into which a port must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// The observed namespace has this ID for the other namespace.
    Known(i32),
    /// The observed namespace has no ID for the other one: no link leads there yet.
    Unknown,
    /// The other namespace is the observed one itself.
    Own,
    /// The path can't be opened, or is not a network namespace; with the kernel's error.
    Closed(Errno),
}

impl Link {
    /// Decodes a link from the kernel's message. Returns `None` if the link's name is not one that a VCH could give.
    pub fn parse(message: &LinkMessage) -> Option<(InterfaceName, Self)> {
        let mut name = None;
        let mut info = &[][..];
        let mut peer = None;
        let mut link = Self {
            index: message.header.index,
            group: 0,
            up: message.header.flags.contains(LinkFlags::Up),
            mtu: 0,
            mac: Vec::new(),
            master: None,
            kind: LinkKind::Other(String::new()),
            ipv6: None,
            route_localnet: false,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(text) => name = text.parse().ok(),
                LinkAttribute::Group(group) => link.group = *group,
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Address(mac) => link.mac.clone_from(mac),
                LinkAttribute::Controller(index) => link.master = Some(*index),
                LinkAttribute::LinkNetNsId(id) => peer = Some(*id),
                LinkAttribute::LinkInfo(infos) => info = infos,
                LinkAttribute::AfSpecUnspec(families) => {
                    link.ipv6 = ipv6(families);
                    link.route_localnet = route_localnet(families);
                }
                _ => {}
            }
        }
        link.kind = kind(
            info,
            peer,
            message.header.flags.contains(LinkFlags::LowerUp),
        );
        Some((name?, link))
    }
}

fn kind(infos: &[LinkInfo], peer: Option<i32>, carrier: bool) -> LinkKind {
    let kind = infos.iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    let data = infos.iter().find_map(|info| match info {
        LinkInfo::Data(data) => Some(data),
        _ => None,
    });
    match (kind, data) {
        (Some(InfoKind::Bridge), Some(InfoData::Bridge(settings))) => LinkKind::Bridge {
            plain: is_plain(settings),
        },
        (Some(InfoKind::Tun), Some(InfoData::Tun(settings))) => tun(settings, carrier),
        (Some(InfoKind::Veth), _) => LinkKind::Veth { peer },
        (Some(kind), _) => LinkKind::Other(kind.to_string()),
        (None, _) => LinkKind::Other(String::new()),
    }
}

fn is_plain(settings: &[InfoBridge]) -> bool {
    settings.iter().all(|setting| match setting {
        InfoBridge::StpState(state) => *state == BridgeStpState::Disabled,
        InfoBridge::ForwardDelay(delay) => *delay == 0,
        InfoBridge::MulticastSnooping(on) => !on,
        _ => true,
    })
}

/// Attributes of `linux/if_link.h`, `IFLA_TUN_*`.
fn tun(settings: &[InfoTun], carrier: bool) -> LinkKind {
    const OWNER: u16 = 1;
    const GROUP: u16 = 2;
    const TYPE: u16 = 3;
    const PERSIST: u16 = 6;
    // linux/if_tun.h.
    const IFF_TAP: u8 = 2;
    let value = |wanted: u16| {
        settings.iter().find_map(|setting| match setting {
            InfoTun::Other(nla) if nla.kind() == wanted => {
                let mut bytes = vec![0; nla.value_len()];
                nla.emit_value(&mut bytes);
                Some(bytes)
            }
            _ => None,
        })
    };
    if value(TYPE).as_deref() != Some(&[IFF_TAP]) {
        return LinkKind::Other("tun".to_owned());
    }
    LinkKind::Tap {
        closed: [OWNER, GROUP]
            .iter()
            .all(|one| value(*one).as_deref() == Some(&ROOT.to_ne_bytes())),
        attached: carrier,
        persistent: value(PERSIST).as_deref() == Some(&[1]),
    }
}

fn route_localnet(families: &[AfSpecUnspec]) -> bool {
    let settings = families.iter().filter_map(|family| match family {
        AfSpecUnspec::Inet(settings) => Some(settings),
        _ => None,
    });
    settings.flatten().any(|setting| match setting {
        AfSpecInet::DevConf(conf) => conf.route_localnet != 0,
        _ => false,
    })
}

fn ipv6(families: &[AfSpecUnspec]) -> Option<LinkIpv6> {
    let settings = families.iter().find_map(|family| match family {
        AfSpecUnspec::Inet6(settings) => Some(settings),
        _ => None,
    })?;
    let mut ipv6 = LinkIpv6::default();
    for setting in settings {
        match setting {
            AfSpecInet6::DevConf(conf) => {
                ipv6.disabled = conf.disable_ipv6 != 0;
                ipv6.accept_dad = conf.accept_dad;
                ipv6.accept_ra = conf.accept_ra;
                ipv6.autoconf = conf.autoconf;
            }
            AfSpecInet6::AddrGenMode(mode) => ipv6.no_link_local = *mode == In6AddrGenMode::None,
            _ => {}
        }
    }
    Some(ipv6)
}

impl Address {
    /// Decodes an address from the kernel's message. Returns the index of its link, and the address; `None` for an IPv6
    /// link-local address, which the kernel makes by itself.
    pub fn parse(message: &AddressMessage) -> Option<(u32, Self)> {
        let mut address = None;
        let mut local = None;
        let mut flags = AddressFlags::empty();
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Address(ip) => address = Some(*ip),
                // On a link with a peer this one is ours.
                AddressAttribute::Local(ip) => local = Some(*ip),
                AddressAttribute::Flags(all) => flags = *all,
                _ => {}
            }
        }
        let ip = local.or(address)?;
        if matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            return None;
        }
        let net = IpNet::new(ip, message.header.prefix_len).ok()?;
        let secondary = flags.contains(AddressFlags::Secondary) && ip.is_ipv4();
        Some((message.header.index, Self { net, secondary }))
    }
}
