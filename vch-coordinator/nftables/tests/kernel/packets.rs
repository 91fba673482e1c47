//! What packets meet: an outside, a VCH and a container in three network namespaces.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use vch_nftables::*;

use crate::space::Space;

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 99);
const EXTERNAL: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
const CONTAINER: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 2);

struct Lab {
    outside: Space,
    vch: Space,
    container: Space,
}

impl Lab {
    fn new() -> Self {
        let lab = Self {
            outside: Space::new(),
            vch: Space::new(),
            container: Space::new(),
        };
        lab.vch.ip(&format!(
            "link set lo up
             link add br-a type bridge
             addr add 172.18.0.1/16 dev br-a
             link set br-a up
             link add tap2 type veth peer name eth0 address 02:00:00:00:00:02 netns {}
             link set tap2 master br-a
             link set tap2 up
             link add ext0 type veth peer name eth0 netns {}
             addr add {EXTERNAL}/16 dev ext0
             link set ext0 up",
            lab.container.id, lab.outside.id
        ));
        lab.outside.ip(&format!(
            "addr add {OUTSIDE}/16 dev eth0
             link set eth0 up"
        ));
        lab.container.ip(&format!(
            "addr add {CONTAINER}/16 dev eth0
             link set eth0 up
             route add default via 172.18.0.1"
        ));
        // The file is the namespace's of the thread that opens it.
        let forward = || std::fs::write("/proc/sys/net/ipv4/ip_forward", "1");
        lab.vch.run(forward).unwrap();
        lab
    }

    fn commit(&self, batch: Batch) {
        self.vch
            .run(move || Connection::open().unwrap().commit(&batch))
            .unwrap();
    }
}

fn socket(space: &Space, address: Ipv4Addr, port: u16) -> UdpSocket {
    let socket = space.run(move || UdpSocket::bind((address, port))).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket
}

/// Sends, and returns from where the other side saw it come.
fn seen(from: &UdpSocket, to: (Ipv4Addr, u16), at: &UdpSocket) -> SocketAddr {
    from.send_to(b"hello", to).unwrap();
    let mut buffer = [0; 16];
    let (length, source) = at.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"hello");
    source
}

fn bridges() -> (Table, Set, Batch) {
    let table = Table::new(Family::Inet, name!("vch"));
    let bridges = Set::new(name!("bridges"), [DataType::Interface]);
    let mut batch = Batch::new();
    batch.replace_table(&table);
    batch.add_set(&table, &bridges);
    let bridge = InterfaceName::new("br-a").unwrap();
    batch.add_elements(&table, &bridges, vec![Element::new([bridge.into()])]);
    (table, bridges, batch)
}

#[test]
fn postrouting_knows_the_bridge_that_a_packet_came_from_and_masquerades_by_it() {
    let lab = Lab::new();
    let (table, bridges, mut batch) = bridges();
    batch.add_chain(
        &table,
        Chain::nat(name!("postrouting"), Hook::Postrouting, 100),
    );
    let rule = Rule::new()
        .is_in([Field::InputInterface], bridges.name.clone())
        .is_not_in([Field::OutputInterface], bridges.name)
        .masquerade();
    batch.add_rule(&table, &name!("postrouting"), rule);
    lab.commit(batch);
    let client = socket(&lab.container, CONTAINER, 4000);
    let server = socket(&lab.outside, OUTSIDE, 53);
    assert_eq!(
        seen(&client, (OUTSIDE, 53), &server).ip(),
        IpAddr::V4(EXTERNAL)
    );
    // The VCH's own packets have no input interface, and stay as they are.
    let own = socket(&lab.vch, Ipv4Addr::new(172, 18, 0, 1), 4001);
    lab.outside.ip("route add 172.18.0.0/16 via 10.2.0.1");
    let source = seen(&own, (OUTSIDE, 53), &server);
    assert_eq!(source.ip(), IpAddr::V4(Ipv4Addr::new(172, 18, 0, 1)));
}

