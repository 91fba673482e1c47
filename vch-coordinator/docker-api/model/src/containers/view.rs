//! A container together with everything that Docker's responses show of it.

use crate::containers::document::ContainerDocument;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use vch_ledger::{Ledger, Network, NetworkId, PortBinding};
use vch_runtime::ContainerSnapshot;

/// A container at one moment, with its networks and sizes. Docker's responses about the container are made from it.
#[derive(Clone, Debug)]
pub struct ContainerView {
    /// The container's state, configuration, endpoints and published ports.
    pub snapshot: ContainerSnapshot,
    /// The networks by ID: at least those that the container has an endpoint on.
    pub networks: Arc<BTreeMap<NetworkId, Network>>,
    /// The parts of the container's request that `docker inspect` shows as the client wrote them.
    pub document: ContainerDocument,
    /// The sizes of the container's files, which the handler of a request sets; `None` if the client did not ask for
    /// them.
    pub sizes: Option<Sizes>,
}

/// The sizes of a container's files, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The bytes that the files written by the container take on the VCH's disk: the allocated size of its writable
    /// layer. 0 if the container was never started.
    pub written: u64,
    /// The bytes of the image's unpacked files; 0 if the image was removed meanwhile.
    pub image: u64,
}

impl Sizes {
    /// Returns the sum of both sizes.
    pub fn all(self) -> u64 {
        self.written + self.image
    }
}

impl ContainerView {
    /// Returns the view of a container, without sizes. `networks` must contain each network that the container has
    /// an endpoint on.
    pub fn of(snapshot: ContainerSnapshot, networks: Arc<BTreeMap<NetworkId, Network>>) -> Self {
        Self {
            document: ContainerDocument::of(&snapshot.workload),
            snapshot,
            networks,
            sizes: None,
        }
    }

    /// Returns the networks with these IDs as the ledger has them; unknown IDs are left out.
    pub fn networks_of(ledger: &Ledger, ids: &BTreeSet<NetworkId>) -> BTreeMap<NetworkId, Network> {
        let networks = ids.iter().filter_map(|id| ledger.network_by_id(*id));
        networks
            .map(|network| (network.id, network.clone()))
            .collect()
    }

    /// Returns the addresses of the VCH at which a binding (a published port in force) of the container is shown. A
    /// binding without an address is shown at `0.0.0.0`, and also at `::` if the container has an IPv6 address.
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
