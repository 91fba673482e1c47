//! Rows of schema 4 as rows of schema 5.

use super::v4;
use vch_ledger::{Endpoint, Row};

/// All rows of a store. No endpoint of schema 4 has a limit.
pub(super) fn rows(rows: Vec<v4::Row>) -> Vec<Row> {
    let rows = rows.into_iter().map(|row| match row {
        v4::Row::Network(row) => Row::Network(row),
        v4::Row::Container(row) => Row::Container(row),
        v4::Row::Endpoint(row) => Row::Endpoint(endpoint(row)),
        v4::Row::RestingAddress(row) => Row::RestingAddress(row),
        v4::Row::AddressCursor(row) => Row::AddressCursor(row),
        v4::Row::PortBinding(row) => Row::PortBinding(row),
        v4::Row::Document(row) => Row::Document(row),
    });
    rows.collect()
}

fn endpoint(row: v4::Endpoint) -> Endpoint {
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
        sysctls: row.sysctls,
        gateway_priority: row.gateway_priority,
        links: row.links,
        only_healthy: row.only_healthy,
        opened: row.opened,
        awaited_links: row.awaited_links,
        rate: None,
    }
}
