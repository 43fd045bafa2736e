//! Sets of byte positions, as ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// Ranges that neither touch nor overlap: the end of each by its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        // those that end where it begins or later, and begin where it ends or before
        while let Some((&other, &other_end)) = self.0.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            self.0.remove(&other);
            start = start.min(other);
            end = end.max(other_end);
        }
        self.0.insert(start, end);
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        while let Some((&start, &end)) = self.0.range(..range.end).next_back() {
            if end <= range.start {
                break;
            }
            self.0.remove(&start);
            if range.end < end {
                self.0.insert(range.end, end);
            }
            if start < range.start {
                self.0.insert(start, range.start);
                break;
            }
        }
    }

    /// What is in both, in order.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let Range { start, end } = range;
        let first = self.0.range(..=start).next_back().map_or(start, |(first, _)| *first);
        self.0
            .range(first..end.max(first))
            .map(move |(from, to)| start.max(*from)..end.min(*to))
            .filter(|part| !part.is_empty())
    }

    /// What of the range is missing, in order.
    pub fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        for part in self.within(range.clone()) {
            gaps.push(at..part.start);
            at = part.end;
        }
        gaps.push(at..range.end);
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEN: u64 = 64;

    proptest! {
        #[test]
        fn ranges_are_sets(
            steps in proptest::collection::vec((any::<bool>(), 0..LEN, 0..LEN), 0..40),
            (from, to) in (0..LEN, 0..LEN),
        ) {
            let mut ranges = Ranges::default();
            let mut model = [false; 64];
            for (adds, start, end) in steps {
                match adds {
                    true => ranges.insert(start..end),
                    false => ranges.remove(start..end),
                }
                for at in start..end {
                    model[usize::try_from(at).unwrap()] = adds;
                }
            }
            let is_in = |at: &u64| model[usize::try_from(*at).unwrap()];
            let within: Vec<u64> = ranges.within(from..to).flatten().collect();
            prop_assert_eq!(within, (from..to).filter(is_in).collect::<Vec<_>>());
            let gaps: Vec<u64> = ranges.gaps(from..to).into_iter().flatten().collect();
            prop_assert_eq!(gaps, (from..to).filter(|at| !is_in(at)).collect::<Vec<_>>());
            let parts: Vec<_> = ranges.within(0..LEN).collect();
            prop_assert!(parts.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", parts);
        }
    }
}
