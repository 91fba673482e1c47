//! The body of `POST /networks/create`, and its conversion to a command of the ledger.

use crate::{
    DockerError, Version,
    error::predefined_name,
    gates,
    networks::{
        endpoint::OWN_OPTIONS,
        ipam::{self, Ipam},
        options::{
            ATTACHABLE, CONFIG_FROM, DNS_TTL, HOST_BINDING, ICC, INTERFACE_PREFIX, IPAM_OPTIONS,
            KEPT, MASQUERADE, MTU, NetworkOptions, go_bool,
        },
    },
};
use protocol::spec::Mtu;
use serde::Deserialize;
use std::{collections::BTreeMap, net::Ipv4Addr};
use vch_ledger::{Configuration, CreateNetwork, DnsTtl, InterfacePrefix, NetworkName, SegmentKind};

/// Names that dockerd reserves in addition to the VCH's own.
const RESERVED: [&str; 4] = ["bridge", "host", "none", "default"];
/// The option for the segment.
const SEGMENT: &str = "vch.segment";
const BRIDGE: &str = "com.docker.network.bridge.";

/// The body of `POST /networks/create` (`docker network create`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Create {
    name: String,
    driver: Option<String>,
    scope: Option<String>,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: Option<bool>,
    #[serde(rename = "IPAM")]
    ipam: Option<Ipam>,
    internal: Option<bool>,
    attachable: Option<bool>,
    ingress: Option<bool>,
    config_only: Option<bool>,
    config_from: Option<ConfigFromParams>,
    options: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigFromParams {
    network: String,
}

impl Create {
    /// Returns the ledger's command that creates the network, for a request of an API version. The body's
    /// `CheckDuplicate` is ignored, since the names of networks are unique in any case.
    ///
    /// # Errors
    /// Returns dockerd's status and message if dockerd refuses the request too. Otherwise returns 400 or 501 with
    /// the field that a VCH does not support.
    pub fn command(self, version: Version) -> Result<CreateNetwork, DockerError> {
        if RESERVED.contains(&self.name.as_str()) {
            return Err(DockerError::forbidden(predefined_name(&self.name)));
        }
        if self.name.is_empty() {
            return Err(DockerError::invalid("invalid name: "));
        }
        let shown: String = self.name.chars().take(200).collect();
        let name: Result<NetworkName, _> = self.name.parse();
        let name = name.map_err(|error| {
            DockerError::invalid(format!("invalid network name: {shown}: {error}"))
        })?;
        check_driver(self.driver.as_deref().unwrap_or_default())?;
        self.check_swarm()?;
        let configuration = self.configuration()?;
        let enabled = gates::NETWORK_IPV4
            .then(version, self.enable_ipv4)
            .flatten();
        let ipam = self.ipam.unwrap_or_default();
        let driver = ipam.driver.as_deref().unwrap_or_default();
        if !matches!(driver, "" | "default") {
            let shown: String = driver.chars().take(200).collect();
            return Err(DockerError::not_found(format!(
                "plugin \"{shown}\" not found"
            )));
        }
        let options = self.options.unwrap_or_default();
        let ipv4 = family(enabled, &options, "com.docker.network.enable_ipv4", true)?;
        let ipv6 = family(
            self.enable_ipv6,
            &options,
            "com.docker.network.enable_ipv6",
            false,
        )?;
        if !ipv4 && !ipv6 {
            return Err(DockerError::invalid("IPv4 or IPv6 must be enabled"));
        }
        let mut request = CreateNetwork {
            ipv4,
            ipv6,
            subnets: ipam::subnets(&ipam.config.unwrap_or_default(), (ipv4, ipv6))?,
            internal: self.internal.unwrap_or(false),
            labels: self.labels.unwrap_or_default(),
            segment: segment(&options)?,
            mtu: mtu(&options)?,
            dns_ttl: dns_ttl(&options)?,
            configuration,
            ..CreateNetwork::named(name)
        };
        for (key, value) in &options {
            check_option(key, value)?;
        }
        let mut options = NetworkOptions::from(options);
        if self.attachable.unwrap_or(false) {
            options.insert(ATTACHABLE, "true".to_owned());
        }
        if let Some(given) = ipam.options {
            let text = serde_json::to_string(&given).map_err(|error| {
                DockerError::failed(format!("IPAM.Options cannot be kept: {error}"))
            })?;
            options.insert(IPAM_OPTIONS, text);
        }
        request.bridge = options.bridge();
        request.document = options.document()?;
        Ok(request)
    }

