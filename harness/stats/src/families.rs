//! Many tests at once: p values adjusted so that they can be held against a level as if each were
//! the only one.

/// Adjusted p values by which the chance of any false rejection stays within the level they are
/// compared with, however the tests depend on each other (S. Holm, "A simple sequentially rejective
/// multiple test procedure", Scandinavian Journal of Statistics 6, 1979). In the order of `p`.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0_f64;
    for (position, &index) in ascending(p).iter().enumerate() {
        largest = largest.max((p.len() - position) as f64 * p[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// Adjusted p values (q) by which the expected share of false rejections among all stays within the
/// level they are compared with (Y. Benjamini and Y. Hochberg, "Controlling the false discovery
/// rate", Journal of the Royal Statistical Society B 57, 1995). Assumes tests that are independent
/// or depend on each other positively, as metrics of one run do. In the order of `p`.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut least = 1.0_f64;
    for (position, &index) in ascending(p).iter().enumerate().rev() {
        least = least.min(p[index] * p.len() as f64 / (position + 1) as f64);
        adjusted[index] = least;
    }
    adjusted
}

/// Indices of `p` from the smallest value to the largest; equal ones in order.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(adjust: fn(&[f64]) -> Vec<f64>, cases: &[(&[f64], &[f64])]) {
        for (p, want) in cases {
            let got = adjust(p);
            let near = got.iter().zip(*want).all(|(g, w)| (g - w).abs() < 1e-12);
            assert!(got.len() == want.len() && near, "{p:?}: {got:?}, want {want:?}");
        }
    }

    /// As R's `p.adjust(p, "holm")`.
    #[test]
    fn holm_adjusts_step_by_step() {
        check(
            holm,
            &[
                (&[], &[]),
                (&[0.03], &[0.03]),
                (&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]),
                (&[0.5, 0.5, 0.01], &[1.0, 1.0, 0.03]),
            ],
        );
    }

    /// As R's `p.adjust(p, "BH")`; the second are the 15 p values of the paper's example, of which
    /// four are rejected at 0.05.
    #[test]
    fn benjamini_and_hochberg_adjust_shares() {
        check(
            benjamini_hochberg,
            &[(&[], &[]), (&[0.01, 0.04, 0.03, 0.005], &[0.02, 0.04, 0.04, 0.02])],
        );
        let paper = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
            0.5719, 0.6528, 0.7590, 1.0,
        ];
        assert_eq!(benjamini_hochberg(&paper).iter().filter(|q| **q <= 0.05).count(), 4);
        assert_eq!(holm(&paper).iter().filter(|q| **q <= 0.05).count(), 3);
    }
}
