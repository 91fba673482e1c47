//! What the kernel and the name server must have for what the API shows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use lab::{Asker, Topology};
use serde_json::Value;

const ANSWER: Duration = Duration::from_secs(1);

/// Returns a message for each difference of the kernel from the models.
pub fn differences(topology: &Topology, networks: &Value, containers: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |what: &str, wanted: &BTreeSet<String>, there: &BTreeSet<String>| {
        let (missing, excess): (Vec<_>, Vec<_>) = (
            wanted.difference(there).collect(),
            there.difference(wanted).collect(),
        );
        if !missing.is_empty() || !excess.is_empty() {
            found.push(format!("{what}: missing {missing:?}, left over {excess:?}"));
        }
    };
    let wanted = Wanted::of(networks, containers);
    tell("links", &wanted.links, &links(topology));
    tell("gateways", &wanted.gateways, &gateways(topology));
    let sets = sets(topology);
    let none = BTreeSet::new();
    for (set, elements) in [
        ("bridges", &wanted.bridges),
        ("macs", &wanted.macs),
        ("published_default4", &wanted.published),
    ] {
        tell(set, elements, sets.get(set).unwrap_or(&none));
    }
    found.extend(names(topology, networks, containers));
    found
}

/// Each thing as a line.
#[derive(Default)]
struct Wanted {
    links: BTreeSet<String>,
    gateways: BTreeSet<String>,
    bridges: BTreeSet<String>,
    macs: BTreeSet<String>,
    published: BTreeSet<String>,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn bare(net: &Value) -> &str {
    text(net).split('/').next().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Wanted {
    fn of(networks: &Value, containers: &Value) -> Self {
        let mut wanted = Self::default();
        let mut carriers = BTreeMap::new();
        for network in list(networks) {
            let link = text(&network["link"]);
            carriers.insert(text(&network["name"]), link);
            if network["driver"] == "bridge" {
                wanted.links.insert(format!("{link} alone"));
                wanted.bridges.insert(link.to_owned());
                for subnet in list(&network["subnets"]) {
                    let (_, length) = text(&subnet["subnet"]).split_once('/').unwrap_or_default();
                    wanted
                        .gateways
                        .insert(format!("{link} {}/{length}", text(&subnet["gateway"])));
                }
            }
        }
        for container in list(containers) {
            for (network, one) in container["endpoints"].as_object().into_iter().flatten() {
                let carrier = carriers.get(network.as_str()).copied().unwrap_or_default();
                let (link, mac) = (text(&one["link"]), text(&one["mac"]));
                wanted.links.insert(format!("{link} on {carrier}"));
                wanted.macs.insert(format!("{link} {mac}"));
            }
            for binding in list(&container["bindings"]) {
                let network = text(&binding["network"]);
                let address = bare(&container["endpoints"][network]["addresses"][0]);
                let (host, port) = (&binding["host_port"], &binding["container_port"]);
                wanted
                    .published
                    .insert(format!("tcp {host} {address} {port}"));
            }
        }
        wanted
    }
}

fn json(topology: &Topology, program: &str, words: &str) -> Value {
    let mut command = Command::new(program);
    command.args(words.split(' '));
    let output = topology.vch.output(command).unwrap();
    assert!(output.status.success(), "{program} {words}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Ours: known by their names.
fn is_ours(link: &str) -> bool {
    ["br-", "vt-", "vch-shared"]
        .iter()
        .any(|ours| link.starts_with(ours))
}

fn links(topology: &Topology) -> BTreeSet<String> {
    let all = json(topology, "ip", "-j link show");
    let ours = list(&all).filter(|one| is_ours(text(&one["ifname"])));
    ours.map(|one| match text(&one["master"]) {
        "" => format!("{} alone", text(&one["ifname"])),
        master => format!("{} on {master}", text(&one["ifname"])),
    })
    .collect()
}

fn gateways(topology: &Topology) -> BTreeSet<String> {
    let all = json(topology, "ip", "-j -4 address show");
    let ours = list(&all).filter(|one| is_ours(text(&one["ifname"])));
    ours.flat_map(|one| {
        let name = text(&one["ifname"]);
        list(&one["addr_info"]).map(move |address| {
            format!(
                "{name} {}/{}",
                text(&address["local"]),
                address["prefixlen"]
            )
        })
    })
    .collect()
}

/// The elements of each set and map, each as its words.
fn sets(topology: &Topology) -> BTreeMap<String, BTreeSet<String>> {
    let all = json(topology, "nft", "-j list ruleset");
    let sets = list(&all["nftables"]).filter_map(|one| one.get("set").or(one.get("map")));
    // Addresses whose flows are counted: the kernel's own.
    let sets = sets.filter(|set| !text(&set["name"]).starts_with("begun"));
    sets.map(|set| {
        let elements = list(&set["elem"]).map(|element| {
            let mut words = Vec::new();
            gather(element, &mut words);
            words.join(" ")
        });
        (text(&set["name"]).to_owned(), elements.collect())
    })
    .collect()
}

fn gather(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::String(text) => words.push(text.clone()),
        Value::Number(number) => words.push(number.to_string()),
        Value::Array(list) => list.iter().for_each(|one| gather(one, words)),
        Value::Object(fields) => fields.values().for_each(|one| gather(one, words)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Names of who runs answer with their addresses, names of who does not, do not.
fn names(topology: &Topology, networks: &Value, containers: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for network in list(networks).filter(|one| one["driver"] == "bridge") {
        let name = text(&network["name"]);
        let gateway = text(&network["subnets"][0]["gateway"]).parse().unwrap();
        let mut asker = Asker::of(&topology.vch, gateway, ANSWER).unwrap();
        for container in list(containers) {
            let own = text(&container["name"]);
            let endpoint = &container["endpoints"][name];
            let here = container["running"] == true && endpoint.is_object();
            let wanted: Vec<Ipv4Addr> = here
                .then(|| bare(&endpoint["addresses"][0]).parse().unwrap())
                .into_iter()
                .collect();
            let answer = asker.addresses(own);
            if answer.as_ref() != Some(&wanted) {
                found.push(format!(
                    "{own} on {name}: wanted {wanted:?}, answered {answer:?}"
                ));
            }
        }
    }
    found
}
