//! A container with its networks.

use crate::containers::shown::Shown;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use vch_ledger::{Ledger, Network, NetworkId, PortBinding};
use vch_runtime::ContainerSnapshot;

/// A container with its networks.
#[derive(Clone, Debug)]
pub struct ContainerView {
    /// The container.
    pub snapshot: ContainerSnapshot,
    /// The networks of the container's endpoints, and possibly others.
    pub networks: Arc<BTreeMap<NetworkId, Network>>,
    /// The data that are only shown again.
    pub shown: Shown,
    /// The sizes of the container's files; `None` if they were not requested.
    pub sizes: Option<Sizes>,
}

/// The sizes of a container's files in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The space that the writable layer takes on the VCH's disk.
    pub written: u64,
    /// The size of the image.
    pub image: u64,
}

impl Sizes {
    /// Returns the sum of both.
    pub fn all(self) -> u64 {
        self.written + self.image
    }
}

impl ContainerView {
    /// Returns the view of a container. `networks` must contain the networks of its endpoints.
    pub fn of(snapshot: ContainerSnapshot, networks: Arc<BTreeMap<NetworkId, Network>>) -> Self {
        Self {
            shown: Shown::of(&snapshot.workload),
            snapshot,
            networks,
            sizes: None,
        }
    }

    /// Reads networks from the ledger.
    pub fn networks_of(ledger: &Ledger, ids: &BTreeSet<NetworkId>) -> BTreeMap<NetworkId, Network> {
        let networks = ids.iter().filter_map(|id| ledger.network_by_id(*id));
        networks
            .map(|network| (network.id, network.clone()))
            .collect()
    }

    /// Returns the host addresses of a port's binding, with dockerd's wildcard addresses for a
    /// binding without an address.
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
