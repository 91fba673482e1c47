//! Plans routes.

use super::step::describe;
use super::{Draft, Outlook, Owner, Step};
use crate::observe::LinkRoute;
use protocol::spec::{Interface, Route};
use std::collections::{BTreeMap, BTreeSet};

/// `IP6_RT_PRIO_USER` of linux/ipv6_route.h: what the kernel makes of metric 0 in IPv6.
const V6_DEFAULT_METRIC: u32 = 1024;

/// The wanted routes, by link, each as the kernel will show it.
pub(super) type Wanted = BTreeMap<u32, Vec<Route>>;

/// Returns the routes that each present interface gets.
///
/// Of two routes to one destination with one metric the kernel follows the first that it was given, so that the
/// result would depend on the order: the interface that comes later in the spec does not get its own, and the report
/// says so.
pub(super) fn wanted(interfaces: &[Interface], draft: &mut Draft) -> Wanted {
    let mut wanted = Wanted::new();
    let mut seen: BTreeMap<_, (Route, String)> = BTreeMap::new();
    for (position, interface) in interfaces.iter().enumerate() {
        let Some(Outlook::Present { link, .. }) = draft.outlooks.get(position) else {
            continue;
        };
        let routes = wanted.entry(*link).or_default();
        let mut refused = Vec::new();
        for route in interface.routes.iter().map(as_shown) {
            let key = (route.destination, route.metric);
            match seen.get(&key) {
                None => {
                    let name = interface.name.as_str().to_owned();
                    seen.insert(key, (route.clone(), name));
                    routes.push(route);
                }
                Some((first, name)) if *first == route && name == interface.name.as_str() => {}
                Some((_, name)) => refused.push((route, name.clone())),
            }
        }
        for (route, holder) in refused {
            draft.conflict(position, refusal(&route, interface, &holder));
        }
    }
    wanted
}

/// Returns a route as the kernel will show it, with the values that it fills in or leaves out.
fn as_shown(route: &Route) -> Route {
    let mut shown = route.clone();
    shown.gateway = route.gateway.filter(|gateway| !gateway.is_unspecified());
    shown.on_link = route.on_link && shown.gateway.is_some();
    if route.metric == 0 && route.destination.addr().is_ipv6() {
        shown.metric = V6_DEFAULT_METRIC;
    }
    shown
}

fn refusal(route: &Route, interface: &Interface, holder: &str) -> String {
    let mut text = "add ".to_owned();
    // Writing into a String does not fail.
    let _ = describe(&mut text, route);
    let name = &interface.name;
    text + &format!(" on {name}: {holder} has one with the same metric")
}

/// Adds the removal of the agent's routes that are not wanted on a link.
pub(super) fn remove_unwanted(draft: &mut Draft, owner: &Owner, link: u32, wanted: &Wanted) {
    let kept: BTreeSet<&Route> = wanted.get(&link).into_iter().flatten().collect();
    let present: Vec<LinkRoute> = draft.observed.routes_of(link).cloned().collect();
    for LinkRoute { route, ours, .. } in present {
        if ours && !kept.contains(&route) {
            draft.push(owner, Step::RemoveRoute { link, route });
        }
    }
}

/// Adds the wanted routes that are missing: first those that make gateways reachable.
pub(super) fn add_missing(
    draft: &mut Draft,
    interfaces: &[Interface],
    present: &BTreeMap<usize, u32>,
    wanted: &Wanted,
) {
    for through_gateway in [false, true] {
        for (position, link) in present {
            let owner = Owner::Interface(interfaces[*position].name.clone());
            for route in wanted.get(link).into_iter().flatten() {
                let there = draft.observed.routes_of(*link).any(|r| r.route == *route);
                if route.gateway.is_some() == through_gateway && !there {
                    let (link, route) = (*link, route.clone());
                    draft.push(&owner, Step::AddRoute { link, route });
                }
            }
        }
    }
}
