//! A container with the networks that it is on.

use crate::containers::shown::Shown;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use vch_ledger::{Ledger, Network, NetworkId, PortBinding};
use vch_runtime::ContainerSnapshot;

/// A container and its networks.
#[derive(Clone, Debug)]
pub struct ContainerView {
    /// The container.
    pub snapshot: ContainerSnapshot,
    /// The networks that it, and maybe others, have endpoints on.
    pub networks: Arc<BTreeMap<NetworkId, Network>>,
    /// What is only shown again.
    pub shown: Shown,
    /// How large it is, where somebody asked.
    pub sizes: Option<Sizes>,
}

/// Bytes of a container's files.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// What its own disk has of the VCH's.
    pub written: u64,
    /// Its image's.
    pub image: u64,
}

impl Sizes {
    /// Both together.
    pub fn all(self) -> u64 {
        self.written + self.image
    }
}

impl ContainerView {
    /// Returns the view of a container; `networks` are at least those that it has endpoints on.
    pub fn of(snapshot: ContainerSnapshot, networks: Arc<BTreeMap<NetworkId, Network>>) -> Self {
        Self {
            shown: Shown::of(&snapshot.workload),
            snapshot,
            networks,
            sizes: None,
        }
    }

    /// Reads the networks of a container.
    pub fn networks_of(ledger: &Ledger, ids: &BTreeSet<NetworkId>) -> BTreeMap<NetworkId, Network> {
        let networks = ids.iter().filter_map(|id| ledger.network_by_id(*id));
        networks
            .map(|network| (network.id, network.clone()))
            .collect()
    }

    /// Where a port is bound, as dockerd shows what names no address at all of the host's.
    pub fn host_ips(&self, binding: &PortBinding) -> impl Iterator<Item = String> + use<> {
        let mut endpoints = self.snapshot.endpoints.iter();
        let v6 = endpoints
            .any(|(_, endpoint)| endpoint.addresses.iter().any(|net| net.addr().is_ipv6()));
        let all = match binding.host.address {
            Some(address) => vec![address.to_string()],
            None if v6 => vec!["0.0.0.0".to_owned(), "::".to_owned()],
            None => vec!["0.0.0.0".to_owned()],
        };
        all.into_iter()
    }
}
