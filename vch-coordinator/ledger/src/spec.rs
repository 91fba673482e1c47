//! Derives the spec of a container's network from its rows.
//!
//! No other container's rows are read: an attach changes no other container's spec.

use crate::{
    Container, Endpoint, IFNAME, Network, Settings,
    published::full_hostname,
    state::{ContainerState, LedgerState},
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use protocol::spec::{
    Addressing, DomainName, Extension, FirewallLevel, HostEntry, Hostname, Interface,
    InterfaceError, InterfaceParts, NetSpec, NetSpecParts, Resolver, ResolverError, Route,
    SpecError, SpecId,
};
use std::{cmp::Reverse, collections::BTreeMap, net::IpAddr};
use thiserror::Error;

/// An endpoint with its network.
#[derive(Clone, Copy)]
pub(crate) struct EndpointRef<'a> {
    pub(crate) row: &'a Endpoint,
    pub(crate) network: &'a Network,
}

/// The reason for which no spec can be made of a container's rows.
#[derive(Debug, Error)]
pub(crate) enum ImpossibleSpec {
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(
        "the domain name and the kernel settings of container {0} are too long together: leave some out"
    )]
    Extension(crate::ContainerName),
}

/// Returns a container's endpoints with their networks, in any order.
pub(crate) fn endpoints<'a>(
    state: &'a LedgerState,
    container: &'a ContainerState,
) -> Vec<EndpointRef<'a>> {
    let ids = container.endpoints.iter();
    let endpoint = ids.filter_map(|(network, endpoint)| {
        Some(EndpointRef {
            row: state.endpoints.get(endpoint)?,
            network: &state.networks.get(network)?.row,
        })
    });
    endpoint.collect()
}

/// Derives the spec of a container with these endpoints.
///
/// # Errors
/// Returns [`ImpossibleSpec`] if the rows contradict one another or exceed the protocol's limits.
pub(crate) fn derive(
    container: &Container,
    endpoints: &[EndpointRef<'_>],
    settings: &Settings,
    id: SpecId,
) -> Result<NetSpec, ImpossibleSpec> {
    let ranked = in_gateway_order(endpoints);
    let mut ordered = endpoints.to_vec();
    ordered.sort_by_key(|endpoint| {
        let name = endpoint.row.interface.as_str();
        (name.len(), name)
    });
    let interfaces = ordered.iter().map(|endpoint| interface(endpoint, &ranked));
    Ok(NetSpec::try_from(NetSpecParts {
        id,
        hostname: Some(container.hostname.clone()),
        interfaces: interfaces.collect::<Result<_, _>>()?,
        resolver: resolver(container, &ranked, settings)?,
        hosts: hosts(container, &ordered),
        extension: extension(container, &ordered)?,
    })?)
}

/// Returns the endpoints in the order in which their gateways become the container's default: by
/// priority, then networks that are not internal, then dual stack, then by the network's name, as
/// Docker does.
pub(crate) fn in_gateway_order<'a>(endpoints: &[EndpointRef<'a>]) -> Vec<EndpointRef<'a>> {
    let mut ranked = endpoints.to_vec();
    ranked.sort_by_key(|endpoint| {
        let dual = endpoint.row.addresses.len() > 1;
        (
            Reverse(endpoint.row.gateway_priority),
            ![true, false].iter().any(|v4| leads_out(endpoint, *v4)),
            !dual,
            &endpoint.network.name,
        )
    });
    ranked
}

