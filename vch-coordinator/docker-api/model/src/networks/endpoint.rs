//! The settings of an endpoint (a container's connection to a network) in a request.

use crate::{DockerError, Version, gates};
use protocol::spec::{Hostname, InterfaceName, MacAddress};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use vch_ledger::{Connect, ContainerRef, IFNAME, NetworkRef, Rate};

/// The prefix of Docker's own options.
const OPTIONS: &str = "com.docker.network.";
/// The prefix of the VCH's own options.
pub(super) const OWN_OPTIONS: &str = "vch.";
/// The endpoint option with the name of the interface.
const IFNAME_OPTION: &str = "com.docker.network.endpoint.ifname";
/// The name of an endpoint's option that limits the traffic to the container, and separately the traffic from it, such
/// as `50mbit` (the units of tc(8)). A label of this name on the container limits those of its endpoints that do not
/// have the option.
pub const RATE_OPTION: &str = "vch.rate";
/// The value of [`RATE_OPTION`] for an endpoint without a limit, even if a label of the container sets one.
pub const UNLIMITED: &str = "none";
/// The endpoint option with kernel settings of the interface.
const SYSCTLS_OPTION: &str = "com.docker.network.endpoint.sysctls";

/// The settings of a container's connection to a network: Docker's `EndpointSettings`, in requests to connect a
/// container and to create one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointSettings {
    /// The addresses that the client chose; `None` for automatic ones.
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Option<EndpointIpam>,
    /// Containers to link to on this network, as `container` or `container:alias`. The alias is the name by which this
    /// container finds the other one. `None` and an empty list for no links.
    pub links: Option<Vec<String>>,
    /// Additional names of the container on this network; `None` and an empty list for no further name.
    pub aliases: Option<Vec<String>>,
    /// The MAC address that the client chose; `None` or empty for an automatic one.
    pub mac_address: Option<String>,
    /// Options by name. Of those that begin with `com.docker.network.` or `vch.`, the interface's name
    /// (`com.docker.network.endpoint.ifname`), its kernel settings (`com.docker.network.endpoint.sysctls`) and
    /// [`RATE_OPTION`] are carried out, and the rest are refused. Other options are only stored. `None` and an
    /// empty map for no options.
    pub driver_opts: Option<BTreeMap<String, String>>,
    /// The priority of this network's gateway as the container's default route, as a 32-bit number; the highest
    /// wins. `None` for 0. Read since API 1.48.
    pub gw_priority: Option<i64>,
}

/// The addresses that the client chose for an endpoint.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointIpam {
    /// The IPv4 address without a prefix length; `None` or empty for an automatic one.
    #[serde(rename = "IPv4Address", skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<String>,
    /// The IPv6 address without a prefix length; `None` or empty for an automatic one.
    #[serde(rename = "IPv6Address", skip_serializing_if = "Option::is_none")]
    pub ipv6_address: Option<String>,
    /// Link-local addresses in addition to the interface's own; `None` and an empty list for no further address. A VCH
    /// refuses each.
    #[serde(rename = "LinkLocalIPs", skip_serializing_if = "Option::is_none")]
    pub link_local_ips: Option<Vec<String>>,
}

impl EndpointSettings {
    /// Returns the additional names of the container on this network, without empty ones.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        let all = self.aliases.iter().flatten().map(String::as_str);
        all.filter(|alias| !alias.is_empty())
    }

    /// Returns the ledger's command that connects a container to a network with these settings. `labels` are the
    /// container's: their [`RATE_OPTION`] holds if the settings have none. The ledger checks later whether the network
    /// exists and has the addresses.
    ///
    /// # Errors
    /// Returns 400 if a setting is not valid, and 501 if a VCH does not support it.
    pub fn connect(
        &self,
        container: ContainerRef,
        network: NetworkRef,
        labels: &BTreeMap<String, String>,
        version: Version,
    ) -> Result<Connect, DockerError> {
        let mut request = Connect::tap(container, network);
        let own = self.driver_opts.iter().flatten();
        if !own.clone().any(|(key, _)| key == RATE_OPTION)
            && let Some(label) = labels.get(RATE_OPTION)
        {
            request.rate = rate("label", label)?;
        }
        if let Some(ipam) = &self.ipam_config {
            request.addresses = ipam.addresses()?;
        }
        for alias in self.aliases() {
            request.aliases.push(name("alias", alias)?);
        }
        for link in self.links.iter().flatten() {
            request.links.push(linked(link)?);
        }
        let mac = self.mac_address.as_deref();
        if let Some(mac) = mac.filter(|mac| !mac.is_empty()) {
            request.mac = Some(mac_address(mac)?);
        }
        if gates::ENDPOINT_PRIORITY.is_open(version) {
            let priority = self.gw_priority.unwrap_or(0);
            request.gateway_priority = i32::try_from(priority).map_err(|_| {
                DockerError::invalid(format!("gw-priority {priority} is too large: use 32 bits"))
            })?;
        }
        for (key, value) in own {
            match key.as_str() {
                IFNAME_OPTION => request.interface = Some(interface_name(value)?),
                SYSCTLS_OPTION => request.sysctls = sysctls(value)?,
                RATE_OPTION => request.rate = rate("endpoint option", value)?,
                // Options of other drivers are stored and shown without effect, as by dockerd's
                // bridge driver.
                other if !other.starts_with(OPTIONS) && !other.starts_with(OWN_OPTIONS) => {}
                other => {
                    let shown: String = other.chars().take(200).collect();
                    let what = format!("endpoint option {shown}");
                    return Err(DockerError::unsupported(&what, "leave it out"));
                }
            }
        }
        Ok(request)
    }
}

