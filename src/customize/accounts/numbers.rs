//! Free numbers for users and groups, chosen as shadow-utils choose them: the one wished for, else the
//! one after the greatest in use, else the least free one.

use std::collections::BTreeSet;

/// A free number from `range` that is not in `used`.
pub(super) fn free(used: &BTreeSet<u32>, range: (u32, u32), wish: Option<u32>) -> Option<u32> {
    let (min, max) = range;
    if let Some(wish) = wish
        && (min..=max).contains(&wish)
        && !used.contains(&wish)
    {
        return Some(wish);
    }
    if min > max {
        return None;
    }
    match used.range(min..=max).next_back() {
        None => Some(min),
        Some(&greatest) if greatest < max => Some(greatest + 1),
        Some(_) => (min..=max).find(|id| !used.contains(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_greatest() {
        let used: BTreeSet<u32> = [0, 999, 1000, 1005, 65_534].into();
        assert_eq!(free(&used, (1000, 60_000), None), Some(1006));
        assert_eq!(free(&used, (1000, 60_000), Some(1003)), Some(1003));
        assert_eq!(free(&used, (1000, 60_000), Some(1005)), Some(1006));
        assert_eq!(free(&used, (1000, 60_000), Some(500)), Some(1006));
        assert_eq!(free(&used, (1000, 1005), None), Some(1001));
        assert_eq!(free(&used, (999, 1000), None), None);
        assert_eq!(free(&used, (2000, 3000), None), Some(2000));
        assert_eq!(free(&used, (9, 8), None), None);
    }
}
