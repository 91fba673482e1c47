//! The data plane: the links, nftables rules, DNS names, agent sessions and NICs of running VMs, which are kept in
//! agreement with the ledger.
//!
//! ```text
//!   Delta (from the ledger) ──► segments   bridges, taps, veth pairs, gateways' addresses
//!                           ├─► nat        nftables: published ports, isolation, anti-spoofing
//!                           ├─► dns        names, and a listener on each gateway address
//!                           ├─► tether     sessions: each VM is told its newest spec
//!                           └─► running    NICs of running VMs, plugged and unplugged by what runs the VMs
//! ```

use crate::{
    error::{DataplaneError, Later},
    running::Running,
};
use futures_util::{FutureExt, future};
use ipnet::IpNet;
use protocol::{message::Report, spec::InterfaceName};
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use vch_ledger::{
    Attachment, ContainerId, NetworkId,
    desired::{Delta, DesiredEndpoint, NetworkBacking, Segment, bridge_name},
};
use vch_metrics::{RegisterError, Registry};
use vch_network::{
    Nics,
    dns::Dns,
    nat::Nat,
    segments::{Bridge, Desired, Port, PortKind, SegmentError, Segments},
    tether::Tether,
};

/// The parts of the VCH that are kept in agreement with the ledger: links, nftables, DNS, agent sessions and NICs of
/// running VMs. The [`Reconciler`](crate::Reconciler) owns it.
pub struct Dataplane {
    /// The handle by which bridges, the links on them, and the gateways' addresses are made.
    pub segments: Segments,
    /// The handle by which the nftables tables are made: published ports, isolation, anti-spoofing.
    pub nat: Nat,
    /// Serves the DNS names.
    dns: Dns,
    /// Holds the sessions with the agents.
    tether: Arc<Tether>,
    /// Changes the NICs of running VMs; `None` if no program was configured that can.
    running: Option<Running>,
    /// The VCH's addresses on the shared segment by network, to be removed with the network.
    shared: BTreeMap<NetworkId, SharedAddresses>,
}

/// The share of one network in the bridge that all shared networks use: the bridge's name, and the VCH's addresses on
/// the network.
pub type SharedAddresses = (InterfaceName, Vec<IpNet>);

impl Dataplane {
    /// Makes a data plane of its parts. Changes nothing yet. `nics` changes the NICs of running VMs; `None` if no
    /// program is configured that can.
    pub fn new(
        segments: Segments,
        nat: Nat,
        dns: Dns,
        tether: Arc<Tether>,
        nics: Option<Arc<dyn Nics>>,
    ) -> Self {
        Self {
            running: nics.map(|nics| Running::new(nics, segments.clone())),
            segments,
            nat,
            dns,
            tether,
            shared: BTreeMap::new(),
        }
    }

    /// Carries out `delta`, the changes of one transaction, which was published at `published` (for the metrics of the
    /// agent sessions). What is added is made from the bridge upwards, what is removed in the opposite order.
    ///
    /// Returns a future that does the remaining work: changes of running VMs' NICs, and removals of links, which take
    /// the kernel long. It may run concurrently with the next transactions. `None` if no work remains. If the future
    /// fails, [`Dataplane::reconcile`] and [`Dataplane::again`] retry the removals; a NIC that was not plugged in is
    /// not retried.
    ///
    /// # Errors
    /// Returns [`DataplaneError`] with the part of the data plane that failed. The changes in the parts before it stay;
    /// the caller must then call [`Dataplane::reconcile`].
    pub async fn follow(
        &mut self,
        delta: &Delta,
        published: Instant,
    ) -> Result<Option<Later>, DataplaneError> {
        for (id, backing) in &delta.networks {
            if let Some(backing) = backing {
                self.ensure_segment(*id, backing).await?;
            }
        }
        for endpoint in delta
            .endpoints
            .values()
            .filter_map(|change| change.after.as_ref())
        {
            self.segments.ensure_port(&port(endpoint)).await?;
        }
        if let Err(error) = self.dns.follow(delta) {
            return Err(error.naming_holder().await.into());
        }
        self.nat.follow(delta).await?;
        self.tether.follow(delta, published, &mut BTreeMap::new())?;
        for (id, backing) in &delta.networks {
            if backing.is_none() {
                self.leave_shared(*id).await?;
            }
        }
        Ok(self.later(delta))
    }

