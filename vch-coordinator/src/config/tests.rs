use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("vch.toml"), text)
}

fn refusal(text: &str) -> String {
    parse(text).expect_err("must be refused").to_string()
}

#[test]
fn an_empty_file_is_a_working_vch() {
    let config = parse("").expect("defaults");
    assert_eq!(config.api_socket, Path::new("/run/vch/api.sock"));
    assert_eq!(config.pools, default_pools());
}

#[test]
fn default_pools_give_at_least_4096_networks() {
    let networks: u64 = parse("")
        .expect("defaults")
        .pools
        .iter()
        .map(|pool| 1 << (pool.size() - pool.base().prefix_len()))
        .sum();
    assert!(networks >= 4096, "{networks}");
}

#[test]
fn the_example_in_the_repository_is_valid() {
    parse(include_str!("../../vch.example.toml")).expect("the example parses");
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
    fn any_text_is_taken_or_refused_with_file_and_line(text in "(\\[(vch|api|bridge|dns|tether)\\]\n)?(\\PC{0,40}\n){0,4}") {
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
