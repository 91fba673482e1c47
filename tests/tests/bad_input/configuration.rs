//! Configurations that cannot be, and stores that another coordinator has: a coordinator does not start with them.

use crate::{SOON, everything, refused};
use lab::{Coordinator, Lab, Need, Process, Topology, paths, prerequisites};
use std::process::Command;

/// Returns the message of a coordinator that does not start with this configuration; the kinds of network that it
/// does not declare are the topology's.
fn does_not_start(lab: &Lab, vch: &lab::Namespace, config: &str) -> String {
    does_not_start_with(lab, vch, &(config.to_owned() + &Topology::tables(config)))
}

/// The same with exactly this file.
fn does_not_start_with(lab: &Lab, vch: &lab::Namespace, config: &str) -> String {
    let path = lab.path("bad.toml");
    std::fs::write(&path, config).unwrap();
    let log = std::fs::File::create(lab.path("bad.log")).unwrap();
    let mut command = Command::new(paths::built("vch-coordinator").unwrap());
    command.arg("--config").arg(&path).stderr(log);
    let mut process: Process = vch.spawn("second coordinator", command).unwrap();
    let status = process.wait_within(SOON).unwrap();
    assert_eq!(status.code(), Some(1));
    lab.read("bad.log")
}

#[test]
fn a_second_coordinator_on_a_store_names_the_first_and_disturbs_nothing() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("twice").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let before = everything(&vch);
    let config = std::fs::read_to_string(vch.dir().join("vch.toml")).unwrap();
    let said = does_not_start(&lab, &topology.vch, &config);
    let pid = format!(
        "in use by process {} (vch-coordinator):",
        vch.pid().unwrap()
    );
    assert!(said.contains(&pid), "{said}");
    assert!(
        said.contains(vch.dir().join("state").to_str().unwrap()),
        "{said}"
    );
    assert!(said.contains("vch.state_dir"), "{said}");
    assert_eq!(everything(&vch), before);
}

#[test]
fn a_configuration_that_cannot_be_is_refused_by_file_line_field_value_and_remedy() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("config").unwrap();
    let topology = lab.topology().unwrap();
    for (config, wanted) in [
        (
            "[bridge]\npools = [{ base = \"10.0.0.0/8\", size = 16 },\n{ base = \"10.3.0.0/16\", size = 24 }]\n",
            "bad.toml:3: `bridge.pools` cannot be `10.3.0.0/16 in subnets of /24`: it overlaps with pool 10.0.0.0/8",
        ),
        (
            "\n[dns]\nthread = 2\n",
            "bad.toml:3: unknown field `thread`",
        ),
        (
            "[dns]\nthreads = 0\n",
            "bad.toml:2: `dns.threads` cannot be `0`: use 1 to 64",
        ),
        ("[dns]\nthreads = \"x\"\n", "in `threads = \"x\"`"),
        ("[vch\n", "bad.toml:1: "),
    ] {
        let said = does_not_start(&lab, &topology.vch, config);
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn a_vch_that_lacks_a_kind_of_network_is_told_which() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("kinds").unwrap();
    let topology = lab.topology().unwrap();
    for (kind, headers) in [
        ("management", "[docker_endpoint][[external]][bridge]"),
        ("docker_endpoint", "[management][[external]][bridge]"),
        ("external", "[management][docker_endpoint][bridge]"),
        ("bridge", "[management][docker_endpoint][[external]]"),
    ] {
        // All tables less those of the other kinds: this one's alone.
        let own = Topology::tables(headers);
        let config = Topology::tables("").replace(&own, "");
        let said = does_not_start_with(&lab, &topology.vch, &config);
        let wanted = format!("bad.toml: `{kind}` is missing: ");
        assert!(said.contains(&wanted), "{said}");
    }
}

#[test]
fn a_vch_that_is_not_as_its_configuration_says_is_told_the_difference() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("links").unwrap();
    let topology = lab.topology().unwrap();
    let config = Topology::tables("");
    let elsewhere = config.replace("\"192.0.2.2\"", "\"192.0.2.9\"");
    let said = does_not_start(&lab, &topology.vch, &elsewhere);
    let wanted = "`management.address` cannot be `192.0.2.9`: management bears 192.0.2.2/24, ";
    assert!(said.contains(wanted), "{said}");
    assert!(
        said.contains("`ip address add 192.0.2.9/PREFIX dev management`"),
        "{said}"
    );

    topology
        .vch
        .ip("address delete 208.91.3.3/24 dev production")
        .unwrap();
    let said = does_not_start(&lab, &topology.vch, &config);
    let wanted = "`external.subnets.address` of vic-production cannot be `208.91.3.3`: production bears 2001:db8:3::3/64";
    assert!(said.contains(wanted), "{said}");
    assert!(
        said.contains("`ip address add 208.91.3.3/24 dev production`"),
        "{said}"
    );

    topology.vch.ip("link delete production").unwrap();
    let said = does_not_start(&lab, &topology.vch, &config);
    let wanted = "`external.interface` of vic-production cannot be `production`: there is no such link: make it first, \
        or write one of endpoint, external, external-up, management, production-up";
    assert!(said.contains(wanted), "{said}");

    // The remedies are what they say.
    topology.vch.ip("link add production type bridge").unwrap();
    topology
        .vch
        .ip("address add 208.91.3.3/24 dev production")
        .unwrap();
    topology
        .vch
        .ip("address add 2001:db8:3::3/64 dev production")
        .unwrap();
    Coordinator::start(&lab, &topology.vch).unwrap();
}

#[test]
fn a_pool_on_a_route_of_the_host_gives_what_is_free_and_says_when_nothing_is() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("overlap").unwrap();
    let topology = lab.topology().unwrap();
    let route = format!("route add 10.1.0.0/16 via {}", Topology::GATEWAY);
    topology.vch.ip(&route).unwrap();
    // Of the four subnets of the pool one has that route, one the external network 10.2.0.0/16 and one the default bridge.
    let pools = "[bridge]\npools = [{ base = \"10.0.0.0/14\", size = 16 }]";
    let vch = Coordinator::start_with(&lab, &topology.vch, pools).unwrap();
    let made = vch.ask("network create one").unwrap();
    let subnet = made["subnets"][0]["subnet"].as_str().unwrap();
    assert!(["10.0.0.0/16", "10.3.0.0/16"].contains(&subnet), "{subnet}");
    let said = refused(&vch, "network create two");
    assert!(said.contains("add a pool to the configuration"), "{said}");
    let said = refused(&vch, "network create two --subnet 10.1.7.0/24");
    assert!(
        said.contains("overlaps the VCH's route to 10.1.0.0/16: choose another"),
        "{said}"
    );
    let said = refused(&vch, "network create two --subnet 10.2.7.0/24");
    assert!(
        said.contains("overlaps 10.2.0.0/16 of network default-external"),
        "{said}"
    );
}