    /// Returns the future that removes links and changes NICs of running VMs, if the delta has any.
    fn later(&mut self, delta: &Delta) -> Option<Later> {
        let by_hook = self.running.is_some();
        let gone = delta
            .endpoints
            .values()
            .filter(|change| change.after.is_none());
        let ports = gone.filter_map(|change| change.before.as_ref());
        // A running VM's tap goes with its NIC.
        let ports = ports.filter(|endpoint| !by_hook || endpoint.nic.is_none());
        let ports: Vec<_> = ports.map(|endpoint| endpoint.port.clone()).collect();
        let bridges = delta
            .networks
            .iter()
            .filter(|(_, backing)| backing.is_none());
        let bridges: Vec<_> = bridges.map(|(id, _)| bridge_name(*id)).collect();
        let nics = self
            .running
            .as_mut()
            .and_then(|running| running.follow(delta, port));
        if ports.is_empty() && bridges.is_empty() {
            return nics;
        }
        let segments = self.segments.clone();
        let links = async move {
            // All at once: many cost the kernel hardly more than one.
            let ports = ports.iter().map(|port| segments.remove_port(port));
            let bridges = bridges.iter().map(|bridge| segments.remove_bridge(bridge));
            let (ports, bridges) =
                future::join(future::join_all(ports), future::join_all(bridges)).await;
            ports
                .into_iter()
                .chain(bridges)
                .try_for_each(|done| done.map(drop))?;
            match nics {
                Some(nics) => nics.await,
                None => Ok(()),
            }
        };
        Some(links.boxed())
    }

    /// Returns a future that resolves when a thread of the name server has ended. Before [`Dataplane::close`] this
    /// means that the name server has failed. Only the future of the first call ever resolves.
    pub fn name_server_ended(&mut self) -> impl Future<Output = ()> + Send + use<> {
        self.dns.ended()
    }

    /// Adds the metrics of the name server and of the agent sessions to the registry.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if the registry has a metric of the same name already.
    pub fn register_metrics(&self, registry: &Registry) -> Result<(), RegisterError> {
        self.dns.register_metrics(registry)?;
        self.tether.register_metrics(registry)
    }

    /// Returns a future that makes the changes of running VMs' NICs that are outstanding: unplugs that failed or are
    /// not finished, and reattachments of NICs whose taps [`Dataplane::reconcile`] created anew. `None` if none is
    /// outstanding. A plug that failed is not retried: the request for it is undone.
    pub fn again(&mut self) -> Option<Later> {
        self.running.as_mut().and_then(Running::again)
    }

    /// Returns a message for each unplug or reattachment of a running VM's NIC that failed and will be retried.
    pub fn waiting(&self) -> Vec<String> {
        self.running
            .as_ref()
            .map(Running::failed)
            .unwrap_or_default()
    }

    async fn ensure_segment(
        &mut self,
        id: NetworkId,
        backing: &NetworkBacking,
    ) -> Result<(), SegmentError> {
        match &backing.segment {
            Segment::Dedicated(_) => {
                if let Some(bridge) = bridge(backing) {
                    self.segments.ensure_bridge(&bridge).await?;
                }
            }
            Segment::Shared(link) => {
                let addresses = backing.addresses.clone();
                self.segments.add_addresses(link, &addresses).await?;
                self.shared.insert(id, (link.clone(), addresses));
            }
            // The administrator made it.
            Segment::External(_) => {}
        }
        Ok(())
    }

    /// Removes a network's addresses from the shared segment. Later transactions wait for it, since
    /// the next shared network may have the same subnet.
    async fn leave_shared(&mut self, id: NetworkId) -> Result<(), SegmentError> {
        if let Some((link, addresses)) = self.shared.get(&id) {
            self.segments.remove_addresses(link, addresses).await?;
            self.shared.remove(&id);
        }
        Ok(())
    }