    fn check_swarm(&self) -> Result<(), DockerError> {
        let scope = self.scope.as_deref().unwrap_or_default();
        if !matches!(scope, "" | "local") {
            return Err(DockerError::forbidden(
                "cannot create a swarm scoped network when swarm is not active",
            ));
        }
        if self.ingress.unwrap_or(false) {
            return Err(DockerError::forbidden(
                "Ingress network can only be global scope network",
            ));
        }
        Ok(())
    }

    /// Returns whether the network is a template or is made from one, with dockerd's rules and
    /// messages.
    ///
    /// # Errors
    /// Returns 400 if a template has options that only networks have, or vice versa.
    fn configuration(&self) -> Result<Configuration, DockerError> {
        let given = |map: &Option<BTreeMap<String, String>>| map.iter().flatten().next().is_some();
        let only = self.config_only.unwrap_or(false);
        let from = self.config_from.as_ref().map(|from| from.network.as_str());
        let from = from.filter(|from| !from.is_empty());
        let operators = self.internal.unwrap_or(false)
            || self.attachable.unwrap_or(false)
            || !self.scope.as_deref().unwrap_or_default().is_empty();
        if only && operators {
            return Err(DockerError::forbidden(
                "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
            ));
        }
        let Some(from) = from else {
            return Ok(if only {
                Configuration::ForOthers
            } else {
                Configuration::Own
            });
        };
        if only {
            return Err(DockerError::forbidden(
                "a configuration network cannot depend on another configuration network",
            ));
        }
        let ipam = self.ipam.as_ref();
        let subnets = ipam.is_some_and(|ipam| ipam.config.iter().flatten().next().is_some());
        let own = ipam.is_some_and(|ipam| given(&ipam.options));
        if subnets
            || own
            || given(&self.labels)
            || given(&self.options)
            || self.enable_ipv6 == Some(true)
        {
            return Err(DockerError::forbidden(
                "user specified configurations are not supported if the network depends on a configuration network",
            ));
        }
        let from = from.chars().take(200).collect::<String>();
        Ok(Configuration::Of(from.as_str().into()))
    }
}

fn check_driver(driver: &str) -> Result<(), DockerError> {
    match driver {
        "" | "default" | "bridge" => Ok(()),
        "host" | "null" => Err(DockerError::forbidden(format!(
            "only one instance of \"{driver}\" network is allowed"
        ))),
        "external" => Err(DockerError::forbidden(
            "external networks come from the VCH's configuration: declare it there as [[external]], then run `vchctl reload`",
        )),
        "macvlan" | "ipvlan" => Err(DockerError::unsupported(
            &format!("network driver \"{driver}\""),
            "attach containers to one of its external networks (scope external in `docker network ls`), or use driver bridge",
        )),
        "overlay" => Err(DockerError::unsupported(
            "network driver \"overlay\"",
            "it is one host by itself: use driver bridge",
        )),
        other => {
            let shown: String = other.chars().take(200).collect();
            Err(DockerError::not_found(format!(
                "plugin \"{shown}\" not found"
            )))
        }
    }
}

/// Returns whether the network has a family: as its field says, or else an option, or else the
/// default.
fn family(
    field: Option<bool>,
    options: &BTreeMap<String, String>,
    key: &str,
    usual: bool,
) -> Result<bool, DockerError> {
    match (field, options.get(key)) {
        (Some(given), _) => Ok(given),
        (None, Some(text)) => go_bool(text).ok_or_else(|| {
            let shown: String = text.chars().take(200).collect();
            DockerError::invalid(format!("driver-opt \"{key}\" is not a valid bool: {shown}"))
        }),
        (None, None) => Ok(usual),
    }
}

