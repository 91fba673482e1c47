//! What is known of a container's agent.

use protocol::{
    message::{Failure, InterfaceState, Report},
    spec::{InterfaceName, SpecId},
};

/// What a person is told when an agent is ahead of the ledger.
pub const AHEAD: &str = "the agent holds a later network than the store knows of: was the store \
    taken back to an older copy? Start the container again: `vchctl container start`";

/// What is known of a container's agent; changes as it speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// The agent's name and release while the session is live.
    pub agent: Option<String>,
    /// Its newest report: kept when the session ends, and over a restart of the coordinator.
    pub report: Option<Report>,
    /// The spec that the agent held when the session began.
    pub held: Option<SpecId>,
}

/// Whether a VM's network is what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The newest report is about the wanted spec, and everything is up.
    Ready,
    /// Not yet: no such report, or a NIC is awaited.
    Pending,
    /// Something was refused: in words.
    Failed(Vec<String>),
}

/// Whether one interface is what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// As the spec says, and up.
    Up,
    /// Its NIC is not there yet.
    Waiting,
    /// Something was refused.
    Failed,
    /// The agent can't do it.
    Unsupported,
    /// No report about it yet.
    Pending,
}

impl SessionState {
    /// Whether the VM's network is that of `spec`, or of a later one of the same life.
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

    /// Whether the agent holds a later spec of the same life than the ledger has: it takes no
    /// older one, until a new life begins.
    pub fn is_ahead(&self, spec: SpecId) -> bool {
        let later = |held: SpecId| {
            held.incarnation == spec.incarnation && held.generation > spec.generation
        };
        self.held.is_some_and(later)
    }

    /// The newest report, where it is about `spec` or a later one of the same life.
    pub fn reported(&self, spec: SpecId) -> Option<&Report> {
        let report = self.report.as_ref()?;
        let same_life = report.spec.incarnation == spec.incarnation;
        (same_life && report.spec.generation >= spec.generation).then_some(report)
    }

    /// What became of one interface of `spec`, or of a later spec of the same life.
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

/// What an agent could not do, in words.
pub fn failures(report: &Report) -> Vec<String> {
    let of_interfaces = report.interfaces.iter().filter_map(|one| match &one.state {
        InterfaceState::Failed(failure) => Some(words(failure)),
        InterfaceState::Unsupported(capability) => Some(format!(
            "{}: this agent has no capability {capability:?}",
            one.name
        )),
        InterfaceState::Up | InterfaceState::Waiting => None,
    });
    of_interfaces
        .chain(report.failures.iter().map(words))
        .collect()
}

fn words(failure: &Failure) -> String {
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
