//! The ports in a container's body.

use crate::{
    DockerError,
    containers::body::{Body, HostBinding},
};
use std::{collections::BTreeSet, net::IpAddr};
use vch_ledger::{ContainerPort, PortNumber, Protocol, Publish};

/// The maximum number of ports in one body. The ledger has a separate limit for each container.
const MOST: usize = 4_096;

/// Returns the ports that the container exposes and publishes. `image` has the ports that its image
/// exposes.
///
/// # Errors
/// Returns dockerd's error if a port is not valid.
pub fn wanted(body: &Body, image: &[String]) -> Result<Vec<ContainerPort>, DockerError> {
    let mut all = BTreeSet::new();
    for text in image.iter().chain(body.exposed_ports.keys()) {
        for number in exposed(text)? {
            let publish = None;
            all.insert(ContainerPort { number, publish });
        }
    }
    for (text, bindings) in &body.host_config.port_bindings {
        let numbers = exposed(text)?;
        for binding in bindings {
            all.extend(published(&numbers, binding)?);
        }
    }
    if all.len() > MOST {
        let many = all.len();
        return Err(DockerError::invalid(format!(
            "{many} ports are more than the {MOST} that one container can have: publish fewer"
        )));
    }
    // A published port is also exposed.
    let published: BTreeSet<PortNumber> = all
        .iter()
        .filter(|port| port.publish.is_some())
        .map(|port| port.number)
        .collect();
    let own = |port: &ContainerPort| port.publish.is_some() || !published.contains(&port.number);
    Ok(all.into_iter().filter(own).collect())
}

/// Parses exposed ports: `80`, `80/udp`, `8000-8010/tcp`.
///
/// # Errors
/// Returns 400 if the text is not a port or a range.
fn exposed(text: &str) -> Result<Vec<PortNumber>, DockerError> {
    let refuse = || {
        let shown: String = text.chars().take(100).collect();
        DockerError::invalid(format!(
            "invalid port specification: \"{shown}\": write 80, 80/udp or 8000-8010/tcp"
        ))
    };
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" | "" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        other => {
            let shown: String = other.chars().take(20).collect();
            return Err(DockerError::invalid(format!("invalid proto: {shown}")));
        }
    };
    let (first, last) = range(numbers).ok_or_else(refuse)?;
    if usize::from(last - first) >= MOST {
        return Err(refuse());
    }
    let number = |port| PortNumber { protocol, port };
    Ok((first..=last).map(number).collect())
}

fn published(
    numbers: &[PortNumber],
    binding: &HostBinding,
) -> Result<Vec<ContainerPort>, DockerError> {
    let address = match binding.host_ip.as_str() {
        "" => None,
        text => Some(text.parse::<IpAddr>().map_err(|_| {
            DockerError::invalid(format!(
                "invalid IP address: {text}: give an address of the VCH"
            ))
        })?),
    };
    let text = binding.host_port.as_str();
    // Several host ports for one container port: the first free one is used at each start.
    if let ([number], Some((first, last))) = (numbers, range(text))
        && first < last
    {
        let publish = Some(Publish {
            address,
            port: Some(first),
            through: Some(last),
            clients: Vec::new(),
        });
        return Ok(vec![ContainerPort {
            number: *number,
            publish,
        }]);
    }
    let hosts: Vec<Option<u16>> = match text {
        "" | "0" => vec![None; numbers.len()],
        text => {
            let (first, last) = range(text).ok_or_else(|| {
                let shown: String = text.chars().take(100).collect();
                DockerError::invalid(format!("Invalid hostPort: {shown}"))
            })?;
            (first..=last).map(Some).collect()
        }
    };
    if hosts.len() != numbers.len() {
        let remedy = "name as many ports of the VCH as of the container, several for one, or none";
        return Err(crate::containers::create::refused::refuse(
            "HostConfig.PortBindings.HostPort",
            text,
            remedy,
        ));
    }
    let one = |(number, port): (&PortNumber, Option<u16>)| ContainerPort {
        number: *number,
        publish: Some(Publish {
            address,
            port,
            through: None,
            clients: Vec::new(),
        }),
    };
    Ok(numbers.iter().zip(hosts).map(one).collect())
}

/// Parses a port or a range: `8000` or `8000-8010`; `None` if the text is neither.
fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}
