//! Converts rows of the ledger to the form in which clients that follow changes receive them: with all of their
//! fields.

use super::{external, ports, protocol, segment};
use crate::{NetworkOptions, shape};
use std::{collections::BTreeMap, fmt::Display};
use vch_ledger::{
    Attachment, Change, Container, Endpoint, Network, NetworkKind, PortBinding, Row, RowKey, Subnet,
};

/// Returns the change of a row in the form of `GET /v1/changes`. `options` shows the options of networks.
pub fn change(change: &Change, options: &dyn NetworkOptions) -> shape::Change {
    let (kind, key) = key(&change.key);
    shape::Change {
        kind,
        key,
        before: change.before.as_ref().map(|before| row(before, options)),
        after: change.after.as_ref().map(|after| row(after, options)),
    }
}

fn key(key: &RowKey) -> (shape::RowKind, String) {
    use shape::RowKind;
    match key {
        RowKey::Network(id) => (RowKind::Network, id.to_string()),
        RowKey::Container(id) => (RowKind::Container, id.to_string()),
        RowKey::Endpoint(id) => (RowKind::Endpoint, id.to_string()),
        RowKey::RestingAddress(network, address) => {
            (RowKind::RestingAddress, format!("{network} {address}"))
        }
        RowKey::AddressCursor(network, subnet) => {
            (RowKind::AddressCursor, format!("{network} {subnet}"))
        }
        RowKey::PortBinding(host) => (RowKind::PortBinding, host.to_string()),
        RowKey::Document(container, kind) => (RowKind::Document, format!("{container} {kind}")),
    }
}

fn row(row: &Row, options: &dyn NetworkOptions) -> shape::Row {
    match row {
        Row::Network(row) => shape::Row::Network(Box::new(network(row, options))),
        Row::Container(row) => shape::Row::Container(Box::new(container(row))),
        Row::Endpoint(row) => shape::Row::Endpoint(Box::new(endpoint(row))),
        Row::RestingAddress(row) => shape::Row::RestingAddress(shape::RestingAddressRow {
            network: row.network.to_string(),
            address: row.address,
            since: row.since.0,
        }),
        Row::AddressCursor(row) => shape::Row::AddressCursor(shape::AddressCursorRow {
            network: row.network.to_string(),
            subnet: row.subnet,
            next: row.next,
        }),
        Row::PortBinding(row) => shape::Row::PortBinding(binding(row)),
        Row::Document(row) => shape::Row::Document(shape::DocumentRow {
            container: row.container.to_string(),
            document: row.kind.to_string(),
            text: row.text.to_string(),
        }),
    }
}

fn texts<T: Display>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn network(row: &Network, options: &dyn NetworkOptions) -> shape::NetworkRow {
    let interface = row.external().map(|external| &external.interface);
    shape::NetworkRow {
        name: row.name.to_string(),
        kind: match row.kind {
            NetworkKind::Bridge(_) => shape::NetworkKind::Bridge,
            NetworkKind::None => shape::NetworkKind::None,
            NetworkKind::External(_) => shape::NetworkKind::External,
            NetworkKind::Configuration(_) => shape::NetworkKind::Configuration,
        },
        segment: segment(row),
        interface: interface.map(ToString::to_string),
        external: row.external().map(external),
        predefined: row.predefined,
        subnets: row.subnets.iter().map(subnet).collect(),
        mtu: row.mtu.map(u32::from),
        dns_ttl: row.dns_ttl.map(u32::from),
        internal: row.internal,
        labels: row.labels.clone(),
        options: options.of(row),
        created_ms: row.created_ms,
    }
}

fn subnet(subnet: &Subnet) -> shape::SubnetRow {
    shape::SubnetRow {
        subnet: subnet.net,
        gateway: subnet.gateway,
        vch: subnet.vch,
        ranges: texts(&subnet.ranges),
        auxiliary: subnet.auxiliary.clone(),
    }
}

fn container(row: &Container) -> shape::ContainerRow {
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in &row.extra_hosts {
        let addresses = hosts.entry(entry.name.to_string()).or_default();
        addresses.push(entry.address.to_string());
    }
    shape::ContainerRow {
        name: row.name.to_string(),
        hostname: row.hostname.to_string(),
        channel: row.channel.to_string(),
        dns: row.dns.servers.clone(),
        dns_search: texts(&row.dns.search),
        dns_options: row.dns.options.clone(),
        extra_hosts: hosts,
        ports: ports(row),
        publish_all: row.publish_all,
        unhealthy: row.unhealthy,
        incarnation: row.incarnation.map(|incarnation| incarnation.to_string()),
        generation: row.generation.0,
        created_ms: row.created_ms,
    }
}

fn endpoint(row: &Endpoint) -> shape::EndpointRow {
    let links = row.links.iter();
    let links = links.map(|link| (link.alias.to_string(), link.container.to_string()));
    shape::EndpointRow {
        container: row.container.to_string(),
        network: row.network.to_string(),
        addresses: texts(&row.addresses),
        mac: row.mac.to_string(),
        aliases: texts(&row.aliases),
        names: texts(&row.names),
        pointer: row.pointer.to_string(),
        interface: row.interface.to_string(),
        attachment: match &row.attachment {
            Attachment::Tap => "tap".to_owned(),
            Attachment::Veth { namespace } => format!("veth:{namespace}"),
        },
        gateway_priority: row.gateway_priority,
        links: links.collect(),
        only_healthy: row.only_healthy,
        opened: texts(&row.opened),
        rate: row.rate.map(|rate| rate.to_string()),
    }
}

fn binding(row: &PortBinding) -> shape::PortBindingRow {
    shape::PortBindingRow {
        container: row.container.to_string(),
        endpoint: row.endpoint.to_string(),
        protocol: protocol(row.host.protocol),
        address: row.host.address,
        host_port: row.host.port,
        container_port: row.container_port,
        target: row.target.clone(),
        clients: texts(&row.clients),
        ephemeral: row.ephemeral,
    }
}

#[cfg(test)]
mod tests;
