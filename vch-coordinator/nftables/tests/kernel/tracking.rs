//! The connection tracker's entries.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use vch_nftables::*;

use crate::space::{program, space};

const UDP: u8 = 17;

/// A ruleset that makes the kernel track, and leads port 8080 of loopback to 7002.
fn tracked() {
    program("ip", "iproute2", &["link", "set", "lo", "up"], "");
    let table = Table::new(Family::Inet, name!("vch"));
    let mut batch = Batch::new();
    batch.replace_table(&table);
    batch.add_chain(&table, Chain::nat(name!("output"), Hook::Output, -100));
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let rule = Rule::new()
            .is(Field::L4Proto, Datum::UDP)
            .is(Field::DestinationPort, Datum::Service(8080))
            .dnat(address, Some(7002));
        batch.add_rule(&table, &name!("output"), rule);
    }
    Connection::open().unwrap().commit(&batch).unwrap();
}

fn asked(address: IpAddr, ports: &[u16]) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    for port in ports {
        // Nobody listens: what is refused for the one before is no error of this one.
        let _ = socket.take_error();
        socket.send_to(b"x", (address, *port)).unwrap();
    }
    socket
}

fn ports(flows: &[Flow]) -> BTreeSet<(u16, u16)> {
    let ports = flows
        .iter()
        .map(|flow| (flow.original.destination.1, flow.reply.source.1));
    ports.collect()
}

#[test]
fn the_kernel_lists_what_is_asked_for_and_deletes_that_alone() {
    for address in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ] {
        space(move || {
            tracked();
            let version = (&address).into();
            let socket = asked(address, &[7001, 7002, 8080, 7001]);
            let source = (address, socket.local_addr().unwrap().port());
            let mut tracker = Conntrack::open().unwrap();
            let asked_for = |port| FlowFilter::AskedFor {
                version,
                protocol: UDP,
                port: Some(port),
            };
            let any = FlowFilter::AskedFor {
                version,
                protocol: UDP,
                port: None,
            };
            let all = [(7001, 7001), (7002, 7002), (8080, 7002)].into();
            assert_eq!(ports(&tracker.flows(any).unwrap()), all);
            let found = tracker.flows(asked_for(7001)).unwrap();
            assert_eq!(ports(&found), [(7001, 7001)].into());
            assert_eq!((found[0].protocol, found[0].original.source), (UDP, source));
            let translated = tracker.flows(FlowFilter::Translated(version)).unwrap();
            assert_eq!(ports(&translated), [(8080, 7002)].into());
            let to = |address| FlowFilter::TranslatedTo(address);
            assert_eq!(tracker.flows(to(address)).unwrap(), translated);
            let nobody: IpAddr = match address {
                IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            assert_eq!(tracker.flows(to(nobody)).unwrap(), []);

            assert!(tracker.delete(&translated[0]).unwrap());
            assert!(!tracker.delete(&translated[0]).unwrap(), "it is gone");
            for port in [7001, 7002] {
                let left = tracker.flows(asked_for(port)).unwrap();
                assert_eq!(ports(&left), [(port, port)].into());
            }
            assert_eq!(tracker.flows(to(address)).unwrap(), []);
        });
    }
}
