//! Where a long series changes its level: E-divisive in windows, as Hunter and Apache Otava do it.
//!
//! Sources: D. Matteson and N. James, "A nonparametric approach for multiple change point analysis
//! of multivariate data", JASA 109 (2014), for the statistic and its test by permutation; M.
//! Fleming et al., "Hunter: using change point detection to hunt for performance regressions", ICPE
//! 2023, for windows, weak candidates and their merging. Hunter tests by Student's t at the place
//! that looked best, and so finds more than its p value says; here the best place of each
//! permutation is compared, which keeps the level whatever the law. Runs must not depend on each
//! other.

use crate::location::hodges_lehmann;
use crate::random::SplitMix64;

/// A change of level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// The first value of the new level.
    pub index: usize,
    /// The level before it, back to the change point before.
    pub before: f64,
    /// The level from it on, up to the next change point.
    pub after: f64,
    /// How probable a change as clear is, anywhere in these two stretches, if there is none.
    pub p: f64,
}

/// Values looked at together, as in Otava: older ones say little of today, and the work grows with
/// the square.
const WINDOW: usize = 50;

/// Fewest values of a level: fewer are outliers as easily.
const LEVEL_MIN: usize = 3;

/// Permutations tried, and the p value to reach, for a candidate in a window. Ten times as easily
/// as in the end, as in Otava: what stands beside another change looks weaker than it is.
const WEAK: (u32, f64) = (199, 0.01);

/// The same for a change point in the end: p < .001.
const STRONG: (u32, f64) = (1999, 0.000_999);

/// The change points of `series` (logarithms, so that a change is a ratio), in order. Changes of
/// less than `least` are left out. `seed` decides the permutations that are tried.
///
/// # Panics
/// With a value that is not finite.
#[must_use]
pub fn change_points(series: &[f64], least: f64, seed: u64) -> Vec<ChangePoint> {
    let candidates = candidates(series, seed);
    let judged = |at: &[usize], k: usize| {
        let start = if k == 0 { 0 } else { at[k - 1] };
        let end = at.get(k + 1).copied().unwrap_or(series.len());
        judge(series, start, at[k], end, seed)
    };
    let mut points: Vec<ChangePoint> =
        (0..candidates.len()).map(|k| judged(&candidates, k)).collect();
    // Take away the worst one until all are good; its neighbours' stretches grow with that.
    while let Some(worst) = worst(&points, least) {
        points.remove(worst);
        let at: Vec<usize> = points.iter().map(|point| point.index).collect();
        for k in worst.saturating_sub(1)..=worst {
            if k < points.len() {
                points[k] = judged(&at, k);
            }
        }
    }
    points
}

/// The point to take away next: the least significant one of those that are not, else the smallest
/// of those that are too small.
fn worst(points: &[ChangePoint], least: f64) -> Option<usize> {
    let size = |k: usize| (points[k].after - points[k].before).abs();
    let weakest = (0..points.len()).max_by(|&a, &b| points[a].p.total_cmp(&points[b].p));
    let smallest = (0..points.len()).min_by(|&a, &b| size(a).total_cmp(&size(b)));
    weakest.filter(|&k| points[k].p > STRONG.1).or(smallest.filter(|&k| size(k) < least))
}

