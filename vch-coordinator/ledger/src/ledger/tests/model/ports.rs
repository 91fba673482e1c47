//! The model's ports: which container has which, found by looking at every container.

use super::{
    op::{EPHEMERAL, NETWORKS, PORTS, configurations, request},
    reference::Model,
};
use crate::{ContainerPort, PortNumber, Protocol};
use std::{collections::BTreeMap, net::IpAddr};

/// A port of the VCH that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) network: usize,
    pub(super) port: u16,
}

impl Model {
    /// Returns the requests of a container in the order in which they are decided: named ports
    /// first, then those that had a chosen port, then the rest.
    fn wanted(&self, container: usize) -> Vec<usize> {
        let state = &self.containers[&container];
        let wanted = state.ports.iter().copied();
        let mut wanted: Vec<usize> = wanted.filter(|n| request(n).publish.is_some()).collect();
        wanted.sort_by_key(|n| {
            let ephemeral = request(n).publish.unwrap().port.is_none();
            (ephemeral, !state.chosen.contains_key(n), request(n))
        });
        wanted
    }

    /// Returns the bridges that a container is on, ordered by name.
    pub(super) fn carriers(&self, container: usize) -> Vec<usize> {
        let on = self.networks.iter();
        let on = on.filter(|(_, network)| network.of(container).is_some() && !network.outside);
        let mut carriers: Vec<usize> = on.map(|(n, _)| *n).collect();
        carriers.sort_by_key(|n| NETWORKS[*n]);
        carriers
    }

    fn published_by_default(&self, address: IpAddr) -> bool {
        let externals = configurations()[self.configuration].clone();
        !externals.iter().any(|external| {
            !external.external.published && external.subnets[0].vch == Some(address)
        })
    }

    /// Returns whether two uses of one port of the VCH conflict, one at each address.
    pub(super) fn same(&self, one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
        match (one, other) {
            (None, None) => true,
            (Some(one), None) | (None, Some(one)) => {
                one.is_unspecified() || self.published_by_default(one)
            }
            (Some(one), Some(other)) => {
                let v4 = one.is_ipv4() == other.is_ipv4();
                one == other || (v4 && (one.is_unspecified() || other.is_unspecified()))
            }
        }
    }

    fn holder(&self, number: PortNumber, address: Option<IpAddr>, but: usize) -> Option<usize> {
        let bound = self.bound.iter().find(|((container, n), bound)| {
            let publish = request(n).publish.unwrap();
            let there = PortNumber {
                protocol: request(n).number.protocol,
                port: bound.port,
            };
            *container != but && there == number && self.same(publish.address, address)
        });
        bound.map(|((container, _), _)| *container)
    }

    /// Returns the ports that would be in force for a container, or the first refusal; with `skip`,
    /// leaves out the refused ones.
    pub(super) fn in_force(
        &self,
        container: usize,
        skip: bool,
    ) -> Result<BTreeMap<usize, Bound>, &'static str> {
        let carriers = self.carriers(container);
        let mut bound = BTreeMap::new();
        if !self.containers[&container].runs || carriers.is_empty() {
            return Ok(bound);
        }
        for n in self.wanted(container) {
            match self.bind(container, n, &carriers, &bound) {
                Ok(one) => {
                    bound.insert(n, one);
                }
                Err(code) if !skip => return Err(code),
                Err(_) => {}
            }
        }
        Ok(bound)
    }

    fn bind(
        &self,
        container: usize,
        n: usize,
        carriers: &[usize],
        own: &BTreeMap<usize, Bound>,
    ) -> Result<Bound, &'static str> {
        let ContainerPort { number, publish } = request(&n);
        let publish = publish.unwrap();
        if publish.address.is_some_and(|address| address.is_ipv6()) {
            return Err("port-family");
        }
        let before = self.bound.get(&(container, n));
        let stays = before.filter(|before| carriers.contains(&before.network));
        let network = stays.map_or(carriers[0], |before| before.network);
        let protocol = number.protocol;
        let Some(port) = publish.port else {
            let port = match before {
                Some(before) => before.port,
                None => self.ephemeral(container, n, own)?,
            };
            return Ok(Bound { network, port });
        };
        let twice = own.iter().any(|(other, bound)| {
            let ContainerPort { number, publish } = request(other);
            let address = publish.unwrap().address;
            number.protocol == protocol
                && bound.port == port
                && self.same(address, request(&n).publish.unwrap().address)
        });
        let chosen = self.bound.iter().any(|((other, n), bound)| {
            let ephemeral = request(n).publish.unwrap().port.is_none();
            *other == container && ephemeral && protocol == Protocol::Tcp && bound.port == port
        });
        if twice || chosen {
            return Err("port-twice");
        }
        let number = PortNumber { protocol, port };
        if before.is_none() && self.holder(number, publish.address, container).is_some() {
            return Err("port-taken");
        }
        Ok(Bound { network, port })
    }

    /// Returns the port that the request had, if it is free; else 0, for any that the ledger
    /// chooses.
    fn ephemeral(
        &self,
        container: usize,
        n: usize,
        own: &BTreeMap<usize, Bound>,
    ) -> Result<u16, &'static str> {
        let tcp = |port| PortNumber {
            protocol: Protocol::Tcp,
            port,
        };
        let mine = |port: u16| own.values().any(|bound| bound.port == port);
        let free = |port: &u16| self.holder(tcp(*port), None, container).is_none() && !mine(*port);
        let last = self.containers[&container].chosen.get(&n).copied();
        if let Some(last) = last.filter(free) {
            return Ok(last);
        }
        let mut range = EPHEMERAL;
        match range.find(free) {
            Some(_) => Ok(0),
            None => Err("ports-exhausted"),
        }
    }

    /// Returns whether all of a container's networks are external, and one of these ports is not
    /// possible there.
    pub(super) fn outside_only(
        &self,
        container: usize,
        ports: &[usize],
        also: Option<usize>,
    ) -> bool {
        let on = self.networks.iter();
        let on = on.filter(|(_, network)| network.of(container).is_some());
        let networks: Vec<usize> = on.map(|(n, _)| *n).chain(also).collect();
        !networks.is_empty()
            && networks.iter().all(|n| self.networks[n].outside)
            && ports.iter().any(|n| !plain(*n))
    }

    /// Returns whether two of the requests are for one port of the VCH.
    pub(super) fn twice(&self, ports: &[usize]) -> bool {
        let named = |n: &usize| {
            let ContainerPort { number, publish } = request(n);
            let publish = publish?;
            Some((number.protocol, publish.port?, publish.address))
        };
        ports.iter().enumerate().any(|(index, one)| {
            ports[..index]
                .iter()
                .any(|other| match (named(one), named(other)) {
                    (Some(a), Some(b)) => {
                        one != other && (a.0, a.1) == (b.0, b.1) && self.same(a.2, b.2)
                    }
                    _ => false,
                })
        })
    }

    /// Returns the ports of a container that are open on external networks.
    pub(super) fn opened(&self, container: usize) -> Vec<PortNumber> {
        let state = &self.containers[&container];
        let open = state.ports.iter().filter(|n| state.runs && plain(**n));
        let mut open: Vec<PortNumber> = open.map(|n| request(n).number).collect();
        open.sort_unstable();
        open.dedup();
        open
    }
}

fn plain(n: usize) -> bool {
    // 80, 80:80, :80 and 53:53.
    matches!(PORTS[n], "80" | "80:80" | ":80" | "53:53/udp")
}
