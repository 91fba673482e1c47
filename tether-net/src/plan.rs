//! Plans the steps that lead from the observed state of the kernel to the state that a spec demands.
//!
//! The module is pure: it has no clock and no socket, and leaves no choice to the code that carries out the steps.
//! Their order is one that the kernel accepts:
//!
//! 1. loopback is set up;
//! 2. links that the spec no longer has: the agent's routes and addresses are removed, the link is set down and
//!    unmarked;
//! 3. sysctls are set: router advertisements are refused, since only the coordinator configures the network; secondary
//!    addresses are promoted, since the kernel would otherwise remove all IPv4 addresses of a subnet with the first;
//! 4. the agent's routes that are no longer wanted are removed;
//! 5. links: down, name, MAC address, MTU, mark, up;
//! 6. addresses: new ones are added before old ones are removed, since with a link's last IPv4 address the kernel
//!    removes all of its IPv4 routes, whatever program added them;
//! 7. routes are added, those without a gateway first.
//!
//! A link's name and MAC address are changed while it is down. Kernels before 6.2 can't rename a link that is up, and
//! some drivers can't change its MAC address. Besides, the link gets the link-local address of its new MAC address only
//! when it is set up again; two clones of one VM must not have the same one.
//!
//! An object that already exists as wanted is kept, whatever program made it. Only objects with the agent's mark are
//! removed. When a link is set down, the kernel removes all its routes and IPv6 addresses, also those of other
//! programs. This happens only when a NIC gets its name or MAC address for the first time.

mod assign;
mod effect;
mod links;
mod routes;
mod step;
#[cfg(test)]
mod tests;

pub use step::{Owner, Planned, Step, Sysctl};

use crate::observe::{Link, LinkKind, Observed};
use ipnet::IpNet;
use protocol::message::{Capability, Failure};
use protocol::spec::{Addressing, Extension, FirewallLevel, Interface, NetSpec};
use std::collections::BTreeMap;

/// The steps that make the kernel's network agree with a [`NetSpec`], and the foreseen state of each of its interfaces.
/// It is only a value: [`apply`](crate::apply::apply) carries the steps out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps in the order in which they are carried out. Empty if the network already agrees with the spec.
    pub steps: Vec<Planned>,
    /// The foreseen state of each interface of the [`NetSpec`], in its order.
    pub outlooks: Vec<Outlook>,
}

/// What a plan can do for one interface of a [`NetSpec`], as known before its steps are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Nothing yet: the VM has no NIC for the interface.
    Waiting,
    /// Nothing: the interface needs this capability, which the agent lacks.
    Unsupported(Capability),
    /// The VM has the interface's NIC, and the plan configures it.
    Present {
        /// The index of the NIC's link.
        link: u32,
        /// The first part of the interface that the plan leaves out, since it is impossible: a name that another link
        /// has, or a route that another interface has with the same destination and metric. The rest is configured.
        /// `None` if the plan has all.
        conflict: Option<Failure>,
    },
}

/// Compares the observed state of the kernel with the network that the VM must have (`spec`), and returns the steps
/// that make them agree; it carries none of them out. `capabilities` are the optional features that this agent has. The
/// same arguments always give the same plan.
pub fn plan(observed: &Observed, spec: &NetSpec, capabilities: &[Capability]) -> Plan {
    let interfaces = &spec.parts().interfaces;
    let assigned = assign::assign(&observed.links, interfaces);
    let outlooks = interfaces.iter().zip(&assigned).map(|(interface, link)| {
        match (missing(interface, capabilities), link) {
            (Some(capability), _) => Outlook::Unsupported(capability),
            (None, None) => Outlook::Waiting,
            (None, Some(link)) => Outlook::Present {
                link: *link,
                conflict: None,
            },
        }
    });
    let mut draft = Draft {
        observed: observed.clone(),
        outlooks: outlooks.collect(),
        steps: Vec::new(),
    };
    let wanted = routes::wanted(interfaces, &mut draft);
    loopback(&mut draft);
    let released = release(&mut draft, &assigned);
    let present = draft.present();
    let asked = Extension::read(&spec.parts().extension).sysctls;
    sysctls(&mut draft, interfaces, &present, &asked);
    for (position, link) in &present {
        let owner = Owner::Interface(interfaces[*position].name.clone());
        routes::remove_unwanted(&mut draft, &owner, *link, &wanted);
    }
    links::settle(&mut draft, interfaces, &present, &released);
    for (position, link) in &present {
        addresses(&mut draft, *link, &interfaces[*position]);
    }
    routes::add_missing(&mut draft, interfaces, &present, &wanted);
    Plan {
        steps: draft.steps,
        outlooks: draft.outlooks,
    }
}

/// A plan in the making: what the kernel will have after the steps so far.
struct Draft {
    observed: Observed,
    outlooks: Vec<Outlook>,
    steps: Vec<Planned>,
}

impl Draft {
    fn push(&mut self, owner: &Owner, step: Step) {
        effect::take(&mut self.observed, &step);
        let owner = owner.clone();
        self.steps.push(Planned { owner, step });
    }

