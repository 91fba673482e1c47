//! What bridge networks promise, on packets: names and addresses inside, a way out, and nothing between them.

use std::net::IpAddr;
use std::time::Duration;

use lab::{Coordinator, Lab, Member, Need, Topology, prerequisites};

const SOON: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(2);
/// Long enough for an answer that must not come.
const NONE: Duration = Duration::from_secs(1);

#[test]
fn containers_reach_their_network_and_the_world_but_no_other_bridge() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("bridges").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    for network in ["web", "store", "inside --internal"] {
        vch.vchctl(&format!("network create {network}")).unwrap();
    }
    let member = |name: &str, networks: &[&str]| Member::start(&lab, &vch, name, networks).unwrap();
    let one = member("one", &["web --alias www"]);
    let two = member("two", &["web --alias www"]);
    let other = member("other", &["store"]);
    let hidden = member("hidden", &["inside"]);
    let peer = member("peer", &["inside"]);
    for container in ["one", "two", "other", "hidden", "peer"] {
        vch.ready(container, SOON).unwrap();
    }
    let address = |member: &Member, network: &str| member.address(&vch, network).unwrap();
    let reaches = |from: &Member, to: IpAddr| from.reaches(to, ANSWER).unwrap();
    let silent = |from: &Member, to: IpAddr| !from.reaches(to, NONE).unwrap();

    // Names, and what they name.
    let of_two = address(&two, "web");
    assert_eq!(one.resolve("two").unwrap(), [of_two.to_string()]);
    assert_eq!(one.resolve("www").unwrap().len(), 2, "both bear the alias");
    let reverse = one.resolve(&format!("-x {of_two}")).unwrap();
    assert_eq!(reverse, ["two.web."]);
    assert_eq!(other.resolve("two").unwrap(), [""; 0], "names are scoped");
    assert!(reaches(&one, of_two));

    // The world, by the VCH's address alone: BEYOND has no way back to a bridge.
    let beyond = IpAddr::from(Topology::BEYOND);
    assert!(reaches(&one, beyond) && reaches(&other, beyond));

    // Each closed way has an open one beside it, tried by the same sender.
    assert!(silent(&other, of_two) && silent(&one, address(&other, "store")));
    assert!(silent(&hidden, beyond) && silent(&hidden, of_two));
    assert!(silent(&one, address(&hidden, "inside")));
    assert!(reaches(&hidden, address(&peer, "inside")));

    // The rules outlive the process, and what they let through goes on.
    let mut vch = vch;
    vch.kill().unwrap();
    assert!(reaches(&one, of_two) && reaches(&one, beyond));
    assert!(silent(&other, of_two));
    vch.restart().unwrap();
    assert!(!vch.log().contains("made anew"), "{}", vch.log());
    for container in ["one", "hidden"] {
        vch.ready(container, SOON).unwrap();
    }
    assert_eq!(one.resolve("two").unwrap(), [of_two.to_string()]);
    assert!(reaches(&one, beyond) && silent(&hidden, beyond));
}

#[test]
fn a_container_on_two_networks_reaches_both_and_joins_neither_to_the_other() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("two").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    vch.vchctl("network create store --subnet 10.77.0.0/24 --subnet fd77::/64")
        .unwrap();
    let member = |name: &str, networks: &[&str]| Member::start(&lab, &vch, name, networks).unwrap();
    let both = member("both", &["web", "store --ip 10.77.0.9"]);
    let web = member("left", &["web"]);
    let store = member("right", &["store"]);
    for container in ["both", "left", "right"] {
        vch.ready(container, SOON).unwrap();
    }
    let of_web = web.address(&vch, "web").unwrap();
    let of_store = store.address(&vch, "store").unwrap();
    assert_eq!(
        both.address(&vch, "store").unwrap().to_string(),
        "10.77.0.9"
    );
    for (name, to) in [("left", of_web), ("right", of_store)] {
        assert!(
            both.resolve(name).unwrap().contains(&to.to_string()),
            "{name}"
        );
        assert!(both.reaches(to, ANSWER).unwrap(), "{name}");
    }
    let six = both.resolve("right AAAA").unwrap();
    assert_eq!(six.len(), 1, "a v6 subnet gives a v6 address");
    assert!(both.reaches(six[0].parse().unwrap(), ANSWER).unwrap());
    assert!(!web.reaches(of_store, NONE).unwrap());

    // Disconnected: its names and its link go, the rest stays.
    vch.vchctl("container disconnect both store").unwrap();
    assert_eq!(store.resolve("both").unwrap(), [""; 0]);
    assert!(!both.reaches(of_store, NONE).unwrap());
    assert!(both.reaches(of_web, ANSWER).unwrap());
}
