//! The DNS names of an endpoint.

use crate::{Container, ContainerId, ContainerName, NetworkName};
use protocol::spec::Hostname;

/// Returns the names under which the other containers of a network find an endpoint, in lower case, without
/// duplicates: the container's name, its short ID, its aliases, its host name, its host name with its domain, and
/// `name.network`.
///
/// A container or network name that is not a host name too (a label longer than 63 characters, or
/// one that ends in `_` or `-`) is not published: the short id and the aliases stay. An alias may be
/// several endpoints' name, which then all answer.
pub fn published_names(
    container: &Container,
    network: &NetworkName,
    aliases: &[Hostname],
) -> Vec<Hostname> {
    let name = &container.name;
    let own = std::iter::once(name.as_str().to_owned())
        .chain(std::iter::once(container.id.short()))
        .chain(aliases.iter().map(|alias| alias.as_str().to_owned()))
        .chain(std::iter::once(container.hostname.as_str().to_owned()))
        .chain(container.domain.iter().map(|_| full_hostname(container)))
        .chain(std::iter::once(format!("{name}.{network}")));
    let mut names: Vec<Hostname> = Vec::new();
    for text in own {
        if let Ok(name) = Hostname::try_from(text.to_ascii_lowercase())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// Returns a container's host name with its domain, if it has one.
pub(crate) fn full_hostname(container: &Container) -> String {
    match &container.domain {
        Some(domain) => format!("{}.{domain}", container.hostname),
        None => container.hostname.to_string(),
    }
}

/// Returns the name that an endpoint's addresses resolve to: `name.network`, or the short ID if
/// that is not a valid host name.
pub fn pointer_name(
    container: ContainerId,
    name: &ContainerName,
    network: &NetworkName,
) -> Hostname {
    let full = format!("{name}.{network}").to_ascii_lowercase();
    Hostname::try_from(full).unwrap_or_else(|_| short_hostname(container))
}

/// Returns a container's short ID as a host name.
pub(crate) fn short_hostname(container: ContainerId) -> Hostname {
    #[expect(clippy::expect_used, reason = "12 hexadecimal digits are a host name")]
    Hostname::try_from(container.short()).expect("a host name")
}
