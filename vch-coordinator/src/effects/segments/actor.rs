//! The one owner of the kernel's links: takes requests one after the other, and listens.

use super::{
    Bridge, Desired, HostRoutes, Owner, Port, Reconciled, SegmentError,
    events::{Event, Events},
    kernel::Kernel,
    observed::Observed,
    plan::{plan, plan_bridge, plan_forwarding, plan_port, plan_removal},
    routes::{Route, Table},
    step::Step,
};
use protocol::spec::InterfaceName;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Duration, Instant, sleep_until},
};

/// Events come in bursts, several for one change: from the first on, this long is waited for the
/// others.
const SETTLE: Duration = Duration::from_millis(100);

/// Where an answer goes.
pub type Answer<T> = oneshot::Sender<Result<T, SegmentError>>;

/// What may be asked of the owner.
pub enum Command {
    /// Let a bridge be so.
    EnsureBridge(Bridge, Answer<usize>),
    /// Let a port be so.
    EnsurePort(Port, Answer<usize>),
    /// Let there be no link of ours of that name.
    Remove(InterfaceName, Answer<bool>),
    /// Let all be so, and nothing else of ours be there.
    Reconcile(Desired, Answer<Reconciled>),
}

/// The owner.
pub struct Actor {
    kernel: Kernel,
    events: Events,
    /// What was asked for last, to know which events matter.
    wanted: Desired,
    /// Our links by number: addresses and routes are told by that.
    own: BTreeMap<u32, InterfaceName>,
    routes: HostRoutes,
    disturbed: watch::Sender<BTreeSet<InterfaceName>>,
    unsettled: Unsettled,
}

/// What events have put in doubt.
#[derive(Default)]
struct Unsettled {
    since: Option<Instant>,
    links: BTreeSet<InterfaceName>,
    routes: bool,
    everything: bool,
}

impl Unsettled {
    fn doubt(&mut self, what: impl FnOnce(&mut Self)) {
        self.since.get_or_insert_with(Instant::now);
        what(self);
    }
}

