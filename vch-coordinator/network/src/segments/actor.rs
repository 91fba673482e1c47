//! The owner of the VCH's links in the kernel: carries requests out one after the other, and receives the kernel's
//! events about links and routes.

mod listen;

use listen::LinkDrift;

use super::{
    Bridge, Desired, HostRoutes, Owner, Port, Reconciled, SegmentError,
    events::Events,
    kernel::Kernel,
    observed::Observed,
    plan::{plan, plan_bridge, plan_forwarding, plan_further, plan_port, plan_removal},
    step::Step,
    sysctl,
};
use ipnet::IpNet;
use protocol::spec::InterfaceName;
use std::collections::{BTreeMap, BTreeSet};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

/// The sender by which the links' thread answers a request.
pub type Answer<T> = oneshot::Sender<Result<T, SegmentError>>;

/// A request to the thread that owns the links.
pub enum Command {
    /// Creates a bridge, or changes it to match. The answer is the number of changes.
    EnsureBridge(Bridge, Answer<usize>),
    /// Adds addresses to a bridge, which keeps the addresses that it has. The answer is the number of changes.
    AddAddresses(InterfaceName, Vec<IpNet>, Answer<usize>),
    /// Removes addresses from a bridge, and the bridge with its last address. The answer is the number of changes.
    RemoveAddresses(InterfaceName, Vec<IpNet>, Answer<usize>),
    /// Creates a port (a link on a bridge), or changes it to match. The answer is the number of changes.
    EnsurePort(Port, Answer<usize>),
    /// Removes the VCH's link of this name. The answer is whether it existed.
    Remove(InterfaceName, Answer<bool>),
    /// Makes all desired links, and removes the VCH's other links.
    Reconcile(Desired, Answer<Reconciled>),
    /// Makes the thread that owns the links panic, for tests.
    #[cfg(any(test, feature = "test-util"))]
    Panic,
}

type Removal = (InterfaceName, Answer<bool>);

/// The owner of the links: its netlink sockets, the links that were requested, and those that may have changed since.
pub struct Actor {
    kernel: Kernel,
    events: Events,
    /// The links that were asked for last, to know which events matter.
    wanted: Desired,
    /// The ports that it limits, by the link that each limit has.
    ifbs: BTreeMap<InterfaceName, InterfaceName>,
    /// Our links by number: addresses and routes are told by that.
    own: BTreeMap<u32, InterfaceName>,
    routes: HostRoutes,
    disturbed: watch::Sender<BTreeSet<InterfaceName>>,
    drift: LinkDrift,
}

impl Actor {
    /// Connects to the kernel, subscribes to its events, and reads its links and routes. Fills `routes` with the host's
    /// routes. Later sends the names of links that other programs change to `disturbed`.
    ///
    /// # Errors
    /// Returns [`SegmentError`] if a netlink socket can't be opened, or the kernel's links or routes can't be read.
    pub async fn start(
        owner: Owner,
        routes: HostRoutes,
        disturbed: watch::Sender<BTreeSet<InterfaceName>>,
    ) -> Result<Self, SegmentError> {
        // First, so that nothing is missed between the reading and the listening.
        let events = Events::open()?;
        let mut actor = Self {
            kernel: Kernel::connect(owner)?,
            events,
            wanted: Desired::default(),
            ifbs: BTreeMap::new(),
            own: BTreeMap::new(),
            routes,
            disturbed,
            drift: LinkDrift::default(),
        };
        let observed = actor.kernel.observe([]).await?;
        actor.learn_links(&observed);
        actor.learn_routes().await?;
        Ok(actor)
    }

