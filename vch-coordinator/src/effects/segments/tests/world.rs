//! The things that the tests make.

use super::room::Neighbour;
use crate::effects::segments::{Bridge, Desired, Owner, Port, PortKind, Segments, SegmentsThread};
use protocol::spec::InterfaceName;

pub const GATEWAY: &str = "172.18.0.1/16";

pub async fn spawn() -> (Segments, SegmentsThread) {
    Segments::spawn(Owner::of(b"a VCH")).await.unwrap()
}

pub fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

pub fn bridge(text: &str, addresses: &[&str]) -> Bridge {
    Bridge {
        name: name(text),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        mtu: None,
    }
}

pub fn tap(text: &str) -> Port {
    Port {
        name: name(text),
        bridge: name("br-1"),
        foreign: false,
        kind: PortKind::Tap,
        mtu: None,
    }
}

pub fn veth(text: &str, peer: &Neighbour) -> Port {
    Port {
        name: name(text),
        bridge: name("br-1"),
        foreign: false,
        kind: PortKind::Veth {
            netns: peer.path().to_owned(),
            peer: name("eth0"),
            mac: "02:00:00:00:00:02".parse().unwrap(),
        },
        mtu: None,
    }
}

pub fn desired(bridges: &[Bridge], ports: &[Port]) -> Desired {
    let bridges = bridges.iter().map(|b| (b.name.clone(), b.clone()));
    let ports = ports.iter().map(|p| (p.name.clone(), p.clone()));
    Desired {
        bridges: bridges.collect(),
        ports: ports.collect(),
    }
}
