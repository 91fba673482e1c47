//! `NetworkSettings` of inspect: the container's networks.

use crate::{
    Version,
    containers::{
        endpoint::{ContainerEndpoint, EndpointAddress, ShownBinding},
        view::ContainerView,
    },
    json::{Empty, Ordered},
};
use serde::Serialize;

/// The networks of a container. The endpoint on the default bridge is repeated in separate fields,
/// for old clients.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSettings {
    pub bridge: &'static str,
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    pub hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    pub link_local_ipv6_address: &'static str,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    pub link_local_ipv6_prefix_len: u8,
    pub ports: Ordered<Option<Vec<ShownBinding>>>,
    pub sandbox_key: &'static str,
    #[serde(rename = "SecondaryIPAddresses")]
    pub secondary_ip_addresses: Option<Empty>,
    #[serde(rename = "SecondaryIPv6Addresses")]
    pub secondary_ipv6_addresses: Option<Empty>,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    pub mac_address: String,
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