    /// Makes links, nftables, DNS and agent sessions agree with `whole`, the desired state of the whole ledger, and
    /// removes everything else that this VCH made. NICs of running VMs are left to [`Dataplane::again`]. `reports`
    /// contains the stored report of each container's agent, with which new sessions begin; it is needed only at the
    /// coordinator's start.
    ///
    /// Returns the errors of what could not be done; the rest is done nevertheless. Empty if everything agrees.
    pub async fn reconcile(
        &mut self,
        whole: &Delta,
        mut reports: BTreeMap<ContainerId, Report>,
    ) -> Vec<DataplaneError> {
        let mut failed = Vec::new();
        self.shared = shared(whole);
        // Rules know links by their names: what a bridge's settings let in is dropped from its first moment on.
        let nat = self.nat.reconcile(whole).await;
        failed.extend(nat.err().map(DataplaneError::from));
        let leaving = self.running.as_ref().map(Running::leaving);
        let desired = desired(whole, leaving.unwrap_or_default());
        match self.segments.reconcile(&desired).await {
            Ok(done) => {
                if done.steps > 0 {
                    tracing::info!(steps = done.steps, "segments reconciled");
                }
                if let Some(running) = &self.running {
                    running.note_stale(whole, &done.created);
                }
                failed.extend(done.failed.into_values().map(DataplaneError::from));
                failed.extend(done.general.into_iter().map(DataplaneError::from));
            }
            Err(error) => failed.push(error.into()),
        }
        if let Err(error) = self.dns.reconcile(whole) {
            failed.push(error.naming_holder().await.into());
        }
        // Of a spec that a failure before kept from the sessions the publication counts from here.
        let tether = self.tether.follow(whole, Instant::now(), &mut reports);
        failed.extend(tether.err().map(DataplaneError::from));
        failed
    }

    /// Ends the agent sessions and the name server. Links and nftables rules stay, so that containers keep their
    /// network.
    pub async fn close(self) {
        self.tether.close().await;
        self.dns.close();
    }
}

/// Returns the segments that a whole ledger wants. `leaving` are ports without an endpoint that
/// running VMs still have a NIC on.
fn desired(whole: &Delta, leaving: Vec<Port>) -> Desired {
    let dedicated = whole.networks.values().flatten().filter_map(bridge);
    let mut bridges: BTreeMap<_, _> = dedicated
        .map(|bridge| (bridge.name.clone(), bridge))
        .collect();
    for (name, addresses) in shared(whole).into_values() {
        let bridge = bridges.entry(name.clone()).or_insert(Bridge {
            name,
            addresses: Vec::new(),
            mtu: None,
        });
        bridge.addresses.extend(addresses);
    }
    let endpoints = whole
        .endpoints
        .values()
        .filter_map(|change| change.after.as_ref());
    let mut ports: BTreeMap<_, _> = endpoints
        .map(|endpoint| (endpoint.port.clone(), port(endpoint)))
        .collect();
    // With its network a port has nothing to stand on.
    let stands = |port: &Port| port.foreign || bridges.contains_key(&port.bridge);
    let leaving = leaving.into_iter().filter(stands);
    ports.extend(leaving.map(|port| (port.name.clone(), port)));
    Desired { bridges, ports }
}

/// Returns the bridge of a network; `None` if the network shares a bridge or is external.
fn bridge(backing: &NetworkBacking) -> Option<Bridge> {
    match &backing.segment {
        Segment::Dedicated(name) => Some(Bridge {
            name: name.clone(),
            addresses: backing.addresses.clone(),
            mtu: backing.mtu,
        }),
        Segment::Shared(_) | Segment::External(_) => None,
    }
}

fn shared(whole: &Delta) -> BTreeMap<NetworkId, SharedAddresses> {
    let networks = whole.networks.iter();
    let on_it = networks.filter_map(|(id, backing)| {
        let backing = backing.as_ref()?;
        match &backing.segment {
            Segment::Shared(link) => Some((*id, (link.clone(), backing.addresses.clone()))),
            Segment::Dedicated(_) | Segment::External(_) => None,
        }
    });
    on_it.collect()
}

fn port(endpoint: &DesiredEndpoint) -> Port {
    let kind = match &endpoint.attachment {
        Attachment::Tap => PortKind::Tap,
        Attachment::Veth { namespace } => PortKind::Veth {
            netns: namespace.as_str().into(),
            peer: endpoint.interface.clone(),
            mac: endpoint.mac,
        },
    };
    Port {
        name: endpoint.port.clone(),
        bridge: endpoint.segment.link().clone(),
        foreign: matches!(endpoint.segment, Segment::External(_)),
        kind,
        mtu: endpoint.mtu,
        limit: endpoint.limit.clone(),
    }
}
