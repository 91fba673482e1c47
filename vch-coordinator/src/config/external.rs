//! The tables `[[external]]`: one external network each.

use super::{
    ConfigError, HostInterface, bridge::Bridge, error::Source, fields, host_interfaces::interface,
};
use ipnet::IpNet;
use protocol::spec::FirewallLevel;
use std::{collections::BTreeMap, net::IpAddr};
use thiserror::Error;
use toml::Spanned;
use vch_ledger::{
    AddressRange, External, ExternalAddressing, ExternalNetwork, MAX_DNS_SERVERS, MAX_SUBNETS,
    NetworkName, Subnet,
};

/// Names of networks that exist without being declared, or that Docker's clients treat as
/// predefined.
const PREDEFINED: [&str; 4] = ["none", "bridge", "host", "default"];

/// The other networks of the configuration, from which an external network must differ.
pub(super) struct Others<'a> {
    /// The interfaces on the management network and of the Docker endpoint, each with the name of its table.
    pub host_interfaces: [(&'static str, &'a HostInterface); 2],
    /// The settings of bridge networks, among them the name of the shared bridge.
    pub bridge: &'a Bridge,
}

/// Checks the tables `[[external]]`.
///
/// # Errors
/// Returns [`ConfigError`] if there is no table, a field is not valid, or networks conflict.
pub(super) fn externals(
    source: &Source<'_>,
    tables: Option<Vec<fields::ExternalTable>>,
    others: &Others<'_>,
) -> Result<Vec<ExternalNetwork>, ConfigError> {
    let tables = tables.unwrap_or_default();
    let published = published(source, &tables)?;
    let mut checked: Vec<ExternalNetwork> = Vec::with_capacity(tables.len());
    for (table, published) in tables.iter().zip(published) {
        let network = network(source, table, published)?;
        check_identity(source, table, &network, &checked, others)?;
        check_subnets(source, table, &network, &checked, others)?;
        checked.push(network);
    }
    Ok(checked)
}

/// Returns for each table whether ports without an address are published on that network: where
/// `published` is true, or else on the first network that does not set it.
///
/// # Errors
/// - [`ConfigError::Missing`] if there is no table.
/// - [`ConfigError::Field`] if every table sets `published` to false.
fn published(
    source: &Source<'_>,
    tables: &[fields::ExternalTable],
) -> Result<Vec<bool>, ConfigError> {
    let says = |table: &fields::ExternalTable| table.published.as_ref().map(|said| *said.get_ref());
    let some_says_so = tables.iter().any(|table| says(table) == Some(true));
    let silent = tables.iter().position(|table| says(table).is_none());
    match tables {
        [] => {
            let remedy = "declare at least one [[external]] with `name`, `interface` and `subnets`";
            return Err(source.missing("external", remedy));
        }
        [first, ..] if !some_says_so && silent.is_none() => {
            let remedy = "published ports need an external network: write true on one of them";
            let span = first.published.as_ref().map_or(0..0, Spanned::span);
            return Err(source.field(span, "external.published", "false".into(), remedy));
        }
        _ => {}
    }
    let tables = tables.iter().enumerate();
    Ok(tables
        .map(|(index, table)| says(table).unwrap_or(!some_says_so && silent == Some(index)))
        .collect())
}

fn network(
    source: &Source<'_>,
    table: &fields::ExternalTable,
    published: bool,
) -> Result<ExternalNetwork, ConfigError> {
    let name: NetworkName = source.parsed("external.name", &table.name, None)?;
    let dns = table
        .dns
        .iter()
        .map(|server| source.host("external.dns", server));
    let dns = dns.collect::<Result<Vec<IpAddr>, _>>()?;
    if let Some(one_too_many) = table.dns.get(MAX_DNS_SERVERS) {
        let shown = one_too_many.get_ref().clone();
        let remedy = format!("a container is told at most {MAX_DNS_SERVERS}: take some away");
        return Err(source.field(one_too_many.span(), "external.dns", shown, &remedy));
    }
    let subnets = table.subnets.get_ref().iter();
    let subnets = subnets.map(|entry| subnet(source, entry.get_ref(), table.addressing));
    Ok(ExternalNetwork {
        subnets: subnets.collect::<Result<_, _>>()?,
        external: External {
            interface: interface(source, "external.interface", &table.interface)?,
            dns,
            addressing: match table.addressing {
                fields::Addressing::Static => ExternalAddressing::Static,
                fields::Addressing::Dhcp => ExternalAddressing::Dhcp,
            },
            level: match table.level {
                fields::Level::Closed => FirewallLevel::Closed,
                fields::Level::Outbound => FirewallLevel::Outbound,
                fields::Level::Peers => FirewallLevel::Peers,
                fields::Level::Published => FirewallLevel::Published,
                fields::Level::Open => FirewallLevel::Open,
            },
            published,
        },
        name,
    })
}