impl Actor {
    /// Connects to the kernel and reads what is there.
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
            own: BTreeMap::new(),
            routes,
            disturbed,
            unsettled: Unsettled::default(),
        };
        let observed = actor.kernel.observe([]).await?;
        actor.learn_links(&observed);
        actor.learn_routes().await?;
        Ok(actor)
    }

    /// Works until no one is left who could ask.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let settle = self.unsettled.since.map(|since| since + SETTLE);
            // After a loss there is nothing to learn from single events until all is read again.
            let listening = !self.unsettled.everything;
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.handle_all(command, &mut commands).await,
                    None => return,
                },
                events = self.events.next(), if listening => self.hear(events),
                () = sleep_until(settle.unwrap_or_else(Instant::now)), if settle.is_some() => {
                    self.settle().await;
                }
            }
        }
    }

    /// Handles a command, and with a removal those that wait behind it: many cost hardly more than
    /// one.
    async fn handle_all(&mut self, command: Command, commands: &mut mpsc::Receiver<Command>) {
        let mut next = Some(command);
        while let Some(command) = next.take() {
            let Command::Remove(name, answer) = command else {
                self.handle(command).await;
                continue;
            };
            let mut removals = vec![(name, answer)];
            loop {
                match commands.try_recv() {
                    Ok(Command::Remove(name, answer)) => removals.push((name, answer)),
                    Ok(other) => break next = Some(other),
                    Err(_) => break,
                }
            }
            self.remove(removals).await;
        }
    }

    // Whoever asked may have gone: the work is done all the same, so there is no one to tell.
    async fn handle(&mut self, command: Command) {
        match command {
            Command::EnsureBridge(bridge, answer) => {
                let _ = answer.send(self.ensure_bridge(bridge).await);
            }
            Command::EnsurePort(port, answer) => {
                let _ = answer.send(self.ensure_port(port).await);
            }
            Command::Remove(name, answer) => {
                self.remove(vec![(name, answer)]).await;
            }
            Command::Reconcile(desired, answer) => {
                let _ = answer.send(self.reconcile(desired).await);
            }
        }
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

    async fn ensure_port(&mut self, port: Port) -> Result<usize, SegmentError> {
        let observed = self.kernel.observe_port(&port).await?;
        let planned = plan_port(self.kernel.owner, &observed, &port, false);
        let steps = planned.map_err(|r| SegmentError::refused(port.name.clone(), r))?;
        self.take(&steps).await?;
        self.is_right(&port.name);
        self.wanted.ports.insert(port.name.clone(), port);
        Ok(steps.len())
    }

    async fn remove(&mut self, removals: Vec<(InterfaceName, Answer<bool>)>) {
        let names: Vec<_> = removals.iter().map(|(name, _)| name).collect();
        for name in &names {
            // Not wanted from here on, even if the kernel refuses: nobody is to heal it.
            self.wanted.bridges.remove(*name);
            self.wanted.ports.remove(*name);
            self.is_right(name);
        }
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
                (Ok(()), _) => done.steps += 1,
                (Err(error), Some(name)) => {
                    done.failed.insert(name.clone(), error);
                }
                (Err(error), None) => done.general.push(error),
            }
        }
        self.wanted = desired;
        let failed = done.failed.keys().cloned().collect();
        self.disturbed.send_if_modified(|disturbed| {
            *disturbed = failed;
            false
        });
        Ok(done)
    }

    /// Takes the steps to one object; if one fails, a link that they made is removed again.
    async fn take(&mut self, steps: &[Step]) -> Result<(), SegmentError> {
        let mut created = None;
        for step in steps {
            if let Err(error) = self.kernel.apply(step).await {
                if let Some(name) = created
                    && let Err(error) = self.remove_links(&[name]).await
                {
                    // The next reconcile finds it by its mark.
                    tracing::warn!(link = %name, %error, "what could not be set up stays behind");
                }
                return Err(error);
            }
            created = created.or(step.link().filter(|_| step.creates()));
        }
        Ok(())
    }

    fn is_right(&self, name: &InterfaceName) {
        self.disturbed.send_if_modified(|disturbed| {
            disturbed.remove(name);
            false
        });
    }

    fn hear(&mut self, events: io::Result<Vec<Event>>) {
        match events {
            Ok(events) => events.into_iter().for_each(|event| self.note(event)),
            Err(error) => {
                tracing::warn!(%error, "the kernel's events were lost: looking at everything again");
                self.unsettled
                    .doubt(|unsettled| unsettled.everything = true);
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Link(name, link) => {
                if self.kernel.owner.owns(link.group) {
                    let before = self.own.insert(link.index, name.clone());
                    // Renamed: the old name misses its link.
                    if let Some(before) = before.filter(|before| *before != name) {
                        self.doubt_link(before);
                    }
                } else if let Some(before) = self.own.remove(&link.index) {
                    self.doubt_link(before);
                } else if !link.up {
                    self.routes.change(|table| table.remove_link(link.index));
                }
                self.doubt_link(name);
            }
            Event::LinkGone(index) => match self.own.remove(&index) {
                Some(name) => self.doubt_link(name),
                None => self.routes.change(|table| table.remove_link(index)),
            },
            Event::PortChanged(index) => {
                if let Some(name) = self.own.get(&index) {
                    self.doubt_link(name.clone());
                }
            }
            Event::AddressChanged(index) => match self.own.get(&index) {
                Some(name) => self.doubt_link(name.clone()),
                // With an address go the routes that have it as source, and the kernel says nothing.
                None => self.unsettled.doubt(|unsettled| unsettled.routes = true),
            },
            Event::Route { route, replaces } => self.note_route(&route, |table, route| {
                if replaces {
                    table.replace(route);
                } else {
                    table.insert(route);
                }
                true
            }),
            Event::RouteGone(route) => self.note_route(&route, |table, route| table.remove(&route)),
        }
    }

    fn note_route(
        &mut self,
        message: &rtnetlink::packet_route::route::RouteMessage,
        change: impl FnOnce(&mut Table, Route) -> bool,
    ) {
        let Some(route) = Route::parse(message).filter(|route| self.is_host_route(route)) else {
            return;
        };
        // A route over several links is told of in parts that don't add up to what a dump shows.
        let fits =
            !Route::is_multipath(message) && self.routes.change(|table| change(table, route));
        if !fits {
            self.unsettled.doubt(|unsettled| unsettled.routes = true);
        }
    }

    fn is_host_route(&self, route: &Route) -> bool {
        !route
            .way
            .link
            .is_some_and(|link| self.own.contains_key(&link))
    }

    fn doubt_link(&mut self, name: InterfaceName) {
        if self.wanted.bridges.contains_key(&name) || self.wanted.ports.contains_key(&name) {
            self.unsettled.doubt(|unsettled| {
                unsettled.links.insert(name);
            });
        }
    }

    /// Looks at what is in doubt, and tells whoever watches what is not as it was asked for.
    async fn settle(&mut self) {
        let doubts = std::mem::take(&mut self.unsettled);
        if let Err(error) = self.look_again(&doubts).await {
            tracing::warn!(%error, "could not look at what changed: trying again");
            self.unsettled
                .doubt(|unsettled| unsettled.everything = true);
        }
    }

    async fn look_again(&mut self, doubts: &Unsettled) -> Result<(), SegmentError> {
        if doubts.routes || doubts.everything {
            self.learn_routes().await?;
        }
        let mut wrong = BTreeSet::new();
        if doubts.everything {
            let observed = self.kernel.observe(self.wanted.ports.values()).await?;
            self.learn_links(&observed);
            let plan = plan(self.kernel.owner, &observed, &self.wanted);
            let links = plan.steps.iter().filter_map(Step::link);
            wrong.extend(links.chain(plan.refused.keys()).cloned());
        } else {
            for name in &doubts.links {
                if !self.is_as_wanted(name).await? {
                    wrong.insert(name.clone());
                }
            }
        }
        let is_wanted =
            |n: &_| self.wanted.bridges.contains_key(n) || self.wanted.ports.contains_key(n);
        wrong.retain(is_wanted);
        self.disturbed.send_if_modified(|disturbed| {
            disturbed.retain(|name| !doubts.everything && !doubts.links.contains(name));
            let news = !wrong.is_empty();
            disturbed.append(&mut wrong);
            news
        });
        Ok(())
    }

    async fn is_as_wanted(&mut self, name: &InterfaceName) -> Result<bool, SegmentError> {
        let owner = self.kernel.owner;
        let mut right = true;
        if let Some(bridge) = self.wanted.bridges.get(name) {
            let observed = self.kernel.observe_bridge(bridge).await?;
            right &= plan_bridge(owner, &observed, bridge).is_ok_and(|steps| steps.is_empty());
        }
        if let Some(port) = self.wanted.ports.get(name) {
            let observed = self.kernel.observe_port(port).await?;
            right &= plan_port(owner, &observed, port, false).is_ok_and(|steps| steps.is_empty());
        }
        Ok(right)
    }

    fn learn_links(&mut self, observed: &Observed) {
        let owner = self.kernel.owner;
        let links = observed.links.iter();
        let own = links.filter(|(_, link)| owner.owns(link.group));
        self.own = own.map(|(name, link)| (link.index, name.clone())).collect();
    }

    async fn learn_routes(&mut self) -> Result<(), SegmentError> {
        let messages = self.kernel.routes().await?;
        let routes = messages.iter().filter_map(Route::parse);
        let table = Table::of(routes.filter(|route| self.is_host_route(route)));
        self.routes.change(|current| *current = table);
        Ok(())
    }
}
