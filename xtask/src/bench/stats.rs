//! Medians, and ratios that survive a machine whose speed changes from minute to minute.

/// The middle value, or the mean of the two in the middle; none of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => None,
        1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The smallest value; none of nothing.
pub fn minimum(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

/// The median of the ratios of each round. What slows a whole round down cancels out.
pub fn ratio(of: &[f64], to: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    median(&ratios)
}

/// The straight line nearest to points: where it is at 0, and how much it rises for 1. None if
/// the points lie above each other.
pub fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let mean = |values: &dyn Fn(&(f64, f64)) -> f64| {
        let count = points.iter().fold(0.0, |count, _| count + 1.0);
        points.iter().map(values).sum::<f64>() / count
    };
    let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
    let spread = mean(&|point| (point.0 - x).powi(2));
    let rise = mean(&|point| (point.0 - x) * (point.1 - y)) / spread;
    (spread > 0.0).then_some((y - rise * x, rise))
}

/// How far the worst of the points is from the line nearest to them all, as part of the largest.
pub fn bend(points: &[(f64, f64)]) -> Option<f64> {
    let (start, rise) = line(points)?;
    let largest = points.iter().map(|point| point.1).max_by(f64::total_cmp)?;
    let off = points.iter().map(|(x, y)| (y - start - rise * x).abs());
    Some(off.max_by(f64::total_cmp)? / largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
        assert_eq!(minimum(&[4.0, 1.0, 9.0]), Some(1.0));
    }

    #[test]
    fn a_slow_round_does_not_change_the_ratio() {
        assert_eq!(ratio(&[2.0, 20.0, 2.0], &[1.0, 10.0, 1.0]), Some(2.0));
        assert_eq!(ratio(&[], &[]), None);
    }

    #[test]
    fn a_line_has_no_bend() {
        let straight = [(1.0, 3.0), (2.0, 5.0), (4.0, 9.0)];
        let (start, rise) = line(&straight).unwrap();
        assert!((start - 1.0).abs() < 1e-9 && (rise - 2.0).abs() < 1e-9);
        assert!(bend(&straight).unwrap() < 1e-9);
        assert!(bend(&[(1.0, 1.0), (2.0, 4.0), (3.0, 9.0)]).unwrap() > 0.03);
        assert_eq!(line(&[(1.0, 1.0), (1.0, 2.0)]), None);
    }
}
