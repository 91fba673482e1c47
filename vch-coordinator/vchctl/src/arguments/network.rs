//! Arguments about networks.

use super::key_value;
use clap::{Args, Subcommand};
use control_api::shape::{self, DnsTtl};
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};

fn dns_ttl(text: &str) -> Result<DnsTtl, String> {
    if text == "default" {
        return Ok(DnsTtl::default());
    }
    let seconds = text
        .parse()
        .map_err(|_| "write a number of seconds, or default")?;
    Ok(DnsTtl {
        seconds: Some(seconds),
    })
}

/// The commands of `vchctl network`.
#[derive(Subcommand)]
pub enum Network {
    /// Create a bridge network
    Create(CreateNetwork),
    /// List networks
    Ls,
    /// Show a network in detail
    Inspect {
        /// The network's name or ID, or a unique prefix of the ID
        network: String,
    },
    /// Change a network
    Set {
        /// The network's name or ID, or a unique prefix of the ID
        network: String,
        /// How many seconds clients may cache DNS answers about this network's names; `default` for
        /// the value in vch.toml
        #[arg(long, value_name = "SECONDS", value_parser = dns_ttl)]
        dns_ttl: DnsTtl,
    },
    /// Remove networks without containers
    Rm {
        /// Names or IDs of networks
        #[arg(required = true)]
        networks: Vec<String>,
    },
}

/// The arguments of `vchctl network create`.
#[derive(Args)]
pub struct CreateNetwork {
    /// The network's name: letters, digits, `_`, `.` and `-`
    name: String,
    /// A subnet, such as 10.9.0.0/24 or fd00:9::/64 (may be repeated; by default a free one of the
    /// address pools)
    #[arg(long, value_name = "SUBNET")]
    subnet: Vec<String>,
    /// The gateway of a subnet: the first --gateway belongs to the first --subnet, and so on (by
    /// default the subnet's first address)
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<String>,
    /// The part of a subnet from which addresses are assigned automatically; in the order of
    /// --subnet
    #[arg(long, value_name = "SUBNET")]
    ip_range: Vec<String>,
    /// An address that is never assigned, in any of the subnets (may be repeated)
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = key_value)]
    aux_address: Vec<(String, String)>,
    /// Add an IPv6 subnet: one of the VCH's own prefix, unless --subnet names one
    #[arg(long)]
    ipv6: bool,
    /// The bridge of the network: one of its own (dedicated), or the one that all shared networks
    /// use (shared)
    #[arg(long, value_parser = ["dedicated", "shared"])]
    segment: Option<String>,
    /// The MTU in bytes
    #[arg(long)]
    mtu: Option<u32>,
    /// How many seconds clients may cache DNS answers about this network's names (by default the
    /// value in vch.toml)
    #[arg(long, value_name = "SECONDS")]
    dns_ttl: Option<u32>,
    /// Isolate the network from the outside: no default route, no masquerading
    #[arg(long)]
    internal: bool,
    /// A label, KEY=VALUE (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    label: Vec<(String, String)>,
    /// A driver option, KEY=VALUE (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    opt: Vec<(String, String)>,
}

impl CreateNetwork {
    /// Returns the body of the request that creates the network. Gateways and ranges belong to the subnets in their
    /// order.
    pub fn request(&self) -> shape::CreateNetwork {
        let nth = |list: &[String], index: usize| list.get(index).cloned();
        let count = self
            .subnet
            .len()
            .max(self.gateway.len())
            .max(self.ip_range.len());
        shape::CreateNetwork {
            name: self.name.clone(),
            subnets: (0..count)
                .map(|index| {
                    let subnet = nth(&self.subnet, index).unwrap_or_default();
                    shape::SubnetRequest {
                        gateway: nth(&self.gateway, index),
                        range: nth(&self.ip_range, index),
                        auxiliary: self.auxiliary(index, &subnet),
                        subnet,
                    }
                })
                .collect(),
            ipv6: self.ipv6,
            segment: self.segment.clone(),
            mtu: self.mtu,
            dns_ttl: self.dns_ttl,
            internal: self.internal,
            labels: self.label.iter().cloned().collect(),
            options: self.opt.iter().cloned().collect(),
        }
    }

    /// Returns the auxiliary addresses in a subnet. For the first subnet also returns those that
    /// are in no subnet, so that the coordinator refuses them by name.
    fn auxiliary(&self, index: usize, subnet: &str) -> BTreeMap<String, String> {
        let within = |subnet: &str, address: &str| {
            let (subnet, address) = (subnet.parse::<IpNet>(), address.parse::<IpAddr>());
            subnet.is_ok_and(|subnet| address.is_ok_and(|address| subnet.contains(&address)))
        };
        let homeless = |address: &str| !self.subnet.iter().any(|subnet| within(subnet, address));
        let all = self.aux_address.iter();
        all.filter(|(_, address)| within(subnet, address) || (index == 0 && homeless(address)))
            .cloned()
            .collect()
    }
}
