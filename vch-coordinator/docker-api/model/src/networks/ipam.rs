//! Checks the subnets of a request to create a network, with dockerd's messages, before the ledger decides about
//! them.

use crate::DockerError;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::SubnetRequest;

/// The `IPAM` (address management) of a request to create a network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipam {
    /// The address management driver; only `None`, empty or `default` is accepted.
    pub driver: Option<String>,
    /// Options of the driver. Without effect; `docker network inspect` shows them again.
    pub options: Option<BTreeMap<String, String>>,
    /// The subnets that the client chose; `None` or empty for automatic ones.
    pub config: Option<Vec<IpamConfig>>,
}

/// A subnet of a network, in requests and responses. In a request, the VCH chooses what is `None` or empty, except
/// the subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamConfig {
    /// The subnet, such as `172.20.0.0/16`. A request with `None` is refused; a response always has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The part of the subnet that automatic addresses are chosen from, such as `172.20.5.0/24`; `None` for the whole
    /// subnet. A response also has `None` if the part is not one prefix, which Docker's API cannot show.
    #[serde(rename = "IPRange", skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    /// The address of the network's gateway, which on a bridge network is the VCH's own. In a request, `None` or empty
    /// for the first free address; in a response, `None` for a subnet without a gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Addresses in the subnet that no container gets, by a name that the client chose; `None` without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auxiliary_addresses: Option<BTreeMap<String, String>>,
}

/// Parses the subnets of a request. The pair tells whether the network has IPv4 and whether it has IPv6; subnets of
/// another family are left out.
///
/// # Errors
/// Returns 400 with all problems of all subnets, as newer releases of dockerd list them: a subnet, range or address
/// that is not valid, or a subnet without an address for a gateway.
pub fn subnets(
    configs: &[IpamConfig],
    (ipv4, ipv6): (bool, bool),
) -> Result<Vec<SubnetRequest>, DockerError> {
    let mut errors = Vec::new();
    let mut subnets = Vec::new();
    for config in configs {
        let text = config.subnet.as_deref().unwrap_or_default();
        let Ok(net) = text.parse::<IpNet>() else {
            errors.push(format!(
                "invalid subnet {text}: invalid CIDR block notation"
            ));
            continue;
        };
        let is_v4 = net.addr().is_ipv4();
        if (is_v4 && !ipv4) || (!is_v4 && !ipv6) {
            continue;
        }
        subnets.push(subnet(config, net, &mut errors));
    }
    match errors.as_slice() {
        [] => match subnets.iter().find(|subnet| no_gateway(subnet)) {
            // dockerd would create such a network, on which no container has room.
            Some(subnet) => Err(DockerError::invalid(format!(
                "invalid network config:\ninvalid subnet {}: it has no address for a gateway: give a prefix of at most 30 bits (126 for IPv6)",
                subnet.net
            ))),
            None => Ok(subnets),
        },
        [one] => Err(DockerError::invalid(format!(
            "invalid network config:\n{one}"
        ))),
        several => Err(DockerError::invalid(format!(
            "invalid network config:\n* {}",
            several.join("\n* ")
        ))),
    }
}

fn subnet(config: &IpamConfig, net: IpNet, errors: &mut Vec<String>) -> SubnetRequest {
    if net != net.trunc() {
        errors.push(format!(
            "invalid subnet {net}: it should be {}",
            net.trunc()
        ));
    }
    let range = given(config.ip_range.as_deref()).and_then(|text| {
        let range = range(text, net);
        range.map_err(|mut wrong| errors.append(&mut wrong)).ok()
    });
    let gateway = given(config.gateway.as_deref()).and_then(|text| {
        let gateway = address(text, net);
        gateway
            .map_err(|wrong| errors.push(format!("invalid gateway {text}: {wrong}")))
            .ok()
    });
    let mut auxiliary = BTreeMap::new();
    for (name, text) in config.auxiliary_addresses.iter().flatten() {
        match address(text, net) {
            Ok(address) => {
                auxiliary.insert(name.clone(), address);
            }
            Err(wrong) => errors.push(format!("invalid auxiliary address {name}: {wrong}")),
        }
    }
    SubnetRequest {
        net,
        gateway,
        range,
        auxiliary,
    }
}

/// Returns whether a subnet has no room for a gateway and the request has none.
fn no_gateway(subnet: &SubnetRequest) -> bool {
    let width = subnet.net.max_prefix_len() - subnet.net.prefix_len();
    width < 2 && subnet.gateway.is_none()
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn range(text: &str, net: IpNet) -> Result<IpNet, Vec<String>> {
    let Ok(range) = text.parse::<IpNet>() else {
        let wrong = format!("invalid ip-range {text}: invalid CIDR block notation");
        return Err(vec![wrong]);
    };
    if range.addr().is_ipv4() != net.addr().is_ipv4() {
        let family = family(net);
        let wrong = format!("invalid ip-range {text}: parent subnet is an {family} block");
        return Err(vec![wrong]);
    }
    let mut wrong = Vec::new();
    if range.prefix_len() < net.prefix_len() {
        wrong.push(format!(
            "invalid ip-range {text}: CIDR block is bigger than its parent subnet {net}"
        ));
    }
    if range != range.trunc() {
        let right = range.trunc();
        wrong.push(format!("invalid ip-range {text}: it should be {right}"));
    }
    if !net.contains(&range.addr()) && !range.contains(&net.addr()) {
        wrong.push(format!(
            "invalid ip-range {text}: parent subnet {net} doesn't contain ip-range"
        ));
    }
    if wrong.is_empty() {
        Ok(range)
    } else {
        Err(wrong)
    }
}

fn address(text: &str, net: IpNet) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "invalid address".to_owned())?;
    if address.is_ipv4() != net.addr().is_ipv4() {
        return Err(format!("parent subnet is an {} block", family(net)));
    }
    if !net.contains(&address) {
        return Err(format!("parent subnet {net} doesn't contain this address"));
    }
    Ok(address)
}

fn family(net: IpNet) -> &'static str {
    match net {
        IpNet::V4(_) => "IPv4",
        IpNet::V6(_) => "IPv6",
    }
}

#[cfg(test)]
mod tests;
