use crate::networks::params::*;
use serde_json::{Value, json};

fn command(body: Value) -> Result<CreateNetwork, DockerError> {
    let body: Create = serde_json::from_value(body).unwrap();
    body.command(Version(41))
}

fn refused(body: Value) -> (u16, String) {
    let error = command(body).unwrap_err();
    (error.status.as_u16(), error.message)
}

#[test]
fn what_the_cli_sends_becomes_a_command() {
    // The request that `docker network create --label a=b -o com.docker.network.driver.mtu=1400
    // web` sends.
    let request = command(json!({
        "CheckDuplicate": true, "Driver": "bridge", "EnableIPv6": false,
        "IPAM": {"Driver": "default", "Options": {}, "Config": []},
        "Internal": false, "Attachable": true, "Ingress": false, "ConfigOnly": false,
        "ConfigFrom": null, "Scope": "",
        "Options": {"com.docker.network.driver.mtu": "1400", "vch.segment": "shared"},
        "Labels": {"a": "b"}, "Name": "web",
    }))
    .unwrap();
    assert_eq!(request.name.as_str(), "web");
    assert_eq!(request.mtu.map(u32::from), Some(1400));
    assert_eq!(request.segment, Some(SegmentKind::Shared));
    assert_eq!(request.labels["a"], "b");
    let document: Value = serde_json::from_str(&request.document).unwrap();
    assert_eq!(document[ATTACHABLE], "true");
    assert_eq!(document[IPAM_OPTIONS], "{}");
    assert_eq!(document[MTU], "1400");
    assert_eq!(
        (request.ipv4, request.ipv6, request.internal),
        (true, false, false)
    );
}

#[test]
fn both_families_are_chosen_by_newer_clients_alone() {
    let body = json!({"Name": "web", "EnableIPv4": false, "EnableIPv6": true});
    let body: Create = serde_json::from_value(body).unwrap();
    let newer = body.clone().command(Version(48)).unwrap();
    assert_eq!((newer.ipv4, newer.ipv6), (false, true));
    let older = body.command(Version(47)).unwrap();
    assert_eq!((older.ipv4, older.ipv6), (true, true));
}

fn check(cases: Vec<(Value, u16, &str)>) {
    for (body, status, words) in cases {
        let (seen, message) = refused(body);
        assert_eq!(seen, status, "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn what_can_t_be_is_refused_with_dockerds_status() {
    check(vec![
        (
            json!({"Name": "host"}),
            403,
            "operation is not permitted on predefined host network ",
        ),
        (json!({"Name": ""}), 400, "invalid name: "),
        (
            json!({"Name": "web", "Driver": "null"}),
            403,
            "only one instance of \"null\"",
        ),
        (
            json!({"Name": "web", "Driver": "weave"}),
            404,
            "plugin \"weave\" not found",
        ),
        (
            json!({"Name": "web", "Driver": "macvlan"}),
            501,
            "external networks",
        ),
        (
            json!({"Name": "web", "Driver": "external"}),
            403,
            "vchctl reload",
        ),
        (
            json!({"Name": "web", "Ingress": true}),
            403,
            "Ingress network can only be",
        ),
        (
            json!({"Name": "web", "Scope": "swarm"}),
            403,
            "swarm scoped network",
        ),
        (
            json!({"Name": "web", "ConfigOnly": true, "Internal": true}),
            403,
            "configuration network can only contain network specific fields",
        ),
        (
            json!({"Name": "web", "ConfigOnly": true, "ConfigFrom": {"Network": "x"}}),
            403,
            "a configuration network cannot depend on another configuration network",
        ),
        (
            json!({"Name": "web", "ConfigFrom": {"Network": "x"}, "Labels": {"a": "b"}}),
            403,
            "user specified configurations are not supported",
        ),
        (
            json!({"Name": "web", "IPAM": {"Driver": "x"}}),
            404,
            "plugin \"x\" not found",
        ),
    ]);
}

#[test]
fn an_option_that_can_t_be_is_refused_by_its_name() {
    let option = |key: &str, value: &str| json!({"Name": "web", "Options": {key: value}});
    check(vec![
        (
            option(MTU, "big"),
            400,
            "failed to parse com.docker.network.driver.mtu value: big (strconv.Atoi: parsing \"big\": invalid syntax)",
        ),
        (option(MTU, "60"), 400, "MTU 60 is not possible"),
        (
            option("com.docker.network.bridge.host_binding_ipv4", "fd00::1"),
            400,
            "host_binding_ipv4 value: fd00::1 (invalid ip address)",
        ),
        (
            option("com.docker.network.bridge.enable_icc", "maybe"),
            400,
            "(strconv.ParseBool: parsing \"maybe\": invalid syntax)",
        ),
        (
            option("com.docker.network.bridge.name", "br9"),
            501,
            "names its bridges",
        ),
        (
            option("com.docker.network.host_ipv4", "192.0.2.9"),
            501,
            "com.docker.network.host_ipv4=192.0.2.9 is not supported",
        ),
        (
            option("com.docker.network.bridge.trusted_host_interfaces", "eth0"),
            501,
            "trusted_host_interfaces=eth0 is not supported",
        ),
        (
            option("com.docker.network.bridge.gateway_mode_ipv4", "routed"),
            501,
            "gateway_mode_ipv4=routed is not supported",
        ),
        (
            option("com.docker.network.bridge.gateway_mode_ipv6", "sideways"),
            400,
            "unknown gateway mode sideways",
        ),
        (
            option("com.docker.network.bridge.inhibit_ipv4", "true"),
            501,
            "inhibit_ipv4=true is not supported",
        ),
        (
            option(
                "com.docker.network.container_iface_prefix",
                "a-long-prefix-x",
            ),
            400,
            "container_iface_prefix",
        ),
        (
            option("com.docker.network.enable_ipv6", "perhaps"),
            400,
            "not a valid bool: perhaps",
        ),
        (
            option("vch.docker.attachable", "true"),
            400,
            "the VCH's own",
        ),
        (
            option("vch.dns-ttl", "86401"),
            400,
            "option vch.dns-ttl cannot be 86401: use 0 to 86400 seconds",
        ),
        (option("vch.dns-ttl", "soon"), 400, "0 to 86400"),
        (option("vch.segment", "x"), 400, "dedicated or shared"),
        (
            option("vch.segmnt", "shared"),
            501,
            "network option vch.segmnt",
        ),
    ]);
}

#[test]
fn an_option_that_can_be_is_kept_or_read() {
    let option = |key: &str, value: &str| json!({"Name": "web", "Options": {key: value}});
    for (key, value) in [
        ("enable_icc", "false"),
        ("enable_ip_masquerade", "0"),
        ("host_binding_ipv4", "127.0.0.1"),
    ] {
        let key = format!("com.docker.network.bridge.{key}");
        assert!(command(option(&key, value)).is_ok(), "{key}");
    }
    assert!(command(option("com.example.mine", "1")).is_ok());
    assert!(command(option("com.docker.network.container_iface_prefix", "lan")).is_ok());
    assert!(command(option("com.docker.network.bridge.gateway_mode_ipv4", "nat")).is_ok());
    let request = command(option("vch.dns-ttl", "300")).unwrap();
    assert_eq!(request.dns_ttl.map(u32::from), Some(300));
    let request = command(option("com.docker.network.enable_ipv6", "1")).unwrap();
    assert!(request.ipv6);
    let mut both = option("com.docker.network.enable_ipv4", "0");
    both["EnableIPv6"] = json!(true);
    assert!(!command(both).unwrap().ipv4);
}
