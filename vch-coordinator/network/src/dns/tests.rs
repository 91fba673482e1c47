use super::*;
use nix::sched::{CloneFlags, unshare};
use std::{
    net::{TcpListener, UdpSocket},
    process::Command,
    time::{Duration, Instant},
};
use vch_ledger::Channel;
use vch_ledger::{Attachment, desired::EndpointChange};

/// Runs a test in a network namespace of its own, in which port 53 is free.
fn in_namespace(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root, for namespaces");
            let up = Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status();
            assert!(up.expect("`ip`: apt-get install iproute2").success());
            test();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn started() -> Dns {
    Dns::spawn(&vch_dns::Config::default(), vch_dns::Policy::default()).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn id<T: Id>(number: u8) -> T {
    T::from_bytes([number; 32])
}

/// Returns a container's ID; IDs of different kinds of objects differ too.
fn container_id(number: u8) -> ContainerId {
    id(100 + number)
}

/// Returns network N, which is 127.0.N.0/24, with the VCH at .1.
fn network(number: u8) -> (NetworkId, Option<NetworkBacking>) {
    let address = format!("127.0.{number}.1/24").parse().unwrap();
    let backing = NetworkBacking {
        segment: Segment::Dedicated(format!("br-{number}").parse().unwrap()),
        subnets: vec![ipnet::IpNet::trunc(&address)],
        addresses: vec![address],
        mtu: None,
        dns_ttl: None,
        internal: false,
        isolated: false,
        untranslated: false,
    };
    (id(number), Some(backing))
}

/// Returns a container that asks from these addresses.
fn container(
    number: u8,
    asks_from: &[(u8, &str)],
    servers: &[&str],
) -> (ContainerId, Option<AgentTarget>) {
    let asks_from = asks_from.iter();
    let target = AgentTarget {
        name: number.to_string(),
        channel: Channel::Unix { path: None },
        spec: None,
        asks_from: asks_from.map(|(net, at)| (id(*net), ip(at))).collect(),
        forwards_to: servers.iter().map(|server| ip(server)).collect(),
    };
    (container_id(number), Some(target))
}

/// Returns the endpoint of one name on a network.
fn endpoint(number: u8, on: u8, name: &str, address: &str) -> (EndpointId, EndpointChange) {
    let after = DesiredEndpoint {
        network: id(on),
        segment: Segment::Dedicated(format!("br-{on}").parse().unwrap()),
        port: format!("vt-{number}").parse().unwrap(),
        attachment: Attachment::Tap,
        interface: "eth0".parse().unwrap(),
        mtu: None,
        limit: None,
        addresses: vec![ip(address)],
        mac: [2, 0, 0, 0, 0, number].try_into().unwrap(),
        names: vec![name.parse().unwrap()],
        pointer: name.parse().unwrap(),
        level: None,
        opened: Vec::new(),
        nic: None,
    };
    let change = EndpointChange {
        before: None,
        after: Some(after),
    };
    (id(number), change)
}

fn link(asker: u8, alias: &str, address: &str) -> PrivateName {
    (container_id(asker), alias.parse().unwrap(), ip(address))
}

/// Returns the output of `dig`, run from an address of a container.
fn dig(from: &str, gateway: &str, question: &[&str]) -> String {
    let output = Command::new("dig")
        .args(["-b", from, &format!("@{gateway}"), "+time=2", "+tries=1"])
        .args(question)
        .output()
        .expect("`dig`: apt-get install dnsutils");
    String::from_utf8(output.stdout).unwrap()
}

fn found(from: &str, gateway: &str, name: &str) -> String {
    dig(from, gateway, &["+short", name]).trim().to_owned()
}

fn does_not_exist(from: &str, gateway: &str, name: &str) -> bool {
    dig(from, gateway, &[name]).contains("status: NXDOMAIN")
}

/// Returns two containers on network 1, of which the second is `db`.
fn two() -> Delta {
    Delta {
        networks: [network(1)].into(),
        endpoints: [endpoint(2, 1, "db", "127.0.1.3")].into(),
        containers: [
            container(1, &[(1, "127.0.1.2")], &[]),
            container(2, &[(1, "127.0.1.3")], &[]),
        ]
        .into(),
        ..Delta::default()
    }
}

#[test]
fn a_link_answers_its_asker_alone_and_changes_no_reverse_name() {
    in_namespace(|| {
        let mut dns = started();
        let mut delta = two();
        let alias = link(1, "database", "127.0.1.3");
        delta.links.insert(alias.clone(), true);
        dns.follow(&delta).unwrap();
        assert_eq!(found("127.0.1.2", "127.0.1.1", "database"), "127.0.1.3");
        assert!(does_not_exist("127.0.1.3", "127.0.1.1", "database"));
        assert_eq!(found("127.0.1.2", "127.0.1.1", "db"), "127.0.1.3");
        let reverse = dig("127.0.1.2", "127.0.1.1", &["+short", "-x", "127.0.1.3"]);
        assert_eq!(reverse, "db.\n");

        let ended = Delta {
            links: [(alias, false)].into(),
            ..Delta::default()
        };
        dns.follow(&ended).unwrap();
        assert!(does_not_exist("127.0.1.2", "127.0.1.1", "database"));
        dns.close();
    });
}

#[test]
fn a_containers_own_name_for_another_comes_before_the_networks() {
    in_namespace(|| {
        let mut dns = started();
        let mut delta = two();
        delta
            .endpoints
            .extend([endpoint(4, 1, "cache", "127.0.1.4")]);
        delta.links.insert(link(1, "db", "127.0.1.4"), true);
        dns.follow(&delta).unwrap();
        assert_eq!(found("127.0.1.2", "127.0.1.1", "db"), "127.0.1.4");
        assert_eq!(found("127.0.1.3", "127.0.1.1", "db"), "127.0.1.3");
        dns.close();
    });
}

#[test]
fn private_names_are_no_way_out_of_internal_networks() {
    in_namespace(|| {
        let mut dns = started();
        let mut delta = two();
        let backing = delta.networks.values_mut().flatten();
        backing.for_each(|backing| backing.internal = true);
        dns.follow(&delta).unwrap();
        assert!(does_not_exist("127.0.1.2", "127.0.1.1", "example.org"));
        assert_eq!(found("127.0.1.2", "127.0.1.1", "db"), "127.0.1.3");
        dns.close();
    });
}

/// 127.0.8.1 and 127.0.9.1 are two servers outside, each with its own answer for the same name.
#[test]
fn each_containers_outside_questions_go_to_its_own_servers() {
    in_namespace(|| {
        let mut outside = started();
        let mut world = Delta {
            networks: [network(8), network(9)].into(),
            endpoints: [
                endpoint(8, 8, "www.example", "127.0.8.80"),
                endpoint(9, 9, "www.example", "127.0.9.80"),
            ]
            .into(),
            ..Delta::default()
        };
        // A query from any client is answered.
        let backing = world.networks.values_mut().flatten();
        backing.for_each(|backing| backing.subnets.clear());
        outside.follow(&world).unwrap();

        let mut dns = started();
        let mut delta = two();
        delta.containers = [
            container(1, &[(1, "127.0.1.2")], &["127.0.8.1"]),
            container(2, &[(1, "127.0.1.3")], &["127.0.9.1"]),
            container(3, &[(1, "127.0.1.4")], &[]),
        ]
        .into();
        dns.follow(&delta).unwrap();
        dns.server
            .set_upstreams(&["127.0.8.1:53".parse().unwrap()])
            .unwrap();
        assert_eq!(found("127.0.1.2", "127.0.1.1", "www.example"), "127.0.8.80");
        assert_eq!(found("127.0.1.3", "127.0.1.1", "www.example"), "127.0.9.80");
        assert_eq!(found("127.0.1.4", "127.0.1.1", "www.example"), "127.0.8.80");
        dns.close();
        outside.close();
    });
}

#[test]
fn what_a_whole_ledger_does_not_have_ends() {
    in_namespace(|| {
        let mut dns = started();
        let mut delta = two();
        delta.networks.extend([network(2)]);
        delta
            .endpoints
            .extend([endpoint(5, 1, "gone", "127.0.1.5")]);
        delta
            .containers
            .extend([container(5, &[(1, "127.0.1.5"), (2, "127.0.2.5")], &[])]);
        delta.links.insert(link(1, "database", "127.0.1.3"), true);
        dns.follow(&delta).unwrap();
        assert_eq!(found("127.0.1.2", "127.0.1.1", "gone"), "127.0.1.5");
        assert_eq!(found("127.0.1.2", "127.0.1.1", "database"), "127.0.1.3");

        // The works that told of the ends were not followed: something before this one failed.
        dns.reconcile(&two()).unwrap();
        assert!(does_not_exist("127.0.1.2", "127.0.1.1", "gone"));
        assert!(does_not_exist("127.0.1.2", "127.0.1.1", "database"));
        assert_eq!(found("127.0.1.2", "127.0.1.1", "db"), "127.0.1.3");
        assert_eq!(dns.server.listening().len(), 1);
        assert_eq!(dns.askers.len(), 2);
        dns.reconcile(&Delta::default()).unwrap();
        assert!(dns.names.is_empty());
        assert!(dns.server.listening().is_empty());
        dns.close();
    });
}

fn held(refused: DnsError) -> (IpAddr, &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let refused = runtime.unwrap().block_on(refused.naming_holder());
    let words = refused.to_string();
    let DnsError::Held {
        address,
        transport,
        port: 53,
        holder,
    } = refused
    else {
        panic!("{words}");
    };
    let own = format!("(process {})", std::process::id());
    assert!(holder.contains(&own) && words.contains(&own), "{words}");
    (address, transport)
}

/// Returns whether port 53 can be bound at every address.
fn is_free(transport: &str) -> bool {
    match transport {
        "udp" => UdpSocket::bind("0.0.0.0:53").is_ok(),
        _ => TcpListener::bind("0.0.0.0:53").is_ok(),
    }
}

/// Waits until a condition holds.
fn until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "it never holds");
        std::thread::yield_now();
    }
}

