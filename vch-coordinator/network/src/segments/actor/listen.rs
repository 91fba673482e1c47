//! Handles the kernel's events. An event says which link is in doubt, and reading the link says
//! what it is like. Events of the VCH's own changes arrive too; a link that is found as it was
//! asked for is not reported.

use super::Actor;
use crate::segments::{
    SegmentError,
    events::SegmentEvent,
    observed::Observed,
    plan::{plan, plan_bridge, plan_port},
    routes::{Route, Table},
    step::Step,
};
use netlink_packet_route::route::RouteMessage;
use nix::net::if_::if_nametoindex;
use protocol::spec::InterfaceName;
use std::{collections::BTreeSet, io};
use tokio::time::{Duration, Instant};

/// Events come in bursts, several for one change: from the first on, this long is waited for the
/// others.
const SETTLE: Duration = Duration::from_millis(100);

/// The links that events have put in doubt.
#[derive(Default)]
pub(super) struct LinkDrift {
    since: Option<Instant>,
    links: BTreeSet<InterfaceName>,
    routes: bool,
    everything: bool,
}

impl LinkDrift {
    /// Returns when to read the links in doubt; `None` if there are none.
    pub(super) fn settle_at(&self) -> Option<Instant> {
        self.since.map(|since| since + SETTLE)
    }

    /// Returns whether single events matter: after lost events everything is read again.
    pub(super) fn heeds_events(&self) -> bool {
        !self.everything
    }

    fn doubt(&mut self, what: impl FnOnce(&mut Self)) {
        self.since.get_or_insert_with(Instant::now);
        what(self);
    }
}

impl Actor {
    pub(super) fn hear(&mut self, events: io::Result<Vec<SegmentEvent>>) {
        match events {
            Ok(events) => events.into_iter().for_each(|event| self.note(event)),
            Err(error) => {
                tracing::warn!(%error, "the kernel's events were lost: looking at everything again");
                self.drift.doubt(|drift| drift.everything = true);
            }
        }
    }

    fn note(&mut self, event: SegmentEvent) {
        match event {
            SegmentEvent::Link(name, link) => {
                if self.kernel.owner.owns(link.group) {
                    let before = self.own.insert(link.index, name.clone());
                    // Renamed: the old name misses its link.
                    if let Some(before) = before.filter(|before| *before != name) {
                        self.doubt_link(&before);
                    }
                } else if let Some(before) = self.own.remove(&link.index) {
                    self.doubt_link(&before);
                } else if !link.up {
                    self.routes.change(|table| table.remove_link(link.index));
                }
                self.doubt_link(&name);
            }
            SegmentEvent::LinkGone(index) => match self.own.remove(&index) {
                Some(name) => self.doubt_link(&name),
                None => self.routes.change(|table| table.remove_link(index)),
            },
            // What is read here is told of too.
            SegmentEvent::LimitChanged { by, .. } if by == self.kernel.port() => {}
            SegmentEvent::PortChanged(index) | SegmentEvent::LimitChanged { index, .. } => {
                if let Some(name) = self.own.get(&index) {
                    self.doubt_link(&name.clone());
                }
            }
            SegmentEvent::AddressChanged(index) => match self.own.get(&index) {
                Some(name) => self.doubt_link(&name.clone()),
                // With an address go the routes that have it as source, and the kernel says nothing.
                None => self.drift.doubt(|drift| drift.routes = true),
            },
            SegmentEvent::Route { route, replaces } => self.note_route(&route, |table, route| {
                if replaces {
                    table.replace(route);
                } else {
                    table.insert(route);
                }
                true
            }),
            SegmentEvent::RouteGone(route) => {
                self.note_route(&route, |table, route| table.remove(&route));
            }
        }
    }

    fn note_route(
        &mut self,
        message: &RouteMessage,
        change: impl FnOnce(&mut Table, Route) -> bool,
    ) {
        let Some(route) = Route::parse(message).filter(|route| self.is_host_route(route)) else {
            return;
        };
        // A route over several links is told of in parts that don't add up to what a dump shows.
        let fits =
            !Route::is_multipath(message) && self.routes.change(|table| change(table, route));
        if !fits {
            self.drift.doubt(|drift| drift.routes = true);
        }
    }