fn subnet(
    source: &Source<'_>,
    table: &fields::SubnetTable,
    addressing: fields::Addressing,
) -> Result<Subnet, ConfigError> {
    let net = source.net("external.subnets.subnet", &table.subnet)?;
    let host = |field: &'static str, value: &Option<Spanned<String>>| {
        let value = value.as_ref();
        value
            .map(|value| host_of(source, field, value, net))
            .transpose()
    };
    let gateway = host("external.subnets.gateway", &table.gateway)?;
    let vch = host("external.subnets.address", &table.address)?;
    if let (Some(address), Some(written)) = (vch, &table.address)
        && vch == gateway
    {
        let remedy = "it is the gateway's: write the VCH's own";
        let (span, shown) = (written.span(), address.to_string());
        return Err(source.field(span, "external.subnets.address", shown, remedy));
    }
    let mut ranges: Vec<AddressRange> = Vec::with_capacity(table.ranges.len());
    for written in &table.ranges {
        let refuse = |remedy: &str| {
            let shown = written.get_ref().clone();
            Err(source.field(written.span(), "external.subnets.ranges", shown, remedy))
        };
        if matches!(addressing, fields::Addressing::Dhcp) {
            return refuse("a DHCP server gives the addresses: take the ranges away");
        }
        let range = match range(written.get_ref(), net) {
            Ok(range) => range,
            Err(error) => return refuse(&error.to_string()),
        };
        if let Some(other) = ranges.iter().find(|other| meet(other, &range)) {
            return refuse(&format!(
                "it overlaps with {other}: write one range for both"
            ));
        }
        ranges.push(range);
    }
    Ok(Subnet {
        net,
        gateway,
        vch,
        ranges,
        auxiliary: BTreeMap::new(),
    })
}

/// Parses an address that a host in the subnet `net` can have.
///
/// # Errors
/// Returns [`ConfigError::Field`] if the text is not such an address.
fn host_of(
    source: &Source<'_>,
    field: &'static str,
    value: &Spanned<String>,
    net: IpNet,
) -> Result<IpAddr, ConfigError> {
    let address = source.host(field, value)?;
    let ends = address == net.network() || (address.is_ipv4() && address == net.broadcast());
    let remedy = match (net.contains(&address), ends) {
        (true, false) => return Ok(address),
        (false, _) => format!("it is outside subnet {net}: write one inside"),
        (true, true) => format!("it is no host's address in {net}: write another"),
    };
    Err(source.field(value.span(), field, address.to_string(), &remedy))
}

/// Why a text is not a range of addresses in a subnet. The messages are remedies.
#[derive(Debug, Error)]
enum RangeError {
    /// An end of the range is not an address.
    #[error("write FIRST-LAST, as in 10.2.2.10-10.2.2.20")]
    Ends,
    /// The first address is above the last one, or they are of different families.
    #[error("write the lower address first, and both of one family")]
    Order,
    /// The text is not a part of the subnet in CIDR notation.
    #[error("write a part of the subnet, as in 10.2.1.0/24, or FIRST-LAST")]
    Part,
    /// The part has host bits; without them it is this one.
    #[error("it has host bits: write {0}")]
    HostBits(IpNet),
    /// The range is not inside this subnet.
    #[error("it is not inside subnet {0}: write a part of it")]
    OtherSubnet(IpNet),
}

/// Parses a range of addresses in the subnet `net`: `10.2.1.0/24` or `10.2.2.10-10.2.2.20`.
///
/// # Errors
/// Returns [`RangeError`] if the text is not such a range.
fn range(text: &str, net: IpNet) -> Result<AddressRange, RangeError> {
    let range = if let Some((first, last)) = text.split_once('-') {
        let ends = (first.trim().parse().ok(), last.trim().parse().ok());
        let (Some(first), Some(last)) = ends else {
            return Err(RangeError::Ends);
        };
        AddressRange::new(first, last).ok_or(RangeError::Order)?
    } else {
        let part: IpNet = text.parse().map_err(|_| RangeError::Part)?;
        if part.trunc() != part {
            return Err(RangeError::HostBits(part.trunc()));
        }
        part.into()
    };
    if net.contains(&range.first()) && net.contains(&range.last()) {
        Ok(range)
    } else {
        Err(RangeError::OtherSubnet(net))
    }
}