/// Checks an option of a new network. Docker's options that its bridge driver does not read, and
/// other drivers' options, are stored without effect, as by dockerd.
///
/// # Errors
/// Returns 400 or 501 if the option is Docker's and its value has no effect here, or if it begins with `vch.` and is not one of the VCH's.
fn check_option(key: &str, value: &str) -> Result<(), DockerError> {
    if key.starts_with(KEPT) || key == CONFIG_FROM {
        let message = format!("option {key} is the VCH's own: leave it out");
        return Err(DockerError::invalid(message));
    }
    match key {
        ICC | MASQUERADE => return boolean(key, value).map(|_| ()),
        HOST_BINDING => return host_binding(value),
        INTERFACE_PREFIX => return interface_prefix(value),
        // `segment` and `dns_ttl` parse these values.
        SEGMENT | DNS_TTL => return Ok(()),
        own if own.starts_with(OWN_OPTIONS) => {
            let shown: String = own.chars().take(200).collect();
            let what = format!("network option {shown}");
            let remedy =
                format!("the VCH's own options are {DNS_TTL} and {SEGMENT}: leave others out");
            return Err(DockerError::unsupported(&what, &remedy));
        }
        "com.docker.network.host_ipv4" | "com.docker.network.host_ipv6" => {
            let remedy = "containers go out by the VCH's address on the network that they leave by: leave it out";
            return only(value.is_empty(), key, value, remedy);
        }
        _ => {}
    }
    let Some(name) = key.strip_prefix(BRIDGE) else {
        return Ok(());
    };
    match name {
        "inhibit_ipv4" => only(
            !boolean(key, value)?,
            key,
            value,
            "the VCH is the gateway of its bridge networks: use an external network",
        ),
        "gateway_mode_ipv4" | "gateway_mode_ipv6" => match value {
            "" | "nat" => Ok(()),
            "routed" | "isolated" | "nat-unprotected" => {
                only(false, key, value, "use --internal, or an external network")
            }
            other => {
                let shown: String = other.chars().take(200).collect();
                Err(DockerError::invalid(format!(
                    "failed to parse {key} value: {shown} (unknown gateway mode {shown})"
                )))
            }
        },
        "trusted_host_interfaces" => only(
            value.is_empty(),
            key,
            value,
            "what comes from outside reaches published ports alone: leave it out",
        ),
        "name" => only(
            false,
            key,
            value,
            "the VCH names its bridges by itself: leave it out",
        ),
        "default_bridge" => only(!boolean(key, value)?, key, value, "there is one already"),
        _ => Ok(()),
    }
}

fn interface_prefix(value: &str) -> Result<(), DockerError> {
    let prefix: Result<InterfacePrefix, _> = value.parse();
    prefix
        .map(|_| ())
        .map_err(|error| DockerError::invalid(format!("option {INTERFACE_PREFIX}: {error}")))
}

fn host_binding(value: &str) -> Result<(), DockerError> {
    if value.is_empty() || value.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    let shown: String = value.chars().take(200).collect();
    Err(DockerError::invalid(format!(
        "failed to parse {HOST_BINDING} value: {shown} (invalid ip address)"
    )))
}

fn only(possible: bool, key: &str, value: &str, remedy: &str) -> Result<(), DockerError> {
    if possible {
        return Ok(());
    }
    let shown: String = value.chars().take(200).collect();
    Err(DockerError::unsupported(&format!("{key}={shown}"), remedy))
}

/// Parses a truth value as Go's `strconv.ParseBool` does.
///
/// # Errors
/// Returns 400 if the value is not valid.
fn boolean(key: &str, value: &str) -> Result<bool, DockerError> {
    go_bool(value).ok_or_else(|| unreadable(key, value, "ParseBool"))
}

fn unreadable(key: &str, value: &str, function: &str) -> DockerError {
    let shown: String = value.chars().take(200).collect();
    DockerError::invalid(format!(
        "failed to parse {key} value: {shown} (strconv.{function}: parsing \"{shown}\": invalid syntax)"
    ))
}

fn mtu(options: &BTreeMap<String, String>) -> Result<Option<Mtu>, DockerError> {
    let Some(value) = options.get(MTU) else {
        return Ok(None);
    };
    let bytes: u32 = value.parse().map_err(|_| unreadable(MTU, value, "Atoi"))?;
    if bytes == 0 {
        // dockerd's word for its default.
        return Ok(None);
    }
    let mtu = Mtu::try_from(bytes).map_err(|error| DockerError::invalid(error.to_string()))?;
    Ok(Some(mtu))
}

fn dns_ttl(options: &BTreeMap<String, String>) -> Result<Option<DnsTtl>, DockerError> {
    let Some(text) = options.get(DNS_TTL) else {
        return Ok(None);
    };
    let ttl = text.parse::<u32>().ok().map(DnsTtl::try_from);
    match ttl {
        Some(Ok(ttl)) => Ok(Some(ttl)),
        _ => {
            let shown: String = text.chars().take(200).collect();
            Err(DockerError::invalid(format!(
                "option {DNS_TTL} cannot be {shown}: use 0 to {} seconds",
                DnsTtl::MAX
            )))
        }
    }
}

fn segment(options: &BTreeMap<String, String>) -> Result<Option<SegmentKind>, DockerError> {
    match options.get(SEGMENT).map(String::as_str) {
        None => Ok(None),
        Some("dedicated") => Ok(Some(SegmentKind::Dedicated)),
        Some("shared") => Ok(Some(SegmentKind::Shared)),
        Some(other) => {
            let shown: String = other.chars().take(200).collect();
            Err(DockerError::invalid(format!(
                "option {SEGMENT} cannot be {shown}: write dedicated or shared"
            )))
        }
    }
}

#[cfg(test)]
mod tests;
