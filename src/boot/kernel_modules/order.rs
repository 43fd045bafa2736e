//! An order in which everything comes after what it needs.

use std::collections::BTreeSet;

/// What one thing comes after, by number: where it would stand if it came after nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct After {
    /// It must.
    pub(super) needs: BTreeSet<usize>,
    /// It should.
    pub(super) likes: BTreeSet<usize>,
}

/// How many of each are still to come.
#[derive(Clone, Copy, Default)]
struct Waiting {
    needs: usize,
    likes: usize,
}

/// The numbers in order; at any time the lowest that may be next is, then the lowest that at least
/// needs nothing more. If there is none: numbers that need each other, each the next.
///
/// Takes time in the square of the length. Every number must be below the length.
pub(super) fn order(all: &[After]) -> Result<Vec<usize>, Vec<usize>> {
    let mut waiting = vec![Waiting::default(); all.len()];
    let mut before = vec![After::default(); all.len()];
    for (number, after) in all.iter().enumerate() {
        let likes = || after.likes.iter().filter(|liked| **liked != number);
        waiting[number] = Waiting { needs: after.needs.len(), likes: likes().count() };
        for needed in &after.needs {
            before[*needed].needs.insert(number);
        }
        for liked in likes() {
            before[*liked].likes.insert(number);
        }
    }
    let mut todo: BTreeSet<usize> = (0..all.len()).collect();
    let mut order = Vec::with_capacity(all.len());
    while !todo.is_empty() {
        let may = |number: &&usize| waiting[**number].needs == 0;
        let should = |number: &&usize| may(number) && waiting[**number].likes == 0;
        let next = todo.iter().find(should).or_else(|| todo.iter().find(may)).copied();
        let Some(next) = next else { return Err(circle(all, &todo)) };
        todo.remove(&next);
        order.push(next);
        for number in &before[next].needs {
            waiting[*number].needs -= 1;
        }
        for number in &before[next].likes {
            waiting[*number].likes -= 1;
        }
    }
    Ok(order)
}

/// Follows needs until one comes again; each of `todo` needs another of them.
fn circle(all: &[After], todo: &BTreeSet<usize>) -> Vec<usize> {
    let mut way = Vec::new();
    let mut next = todo.first().copied();
    while let Some(number) = next {
        if let Some(start) = way.iter().position(|passed| *passed == number) {
            return way.split_off(start);
        }
        way.push(number);
        next = all[number].needs.iter().find(|needed| todo.contains(needed)).copied();
    }
    way
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    fn after(needs: &[usize], likes: &[usize]) -> After {
        After { needs: needs.iter().copied().collect(), likes: likes.iter().copied().collect() }
    }

    #[test]
    fn everything_comes_as_early_as_it_can() {
        assert_eq!(order(&[]), Ok(vec![]));
        let all =
            [after(&[3], &[]), after(&[], &[]), after(&[], &[4]), after(&[], &[]), after(&[], &[])];
        assert_eq!(order(&all), Ok(vec![1, 3, 0, 4, 2]));
    }

    #[test]
    fn what_is_liked_gives_way() {
        assert_eq!(order(&[after(&[], &[0, 1]), after(&[], &[0])]), Ok(vec![0, 1]));
        assert_eq!(order(&[after(&[1], &[]), after(&[], &[0])]), Ok(vec![1, 0]));
    }

    #[test]
    fn a_circle_is_shown_and_nothing_that_leads_to_it() {
        assert_eq!(order(&[after(&[0], &[])]), Err(vec![0]));
        let all = [after(&[2], &[]), after(&[], &[]), after(&[3], &[]), after(&[1, 2], &[])];
        assert_eq!(order(&all), Err(vec![2, 3]));
    }

    proptest! {
        #[test]
        fn needs_come_first(
            edges in prop::collection::vec((any::<bool>(), 0_usize..12, 0_usize..12), 0..40),
        ) {
            let mut all = vec![After::default(); 12];
            for (is_need, number, other) in edges {
                let after = &mut all[number];
                if is_need { &mut after.needs } else { &mut after.likes }.insert(other);
            }
            match order(&all) {
                Ok(order) => {
                    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 12);
                    let at = |number| order.iter().position(|other| *other == number).unwrap();
                    for (number, after) in all.iter().enumerate() {
                        assert!(after.needs.iter().all(|needed| at(*needed) < at(number)));
                    }
                }
                Err(circle) => {
                    assert!(!circle.is_empty());
                    let mut pairs = circle.iter().zip(circle.iter().cycle().skip(1));
                    assert!(pairs.all(|(one, next)| all[*one].needs.contains(next)));
                }
            }
        }
    }
}