fn meet(one: &AddressRange, other: &AddressRange) -> bool {
    one.contains(other.first()) || other.contains(one.first())
}

/// Checks that no other network has the same name or interface.
///
/// # Errors
/// Returns [`ConfigError::Field`] if the name or the interface is taken.
fn check_identity(
    source: &Source<'_>,
    table: &fields::ExternalTable,
    network: &ExternalNetwork,
    before: &[ExternalNetwork],
    others: &Others<'_>,
) -> Result<(), ConfigError> {
    let refuse = |field: &'static str, value: &Spanned<String>, remedy: &str| {
        Err(source.field(value.span(), field, value.get_ref().clone(), remedy))
    };
    if PREDEFINED.contains(&network.name.as_str()) {
        let remedy = "that name is predefined: choose another";
        return refuse("external.name", &table.name, remedy);
    }
    if before.iter().any(|other| other.name == network.name) {
        let remedy = "another external network has that name: choose another";
        return refuse("external.name", &table.name, remedy);
    }
    let interface = &network.external.interface;
    let mut host_interfaces = others.host_interfaces.iter();
    if let Some((kind, _)) =
        host_interfaces.find(|(_, host_interface)| host_interface.interface == *interface)
    {
        let remedy =
            format!("it is {kind}.interface, where no container may come: give each its own");
        return refuse("external.interface", &table.interface, &remedy);
    }
    if *interface == others.bridge.shared_interface {
        let remedy = "it is bridge.shared_interface, which the coordinator makes: write another";
        return refuse("external.interface", &table.interface, remedy);
    }
    let mut before = before.iter();
    match before.find(|other| other.external.interface == *interface) {
        Some(other) => {
            let remedy = format!(
                "it is that of external network {}: write another",
                other.name
            );
            refuse("external.interface", &table.interface, &remedy)
        }
        None => Ok(()),
    }
}

/// Checks that no subnet overlaps another network, and that the VCH has an address if ports are
/// published on the network.
///
/// # Errors
/// Returns [`ConfigError::Field`] for the first subnet that is not possible.
fn check_subnets(
    source: &Source<'_>,
    table: &fields::ExternalTable,
    network: &ExternalNetwork,
    before: &[ExternalNetwork],
    others: &Others<'_>,
) -> Result<(), ConfigError> {
    let entries = table.subnets.get_ref();
    if entries.is_empty() || entries.len() > MAX_SUBNETS {
        let shown = format!("{} subnets", entries.len());
        let remedy = format!("declare 1 to {MAX_SUBNETS}: addresses and overlaps come from them");
        return Err(source.field(table.subnets.span(), "external.subnets", shown, &remedy));
    }
    let mut taken: Vec<(IpNet, String)> = Vec::new();
    for other in before {
        let whose = format!("external network {}", other.name);
        taken.extend(
            other
                .subnets
                .iter()
                .map(|subnet| (subnet.net, whose.clone())),
        );
    }
    for (kind, host_interface) in others.host_interfaces {
        taken.push((host_interface.address.into(), format!("{kind}.address")));
    }
    if let Some(net) = others.bridge.subnet {
        taken.push((net, "bridge.subnet".to_owned()));
    }
    for (entry, subnet) in entries.iter().zip(&network.subnets) {
        let net = subnet.net;
        let overlaps = |(other, _): &&(IpNet, String)| other.contains(&net) || net.contains(other);
        if let Some((other, whose)) = taken.iter().find(overlaps) {
            let remedy = format!("it overlaps with {other} of {whose}: choose another");
            let (span, shown) = (entry.get_ref().subnet.span(), net.to_string());
            return Err(source.field(span, "external.subnets.subnet", shown, &remedy));
        }
        taken.push((net, "this network".to_owned()));
    }
    let without_address = network.subnets.iter().all(|subnet| subnet.vch.is_none());
    if network.external.published && without_address {
        let remedy = "ports are published here, which needs an `address` of the VCH in one of \
                      them: write it, or `published = true` on another external network";
        let shown: Vec<_> = network.subnets.iter().map(|s| s.net.to_string()).collect();
        let (span, shown) = (table.subnets.span(), shown.join(", "));
        return Err(source.field(span, "external.subnets", shown, remedy));
    }
    Ok(())
}
