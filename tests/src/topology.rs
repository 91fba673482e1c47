//! The namespaces that every end-to-end test has: the Virtual Container Host, and one behind each of its networks.
//!
//! ```text
//!   vch ── external (bridge, 10.2.0.2/16) ─────── vch ────────── outside (10.2.0.1, 208.91.3.1; beyond: 198.18.0.1)
//!     ├── production (bridge, 208.91.3.3/24) ──── production ─── outside
//!     ├── management (192.0.2.2/24) ───────────── vch ────────── admin (192.0.2.1)
//!     └── endpoint (198.51.100.2/24) ──────────── vch ────────── clients (198.51.100.1)
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::namespace::Namespace;

/// The network namespaces of an end-to-end test, joined by veth pairs: a VCH, and one namespace behind each of its
/// networks. The VCH's external interfaces are bridges, so that containers' taps can be attached to them. `vch` has
/// default routes; `outside` has no route back to any bridge network, so an answer arrives only when the VCH
/// masquerades.
#[derive(Debug)]
pub struct Topology {
    /// The namespace of the VCH: its coordinator, its bridges and its VMs' taps.
    pub vch: Namespace,
    /// The namespace of the hosts and gateways on both external networks.
    pub outside: Namespace,
    /// The namespace of the hosts on the management network.
    pub admin: Namespace,
    /// The namespace of the Docker clients.
    pub clients: Namespace,
}

