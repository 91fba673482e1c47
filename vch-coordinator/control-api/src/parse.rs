//! Parses the texts in requests into the ledger's types. Each error names its field.

/// Parses the ports to publish and to expose, or to withdraw.
///
/// # Errors
/// Returns 400 if a port or a client's subnet is not valid, or if there are too many ports.
mod ports;

use super::{problem::ApiError, shape};
use ipnet::IpNet;
use protocol::{
    spec::{HostEntry, Hostname, NicMatch},
    transport::CoordinatorChannel,
};
use std::{collections::BTreeMap, fmt::Display, net::IpAddr, path::Path, str::FromStr};
use vch_ledger::{
    AddContainer, Attachment, Channel, Connect, ContainerName, ContainerPort, ContainerRef,
    CreateNetwork, Dns, DnsTtl, DnsTtlError, Rate, SegmentKind, SubnetRequest,
};

/// The maximum number of ports in one request. The ledger has a separate limit for each container.
const MAX_PORTS: usize = 4_096;

type Parsed<T> = Result<T, ApiError>;

fn field<T: FromStr>(name: &str, text: &str) -> Parsed<T>
where
    T::Err: Display,
{
    text.parse()
        .map_err(|error: T::Err| ApiError::invalid(name, text, &error.to_string()))
}

fn optional<T: FromStr>(name: &str, text: Option<&String>) -> Parsed<Option<T>>
where
    T::Err: Display,
{
    text.map(|text| field(name, text)).transpose()
}

fn list<T: FromStr>(name: &str, texts: &[String]) -> Parsed<Vec<T>>
where
    T::Err: Display,
{
    texts.iter().map(|text| field(name, text)).collect()
}

/// Parses DNS servers. Refuses addresses that cannot be asked here, instead of when the container's
/// first endpoint is made.
fn dns_servers(texts: &[String]) -> Parsed<Vec<IpAddr>> {
    let servers: Vec<IpAddr> = list("dns", texts)?;
    for (at, (server, text)) in servers.iter().zip(texts).enumerate() {
        let remedy = if server.is_unspecified() || server.is_multicast() {
            "no server has this address: give the address of one"
        } else if servers.iter().take(at).any(|before| before == server) {
            "it is given twice: name each server once"
        } else {
            continue;
        };
        return Err(ApiError::invalid("dns", text, remedy));
    }
    Ok(servers)
}

/// Parses the request to create a network, except its options, which [`NetworkOptions`](crate::NetworkOptions)
/// parses.
///
/// # Errors
/// Returns 400 with the first field that is not valid.
pub fn create_network(request: shape::CreateNetwork) -> Parsed<CreateNetwork> {
    let subnet = |subnet: &shape::SubnetRequest| {
        let auxiliary = subnet
            .auxiliary
            .iter()
            .map(|(name, address)| Ok((name.clone(), field("subnets.auxiliary", address)?)));
        Ok(SubnetRequest {
            net: field("subnets.subnet", &subnet.subnet)?,
            gateway: optional("subnets.gateway", subnet.gateway.as_ref())?,
            range: optional("subnets.range", subnet.range.as_ref())?,
            auxiliary: auxiliary.collect::<Parsed<_>>()?,
        })
    };
    let mtu = request.mtu.map(|mtu| {
        mtu.try_into().map_err(|error: protocol::spec::MtuError| {
            ApiError::invalid("mtu", &mtu.to_string(), &error.to_string())
        })
    });
    let segment = request.segment.as_deref().map(segment);
    Ok(CreateNetwork {
        ipv6: request.ipv6,
        segment: segment.transpose()?,
        subnets: request.subnets.iter().map(subnet).collect::<Parsed<_>>()?,
        mtu: mtu.transpose()?,
        dns_ttl: dns_ttl("dns_ttl", request.dns_ttl)?,
        internal: request.internal,
        labels: request.labels,
        ..CreateNetwork::named(field("name", &request.name)?)
    })
}

/// Parses the time in seconds that DNS clients may cache a network's names; `None` stays `None`. `field` is the
/// field's name for the error.
///
/// # Errors
/// Returns 400 if the number is too large.
pub fn dns_ttl(field: &str, seconds: Option<u32>) -> Parsed<Option<DnsTtl>> {
    let ttl = seconds.map(|seconds| {
        seconds.try_into().map_err(|error: DnsTtlError| {
            ApiError::invalid(field, &seconds.to_string(), &error.to_string())
        })
    });
    ttl.transpose()
}

fn segment(text: &str) -> Parsed<SegmentKind> {
    match text {
        "dedicated" => Ok(SegmentKind::Dedicated),
        "shared" => Ok(SegmentKind::Shared),
        _ => Err(ApiError::invalid(
            "segment",
            text,
            "write dedicated or shared",
        )),
    }
}

/// Parses the request to add a container.
///
/// # Errors
/// Returns 400 with the first field that is not valid.
pub fn add_container(request: &shape::AddContainer) -> Parsed<AddContainer> {
    Ok(AddContainer {
        name: field("name", &request.name)?,
        hostname: optional("hostname", request.hostname.as_ref())?,
        domain: None,
        sysctls: BTreeMap::new(),
        channel: channel(&request.channel)?,
        dns: Dns {
            servers: dns_servers(&request.dns)?,
            search: list("dns_search", &request.dns_search)?,
            options: request.dns_options.clone(),
        },
        extra_hosts: request
            .extra_hosts
            .iter()
            .map(|text| extra_host(text))
            .collect::<Parsed<_>>()?,
        ports: ports(&shape::Ports {
            publish: request.publish.clone(),
            expose: request.expose.clone(),
            clients: Vec::new(),
        })?,
        publish_all: request.publish_all,
    })
}

