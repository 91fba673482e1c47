//! Carries out a plan's steps: one kernel call each, without any decision.

use crate::MARK;
use crate::netlink::{Netlink, NetlinkError};
use crate::observe::Sysfs;
use crate::plan::{Owner, Plan, Step, Sysctl};
use ipnet::IpNet;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use protocol::message::{Failure, MAX_ACTION};
use protocol::spec::Route;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The result of carrying out a [`Plan`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The steps that the kernel refused, in their order: the part of the network that the step was planned for, and
    /// the failure.
    pub failures: Vec<(Owner, Failure)>,
    /// The indices of links that disappeared during the plan; the rest of their steps was skipped. This is not an
    /// error, but the kernel must be observed again.
    pub vanished: BTreeSet<u32>,
    /// The steps that were carried out, in their order.
    pub done: Vec<Step>,
}

/// Carries out a plan's steps in their order, by `netlink` and, for sysctls, by the files of `sysfs`; returns what was
/// done. A step that the kernel refuses is recorded as a failure, and does not keep the following steps from being
/// carried out. An object that is already gone counts as removed.
pub async fn apply(netlink: &mut Netlink, sysfs: &Sysfs, plan: &Plan) -> Applied {
    let mut applied = Applied::default();
    for planned in &plan.steps {
        if applied.vanished.contains(&planned.step.link()) {
            continue;
        }
        match carry_out(netlink, sysfs, &planned.step).await {
            Ok(()) => {
                tracing::info!("{planned}");
                applied.done.push(planned.step.clone());
            }
            // The NIC was pulled out between observing and now.
            Err(Errno::ENODEV | Errno::ENXIO) => {
                applied.vanished.insert(planned.step.link());
            }
            Err(errno) => {
                tracing::error!("can't {planned}: {}", errno.desc());
                let failure = failure(planned.to_string(), errno as i32);
                applied.failures.push((planned.owner.clone(), failure));
            }
        }
    }
    applied
}

/// Makes a [`Failure`] of an action and the kernel's errno; cuts the action's text to the
/// protocol's bound.
pub(crate) fn failure(mut action: String, errno: i32) -> Failure {
    action.truncate(action.floor_char_boundary(MAX_ACTION));
    Failure { action, errno }
}

async fn carry_out(netlink: &mut Netlink, sysfs: &Sysfs, step: &Step) -> Result<(), Errno> {
    let (request, flags) = match step {
        Step::SetSysctl { name, sysctl, .. } => return set_sysctl(sysfs, name, *sysctl),
        Step::SetDown { link } => (switched(*link, LinkFlags::empty()), 0),
        Step::SetUp { link } => (switched(*link, LinkFlags::Up), 0),
        Step::Rename { link, name } => {
            let name = name.as_str().to_owned();
            (changed(*link, LinkAttribute::IfName(name)), 0)
        }
        Step::SetMac { link, mac } => {
            let octets = mac.octets().to_vec();
            (changed(*link, LinkAttribute::Address(octets)), 0)
        }
        Step::SetMtu { link, mtu } => (changed(*link, LinkAttribute::Mtu((*mtu).into())), 0),
        Step::Mark { link } => (changed(*link, LinkAttribute::Group(MARK.into())), 0),
        Step::Unmark { link } => (changed(*link, LinkAttribute::Group(0)), 0),
        Step::AddAddress { link, address } => (
            RouteNetlinkMessage::NewAddress(new_address(*link, *address)),
            NLM_F_CREATE | NLM_F_EXCL,
        ),
        Step::RemoveAddress { link, address } => (
            RouteNetlinkMessage::DelAddress(address_message(*link, *address)),
            0,
        ),
        Step::AddRoute { link, route } => {
            (new_route(*link, route), new_route_flags(route.destination))
        }
        Step::RemoveRoute { link, route } => {
            // RT_SCOPE_NOWHERE matches any scope (fib_table_delete).
            let message = route_message(*link, route, RouteScope::NoWhere);
            (RouteNetlinkMessage::DelRoute(message), 0)
        }
    };
    match (step, ask(netlink, request, flags).await) {
        // Another program removed it first.
        (Step::RemoveAddress { .. }, Err(Errno::EADDRNOTAVAIL)) => Ok(()),
        // It went with its link's state or its source address.
        (Step::RemoveRoute { .. }, Err(Errno::ESRCH)) => Ok(()),
        (_, answer) => answer,
    }
}

