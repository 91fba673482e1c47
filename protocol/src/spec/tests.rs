use super::*;
use crate::sample::{id, interface_parts, mac, spec_parts};
use std::net::IpAddr;

fn two_interfaces(change: impl Fn(&mut InterfaceParts)) -> Result<NetSpec, SpecError> {
    let mut second = interface_parts(1);
    change(&mut second);
    let mut parts = spec_parts(id(1, 1));
    parts.interfaces.push(second.try_into().unwrap());
    parts.try_into()
}

fn interface(change: impl Fn(&mut InterfaceParts)) -> Result<Interface, InterfaceError> {
    let mut parts = interface_parts(0);
    change(&mut parts);
    parts.try_into()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn interfaces_that_differ_make_a_spec() {
    assert!(two_interfaces(|_| {}).is_ok());
}

#[test]
fn two_interfaces_with_one_mac_name_match_or_address_are_refused() {
    let first = interface_parts(0);
    assert_eq!(
        two_interfaces(|i| i.mac = mac(0)),
        Err(SpecError::DuplicateMac(mac(0)))
    );
    assert_eq!(
        two_interfaces(|i| i.name = first.name.clone()),
        Err(SpecError::DuplicateName(first.name.clone()))
    );
    assert_eq!(
        two_interfaces(|i| i.nic = first.nic.clone()),
        Err(SpecError::DuplicateMatch(first.nic.clone()))
    );
    assert_eq!(
        two_interfaces(|i| i.addresses.push(net("10.0.0.2/24"))),
        Err(SpecError::DuplicateAddress(ip("10.0.0.2")))
    );
}

#[test]
fn lists_of_a_spec_beyond_their_bounds_are_refused() {
    let mut parts = spec_parts(id(1, 1));
    parts.extension = vec![0; MAX_EXTENSION + 1];
    let error = NetSpec::try_from(parts).unwrap_err();
    assert_eq!(
        error.to_string(),
        "spec field `extension` has 4097 entries: at most 4096 are possible"
    );
    let mut parts = spec_parts(id(1, 1));
    parts.interfaces = vec![parts.interfaces[0].clone(); MAX_INTERFACES + 1];
    assert!(matches!(
        NetSpec::try_from(parts),
        Err(SpecError::TooMany {
            field: "interfaces",
            ..
        })
    ));
    let mut parts = spec_parts(id(1, 1));
    let host = HostEntry {
        address: ip("10.0.0.9"),
        name: "db".parse().unwrap(),
    };
    parts.hosts = vec![host; MAX_HOSTS + 1];
    assert!(matches!(
        NetSpec::try_from(parts),
        Err(SpecError::TooMany { field: "hosts", .. })
    ));
}

#[test]
fn a_spec_that_no_frame_carries_is_refused_though_each_list_is_short_enough() {
    let mut parts = spec_parts(id(1, 1));
    parts.interfaces = (0..30)
        .map(|number| {
            let mut interface = interface_parts(number);
            interface.routes = vec![interface.routes[0].clone(); MAX_ROUTES];
            interface.try_into().unwrap()
        })
        .collect();
    match NetSpec::try_from(parts) {
        Err(SpecError::TooLarge { bytes }) => assert!(bytes > MAX_SPEC_BYTES),
        other => panic!("expected it to be too large, got {other:?}"),
    }
}

#[test]
fn what_is_no_hosts_address_is_refused() {
    for address in [
        "10.0.0.0/16",
        "10.0.255.255/16",
        "0.0.0.0/0",
        "224.0.0.1/4",
        "::/64",
        "ff02::1/64",
    ] {
        let address = net(address);
        assert_eq!(
            interface(|i| i.addresses = vec![address]).map(|_| ()),
            Err(InterfaceError::NotAHost(address)),
        );
    }
}

#[test]
fn both_addresses_of_a_point_to_point_subnet_are_hosts() {
    for address in ["10.0.0.0/31", "10.0.0.1/31", "10.0.0.7/32", "fd00::/127"] {
        let address = net(address);
        let made = interface(|i| {
            i.addresses = vec![address];
            i.routes.clear();
        });
        assert!(made.is_ok(), "{address}");
    }
}

#[test]
fn an_address_given_twice_is_refused() {
    assert_eq!(
        interface(|i| i.addresses.push(net("10.0.0.2/24"))).map(|_| ()),
        Err(InterfaceError::DuplicateAddress(ip("10.0.0.2")))
    );
}

#[test]
fn a_gateway_must_be_reachable_on_the_link() {
    let outside = ip("192.0.2.1");
    let with = |change: fn(&mut InterfaceParts)| {
        interface(|i| {
            i.routes[0].gateway = Some(outside);
            change(i);
        })
        .map(|_| ())
    };
    assert_eq!(with(|_| {}), Err(InterfaceError::GatewayOffLink(outside)));
    assert_eq!(with(|i| i.routes[0].on_link = true), Ok(()));
    assert_eq!(with(|i| i.addressing = Addressing::Dhcp), Ok(()));
    let link_local = interface(|i| {
        i.routes[0].destination = net("::/0");
        i.routes[0].gateway = Some(ip("fe80::1"));
    });
    assert!(link_local.is_ok());
}

#[test]
fn a_route_has_one_family_no_host_bits_and_a_source_of_its_own() {
    assert_eq!(
        interface(|i| i.routes[0].destination = net("10.9.0.1/16")).map(|_| ()),
        Err(InterfaceError::HostBits(net("10.9.0.1/16")))
    );
    assert_eq!(
        interface(|i| i.routes[0].gateway = Some(ip("fe80::1"))).map(|_| ()),
        Err(InterfaceError::MixedFamilies(
            net("0.0.0.0/0"),
            ip("fe80::1")
        ))
    );
    assert_eq!(
        interface(|i| i.routes[0].source = Some(ip("10.0.0.3"))).map(|_| ()),
        Err(InterfaceError::ForeignSource(ip("10.0.0.3")))
    );
    assert!(interface(|i| i.routes[0].source = Some(ip("10.0.0.2"))).is_ok());
}

#[test]
fn mac_addresses_are_read_as_people_write_them() {
    let written: MacAddress = "02-42-AC-11-00-02".parse().unwrap();
    assert_eq!(written.to_string(), "02:42:ac:11:00:02");
    for text in [
        "",
        "02:42:ac:11:00",
        "02:42:ac:11:00:02:03",
        "2:42:ac:11:0:2",
        "+2:42:ac:11:00:02",
        "01:00:5e:00:00:01",
        "00:00:00:00:00:00",
    ] {
        assert!(text.parse::<MacAddress>().is_err(), "{text}");
    }
}

#[test]
fn pci_paths_are_read_as_they_are_shown() {
    for text in ["03.0", "02.0/00.0", "1f.7"] {
        let path: PciPath = text.parse().unwrap();
        assert_eq!(path.to_string(), text);
    }
    for text in ["", "3", "20.0", "03.8", "03.0/", "+3.0", "03.+1", "0003.0"] {
        assert!(text.parse::<PciPath>().is_err(), "{text}");
    }
    let deep = ["00.0"; PciPath::MAX_DEPTH + 1].join("/");
    assert!(deep.parse::<PciPath>().is_err());
}

#[test]
fn names_that_the_kernel_or_a_file_could_misread_are_refused() {
    for name in ["eth0", "a", "br-0123456789ab", "eth0.5"] {
        assert!(name.parse::<InterfaceName>().is_ok(), "{name}");
    }
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "eth0:1",
        "sixteen-letters-",
        "ä",
    ] {
        assert!(name.parse::<InterfaceName>().is_err(), "{name}");
    }
    for name in ["web", "web.example", "my_app-1", "0"] {
        assert!(name.parse::<Hostname>().is_ok(), "{name}");
    }
    let long_label = "a".repeat(64);
    let long_name = ["a"; 128].join(".");
    for name in [
        "",
        ".",
        "a..b",
        "-a",
        "a-",
        "a b",
        "a\nb",
        "a.",
        &long_label,
        &long_name,
    ] {
        assert!(name.parse::<Hostname>().is_err(), "{name:?}");
    }
}

#[test]
fn a_resolver_takes_what_resolv_conf_takes() {
    let servers = vec![ip("10.0.0.1"); Resolver::MAX_SERVERS];
    let options = vec!["ndots:1".to_owned()];
    assert!(Resolver::new(servers.clone(), Vec::new(), options).is_ok());
    let too_many = [servers, vec![ip("10.0.0.2")]].concat();
    assert!(matches!(
        Resolver::new(too_many, Vec::new(), Vec::new()),
        Err(ResolverError::TooMany {
            field: "servers",
            count: 4,
            limit: 3
        })
    ));
    for option in ["", "two words", "new\nline", &"x".repeat(65)] {
        let options = vec![option.to_owned()];
        assert!(matches!(
            Resolver::new(Vec::new(), Vec::new(), options),
            Err(ResolverError::Option(_))
        ));
    }
}

#[test]
fn an_mtu_is_one_that_ip_allows() {
    for (bytes, possible) in [(67, false), (68, true), (65_535, true), (65_536, false)] {
        assert_eq!(Mtu::try_from(bytes).is_ok(), possible, "{bytes}");
    }
}
