//! A set of numbers as disjoint intervals.

use std::collections::BTreeMap;

/// A set of numbers, kept as the fewest intervals: equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Intervals {
    /// First to last, both included; neither overlapping nor touching.
    by_first: BTreeMap<u128, u128>,
}

impl Intervals {
    /// Returns the set of all numbers in `first..=last`.
    pub(crate) fn of(first: u128, last: u128) -> Self {
        let mut all = Self::default();
        all.insert(first, last);
        all
    }

    /// Adds all numbers in `first..=last`.
    pub(crate) fn insert(&mut self, first: u128, last: u128) {
        if first > last {
            return;
        }
        let (mut low, mut high) = (first, last);
        // Whatever begins no later than just behind the new interval may overlap or touch it.
        while let Some((begin, end)) = self.at_or_before(last.saturating_add(1)) {
            if end.saturating_add(1) < first {
                break;
            }
            self.by_first.remove(&begin);
            low = low.min(begin);
            high = high.max(end);
        }
        self.by_first.insert(low, high);
    }

    /// Removes all numbers in `first..=last`.
    pub(crate) fn remove(&mut self, first: u128, last: u128) {
        if first > last {
            return;
        }
        while let Some((begin, end)) = self.at_or_before(last) {
            if end < first {
                break;
            }
            self.by_first.remove(&begin);
            if end > last {
                self.by_first.insert(last + 1, end);
            }
            if begin < first {
                self.by_first.insert(begin, first - 1);
            }
        }
    }

    /// Returns the lowest member that is not below `from`.
    pub(crate) fn next_from(&self, from: u128) -> Option<u128> {
        match self.at_or_before(from) {
            Some((_, end)) if end >= from => Some(from),
            _ => self.by_first.range(from..).next().map(|(begin, _)| *begin),
        }
    }

    fn at_or_before(&self, point: u128) -> Option<(u128, u128)> {
        let (begin, end) = self.by_first.range(..=point).next_back()?;
        Some((*begin, *end))
    }
}

#[cfg(test)]
mod tests;
