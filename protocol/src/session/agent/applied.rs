//! Makes the agent's reports from its kernel's state, within the size of a frame.

use crate::frame::MAX_PAYLOAD;
use crate::message::{Failure, InterfaceReport, InterfaceState, MAX_ACTION, MAX_FAILURES, Report};
use crate::spec::{MAX_ADDRESSES, MAX_INTERFACES, MAX_ROUTES, SpecId};

/// `EMSGSIZE` of errno(3): message too long.
const MESSAGE_TOO_LONG: i32 = 90;

/// The state of the guest's network after the agent has applied a
/// [`NetSpec`](crate::spec::NetSpec). The agent's session numbers it, and sends it as a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The ID of the [`NetSpec`](crate::spec::NetSpec) that the agent applied.
    pub spec: SpecId,
    /// The state of each interface of the [`NetSpec`](crate::spec::NetSpec), in its order.
    pub interfaces: Vec<InterfaceReport>,
    /// The failures that concern no single interface, of the host name, for example; the session cuts them to the
    /// protocol's limits.
    pub failures: Vec<Failure>,
}

/// Returns the report of `applied` within the protocol's bounds: lists and texts are cut. If the
/// whole would still not fit a frame, routes and then addresses are left out, and a failure says
/// so.
pub(super) fn report(applied: &Applied, sequence: u64) -> Report {
    let mut report = Report {
        sequence,
        spec: applied.spec,
        interfaces: applied.interfaces.clone(),
        failures: applied.failures.clone(),
    };
    bound(&mut report);
    if !fits(&report) {
        report.interfaces.iter_mut().for_each(|i| i.routes.clear());
        report.failures.push(left_out("report routes"));
    }
    if !fits(&report) {
        report
            .interfaces
            .iter_mut()
            .for_each(|i| i.addresses.clear());
        report.failures.push(left_out("report addresses"));
    }
    report
}

fn left_out(action: &str) -> Failure {
    Failure {
        action: action.to_owned(),
        errno: MESSAGE_TOO_LONG,
    }
}

fn bound(report: &mut Report) {
    report.interfaces.truncate(MAX_INTERFACES);
    // Room for the two that may be added.
    report.failures.truncate(MAX_FAILURES - 2);
    report.failures.iter_mut().for_each(bound_failure);
    for interface in &mut report.interfaces {
        interface.addresses.truncate(MAX_ADDRESSES);
        interface.routes.truncate(MAX_ROUTES);
        if let InterfaceState::Failed(failure) = &mut interface.state {
            bound_failure(failure);
        }
    }
}

fn bound_failure(failure: &mut Failure) {
    failure.action = cut(std::mem::take(&mut failure.action), MAX_ACTION);
}

fn fits(report: &Report) -> bool {
    let bytes = postcard::experimental::serialized_size(report).unwrap_or(usize::MAX);
    // One byte names the variant of the message.
    bytes < MAX_PAYLOAD
}

/// Returns `text` cut to at most `limit` bytes, at the end of a character.
pub(super) fn cut(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}
