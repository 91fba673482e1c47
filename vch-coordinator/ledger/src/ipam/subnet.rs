//! The addresses of one subnet: in use, resting, free.

use super::{intervals::Intervals, range};
use crate::{AddressRange, EndpointId, Grants, Revision, Subnet};
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};

/// The allocator of one subnet's addresses.
///
/// An automatic address is the next free one from the cursor on, so that a released address lies
/// behind the cursor. The addresses released last also rest: they are listed, and reused, oldest
/// first, only if no other is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubnetState {
    net: IpNet,
    /// The addresses that may be given out automatically: granted, in the range, a host's, not
    /// reserved.
    automatic: Intervals,
    /// The automatic addresses that are neither in use nor resting.
    free: Intervals,
    taken: BTreeMap<u128, EndpointId>,
    resting: BTreeMap<Revision, u128>,
    since: BTreeMap<u128, Revision>,
    cursor: Option<u128>,
}

/// An automatic address, and the position of the cursor after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) address: IpAddr,
    /// The cursor's next position; `None` leaves it as it is.
    pub(crate) cursor: Option<IpAddr>,
}

impl SubnetState {
    pub(crate) fn new(subnet: &Subnet, grants: &Grants) -> Self {
        let automatic = automatic(subnet, grants);
        Self {
            net: subnet.net,
            free: automatic.clone(),
            automatic,
            taken: BTreeMap::new(),
            resting: BTreeMap::new(),
            since: BTreeMap::new(),
            cursor: None,
        }
    }

    pub(crate) fn net(&self) -> IpNet {
        self.net
    }

    /// Returns the address to give out next; `None` if all are taken.
    pub(crate) fn choose(&self) -> Option<Choice> {
        let from = self.cursor.unwrap_or(0);
        let free = self.free.next_from(from).or_else(|| self.free.next_from(0));
        if let Some(number) = free {
            return Some(Choice {
                address: self.address(number),
                cursor: Some(self.address(number.saturating_add(1).min(self.last()))),
            });
        }
        let (_, number) = self.resting.first_key_value()?;
        Some(Choice {
            address: self.address(*number),
            cursor: None,
        })
    }

    pub(crate) fn holder(&self, address: IpAddr) -> Option<EndpointId> {
        self.taken.get(&range::number(address)).copied()
    }

    /// Returns whether automatic addresses include this one.
    pub(crate) fn is_automatic(&self, address: IpAddr) -> bool {
        let number = range::number(address);
        self.automatic.next_from(number) == Some(number)
    }

    /// Returns the number of resting addresses.
    pub(crate) fn resting(&self) -> usize {
        self.resting.len()
    }

    /// Returns the address that has rested longest, with the transaction that released it.
    pub(crate) fn oldest_resting(&self) -> Option<(IpAddr, Revision)> {
        let (since, number) = self.resting.first_key_value()?;
        Some((self.address(*number), *since))
    }

    /// Returns the transaction that released a resting address; `None` if it does not rest.
    pub(crate) fn rests_since(&self, address: IpAddr) -> Option<Revision> {
        self.since.get(&range::number(address)).copied()
    }

    /// Returns whether an address rests since this transaction; at most one does.
    pub(crate) fn began_to_rest(&self, since: Revision) -> bool {
        self.resting.contains_key(&since)
    }

    /// Returns all resting addresses, oldest first, with the transactions that released them.
    pub(crate) fn all_resting(&self) -> impl Iterator<Item = (IpAddr, Revision)> {
        let rest = self.resting.iter();
        rest.map(|(since, number)| (self.address(*number), *since))
    }

    /// Returns the address at which the next search begins.
    pub(crate) fn cursor(&self) -> Option<IpAddr> {
        self.cursor.map(|number| self.address(number))
    }

    pub(crate) fn set_cursor(&mut self, cursor: Option<IpAddr>) {
        self.cursor = cursor.map(range::number);
    }

    pub(crate) fn take(&mut self, address: IpAddr, endpoint: EndpointId) {
        let number = range::number(address);
        self.taken.insert(number, endpoint);
        self.free.remove(number, number);
    }

    pub(crate) fn release(&mut self, address: IpAddr) {
        let number = range::number(address);
        self.taken.remove(&number);
        self.free_if_idle(number);
    }

    pub(crate) fn rest(&mut self, address: IpAddr, since: Revision) {
        let number = range::number(address);
        self.resting.insert(since, number);
        self.since.insert(number, since);
        self.free.remove(number, number);
    }

    pub(crate) fn rouse(&mut self, address: IpAddr) {
        let number = range::number(address);
        if let Some(since) = self.since.remove(&number) {
            self.resting.remove(&since);
        }
        self.free_if_idle(number);
    }

    /// Takes over from another state what belongs to this subnet too: the addresses in use, the resting ones, and the
    /// cursor if both subnets begin at the same address.
    pub(crate) fn take_over(&mut self, other: &Self) {
        for (number, endpoint) in &other.taken {
            let address = other.address(*number);
            if self.net.contains(&address) {
                self.take(address, *endpoint);
            }
        }
        for (address, since) in other.all_resting() {
            if self.net.contains(&address) && self.is_automatic(address) {
                self.rest(address, since);
            }
        }
        if self.net.network() == other.net.network() {
            let cursor = other.cursor();
            self.set_cursor(cursor.filter(|cursor| self.net.contains(cursor)));
        }
    }

    /// Marks an address as free if it is neither in use nor resting, whatever the order in which a
    /// transaction's changes are applied.
    fn free_if_idle(&mut self, number: u128) {
        let idle = !self.taken.contains_key(&number) && !self.since.contains_key(&number);
        if idle && self.automatic.next_from(number) == Some(number) {
            self.free.insert(number, number);
        }
    }

    fn address(&self, number: u128) -> IpAddr {
        range::address(number, self.net.addr().is_ipv4())
    }

    fn last(&self) -> u128 {
        range::number(self.net.broadcast())
    }
}

fn automatic(subnet: &Subnet, grants: &Grants) -> Intervals {
    let mut set = Intervals::default();
    let (low, high) = subnet.hosts();
    let whole = [AddressRange::from(subnet.net)];
    let ranges = match subnet.ranges.as_slice() {
        [] => &whole,
        ranges => ranges,
    };
    for granted in grants.of(subnet) {
        let (first, last) = granted.bounds();
        for range in ranges {
            let (begin, end) = range.bounds();
            set.insert(first.max(begin).max(low), last.min(end).min(high));
        }
    }
    for kept in subnet.kept() {
        let number = range::number(kept);
        set.remove(number, number);
    }
    set
}

#[cfg(test)]
mod tests;