impl EndpointIpam {
    fn addresses(&self) -> Result<Vec<IpAddr>, DockerError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let mut wrong = Vec::new();
        let mut addresses = Vec::new();
        if let Some(text) = given(&self.ipv4_address) {
            match text.parse::<Ipv4Addr>() {
                Ok(v4) => addresses.push(IpAddr::V4(v4)),
                Err(_) => wrong.push(format!("invalid IPv4 address: {text}")),
            }
        }
        if let Some(text) = given(&self.ipv6_address) {
            match text.parse::<Ipv6Addr>() {
                Ok(v6) => addresses.push(IpAddr::V6(v6)),
                Err(_) => wrong.push(format!("invalid IPv6 address: {text}")),
            }
        }
        if !wrong.is_empty() {
            let message = format!("invalid endpoint settings:\n{}", wrong.join("\n"));
            return Err(DockerError::invalid(message));
        }
        if self.link_local_ips.iter().flatten().next().is_some() {
            let remedy = "leave it out: each interface has one that it made itself";
            return Err(DockerError::unsupported(
                "a link-local address of one's own",
                remedy,
            ));
        }
        Ok(addresses)
    }
}

fn interface_name(text: &str) -> Result<InterfaceName, DockerError> {
    text.parse().map_err(|error| {
        DockerError::invalid(format!(
            "invalid interface name in {IFNAME_OPTION}: {error}"
        ))
    })
}

/// Parses a limit as the user writes it, in an option or a label.
///
/// # Errors
/// Returns 400 if it is no rate.
fn rate(what: &str, text: &str) -> Result<Option<Rate>, DockerError> {
    if text == UNLIMITED {
        return Ok(None);
    }
    let rate = text.parse().map_err(|error| {
        DockerError::invalid(format!(
            "invalid {what} {RATE_OPTION}: {error}, or {UNLIMITED} for no limit"
        ))
    });
    rate.map(Some)
}

/// Returns an endpoint's options as they are in force, for `docker inspect`: `written`, the options of the client, with
/// `rate`, the limit that the endpoint has now, as [`RATE_OPTION`]. An endpoint without limit gets that option only if
/// the client's option or the container's `labels` say otherwise. Returns `None` if the endpoint has no options.
pub fn options_now(
    written: Option<BTreeMap<String, String>>,
    rate: Option<Rate>,
    labels: &BTreeMap<String, String>,
) -> Option<BTreeMap<String, String>> {
    let text = written.as_ref().and_then(|all| all.get(RATE_OPTION));
    let default = labels.get(RATE_OPTION);
    let asked = text.or(default).map_or(UNLIMITED, String::as_str);
    // What a label says is shown as the endpoint's own, since it holds for this endpoint alone from here on.
    if asked.parse().ok() == rate && (text.is_some() || rate.is_none()) {
        return written;
    }
    let now = rate.map_or(UNLIMITED.to_owned(), |rate| rate.to_string());
    let mut options = written.unwrap_or_default();
    options.insert(RATE_OPTION.to_owned(), now);
    Some(options)
}

/// Parses kernel settings: `net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=2`.
///
/// # Errors
/// Returns 400 if the text is not valid.
fn sysctls(text: &str) -> Result<BTreeMap<String, String>, DockerError> {
    let one = |text: &str| {
        let shown: String = text.chars().take(200).collect();
        let bad = |what: &str| {
            DockerError::invalid(format!(
                "invalid endpoint settings: {SYSCTLS_OPTION}: {what} '{shown}': write 'net.X.Y.IFNAME.Z=V'"
            ))
        };
        let (name, value) = text.split_once('=').ok_or_else(|| bad("no value in"))?;
        let parts: Vec<&str> = name.split('.').collect();
        let wanted = ["net", "", "", IFNAME, ""];
        let fits = parts.len() == wanted.len()
            && parts.iter().zip(wanted).all(|(part, wanted)| {
                let plain = part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                plain && !part.is_empty() && (wanted.is_empty() || *part == wanted)
            });
        if !fits {
            return Err(bad("unrecognised network interface sysctl"));
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    text.split(',').map(one).collect()
}

/// Parses a MAC address of six bytes in hexadecimal, with colons or hyphens.
///
/// # Errors
/// Returns 400 if the text is not a MAC address, is zero, or is a group address, which an interface cannot have.
pub fn mac_address(text: &str) -> Result<MacAddress, DockerError> {
    let shown: String = text.chars().take(80).collect();
    text.replace('-', ":").parse().map_err(|error| {
        DockerError::invalid(format!("{shown} is not a valid mac address: {error}"))
    })
}

/// Parses a link to another container: `container`, `container:alias`, or as `docker inspect` shows it,
/// `/container:/this/alias`. Returns the other container and the name under which this one finds it.
///
/// # Errors
/// Returns 400 if the alias is not a host name.
pub fn linked(text: &str) -> Result<(ContainerRef, Hostname), DockerError> {
    let (container, alias) = link_parts(text);
    Ok((container.into(), name("link", alias)?))
}

/// Splits the text of a link, in any of the forms of [`linked`], into the name of the other container and the
/// alias. Without an alias, both are the name.
pub fn link_parts(text: &str) -> (&str, &str) {
    let (container, alias) = text.split_once(':').unwrap_or((text, text));
    let alias = alias.rsplit('/').next().unwrap_or(alias);
    (container.trim_start_matches('/'), alias)
}

fn name(what: &str, text: &str) -> Result<Hostname, DockerError> {
    let shown: String = text.chars().take(200).collect();
    text.parse()
        .map_err(|error| DockerError::invalid(format!("invalid {what} {shown}: {error}")))
}

#[cfg(test)]
mod tests;
