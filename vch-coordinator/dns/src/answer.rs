//! Decides how to answer a query, without I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use domain::base::Ttl;
use domain::base::iana::{OptRcode, Rtype};
use domain::base::name::Name as WireName;
use domain::base::rdata::ComposeRecordData;
use domain::rdata::{A, Aaaa, Ptr};

use crate::forward::Forward;
use crate::name::labels;
use crate::names::{Addresses, Names, Scope};
use crate::network_id::NetworkId;
use crate::query::{Query, Unfit};
use crate::reply::{MAX_RECORDS, Reply, Transport, header_only};
use crate::reverse::{self, Reverse};

/// The sender of a query, as the server knows it: its address, and the network at whose gateway the query arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The network whose gateway address received the query.
    pub network: NetworkId,
    /// The client's IP address.
    pub source: IpAddr,
    /// The transport by which the query arrived.
    pub transport: Transport,
}

/// What the server must do with a received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Send these bytes to the client as the reply.
    Reply(Vec<u8>),
    /// Forward the query to an upstream server.
    Forward(Forward),
    /// Send nothing, since the message is not a query: it is too short, or is itself a reply.
    Drop,
}

/// Decides what to do with a received `message` (any bytes) from `asker`, by the names and clients' views in `names`.
/// Sends nothing itself, and never panics. The result depends only on the arguments. A reply has the message's ID.
#[must_use]
pub fn answer(message: &[u8], asker: &Asker, names: &Names) -> Decision {
    let query = match Query::parse(message) {
        Ok(query) => query,
        Err(Unfit::Drop) => return Decision::Drop,
        Err(Unfit::Header(header, rcode)) => return Decision::Reply(header_only(header, rcode)),
        Err(Unfit::Refuse(query, rcode)) => {
            return Decision::Reply(Reply::new(&query, asker.transport).finish(rcode));
        }
    };
    let reply = Reply::new(&query, asker.transport);
    let Some(scope) = names.scope(asker.network, asker.source) else {
        return Decision::Reply(reply.finish(OptRcode::REFUSED));
    };
    let wire = query.name();
    let mut answering = Answering {
        query: &query,
        names,
        scope: &scope,
        reply,
    };
    let rcode = match answering.local(&wire) {
        Some(rcode) => rcode,
        None if names.is_internal(&scope) => OptRcode::NXDOMAIN,
        None if stays_here(&wire, query.question.qtype(), names) => OptRcode::NXDOMAIN,
        // Who does not want recursion (RFC 1034, 4.3.1) can only want what we have ourselves.
        None if !query.header.rd() => OptRcode::REFUSED,
        None => {
            let forward = Forward::new(&query, asker.transport);
            return Decision::Forward(forward.to(scope.upstreams()));
        }
    };
    Decision::Reply(answering.reply.finish(rcode))
}

/// Returns whether a name that is not published is nevertheless never asked upstream.
fn stays_here(wire: &[u8], qtype: Rtype, names: &Names) -> bool {
    let labels: Vec<&[u8]> = labels(wire).collect();
    match labels.as_slice() {
        // RFC 6761, 6.4, and RFC 7686, 2: known not to exist.
        [.., b"invalid" | b"onion"] => true,
        // A validating resolver in a container asks for these of every top-level domain.
        [_] if matches!(qtype, Rtype::NS | Rtype::SOA | Rtype::DS | Rtype::DNSKEY) => false,
        [_] => !names.policy().forward_single_labels,
        _ => false,
    }
}

struct Answering<'a> {
    query: &'a Query<'a>,
    names: &'a Names,
    scope: &'a Scope,
    reply: Reply,
}

impl Answering<'_> {
    /// Answers from what is known here; `None` where the name is not ours to answer.
    fn local(&mut self, wire: &[u8]) -> Option<OptRcode> {
        let (names, scope) = (self.names, self.scope);
        let known = names.addresses(scope, wire, |addresses, ttl| self.addresses(addresses, ttl));
        if known.is_some() {
            return Some(OptRcode::NOERROR);
        }
        if let Some(reverse) = reverse::parse(wire) {
            return self.reverse(reverse);
        }
        // RFC 6761, 6.3: localhost is answered by the nearest server.
        if labels(wire).last() == Some(b"localhost") {
            let own = Addresses {
                v4: [Ipv4Addr::LOCALHOST].into(),
                v6: [Ipv6Addr::LOCALHOST].into(),
            };
            self.addresses(&own, names.policy().ttl);
            return Some(OptRcode::NOERROR);
        }
        None
    }

    /// Writes the addresses of the type that was asked for: none at all is NODATA.
    fn addresses(&mut self, found: &Addresses, ttl: Duration) {
        let qtype = self.query.question.qtype();
        if matches!(qtype, Rtype::A | Rtype::ANY) {
            let records = rotated(found.v4.len(), self.query.header.id());
            self.records(
                records
                    .filter_map(|at| found.v4.get_index(at))
                    .map(|a| A::new(*a)),
                ttl,
            );
        }
        if matches!(qtype, Rtype::AAAA | Rtype::ANY) {
            let records = rotated(found.v6.len(), self.query.header.id());
            self.records(
                records
                    .filter_map(|at| found.v6.get_index(at))
                    .map(|a| Aaaa::new(*a)),
                ttl,
            );
        }
    }

    fn reverse(&mut self, reverse: Reverse) -> Option<OptRcode> {
        let address = (reverse.exact
            && reverse.prefix.prefix_len() == reverse.prefix.max_prefix_len())
        .then(|| reverse.prefix.addr());
        if let Some((found, ttl)) = address.and_then(|at| self.names.pointers(self.scope, at)) {
            if matches!(self.query.question.qtype(), Rtype::PTR | Rtype::ANY) {
                let names = found
                    .iter()
                    .filter_map(|name| WireName::from_slice(name.as_wire()).ok());
                self.records(names.map(Ptr::new), ttl);
            }
            return Some(OptRcode::NOERROR);
        }
        if !self.names.owns(reverse.prefix) {
            return None;
        }
        // A shorter name in our zone has addresses below it, so it exists (RFC 8020, 2).
        Some(if reverse.exact && address.is_none() {
            OptRcode::NOERROR
        } else {
            OptRcode::NXDOMAIN
        })
    }

    fn records<D: ComposeRecordData>(&mut self, records: impl Iterator<Item = D>, ttl: Duration) {
        let ttl = Ttl::from_duration_lossy(ttl);
        for data in records.take(MAX_RECORDS) {
            if !self.reply.push(self.query.question.qname(), ttl, data) {
                break;
            }
        }
    }
}

/// Returns all positions, from one that the query's ID chooses: IDs are random, so that over many
/// queries every address comes first equally often, and threads share no counter.
fn rotated(length: usize, id: u16) -> impl Iterator<Item = usize> {
    let first = usize::from(id).checked_rem(length).unwrap_or_default();
    (first..length).chain(0..first)
}

#[cfg(test)]
mod tests;
