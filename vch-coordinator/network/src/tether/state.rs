//! The state of the session with a container's agent, as the rest of the coordinator sees it.

use protocol::{
    message::{Failure, InterfaceState, Report},
    spec::{InterfaceName, SpecId},
};

/// The message for an administrator if an agent has a newer network specification than the ledger.
pub const AHEAD: &str = "the agent holds a later network than the store knows of: was the store \
    taken back to an older copy? Start the container again: `vchctl container start`";

/// The state of the session with a container's agent, as the rest of the coordinator sees it. The session's task
/// updates it with each message of the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// The agent's name and release while it is connected; `None` otherwise.
    pub agent: Option<String>,
    /// The agent's newest report; `None` if there has been no report. It is kept when the session ends and when the
    /// coordinator restarts.
    pub report: Option<Report>,
    /// The identity of the network specification that the agent had when its last session began; `None` if it had none,
    /// or if no session has begun.
    pub held: Option<SpecId>,
}

/// Whether the network in a VM is as its specification demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The agent has reported on the newest specification, and every interface is up.
    Ready,
    /// The agent has not reported on the newest specification yet, or waits for a NIC.
    Pending,
    /// The agent has reported failures, one message for each; or it has a later specification than the ledger, whose
    /// store was replaced by an older copy.
    Failed(Vec<String>),
}

/// Whether one interface in a VM is as the specification demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// The interface is up and as specified.
    Up,
    /// The agent waits for the interface's NIC to appear in the VM.
    Waiting,
    /// The guest's kernel refused a part of the interface's configuration.
    Failed,
    /// The agent's release does not support a part of the interface's configuration.
    Unsupported,
    /// The agent has not reported on the interface in this specification yet.
    Pending,
}

impl SessionState {
    /// Returns whether the agent has carried out `spec`, or a later generation (version) of the same incarnation (run
    /// of the VM): ready or failed by its newest report, pending without a report about them. Failed also if the agent
    /// is ahead of `spec` ([`is_ahead`](Self::is_ahead)).
    pub fn readiness(&self, spec: SpecId) -> Readiness {
        if self.is_ahead(spec) {
            return Readiness::Failed(vec![AHEAD.to_owned()]);
        }
        let Some(report) = self.reported(spec) else {
            return Readiness::Pending;
        };
        let failures = failures(report);
        if !failures.is_empty() {
            return Readiness::Failed(failures);
        }
        let up = |state: &InterfaceState| *state == InterfaceState::Up;
        match report
            .interfaces
            .iter()
            .all(|interface| up(&interface.state))
        {
            true => Readiness::Ready,
            false => Readiness::Pending,
        }
    }

    /// Returns whether the agent has a later generation (version) of the specification than `spec`, the ledger's newest
    /// one, in the same incarnation (run of the VM). The agent accepts no older one in that incarnation.
    pub fn is_ahead(&self, spec: SpecId) -> bool {
        let later = |held: SpecId| {
            held.incarnation == spec.incarnation && held.generation > spec.generation
        };
        self.held.is_some_and(later)
    }

    /// Returns the newest report if it is about `spec`, or about a later generation (version) of the same incarnation
    /// (run of the VM); `None` otherwise.
    pub fn reported(&self, spec: SpecId) -> Option<&Report> {
        let report = self.report.as_ref()?;
        let same_life = report.spec.incarnation == spec.incarnation;
        (same_life && report.spec.generation >= spec.generation).then_some(report)
    }

    /// Returns the state of the interface `name` by the newest report, if that is about `spec` or a later generation
    /// (version) of the same incarnation (run of the VM); [`EndpointState::Pending`] without such a report, or if the
    /// interface is not in it.
    pub fn endpoint(&self, spec: SpecId, name: &InterfaceName) -> EndpointState {
        let report = self.reported(spec);
        let found = report.and_then(|r| r.interfaces.iter().find(|i| i.name == *name));
        match found.map(|interface| &interface.state) {
            None => EndpointState::Pending,
            Some(InterfaceState::Up) => EndpointState::Up,
            Some(InterfaceState::Waiting) => EndpointState::Waiting,
            Some(InterfaceState::Failed(_)) => EndpointState::Failed,
            Some(InterfaceState::Unsupported(_)) => EndpointState::Unsupported,
        }
    }
}

/// Returns a message for each failure in an agent's report, of its interfaces first, as the agent describes it, with
/// the system's error if there was one; empty if nothing failed.
pub fn failures(report: &Report) -> Vec<String> {
    let of_interfaces = report.interfaces.iter().filter_map(|one| match &one.state {
        InterfaceState::Failed(failure) => Some(message_of(failure)),
        InterfaceState::Unsupported(capability) => Some(format!(
            "{}: this agent has no capability {capability:?}",
            one.name
        )),
        InterfaceState::Up | InterfaceState::Waiting => None,
    });
    of_interfaces
        .chain(report.failures.iter().map(message_of))
        .collect()
}

fn message_of(failure: &Failure) -> String {
    match failure.errno {
        0 => failure.action.clone(),
        errno => {
            let reason = nix::errno::Errno::from_raw(errno).desc();
            format!("{}: {reason} (errno {errno})", failure.action)
        }
    }
}

#[cfg(test)]
mod tests;