    /// Carries out requests and handles events until every sender of requests is dropped.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let settle = self.drift.settle_at();
            let listening = self.drift.heeds_events();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => {
                        let mut next = Some(command);
                        while let Some(command) = next {
                            next = self.handle(command, &mut commands).await;
                        }
                    }
                    None => return,
                },
                events = self.events.next(), if listening => self.hear(events),
                () = sleep_until(settle.unwrap_or_else(Instant::now)), if settle.is_some() => {
                    self.settle().await;
                }
            }
        }
    }

    /// Carries a request out and answers it, even if its caller has gone away. Returns the request
    /// that was taken from the queue behind it and not carried out with it.
    async fn handle(
        &mut self,
        command: Command,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Option<Command> {
        match command {
            #[cfg(any(test, feature = "test-util"))]
            Command::Panic => panic!("a defect"),
            Command::EnsureBridge(bridge, answer) => {
                let _ = answer.send(self.ensure_bridge(bridge).await);
            }
            Command::AddAddresses(bridge, addresses, answer) => {
                let _ = answer.send(self.add_addresses(bridge, addresses).await);
            }
            Command::RemoveAddresses(bridge, addresses, answer) => {
                let _ = answer.send(self.remove_addresses(&bridge, &addresses).await);
            }
            Command::EnsurePort(port, answer) => {
                let _ = answer.send(self.ensure_port(port).await);
            }
            Command::Remove(name, answer) => {
                let mut removals = vec![(name, answer)];
                let behind = take_removals(&mut removals, commands);
                self.remove(removals).await;
                return behind;
            }
            Command::Reconcile(desired, answer) => {
                let _ = answer.send(self.reconcile(desired).await);
            }
        }
        None
    }

    async fn ensure_bridge(&mut self, bridge: Bridge) -> Result<usize, SegmentError> {
        let observed = self.kernel.observe_bridge(&bridge).await?;
        let mut steps = plan_forwarding(observed.forwarding, [&bridge]);
        let planned = plan_bridge(self.kernel.owner, &observed, &bridge);
        steps.extend(planned.map_err(|r| SegmentError::refused(bridge.name.clone(), r))?);
        self.take(&steps).await?;
        self.is_right(&bridge.name);
        self.wanted.bridges.insert(bridge.name.clone(), bridge);
        Ok(steps.len())
    }

    /// Adds addresses to a bridge. The bridge's other addresses are not read, so their number costs
    /// nothing.
    async fn add_addresses(
        &mut self,
        name: InterfaceName,
        mut addresses: Vec<IpNet>,
    ) -> Result<usize, SegmentError> {
        let wanted = self.wanted.bridges.get(&name);
        addresses.retain(|one| !wanted.is_some_and(|bridge| bridge.addresses.contains(one)));
        let mut observed = self.kernel.observe_link(&name).await?;
        observed.forwarding = sysctl::forwarding();
        let planned = plan_further(self.kernel.owner, &observed, &name, addresses.clone());
        let steps = planned.map_err(|r| SegmentError::refused(name.clone(), r))?;
        self.take(&steps).await?;
        let bridge = self.wanted.bridges.entry(name.clone());
        let bridge = bridge.or_insert_with(|| Bridge {
            name,
            addresses: Vec::new(),
            mtu: None,
        });
        bridge.addresses.extend(addresses);
        Ok(steps.len())
    }

    async fn remove_addresses(
        &mut self,
        name: &InterfaceName,
        addresses: &[IpNet],
    ) -> Result<usize, SegmentError> {
        if let Some(bridge) = self.wanted.bridges.get_mut(name) {
            bridge.addresses.retain(|one| !addresses.contains(one));
            if bridge.addresses.is_empty() {
                self.wanted.bridges.remove(name);
                self.is_right(name);
                return Ok(self.remove_links(&[name]).await?.len());
            }
        }
        let observed = self.kernel.observe_link(name).await?;
        // A link of that name that another program made keeps its addresses.
        let owner = self.kernel.owner;
        if !observed.links.values().any(|link| owner.owns(link.group)) {
            return Ok(0);
        }
        for address in addresses {
            let step = Step::RemoveAddress {
                name: name.clone(),
                address: *address,
            };
            self.kernel.apply(&step).await?;
        }
        Ok(addresses.len())
    }

    async fn ensure_port(&mut self, port: Port) -> Result<usize, SegmentError> {
        let before = self.wanted.ports.get(&port.name);
        let before = before.and_then(|port| port.limit.clone());
        let observed = self.kernel.observe_port(&port, before.is_some()).await?;
        let planned = plan_port(self.kernel.owner, &observed, &port, false);
        let steps = planned.map_err(|r| SegmentError::refused(port.name.clone(), r))?;
        self.take(&steps).await?;
        let mut changes = steps.len();
        if let (Some(before), None) = (before, &port.limit) {
            changes += self.remove_links(&[&before.ifb]).await?.len();
            self.ifbs.remove(&before.ifb);
        }
        self.is_right(&port.name);
        let limit = port.limit.as_ref();
        self.ifbs
            .extend(limit.map(|limit| (limit.ifb.clone(), port.name.clone())));
        self.wanted.ports.insert(port.name.clone(), port);
        Ok(changes)
    }

    async fn remove(&mut self, removals: Vec<Removal>) {
        let mut ifbs = Vec::new();
        for (name, _) in &removals {
            // Not wanted from here on, even if the kernel refuses: nobody is to heal it.
            self.wanted.bridges.remove(name);
            let port = self.wanted.ports.remove(name);
            ifbs.extend(port.and_then(|port| port.limit).map(|limit| limit.ifb));
            self.is_right(name);
        }
        for ifb in &ifbs {
            self.ifbs.remove(ifb);
        }
        let names: Vec<_> = removals.iter().map(|(name, _)| name).chain(&ifbs).collect();
        let gone = self.remove_links(&names).await;
        for (name, answer) in removals {
            let _ = answer.send(
                gone.as_ref()
                    .map(|gone| gone.contains(&name))
                    .map_err(Clone::clone),
            );
        }
    }

    /// Removes those of the links that are ours, and answers with their names.
    async fn remove_links(
        &mut self,
        names: &[&InterfaceName],
    ) -> Result<BTreeSet<InterfaceName>, SegmentError> {
        let mut observed = Observed::default();
        for name in names {
            let link = self.kernel.observe_link(name).await?;
            observed.links.extend(link.links);
        }
        let steps = plan_removal(self.kernel.owner, &observed);
        for step in &steps {
            self.kernel.apply(step).await?;
        }
        Ok(steps.iter().filter_map(Step::link).cloned().collect())
    }

    async fn reconcile(&mut self, desired: Desired) -> Result<Reconciled, SegmentError> {
        let observed = self.kernel.observe(desired.ports.values()).await?;
        let plan = plan(self.kernel.owner, &observed, &desired);
        let mut done = Reconciled::default();
        for (name, refusal) in plan.refused {
            let error = SegmentError::refused(name.clone(), refusal);
            done.failed.insert(name, error);
        }
        for step in &plan.steps {
            // What follows on a failed step builds on it.
            if step
                .link()
                .is_some_and(|name| done.failed.contains_key(name))
            {
                continue;
            }
            match (self.kernel.apply(step).await, step.link()) {
                (Ok(()), link) => {
                    done.steps += 1;
                    if let Some(name) = link.filter(|_| step.creates()) {
                        self.learn_created(name);
                        done.created.insert(name.clone());
                    }
                }
                (Err(error), Some(name)) => {
                    done.failed.insert(name.clone(), error);
                }
                (Err(error), None) => done.general.push(error),
            }
        }
        let limits = desired.ports.values();
        let limits = limits.filter_map(|port| Some((port.limit.as_ref()?, &port.name)));
        self.ifbs = limits
            .map(|(limit, port)| (limit.ifb.clone(), port.clone()))
            .collect();
        self.wanted = desired;
        let failed = done.failed.keys().map(|name| self.limited_by(name));
        let failed = failed.cloned().collect();
        self.disturbed.send_if_modified(|disturbed| {
            *disturbed = failed;
            false
        });
        Ok(done)
    }

    /// Takes the steps to one object; if one fails, the links that they made are removed again.
    async fn take(&mut self, steps: &[Step]) -> Result<(), SegmentError> {
        let mut created = Vec::new();
        for step in steps {
            if let Err(error) = self.kernel.apply(step).await {
                if let Err(error) = self.remove_links(&created).await {
                    // The next reconcile finds them by their mark.
                    tracing::warn!(links = ?created, %error, "what could not be set up stays behind");
                }
                return Err(error);
            }
            created.extend(step.link().filter(|_| step.creates()));
        }
        for name in created {
            self.learn_created(name);
        }
        Ok(())
    }

    /// The port that a link limits, or the link itself.
    fn limited_by<'a>(&'a self, link: &'a InterfaceName) -> &'a InterfaceName {
        self.ifbs.get(link).unwrap_or(link)
    }

    fn is_right(&self, name: &InterfaceName) {
        self.disturbed.send_if_modified(|disturbed| {
            disturbed.remove(name);
            false
        });
    }
}

/// Takes the removals that wait, since many cost hardly more than one; answers with the first
/// command that is something else.
fn take_removals(
    removals: &mut Vec<Removal>,
    commands: &mut mpsc::Receiver<Command>,
) -> Option<Command> {
    while let Ok(command) = commands.try_recv() {
        match command {
            Command::Remove(name, answer) => removals.push((name, answer)),
            other => return Some(other),
        }
    }
    None
}