/// Candidates in order: the change points of overlapping windows.
fn candidates(series: &[f64], seed: u64) -> Vec<usize> {
    let mut found = vec![];
    let mut start = 0;
    while start < series.len() {
        let end = (start + WINDOW).min(series.len());
        let before = found.len();
        divide(series, start, end, seed, &mut found);
        let last = found[before..].iter().copied().max().unwrap_or(0);
        start = last.max(start + WINDOW / 2);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Splits `series[start..end]` where it changes most, and then both parts, as long as the change is
/// significant.
fn divide(series: &[f64], start: usize, end: usize, seed: u64, found: &mut Vec<usize>) {
    let part = &series[start..end];
    let Some((at, clarity)) = best_split(part) else { return };
    if p_value(part, clarity, WEAK, seed) <= WEAK.1 {
        divide(series, start, start + at, seed, found);
        found.push(start + at);
        divide(series, start + at, end, seed, found);
    }
}

/// The change point at `at` between two stretches of a level. Its p value looks at no more than a
/// window on either side.
fn judge(series: &[f64], start: usize, at: usize, end: usize, seed: u64) -> ChangePoint {
    let near = &series[start.max(at.saturating_sub(WINDOW))..end.min(at + WINDOW)];
    let left = at - start.max(at.saturating_sub(WINDOW));
    let p = match near.len() - left {
        right if left < LEVEL_MIN || right < LEVEL_MIN => 1.0,
        _ => p_value(near, clarity(&sums(near), left, near.len()), STRONG, seed),
    };
    let (before, after) = (hodges_lehmann(&series[start..at]), hodges_lehmann(&series[at..end]));
    ChangePoint { index: at, before, after, p }
}

/// The probability that a permutation of `values` has a split as clear as `clarity`, itself counted
/// as one. Stops as soon as it exceeds the limit; what is returned then is too small, and still
/// above the limit (J. Besag and P. Clifford, "Sequential Monte Carlo p-values", Biometrika 78,
/// 1991).
fn p_value(values: &[f64], clarity: f64, (permutations, limit): (u32, f64), seed: u64) -> f64 {
    let mut random = SplitMix64::new(seed);
    let mut values = values.to_vec();
    let mut as_clear = 1;
    for _ in 0..permutations {
        random.shuffle(&mut values);
        as_clear += u32::from(best_split(&values).is_some_and(|(_, other)| other >= clarity));
        if f64::from(as_clear) / f64::from(permutations + 1) > limit {
            break;
        }
    }
    f64::from(as_clear) / f64::from(permutations + 1)
}

/// Where the part before differs most from a part after it, which need not reach to the end (so
/// that a level which comes back hides nothing), and how clearly. Absent where there are too few.
fn best_split(values: &[f64]) -> Option<(usize, f64)> {
    let sums = sums(values);
    let n = values.len();
    let splits = (LEVEL_MIN..n).flat_map(|at| (at + LEVEL_MIN..=n).map(move |end| (at, end)));
    splits.map(|(at, end)| (at, clarity(&sums, at, end))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Sums of the distances between values: entry (i, j) over all pairs of one of the first i and one
/// of the first j.
fn sums(values: &[f64]) -> Vec<Vec<f64>> {
    let n = values.len();
    let mut sums = vec![vec![0.0; n + 1]; n + 1];
    for i in 0..n {
        let mut row = 0.0;
        for j in 0..n {
            row += (values[i] - values[j]).abs();
            sums[i + 1][j + 1] = sums[i][j + 1] + row;
        }
    }
    sums
}

/// How clearly the values before `at` differ from those from there to `end`: the energy distance of
/// the two samples times mn/(m + n) (Matteson and James, equations 5 and 6, with exponent 1).
fn clarity(sums: &[Vec<f64>], at: usize, end: usize) -> f64 {
    let (n, m) = (at as f64, (end - at) as f64);
    let before = sums[at][at] / 2.0;
    let between = sums[at][end] - sums[at][at];
    let after = (sums[end][end] - 2.0 * sums[at][end] + sums[at][at]) / 2.0;
    2.0 / (n + m) * (between - before * m / (n - 1.0) - after * n / (m - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels with their lengths, in noise of standard deviation 0.01.
    fn series(levels: &[(usize, f64)], seed: u64) -> Vec<f64> {
        let mut random = SplitMix64::new(seed);
        let mut noise = || (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
        let lengths = levels.iter().flat_map(|&(n, level)| std::iter::repeat_n(level, n));
        lengths.map(|level| level + 0.01 * noise()).collect()
    }

    #[test]
    fn the_statistic_is_the_published_one() {
        // X = (0, 1, 2), Y = (10, 10, 13): between 90, within X 4, within Y 6.
        let sums = sums(&[0.0, 1.0, 2.0, 10.0, 10.0, 13.0]);
        let want = 2.0 * 90.0 / 6.0 - 2.0 * 3.0 / 6.0 / 2.0 * 4.0 - 2.0 * 3.0 / 6.0 / 2.0 * 6.0;
        assert!((clarity(&sums, 3, 6) - want).abs() < 1e-12);
    }

    #[test]
    fn steps_are_found() {
        let check = |levels: &[(usize, f64)], want: &[usize]| {
            let got = change_points(&series(levels, 1), 0.01, 7);
            let at: Vec<usize> = got.iter().map(|point| point.index).collect();
            let near = at.iter().zip(want).all(|(a, b)| a.abs_diff(*b) < 2);
            assert!(at.len() == want.len() && near, "{levels:?}: {got:?}");
            assert!(got.iter().all(|point| point.p < 0.001), "{got:?}");
        };
        check(&[(20, 0.0), (20, 0.05)], &[20]);
        check(&[(20, 0.0), (20, -0.05)], &[20]);
        // A level that comes back, and a step beyond the first window.
        check(&[(20, 0.0), (10, 0.06), (20, 0.0)], &[20, 30]);
        check(&[(70, 0.0), (10, 0.05)], &[70]);
        // Too few runs, and a wild one, are no level.
        check(&[(20, 0.0), (2, 0.05)], &[]);
        check(&[(15, 0.0), (1, 0.5), (15, 0.0)], &[]);
    }

    #[test]
    fn levels_and_sizes() {
        let steps = series(&[(20, 1.0), (20, 1.05)], 2);
        let found = change_points(&steps, 0.01, 7);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((found[0].before - 1.0).abs() < 0.01 && (found[0].after - 1.05).abs() < 0.01);
        assert_eq!(change_points(&steps, 0.1, 7), []);
        assert_eq!(change_points(&steps, 0.01, 7), found);
    }

    #[test]
    fn short_series_have_none() {
        for n in 0..2 * LEVEL_MIN {
            let step: Vec<f64> = (0..n).map(|i| if 2 * i < n { 0.0 } else { 1.0 }).collect();
            assert_eq!(change_points(&step, 0.0, 1), [], "{n} values");
        }
        assert_eq!(change_points(&[1.0; 40], 0.0, 1), []);
    }

    /// Without a step there is no change point: of 200 series at p < .001 at most 0.2 are expected
    /// to have one, and more than 2 have it with a chance of one in a thousand.
    #[test]
    fn noise_has_none() {
        let alarms = (0..200)
            .filter(|&seed| !change_points(&series(&[(25, 0.0)], seed), 0.0, seed).is_empty())
            .count();
        assert!(alarms <= 2, "{alarms} of 200");
    }
}
