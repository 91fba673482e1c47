//! Rows as whoever follows the changes reads them: every field, in words.

use super::{external, segment};
use crate::{NetworkOptions, shape};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Display};
use vch_ledger::{
    Attachment, Change, Container, Endpoint, Network, NetworkKind, PortBinding, Row, RowKey, Subnet,
};

/// What became of one row.
pub fn change(change: &Change, options: &dyn NetworkOptions) -> shape::Change {
    let (kind, key) = key(&change.key);
    shape::Change {
        kind: kind.to_owned(),
        key,
        before: change.before.as_ref().map(|before| row(before, options)),
        after: change.after.as_ref().map(|after| row(after, options)),
    }
}

fn key(key: &RowKey) -> (&'static str, String) {
    match key {
        RowKey::Network(id) => ("network", id.to_string()),
        RowKey::Container(id) => ("container", id.to_string()),
        RowKey::Endpoint(id) => ("endpoint", id.to_string()),
        RowKey::RestingAddress(network, address) => {
            ("resting-address", format!("{network} {address}"))
        }
        RowKey::AddressCursor(network, subnet) => ("address-cursor", format!("{network} {subnet}")),
        RowKey::PortBinding(host) => ("port-binding", host.to_string()),
        RowKey::Document(container, kind) => ("document", format!("{container} {kind}")),
    }
}

fn row(row: &Row, options: &dyn NetworkOptions) -> Value {
    match row {
        Row::Network(row) => network(row, options),
        Row::Container(row) => container(row),
        Row::Endpoint(row) => endpoint(row),
        Row::RestingAddress(row) => json!({
            "network": row.network.to_string(),
            "address": row.address,
            "since": row.since.0,
        }),
        Row::AddressCursor(row) => json!({
            "network": row.network.to_string(),
            "subnet": row.subnet,
            "next": row.next,
        }),
        Row::PortBinding(row) => binding(row),
        Row::Document(row) => json!({
            "container": row.container.to_string(),
            "document": row.kind.to_string(),
            "text": &*row.text,
        }),
    }
}

fn words<T: Display>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn network(row: &Network, options: &dyn NetworkOptions) -> Value {
    json!({
        "name": row.name.as_str(),
        "kind": match row.kind {
            NetworkKind::Bridge(_) => "bridge",
            NetworkKind::None => "none",
            NetworkKind::External(_) => "external",
            NetworkKind::Configuration(_) => "configuration",
        },
        "segment": segment(row),
        "interface": row.external().map(|external| external.interface.as_str()),
        "external": row.external().map(external),
        "predefined": row.predefined,
        "subnets": row.subnets.iter().map(subnet).collect::<Vec<_>>(),
        "mtu": row.mtu.map(u32::from),
        "dns_ttl": row.dns_ttl.map(u32::from),
        "internal": row.internal,
        "labels": row.labels,
        "options": options.of(row),
        "created_ms": row.created_ms,
    })
}

fn subnet(subnet: &Subnet) -> Value {
    json!({
        "subnet": subnet.net,
        "gateway": subnet.gateway,
        "vch": subnet.vch,
        "ranges": words(&subnet.ranges),
        "auxiliary": subnet.auxiliary,
    })
}

fn container(row: &Container) -> Value {
    let hosts: BTreeMap<String, Vec<String>> =
        row.extra_hosts
            .iter()
            .fold(BTreeMap::new(), |mut hosts, entry| {
                let addresses: &mut Vec<String> = hosts.entry(entry.name.to_string()).or_default();
                addresses.push(entry.address.to_string());
                hosts
            });
    json!({
        "name": row.name.as_str(),
        "hostname": row.hostname.to_string(),
        "channel": row.channel.to_string(),
        "dns": row.dns.servers,
        "dns_search": words(&row.dns.search),
        "dns_options": row.dns.options,
        "extra_hosts": hosts,
        "ports": super::ports(row),
        "publish_all": row.publish_all,
        "unhealthy": row.unhealthy,
        "incarnation": row.incarnation.map(|incarnation| incarnation.to_string()),
        "generation": row.generation.0,
        "created_ms": row.created_ms,
    })
}

fn endpoint(row: &Endpoint) -> Value {
    let links = row.links.iter();
    let links = links.map(|link| (link.alias.to_string(), link.container.to_string()));
    json!({
        "container": row.container.to_string(),
        "network": row.network.to_string(),
        "addresses": words(&row.addresses),
        "mac": row.mac.to_string(),
        "aliases": words(&row.aliases),
        "names": words(&row.names),
        "pointer": row.pointer.to_string(),
        "interface": row.interface.as_str(),
        "attachment": match &row.attachment {
            Attachment::Tap => "tap".to_owned(),
            Attachment::Veth { namespace } => format!("veth:{namespace}"),
        },
        "gateway_priority": row.gateway_priority,
        "links": links.collect::<BTreeMap<_, _>>(),
        "only_healthy": row.only_healthy,
        "opened": words(&row.opened),
    })
}

fn binding(row: &PortBinding) -> Value {
    json!({
        "container": row.container.to_string(),
        "endpoint": row.endpoint.to_string(),
        "protocol": row.host.protocol.to_string(),
        "address": row.host.address,
        "host_port": row.host.port,
        "container_port": row.container_port,
        "target": row.target,
        "clients": words(&row.clients),
        "ephemeral": row.ephemeral,
    })
}
