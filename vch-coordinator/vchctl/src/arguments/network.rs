//! Words about networks.

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

#[derive(Subcommand)]
pub enum Network {
    /// Make a bridge network
    Create(CreateNetwork),
    /// List networks
    Ls,
    /// Show a network whole
    Inspect {
        /// Name, ID or unique beginning of the ID
        network: String,
    },
    /// Change a network
    Set {
        /// Name, ID or unique beginning of the ID
        network: String,
        /// How long answers about its names may be kept: seconds, or `default` for what the configuration says
        #[arg(long, value_name = "SECONDS", value_parser = dns_ttl)]
        dns_ttl: DnsTtl,
    },
    /// Remove networks that carry no container
    Rm {
        /// Names or IDs
        #[arg(required = true)]
        networks: Vec<String>,
    },
}

#[derive(Args)]
pub struct CreateNetwork {
    /// Its name: letters, digits, `_`, `.` and `-`
    name: String,
    /// A subnet, as in 10.9.0.0/24 or fd00:9::/64 (may be repeated; by default one from the pools)
    #[arg(long, value_name = "SUBNET")]
    subnet: Vec<String>,
    /// The gateway of the subnet at the same place (by default its first address)
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<String>,
    /// From where the subnet at the same place gives automatic addresses
    #[arg(long, value_name = "SUBNET")]
    ip_range: Vec<String>,
    /// An address that is never handed out, in any of the subnets (may be repeated)
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = key_value)]
    aux_address: Vec<(String, String)>,
    /// Give it an IPv6 subnet too: one of the VCH's own prefix, unless --subnet names one
    #[arg(long)]
    ipv6: bool,
    /// What carries it: a bridge of its own (dedicated), or the one of all shared networks
    #[arg(long, value_parser = ["dedicated", "shared"])]
    segment: Option<String>,
    /// MTU in bytes
    #[arg(long)]
    mtu: Option<u32>,
    /// How long answers about its names may be kept, in seconds (by default as the configuration says)
    #[arg(long, value_name = "SECONDS")]
    dns_ttl: Option<u32>,
    /// No way out: no default route, no masquerade
    #[arg(long)]
    internal: bool,
    /// A note, key=value (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    label: Vec<(String, String)>,
    /// An option for what carries it, kept as given (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    opt: Vec<(String, String)>,
}

impl CreateNetwork {
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

    /// Those of the auxiliary addresses that lie in a subnet; with the first one also those that lie
    /// in none, so that they are refused by name.
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
