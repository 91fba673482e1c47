//! The effect of a step on the kernel's state, as far as later steps depend on it.

use super::{Step, Sysctl};
use crate::observe::{Address, Link, LinkRoute, Observed};
use ipnet::IpNet;

/// Changes `observed` as the kernel would change by the step.
pub(super) fn take(observed: &mut Observed, step: &Step) {
    match step {
        Step::SetDown { link } => set_down(observed, *link),
        Step::SetUp { link } => edit(observed, *link, |l| l.up = true),
        Step::Rename { link, name } => edit(observed, *link, |l| l.name.clone_from(name)),
        Step::SetMac { link, mac } => edit(observed, *link, |l| l.mac = Some(*mac)),
        Step::SetMtu { link, mtu } => edit(observed, *link, |l| l.mtu = (*mtu).into()),
        Step::Mark { link } => edit(observed, *link, |l| l.marked = true),
        Step::Unmark { link } => edit(observed, *link, |l| l.marked = false),
        Step::SetSysctl { link, sysctl, .. } => edit(observed, *link, |l| {
            let is = match sysctl {
                Sysctl::RefuseRouterAdvertisements => &mut l.sysctls.refuses_router_advertisements,
                Sysctl::PromoteSecondaries => &mut l.sysctls.promotes_secondaries,
            };
            *is = Some(true);
        }),
        Step::AddAddress { link, address } => {
            observed.addresses.insert(Address {
                link: *link,
                net: *address,
                ours: true,
            });
        }
        Step::RemoveAddress { link, address } => remove_address(observed, *link, *address),
        Step::AddRoute { link, route } => {
            observed.routes.insert(LinkRoute {
                link: *link,
                route: route.clone(),
                ours: true,
            });
        }
        Step::RemoveRoute { link, route } => {
            let gone = |r: &LinkRoute| r.ours && r.link == *link && r.route == *route;
            observed.routes.retain(|r| !gone(r));
        }
    }
}

fn edit(observed: &mut Observed, link: u32, change: impl FnOnce(&mut Link)) {
    if let Some(link) = observed.links.get_mut(&link) {
        change(link);
    }
}

/// Drops a down link's routes and, as the kernel does unless told otherwise, its IPv6 addresses.
fn set_down(observed: &mut Observed, link: u32) {
    edit(observed, link, |l| {
        l.up = false;
        l.carrier = false;
    });
    observed.routes.retain(|route| route.link != link);
    let v6 = |address: &Address| matches!(address.net, IpNet::V6(_));
    observed.addresses.retain(|a| a.link != link || !v6(a));
}

fn remove_address(observed: &mut Observed, link: u32, address: IpNet) {
    let gone = |a: &Address| a.link == link && a.net == address;
    observed.addresses.retain(|a| !gone(a));
    let ip = address.addr();
    let elsewhere = observed.addresses.iter().any(|a| a.net.addr() == ip);
    match address {
        IpNet::V4(_) => {
            // With its source goes an IPv4 route; with a link's last address go all of them.
            let v4 = |a: &&Address| matches!(a.net, IpNet::V4(_));
            let last = observed.addresses_of(link).find(v4).is_none();
            observed.routes.retain(|r| {
                let on_bare_link = last && r.link == link && r.route.destination.addr().is_ipv4();
                let sourceless = r.route.source == Some(ip) && !elsewhere;
                !sourceless && !on_bare_link
            });
        }
        IpNet::V6(_) if elsewhere => {}
        IpNet::V6(_) => {
            // An IPv6 route stays and loses its source.
            let routes = std::mem::take(&mut observed.routes);
            observed.routes = routes
                .into_iter()
                .map(|mut route| {
                    route.route.source = route.route.source.filter(|source| *source != ip);
                    route
                })
                .collect();
        }
    }
}
