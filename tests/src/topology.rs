//! The two places that every end-to-end test has: the Virtual Container Host and what is outside.
//!
//! ```text
//!   vch (10.2.0.2/16, interface `external`) ────── outside (10.2.0.1/16, interface `vch`; beyond: 198.18.0.1)
//! ```

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::namespace::Namespace;

/// Namespaces joined by a veth pair. `vch` has a default route; `outside` has no route back to any container network,
/// so an answer arrives only when the VCH masquerades.
#[derive(Debug)]
pub struct Topology {
    /// Where the coordinator, its bridges and the VMs' taps are.
    pub vch: Namespace,
    /// The external network and its gateway.
    pub outside: Namespace,
}

impl Topology {
    /// The VCH's interface on the external network.
    pub const EXTERNAL_INTERFACE: &'static str = "external";
    /// The VCH's own address on the external network 10.2.0.0/16.
    pub const VCH: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);
    /// That network's gateway, in `outside`.
    pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
    /// An address in `outside` that is on no network of the VCH (RFC 2544's range for tests).
    pub const BEYOND: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

    /// Makes both.
    pub fn create() -> Result<Self> {
        let topology = Self {
            vch: Namespace::create("vch")?,
            outside: Namespace::create("outside")?,
        };
        let (vch, outside) = (&topology.vch, &topology.outside);
        let peer = outside.name();
        vch.ip(&format!(
            "link add {} type veth peer name vch netns {peer}",
            Self::EXTERNAL_INTERFACE
        ))?;
        vch.ip(&format!(
            "address add {}/16 dev {}",
            Self::VCH,
            Self::EXTERNAL_INTERFACE
        ))?;
        vch.ip(&format!("link set {} up", Self::EXTERNAL_INTERFACE))?;
        outside.ip(&format!("address add {}/16 dev vch", Self::GATEWAY))?;
        outside.ip("link set vch up")?;
        outside.ip(&format!("address add {}/32 dev lo", Self::BEYOND))?;
        vch.ip(&format!("route add default via {}", Self::GATEWAY))?;
        Ok(topology)
    }
}
