//! Checks that the VCH has the interfaces and addresses that its configuration declares.

use super::Config;
use ipnet::IpNet;
use nix::{errno::Errno, ifaddrs::getifaddrs, sys::socket::SockaddrStorage};
use protocol::spec::InterfaceName;
use std::{collections::BTreeMap, net::IpAddr};
use thiserror::Error;

/// The maximum number of interfaces or addresses that an error lists.
const MAX_NAMED: usize = 16;

/// Why the interfaces of the VCH do not match its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinksError {
    /// The kernel refused to list the interfaces.
    #[error("cannot list this network namespace's links")]
    Unknown(#[source] Errno),
    /// A configured interface does not exist.
    #[error(
        "{field} cannot be `{interface}`: there is no such link: make it first, or write one of {present}"
    )]
    NoLink {
        /// The field of the configuration that names the interface, with the name of the network if it is an external
        /// one.
        field: String,
        /// The configured name of the interface.
        interface: InterfaceName,
        /// The names of the interfaces that exist, except the loopback interface, separated by commas: at most 16, and
        /// the number of further ones. `none` if no other interface exists.
        present: String,
    },
    /// A configured interface does not have the VCH's configured address.
    #[error(
        "{field} cannot be `{address}`: {interface} bears {borne}: `ip address add {remedy} dev {interface}`, or write an address that it bears"
    )]
    NoAddress {
        /// The field of the configuration that contains the address, with the name of the network if it is an external
        /// one.
        field: String,
        /// The configured address.
        address: IpAddr,
        /// The name of the interface.
        interface: InterfaceName,
        /// The addresses that the interface has, separated by commas: at most 16, and the number of further ones.
        /// `none` if it has no address.
        borne: String,
        /// The configured address with a prefix length, as an argument for `ip address add`.
        remedy: String,
    },
}

/// The interfaces of a network namespace by name, each with its IP addresses and their prefix lengths. An interface
/// without address has an empty list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links(pub BTreeMap<InterfaceName, Vec<IpNet>>);

impl Links {
    /// Reads the interfaces of the calling thread's network namespace from the kernel.
    ///
    /// # Errors
    /// Returns [`LinksError::Unknown`] if the kernel does not list them.
    pub fn observe() -> Result<Self, LinksError> {
        let mut links: BTreeMap<InterfaceName, Vec<IpNet>> = BTreeMap::new();
        for entry in getifaddrs().map_err(LinksError::Unknown)? {
            // An IPv4 address may have a label after the interface's name, such as eth0:1.
            let name = entry.interface_name.split(':').next().unwrap_or_default();
            let Ok(name) = name.parse() else {
                continue;
            };
            let addresses = links.entry(name).or_default();
            let address = entry.address.as_ref().and_then(ip_of);
            let netmask = entry.netmask.as_ref().and_then(ip_of);
            if let Some(address) = address {
                let net = netmask.and_then(|mask| IpNet::with_netmask(address, mask).ok());
                addresses.push(net.unwrap_or(address.into()));
            }
        }
        Ok(Self(links))
    }

    /// Checks that these interfaces contain each one that the configuration names (for the management network, the
    /// Docker endpoint and the external networks), and that each has the addresses that the configuration declares as
    /// the VCH's on it. Reads nothing from the kernel.
    ///
    /// # Errors
    /// Returns an error for the first field that does not match:
    /// - [`LinksError::NoLink`] if the interface does not exist.
    /// - [`LinksError::NoAddress`] if the interface does not have the address.
    pub fn verify(&self, config: &Config) -> Result<(), LinksError> {
        let docker = &config.docker_endpoint.host_interface;
        for (kind, host_interface) in [
            ("management", &config.management),
            ("docker_endpoint", docker),
        ] {
            let borne = self.link(format!("`{kind}.interface`"), &host_interface.interface)?;
            if !borne.iter().any(|net| net.addr() == host_interface.address) {
                let field = format!("`{kind}.address`");
                let remedy = format!("{}/PREFIX", host_interface.address);
                return Err(no_address(
                    field,
                    &host_interface.interface,
                    host_interface.address,
                    borne,
                    remedy,
                ));
            }
        }
        for network in &config.externals {
            let (name, interface) = (&network.name, &network.external.interface);
            let borne = self.link(format!("`external.interface` of {name}"), interface)?;
            let own = network.subnets.iter().filter_map(|subnet| subnet.vch_net());
            for own in own {
                if !borne.iter().any(|net| net.addr() == own.addr()) {
                    let field = format!("`external.subnets.address` of {name}");
                    let remedy = own.to_string();
                    return Err(no_address(field, interface, own.addr(), borne, remedy));
                }
            }
        }
        Ok(())
    }

    fn link(&self, field: String, interface: &InterfaceName) -> Result<&[IpNet], LinksError> {
        let link = self.0.get(interface).map(Vec::as_slice);
        link.ok_or_else(|| LinksError::NoLink {
            field,
            interface: interface.clone(),
            present: named(self.0.keys().filter(|name| name.as_str() != "lo")),
        })
    }
}

fn no_address(
    field: String,
    interface: &InterfaceName,
    address: IpAddr,
    borne: &[IpNet],
    remedy: String,
) -> LinksError {
    LinksError::NoAddress {
        field,
        address,
        interface: interface.clone(),
        borne: named(borne.iter()),
        remedy,
    }
}

/// Returns the first [`MAX_NAMED`] items, separated by commas, and the number of further ones.
fn named<T: ToString>(all: impl Iterator<Item = T>) -> String {
    let mut names: Vec<String> = all.map(|one| one.to_string()).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    if names.len() > MAX_NAMED {
        let more = format!("{} more", names.len() - MAX_NAMED);
        names.truncate(MAX_NAMED);
        names.push(more);
    }
    names.join(", ")
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}
