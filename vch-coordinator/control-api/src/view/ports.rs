//! Converts ports to the types of answers.

use crate::shape;
use std::net::IpAddr;
use vch_ledger::{Container, ContainerPort, Ledger, PortBinding, Protocol, Publish};

/// Returns the ports that a container exposes and publishes, as text. A published port has the form of requests,
/// followed by ` from CLIENTS` if only clients in these subnets may use it. An exposed port ends in ` exposed`.
pub fn ports(container: &Container) -> Vec<String> {
    container.ports.iter().map(port).collect()
}

fn port(port: &ContainerPort) -> String {
    let number = port.number;
    let Some(Publish {
        address,
        port: host,
        through,
        clients,
    }) = &port.publish
    else {
        return format!("{number} exposed");
    };
    let host = match (host, through) {
        (Some(first), Some(last)) => format!("{first}-{last}"),
        (Some(port), None) => port.to_string(),
        (None, _) => String::new(),
    };
    let mut text = match address {
        Some(IpAddr::V4(v4)) => format!("{v4}:{host}:{number}"),
        Some(IpAddr::V6(v6)) => format!("[{v6}]:{host}:{number}"),
        None if host.is_empty() => number.to_string(),
        None => format!("{host}:{number}"),
    };
    if !clients.is_empty() {
        let clients: Vec<String> = clients.iter().map(ToString::to_string).collect();
        text.push_str(&format!(" from {}", clients.join(", ")));
    }
    text
}

/// Returns a published port as the API shows it; `None` if the ledger has no such container or endpoint any more.
pub fn binding(ledger: &Ledger, binding: &PortBinding) -> Option<shape::Binding> {
    let endpoint = ledger.endpoint(binding.endpoint)?;
    Some(shape::Binding {
        container: ledger.container_by_id(binding.container)?.name.to_string(),
        network: ledger.network_by_id(endpoint.network)?.name.to_string(),
        protocol: protocol(binding.host.protocol),
        address: binding.host.address.map(|address| address.to_string()),
        host_port: binding.host.port,
        container_port: binding.container_port,
        clients: binding.clients.iter().map(ToString::to_string).collect(),
        ephemeral: binding.ephemeral,
    })
}

/// Returns the protocol of a port as the API shows it.
pub fn protocol(protocol: Protocol) -> shape::Protocol {
    match protocol {
        Protocol::Tcp => shape::Protocol::Tcp,
        Protocol::Udp => shape::Protocol::Udp,
        Protocol::Sctp => shape::Protocol::Sctp,
    }
}
