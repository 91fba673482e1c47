//! Repeats observing the kernel, planning and applying until the network agrees with the spec.

mod report;

use crate::announce::{self, Announcement};
use crate::apply::{Applied, apply};
use crate::netlink::{Netlink, NetlinkError};
use crate::observe::{ObserveError, Observed, Sysfs, observe};
use crate::plan::{Outlook, Plan, Step, plan};
use crate::resolver::Files;
use crate::settings;
use protocol::message::{Capability, Failure, LinkEvent};
use protocol::session::agent::Applied as Outcome;
use protocol::spec::{NetSpec, SpecId};
use std::collections::BTreeSet;
use std::mem;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The optional features that this agent has and announces to the coordinator. The list is empty: it has neither DHCP
/// nor a firewall, and reports interfaces that need one as unsupported.
pub const CAPABILITIES: &[Capability] = &[];

/// A plan foresees what its steps bring about; rounds beyond the second are for what others do
/// meanwhile.
const ROUNDS: usize = 6;
/// First and longest pause before what was refused is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Makes the kernel's network and the files in /etc agree with a [`NetSpec`] (the network that the VM must have).
/// Between calls it remembers what the kernel refused, so as not to try it without a pause, and which addresses it has
/// to announce.
pub struct Converger {
    netlink: Netlink,
    sysfs: Sysfs,
    files: Files,
    /// Addresses that it added; see [`observe`].
    remembered: BTreeSet<(u32, IpAddr)>,
    /// Addresses to be announced as soon as their link has a carrier.
    unannounced: BTreeSet<(u32, IpAddr)>,
    /// The announcements for the next call of [`Self::announce`].
    announcements: Vec<(u32, Announcement)>,
    links: report::Links,
    written: Option<WrittenSpec>,
    blocked: Option<Blocked>,
}

/// The outcome of writing a spec's files.
struct WrittenSpec {
    spec: SpecId,
    failures: Vec<Failure>,
    retry: Instant,
}

/// The refused steps of a plan, until they are tried again.
struct Blocked {
    plan: Plan,
    applied: Applied,
    pause: Duration,
    retry: Instant,
}

impl Converger {
    /// Creates a converger for the calling thread's network namespace. `files` writes the files in /etc, `sysfs` reads
    /// `/sys` and `/proc/sys`. Needs a tokio runtime.
    ///
    /// # Errors
    /// Returns [`NetlinkError::Open`] if the kernel refuses a netlink socket.
    pub fn open(files: Files, sysfs: Sysfs) -> Result<Self, NetlinkError> {
        Ok(Self {
            netlink: Netlink::open()?,
            sysfs,
            files,
            remembered: BTreeSet::new(),
            unannounced: BTreeSet::new(),
            announcements: Vec::new(),
            links: report::Links::default(),
            written: None,
            blocked: None,
        })
    }

    /// Returns the time at which [`Converger::converge`] should be called again even if nothing changes, since a step
    /// or the writing of a file failed. A refused plan is tried again after 1 s, then after pauses that double up to 60
    /// s; a file after 60 s. `None` if nothing failed.
    pub fn retry(&self) -> Option<Instant> {
        let steps = self.blocked.as_ref().map(|blocked| blocked.retry);
        let written = self.written.iter();
        let files = written.filter(|w| !w.failures.is_empty()).map(|w| w.retry);
        steps.into_iter().chain(files).min()
    }

    /// Returns the events of Ethernet links that appeared, went up or down, or disappeared, between the observations
    /// since the last call; at most 64, and no further ones. The first observation gives no events.
    pub fn link_events(&mut self) -> Vec<LinkEvent> {
        self.links.take_events()
    }

    /// Observes the links for [`Converger::link_events`], without changing anything; called while the agent has no spec
    /// yet.
    ///
    /// # Errors
    /// Returns [`ObserveError`] if the kernel's links, addresses or routes can't be read.
    pub async fn look(&mut self) -> Result<(), ObserveError> {
        let observed = observe(&mut self.netlink, &self.sysfs, &self.remembered).await?;
        self.links.see(&observed);
        Ok(())
    }

    /// Makes the network agree with `spec`, and returns the resulting state for the report to the coordinator. It
    /// observes, plans and applies up to six times, until a plan is empty or does not change. If `rooted`, the root
    /// file system exists, and the files in /etc and the host name are written too; otherwise not. A plan that the
    /// kernel has refused is not tried again before its retry time, compared with `now`.
    ///
    /// `forget` is called before each observation of the kernel: it discards the kernel's notifications so far, since
    /// the observation includes their changes.
    ///
    /// # Errors
    /// Returns [`ObserveError`] if the kernel's links, addresses or routes can't be read. A step that the kernel
    /// refuses is not an error: the returned state has it as a failure.
    pub async fn converge(
        &mut self,
        spec: &NetSpec,
        now: Instant,
        rooted: bool,
        mut forget: impl FnMut(),
    ) -> Result<Outcome, ObserveError> {
        let mut last: Option<(Plan, Applied)> = None;
        let mut rounds = 0;
        let (observed, plan) = loop {
            forget();
            let observed = observe(&mut self.netlink, &self.sysfs, &self.remembered).await?;
            let plan = plan(&observed, spec, CAPABILITIES);
            let stuck = last.as_ref().is_some_and(|(tried, _)| *tried == plan);
            if plan.steps.is_empty() || stuck || rounds == ROUNDS || self.waits(&plan, now) {
                break (observed, plan);
            }
            let applied = apply(&mut self.netlink, &self.sysfs, &plan).await;
            self.note(spec, &plan, &applied);
            last = Some((plan, applied));
            rounds += 1;
        };
        self.stand(&plan, last, now);
        self.prepare_announcements(&observed);
        self.links.see(&observed);
        if rooted {
            self.write_files(spec, now);
        }
        let mut outcome = self.outcome(spec, &observed, &plan);
        outcome.failures.extend(settings::apply(&self.sysfs, spec));
        Ok(outcome)
    }

