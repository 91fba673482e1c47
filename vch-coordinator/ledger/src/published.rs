//! Under which names an endpoint is found.

use crate::{ContainerId, ContainerName, NetworkName};
use protocol::spec::Hostname;

/// The names under which the other containers of a network find an endpoint, in lower case, none
/// twice: the container's name, its short id, its aliases, and `name.network`.
///
/// A container or network name that is not a host name too (a label longer than 63 characters, or
/// one that ends in `_` or `-`) is not published: the short id and the aliases stay. An alias may be
/// several endpoints' name, which then all answer.
pub fn published_names(
    container: ContainerId,
    name: &ContainerName,
    network: &NetworkName,
    aliases: &[Hostname],
) -> Vec<Hostname> {
    let own = std::iter::once(name.as_str().to_owned())
        .chain(std::iter::once(container.short()))
        .chain(aliases.iter().map(|alias| alias.as_str().to_owned()))
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

/// The name that an endpoint's addresses resolve to: `name.network`, or the short id where that is
/// no host name.
pub fn pointer_name(
    container: ContainerId,
    name: &ContainerName,
    network: &NetworkName,
) -> Hostname {
    let full = format!("{name}.{network}").to_ascii_lowercase();
    Hostname::try_from(full).unwrap_or_else(|_| short_hostname(container))
}

/// A container's short id as a host name.
pub(crate) fn short_hostname(container: ContainerId) -> Hostname {
    #[expect(clippy::expect_used, reason = "12 hexadecimal digits are a host name")]
    Hostname::try_from(container.short()).expect("a host name")
}