impl Topology {
    /// The name of the VCH's interface on the external network `default-external`: a bridge.
    pub const EXTERNAL_INTERFACE: &'static str = "external";
    /// The VCH's own IPv4 address on the external network `default-external`, 10.2.0.0/16.
    pub const VCH: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);
    /// The VCH's own IPv6 address on the external network `default-external`, 2001:db8:2::/64.
    pub const VCH6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 2);
    /// The IPv4 gateway of the external network `default-external`, in the namespace `outside`.
    pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
    /// The IPv6 gateway of the external network `default-external`, in the namespace `outside`.
    pub const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1);

    /// The name of the VCH's interface on the external network `vic-production`: a bridge.
    pub const PRODUCTION_INTERFACE: &'static str = "production";
    /// The VCH's own IPv4 address on the external network `vic-production`, 208.91.3.0/24. 208.91.3.2 is for the
    /// first container.
    pub const PRODUCTION_VCH: Ipv4Addr = Ipv4Addr::new(208, 91, 3, 3);
    /// The VCH's own IPv6 address on the external network `vic-production`, 2001:db8:3::/64.
    pub const PRODUCTION_VCH6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 3);
    /// The IPv4 gateway of the external network `vic-production`, in the namespace `outside`.
    pub const PRODUCTION_GATEWAY: Ipv4Addr = Ipv4Addr::new(208, 91, 3, 1);
    /// The IPv6 gateway of the external network `vic-production`, in the namespace `outside`.
    pub const PRODUCTION_GATEWAY6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 1);

    /// An address in `outside` that is on no network of the VCH (RFC 2544's range for tests).
    pub const BEYOND: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
    /// An IPv6 address in `outside` that is on no network of the VCH (RFC 5180's range for tests).
    pub const BEYOND6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1);

    /// The name of the VCH's interface on the management network.
    pub const MANAGEMENT_INTERFACE: &'static str = "management";
    /// The VCH's address on the management network, 192.0.2.0/24.
    pub const MANAGEMENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
    /// The address of the namespace `admin` on the management network.
    pub const ADMIN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    /// The name of the VCH's interface on the network from which Docker clients connect.
    pub const ENDPOINT_INTERFACE: &'static str = "endpoint";
    /// The VCH's address on the network from which Docker clients connect, 198.51.100.0/24.
    pub const ENDPOINT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
    /// The address of the namespace `clients`, from which Docker clients connect.
    pub const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

    /// Makes the four namespaces, the links between them, their addresses and the VCH's default routes.
    ///
    /// # Errors
    /// Returns an error if a namespace or link cannot be made.
    pub fn create() -> Result<Self> {
        let topology = Self {
            vch: Namespace::create("vch")?,
            outside: Namespace::create("outside")?,
            admin: Namespace::create("admin")?,
            clients: Namespace::create("clients")?,
        };
        let Self {
            vch,
            outside,
            admin,
            clients,
        } = &topology;
        let external = Self::EXTERNAL_INTERFACE;
        uplinked(vch, external, (outside, "vch"))?;
        addressed(vch, external, Self::VCH, 16, Self::VCH6)?;
        addressed(outside, "vch", Self::GATEWAY, 16, Self::GATEWAY6)?;

        let (production, vch6) = (Self::PRODUCTION_INTERFACE, Self::PRODUCTION_VCH6);
        uplinked(vch, production, (outside, production))?;
        addressed(vch, production, Self::PRODUCTION_VCH, 24, vch6)?;
        let (gateway, gateway6) = (Self::PRODUCTION_GATEWAY, Self::PRODUCTION_GATEWAY6);
        addressed(outside, production, gateway, 24, gateway6)?;

        for (interface, own, neighbour, theirs) in [
            (
                Self::MANAGEMENT_INTERFACE,
                Self::MANAGEMENT,
                admin,
                Self::ADMIN,
            ),
            (
                Self::ENDPOINT_INTERFACE,
                Self::ENDPOINT,
                clients,
                Self::CLIENT,
            ),
        ] {
            joined(vch, interface, (neighbour, "vch"))?;
            vch.ip(&format!("address add {own}/24 dev {interface}"))?;
            neighbour.ip(&format!("address add {theirs}/24 dev vch"))?;
        }
        outside.ip(&format!("address add {}/32 dev lo", Self::BEYOND))?;
        outside.ip(&format!("address add {}/128 dev lo", Self::BEYOND6))?;
        vch.ip(&format!("route add default via {}", Self::GATEWAY))?;
        vch.ip(&format!("-6 route add default via {}", Self::GATEWAY6))?;
        Ok(topology)
    }

    /// Returns the tables of vch.toml, as TOML text, that declare the networks of this topology: `[management]`,
    /// `[docker_endpoint]`, `[[external]]` and `[bridge]`. `written` is the other text of the file; tables that it has
    /// already are left out.
    #[must_use]
    pub fn tables(written: &str) -> String {
        let (external, production) = (Self::EXTERNAL_INTERFACE, Self::PRODUCTION_INTERFACE);
        let host_interface = |interface: &str, address: Ipv4Addr| {
            format!("interface = \"{interface}\"\naddress = \"{address}\"\n")
        };
        let subnet = |net: &str, gateway: String, address: String| {
            format!("{{ subnet = \"{net}\", gateway = \"{gateway}\", address = \"{address}\" }}")
        };
        let network = |name: &str, interface: &str, v4: String, v6: String| {
            format!(
                "[[external]]\nname = \"{name}\"\ninterface = \"{interface}\"\nsubnets = [{v4}, {v6}]\n"
            )
        };
        let externals = [
            network(
                "default-external",
                external,
                subnet(
                    "10.2.0.0/16",
                    Self::GATEWAY.to_string(),
                    Self::VCH.to_string(),
                ),
                subnet(
                    "2001:db8:2::/64",
                    Self::GATEWAY6.to_string(),
                    Self::VCH6.to_string(),
                ),
            ),
            network(
                "vic-production",
                production,
                subnet(
                    "208.91.3.0/24",
                    Self::PRODUCTION_GATEWAY.to_string(),
                    Self::PRODUCTION_VCH.to_string(),
                ),
                subnet(
                    "2001:db8:3::/64",
                    Self::PRODUCTION_GATEWAY6.to_string(),
                    Self::PRODUCTION_VCH6.to_string(),
                ),
            ),
        ];
        let management = host_interface(Self::MANAGEMENT_INTERFACE, Self::MANAGEMENT);
        let endpoint = host_interface(Self::ENDPOINT_INTERFACE, Self::ENDPOINT);
        let kinds = [
            ("[management]", format!("[management]\n{management}")),
            (
                "[docker_endpoint]",
                format!("[docker_endpoint]\n{endpoint}"),
            ),
            ("[[external]]", externals.concat()),
            ("[bridge]", "[bridge]\n".to_owned()),
        ];
        let missing = kinds
            .into_iter()
            .filter(|(header, _)| !written.contains(header));
        missing.map(|(_, table)| table).collect()
    }
}

/// Makes a veth pair with both ends up.
fn joined(vch: &Namespace, interface: &str, (other, peer): (&Namespace, &str)) -> Result<()> {
    let netns = other.name();
    vch.ip(&format!(
        "link add {interface} type veth peer name {peer} netns {netns}"
    ))?;
    vch.ip(&format!("link set {interface} up"))?;
    other.ip(&format!("link set {peer} up"))?;
    Ok(())
}

/// Makes a bridge that a veth pair joins to another namespace.
fn uplinked(vch: &Namespace, bridge: &str, other: (&Namespace, &str)) -> Result<()> {
    let uplink = format!("{bridge}-up");
    vch.ip(&format!("link add {bridge} type bridge"))?;
    joined(vch, &uplink, other)?;
    vch.ip(&format!("link set {uplink} master {bridge}"))?;
    vch.ip(&format!("link set {bridge} up"))?;
    Ok(())
}

/// Adds addresses that are usable at once: duplicate detection is off.
fn addressed(
    namespace: &Namespace,
    interface: &str,
    v4: Ipv4Addr,
    prefix: u8,
    v6: Ipv6Addr,
) -> Result<()> {
    namespace.ip(&format!("address add {v4}/{prefix} dev {interface}"))?;
    namespace.ip(&format!("address add {v6}/64 dev {interface} nodad"))?;
    Ok(())
}
