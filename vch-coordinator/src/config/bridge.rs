//! The table `[bridge]`: the settings of bridge networks.

use super::{ConfigError, HostInterface, error::Source, fields, host_interfaces::interface};
use ipnet::IpNet;
use protocol::spec::InterfaceName;
use toml::Spanned;
use vch_ledger::{Pool, SegmentKind, default_pools};

const DEFAULT_SHARED_INTERFACE: &str = "vch-shared";

/// The settings of bridge networks, from the table `[bridge]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The kind of bridge for networks whose request does not choose one: a bridge for each network, or the one bridge
    /// that all shared networks use.
    pub segment: SegmentKind,
    /// The name of the bridge that all shared networks use. The coordinator creates it for the first of them.
    pub shared_interface: InterfaceName,
    /// The subnet that the default network `bridge` gets when it is first created; `None` for the first free subnet of
    /// the pools.
    pub subnet: Option<IpNet>,
    /// The address pools from which the VCH chooses subnets, in the order in which they are tried.
    pub pools: Vec<Pool>,
}

/// Checks the table `[bridge]`. `others` are interfaces that the bridges must not use.
///
/// # Errors
/// Returns [`ConfigError`] if the table is missing or a field is not valid.
pub(super) fn bridge(
    source: &Source<'_>,
    table: Option<fields::BridgeTable>,
    others: [&HostInterface; 2],
) -> Result<Bridge, ConfigError> {
    let remedy = "write [bridge]; every field of it has a default";
    let table = table.ok_or_else(|| source.missing("bridge", remedy))?;
    let shared_interface = match &table.shared_interface {
        Some(name) => interface(source, "bridge.shared_interface", name)?,
        None => default_shared_interface(),
    };
    let mut host_interfaces = others.iter();
    if host_interfaces.any(|host_interface| host_interface.interface == shared_interface) {
        let span = table.shared_interface.map_or(0..0, |name| name.span());
        let remedy = "another kind of network is there: write a name that is free";
        let shown = shared_interface.to_string();
        return Err(source.field(span, "bridge.shared_interface", shown, remedy));
    }
    let subnet = match &table.subnet {
        Some(written) => Some(default_subnet(source, written, others)?),
        None => None,
    };
    Ok(Bridge {
        segment: match table.segment {
            fields::Segment::Dedicated => SegmentKind::Dedicated,
            fields::Segment::Shared => SegmentKind::Shared,
        },
        shared_interface,
        subnet,
        pools: pools(source, table.pools)?,
    })
}

fn default_shared_interface() -> InterfaceName {
    #[expect(clippy::expect_used, reason = "a constant of ours, known to be a name")]
    DEFAULT_SHARED_INTERFACE.parse().expect("an interface name")
}

fn default_subnet(
    source: &Source<'_>,
    written: &Spanned<String>,
    others: [&HostInterface; 2],
) -> Result<IpNet, ConfigError> {
    let net = source.net("bridge.subnet", written)?;
    let mut host_interfaces = others.iter();
    match host_interfaces.find(|host_interface| net.contains(&host_interface.address)) {
        Some(host_interface) => {
            let remedy = format!(
                "{} of another kind of network is in it: choose another",
                host_interface.address
            );
            Err(source.field(written.span(), "bridge.subnet", net.to_string(), &remedy))
        }
        None => Ok(net),
    }
}

fn pools(
    source: &Source<'_>,
    pools: Option<Vec<Spanned<fields::Pool>>>,
) -> Result<Vec<Pool>, ConfigError> {
    let Some(pools) = pools else {
        return Ok(default_pools());
    };
    let mut checked: Vec<Pool> = Vec::with_capacity(pools.len());
    for entry in pools {
        let span = entry.span();
        let fields::Pool { base, size } = entry.into_inner();
        let shown = format!("{base} in subnets of /{size}");
        let refuse = |remedy: &str| source.field(span, "bridge.pools", shown, remedy);
        let overlaps = |pool: &&Pool| pool.base().contains(&base) || base.contains(&pool.base());
        if let Some(other) = checked.iter().find(overlaps) {
            let remedy = format!(
                "it overlaps with pool {}: choose another range",
                other.base()
            );
            return Err(refuse(&remedy));
        }
        checked.push(Pool::new(base, size).map_err(|error| refuse(&error.to_string()))?);
    }
    Ok(checked)
}