    /// Returns whether this very plan was tried and refused, and is not yet to be tried again.
    /// Otherwise the events that a refused plan itself causes would make the agent try it without
    /// end.
    fn waits(&self, plan: &Plan, now: Instant) -> bool {
        let blocked = self.blocked.as_ref();
        blocked.is_some_and(|blocked| blocked.plan == *plan && now < blocked.retry)
    }

    /// Keeps what is still refused, and when to try it again.
    fn stand(&mut self, plan: &Plan, last: Option<(Plan, Applied)>, now: Instant) {
        let before = self.blocked.take();
        if plan.steps.is_empty() {
            return;
        }
        self.blocked = match (last, before) {
            (None, before) => before,
            (Some((_, applied)), before) => {
                let pause = before
                    .filter(|before| before.plan == *plan)
                    .map_or(RETRY.0, |before| (before.pause * 2).min(RETRY.1));
                Some(Blocked {
                    plan: plan.clone(),
                    applied,
                    pause,
                    retry: now + pause,
                })
            }
        };
    }

    /// Takes note of the addresses that are new to their segment.
    fn note(&mut self, spec: &NetSpec, plan: &Plan, applied: &Applied) {
        for step in &applied.done {
            match step {
                Step::AddAddress { link, address } => {
                    self.remembered.insert((*link, address.addr()));
                    self.unannounced.insert((*link, address.addr()));
                }
                Step::RemoveAddress { link, address } => {
                    self.remembered.remove(&(*link, address.addr()));
                }
                Step::SetUp { link } => {
                    let interfaces = spec.parts().interfaces.iter().zip(&plan.outlooks);
                    for (interface, outlook) in interfaces {
                        if matches!(outlook, Outlook::Present { link: l, .. } if l == link) {
                            let addresses = interface.addresses().iter();
                            self.unannounced
                                .extend(addresses.map(|address| (*link, address.addr())));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Announces addresses to the hosts of their networks by gratuitous ARP and unsolicited neighbour advertisements:
    /// those that [`Converger::converge`] added, or whose link it set up, since the last call. An address waits until
    /// its link has a carrier. The agent calls this last: it takes the kernel longer than all else here, and the
    /// container need not wait for it. A failure is logged.
    pub fn announce(&mut self) {
        if self.announcements.is_empty() {
            return;
        }
        let announcements = mem::take(&mut self.announcements);
        if let Err(errno) = announce::send(&announcements) {
            let count = announcements.len();
            tracing::warn!("can't announce {count} addresses: {}", errno.desc());
        }
    }

    /// Finds what is to be announced now: addresses whose link has a carrier.
    fn prepare_announcements(&mut self, observed: &Observed) {
        self.unannounced.retain(|(index, address)| {
            let there = observed.addresses_of(*index);
            let mut there = there.filter(|a| a.net.addr() == *address);
            let link = observed.links.get(index);
            let (Some(link), Some(_)) = (link, there.next()) else {
                return false;
            };
            let Some(mac) = link.mac.filter(|_| link.carrier) else {
                return true;
            };
            let announcement = announce::announcement(*address, mac);
            self.announcements.push((*index, announcement));
            false
        });
        let links = &observed.links;
        self.remembered.retain(|(link, _)| links.contains_key(link));
    }

    /// Writes the files once for each spec, and what was refused again a minute later.
    fn write_files(&mut self, spec: &NetSpec, now: Instant) {
        let done = self.written.as_ref().is_some_and(|written| {
            written.spec == spec.id() && (written.failures.is_empty() || now < written.retry)
        });
        if done {
            return;
        }
        self.written = Some(WrittenSpec {
            spec: spec.id(),
            failures: self.files.apply(spec),
            retry: now + RETRY.1,
        });
    }

    fn outcome(&self, spec: &NetSpec, observed: &Observed, plan: &Plan) -> Outcome {
        let refused = self.blocked.as_ref().map(|blocked| &blocked.applied);
        let refused = refused.map_or(&[][..], |applied| &applied.failures);
        let mut failures = report::guest_failures(plan, refused);
        failures.extend(self.written.iter().flat_map(|w| w.failures.clone()));
        Outcome {
            spec: spec.id(),
            interfaces: report::interfaces(spec, observed, plan, refused),
            failures,
        }
    }
}
