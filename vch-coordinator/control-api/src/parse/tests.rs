use super::*;
use axum::response::IntoResponse;
use proptest::prelude::*;
use protocol::transport::PrivilegedPort;

/// Returns the problem that a client receives.
fn problem(error: &ApiError) -> String {
    format!("{error:?}")
}

fn add(channel: &str) -> shape::AddContainer {
    shape::AddContainer {
        name: "web".to_owned(),
        channel: channel.to_owned(),
        ..shape::AddContainer::default()
    }
}

fn endpoint() -> shape::Connect {
    shape::Connect {
        network: "app".to_owned(),
        ..shape::Connect::default()
    }
}

fn refused<T>(parsed: Parsed<T>, field: &str, value: &str) {
    let Err(error) = parsed else {
        panic!("{field} `{value}` must be refused");
    };
    let words = problem(&error);
    assert!(words.contains("invalid-field"), "{words}");
    let named = format!("field `{field}` cannot be `{value}`: ");
    assert!(words.contains(&named), "{words}");
}

#[test]
fn each_channel_has_its_own_writing() {
    let parsed = |text| add_container(&add(text)).unwrap().channel;
    assert_eq!(parsed("unix"), Channel::Unix { path: None });
    let path = || "/run/x.sock".parse().unwrap();
    assert_eq!(
        parsed("unix:/run/x.sock"),
        Channel::Unix { path: Some(path()) }
    );
    assert_eq!(
        parsed("chardev:/run/x.sock"),
        Channel::Chardev { path: path() }
    );
    assert_eq!(parsed("vsock:7"), Channel::Vsock { cid: 7 });
    let port = PrivilegedPort::try_from(1021).unwrap();
    let hybrid = Channel::HybridVsock { path: path(), port };
    assert_eq!(parsed("hybrid-vsock:/run/x.sock:1021"), hybrid);
}

#[test]
fn a_channel_that_cannot_be_is_named() {
    for text in [
        "",
        "unix:",
        "unix:relative",
        "chardev",
        "vsock:",
        "vsock:-1",
        "vsock:4294967296",
        "hybrid-vsock:/run/x.sock",
        "hybrid-vsock:/run/x.sock:1024",
        "hybrid-vsock:/run/x.sock:0",
        "serial:/dev/ttyS0",
    ] {
        refused(add_container(&add(text)), "channel", text);
    }
}

#[test]
fn extra_hosts_are_name_and_address() {
    let with = |text: &str| {
        let extra_hosts = vec![text.to_owned()];
        add_container(&shape::AddContainer {
            extra_hosts,
            ..add("unix")
        })
    };
    let entries = with("db:fd00::1").unwrap().extra_hosts;
    assert_eq!(entries[0].address.to_string(), "fd00::1");
    refused(with("db"), "extra_hosts", "db");
    refused(with("db:"), "extra_hosts", "");
    refused(with("d b:10.0.0.1"), "extra_hosts", "d b");
    refused(with("db:10.0.0.256"), "extra_hosts", "10.0.0.256");
}

#[test]
fn a_nic_is_found_by_mac_path_or_slot() {
    assert_eq!(nic("mac").unwrap(), None);
    assert!(matches!(
        nic("pci:02.0/00.0"),
        Ok(Some(NicMatch::PciPath(_)))
    ));
    assert!(matches!(nic("slot:3"), Ok(Some(NicMatch::PciSlot(_)))));
    for text in ["", "mac:", "pci", "slot", "usb:1"] {
        refused(nic(text), "nic", text);
    }
    for text in ["slot:", "slot:x", "slot:-1"] {
        refused(nic(text), "nic", &text[5..]);
    }
    refused(nic("pci:zz"), "nic", "zz");
}

#[test]
fn an_attachment_is_a_tap_or_a_veth_with_a_namespace() {
    assert_eq!(attachment("tap").unwrap(), Attachment::Tap);
    assert!(matches!(
        attachment("veth:/run/netns/x"),
        Ok(Attachment::Veth { .. })
    ));
    for text in ["", "tap:", "tap:x", "veth", "bridge"] {
        refused(attachment(text), "attachment", text);
    }
    refused(attachment("veth:relative"), "attachment", "relative");
}

#[test]
fn addresses_of_an_endpoint_have_their_family() {
    let with = |ip: &str, ip6: &str| {
        let (ip, ip6) = (Some(ip.to_owned()), Some(ip6.to_owned()));
        connect(
            "web",
            &shape::Connect {
                ip,
                ip6,
                ..endpoint()
            },
        )
    };
    let parsed = with("10.0.0.2", "fd00::2").unwrap();
    assert_eq!(parsed.addresses.len(), 2);
    refused(with("fd00::2", "fd00::2"), "ip", "fd00::2");
    refused(with("10.0.0.2", "10.0.0.2"), "ip6", "10.0.0.2");
    refused(with("10.0.0.2/24", "fd00::2"), "ip", "10.0.0.2/24");
}

#[test]
fn a_mac_address_that_is_none_is_named() {
    for text in ["", "02:00", "02:00:00:00:00:zz", "ff:ff:ff:ff:ff:ff"] {
        let mac = Some(text.to_owned());
        refused(
            connect("web", &shape::Connect { mac, ..endpoint() }),
            "mac",
            text,
        );
    }
}

