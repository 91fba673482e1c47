//! Properties of plans for any kernel state and any spec: the kernel takes every step, the result
//! is as wanted, and foreign objects are untouched.

use super::{address, interface, link, model, net, plan, route, settled, spec};
use crate::observe::{Address, LinkRoute, Observed};
use crate::plan::Step;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use protocol::spec::{Mtu, NetSpec, Route};
use std::collections::BTreeSet;

const NAMES: [&str; 5] = ["eth0", "eth1", "eth2", "ens3", "tn-9"];
const NICS: u8 = 4;

/// Addresses of a subnet that belongs to one interface, so that no two interfaces share one.
fn pool(owner: u8) -> [String; 4] {
    [
        format!("10.{owner}.0.2/24"),
        format!("10.{owner}.0.3/24"),
        format!("10.{owner}.0.2/16"),
        format!("fd0{owner}::2/64"),
    ]
}

fn routes_of(owner: u8) -> [Route; 4] {
    let gateway = format!("10.{owner}.0.1");
    let sourced = Route {
        source: Some(net(&pool(owner)[0]).addr()),
        ..route(&format!("172.{owner}.0.0/16"), Some(&gateway))
    };
    [
        route("0.0.0.0/0", Some(&gateway)),
        route(&format!("192.168.{owner}.0/24"), None),
        sourced,
        Route {
            metric: 1024,
            ..route("::/0", Some(&format!("fd0{owner}::1")))
        },
    ]
}

fn kernels() -> impl Strategy<Value = Observed> {
    let nic = (any::<[bool; 3]>(), 1..=NICS, any::<[[bool; 2]; 4]>());
    let names = Just(NAMES.to_vec()).prop_shuffle();
    (names, vec(nic, 0..=4), any::<[[bool; 2]; 4]>()).prop_map(|(names, nics, routed)| {
        let mut kernel = Observed::default();
        for (position, ([up, marked, renamed], mac, addressed)) in nics.into_iter().enumerate() {
            let index = 2 + u32::try_from(position).unwrap();
            let name = if renamed {
                names[position]
            } else {
                NAMES[position]
            };
            if kernel.links.values().any(|l| l.name == name) {
                continue;
            }
            let mut one = if marked {
                settled(name, mac)
            } else {
                link(name, mac)
            };
            (one.up, one.carrier) = (up, up);
            kernel.links.insert(index, one);
            for (text, [there, ours]) in pool(mac).iter().zip(addressed) {
                let v6 = text.starts_with("fd");
                if there && (up || !v6) {
                    kernel.addresses.insert(address(index, text, ours));
                }
            }
            let covered = |r: &Route, kernel: &Observed| {
                let addresses: Vec<&Address> = kernel.addresses_of(index).collect();
                let v4 = addresses.iter().any(|a| a.net.addr().is_ipv4());
                let reach = r
                    .gateway
                    .is_none_or(|g| addresses.iter().any(|a| a.net.contains(&g)));
                let sourced = r
                    .source
                    .is_none_or(|s| addresses.iter().any(|a| a.net.addr() == s));
                reach && sourced && (v4 || r.destination.addr().is_ipv6())
            };
            for (route, [there, ours]) in routes_of(mac).into_iter().zip(routed) {
                let taken = kernel
                    .routes
                    .iter()
                    .any(|r| r.route.destination == route.destination);
                if there && up && !taken && covered(&route, &kernel) {
                    let link = index;
                    kernel.routes.insert(LinkRoute { link, route, ours });
                }
            }
        }
        kernel
    })
}

fn specs() -> impl Strategy<Value = NetSpec> {
    let names = Just(NAMES[..4].to_vec()).prop_shuffle();
    let wanted = (
        btree_set(0_usize..4, 0..4),
        btree_set(0_usize..4, 0..4),
        any::<Option<bool>>(),
    );
    let macs: Vec<u8> = (1..=NICS).collect();
    (names, Just(macs).prop_shuffle(), vec(wanted, 0..=4)).prop_map(|(names, macs, wanted)| {
        let named = names.into_iter().zip(macs).zip(wanted);
        spec(named.map(|((name, owner), (addresses, routes, mtu))| {
            let pool = pool(owner);
            let addresses = addresses.into_iter().filter(|i| *i != 2);
            let texts: Vec<&str> = addresses.map(|i| pool[i].as_str()).collect();
            let mut one = interface(name, owner, &texts);
            one.mtu = mtu.map(|jumbo| Mtu::try_from(if jumbo { 9000 } else { 1500 }).unwrap());
            let fits = |r: &Route| {
                r.gateway
                    .is_none_or(|g| one.addresses.iter().any(|a| a.contains(&g)))
                    && r.source
                        .is_none_or(|s| one.addresses.iter().any(|a| a.addr() == s))
            };
            let all = routes_of(owner);
            let chosen = routes.into_iter().map(|i| all[i].clone());
            one.routes = chosen.filter(fits).collect();
            one
        }))
    })
}

/// Returns foreign addresses and routes; those that the kernel drops when a link goes down are left
/// out.
fn foreign(kernel: &Observed, down: &BTreeSet<u32>) -> (Vec<Address>, Vec<LinkRoute>) {
    let addresses = kernel.addresses.iter().filter(|a| !a.ours);
    let addresses = addresses.filter(|a| a.net.addr().is_ipv4() || !down.contains(&a.link));
    let routes = kernel
        .routes
        .iter()
        .filter(|r| !r.ours && !down.contains(&r.link));
    (addresses.cloned().collect(), routes.cloned().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_taken_arrives_and_touches_nothing_foreign(kernel in kernels(), wanted in specs()) {
        let first = plan(&kernel, &wanted, &[]);
        for planned in &first.steps {
            match &planned.step {
                Step::RemoveAddress { link, address } => prop_assert!(
                    kernel.addresses_of(*link).any(|a| a.net == *address && a.ours)
                ),
                Step::RemoveRoute { link, route } => prop_assert!(
                    kernel.routes_of(*link).any(|r| r.route == *route && r.ours)
                ),
                _ => {}
            }
        }
        let mut foreign_in_the_way = false;
        let after = match model::run(kernel.clone(), &first) {
            Ok(after) => after,
            // A foreign IPv6 route may be there already.
            Err(why) => {
                prop_assert!(why.starts_with("add route to ::/0") && why.ends_with("EEXIST"), "{why}");
                foreign_in_the_way = true;
                kernel.clone()
            }
        };
        if !foreign_in_the_way {
            let again = plan(&after, &wanted, &[]);
            prop_assert!(again.steps.is_empty(), "left over: {:?}", super::step_texts(&again));
            let down = first.steps.iter().filter_map(|p| match p.step {
                Step::SetDown { link } => Some(link),
                _ => None,
            });
            let down: BTreeSet<u32> = down.collect();
            let (addresses, routes) = foreign(&kernel, &down);
            let sourced = |r: &LinkRoute| r.route.source.is_some();
            let bare = |r: &LinkRoute| {
                let mut there = after.addresses_of(r.link);
                !there.any(|a| a.net.addr().is_ipv4())
            };
            for address in addresses {
                prop_assert!(after.addresses.contains(&address), "lost {address:?}");
            }
            // A route goes with its source or with its link's last address, whatever program set
            // it.
            for route in routes.into_iter().filter(|r| !sourced(r) && !bare(r)) {
                prop_assert!(after.routes.contains(&route), "lost {route:?}");
            }
        }
    }
}
