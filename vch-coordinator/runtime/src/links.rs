//! Derives the environment variables that describe linked containers on the default bridge (`docker
//! run --link`), without I/O.

use std::net::IpAddr;

/// Variables of the linked container that are not passed on.
const OWN: [&str; 2] = ["HOME", "PATH"];

/// A container that another container is linked to by `docker run --link`, as far as its
/// environment variables need.
#[derive(Clone, Copy, Debug)]
pub struct Linked<'a> {
    /// The name of the container that has the link.
    pub by: &'a str,
    /// The alias that the link gives to the linked container.
    pub alias: &'a str,
    /// The linked container's address on Docker's default bridge network.
    pub address: IpAddr,
    /// The linked container's exposed ports, such as `80/tcp`.
    pub exposed: &'a [String],
    /// The linked container's environment variables, as `NAME=value`.
    pub environment: &'a [String],
}

/// Returns the environment variables that one link adds, as `NAME=value`. They are named as in
/// Docker: `ALIAS_PORT`, `ALIAS_PORT_80_TCP` and its parts, `ALIAS_NAME`, `ALIAS_ENV_NAME`.
pub fn variables(linked: &Linked<'_>) -> Vec<String> {
    let Linked {
        by,
        alias,
        address,
        exposed,
        environment,
    } = linked;
    let prefix = alias.to_uppercase().replace('-', "_");
    let mut all = Vec::new();
    let ports = ports(exposed);
    if let Some((protocol, number)) = ports.first() {
        all.push(format!("{prefix}_PORT={protocol}://{address}:{number}"));
    }
    for (protocol, number) in ports {
        let port = format!("{prefix}_PORT_{number}_{}", protocol.to_uppercase());
        all.push(format!("{port}={protocol}://{address}:{number}"));
        all.push(format!("{port}_ADDR={address}"));
        all.push(format!("{port}_PORT={number}"));
        all.push(format!("{port}_PROTO={protocol}"));
    }
    all.push(format!("{prefix}_NAME=/{by}/{alias}"));
    let given = environment.iter().filter_map(|one| one.split_once('='));
    let given = given.filter(|(name, _)| !OWN.contains(name));
    all.extend(given.map(|(name, value)| format!("{prefix}_ENV_{name}={value}")));
    all
}

/// Parses exposed ports, and sorts them by protocol (TCP first) and number. The first one is the
/// container's main port.
fn ports(exposed: &[String]) -> Vec<(&str, u16)> {
    let mut all: Vec<(&str, u16)> = exposed.iter().filter_map(|text| port(text)).collect();
    all.sort_unstable_by_key(|(protocol, number)| (*protocol != "tcp", *protocol, *number));
    all
}

fn port(text: &str) -> Option<(&str, u16)> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some((protocol, number.parse().ok()?))
}

#[cfg(test)]
mod tests;