#[test]
fn a_networks_fields_are_named() {
    let named = |name: &str| shape::CreateNetwork {
        name: name.to_owned(),
        ..shape::CreateNetwork::default()
    };
    create_network(named("app")).unwrap();
    for name in ["", "-x", "a b", "a/b", "ä"] {
        refused(create_network(named(name)), "name", name);
    }
    let mtu = |mtu| shape::CreateNetwork {
        mtu: Some(mtu),
        ..named("app")
    };
    refused(create_network(mtu(0)), "mtu", "0");
    refused(create_network(mtu(u32::MAX)), "mtu", "4294967295");
    let ttl = |seconds| shape::CreateNetwork {
        dns_ttl: Some(seconds),
        ..named("app")
    };
    let day = create_network(ttl(86_400)).unwrap();
    assert_eq!(day.dns_ttl.map(u32::from), Some(86_400));
    refused(create_network(ttl(86_401)), "dns_ttl", "86401");
    let subnet = |subnet: shape::SubnetRequest| shape::CreateNetwork {
        subnets: vec![subnet],
        ..named("app")
    };
    let of = |text: &str| shape::SubnetRequest {
        subnet: text.to_owned(),
        ..shape::SubnetRequest::default()
    };
    create_network(subnet(of("10.0.0.0/24"))).unwrap();
    for text in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/24", "::/129"] {
        refused(create_network(subnet(of(text))), "subnets.subnet", text);
    }
    let gateway = shape::SubnetRequest {
        gateway: Some("10.0.0".to_owned()),
        ..of("10.0.0.0/24")
    };
    refused(create_network(subnet(gateway)), "subnets.gateway", "10.0.0");
    let range = shape::SubnetRequest {
        range: Some("x".to_owned()),
        ..of("10.0.0.0/24")
    };
    refused(create_network(subnet(range)), "subnets.range", "x");
    let auxiliary = shape::SubnetRequest {
        auxiliary: [("router".to_owned(), "y".to_owned())].into(),
        ..of("10.0.0.0/24")
    };
    refused(create_network(subnet(auxiliary)), "subnets.auxiliary", "y");
}

#[test]
fn servers_that_cannot_be_asked_are_refused_with_their_container() {
    let with = |servers: &[&str]| {
        let mut request = add("unix");
        request.dns = servers.iter().map(ToString::to_string).collect();
        add_container(&request)
    };
    let good = with(&["192.0.2.1", "2001:db8::1"]).unwrap();
    assert_eq!(good.dns.servers.len(), 2);
    for (servers, words) in [
        (&["0.0.0.0"][..], "no server has this address"),
        (&["ff02::1"], "no server has this address"),
        (&["192.0.2.1", "192.0.2.1"], "given twice"),
    ] {
        let Err(error) = with(servers) else {
            panic!("{servers:?}");
        };
        let told = problem(&error);
        assert!(told.contains("dns") && told.contains(words), "{told}");
    }
}

#[test]
fn a_rate_is_read_or_refused_with_its_field_value_and_remedy() {
    let limited = |text: Option<&str>| {
        let text = text.map(str::to_owned);
        let endpoint = shape::Connect {
            rate: text.clone(),
            ..endpoint()
        };
        let set = shape::Rate {
            rate: text,
            network: None,
        };
        let connected = connect("web", &endpoint).map(|request| request.rate);
        [connected, rate(&set)]
    };
    for (text, expected) in [(Some("50mbit"), Some(50_000_000)), (None, None)] {
        for read in limited(text) {
            assert_eq!(read.ok().unwrap().map(Rate::bits), expected);
        }
    }
    for text in ["fast", "1kbit", "200gbit", "none"] {
        for read in limited(Some(text)) {
            let Err(error) = read else { panic!("{text}") };
            let told = problem(&error);
            for word in ["rate", text, "mbit"] {
                assert!(told.contains(word) || told.contains("100gbit"), "{told}");
            }
        }
    }
}

#[test]
fn what_is_shown_of_a_value_is_bounded() {
    let Err(error) = add_container(&add(&"x".repeat(100_000))) else {
        panic!("no channel");
    };
    assert!(problem(&error).len() < 1_000);
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_as_a_bad_request(
        text in prop_oneof!["\\PC{0,60}", "(unix|chardev|vsock|hybrid-vsock|veth|pci|slot|mac|tap):\\PC{0,40}"],
    ) {
        let container = shape::AddContainer {
            hostname: Some(text.clone()),
            dns: vec![text.clone()],
            extra_hosts: vec![text.clone()],
            ..add(&text)
        };
        let connection = shape::Connect {
            nic: Some(text.clone()),
            attachment: Some(text.clone()),
            rate: Some(text.clone()),
            ..endpoint()
        };
        let errors = [
            add_container(&container).err(),
            add_container(&add(&text)).err(),
            connect(&text, &connection).err(),
            nic(&text).err(),
            attachment(&text).err(),
            extra_host(&text).err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert_eq!(error.into_response().status(), 400);
        }
    }
}