/// Parses the ports to add or to remove.
pub fn ports(request: &shape::Ports) -> Parsed<Vec<ContainerPort>> {
    let clients: Vec<IpNet> = list("clients", &request.clients)?;
    let mut all = Vec::new();
    for text in &request.publish {
        all.extend(ports::published("publish", text, &clients)?);
    }
    for text in &request.expose {
        all.extend(ports::exposed("expose", text)?);
    }
    if all.len() > MAX_PORTS {
        let many = all.len().to_string();
        let remedy = format!("at most {MAX_PORTS} ports at a time are possible");
        return Err(ApiError::invalid("publish", &many, &remedy));
    }
    Ok(all)
}

/// Parses the aliases (additional DNS names) of an endpoint.
///
/// # Errors
/// Returns 400 if an alias is not a host name.
pub fn aliases(request: &shape::Aliases) -> Parsed<Vec<Hostname>> {
    list("aliases", &request.aliases)
}

/// Parses the limit of what an endpoint may receive, and of what it may send; `None` for no limit.
///
/// # Errors
/// Returns 400 if the text is not a rate such as `50mbit`.
pub fn rate(request: &shape::Rate) -> Parsed<Option<Rate>> {
    optional("rate", request.rate.as_ref())
}

/// Parses a container's new name.
///
/// # Errors
/// Returns 400 if the name is not valid.
pub fn rename(request: &shape::Rename) -> Parsed<ContainerName> {
    field("name", &request.name)
}

fn extra_host(text: &str) -> Parsed<HostEntry> {
    let Some((name, address)) = text.split_once(':') else {
        return Err(ApiError::invalid("extra_hosts", text, "write name:address"));
    };
    Ok(HostEntry {
        name: field("extra_hosts", name)?,
        address: field("extra_hosts", address)?,
    })
}

fn channel(text: &str) -> Parsed<Channel> {
    if text == "unix" {
        return Ok(Channel::Unix { path: None });
    }
    let socket = |path: &Path| field("channel", &path.to_string_lossy());
    Ok(match field("channel", text)? {
        CoordinatorChannel::Unix(path) => Channel::Unix {
            path: Some(socket(&path)?),
        },
        CoordinatorChannel::Chardev(path) => Channel::Chardev {
            path: socket(&path)?,
        },
        CoordinatorChannel::Vsock(cid) => Channel::Vsock { cid },
        CoordinatorChannel::HybridVsock { socket: path, port } => Channel::HybridVsock {
            path: socket(&path)?,
            port,
        },
    })
}

/// Parses the request to connect a container, named by its name or ID, to a network.
///
/// # Errors
/// Returns 400 with the first field that is not valid.
pub fn connect(container: &str, request: &shape::Connect) -> Parsed<Connect> {
    let ip: Option<std::net::Ipv4Addr> = optional("ip", request.ip.as_ref())?;
    let ip6: Option<std::net::Ipv6Addr> = optional("ip6", request.ip6.as_ref())?;
    let addresses = ip.map(Into::into).into_iter().chain(ip6.map(Into::into));
    Ok(Connect {
        addresses: addresses.collect(),
        mac: optional("mac", request.mac.as_ref())?,
        aliases: list("aliases", &request.aliases)?,
        attachment: attachment(request.attachment.as_deref().unwrap_or("tap"))?,
        nic: nic(request.nic.as_deref().unwrap_or("mac"))?,
        gateway_priority: request.gateway_priority,
        links: request
            .links
            .iter()
            .map(|text| link(text))
            .collect::<Parsed<_>>()?,
        only_healthy: request.only_healthy,
        rate: optional("rate", request.rate.as_ref())?,
        ..Connect::tap(container, request.network.as_str())
    })
}

fn link(text: &str) -> Parsed<(ContainerRef, Hostname)> {
    let Some((container, alias)) = text.split_once(':') else {
        return Err(ApiError::invalid("links", text, "write container:alias"));
    };
    Ok((container.into(), field("links", alias)?))
}

fn attachment(text: &str) -> Parsed<Attachment> {
    match text.split_once(':') {
        None if text == "tap" => Ok(Attachment::Tap),
        Some(("veth", path)) => Ok(Attachment::Veth {
            namespace: field("attachment", path)?,
        }),
        _ => {
            let remedy = "write tap, or veth:PATH with the path of a network namespace";
            Err(ApiError::invalid("attachment", text, remedy))
        }
    }
}

fn nic(text: &str) -> Parsed<Option<NicMatch>> {
    match text.split_once(':') {
        None if text == "mac" => Ok(None),
        Some(("pci", path)) => Ok(Some(NicMatch::PciPath(field("nic", path)?))),
        Some(("slot", number)) => Ok(Some(NicMatch::PciSlot(field("nic", number)?))),
        _ => {
            let remedy = "write mac, pci:PATH as in pci:02.0/00.0, or slot:NUMBER";
            Err(ApiError::invalid("nic", text, remedy))
        }
    }
}

#[cfg(test)]
mod tests;