    /// Positions of the interfaces that have a NIC, and its link.
    fn present(&self) -> BTreeMap<usize, u32> {
        let link = |outlook: &Outlook| match outlook {
            Outlook::Present { link, .. } => Some(*link),
            Outlook::Waiting | Outlook::Unsupported(_) => None,
        };
        let numbered = self.outlooks.iter().enumerate();
        numbered.filter_map(|(i, o)| Some((i, link(o)?))).collect()
    }

    /// Notes what can't be done for an interface; the first one stays.
    fn conflict(&mut self, position: usize, action: String) {
        if let Some(Outlook::Present { conflict, .. }) = self.outlooks.get_mut(position) {
            conflict.get_or_insert(Failure {
                action,
                errno: libc::EEXIST,
            });
        }
    }

    fn link(&self, index: u32) -> Option<&Link> {
        self.observed.links.get(&index)
    }
}

/// Returns a capability that an interface needs and the agent lacks.
fn missing(interface: &Interface, capabilities: &[Capability]) -> Option<Capability> {
    let dhcp = (interface.addressing == Addressing::Dhcp).then_some(Capability::Dhcp);
    let firewall = (interface.firewall != FirewallLevel::Open).then_some(Capability::Firewall);
    let mut asked = dhcp.into_iter().chain(firewall);
    asked.find(|capability| !capabilities.contains(capability))
}

fn loopback(draft: &mut Draft) {
    let down = |(index, link): (&u32, &Link)| {
        (link.kind == LinkKind::Loopback && !link.up).then_some(*index)
    };
    if let Some(link) = draft.observed.links.iter().find_map(down) {
        draft.push(&Owner::Loopback, Step::SetUp { link });
    }
}

/// Takes the agent's work off the links that carry no interface any more, and says which they were.
fn release(draft: &mut Draft, assigned: &[Option<u32>]) -> Vec<u32> {
    let carries = |link: &u32| assigned.contains(&Some(*link));
    let others: Vec<u32> = draft.observed.links.keys().copied().collect();
    let mut released = Vec::new();
    for index in others.into_iter().filter(|link| !carries(link)) {
        let Some(link) = draft.link(index).cloned() else {
            continue;
        };
        let owner = Owner::Released(link.name.clone());
        let routes: Vec<_> = draft.observed.routes_of(index).cloned().collect();
        for route in routes.into_iter().filter(|r| r.ours) {
            let (link, route) = (index, route.route);
            draft.push(&owner, Step::RemoveRoute { link, route });
        }
        let addresses: Vec<_> = draft.observed.addresses_of(index).cloned().collect();
        for address in addresses.into_iter().filter(|a| a.ours) {
            let (link, address) = (index, address.net);
            draft.push(&owner, Step::RemoveAddress { link, address });
        }
        if link.marked {
            released.push(index);
            if link.up {
                draft.push(&owner, Step::SetDown { link: index });
            }
            draft.push(&owner, Step::Unmark { link: index });
        }
    }
    released
}

/// Adds the steps that set sysctls, except those that the container sets itself: see
/// [`crate::settings`].
fn sysctls(
    draft: &mut Draft,
    interfaces: &[Interface],
    present: &BTreeMap<usize, u32>,
    asked: &BTreeMap<String, String>,
) {
    for (position, index) in present {
        let Some(link) = draft.link(*index).cloned() else {
            continue;
        };
        let owner = Owner::Interface(interfaces[*position].name.clone());
        let unset = [
            (
                link.sysctls.refuses_router_advertisements,
                Sysctl::RefuseRouterAdvertisements,
            ),
            (
                link.sysctls.promotes_secondaries,
                Sysctl::PromoteSecondaries,
            ),
        ];
        let unset = unset.into_iter().filter(|(is, sysctl)| {
            let (family, key, _) = sysctl.parts();
            let name = &interfaces[*position].name;
            *is == Some(false) && !asked.contains_key(&format!("net/{family}/conf/{name}/{key}"))
        });
        for (_, sysctl) in unset {
            let (link, name) = (*index, link.name.clone());
            draft.push(&owner, Step::SetSysctl { link, name, sysctl });
        }
    }
}

fn addresses(draft: &mut Draft, link: u32, interface: &Interface) {
    let owner = Owner::Interface(interface.name.clone());
    let wanted = interface.addresses();
    let present = draft.observed.addresses_of(link).cloned();
    let old: Vec<IpNet> = present
        .filter(|a| a.ours && !wanted.contains(&a.net))
        .map(|a| a.net)
        .collect();
    // The kernel has an IPv6 address on a link once, whatever its prefix length.
    let in_the_way = |old: &IpNet| {
        let again = wanted.iter().any(|new| new.addr() == old.addr());
        matches!(old, IpNet::V6(_)) && again
    };
    let (first, last): (Vec<_>, Vec<_>) = old.into_iter().partition(in_the_way);
    for address in first {
        draft.push(&owner, Step::RemoveAddress { link, address });
    }
    for address in wanted.iter().copied() {
        if !draft.observed.addresses_of(link).any(|a| a.net == address) {
            draft.push(&owner, Step::AddAddress { link, address });
        }
    }
    for address in last {
        // Going down may have cost the link its IPv6 addresses.
        if draft.observed.addresses_of(link).any(|a| a.net == address) {
            draft.push(&owner, Step::RemoveAddress { link, address });
        }
    }
}
