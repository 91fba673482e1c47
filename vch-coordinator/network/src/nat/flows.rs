//! Deletes entries of the kernel's connection tracker when a published port changes: a changed rule alone does not
//! change the flows that it let in before.
//!
//! The kernel walks its whole table once for each address that the changed ports led to, and once for each datagram
//! protocol of the added ports. It returns only the flows that were translated to that address (for IPv6: that were
//! translated at all), or that asked for it. A walk over 262,144 buckets takes 6 ms.

use super::NatError;
use super::state::NatState;
use super::things::{protocol_number, targets};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use vch_ledger::desired::Segment;
use vch_ledger::{HostPort, PortBinding, Protocol};
use vch_nftables::{Conntrack, Flow, FlowFilter, IpVersion};

/// A change of a published port. Its flows in the connection tracker may have to end.
pub struct Move {
    /// The published port before the change; `None` if it is new.
    pub before: Option<PortBinding>,
    /// The published port after the change; `None` if it was removed.
    pub after: Option<PortBinding>,
}

impl Move {
    /// Returns the binding whose flows have to end, since no binding explains them any more.
    fn ended(&self) -> Option<&PortBinding> {
        let means = |one: &PortBinding| {
            let targets = one.target.clone();
            (targets, one.container_port, one.clients.clone())
        };
        let after = self.after.as_ref().map(means);
        let before = self.before.as_ref();
        before.filter(|before| Some(means(before)) != after)
    }

    /// Returns a binding that was added, and whose flows of datagrams would otherwise stay with the
    /// VCH itself: a TCP connection begins anew, but datagrams go on in the entry that they have.
    fn captures(&self) -> Option<&PortBinding> {
        let after = self.after.as_ref();
        after.filter(|after| self.before.is_none() && after.host.protocol != Protocol::Tcp)
    }
}

/// Deletes the connection tracker's entries of published ports that were removed or changed, and the entries by which
/// datagrams would miss a port that was added. Returns the number of deleted entries.
///
/// # Errors
/// Returns [`NatError`] if the kernel refuses to list or delete entries.
pub fn cut(tracker: &mut Conntrack, state: &NatState, moves: &[Move]) -> Result<usize, NatError> {
    let mut gone: BTreeMap<IpAddr, Vec<&PortBinding>> = BTreeMap::new();
    for before in moves.iter().filter_map(Move::ended) {
        for (_, target) in targets(before) {
            gone.entry(target).or_default().push(before);
        }
    }
    let mut flows = BTreeSet::new();
    for (target, bindings) in gone {
        let found = tracker.flows(FlowFilter::TranslatedTo(target))?;
        let ended = |flow: &Flow| bindings.iter().any(|one| is_of(one, flow, state));
        flows.extend(found.into_iter().filter(ended));
    }
    let mut come: BTreeMap<_, Vec<&PortBinding>> = BTreeMap::new();
    for after in moves.iter().filter_map(Move::captures) {
        for (version, _) in targets(after) {
            come.entry((version, protocol_number(after.host.protocol)))
                .or_default()
                .push(after);
        }
    }
    for ((version, protocol), bindings) in come {
        // The kernel leaves out the flows of other ports where there is one to ask for.
        let port = match bindings.as_slice() {
            [one] => Some(one.host.port),
            _ => None,
        };
        let found = tracker.flows(FlowFilter::AskedFor {
            version,
            protocol,
            port,
        })?;
        let kept = |flow: &Flow| bindings.iter().any(|one| stays(one, flow, state));
        flows.extend(found.into_iter().filter(kept));
    }
    delete(tracker, flows)
}

/// Deletes the connection tracker's entries of flows to containers for which no published port exists (any more). Used
/// at the start and after a failure. Returns the number of deleted entries.
///
/// # Errors
/// Returns [`NatError`] if the kernel refuses to list or delete entries.
pub fn sweep(tracker: &mut Conntrack, state: &NatState) -> Result<usize, NatError> {
    let mut flows = BTreeSet::new();
    for version in [IpVersion::V4, IpVersion::V6] {
        let found = tracker.flows(FlowFilter::Translated(version))?;
        flows.extend(found.into_iter().filter(|flow| is_stray(flow, state)));
    }
    delete(tracker, flows)
}

fn delete(tracker: &mut Conntrack, flows: BTreeSet<Flow>) -> Result<usize, NatError> {
    let mut deleted = 0;
    for flow in flows {
        deleted += usize::from(tracker.delete(&flow)?);
    }
    Ok(deleted)
}

/// Returns whether the binding led the flow: the flow was sent to the binding's port, and the
/// binding's target answers. A binding of the same port at that very address would have led it
/// instead.
fn is_of(binding: &PortBinding, flow: &Flow, state: &NatState) -> bool {
    let (asked, port) = flow.original.destination;
    let host = &binding.host;
    let at = match host.address {
        Some(address) if !address.is_unspecified() => asked == address,
        _ => {
            let particular = HostPort {
                address: Some(asked),
                ..*host
            };
            state.binding(&particular).is_none()
        }
    };
    let answers = targets(binding).any(|(_, target)| target == flow.reply.source.0);
    at && answers
        && flow.protocol == protocol_number(host.protocol)
        && port == host.port
        && flow.reply.source.1 == binding.container_port
}

/// Returns whether the flow went to the VCH itself at an address at which the binding has its port.
fn stays(binding: &PortBinding, flow: &Flow, state: &NatState) -> bool {
    let asked = flow.original.destination;
    let mut networks = state.networks();
    let own = networks.any(|network| {
        let default = match &network.segment {
            Segment::External(external) => external.published,
            Segment::Dedicated(_) | Segment::Shared(_) => !network.internal,
        };
        let at = match binding.host.address {
            None => default,
            Some(_) => true,
        };
        at && network.addresses.iter().any(|one| one.addr() == asked.0)
    });
    let own = own || (asked.0.is_ipv4() && asked.0.is_loopback());
    let at = match binding.host.address {
        Some(address) if !address.is_unspecified() => asked.0 == address,
        _ => own,
    };
    at && asked.1 == binding.host.port && asked == flow.reply.source
}

/// Returns whether a flow leads to a container, and no binding explains it.
fn is_stray(flow: &Flow, state: &NatState) -> bool {
    let (asked, port) = flow.original.destination;
    let target = flow.reply.source.0;
    let ours = state.networks().any(|network| {
        !matches!(network.segment, Segment::External(_))
            && network.subnets.iter().any(|net| net.contains(&target))
    });
    let any: IpAddr = match asked {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let protocol = protocols
        .into_iter()
        .find(|one| protocol_number(*one) == flow.protocol);
    let explained = protocol.is_some_and(|protocol| {
        [Some(asked), None, Some(any)].into_iter().any(|address| {
            let host = HostPort {
                protocol,
                address,
                port,
            };
            state
                .binding(&host)
                .is_some_and(|binding| is_of(binding, flow, state) && may_use(binding, flow))
        })
    });
    ours && !explained
}

fn may_use(binding: &PortBinding, flow: &Flow) -> bool {
    let client = flow.original.source.0;
    let clients = &binding.clients;
    clients.is_empty() || clients.iter().any(|net| net.contains(&client))
}