impl Step {
    /// Returns the index of the link that the step concerns.
    pub fn link(&self) -> u32 {
        match self {
            Self::SetDown { link }
            | Self::SetUp { link }
            | Self::Rename { link, .. }
            | Self::SetMac { link, .. }
            | Self::SetMtu { link, .. }
            | Self::Mark { link }
            | Self::Unmark { link }
            | Self::SetSysctl { link, .. }
            | Self::AddAddress { link, .. }
            | Self::RemoveAddress { link, .. }
            | Self::AddRoute { link, .. }
            | Self::RemoveRoute { link, .. } => *link,
        }
    }
}

async fn ask(netlink: &mut Netlink, message: RouteNetlinkMessage, flags: u16) -> Result<(), Errno> {
    let answer = netlink.request(message, flags).await;
    answer.map_err(|error| match error {
        NetlinkError::Open(errno) | NetlinkError::Refused(errno) => errno,
        NetlinkError::Ended | NetlinkError::Restless => Errno::EPROTO,
    })
}

fn set_sysctl(sysfs: &Sysfs, name: &str, sysctl: Sysctl) -> Result<(), Errno> {
    let (family, key, value) = sysctl.parts();
    let path = sysfs.sysctl(family, name, key).ok_or(Errno::EINVAL)?;
    match std::fs::write(path, value) {
        Ok(()) => Ok(()),
        // Sysctls go with their link.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Errno::ENODEV),
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
    }
}

/// Returns the message that changes a link's own state, and leaves all else as it is.
fn switched(link: u32, up: LinkFlags) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link;
    message.header.flags = up;
    message.header.change_mask = LinkFlags::Up;
    RouteNetlinkMessage::NewLink(message)
}

fn changed(link: u32, attribute: LinkAttribute) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link;
    message.attributes.push(attribute);
    RouteNetlinkMessage::NewLink(message)
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn address_message(link: u32, address: IpNet) -> AddressMessage {
    let ip = address.addr();
    let mut message = AddressMessage::default();
    message.header.family = family(ip);
    message.header.prefix_len = address.prefix_len();
    message.header.index = link;
    message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
    message
}

fn new_address(link: u32, address: IpNet) -> AddressMessage {
    let mut message = address_message(link, address);
    let mark = AddressProtocol::from(MARK);
    message.attributes.push(AddressAttribute::Protocol(mark));
    match address {
        // RFC 3021: no broadcast address on a /31; a /32 has no subnet.
        IpNet::V4(net) if net.prefix_len() < 31 => {
            let broadcast = AddressAttribute::Broadcast(net.broadcast());
            message.attributes.push(broadcast);
        }
        IpNet::V4(_) => {}
        // Usable at once: the ledger gives an address to one endpoint only, and duplicate address
        // detection would keep it silent for its first second or two.
        IpNet::V6(_) => message.header.flags = AddressHeaderFlags::Nodad,
    }
    message
}

fn route_message(link: u32, route: &Route, scope: RouteScope) -> RouteMessage {
    let destination = route.destination;
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(destination.addr()),
        destination_prefix_length: destination.prefix_len(),
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::from(MARK),
        scope,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    if route.on_link {
        message.header.flags = RouteFlags::Onlink;
    }
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Oif(link));
    if destination.prefix_len() > 0 {
        attributes.push(RouteAttribute::Destination(destination.addr().into()));
    }
    if let Some(gateway) = route.gateway {
        attributes.push(RouteAttribute::Gateway(gateway.into()));
    }
    if let Some(source) = route.source {
        attributes.push(RouteAttribute::PrefSource(source.into()));
    }
    attributes.push(RouteAttribute::Priority(route.metric));
    message
}

fn new_route(link: u32, route: &Route) -> RouteNetlinkMessage {
    // ip-route(8): what is on the link has link scope; IPv6 has no scopes.
    let scope = match (route.destination, route.gateway) {
        (IpNet::V4(_), None) => RouteScope::Link,
        _ => RouteScope::Universe,
    };
    RouteNetlinkMessage::NewRoute(route_message(link, route, scope))
}

/// Returns the flags for a new route. Without EXCL an IPv4 route is put before others with the same metric, which
/// stay; in IPv6 it would be joined to them as one more next hop.
fn new_route_flags(destination: IpNet) -> u16 {
    match destination {
        IpNet::V4(_) => NLM_F_CREATE,
        IpNet::V6(_) => NLM_F_CREATE | NLM_F_EXCL,
    }
}
