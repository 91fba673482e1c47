//! Carries out steps: one kernel call each, and no policy.

use crate::MARK;
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Netlink, NetlinkError, Request};
use crate::observe::{IFA_PROTO, RTNH_F_ONLINK, Sysfs};
use crate::plan::{Owner, Plan, Step, Sysctl};
use ipnet::IpNet;
use nix::errno::Errno;
use protocol::message::{Failure, MAX_ACTION};
use protocol::spec::{MacAddress, Mtu, Route};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// `IFA_F_NODAD` (linux/if_addr.h): usable at once. The ledger gives an address to one endpoint
/// only, and duplicate address detection would keep it silent for its first second or two.
const IFA_F_NODAD: u8 = 0x02;

/// What became of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What was refused, and whose it was, in the order of the steps.
    pub failures: Vec<(Owner, Failure)>,
    /// Links that vanished meanwhile: no error, to be observed again.
    pub vanished: BTreeSet<u32>,
    /// The steps that were done.
    pub done: Vec<Step>,
}

/// Carries out a plan's steps in their order. What is refused is noted and the rest goes on.
pub fn apply(netlink: &mut Netlink, sysfs: &Sysfs, plan: &Plan) -> Applied {
    let mut applied = Applied::default();
    for planned in &plan.steps {
        if applied.vanished.contains(&planned.step.link()) {
            continue;
        }
        match carry_out(netlink, sysfs, &planned.step) {
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

/// A failure with its text cut to what the protocol carries.
pub(crate) fn failure(mut action: String, errno: i32) -> Failure {
    action.truncate(action.floor_char_boundary(MAX_ACTION));
    Failure { action, errno }
}

fn carry_out(netlink: &mut Netlink, sysfs: &Sysfs, step: &Step) -> Result<(), Errno> {
    match step {
        Step::SetDown { link } => ask(netlink, &flags(*link, 0)),
        Step::SetUp { link } => ask(netlink, &flags(*link, libc::IFF_UP.cast_unsigned())),
        Step::Rename { link, name } => ask(netlink, &rename(*link, name)),
        Step::SetMac { link, mac } => ask(netlink, &mac_address(*link, *mac)),
        Step::SetMtu { link, mtu } => ask(netlink, &mtu_bytes(*link, *mtu)),
        Step::Mark { link } => ask(netlink, &group(*link, MARK)),
        Step::Unmark { link } => ask(netlink, &group(*link, 0)),
        Step::SetSysctl { name, sysctl, .. } => set_sysctl(sysfs, name, *sysctl),
        Step::AddAddress { link, address } => ask(netlink, &add_address(*link, *address)),
        Step::RemoveAddress { link, address } => {
            match ask(netlink, &remove_address(*link, *address)) {
                // Somebody else removed it first.
                Err(Errno::EADDRNOTAVAIL) => Ok(()),
                other => other,
            }
        }
        Step::AddRoute { link, route } => ask(netlink, &add_route(*link, route)),
        Step::RemoveRoute { link, route } => match ask(netlink, &remove_route(*link, route)) {
            // It went with its link's state or its source address.
            Err(Errno::ESRCH) => Ok(()),
            other => other,
        },
    }
}

impl Step {
    /// The index of the link that it touches.
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

fn ask(netlink: &mut Netlink, request: &Request) -> Result<(), Errno> {
    netlink.request(request).map_err(|error| match error {
        NetlinkError::Open(errno) | NetlinkError::Socket(errno) | NetlinkError::Refused(errno) => {
            errno
        }
        NetlinkError::Malformed(_) | NetlinkError::Restless => Errno::EPROTO,
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

/// `struct ifinfomsg` (linux/rtnetlink.h), all but the link left as it is.
fn link_request(link: u32, flags: u32, change: u32) -> Request {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&link.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..].copy_from_slice(&change.to_ne_bytes());
    Request::new(libc::RTM_NEWLINK, &fixed)
}

fn flags(link: u32, up: u32) -> Request {
    link_request(link, up, libc::IFF_UP.cast_unsigned())
}

fn rename(link: u32, name: &str) -> Request {
    let mut text = name.as_bytes().to_vec();
    text.push(0);
    link_request(link, 0, 0).attribute(libc::IFLA_IFNAME, &text)
}

fn mac_address(link: u32, mac: MacAddress) -> Request {
    link_request(link, 0, 0).attribute(libc::IFLA_ADDRESS, &mac.octets())
}

fn mtu_bytes(link: u32, mtu: Mtu) -> Request {
    link_request(link, 0, 0).number(libc::IFLA_MTU, mtu.into())
}

fn group(link: u32, group: u8) -> Request {
    link_request(link, 0, 0).number(libc::IFLA_GROUP, group.into())
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 2,  // AF_INET
        IpAddr::V6(_) => 10, // AF_INET6
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// `struct ifaddrmsg` (linux/if_addr.h).
fn address_request(kind: u16, link: u32, address: IpNet, flags: u8) -> Request {
    let ip = address.addr();
    let mut fixed = [family(ip), address.prefix_len(), flags, 0, 0, 0, 0, 0];
    fixed[4..].copy_from_slice(&link.to_ne_bytes());
    let bytes = octets(ip);
    Request::new(kind, &fixed)
        .attribute(libc::IFA_LOCAL, &bytes)
        .attribute(libc::IFA_ADDRESS, &bytes)
}

fn add_address(link: u32, address: IpNet) -> Request {
    let flags = match address {
        IpNet::V4(_) => 0,
        IpNet::V6(_) => IFA_F_NODAD,
    };
    let request = address_request(libc::RTM_NEWADDR, link, address, flags)
        .attribute(IFA_PROTO, &[MARK])
        .flags(NLM_F_CREATE | NLM_F_EXCL);
    match address {
        // RFC 3021: no broadcast address on a /31; a /32 has no subnet.
        IpNet::V4(net) if net.prefix_len() < 31 => {
            request.attribute(libc::IFA_BROADCAST, &net.broadcast().octets())
        }
        IpNet::V4(_) | IpNet::V6(_) => request,
    }
}

fn remove_address(link: u32, address: IpNet) -> Request {
    address_request(libc::RTM_DELADDR, link, address, 0)
}

/// `struct rtmsg` (linux/rtnetlink.h).
fn route_request(kind: u16, link: u32, route: &Route, scope: u8) -> Request {
    let destination = route.destination;
    let mut fixed = [0; 12];
    fixed[0] = family(destination.addr());
    fixed[1] = destination.prefix_len();
    fixed[4] = libc::RT_TABLE_MAIN;
    fixed[5] = MARK;
    fixed[6] = scope;
    fixed[7] = libc::RTN_UNICAST;
    let flags = if route.on_link { RTNH_F_ONLINK } else { 0 };
    fixed[8..].copy_from_slice(&flags.to_ne_bytes());
    let mut request = Request::new(kind, &fixed).number(libc::RTA_OIF, link);
    if destination.prefix_len() > 0 {
        request = request.attribute(libc::RTA_DST, &octets(destination.addr()));
    }
    if let Some(gateway) = route.gateway {
        request = request.attribute(libc::RTA_GATEWAY, &octets(gateway));
    }
    if let Some(source) = route.source {
        request = request.attribute(libc::RTA_PREFSRC, &octets(source));
    }
    request.number(libc::RTA_PRIORITY, route.metric)
}

fn add_route(link: u32, route: &Route) -> Request {
    // ip-route(8): what is on the link has link scope; IPv6 has no scopes.
    let scope = match (route.destination, route.gateway) {
        (IpNet::V4(_), None) => libc::RT_SCOPE_LINK,
        _ => libc::RT_SCOPE_UNIVERSE,
    };
    // Without EXCL an IPv4 route is put before others with the same metric, which stay; in IPv6 it
    // would be joined to them as one more next hop.
    let flags = match route.destination {
        IpNet::V4(_) => NLM_F_CREATE,
        IpNet::V6(_) => NLM_F_CREATE | NLM_F_EXCL,
    };
    route_request(libc::RTM_NEWROUTE, link, route, scope).flags(flags)
}

fn remove_route(link: u32, route: &Route) -> Request {
    // RT_SCOPE_NOWHERE matches any scope (fib_table_delete).
    route_request(libc::RTM_DELROUTE, link, route, libc::RT_SCOPE_NOWHERE)
}
