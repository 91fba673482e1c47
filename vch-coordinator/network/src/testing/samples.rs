//! Bridges and ports that tests make.

use super::namespace::Neighbour;
use crate::{
    ActorThread,
    segments::{Bridge, Desired, Owner, Port, PortKind, Segments},
};
use protocol::spec::InterfaceName;

/// The gateway's address and prefix length on `br-1`.
pub const GATEWAY: &str = "172.18.0.1/16";

/// Starts the thread that owns the links of this namespace.
pub async fn spawn() -> (Segments, ActorThread) {
    Segments::spawn(Owner::of(b"a VCH")).await.unwrap()
}

/// Parses a link's name.
pub fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

/// Returns a bridge with these addresses.
pub fn bridge(text: &str, addresses: &[&str]) -> Bridge {
    Bridge {
        name: name(text),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        mtu: None,
    }
}

/// Returns a tap on `br-1`.
pub fn tap(text: &str) -> Port {
    Port {
        name: name(text),
        bridge: name("br-1"),
        foreign: false,
        kind: PortKind::Tap,
        mtu: None,
    }
}

/// Returns a pair of links between `br-1` and another namespace.
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

/// Returns these bridges and ports as desired state.
pub fn desired(bridges: &[Bridge], ports: &[Port]) -> Desired {
    let bridges = bridges.iter().map(|b| (b.name.clone(), b.clone()));
    let ports = ports.iter().map(|p| (p.name.clone(), p.clone()));
    Desired {
        bridges: bridges.collect(),
        ports: ports.collect(),
    }
}
