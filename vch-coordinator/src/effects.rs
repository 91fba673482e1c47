//! What follows the ledger: each effect makes one part of the machine as the ledger says.
//!
//! ```text
//!   Work (from the ledger) ──► segments   bridges, taps, veth pairs, gateways' addresses
//!                          ├─► nat        nftables: published ports, isolation, anti-spoofing
//!                          ├─► dns        names, and a listener on each gateway address
//!                          ├─► tether     sessions: each VM is told its newest spec
//!                          └─► hook       whoever runs the VMs plugs and unplugs their NICs
//! ```

pub mod dns;
pub mod nat;
pub mod segments;
pub mod tether;
pub mod work;

use crate::{
    config::Config,
    runtime::{Hook, HookError, Nic},
};
use dns::{Dns, DnsError};
use futures_util::{FutureExt, future::BoxFuture};
use ipnet::IpNet;
use nat::{Nat, NatError};
use protocol::{message::Report, spec::InterfaceName};
use segments::{Bridge, Desired, Port, SegmentError, Segments};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tether::{ChannelError, Tether};
use thiserror::Error;
use vch_ledger::{ContainerId, NetworkId};
use work::{Carried, Carrier, Place, Work};

/// Which effect does not follow the ledger, and why.
#[derive(Debug, Error)]
pub enum EffectError {
    /// Bridges, ports, gateways.
    #[error("segments")]
    Segments(#[from] SegmentError),
    /// nftables.
    #[error("nat")]
    Nat(#[from] NatError),
    /// Names and their server.
    #[error("dns")]
    Dns(#[from] DnsError),
    /// Channels.
    #[error("tether")]
    Tether(#[from] ChannelError),
    /// Running VMs.
    #[error("runtime")]
    Runtime(#[from] HookError),
}

/// What of a transaction is still to be done.
pub type Later = BoxFuture<'static, Result<(), EffectError>>;

/// All effects of this VCH.
pub struct Effects {
    /// Bridges, ports, gateways.
    pub segments: Segments,
    /// nftables.
    pub nat: Nat,
    /// Names and their server.
    dns: Dns,
    /// Sessions.
    tether: Arc<Tether>,
    /// Who changes running VMs.
    hook: Option<Hook>,
    /// NICs of running VMs whose tap was made anew, by their tap: to be mended.
    torn: BTreeMap<InterfaceName, Nic>,
    /// The VCH's addresses on the shared segment, by network: what goes with it.
    shared: BTreeMap<NetworkId, SharedAddresses>,
}

/// What a network has of the shared segment: its bridge, and the VCH's addresses there.
pub type SharedAddresses = (InterfaceName, Vec<IpNet>);

impl Effects {
    /// Connects to the network namespace of the calling thread and starts the name server; nothing
    /// is changed yet.
    pub fn open(
        config: &Config,
        segments: Segments,
        tether: Arc<Tether>,
    ) -> Result<Self, EffectError> {
        let hook = config.runtime_hook.as_ref();
        Ok(Self {
            segments,
            nat: Nat::open(config.into())?,
            dns: Dns::spawn(&config.dns)?,
            tether,
            hook: hook.map(|path| Hook::new(path.as_str())),
            torn: BTreeMap::new(),
            shared: BTreeMap::new(),
        })
    }

    /// Follows one transaction. What comes into being is made from the segment up, what goes is
    /// taken down in the other direction. What is given back is still to be done, and may be done
    /// beside what comes next: changes of running VMs, and the removal of links, for which the kernel
    /// takes its time.
    pub async fn follow(&mut self, work: &Work) -> Result<Option<Later>, EffectError> {
        for (id, carried) in &work.networks {
            if let Some(carried) = carried {
                self.carry(*id, carried).await?;
            }
        }
        for place in work
            .endpoints
            .values()
            .filter_map(|places| places.after.as_ref())
        {
            self.segments.ensure_port(&port(place)).await?;
        }
        self.dns.follow(work)?;
        self.nat.follow(work)?;
        self.tether.follow(work, &mut BTreeMap::new())?;
        for (id, carried) in &work.networks {
            if carried.is_none() {
                self.drop_carrier(*id).await?;
            }
        }
        Ok(self.later(work))
    }

    fn later(&self, work: &Work) -> Option<Later> {
        let mut comes = Vec::new();
        let mut goes = Vec::new();
        for places in work.endpoints.values() {
            match (&places.before, &places.after) {
                (None, Some(place)) => comes.extend(place.nic.clone()),
                (Some(place), None) => goes.push((place.port.clone(), place.nic.clone())),
                _ => {}
            }
        }
        let idle = goes.is_empty() && (comes.is_empty() || self.hook.is_none());
        let (hook, segments) = (self.hook.clone(), self.segments.clone());
        let changes = async move {
            if let Some(hook) = &hook {
                for nic in comes {
                    hook.plug(&nic).await?;
                }
            }
            // All of a transaction's at once: many cost the kernel hardly more than one.
            let removals = goes.into_iter().map(|(port, nic)| {
                let (hook, segments) = (hook.clone(), segments.clone());
                async move {
                    if let Some((hook, nic)) = hook.zip(nic) {
                        hook.unplug(&nic).await?;
                    }
                    segments.remove_port(&port).await?;
                    Ok(())
                }
            });
            let done = futures_util::future::join_all(removals).await;
            done.into_iter().collect()
        };
        (!idle).then(|| changes.boxed())
    }

    /// Has the NICs mended whose tap was made anew.
    async fn mend(&mut self) -> Vec<HookError> {
        let Some(hook) = &self.hook else {
            self.torn.clear();
            return Vec::new();
        };
        let mut failed = Vec::new();
        let mut torn = std::mem::take(&mut self.torn);
        let asked = torn
            .iter()
            .map(async |(tap, nic)| (tap.clone(), hook.replug(nic).await));
        for (tap, done) in futures_util::future::join_all(asked).await {
            match done {
                Ok(()) => tracing::info!(%tap, "a running VM's NIC was mended"),
                Err(error) => {
                    failed.push(error);
                    self.torn.extend(torn.remove_entry(&tap));
                }
            }
        }
        failed
    }

    async fn carry(&mut self, id: NetworkId, carried: &Carried) -> Result<(), SegmentError> {
        match &carried.by {
            Carrier::Dedicated(_) => {
                if let Some(bridge) = bridge(carried) {
                    self.segments.ensure_bridge(&bridge).await?;
                }
            }
            Carrier::Shared(link) => {
                let addresses = carried.addresses.clone();
                self.segments.add_addresses(link, &addresses).await?;
                self.shared.insert(id, (link.clone(), addresses));
            }
            // Whoever wrote the configuration made it.
            Carrier::External(_) => {}
        }
        Ok(())
    }

    async fn drop_carrier(&mut self, id: NetworkId) -> Result<(), SegmentError> {
        match self.shared.get(&id) {
            Some((link, addresses)) => {
                self.segments.remove_addresses(link, addresses).await?;
                self.shared.remove(&id);
            }
            None => {
                let name = work::bridge_name(id);
                self.segments.remove_bridge(&name).await?;
            }
        }
        Ok(())
    }

    /// Makes everything as a whole ledger says, and removes what is ours beyond that. Answers with
    /// what could not be done; the rest is done.
    pub async fn reconcile(
        &mut self,
        whole: &Work,
        mut reports: BTreeMap<ContainerId, Report>,
    ) -> Vec<EffectError> {
        let mut failed = Vec::new();
        self.shared = shared(whole);
        match self.segments.reconcile(&desired(whole)).await {
            Ok(done) => {
                if done.steps > 0 {
                    tracing::info!(steps = done.steps, "segments reconciled");
                }
                self.note_torn(whole, &done.created);
                failed.extend(done.failed.into_values().map(EffectError::from));
                failed.extend(done.general.into_iter().map(EffectError::from));
            }
            Err(error) => failed.push(error.into()),
        }
        failed.extend(self.mend().await.into_iter().map(EffectError::from));
        failed.extend(self.dns.reconcile(whole).err().map(EffectError::from));
        failed.extend(self.nat.reconcile(whole).err().map(EffectError::from));
        let tether = self.tether.follow(whole, &mut reports);
        failed.extend(tether.err().map(EffectError::from));
        failed
    }

    fn note_torn(&mut self, whole: &Work, created: &BTreeSet<InterfaceName>) {
        let places = whole.endpoints.values();
        let places = places.filter_map(|places| places.after.as_ref());
        let torn = places.filter(|place| created.contains(&place.port));
        let torn = torn.filter_map(|place| Some((place.port.clone(), place.nic.clone()?)));
        self.torn.extend(torn);
        // Whoever went meanwhile needs nothing.
        let wanted = |tap: &InterfaceName| {
            let mut places = whole.endpoints.values();
            places.any(|places| places.after.as_ref().is_some_and(|p| p.port == *tap))
        };
        self.torn.retain(|tap, _| wanted(tap));
    }

    /// Ends sessions and name server; links and rules stay.
    pub async fn close(self) {
        self.tether.close().await;
        self.dns.close();
    }
}

fn desired(whole: &Work) -> Desired {
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
    let places = whole
        .endpoints
        .values()
        .filter_map(|places| places.after.as_ref());
    Desired {
        bridges,
        ports: places
            .map(|place| (place.port.clone(), port(place)))
            .collect(),
    }
}

/// The bridge that a network has to itself.
fn bridge(carried: &Carried) -> Option<Bridge> {
    match &carried.by {
        Carrier::Dedicated(name) => Some(Bridge {
            name: name.clone(),
            addresses: carried.addresses.clone(),
            mtu: carried.mtu,
        }),
        Carrier::Shared(_) | Carrier::External(_) => None,
    }
}

fn shared(whole: &Work) -> BTreeMap<NetworkId, SharedAddresses> {
    let networks = whole.networks.iter();
    let on_it = networks.filter_map(|(id, carried)| {
        let carried = carried.as_ref()?;
        match &carried.by {
            Carrier::Shared(link) => Some((*id, (link.clone(), carried.addresses.clone()))),
            Carrier::Dedicated(_) | Carrier::External(_) => None,
        }
    });
    on_it.collect()
}

fn port(place: &Place) -> Port {
    Port {
        name: place.port.clone(),
        bridge: place.carrier.link().clone(),
        foreign: matches!(place.carrier, Carrier::External(_)),
        kind: place.kind.clone(),
        mtu: place.mtu,
    }
}
