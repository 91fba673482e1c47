//! Names and listeners follow the ledger: one entry a change.

use super::work::{Carried, Carrier, Place, Places, Tethered, Work};
use crate::config;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};
use thiserror::Error;
use vch_dns::{ListenError, Name, Names, NamesError, Network, Server, SpawnError};
use vch_ledger::{ContainerId, Id, NetworkId};

/// Why names do not follow the ledger.
#[derive(Debug, Error)]
pub enum DnsError {
    /// The server does not start.
    #[error("the name server does not start")]
    Spawn(#[from] SpawnError),
    /// A gateway's address can't be listened on.
    #[error("the name server cannot listen on gateway {address}")]
    Listen {
        /// The address.
        address: IpAddr,
        /// Why.
        #[source]
        source: ListenError,
    },
    /// The table of names refused.
    #[error(transparent)]
    Names(#[from] NamesError),
}

/// The name server, and what it was last told.
pub struct Dns {
    names: Arc<Names>,
    server: Server,
    listening: BTreeMap<NetworkId, BTreeSet<IpAddr>>,
    askers: BTreeMap<ContainerId, BTreeSet<(NetworkId, IpAddr)>>,
}

impl Dns {
    /// Starts the server's threads; it listens nowhere yet.
    pub fn spawn(config: &config::Dns) -> Result<Self, DnsError> {
        let names = Arc::new(Names::new(config.policy)?);
        let server = Server::spawn(&config.server, &names)?;
        Ok(Self {
            names,
            server,
            listening: BTreeMap::new(),
            askers: BTreeMap::new(),
        })
    }

    /// Ends the server's threads.
    pub fn close(self) {
        if let Err(error) = self.server.shutdown() {
            tracing::error!(%error, "the name server did not end well");
        }
    }

    /// Names and listeners of what must be so.
    pub fn follow(&mut self, work: &Work) -> Result<(), DnsError> {
        for places in work.endpoints.values() {
            self.endpoint(places);
        }
        for (id, tethered) in &work.containers {
            self.container(*id, tethered.as_ref())?;
        }
        for (id, carried) in &work.networks {
            self.network(*id, carried.as_ref())?;
        }
        Ok(())
    }

    fn network(&mut self, id: NetworkId, carried: Option<&Carried>) -> Result<(), DnsError> {
        // On an external network the VCH is nobody's name server; its names are found by those of
        // its containers that are on a bridge too.
        let served = carried.filter(|carried| !matches!(carried.by, Carrier::External(_)));
        let wanted: BTreeSet<IpAddr> = served
            .iter()
            .flat_map(|carried| &carried.addresses)
            .map(ipnet::IpNet::addr)
            .collect();
        match carried {
            Some(carried) => self.names.declare_network(
                zone(id),
                Network {
                    internal: carried.internal,
                    subnets: carried.subnets.clone(),
                },
            )?,
            None => {
                self.names.forget_network(zone(id));
            }
        }
        let listening = self.listening.entry(id).or_default();
        for address in wanted.difference(&listening.clone()) {
            let listen = self.server.listen(zone(id), *address);
            listen.map_err(|source| DnsError::Listen {
                address: *address,
                source,
            })?;
            listening.insert(*address);
        }
        for address in listening.clone().difference(&wanted) {
            self.server.unlisten(*address);
            listening.remove(address);
        }
        if listening.is_empty() {
            self.listening.remove(&id);
        }
        Ok(())
    }

    fn endpoint(&self, places: &Places) {
        let before: BTreeSet<_> = places.before.iter().flat_map(entries).collect();
        let after: BTreeSet<_> = places.after.iter().flat_map(entries).collect();
        for (network, name, address) in before.difference(&after) {
            self.names.withdraw(zone(*network), name, *address);
        }
        if let Some(place) = &places.after {
            let pointer = place.pointer.as_str().parse::<Name>().ok();
            for (network, name, address) in entries(place) {
                self.names
                    .publish(zone(network), &name, address, pointer.as_ref());
            }
        }
    }

    fn container(&mut self, id: ContainerId, tethered: Option<&Tethered>) -> Result<(), DnsError> {
        let places = tethered.map(|t| t.asks_from.clone()).unwrap_or_default();
        let networks: BTreeSet<NetworkId> = places.iter().map(|(network, _)| *network).collect();
        // From each of its addresses at each of its gateways: while a NIC is awaited the container
        // asks that network's gateway by way of another.
        let pairs = networks.iter().flat_map(|network| {
            let addresses = places.iter().map(|(_, address)| *address);
            addresses.map(|address| (*network, address))
        });
        let wanted: BTreeSet<(NetworkId, IpAddr)> = pairs.collect();
        let before = self.askers.remove(&id).unwrap_or_default();
        for (network, address) in before.difference(&wanted) {
            self.names.forget_asker(zone(*network), *address);
        }
        for (network, address) in &wanted {
            // What the network itself knows comes before what its other networks know.
            let others = networks.iter().filter(|other| *other != network);
            let sees: Vec<_> = [network]
                .into_iter()
                .chain(others)
                .map(|n| zone(*n))
                .collect();
            self.names.set_asker(zone(*network), *address, &sees)?;
        }
        if !wanted.is_empty() {
            self.askers.insert(id, wanted);
        }
        Ok(())
    }
}

/// The server's own number for a network: the first half of its random ID.
fn zone(network: NetworkId) -> vch_dns::NetworkId {
    let mut half = [0; 16];
    half.copy_from_slice(&network.bytes()[..16]);
    vch_dns::NetworkId(u128::from_be_bytes(half))
}

/// One entry a name and address.
fn entries(place: &Place) -> Vec<(NetworkId, Name, IpAddr)> {
    let names = place
        .names
        .iter()
        .filter_map(|name| name.as_str().parse::<Name>().ok());
    names
        .flat_map(|name| {
            place
                .addresses
                .iter()
                .map(move |ip| (place.network, name.clone(), *ip))
        })
        .collect()
}
