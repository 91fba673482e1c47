//! Rows of schema 3 as rows of schema 4.

use super::v3;
use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};
use vch_ledger::{BridgeOptions, Network, Row};

/// The options of a network that schema 3 read at each use.
const ICC: &str = "com.docker.network.bridge.enable_icc";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
const INTERFACE_PREFIX: &str = "com.docker.network.container_iface_prefix";
const CONFIG_FROM: &str = "vch.config-from";

/// Returns rows of schema 4 for all rows of schema 3. A network's options that the ledger reads become typed, the
/// others a JSON object; no network has a DNS TTL of its own.
pub(super) fn rows(rows: Vec<v3::Row>) -> Vec<Row> {
    let rows = rows.into_iter().map(|row| match row {
        v3::Row::Network(row) => Row::Network(network(row)),
        v3::Row::Container(row) => Row::Container(row),
        v3::Row::Endpoint(row) => Row::Endpoint(row),
        v3::Row::RestingAddress(row) => Row::RestingAddress(row),
        v3::Row::AddressCursor(row) => Row::AddressCursor(row),
        v3::Row::PortBinding(row) => Row::PortBinding(row),
        v3::Row::Document(row) => Row::Document(row),
    });
    rows.collect()
}

fn network(row: v3::Network) -> Network {
    let mut options = row.options;
    let bridge = bridge(&options);
    let configuration = options.remove(CONFIG_FROM);
    Network {
        id: row.id,
        name: row.name,
        kind: row.kind,
        predefined: row.predefined,
        subnets: row.subnets,
        mtu: row.mtu,
        dns_ttl: None,
        internal: row.internal,
        labels: row.labels,
        bridge,
        configuration: configuration.and_then(|id| id.parse().ok()),
        document: if options.is_empty() {
            Arc::default()
        } else {
            serde_json::json!(options).to_string().into()
        },
        created_ms: row.created_ms,
    }
}

/// Returns the options of a network. An option without a readable value counts as not given, as in
/// schema 3.
fn bridge(options: &BTreeMap<String, String>) -> BridgeOptions {
    let truth = |key| match options.get(key).map(String::as_str) {
        Some("0" | "f" | "F" | "FALSE" | "false" | "False") => false,
        // The default is true.
        _ => true,
    };
    let binding = options.get(HOST_BINDING);
    let prefix = options.get(INTERFACE_PREFIX);
    BridgeOptions {
        icc: truth(ICC),
        masquerade: truth(MASQUERADE),
        host_binding: binding.and_then(|text| text.parse::<Ipv4Addr>().ok()),
        interface_prefix: prefix
            .filter(|prefix| !prefix.is_empty())
            .and_then(|prefix| prefix.parse().ok()),
    }
}
