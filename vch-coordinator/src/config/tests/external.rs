//! External networks: which are accepted, and which are refused with field, value and remedy.

use super::{parse, refusal};
use protocol::spec::FirewallLevel;
use vch_ledger::{ExternalAddressing, ExternalNetwork};

/// Returns the table of one network, with the lines in `more` appended.
fn network(name: &str, interface: &str, subnets: &str, more: &str) -> String {
    format!(
        "[[external]]\nname = \"{name}\"\ninterface = \"{interface}\"\nsubnets = [{subnets}]\n{more}\n"
    )
}

const SUBNET: &str = "{ subnet = \"10.2.0.0/16\", address = \"10.2.0.2\" }";
const OTHER: &str = "{ subnet = \"208.91.3.0/24\", address = \"208.91.3.3\" }";

fn taken(text: &str) -> Vec<ExternalNetwork> {
    parse(text).expect("valid").externals
}

#[test]
fn both_networks_of_the_use_cases_can_be_declared() {
    let subnets = "{ subnet = \"10.2.0.0/16\", gateway = \"10.2.0.1\", address = \"10.2.0.2\", \
        ranges = [\"10.2.1.0/24\", \"10.2.2.10-10.2.2.20\"] }, { subnet = \"2001:db8:2::/64\" }";
    let first = network("default-external", "ext", subnets, "dns = [\"10.2.0.53\"]");
    let more = "addressing = \"dhcp\"\nlevel = \"closed\"\npublished = false";
    let subnet = "{ subnet = \"208.91.3.0/24\", gateway = \"208.91.3.1\" }";
    let second = network("vic-production", "prod", subnet, more);
    let networks = taken(&(first + &second));
    let [first, second] = &networks[..] else {
        panic!("{networks:?}");
    };
    assert_eq!(first.name.as_str(), "default-external");
    assert_eq!(first.external.interface.as_str(), "ext");
    assert_eq!(
        first.external.dns,
        ["10.2.0.53".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(first.external.addressing, ExternalAddressing::Static);
    assert_eq!(first.external.level, FirewallLevel::Published);
    assert!(
        first.external.published,
        "the first one, since none says so"
    );
    let [v4, v6] = &first.subnets[..] else {
        panic!("{first:?}");
    };
    assert_eq!(v4.gateway, Some("10.2.0.1".parse().unwrap()));
    assert_eq!(v4.vch, Some("10.2.0.2".parse().unwrap()));
    let ranges: Vec<String> = v4.ranges.iter().map(ToString::to_string).collect();
    assert_eq!(ranges, ["10.2.1.0/24", "10.2.2.10-10.2.2.20"]);
    assert_eq!((v6.gateway, v6.vch, v6.ranges.len()), (None, None, 0));
    assert_eq!(second.external.addressing, ExternalAddressing::Dhcp);
    assert_eq!(second.external.level, FirewallLevel::Closed);
    assert!(!second.external.published);
}

#[test]
fn ports_are_published_where_a_network_says_so_else_on_the_first_that_does_not_deny_it() {
    let published = |first: &str, second: &str| {
        let text = network("one", "e1", SUBNET, first) + &network("two", "e2", OTHER, second);
        let networks = taken(&text);
        [
            networks[0].external.published,
            networks[1].external.published,
        ]
    };
    let (yes, no) = ("published = true", "published = false");
    assert_eq!(published("", ""), [true, false]);
    assert_eq!(published("", yes), [false, true]);
    assert_eq!(published(yes, yes), [true, true]);
    assert_eq!(published(no, ""), [false, true]);
    let refused = refusal(&network("one", "e1", SUBNET, no));
    assert!(
        refused.starts_with("vch.toml:5: `external.published` cannot be `false`: "),
        "{refused}"
    );
}

#[test]
fn a_network_for_published_ports_has_an_address_of_the_vch() {
    let bare = "{ subnet = \"10.2.0.0/16\" }";
    let refused = refusal(&network("one", "e1", bare, ""));
    let words = "vch.toml:4: `external.subnets` cannot be `10.2.0.0/16`: ports are published here";
    assert!(refused.starts_with(words), "{refused}");
    let other = network("two", "e2", OTHER, "published = true");
    assert_eq!(taken(&(network("one", "e1", bare, "") + &other)).len(), 2);
}

#[test]
fn names_that_are_predefined_or_taken_are_refused() {
    for name in ["none", "bridge", "host", "default"] {
        let refused = refusal(&network(name, "e1", SUBNET, ""));
        let words =
            format!("vch.toml:2: `external.name` cannot be `{name}`: that name is predefined");
        assert!(refused.starts_with(&words), "{refused}");
    }
    let twice = network("one", "e1", SUBNET, "") + &network("one", "e2", OTHER, "");
    assert!(refusal(&twice).contains("`external.name` cannot be `one`: another external network"));
    assert!(refusal(&network("a b", "e1", SUBNET, "")).contains("begin with a letter or digit"));
}

#[test]
fn an_interface_belongs_to_one_network_alone() {
    for (interface, words) in [
        ("eth0", "it is management.interface"),
        ("eth1", "it is docker_endpoint.interface"),
        ("vch-shared", "it is bridge.shared_interface"),
        ("lo", "`ip link add NAME type bridge`"),
    ] {
        let refused = refusal(&network("one", interface, SUBNET, ""));
        assert!(
            refused.starts_with("vch.toml:3: `external.interface` cannot be"),
            "{refused}"
        );
        assert!(refused.contains(words), "{refused}");
    }
    let twice = network("one", "e1", SUBNET, "") + &network("two", "e1", OTHER, "");
    assert!(refusal(&twice).contains("it is that of external network one: write another"));
}

#[test]
fn subnets_that_overlap_are_refused_with_whose_they_are() {
    for (subnet, words) in [
        (
            "10.2.128.0/17",
            "it overlaps with 10.2.0.0/16 of external network one",
        ),
        (
            "10.0.0.0/8",
            "it overlaps with 10.2.0.0/16 of external network one",
        ),
        (
            "192.0.2.0/24",
            "it overlaps with 192.0.2.2/32 of management.address",
        ),
        (
            "198.51.100.0/24",
            "it overlaps with 198.51.100.2/32 of docker_endpoint.address",
        ),
        (
            "172.30.5.0/24",
            "it overlaps with 172.30.0.0/16 of bridge.subnet",
        ),
    ] {
        let second = network("two", "e2", &format!("{{ subnet = \"{subnet}\" }}"), "");
        let bridge = "[bridge]\nsubnet = \"172.30.0.0/16\"\n";
        let refused = refusal(&(network("one", "e1", SUBNET, "") + &second + bridge));
        let field = format!("`external.subnets.subnet` cannot be `{subnet}`: {words}");
        assert!(refused.contains(&field), "{refused}");
    }
    let twice = format!("{SUBNET}, {{ subnet = \"10.2.7.0/24\" }}");
    assert!(refusal(&network("one", "e1", &twice, "")).contains("10.2.0.0/16 of this network"));
    assert!(refusal(&network("one", "e1", "", "")).contains("cannot be `0 subnets`: declare 1 to"));
}

#[test]
fn a_subnet_s_parts_lie_where_they_must() {
    for (subnet, words) in [
        (
            "subnet = \"10.2.0.1/16\"",
            "it has host bits: write 10.2.0.0/16",
        ),
        (
            "subnet = \"10.2\"",
            "`external.subnets.subnet` cannot be `10.2`: write a subnet, as in",
        ),
        ("subnet = \"127.0.0.0/16\"", "127.0.0.0/8 is loopback"),
        (
            "subnet = \"10.2.0.0/31\"",
            "no room for a gateway and a container",
        ),
        (
            "subnet = \"10.2.0.0/16\", gateway = \"10.3.0.1\"",
            "`external.subnets.gateway` cannot be `10.3.0.1`: it is outside subnet 10.2.0.0/16",
        ),
        (
            "subnet = \"10.2.0.0/16\", gateway = \"fd00::1\"",
            "it is outside subnet 10.2.0.0/16",
        ),
        (
            "subnet = \"10.2.0.0/16\", gateway = \"10.2.255.255\"",
            "it is no host's address in 10.2.0.0/16",
        ),
        (
            "subnet = \"10.2.0.0/16\", address = \"10.2.0.0\"",
            "`external.subnets.address` cannot be `10.2.0.0`: it is no host's address",
        ),
        (
            "subnet = \"10.2.0.0/16\", gateway = \"10.2.0.1\", address = \"10.2.0.1\"",
            "`external.subnets.address` cannot be `10.2.0.1`: it is the gateway's",
        ),
    ] {
        let refused = refusal(&network("one", "e1", &format!("{{ {subnet} }}"), ""));
        assert!(refused.starts_with("vch.toml:4: "), "{refused}");
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn a_range_is_a_part_of_its_subnet() {
    for (ranges, words) in [
        (
            "\"10.3.0.0/24\"",
            "cannot be `10.3.0.0/24`: it is not inside subnet 10.2.0.0/16",
        ),
        ("\"10.0.0.0/8\"", "it is not inside subnet 10.2.0.0/16"),
        ("\"10.2.0.1/24\"", "it has host bits: write 10.2.0.0/24"),
        (
            "\"10.2.0.5\"",
            "write a part of the subnet, as in 10.2.1.0/24, or FIRST-LAST",
        ),
        ("\"10.2.0.9-10.2.0.5\"", "write the lower address first"),
        ("\"10.2.0.9-fd00::1\"", "both of one family"),
        ("\"10.2.0.9-x\"", "write FIRST-LAST"),
        (
            "\"10.2.255.0-10.3.0.5\"",
            "it is not inside subnet 10.2.0.0/16",
        ),
        (
            "\"10.2.1.0/24\", \"10.2.1.9-10.2.2.3\"",
            "it overlaps with 10.2.1.0/24",
        ),
    ] {
        let subnet = format!("{{ subnet = \"10.2.0.0/16\", ranges = [{ranges}] }}");
        let refused = refusal(&network("one", "e1", &subnet, ""));
        assert!(
            refused.starts_with("vch.toml:4: `external.subnets.ranges`"),
            "{refused}"
        );
        assert!(refused.contains(words), "{ranges}: {refused}");
    }
    // The VCH's own address is never assigned.
    let around = "{ subnet = \"10.2.0.0/16\", address = \"10.2.0.2\", ranges = [\"10.2.0.0/24\"] }";
    assert_eq!(taken(&network("one", "e1", around, "")).len(), 1);
    let dhcp = refusal(&network("one", "e1", around, "addressing = \"dhcp\""));
    assert!(
        dhcp.contains("a DHCP server gives the addresses: take the ranges away"),
        "{dhcp}"
    );
}

#[test]
fn words_for_level_and_addressing_are_named_where_another_is_written() {
    let refused = refusal(&network("one", "e1", SUBNET, "level = \"loud\""));
    let words = "expected one of `closed`, `outbound`, `peers`, `published`, `open`";
    assert!(refused.contains(words), "{refused}");
    let refused = refusal(&network("one", "e1", SUBNET, "addressing = \"auto\""));
    assert!(refused.contains("expected `static` or `dhcp`"), "{refused}");
    let nine = format!("dns = [{}]", ["\"10.2.0.53\""; 9].join(", "));
    assert!(refusal(&network("one", "e1", SUBNET, &nine)).contains("at most 8: take some away"));
}
