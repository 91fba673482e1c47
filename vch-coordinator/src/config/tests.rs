use super::*;
use vch_ledger::{SegmentKind, default_pools};

mod external;
mod links;
mod metrics;
mod reload;
mod remedies;

const MANAGEMENT: &str = "[management]\ninterface = \"eth0\"\naddress = \"192.0.2.2\"\n";
const DOCKER_ENDPOINT: &str =
    "[docker_endpoint]\ninterface = \"eth1\"\naddress = \"198.51.100.2\"\n";
const EXTERNAL: &str = "[[external]]\nname = \"default-external\"\ninterface = \"eth2\"\n\
    subnets = [{ subnet = \"10.2.0.0/16\", gateway = \"10.2.0.1\", address = \"10.2.0.2\" }]\n";
const BRIDGE: &str = "[bridge]\n";
const KINDS: [(&str, &str); 4] = [
    ("[management]", MANAGEMENT),
    ("[docker_endpoint]", DOCKER_ENDPOINT),
    ("[[external]]", EXTERNAL),
    ("[bridge]", BRIDGE),
];

/// Returns the text with the tables appended that it does not declare itself.
fn whole(text: &str) -> String {
    let missing = KINDS.iter().filter(|(header, _)| !text.contains(header));
    missing.fold(text.to_owned(), |text, (_, table)| text + table)
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("vch.toml"), &whole(text))
}

fn refusal(text: &str) -> String {
    parse(text).expect_err("must be refused").to_string()
}

#[test]
fn the_four_kinds_alone_are_a_working_vch() {
    let config = parse("").expect("defaults");
    assert_eq!(config.api_socket, Path::new("/run/vch/api.sock"));
    assert_eq!(config.bridge.pools, default_pools());
    assert_eq!(config.bridge.segment, SegmentKind::Dedicated);
    assert_eq!(config.bridge.shared_interface.as_str(), "vch-shared");
    assert_eq!(config.management.interface.as_str(), "eth0");
    assert_eq!(config.docker_endpoint.port, 2376);
    assert_eq!(config.externals.len(), 1);
}

#[test]
fn each_kind_that_is_missing_is_named_with_what_to_write() {
    for (without, (_, absent)) in KINDS.iter().enumerate() {
        let others = KINDS.iter().enumerate().filter(|(at, _)| *at != without);
        let text: String = others.map(|(_, (_, table))| *table).collect();
        let refused = Config::parse(Path::new("vch.toml"), &text).expect_err("one is missing");
        let name = absent.lines().next().unwrap_or_default();
        let name = name.trim_matches(['[', ']']);
        let expected = format!("vch.toml: `{name}` is missing: ");
        assert!(refused.to_string().starts_with(&expected), "{refused}");
    }
}

#[test]
fn a_kind_without_its_interface_or_address_is_told_which() {
    let refused = refusal("[management]\naddress = \"192.0.2.2\"\n");
    assert!(refused.contains("missing field `interface`"), "{refused}");
    let refused = refusal("[docker_endpoint]\ninterface = \"eth1\"\n");
    assert!(refused.contains("missing field `address`"), "{refused}");
}

