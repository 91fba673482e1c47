//! Makes the report for the coordinator.

use crate::apply::failure;
use crate::observe::{Link, LinkKind, Observed};
use crate::plan::{Outlook, Owner, Plan};
use protocol::message::{Failure, InterfaceReport, InterfaceState, LinkChange, LinkEvent};
use protocol::spec::{Interface, NetSpec};
use std::collections::BTreeMap;

/// Most link events kept until they are asked for: what is older is superseded by the reports.
const MAX_EVENTS: usize = 64;

type Refused = (Owner, Failure);

/// Returns the state of each interface of the spec, given that `plan` was made of `observed` after
/// the last step.
pub(super) fn interfaces(
    spec: &NetSpec,
    observed: &Observed,
    plan: &Plan,
    refused: &[Refused],
) -> Vec<InterfaceReport> {
    let interfaces = spec.parts().interfaces.iter().zip(&plan.outlooks);
    interfaces
        .map(|(interface, outlook)| match outlook {
            Outlook::Waiting => nothing(interface, InterfaceState::Waiting),
            Outlook::Unsupported(lacking) => {
                nothing(interface, InterfaceState::Unsupported(*lacking))
            }
            Outlook::Present { link, conflict } => {
                let owner = Owner::Interface(interface.name.clone());
                let failed = left_over(plan, &owner, refused).or_else(|| conflict.clone());
                let state = failed.map_or(InterfaceState::Up, InterfaceState::Failed);
                let routes = observed.routes_of(*link).filter(|r| r.ours);
                InterfaceReport {
                    mtu: observed.links.get(link).map_or(0, |l| l.mtu),
                    addresses: observed.addresses_of(*link).map(|a| a.net).collect(),
                    routes: routes.map(|r| r.route.clone()).collect(),
                    ..nothing(interface, state)
                }
            }
        })
        .collect()
}

/// Returns the failures that belong to no interface.
pub(super) fn guest_failures(plan: &Plan, refused: &[Refused]) -> Vec<Failure> {
    let mut owners: Vec<&Owner> = plan.steps.iter().map(|planned| &planned.owner).collect();
    owners.retain(|owner| !matches!(owner, Owner::Interface(_)));
    owners.dedup();
    let left_over = owners
        .into_iter()
        .map(|owner| left_over(plan, owner, refused));
    left_over.flatten().collect()
}

fn nothing(interface: &Interface, state: InterfaceState) -> InterfaceReport {
    InterfaceReport {
        name: interface.name.clone(),
        mac: interface.mac,
        state,
        mtu: 0,
        addresses: Vec::new(),
        routes: Vec::new(),
    }
}

/// Returns the failure of an owner's steps, if any are left: the kernel's first refusal, or else
/// the first step whose effect did not last.
fn left_over(plan: &Plan, owner: &Owner, refused: &[Refused]) -> Option<Failure> {
    let first = plan.steps.iter().find(|planned| planned.owner == *owner)?;
    let refused = refused.iter().find(|(of, _)| of == owner);
    Some(refused.map_or_else(|| failure(first.to_string(), 0), |(_, why)| why.clone()))
}

/// The links as seen last, and their events since.
#[derive(Debug, Default)]
pub(super) struct Links {
    seen: Option<BTreeMap<u32, (String, bool)>>,
    events: Vec<LinkEvent>,
}

impl Links {
    /// Compares with the links seen before, and notes events; the first look gives none.
    pub(super) fn see(&mut self, observed: &Observed) {
        let ethernet = observed
            .links
            .iter()
            .filter(|(_, l)| l.kind == LinkKind::Ethernet);
        let state = |l: &Link| (l.name.clone(), l.up && l.carrier);
        let now: BTreeMap<u32, (String, bool)> = ethernet.map(|(i, l)| (*i, state(l))).collect();
        if let Some(before) = self.seen.take() {
            for (index, (name, _)) in &before {
                if !now.contains_key(index) {
                    self.tell(name, LinkChange::Gone);
                }
            }
            for (index, (name, running)) in &now {
                let ran = before.get(index).map(|(_, ran)| *ran);
                if ran.is_none() {
                    self.tell(name, LinkChange::Appeared);
                }
                match (ran.unwrap_or(false), running) {
                    (false, true) => self.tell(name, LinkChange::Up),
                    (true, false) => self.tell(name, LinkChange::Down),
                    _ => {}
                }
            }
        }
        self.seen = Some(now);
    }

    pub(super) fn take_events(&mut self) -> Vec<LinkEvent> {
        std::mem::take(&mut self.events)
    }

    fn tell(&mut self, name: &str, change: LinkChange) {
        let Ok(name) = name.parse() else {
            // A name that the protocol does not carry is none that the coordinator gave.
            return;
        };
        if self.events.len() < MAX_EVENTS {
            self.events.push(LinkEvent { name, change });
        }
    }
}
