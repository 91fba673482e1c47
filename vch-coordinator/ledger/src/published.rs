//! The DNS names of an endpoint (a container's connection to a network).

use crate::{Container, ContainerId, ContainerName, NetworkName};
use protocol::spec::Hostname;

/// Returns the DNS names by which the other containers of a network find a container, in lower case and without
/// duplicates: the container's name, its short ID, its aliases, its host name, its host name with its domain, and
/// `name.network`.
///
/// A container or network name that is not a valid host name (a label longer than 63 characters, or one that ends in
/// `_` or `-`) is left out. Several containers may have the same alias; the name server then answers with all of their
/// addresses.
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

/// Returns the name that a reverse DNS query for a container's addresses on a network returns: `name.network`, or the
/// container's short ID if `name.network` is not a valid host name.
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
