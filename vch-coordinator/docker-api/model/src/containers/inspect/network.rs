//! Docker's `NetworkSettings` in the response of `docker inspect`: the container's networks.

use crate::{
    Version,
    containers::{
        endpoint::{BindingResponse, ContainerEndpoint, EndpointAddress},
        view::ContainerView,
    },
    json::{Empty, Ordered},
};
use serde::Serialize;

/// Docker's `NetworkSettings`: a container's networks, addresses and ports. For old clients, the addresses on the
/// default bridge are repeated in fields of their own; they are empty if the container is not on it or does not
/// run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSettings {
    /// The bridge that dockerd's own option `--bridge` names in place of its default bridge. Always empty.
    pub bridge: &'static str,
    /// An identifier of the running container's network: the container's ID; empty while the container does not
    /// run.
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    /// Whether the bridge sends frames back through the port that they came from. Always false.
    pub hairpin_mode: bool,
    /// The IPv6 link-local address. Always empty.
    #[serde(rename = "LinkLocalIPv6Address")]
    pub link_local_ipv6_address: &'static str,
    /// The prefix length of the IPv6 link-local address. Always 0.
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    pub link_local_ipv6_prefix_len: u8,
    /// For each port of the container, such as `80/tcp`, the addresses and ports of the VCH that lead to it; null
    /// for a port that is only exposed. Empty while the container does not run.
    pub ports: Ordered<Option<Vec<BindingResponse>>>,
    /// The path of the container's network namespace on the host. Always empty: the network is in the VM.
    pub sandbox_key: &'static str,
    /// Further IPv4 addresses. Always `None`, shown as null.
    #[serde(rename = "SecondaryIPAddresses")]
    pub secondary_ip_addresses: Option<Empty>,
    /// Further IPv6 addresses. Always `None`, shown as null.
    #[serde(rename = "SecondaryIPv6Addresses")]
    pub secondary_ipv6_addresses: Option<Empty>,
    /// The ID of the endpoint on the default bridge, 64 hexadecimal digits; empty if the container is not on it or does
    /// not run.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The IPv4 gateway of the default bridge; empty if the container is not on it or does not run.
    pub gateway: String,
    /// The container's IPv6 address on the default bridge, without a prefix length; empty if it has none there or does
    /// not run.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// The prefix length of the container's IPv6 address on the default bridge, in bits; 0 without an address.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// The container's IPv4 address on the default bridge, without a prefix length; empty if it has none there or does
    /// not run.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// The prefix length of the container's IPv4 address on the default bridge, in bits; 0 without an address.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// The IPv6 gateway of the default bridge; empty if the container is not on it or does not run.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// The MAC address of the container's interface on the default bridge; empty if the container is not on it or does
    /// not run.
    pub mac_address: String,
    /// The container's endpoints by the name of their network.
    pub networks: Ordered<ContainerEndpoint>,
}

impl NetworkSettings {
    pub(super) fn of(view: &ContainerView, version: Version) -> Self {
        let networks = view.endpoints(version);
        let bridge = networks.get("bridge");
        let EndpointAddress {
            endpoint_id,
            gateway,
            ip_address,
            ip_prefix_len,
            ipv6_gateway,
            global_ipv6_address,
            global_ipv6_prefix_len,
            mac_address,
        } = bridge
            .map(|endpoint| endpoint.address.clone())
            .unwrap_or_default();
        let container = &view.snapshot.container;
        Self {
            bridge: "",
            sandbox_id: match container.incarnation {
                Some(_) => container.id.to_string(),
                None => String::new(),
            },
            hairpin_mode: false,
            link_local_ipv6_address: "",
            link_local_ipv6_prefix_len: 0,
            ports: view.ports(),
            sandbox_key: "",
            secondary_ip_addresses: None,
            secondary_ipv6_addresses: None,
            endpoint_id,
            gateway,
            global_ipv6_address,
            global_ipv6_prefix_len,
            ip_address,
            ip_prefix_len,
            ipv6_gateway,
            mac_address,
            networks,
        }
    }
}
