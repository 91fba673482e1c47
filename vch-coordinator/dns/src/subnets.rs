//! The subnets of all networks, with a lookup whether a prefix lies inside one of them.

use std::collections::BTreeMap;

use ipnet::IpNet;

/// A multiset of subnets. A lookup probes once for each prefix length in use, so its cost does not
/// grow with the number of subnets, and it is right for nested and overlapping subnets too.
#[derive(Debug, Default)]
pub(crate) struct Subnets {
    nets: BTreeMap<IpNet, usize>,
    lengths: BTreeMap<u8, usize>,
}

impl Subnets {
    pub(crate) fn add(&mut self, subnet: IpNet) {
        let subnet = subnet.trunc();
        *self.nets.entry(subnet).or_default() += 1;
        *self.lengths.entry(subnet.prefix_len()).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, subnet: IpNet) {
        let subnet = subnet.trunc();
        if decrement(&mut self.nets, &subnet) {
            decrement(&mut self.lengths, &subnet.prefix_len());
        }
    }

    /// Returns whether one of the subnets contains the whole of `prefix`.
    pub(crate) fn cover(&self, prefix: IpNet) -> bool {
        self.lengths
            .range(..=prefix.prefix_len())
            .filter_map(|(&length, _)| IpNet::new(prefix.addr(), length).ok())
            .any(|candidate| self.nets.contains_key(&candidate.trunc()))
    }
}

fn decrement<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else {
        return false;
    };
    *count -= 1;
    if *count == 0 {
        counts.remove(key);
    }
    true
}

#[cfg(test)]
mod tests;