    fn is_host_route(&self, route: &Route) -> bool {
        !route
            .way
            .link
            .is_some_and(|link| self.own.contains_key(&link))
    }

    fn doubt_link(&mut self, name: &InterfaceName) {
        let name = self.limited_by(name).clone();
        if self.wanted.bridges.contains_key(&name) || self.wanted.ports.contains_key(&name) {
            self.drift.doubt(|drift| {
                drift.links.insert(name);
            });
        }
    }

    /// Reads the links in doubt, and reports to watches those that differ from what was asked for.
    pub(super) async fn settle(&mut self) {
        let doubts = std::mem::take(&mut self.drift);
        if let Err(error) = self.look_again(&doubts).await {
            tracing::warn!(%error, "could not look at what changed: trying again");
            self.drift.doubt(|drift| drift.everything = true);
        }
    }

    async fn look_again(&mut self, doubts: &LinkDrift) -> Result<(), SegmentError> {
        if doubts.routes || doubts.everything {
            self.learn_routes().await?;
        }
        let mut wrong = BTreeSet::new();
        if doubts.everything {
            let observed = self.kernel.observe(self.wanted.ports.values()).await?;
            self.learn_links(&observed);
            let plan = plan(self.kernel.owner, &observed, &self.wanted);
            let links = plan.steps.iter().filter_map(Step::link);
            let links = links.chain(plan.refused.keys());
            wrong.extend(links.map(|link| self.limited_by(link).clone()));
        } else {
            for name in &doubts.links {
                if !self.is_as_wanted(name).await? {
                    wrong.insert(name.clone());
                }
            }
        }
        let is_wanted =
            |n: &_| self.wanted.bridges.contains_key(n) || self.wanted.ports.contains_key(n);
        wrong.retain(is_wanted);
        self.disturbed.send_if_modified(|disturbed| {
            disturbed.retain(|name| !doubts.everything && !doubts.links.contains(name));
            let news = !wrong.is_empty();
            disturbed.append(&mut wrong);
            news
        });
        Ok(())
    }

    async fn is_as_wanted(&mut self, name: &InterfaceName) -> Result<bool, SegmentError> {
        let owner = self.kernel.owner;
        let mut right = true;
        if let Some(bridge) = self.wanted.bridges.get(name) {
            let observed = self.kernel.observe_bridge(bridge).await?;
            right &= plan_bridge(owner, &observed, bridge).is_ok_and(|steps| steps.is_empty());
        }
        if let Some(port) = self.wanted.ports.get(name) {
            let observed = self.kernel.observe_port(port, false).await?;
            right &= plan_port(owner, &observed, port, false).is_ok_and(|steps| steps.is_empty());
        }
        Ok(right)
    }

    pub(super) fn learn_links(&mut self, observed: &Observed) {
        let owner = self.kernel.owner;
        let links = observed.links.iter();
        let own = links.filter(|(_, link)| owner.owns(link.group));
        self.own = own.map(|(name, link)| (link.index, name.clone())).collect();
    }

    /// Notes the index of a link that was just created. The kernel's event about it may arrive after a list of all
    /// routes, whose routes by this link would then be taken for the host's own.
    pub(super) fn learn_created(&mut self, name: &InterfaceName) {
        // One that is gone again has no routes.
        if let Ok(index) = if_nametoindex(name.as_str()) {
            self.own.insert(index, name.clone());
        }
    }

    /// Reads the host's routes from the kernel, for the decisions of the ledger.
    ///
    /// # Errors
    /// Returns [`SegmentError`] if the kernel refuses to list them.
    pub(super) async fn learn_routes(&mut self) -> Result<(), SegmentError> {
        let messages = self.kernel.routes().await?;
        let routes = messages.iter().filter_map(Route::parse);
        let table = Table::of(routes.filter(|route| self.is_host_route(route)));
        self.routes.change(|current| *current = table);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
