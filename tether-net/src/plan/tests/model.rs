//! A model of the kernel: takes and refuses steps as Linux does, written apart from the plan's own model.

use crate::observe::{Address, LinkKind, LinkRoute, Observed};
use crate::plan::{Plan, Step, Sysctl};
use ipnet::IpNet;
use std::net::IpAddr;

/// Carries a plan's steps out; returns an error for the first step that the kernel would refuse.
pub fn run(mut kernel: Observed, plan: &Plan) -> Result<Observed, String> {
    for planned in &plan.steps {
        take(&mut kernel, &planned.step).map_err(|why| format!("{planned}: {why}"))?;
    }
    Ok(kernel)
}

fn take(kernel: &mut Observed, step: &Step) -> Result<(), &'static str> {
    let index = step.link();
    if !kernel.links.contains_key(&index) {
        return Err("ENODEV");
    }
    match step {
        Step::AddAddress { address, .. } => return add_address(kernel, index, *address),
        Step::RemoveAddress { address, .. } => return remove_address(kernel, index, *address),
        Step::AddRoute { route, .. } => {
            let route = LinkRoute {
                link: index,
                route: route.clone(),
                ours: true,
            };
            return add_route(kernel, route);
        }
        Step::RemoveRoute { route, .. } => {
            let gone = LinkRoute {
                link: index,
                route: route.clone(),
                ours: true,
            };
            return kernel.routes.remove(&gone).then_some(()).ok_or("ESRCH");
        }
        Step::Rename { name, .. } if kernel.links.values().any(|l| l.name == *name) => {
            return Err("EEXIST");
        }
        Step::SetDown { .. } => {
            kernel.routes.retain(|r| r.link != index);
            kernel
                .addresses
                .retain(|a| a.link != index || a.net.addr().is_ipv4());
        }
        _ => {}
    }
    let link = kernel.links.get_mut(&index).ok_or("ENODEV")?;
    match step {
        Step::SetDown { .. } => (link.up, link.carrier) = (false, false),
        Step::SetUp { .. } => (link.up, link.carrier) = (true, link.kind != LinkKind::Other),
        Step::Rename { .. } | Step::SetMac { .. } if link.up => return Err("EBUSY"),
        Step::Rename { name, .. } if name.len() > 15 => return Err("EINVAL"),
        Step::Rename { name, .. } => link.name.clone_from(name),
        Step::SetMac { mac, .. } => link.mac = Some(*mac),
        Step::SetMtu { mtu, .. } => link.mtu = (*mtu).into(),
        Step::Mark { .. } => link.marked = true,
        Step::Unmark { .. } => link.marked = false,
        Step::SetSysctl { name, .. } if *name != link.name => return Err("ENOENT"),
        Step::SetSysctl { sysctl, .. } => match sysctl {
            Sysctl::RefuseRouterAdvertisements => {
                link.sysctls.refuses_router_advertisements = Some(true);
            }
            Sysctl::PromoteSecondaries => link.sysctls.promotes_secondaries = Some(true),
        },
        _ => {}
    }
    Ok(())
}

fn add_address(kernel: &mut Observed, link: u32, net: IpNet) -> Result<(), &'static str> {
    let same = |a: &Address| {
        a.link == link && (a.net == net || net.addr().is_ipv6() && a.net.addr() == net.addr())
    };
    if kernel.addresses.iter().any(same) {
        return Err("EEXIST");
    }
    let ours = true;
    kernel.addresses.insert(Address { link, net, ours });
    Ok(())
}

fn remove_address(kernel: &mut Observed, link: u32, net: IpNet) -> Result<(), &'static str> {
    let before = kernel.addresses.len();
    kernel.addresses.retain(|a| a.link != link || a.net != net);
    if kernel.addresses.len() == before {
        return Err("EADDRNOTAVAIL");
    }
    let ip = net.addr();
    let elsewhere = kernel.addresses.iter().any(|a| a.net.addr() == ip);
    let bare = !kernel
        .addresses
        .iter()
        .any(|a| a.link == link && a.net.addr().is_ipv4());
    let routes = std::mem::take(&mut kernel.routes);
    for mut route in routes {
        let sourced = route.route.source == Some(ip) && !elsewhere;
        let on_bare = bare && route.link == link;
        match route.route.destination.addr() {
            IpAddr::V4(_) if sourced || on_bare => continue,
            IpAddr::V6(_) if sourced => route.route.source = None,
            _ => {}
        }
        kernel.routes.insert(route);
    }
    Ok(())
}

fn add_route(kernel: &mut Observed, new: LinkRoute) -> Result<(), &'static str> {
    let link = kernel.links.get(&new.link).ok_or("ENODEV")?;
    if !link.up {
        return Err("ENETDOWN");
    }
    let reachable = |gateway: IpAddr| {
        new.route.on_link
            || kernel
                .addresses
                .iter()
                .any(|a| a.link == new.link && a.net.contains(&gateway))
            || kernel.routes.iter().any(|r| {
                r.link == new.link
                    && r.route.gateway.is_none()
                    && r.route.destination.contains(&gateway)
            })
    };
    if new.route.gateway.is_some_and(|gateway| !reachable(gateway)) {
        return Err("ENETUNREACH");
    }
    let local = |ip: IpAddr| kernel.addresses.iter().any(|a| a.net.addr() == ip);
    if new.route.source.is_some_and(|source| !local(source)) {
        return Err("EINVAL");
    }
    let key = |r: &LinkRoute| (r.route.destination, r.route.metric);
    let v6 = new.route.destination.addr().is_ipv6();
    let twin =
        |r: &LinkRoute| key(r) == key(&new) && (v6 || (r.link, &r.route) == (new.link, &new.route));
    if kernel.routes.iter().any(twin) {
        return Err("EEXIST");
    }
    kernel.routes.insert(new);
    Ok(())
}