#[test]
fn a_published_port_reaches_its_container_from_the_moment_of_its_element() {
    let lab = Lab::new();
    let table = Table::new(Family::Inet, name!("vch"));
    let key = [DataType::Ipv4, DataType::Protocol, DataType::Service];
    let map = Set::map(name!("published"), key, [DataType::Ipv4, DataType::Service]);
    let mut batch = Batch::new();
    batch.replace_table(&table);
    batch.add_set(&table, &map);
    batch.add_chain(
        &table,
        Chain::nat(name!("prerouting"), Hook::Prerouting, -100),
    );
    let fields = [Field::IpDestination, Field::L4Proto, Field::DestinationPort];
    let rule = Rule::new().dnat_map(IpVersion::V4, fields, map.name.clone());
    batch.add_rule(&table, &name!("prerouting"), rule);
    lab.commit(batch);
    let binding = Element::new([EXTERNAL.into(), Datum::UDP, Datum::Service(8080)])
        .to_values([CONTAINER.into(), Datum::Service(80)]);
    let mut batch = Batch::new();
    batch.add_elements(&table, &map, vec![binding]);
    lab.commit(batch);
    let server = socket(&lab.container, CONTAINER, 80);
    let client = socket(&lab.outside, OUTSIDE, 4000);
    let source = seen(&client, (EXTERNAL, 8080), &server);
    assert_eq!(source.ip(), IpAddr::V4(OUTSIDE));
    server.send_to(b"answer", source).unwrap();
    let mut buffer = [0; 16];
    let (_, answered) = client.recv_from(&mut buffer).unwrap();
    assert_eq!(answered, (EXTERNAL, 8080).into());
}

#[test]
fn a_spoofed_packet_is_dropped_on_its_port_and_a_genuine_one_passes() {
    let lab = Lab::new();
    let table = Table::new(Family::Bridge, name!("vch"));
    let types = [DataType::Interface, DataType::Ether, DataType::Ipv4];
    let anti_spoof = Set::verdict_map(name!("anti_spoof"), types);
    let chain = name!("prerouting");
    let mut batch = Batch::new();
    batch.replace_table(&table);
    batch.add_set(&table, &anti_spoof);
    batch.add_chain(
        &table,
        Chain::filter(chain.clone(), Hook::Prerouting, -300, Policy::Drop),
    );
    let tap = InterfaceName::new("tap2").unwrap();
    let mac = Datum::Ether([2, 0, 0, 0, 0, 2]);
    let endpoint = Element::new([tap.into(), mac, CONTAINER.into()]).to_verdict(Verdict::Accept);
    batch.add_elements(&table, &anti_spoof, vec![endpoint]);
    for sender in [Field::IpSource, Field::ArpSenderIp] {
        let key = [Field::InputInterface, Field::EtherSource, sender];
        batch.add_rule(
            &table,
            &chain,
            Rule::new().verdict_map(key, anti_spoof.name.clone()),
        );
    }
    lab.commit(batch);
    lab.container.ip("addr add 172.18.0.66/16 dev eth0");
    let spoofed = socket(&lab.container, Ipv4Addr::new(172, 18, 0, 66), 4000);
    let honest = socket(&lab.container, CONTAINER, 4000);
    let gateway = Ipv4Addr::new(172, 18, 0, 1);
    let server = socket(&lab.vch, gateway, 53);
    // ARP for the gateway goes out under the first address, which is genuine.
    assert_eq!(
        seen(&honest, (gateway, 53), &server).ip(),
        IpAddr::V4(CONTAINER)
    );
    spoofed.send_to(b"spoof", (gateway, 53)).unwrap();
    // One path, in order: had the spoofed packet passed, it would be here before this one.
    assert_eq!(
        seen(&honest, (gateway, 53), &server).ip(),
        IpAddr::V4(CONTAINER)
    );
}
