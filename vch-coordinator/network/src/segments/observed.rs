//! What the kernel has, as far as segments are concerned; parsed from its messages.

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

/// The part of the kernel's state that a plan is made from: all of it, or what one object concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Links by name.
    pub links: BTreeMap<InterfaceName, Link>,
    /// Addresses by the index of their link.
    pub addresses: BTreeMap<u32, Vec<Address>>,
    /// Network namespaces that ports are to reach into.
    pub namespaces: BTreeMap<PathBuf, Namespace>,
    /// Whether packets are forwarded.
    pub forwarding: Forwarding,
    /// What limits links, by their index.
    pub shaping: BTreeMap<u32, Shaping>,
}

/// Whether this namespace forwards packets between its links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// `net.ipv4.ip_forward`.
    pub v4: bool,
    /// `net.ipv6.conf.all.forwarding`; none where the kernel has no IPv6.
    pub v6: Option<bool>,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, never used again while the namespace lives.
    pub index: u32,
    /// Its group; an [`Owner`](super::Owner)'s mark on the links that a VCH made.
    pub group: u32,
    /// Whether it is switched on (`IFF_UP`), with or without a carrier.
    pub up: bool,
    /// In bytes.
    pub mtu: u32,
    /// Its link-layer address.
    pub mac: Vec<u8>,
    /// The index of the bridge, bond or VRF that it is a port of.
    pub master: Option<u32>,
    /// What it is.
    pub kind: LinkKind,
    /// Its IPv6 settings; none where the link has no IPv6.
    pub ipv6: Option<LinkIpv6>,
    /// `net.ipv4.conf.LINK.route_localnet`.
    pub route_localnet: bool,
}

/// What a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A bridge.
    Bridge {
        /// Whether it takes part in no spanning tree, forwards at once and floods multicast.
        plain: bool,
    },
    /// A tap.
    Tap {
        /// Whether ordinary users can't attach to it: its owner and its group are root.
        closed: bool,
        /// Whether something is attached to it (it has a carrier); nothing else can be then.
        attached: bool,
        /// Whether it outlives the process that made it.
        persistent: bool,
    },
    /// One end of a pair.
    Veth {
        /// The other end's namespace, as this one numbers it; none: the other end is here.
        peer: Option<i32>,
    },
    /// Anything else, by the kernel's word for it; a physical one has none.
    Other(String),
}

/// IPv6 settings of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkIpv6 {
    /// `disable_ipv6`.
    pub disabled: bool,
    /// `accept_dad`: 0 when addresses are usable at once.
    pub accept_dad: i32,
    /// `accept_ra`.
    pub accept_ra: i32,
    /// `autoconf`.
    pub autoconf: i32,
    /// Whether it makes itself no link-local address (`addr_gen_mode` none).
    pub silent: bool,
}

/// One address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address, with its subnet's prefix length.
    pub net: IpNet,
    /// Whether another address of the same subnet came before it (IPv4 only).
    pub secondary: bool,
}

/// A network namespace, as this one sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// It has this number here.
    Known(i32),
    /// It has no number here: no link leads there yet.
    Unknown,
    /// It is this one.
    Own,
    /// It could not be opened, or is something else.
    Closed(Errno),
}

impl Link {
    /// Reads a link from the kernel's message; none if its name is none that a VCH could give.
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
            AfSpecInet6::AddrGenMode(mode) => ipv6.silent = *mode == In6AddrGenMode::None,
            _ => {}
        }
    }
    Some(ipv6)
}

impl Address {
    /// Reads an address from the kernel's message: the index of its link, and itself. None for an
    /// IPv6 link-local one, which the kernel makes by itself.
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