#[test]
fn the_holder_of_port_53_everywhere_is_named() {
    in_namespace(|| {
        let mut dns = started();
        let udp = UdpSocket::bind("0.0.0.0:53").unwrap();
        let refused = dns.follow(&two()).unwrap_err();
        assert_eq!(held(refused), (ip("127.0.1.1"), "udp"));
        // A process that another test starts has this one's sockets until it is another program.
        let free = |network: &'static str| until(|| is_free(network));
        drop(udp);
        free("udp");
        let tcp = TcpListener::bind("0.0.0.0:53").unwrap();
        let refused = dns.follow(&two()).unwrap_err();
        assert_eq!(held(refused), (ip("127.0.1.1"), "tcp"));
        drop(tcp);
        free("tcp");
        dns.follow(&two()).unwrap();
        assert_eq!(found("127.0.1.2", "127.0.1.1", "db"), "127.0.1.3");
        dns.close();
    });
}

#[test]
fn who_holds_port_53_at_his_own_address_is_in_nobodys_way() {
    in_namespace(|| {
        let mut dns = started();
        // As systemd-resolved does, and a name server of the VCH's own networks.
        let _resolved = UdpSocket::bind("127.0.0.53:53").unwrap();
        let _other = TcpListener::bind("127.0.0.53:53").unwrap();
        dns.follow(&two()).unwrap();
        assert_eq!(found("127.0.1.2", "127.0.1.1", "db"), "127.0.1.3");

        // One gateway that is taken leaves the others served.
        let _in_the_way = UdpSocket::bind("127.0.2.1:53").unwrap();
        let mut delta = two();
        delta.networks.extend([network(2), network(3)]);
        let refused = dns.follow(&delta).unwrap_err();
        assert_eq!(held(refused), (ip("127.0.2.1"), "udp"));
        let served: Vec<IpAddr> = dns
            .server
            .listening()
            .iter()
            .map(|(_, at)| at.ip())
            .collect();
        assert_eq!(served, [ip("127.0.1.1"), ip("127.0.3.1")]);
        dns.close();
    });
}

#[test]
fn answers_bear_the_ttl_of_their_network() {
    in_namespace(|| {
        let mut dns = started();
        let mut delta = two();
        let ttl = |found: &str| {
            let words: Vec<_> = found.split_whitespace().map(str::to_owned).collect();
            words.get(1).cloned().unwrap_or_default()
        };
        for (seconds, expected) in [
            (None, "0"),
            (Some(300), "300"),
            (Some(86_400), "86400"),
            (None, "0"),
        ] {
            let backing = delta.networks.get_mut(&id(1)).unwrap().as_mut().unwrap();
            backing.dns_ttl = seconds.map(|seconds: u32| seconds.try_into().unwrap());
            dns.follow(&delta).unwrap();
            let answer = |question: &[&str]| {
                let question = [&["+noall", "+answer"], question].concat();
                dig("127.0.1.2", "127.0.1.1", &question)
            };
            assert_eq!(ttl(&answer(&["db"])), expected);
            assert_eq!(ttl(&answer(&["-x", "127.0.1.3"])), expected);
        }
        dns.close();
    });
}
