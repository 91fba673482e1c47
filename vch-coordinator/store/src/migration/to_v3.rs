//! Rows of schema 2 as rows of schema 3.

use super::{v2, v3::Row};
use std::collections::BTreeMap;
use vch_ledger::{Container, ContainerPort, Endpoint, Publish};

/// Returns rows of schema 3 for all rows of schema 2. What schema 2 did not have gets the value that means the same
/// as before: no container has a domain or kernel settings of its network, no container misses a network, no port is
/// published by a range.
pub(super) fn rows(rows: Vec<v2::Row>) -> Vec<Row> {
    let rows = rows.into_iter().map(|row| match row {
        v2::Row::Network(row) => Row::Network(row),
        v2::Row::Container(row) => Row::Container(container(row)),
        v2::Row::Endpoint(row) => Row::Endpoint(endpoint(row)),
        v2::Row::RestingAddress(row) => Row::RestingAddress(row),
        v2::Row::AddressCursor(row) => Row::AddressCursor(row),
        v2::Row::PortBinding(row) => Row::PortBinding(row),
        v2::Row::Document(row) => Row::Document(row),
    });
    rows.collect()
}

fn container(row: v2::Container) -> Container {
    Container {
        id: row.id,
        name: row.name,
        hostname: row.hostname,
        domain: None,
        channel: row.channel,
        dns: row.dns,
        extra_hosts: row.extra_hosts,
        ports: row.ports.into_iter().map(port).collect(),
        publish_all: row.publish_all,
        chosen: row.chosen,
        sysctls: BTreeMap::new(),
        missing: BTreeMap::new(),
        unhealthy: row.unhealthy,
        incarnation: row.incarnation,
        generation: row.generation,
        created_ms: row.created_ms,
    }
}

fn port(port: v2::ContainerPort) -> ContainerPort {
    ContainerPort {
        number: port.number,
        publish: port.publish.map(|publish| Publish {
            address: publish.address,
            port: publish.port,
            through: None,
            clients: publish.clients,
        }),
    }
}

fn endpoint(row: v2::Endpoint) -> Endpoint {
    Endpoint {
        id: row.id,
        container: row.container,
        network: row.network,
        addresses: row.addresses,
        mac: row.mac,
        aliases: row.aliases,
        names: row.names,
        pointer: row.pointer,
        interface: row.interface,
        nic: row.nic,
        attachment: row.attachment,
        sysctls: BTreeMap::new(),
        gateway_priority: row.gateway_priority,
        links: row.links,
        only_healthy: row.only_healthy,
        opened: row.opened,
        awaited_links: Vec::new(),
    }
}
