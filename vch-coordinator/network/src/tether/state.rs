//! The state of a container's session, as the rest of the coordinator sees it.

use protocol::{
    message::{Failure, InterfaceState, Report},
    spec::{InterfaceName, SpecId},
};

/// The message for an administrator when an agent holds a later spec than the ledger has.
pub const AHEAD: &str = "the agent holds a later network than the store knows of: was the store \
    taken back to an older copy? Start the container again: `vchctl container start`";

/// The state of the session with a container's agent; updated as the agent sends messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// The agent's name and release while the session is live; `None` otherwise.
    pub agent: Option<String>,
    /// The agent's newest report; kept when the session ends, and when the coordinator restarts.
    pub report: Option<Report>,
    /// The spec that the agent held when the session began.
    pub held: Option<SpecId>,
}

/// Whether a VM's network is as its spec says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The newest report is about the wanted spec, and every interface is up.
    Ready,
    /// The agent has not reported the wanted spec, or a NIC is awaited.
    Pending,
    /// The agent reports refusals: one message each.
    Failed(Vec<String>),
}

/// Whether one interface is as its spec says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// The interface is up, as the spec says.
    Up,
    /// The agent waits for the interface's NIC.
    Waiting,
    /// The guest's kernel refused something.
    Failed,
    /// The agent's release does not support something that the spec asks for.
    Unsupported,
    /// The agent has not reported the interface yet.
    Pending,
}

impl SessionState {
    /// Returns whether the VM's network is that of `spec`, or of a later generation of the same
    /// incarnation.
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

    /// Returns whether the agent holds a later generation of the same incarnation than the ledger
    /// has. The agent takes no older one until a new incarnation begins.
    pub fn is_ahead(&self, spec: SpecId) -> bool {
        let later = |held: SpecId| {
            held.incarnation == spec.incarnation && held.generation > spec.generation
        };
        self.held.is_some_and(later)
    }

    /// Returns the newest report if it is about `spec` or a later generation of the same
    /// incarnation.
    pub fn reported(&self, spec: SpecId) -> Option<&Report> {
        let report = self.report.as_ref()?;
        let same_life = report.spec.incarnation == spec.incarnation;
        (same_life && report.spec.generation >= spec.generation).then_some(report)
    }

    /// Returns the state of one interface of `spec`, or of a later generation of the same
    /// incarnation.
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

/// Returns a message for each failure in an agent's report.
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
