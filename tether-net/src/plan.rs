//! Plans the steps from the observed state of the kernel to the state that a spec wants.
//!
//! Pure: no clock, no socket, no choice left to the code that carries it out. The steps come in an order in which the
//! kernel takes them:
//!
//! 1. loopback up;
//! 2. links that the spec no longer has: own routes and addresses away, down, mark off;
//! 3. sysctls: no router advertisements (the coordinator is the one who says what the network is,
//!    so nobody on the segment shall), secondaries promoted (else the kernel drops all IPv4
//!    addresses of a subnet with the first);
//! 4. own routes that are no longer wanted;
//! 5. link down, name, MAC, MTU, mark, up;
//! 6. addresses: new ones before old ones go, since with a link's last IPv4 address the kernel drops
//!    all its IPv4 routes, whatever program set them;
//! 7. routes, those without a gateway first.
//!
//! A name or a MAC is changed with the link down: kernels before 6.2 rename no other, some drivers
//! change the MAC of no other, and only going down and up again gives the link the link-local
//! address of its new MAC, by which two clones of one VM must differ.
//!
//! An object that exists and is equal counts, whatever program set it; only objects with the agent's mark are removed.
//! Going down costs the link all its routes and IPv6 addresses, foreign ones too: that is the
//! kernel's doing, and happens only when a NIC gets its name or MAC for the first time.

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

/// The steps to carry out, and their outcome for each interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps, each one kernel call.
    pub steps: Vec<Planned>,
    /// The outcome for each interface of the spec, in its order.
    pub outlooks: Vec<Outlook>,
}

/// The outcome of a plan for an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The interface's NIC does not exist.
    Waiting,
    /// The interface needs a capability that this agent lacks; nothing of it is changed.
    Unsupported(Capability),
    /// A NIC carries the interface.
    Present {
        /// The index of the NIC's link.
        link: u32,
        /// A part of the interface that can't be made, known before it is tried.
        conflict: Option<Failure>,
    },
}

/// Compares the kernel's state with the spec, for an agent with these capabilities; returns the
/// plan.
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
