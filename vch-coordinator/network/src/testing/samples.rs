//! Samples of bridges and ports for tests.

use super::namespace::Neighbour;
use crate::{
    ActorThread,
    segments::{Bridge, Desired, Owner, Port, PortKind, Segments},
};
use protocol::spec::InterfaceName;
use vch_ledger::desired::Limit;

/// An address with prefix length for the sample bridge `br-1`: the gateway of its network.
pub const GATEWAY: &str = "172.18.0.1/16";

/// Starts the thread that owns the links of the calling thread's namespace; panics if that fails.
pub async fn spawn() -> (Segments, ActorThread) {
    Segments::spawn(Owner::of(b"a VCH")).await.unwrap()
}

/// Parses the name of a link; panics if it is not valid.
pub fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

/// Returns a bridge with this name and these addresses (with prefix lengths), which must be valid.
pub fn bridge(text: &str, addresses: &[&str]) -> Bridge {
    Bridge {
        name: name(text),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        mtu: None,
    }
}

/// Returns a tap with this name on the bridge `br-1`.
pub fn tap(text: &str) -> Port {
    Port {
        name: name(text),
        bridge: name("br-1"),
        foreign: false,
        kind: PortKind::Tap,
        mtu: None,
        limit: None,
    }
}

/// Returns a veth pair: one end has this name and is on the bridge `br-1`, the other end is `eth0` in the namespace
/// `peer`.
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
        limit: None,
    }
}

/// Returns the port with a traffic limit, given as text such as `50mbit`.
pub fn limited(port: Port, rate: &str) -> Port {
    let ifb = name(&port.name.as_str().replace("vt-", "vi-"));
    let rate = rate.parse().unwrap();
    Port {
        limit: Some(Limit { rate, ifb }),
        ..port
    }
}

/// Returns the desired state that consists of these bridges and ports.
pub fn desired(bridges: &[Bridge], ports: &[Port]) -> Desired {
    let bridges = bridges.iter().map(|b| (b.name.clone(), b.clone()));
    let ports = ports.iter().map(|p| (p.name.clone(), p.clone()));
    Desired {
        bridges: bridges.collect(),
        ports: ports.collect(),
    }
}
