use crate::networks::endpoint::*;
use serde_json::{Value, json};

fn connect(settings: Value, version: Version) -> Result<Connect, DockerError> {
    let settings: EndpointSettings = serde_json::from_value(settings).unwrap();
    settings.connect("c1".into(), "web".into(), &BTreeMap::new(), version)
}

fn texts(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    let all = all.iter();
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// The rate of an endpoint with this option, of a container with this label.
fn rate(option: Option<&str>, label: Option<&str>) -> Result<Option<u64>, DockerError> {
    let of = |text: Option<&str>| text.map(|text| texts(&[(RATE_OPTION, text)]));
    let settings = EndpointSettings {
        driver_opts: of(option),
        ..EndpointSettings::default()
    };
    let labels = of(label).unwrap_or_default();
    let request = settings.connect("c1".into(), "web".into(), &labels, Version::NEWEST)?;
    Ok(request.rate.map(Rate::bits))
}

#[test]
fn an_endpoint_option_limits_it_and_a_label_does_where_there_is_none() {
    for (option, label, expected) in [
        (None, None, None),
        (Some("50mbit"), None, Some(50_000_000)),
        (Some("1mbps"), Some("10mbit"), Some(8_000_000)),
        (None, Some("10mbit"), Some(10_000_000)),
        (Some("none"), Some("10mbit"), None),
        (None, Some("none"), None),
    ] {
        assert_eq!(
            rate(option, label).unwrap(),
            expected,
            "{option:?} {label:?}"
        );
    }
    for (option, label, words) in [
        (
            Some("fast"),
            None,
            "invalid endpoint option vch.rate: 'fast' is no rate: write a number",
        ),
        (
            Some("1kbit"),
            None,
            "invalid endpoint option vch.rate: rate 1kbit is not possible: use 128kbit to 100gbit",
        ),
        (None, Some(""), "invalid label vch.rate: '' is no rate"),
    ] {
        let error = rate(option, label).unwrap_err();
        assert_eq!(error.status.as_u16(), 400);
        assert!(error.message.starts_with(words), "{}", error.message);
        assert!(error.message.ends_with("or none for no limit"));
    }
    // A label that is not asked for is not read.
    assert_eq!(
        rate(Some("10mbit"), Some("fast")).unwrap(),
        Some(10_000_000)
    );
}

#[test]
fn options_show_the_limit_that_is_in_force() {
    let rate = |text: &str| text.parse().ok();
    let written = texts(&[("a", "b"), (RATE_OPTION, "50Mbit")]);
    let plain = texts(&[("a", "b")]);
    let labels = texts(&[(RATE_OPTION, "50mbit")]);
    let none = BTreeMap::new();
    for (written, rate, labels, expected) in [
        (Some(&written), rate("50mbit"), &none, Some("50Mbit")),
        (Some(&written), rate("10mbit"), &none, Some("10mbit")),
        (Some(&written), None, &none, Some("none")),
        (Some(&plain), rate("10mbit"), &none, Some("10mbit")),
        (Some(&plain), None, &none, None),
        (None, rate("10mbit"), &none, Some("10mbit")),
        (None, rate("50mbit"), &labels, Some("50mbit")),
        (None, None, &labels, Some("none")),
    ] {
        let shown = options_now(written.cloned(), rate, labels);
        let limit = shown.as_ref().and_then(|all| all.get(RATE_OPTION));
        assert_eq!(limit.map(String::as_str), expected);
        let other =
            |all: Option<&BTreeMap<String, String>>| all.and_then(|all| all.get("a").cloned());
        assert_eq!(other(shown.as_ref()), other(written));
    }
    assert_eq!(options_now(None, None, &none), None);
}

#[test]
fn what_the_cli_sends_becomes_a_command() {
    // The settings that `docker network connect --ip --ip6 --alias --link --gw-priority
    // --driver-opt` sends.
    let settings = json!({
        "IPAMConfig": {"IPv4Address": "10.1.0.9", "IPv6Address": "fd00::9"},
        "Links": ["db:sql", "cache"], "Aliases": ["www"], "MacAddress": "02-00-00-00-00-09",
        "GwPriority": 7, "DriverOpts": {}, "NetworkID": "", "EndpointID": "", "Gateway": "",
    });
    let newest = connect(settings.clone(), Version::NEWEST).unwrap();
    let addresses: Vec<String> = newest.addresses.iter().map(IpAddr::to_string).collect();
    assert_eq!(addresses, ["10.1.0.9", "fd00::9"]);
    assert_eq!(newest.aliases[0].as_str(), "www");
    let links: Vec<String> = newest
        .links
        .iter()
        .map(|(c, a)| format!("{c}={a}"))
        .collect();
    assert_eq!(links, ["db=sql", "cache=cache"]);
    assert_eq!(newest.mac.unwrap().to_string(), "02:00:00:00:00:09");
    assert_eq!(newest.gateway_priority, 7);

    // Fields that an older version lacks are ignored for it.
    let oldest = connect(settings, Version::OLDEST).unwrap();
    assert_eq!((oldest.mac, oldest.gateway_priority), (newest.mac, 0));
}

#[test]
fn an_endpoint_option_names_the_interface_and_sets_kernel_settings_of_it() {
    let settings = json!({"DriverOpts": {
        "com.docker.network.endpoint.ifname": "lan0",
        "com.docker.network.endpoint.sysctls":
            "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=2",
    }});
    let request = connect(settings, Version::NEWEST).unwrap();
    assert_eq!(request.interface.unwrap().as_str(), "lan0");
    let sysctls: Vec<_> = request
        .sysctls
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let expected = [
        "net.ipv4.conf.IFNAME.log_martians=1",
        "net.ipv6.conf.IFNAME.accept_ra=2",
    ];
    assert_eq!(sysctls, expected);
    for (option, value) in [
        ("ifname", "a name"),
        ("ifname", "sixteen-bytes-it"),
        ("sysctls", "net.ipv4.conf.IFNAME.log_martians"),
        ("sysctls", "net.ipv4.conf.eth0.log_martians=1"),
        ("sysctls", "kernel.x.y.IFNAME.z=1"),
        ("sysctls", "net.ipv4.conf.IFNAME.../x=1"),
        ("sysctls", "net.ipv4.conf.IFNAME.x=1,"),
    ] {
        let name = format!("com.docker.network.endpoint.{option}");
        let error = connect(json!({"DriverOpts": {&name: value}}), Version::NEWEST).unwrap_err();
        assert_eq!(error.status.as_u16(), 400, "{value}");
        assert!(error.message.contains(&name), "{}", error.message);
    }
}

#[test]
fn what_can_t_be_is_refused() {
    for (settings, status, words) in [
        (
            json!({"IPAMConfig": {"IPv4Address": "10.1", "IPv6Address": "10.1.0.1"}}),
            400,
            "invalid endpoint settings:\ninvalid IPv4 address: 10.1\ninvalid IPv6 address: 10.1.0.1",
        ),
        (
            json!({"IPAMConfig": {"LinkLocalIPs": ["169.254.1.1"]}}),
            501,
            "link-local",
        ),
        (json!({"Aliases": ["a b"]}), 400, "invalid alias a b: "),
        (
            json!({"MacAddress": "x"}),
            400,
            "x is not a valid mac address",
        ),
        (
            json!({"DriverOpts": {"com.docker.network.a": "b"}}),
            501,
            "endpoint option com.docker.network.a is not supported",
        ),
        (
            json!({"DriverOpts": {"vch.rat": "1mbit"}}),
            501,
            "endpoint option vch.rat is not supported",
        ),
        (json!({"GwPriority": 1_u64 << 40}), 400, "gw-priority"),
    ] {
        let error = connect(settings, Version::NEWEST).unwrap_err();
        assert_eq!(error.status.as_u16(), status);
        assert!(error.message.contains(words), "{}", error.message);
    }
    // An option of another driver is stored without effect.
    connect(json!({"DriverOpts": {"a": "b"}}), Version::NEWEST).unwrap();
}