fn interface(
    endpoint: &EndpointRef<'_>,
    ranked: &[EndpointRef<'_>],
) -> Result<Interface, InterfaceError> {
    let row = endpoint.row;
    let routes = [true, false].into_iter().filter_map(|v4| {
        let mut ways_out = ranked.iter().filter(|rank| leads_out(rank, v4));
        let rank = ways_out.position(|rank| rank.row.id == row.id)?;
        default_route(endpoint, v4, u32::try_from(rank).ok()?)
    });
    Interface::try_from(InterfaceParts {
        nic: row.nic.clone(),
        mac: row.mac,
        name: row.interface.clone(),
        mtu: endpoint.network.mtu,
        addressing: Addressing::Static,
        addresses: row.addresses.clone(),
        routes: routes.collect(),
        firewall: FirewallLevel::Open,
    })
}

fn leads_out(endpoint: &EndpointRef<'_>, v4: bool) -> bool {
    let mut addresses = endpoint.row.addresses.iter().map(IpNet::addr);
    let own = addresses.find(|address| address.is_ipv4() == v4);
    let subnet = own.and_then(|own| endpoint.network.subnet_of(own));
    !endpoint.network.internal && subnet.is_some_and(|subnet| subnet.gateway.is_some())
}

/// Returns the default route by an endpoint's gateway. Every gateway that leads out gets one, the
/// first with the least metric: the route to the outside stays while the first one's NIC is
/// awaited, or gone.
fn default_route(endpoint: &EndpointRef<'_>, v4: bool, rank: u32) -> Option<Route> {
    let mut addresses = endpoint.row.addresses.iter();
    let own = addresses.find(|address| address.addr().is_ipv4() == v4)?;
    let gateway = endpoint.network.subnet_of(own.addr())?.gateway?;
    let (destination, metric) = if v4 {
        (IpNet::V4(Ipv4Net::default()), rank)
    } else {
        // The kernel turns an IPv6 metric of 0 into IP6_RT_PRIO_USER (linux/ipv6_route.h).
        (IpNet::V6(Ipv6Net::default()), 1024 + rank)
    };
    Some(Route {
        destination,
        gateway: Some(gateway),
        metric,
        on_link: false,
        source: None,
    })
}

/// Returns the resolver's configuration. With a bridge network: one name server, the gateway of the first bridge
/// network, which answers for all of the container's networks and asks the container's own servers for the rest.
/// While that network's NIC is awaited, the gateway is reached by another one, since it is the VCH.
///
/// On external networks only, the VCH is no name server: the container's own servers are used, else those of its
/// first network that has some.
fn resolver(
    container: &Container,
    ranked: &[EndpointRef<'_>],
    settings: &Settings,
) -> Result<Option<Resolver>, ResolverError> {
    let servers: Vec<IpAddr> = match ranked.iter().find(|endpoint| endpoint.network.is_bridge()) {
        Some(first) => gateway(first).into_iter().collect(),
        None => outside_servers(container, ranked),
    };
    if servers.is_empty() {
        return Ok(None);
    }
    resolver_of(container, servers, settings).map(Some)
}

fn gateway(endpoint: &EndpointRef<'_>) -> Option<IpAddr> {
    let own = endpoint.row.addresses.first()?.addr();
    endpoint.network.subnet_of(own)?.gateway
}

fn outside_servers(container: &Container, ranked: &[EndpointRef<'_>]) -> Vec<IpAddr> {
    let externals = ranked
        .iter()
        .filter_map(|endpoint| endpoint.network.external());
    let configured = externals.map(|external| &external.dns);
    let mut choices = [&container.dns.servers].into_iter().chain(configured);
    let chosen = choices.find(|servers| !servers.is_empty());
    let servers = chosen.into_iter().flatten().copied();
    servers.take(Resolver::MAX_SERVERS).collect()
}

/// Returns the resolver configuration of a container that asks these name servers.
///
/// # Errors
/// Returns [`ResolverError`] if the protocol can't express it.
pub(crate) fn resolver_of(
    container: &Container,
    servers: Vec<IpAddr>,
    settings: &Settings,
) -> Result<Resolver, ResolverError> {
    let dns = &container.dns;
    let mut search: Vec<DomainName> = if dns.search.is_empty() {
        settings.domain.iter().cloned().collect()
    } else {
        dns.search.clone()
    };
    // The root is no domain to try: `--dns-search .` asks for none.
    search.retain(|domain| domain.as_str() != ".");
    let mut options = dns.options.clone();
    // As dockerd has it, unless the container says otherwise.
    let says = |option: &String| option.starts_with("ndots:");
    if !options.iter().any(says) && options.len() < Resolver::MAX_OPTIONS {
        options.push("ndots:0".to_owned());
    }
    Resolver::new(servers, search, options)
}

/// Returns the lines of the hosts file: extra hosts, and the container's host name on each of its addresses; never
/// other containers. As with dockerd, the container's own name is not among them: DNS answers for it.
fn hosts(container: &Container, ordered: &[EndpointRef<'_>]) -> Vec<HostEntry> {
    // The first name of a line is the canonical one: `hostname -f` says it.
    let full = full_hostname(container);
    let first_label = full.split_once('.').map(|(label, _)| label.to_owned());
    let texts = [Some(full), first_label];
    let mut names: Vec<Hostname> = Vec::new();
    for name in texts.into_iter().flatten().map(Hostname::try_from) {
        if let Ok(name) = name
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    let addresses = ordered.iter().flat_map(|endpoint| &endpoint.row.addresses);
    let own = addresses.flat_map(|address| {
        names.iter().map(|name| HostEntry {
            address: address.addr(),
            name: name.clone(),
        })
    });
    container.extra_hosts.iter().cloned().chain(own).collect()
}

/// Returns the part of a spec that was added since version 1 of the protocol.
fn extension(
    container: &Container,
    ordered: &[EndpointRef<'_>],
) -> Result<Vec<u8>, ImpossibleSpec> {
    let own = container.sysctls.iter();
    let mut sysctls: BTreeMap<String, String> = own
        .map(|(name, value)| (sysctl_path(name), value.clone()))
        .collect();
    for endpoint in ordered {
        let interface = endpoint.row.interface.as_str();
        for (name, value) in &endpoint.row.sysctls {
            let path = sysctl_path(name).replace(IFNAME, interface);
            sysctls.insert(path, value.clone());
        }
    }
    let extension = Extension {
        domain: container.domain.clone(),
        sysctls,
    };
    let field = extension.field();
    field.ok_or_else(|| ImpossibleSpec::Extension(container.name.clone()))
}

/// Returns the path of a setting below `/proc/sys`, as sysctl(8) finds it: the separator that comes first separates,
/// and the other one stands for it within a name.
fn sysctl_path(name: &str) -> String {
    let slashes = name
        .find(['.', '/'])
        .is_some_and(|at| name[at..].starts_with('/'));
    if slashes {
        return name.to_owned();
    }
    let swapped = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    name.chars().map(swapped).collect()
}
