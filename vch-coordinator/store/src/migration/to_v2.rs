//! Rows of schema 1 as rows of schema 2.

use super::v3::Network;
use super::{v1, v2};
use std::collections::{BTreeMap, BTreeSet};
use v2::{Container, Endpoint, Row};
use vch_ledger::{
    AddressCursor, AddressRange, Attachment, Channel, ContainerId, Dns, NetworkKind,
    RestingAddress, SegmentKind, Subnet,
};

/// Returns rows of schema 2 for all rows of schema 1. What schema 1 did not have gets the value
/// that means the same as before: every bridge network is dedicated, nothing is published, no
/// container is linked.
///
/// In schema 1 a container's names were answered from its connection on, now they are while it
/// runs: a container that was never started gets them with its first start.
pub(super) fn rows(rows: Vec<v1::Row>) -> Vec<Row> {
    let running = rows.iter().filter_map(|row| match row {
        v1::Row::Container(row) => row.incarnation.map(|_| row.id),
        _ => None,
    });
    let running: BTreeSet<ContainerId> = running.collect();
    let rows = rows.into_iter().map(|row| match row {
        v1::Row::Network(row) => Row::Network(network(row)),
        v1::Row::Container(row) => Row::Container(container(row)),
        v1::Row::Endpoint(row) => {
            let runs = running.contains(&row.container);
            Row::Endpoint(endpoint(row, runs))
        }
        v1::Row::RestingAddress(row) => Row::RestingAddress(RestingAddress {
            network: row.network,
            address: row.address,
            since: row.since,
        }),
        v1::Row::AddressCursor(row) => Row::AddressCursor(AddressCursor {
            network: row.network,
            subnet: row.subnet,
            next: row.next,
        }),
    });
    rows.collect()
}

fn network(row: v1::Network) -> Network {
    Network {
        id: row.id,
        name: row.name,
        kind: match row.kind {
            v1::NetworkKind::Bridge => NetworkKind::Bridge(SegmentKind::Dedicated),
            v1::NetworkKind::None => NetworkKind::None,
        },
        predefined: row.predefined,
        subnets: row.subnets.into_iter().map(subnet).collect(),
        mtu: row.mtu,
        internal: row.internal,
        labels: row.labels,
        options: row.options,
        created_ms: row.created_ms,
    }
}

fn subnet(row: v1::Subnet) -> Subnet {
    Subnet {
        net: row.net,
        gateway: Some(row.gateway),
        vch: Some(row.gateway),
        ranges: row.range.map(AddressRange::from).into_iter().collect(),
        auxiliary: row.auxiliary,
    }
}

fn container(row: v1::Container) -> Container {
    Container {
        id: row.id,
        name: row.name,
        hostname: row.hostname,
        channel: match row.channel {
            v1::Channel::HybridVsock { path, port } => Channel::HybridVsock { path, port },
            v1::Channel::Chardev { path } => Channel::Chardev { path },
            v1::Channel::Unix { path } => Channel::Unix { path },
            v1::Channel::Vsock { cid } => Channel::Vsock { cid },
        },
        dns: Dns {
            servers: row.dns.servers,
            search: row.dns.search,
            options: row.dns.options,
        },
        extra_hosts: row.extra_hosts,
        ports: Vec::new(),
        publish_all: false,
        unhealthy: false,
        chosen: BTreeMap::new(),
        incarnation: row.incarnation,
        generation: row.generation,
        created_ms: row.created_ms,
    }
}

fn endpoint(row: v1::Endpoint, runs: bool) -> Endpoint {
    Endpoint {
        id: row.id,
        container: row.container,
        network: row.network,
        addresses: row.addresses,
        mac: row.mac,
        aliases: row.aliases,
        names: if runs { row.names } else { Vec::new() },
        pointer: row.pointer,
        interface: row.interface,
        nic: row.nic,
        attachment: match row.attachment {
            v1::Attachment::Tap => Attachment::Tap,
            v1::Attachment::Veth { namespace } => Attachment::Veth { namespace },
        },
        gateway_priority: row.gateway_priority,
        links: Vec::new(),
        only_healthy: false,
        opened: Vec::new(),
    }
}
