//! The subnets in use, and the next one that is free.

use super::{AddressRange, intervals::Intervals, range};
use crate::{NetworkId, Pool};
use ipnet::IpNet;
use std::collections::BTreeMap;

/// Every subnet in use, and the rest of the pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// By family and first address; disjoint.
    used: BTreeMap<(bool, u128), (IpNet, NetworkId)>,
    pools: Vec<PoolState>,
}

impl Space {
    pub(crate) fn new(pools: impl IntoIterator<Item = Pool>) -> Self {
        Self {
            used: BTreeMap::new(),
            pools: pools.into_iter().map(PoolState::new).collect(),
        }
    }

    /// Returns a subnet in use that overlaps `net`, with its network.
    pub(crate) fn overlap(&self, net: &IpNet) -> Option<(IpNet, NetworkId)> {
        self.overlaps(net).next()
    }

    /// Returns every subnet in use that overlaps `net`, with its network.
    pub(crate) fn overlaps(&self, net: &IpNet) -> impl Iterator<Item = (IpNet, NetworkId)> {
        let v4 = net.addr().is_ipv4();
        let (first, last) = AddressRange::from(*net).bounds();
        // They are disjoint: the one that begins last also ends last.
        let begun = self.used.range((v4, 0)..=(v4, last)).rev();
        let met =
            begun.take_while(move |(_, (used, _))| AddressRange::from(*used).bounds().1 >= first);
        met.map(|(_, found)| *found)
    }

    /// Marks `net`, which must overlap no other subnet, as in use.
    pub(crate) fn occupy(&mut self, net: IpNet, network: NetworkId) {
        let key = (net.addr().is_ipv4(), range::number(net.network()));
        if self.used.insert(key, (net, network)).is_none() {
            self.pools.iter_mut().for_each(|pool| pool.occupy(&net));
        }
    }

    /// Marks `net` as free.
    pub(crate) fn vacate(&mut self, net: IpNet) {
        let key = (net.addr().is_ipv4(), range::number(net.network()));
        if self.used.remove(&key).is_some() {
            self.pools.iter_mut().for_each(|pool| pool.vacate(&net));
        }
    }

    /// Returns the first subnet of a family's pools that overlaps no subnet in use, no subnet of
    /// `also` and no route of the host.
    pub(crate) fn choose(
        &self,
        v4: bool,
        also: &[IpNet],
        host_overlap: &dyn Fn(&IpNet) -> Option<IpNet>,
    ) -> Option<IpNet> {
        let obstacle = |net: &IpNet| {
            let mut meeting = also
                .iter()
                .filter(|other| other.contains(net) || net.contains(*other));
            meeting.next().copied().or_else(|| host_overlap(net))
        };
        let mut pools = self.pools.iter().filter(|pool| pool.v4() == v4);
        pools.find_map(|pool| pool.choose(&obstacle))
    }
}

/// One pool, cut into blocks that are numbered from zero.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PoolState {
    pool: Pool,
    first: u128,
    last: u128,
    /// Bits of an address behind the block's number.
    shift: u32,
    /// Blocks that no subnet in use touches.
    free: Intervals,
    /// How many subnets touch a block of which they begin or end inside. A subnet's other blocks
    /// are its own and need no count.
    ends: BTreeMap<u128, u32>,
}

impl PoolState {
    fn new(pool: Pool) -> Self {
        let (first, last) = AddressRange::from(pool.base()).bounds();
        let shift = u32::from(pool.base().max_prefix_len() - pool.size());
        let free = Intervals::of(0, (last - first) >> shift);
        Self {
            pool,
            first,
            last,
            shift,
            free,
            ends: BTreeMap::new(),
        }
    }

    fn v4(&self) -> bool {
        self.pool.base().addr().is_ipv4()
    }

    /// Returns the numbers of the first and the last block that a subnet touches.
    fn blocks(&self, net: &IpNet) -> Option<(u128, u128)> {
        let (first, last) = AddressRange::from(*net).bounds();
        if net.addr().is_ipv4() != self.v4() || last < self.first || first > self.last {
            return None;
        }
        let block = |number: u128| (number.clamp(self.first, self.last) - self.first) >> self.shift;
        Some((block(first), block(last)))
    }

    fn occupy(&mut self, net: &IpNet) {
        let Some((low, high)) = self.blocks(net) else {
            return;
        };
        self.free.remove(low, high);
        for end in ends(low, high) {
            *self.ends.entry(end).or_default() += 1;
        }
    }

    fn vacate(&mut self, net: &IpNet) {
        let Some((low, high)) = self.blocks(net) else {
            return;
        };
        for end in ends(low, high) {
            match self.ends.get_mut(&end) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    self.ends.remove(&end);
                    self.free.insert(end, end);
                }
            }
        }
        if high - low > 1 {
            self.free.insert(low + 1, high - 1);
        }
    }

    fn choose(&self, obstacle: &dyn Fn(&IpNet) -> Option<IpNet>) -> Option<IpNet> {
        let mut from = 0;
        loop {
            let block = self.free.next_from(from)?;
            let address = range::address(self.first + (block << self.shift), self.v4());
            let net = IpNet::new(address, self.pool.size()).ok()?;
            let Some(met) = obstacle(&net) else {
                return Some(net);
            };
            // Go on behind the obstacle, and always go on.
            let behind = self.blocks(&met).map_or(block, |(_, high)| high.max(block));
            from = behind + 1;
        }
    }
}

fn ends(low: u128, high: u128) -> impl Iterator<Item = u128> {
    std::iter::once(low).chain((high != low).then_some(high))
}

#[cfg(test)]
mod tests;
