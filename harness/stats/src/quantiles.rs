//! The normal law and Student's: probabilities and quantiles. And which quantiles a sample
//! supports.

use std::f64::consts::{FRAC_2_PI, SQRT_2};

/// Halvings of an interval until its ends are neighbours, more or less.
const HALVINGS: u32 = 80;

/// P(Z <= `x`) for a standard normal Z, with a relative error below 1.2e-7 on the lower side: the
/// fit to erfc of W. H. Press et al., "Numerical Recipes in C", 2nd edition, section 6.2.
#[must_use]
pub fn normal_below(x: f64) -> f64 {
    const FIT: [f64; 9] = [
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let z = x.abs() / SQRT_2;
    let t = 1.0 / (1.0 + z / 2.0);
    let fit = FIT.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let beyond = t * (-z * z - 1.265_512_23 + t * fit).exp() / 2.0;
    if x < 0.0 { beyond } else { 1.0 - beyond }
}

/// The value that a standard normal Z exceeds with probability 1 - `p`; `p` within (0, 1).
///
/// # Panics
/// With a `p` outside of it.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    quantile(p, normal_below)
}

/// The quantile of Student's law with `freedom` degrees of freedom, at least 1; `p` within (0, 1).
///
/// # Panics
/// Without degrees of freedom, or with a `p` outside of (0, 1).
#[must_use]
pub fn student_quantile(p: f64, freedom: u32) -> f64 {
    quantile(p, |t| student_below(t, freedom))
}

/// P(T <= `t`) for Student's T with whole degrees of freedom: M. Abramowitz and I. Stegun,
/// "Handbook of Mathematical Functions", 26.7.3 and 26.7.4. A finite sum, so no approximation.
pub(super) fn student_below(t: f64, freedom: u32) -> f64 {
    assert!(freedom > 0, "no degrees of freedom");
    let angle = (t / f64::from(freedom).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    // The terms are 1, 1/2 cos^2, (1 3)/(2 4) cos^4, ... or cos, 2/3 cos^3, (2 4)/(3 5) cos^5, ...
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = 0.0;
    let mut power = if odd { 1 } else { 0 };
    while power + 2 <= freedom {
        sum += term;
        power += 2;
        term *= cosine * cosine * f64::from(power - 1) / f64::from(power);
    }
    let within = if odd { FRAC_2_PI * (angle + sine * sum) } else { sine * sum };
    f64::midpoint(1.0, within)
}

/// Where a distribution function that is symmetric about 0 reaches `p`, by halving.
fn quantile(p: f64, below: impl Fn(f64) -> f64) -> f64 {
    assert!(p > 0.0 && p < 1.0, "no quantile at {p}");
    if p < 0.5 {
        return -quantile(1.0 - p, below);
    }
    let (mut low, mut high) = (0.0, 1.0);
    // Ends: a distribution function that rounds to 1 exceeds every p below 1.
    while below(high) < p {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if below(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Whether so many requests allow the quantile `p` to be given: at least ten must lie beyond it.
#[must_use]
pub fn supports_quantile(p: f64, requests: u64) -> bool {
    // The margin forgives the rounding of 1 - p; it is far less than one request.
    requests as f64 * (1.0 - p) >= 10.0 - 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values as in the tables of Abramowitz and Stegun, 26.10, and of any textbook.
    #[test]
    fn student_quantiles_are_the_published_ones() {
        let cases = [
            (0.975, 1, 12.706),
            (0.975, 2, 4.303),
            (0.975, 3, 3.182),
            (0.975, 4, 2.776),
            (0.975, 5, 2.571),
            (0.975, 8, 2.306),
            (0.975, 17, 2.110),
            (0.95, 1, 6.314),
            (0.95, 5, 2.015),
            (0.95, 7, 1.895),
            (0.95, 11, 1.796),
            (0.95, 23, 1.714),
            (0.95, 120, 1.658),
            (0.80, 1, 1.376),
            (0.80, 5, 0.920),
            (0.80, 7, 0.896),
            (0.80, 23, 0.858),
            (0.995, 7, 3.499),
            (0.9995, 2, 31.599),
            (0.25, 1, -1.0),
        ];
        for (p, freedom, want) in cases {
            let got = student_quantile(p, freedom);
            assert!((got - want).abs() < 6e-4, "t({p}, {freedom}) = {got}, want {want}");
        }
        assert!(student_quantile(0.5, 4).abs() < 1e-12);
    }

    #[test]
    fn normal_probabilities_are_the_published_ones() {
        let cases = [
            (0.5, 0.0),
            (0.841_344_746, 1.0),
            (0.975, 1.959_963_985),
            (0.95, 1.644_853_627),
            (0.80, 0.841_621_234),
            (1.349_898e-3, -3.0),
            (9.865_876e-10, -6.0),
        ];
        for (p, x) in cases {
            let got = normal_below(x);
            assert!((got / p - 1.0).abs() < 3e-7, "P(Z <= {x}) = {got}, want {p}");
            assert!((normal_quantile(p) - x).abs() < 2e-6, "at {p}");
        }
    }

    #[test]
    fn quantiles_need_ten_requests_beyond() {
        let cases = [(0.5, 20), (0.9, 100), (0.99, 1_000), (0.999, 10_000)];
        for (p, requests) in cases {
            assert!(supports_quantile(p, requests), "p = {p}");
            assert!(!supports_quantile(p, requests - 1), "p = {p}");
        }
    }
}
