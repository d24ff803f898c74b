//! What can be found with so many blocks, and how many it takes.

use crate::quantiles::{normal_quantile, student_quantile};

/// The efficiency of signed ranks beside the mean where noise is normal, 3/pi (E. Pitman; Hollander
/// and Wolfe, section 3.11). For noise with longer tails they do better.
pub(super) const EFFICIENCY: f64 = 3.0 / std::f64::consts::PI;

/// The power with which a change is to be found.
pub const POWER: f64 = 0.80;

/// How far above a bar a change must lie for `blocks` blocks (at least 2) to show it with 80 %
/// power in a one-sided test at 5 %: (t(.95, n-1) + t(.80, n-1)) s / sqrt(n) / sqrt(.955), with
/// `spread` the standard deviation s between blocks. About right from 8 blocks on.
///
/// # Panics
/// Below 2 blocks.
#[must_use]
pub fn smallest_detectable(blocks: u32, spread: f64) -> f64 {
    let quantiles = student_quantile(0.95, blocks - 1) + student_quantile(POWER, blocks - 1);
    quantiles * spread / (f64::from(blocks) * EFFICIENCY).sqrt()
}

/// Blocks that show a change `distance` away from a bar with probability `power` in a one-sided
/// test at `alpha`: ((z(1-alpha) + z(power)) s/d)^2 / .955, not rounded. At 5 % and 80 % power 6.5
/// (s/d)^2. Infinite at the bar.
///
/// # Panics
/// With `alpha` or `power` outside of (0, 1).
#[must_use]
pub fn blocks_for(distance: f64, spread: f64, alpha: f64, power: f64) -> f64 {
    let quantiles = normal_quantile(1.0 - alpha) + normal_quantile(power);
    match spread {
        0.0 => 1.0,
        spread => (quantiles * spread / distance).powi(2) / EFFICIENCY,
    }
}

/// The standard deviation of the law that `values` come from; absent below two.
#[must_use]
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    Some((values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// The standard error of the Hodges-Lehmann estimate of `values`: s / sqrt(.955 n), as
/// [`smallest_detectable`] takes it; absent below two.
#[must_use]
pub fn standard_error(values: &[f64]) -> Option<f64> {
    let spread = standard_deviation(values)?;
    Some(spread / (values.len() as f64 * EFFICIENCY).sqrt())
}

/// The mean of `values` and how far from it the next one lies at most, with 95 % where they are
/// normal: t(.975, K-1) s sqrt(1 + 1/K), the prediction interval of any textbook. Absent below two.
#[must_use]
pub fn next_within(values: &[f64]) -> Option<(f64, f64)> {
    let spread = standard_deviation(values)?;
    let k = values.len() as f64;
    let quantile = student_quantile(0.975, values.len() as u32 - 1);
    Some((values.iter().sum::<f64>() / k, quantile * spread * (1.0 + 1.0 / k).sqrt()))
}

/// Blocks that show two equal arms to be within `band` of each other with probability `power`,
/// where `distance` is how far inside of the nearer edge the centre lies: both ends of the interval
/// must, each leaving out `alpha`. ((z(1-alpha) + z((1+power)/2)) s/d)^2 / .955 at the middle of
/// the band, and not z(power), since either end can fail (S. A. Julious, "Sample sizes for clinical
/// trials with normal data", Statistics in Medicine 23, 2004, on equivalence); nearer to an edge
/// only that end fails, and this is on the safe side.
///
/// # Panics
/// With `alpha` or `power` outside of (0, 1).
#[must_use]
pub fn blocks_for_tie(distance: f64, spread: f64, alpha: f64, power: f64) -> f64 {
    blocks_for(distance, spread, alpha, f64::midpoint(1.0, power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectable_changes() {
        let cases = [(6, 1.23), (8, 1.01), (12, 0.79), (16, 0.67), (24, 0.54), (32, 0.46)];
        for (blocks, want) in cases {
            let got = smallest_detectable(blocks, 1.0);
            assert!((got - want).abs() < 0.006, "{blocks} blocks: {got}");
        }
    }

    #[test]
    fn blocks_needed() {
        let cases = [
            (1.0, 1.0, 0.05, 0.8, 6.47),
            (0.5, 1.0, 0.05, 0.8, 25.9),
            (-0.5, 1.0, 0.05, 0.8, 25.9),
            (1.0, 1.0, 0.025, 0.8, 8.22),
            (1.0, 1.0, 0.05, 0.5, 2.83),
            (0.0, 1.0, 0.05, 0.8, f64::INFINITY),
            (0.1, 0.0, 0.05, 0.8, 1.0),
        ];
        for (distance, spread, alpha, power, want) in cases {
            let got = blocks_for(distance, spread, alpha, power);
            assert!(got == want || (got - want).abs() < 0.05, "d = {distance}: {got}");
        }
    }

    /// A tie at the middle of the band needs z(.9) and not z(.8): a third more.
    #[test]
    fn blocks_needed_for_a_tie() {
        let (one, both) = (blocks_for(1.0, 1.0, 0.025, 0.8), blocks_for_tie(1.0, 1.0, 0.025, 0.8));
        assert!((both - 11.0).abs() < 0.01 && (both / one - 1.34).abs() < 0.01, "{one} {both}");
    }

    #[test]
    fn the_next_value() {
        assert_eq!(next_within(&[1.0]), None);
        // t(.975, 1) = 12.706; s = sqrt 2; sqrt(1.5).
        let (mean, reach) = next_within(&[1.0, 3.0]).expect("two are enough");
        assert!(mean == 2.0 && (reach - 22.008).abs() < 1e-3, "{mean} {reach}");
    }

    #[test]
    fn standard_deviations() {
        assert_eq!(standard_deviation(&[1.0]), None);
        assert_eq!(standard_deviation(&[1.0, 3.0]), Some(2_f64.sqrt()));
        assert_eq!(standard_error(&[1.0]), None);
        // s = sqrt 2, n = 2: 1 / sqrt(.955).
        let error = standard_error(&[1.0, 3.0]).expect("two are enough");
        assert!((error - 1.0233).abs() < 1e-4, "{error}");
    }
}