#[test]
fn a_station_has_an_address_that_others_can_reach_on_a_link_of_its_own() {
    for (interface, address, words) in [
        ("lo", "192.0.2.2", "`management.interface` cannot be `lo`: "),
        (
            "eth/0",
            "192.0.2.2",
            "use 1 to 15 printable ASCII characters",
        ),
        ("eth0", "192.0.2.2/24", "without a prefix length"),
        (
            "eth0",
            "127.0.0.1",
            "`management.address` cannot be `127.0.0.1`: loopback",
        ),
        ("eth0", "224.0.0.1", "it is a multicast address"),
        ("eth0", "::", "it is no address of one host"),
        ("eth0", "255.255.255.255", "it is no address of one host"),
        ("eth0", "fe80::1", "link-local addresses are of no use"),
    ] {
        let text = format!("[management]\ninterface = \"{interface}\"\naddress = \"{address}\"\n");
        let refused = refusal(&text);
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn management_and_docker_endpoint_may_share_a_link() {
    let both = "[docker_endpoint]\ninterface = \"eth0\"\naddress = \"192.0.2.2\"\nport = 2375\n";
    let config = parse(both).expect("valid");
    assert_eq!(config.docker_endpoint.host_interface, config.management);
    assert_eq!(config.docker_endpoint.port, 2375);
    let none = format!("{both}\n").replace("2375", "0");
    assert!(refusal(&none).contains("`docker_endpoint.port` cannot be `0`: use 1 to 65535"));
}

#[test]
fn the_shared_segment_is_a_link_of_its_own() {
    let config = parse("[bridge]\nsegment = \"shared\"\nshared_interface = \"all\"\n");
    let config = config.expect("valid");
    assert_eq!(config.bridge.segment, SegmentKind::Shared);
    assert_eq!(config.bridge.shared_interface.as_str(), "all");
    for taken in ["eth0", "eth1", "eth2"] {
        let refused = refusal(&format!("[bridge]\nshared_interface = \"{taken}\"\n"));
        assert!(refused.contains("shared_interface"), "{refused}");
    }
    let refused = refusal("[bridge]\nsegment = \"split\"\n");
    assert!(
        refused.contains("expected `dedicated` or `shared`"),
        "{refused}"
    );
}

#[test]
fn the_default_bridge_s_subnet_is_apart_from_the_other_kinds() {
    for (subnet, words) in [
        (
            "192.0.2.0/24",
            "192.0.2.2 of another kind of network is in it",
        ),
        ("172.30.0.1/16", "it has host bits: write 172.30.0.0/16"),
        (
            "10.2.0.0/16",
            "it overlaps with 10.2.0.0/16 of bridge.subnet",
        ),
    ] {
        let refused = refusal(&format!("[bridge]\nsubnet = \"{subnet}\"\n"));
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn ephemeral_ports_are_a_range_and_by_default_the_kernel_s() {
    let config = parse("[ports]\nephemeral = \"49153-65535\"\n").expect("valid");
    assert_eq!(config.ephemeral(), 49_153..=65_535);
    for wrong in ["0-10", "10", "20-10", "1-65536", "-", "a-b"] {
        let refused = refusal(&format!("[ports]\nephemeral = \"{wrong}\"\n"));
        assert!(
            refused.starts_with("vch.toml:2: `ports.ephemeral` cannot be"),
            "{refused}"
        );
        assert!(refused.contains("as in 49153-65535"), "{refused}");
    }
    let kernel = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let kernel: Vec<u16> = kernel
        .expect("readable")
        .split_whitespace()
        .map(|end| end.parse().expect("a port"))
        .collect();
    let range = parse("").expect("defaults").ephemeral();
    assert_eq!([*range.start(), *range.end()], kernel[..]);
}

#[test]
fn the_runtime_s_hook_is_a_socket_s_path() {
    let config = parse("[runtime]\nhook = \"/run/vms.sock\"\n").expect("valid");
    let Runtime::External { hook: Some(hook) } = config.runtime else {
        panic!("{:?}", config.runtime);
    };
    assert_eq!(hook.as_str(), "/run/vms.sock");
    let refused = refusal("[runtime]\nhook = \"vms.sock\"\n");
    assert!(refused.contains("give an absolute path"), "{refused}");
}

#[test]
fn who_starts_vms_is_told_with_what() {
    let own =
        "[runtime]\nkind = \"qemu\"\nkernel = \"/boot/vmlinux\"\ninitramfs = \"/boot/vm.cpio\"\n";
    let config = parse(own).expect("valid");
    let vms = config.runtime.vms().expect("its own");
    assert_eq!((vms.memory_mib, vms.disk_bytes), (256, 10 << 30));
    assert!((1..=2).contains(&vms.cpus), "{}", vms.cpus);
    assert!(config.runtime.plugs());
    for (added, clones) in [
        ("", true),
        ("accelerator = \"kvm\"\n", false),
        ("boot = \"cold\"\n", false),
        ("accelerator = \"kvm\"\nboot = \"clone\"\n", true),
    ] {
        let config = parse(&format!("{own}{added}")).expect("valid");
        let vms = config.runtime.vms().expect("its own");
        assert_eq!(vms.clones, clones, "{added}");
    }
    for (added, field) in [
        ("hook = \"/run/vms.sock\"\n", "runtime.hook"),
        ("memory_mib = 5\n", "runtime.memory_mib"),
        ("cpus = 0\n", "runtime.cpus"),
        ("disk_mib = 1\n", "runtime.disk_mib"),
        ("boot_seconds = 0\n", "runtime.boot_seconds"),
    ] {
        let refused = refusal(&format!("{own}{added}"));
        assert!(refused.contains(field), "{refused}");
    }
    for (text, field) in [
        ("kind = \"qemu\"\n", "runtime.kernel"),
        (
            "kind = \"qemu\"\nkernel = \"/boot/vmlinux\"\n",
            "runtime.initramfs",
        ),
        ("kernel = \"/boot/vmlinux\"\n", "runtime.kernel"),
        ("kind = \"vmware\"\n", "vmware"),
    ] {
        let refused = refusal(&format!("[runtime]\n{text}"));
        assert!(refused.contains(field), "{refused}");
    }
}

#[test]
fn the_ledger_is_told_what_the_file_says() {
    let text = "[bridge]\nsegment = \"shared\"\nsubnet = \"172.30.0.0/16\"\n\
        [ports]\nephemeral = \"50000-50009\"\n";
    let config = parse(text).expect("valid");
    let settings = config.ledger_settings(VchId([7; 16]));
    assert_eq!(settings.externals, config.externals);
    assert_eq!(settings.default_segment, SegmentKind::Shared);
    assert_eq!(settings.ephemeral, 50_000..=50_009);
    let subnet = settings.default_bridge.net.map(|net| net.to_string());
    assert_eq!(subnet.as_deref(), Some("172.30.0.0/16"));
    let reserved: Vec<u16> = settings.reserved.keys().map(|number| number.port).collect();
    assert_eq!(reserved, [2376]);
}

#[test]
fn default_pools_give_at_least_4096_networks() {
    let networks: u64 = parse("")
        .expect("defaults")
        .bridge
        .pools
        .iter()
        .map(|pool| 1 << (pool.size() - pool.base().prefix_len()))
        .sum();
    assert!(networks >= 4096, "{networks}");
}

#[test]
fn the_example_in_the_repository_is_valid() {
    let text = include_str!("../../vch.example.toml");
    let config = Config::parse(Path::new("vch.example.toml"), text).expect("the example parses");
    // The values that it gives as defaults are the defaults.
    let bare = parse("").expect("defaults");
    assert_eq!(config.bridge, bare.bridge);
    assert_eq!(config.docker_endpoint.port, bare.docker_endpoint.port);
    assert_eq!(config.dns.policy, bare.dns.policy);
    assert_eq!(config.dns.server.threads, bare.dns.server.threads);
    assert_eq!(config.tether.heartbeat, bare.tether.heartbeat);
    assert_eq!(config.tether.report_deadline, bare.tether.report_deadline);
    let paths = |config: &Config| {
        [&config.state_dir, &config.run_dir, &config.api_socket].map(Clone::clone)
    };
    assert_eq!(paths(&config), paths(&bare));
}

#[test]
fn the_readme_s_configuration_is_valid() {
    let readme = include_str!("../../../README.md");
    let (_, text) = readme.split_once("<<'END'\n").expect("begins");
    let (text, _) = text.split_once("\nEND\n").expect("ends");
    let config = Config::parse(Path::new("README.md"), text).expect("it parses");
    assert_eq!(config.docker_endpoint.host_interface, config.management);
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    assert_eq!(
        refusal("[vch]\nstate_dri = \"/x\"\n"),
        "vch.toml:2: unknown field `state_dri`, expected `state_dir` or `run_dir`, in `state_dri = \"/x\"`: see vch.example.toml"
    );
}

#[test]
fn a_relative_path_is_refused() {
    assert_eq!(
        refusal("\n[vch]\nstate_dir = \"state\"\n"),
        "vch.toml:3: `vch.state_dir` cannot be `state`: write an absolute path"
    );
}

#[test]
fn overlapping_pools_are_refused() {
    let text = "[bridge]\npools = [\n  { base = \"10.0.0.0/8\", size = 16 },\n  { base = \"10.1.0.0/16\", size = 24 },\n]\n";
    assert_eq!(
        refusal(text),
        "vch.toml:4: `bridge.pools` cannot be `10.1.0.0/16 in subnets of /24`: it overlaps with pool 10.0.0.0/8: choose another range"
    );
}

#[test]
fn a_pool_with_host_bits_is_told_its_network() {
    let text = "[bridge]\npools = [{ base = \"10.1.2.3/8\", size = 16 }]\n";
    assert!(refusal(text).ends_with("pool base 10.1.2.3/8 has host bits: write 10.0.0.0/8"));
}

#[test]
fn a_number_outside_its_range_is_told_the_range() {
    assert_eq!(
        refusal("[tether]\nheartbeat_ms = 5\n"),
        "vch.toml:2: `tether.heartbeat_ms` cannot be `5`: use 100 to 60000"
    );
}

#[test]
fn an_unprivileged_vsock_port_is_refused() {
    assert!(refusal("[tether]\nvsock_port = 1024\n").contains("use 1 to 1023"));
}

#[test]
fn an_upstream_without_a_port_is_asked_on_53() {
    let config = parse("[dns]\nupstreams = [\"192.0.2.1\", \"[2001:db8::1]:5353\"]\n");
    let upstreams = config.expect("valid").dns.server.upstreams;
    assert_eq!(upstreams[0].to_string(), "192.0.2.1:53");
    assert_eq!(upstreams[1].to_string(), "[2001:db8::1]:5353");
}

#[test]
fn a_wrong_type_is_shown_with_its_line() {
    let refused = refusal("[dns]\nttl_seconds = 0\nthreads = \"two\"\n");
    assert!(refused.starts_with("vch.toml:3: invalid type"), "{refused}");
    assert!(refused.contains("in `threads = \"two\"`"), "{refused}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let refused = Config::read(Path::new("/nowhere/vch.toml")).expect_err("not there");
    assert!(refused.to_string().contains("/nowhere/vch.toml"));
}

#[test]
fn a_pool_that_is_there_twice_or_lies_around_another_is_refused() {
    for (one, other) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.0.0/16", "10.0.0.0/8"),
        ("fd00::/16", "fd00:1::/32"),
    ] {
        let size = if one.contains(':') { 64 } else { 24 };
        let text = format!(
            "[bridge]\npools = [\n{{ base = \"{one}\", size = {size} }},\n{{ base = \"{other}\", size = {size} }} ]\n"
        );
        let refused = refusal(&text);
        assert!(
            refused.starts_with("vch.toml:4: `bridge.pools`"),
            "{refused}"
        );
        assert!(refused.contains(other), "{refused}");
        assert!(
            refused.contains(&format!("overlaps with pool {one}")),
            "{refused}"
        );
    }
}

#[test]
fn an_upstream_that_is_no_address_is_told_what_to_write() {
    assert_eq!(
        refusal("[dns]\nupstreams = [\"192.0.2.1\",\n\"dns.example\"]\n"),
        "vch.toml:3: `dns.upstreams` cannot be `dns.example`: write an IP address, or address:port ([address]:port for IPv6)"
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_taken_or_refused_with_file_and_line(text in "(\\[(vch|api|management|bridge|dns|ports|tether)\\]\n)?(\\PC{0,40}\n){0,4}") {
        if let Err(error) = parse(&text) {
            let words = error.to_string();
            proptest::prop_assert!(words.starts_with("vch.toml:"), "{}", words);
        }
    }

    #[test]
    fn any_number_is_taken_or_told_the_range(heartbeat in proptest::num::u64::ANY) {
        let taken = parse(&format!("[tether]\nheartbeat_ms = {heartbeat}\n"));
        let within = (100..=60_000).contains(&heartbeat);
        proptest::prop_assert_eq!(taken.is_ok(), within);
    }
}
