//! The centre of a small sample.

/// The middle value, or the mean of the two middle ones.
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    assert_finite(values);
    let mut values = values.to_vec();
    median_of(&mut values)
}

/// The Hodges-Lehmann estimate of the centre: the median of all averages of two values, each value
/// with itself included. Breakdown point 29 %; asymptotic efficiency 95.5 % relative to the mean
/// under normality.
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn hodges_lehmann(values: &[f64]) -> f64 {
    median_of(&mut walsh_averages(values))
}

/// The median of `values` in whatever order; leaves them in another.
fn median_of(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(lower) if below.len() * 2 == values.len() => f64::midpoint(lower, upper),
        _ => upper,
    }
}

/// The median of sorted values.
pub(super) fn median_of_sorted(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// All n(n+1)/2 averages of two values, each with itself included.
pub(super) fn walsh_averages(values: &[f64]) -> Vec<f64> {
    assert_finite(values);
    let mut averages = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (i, &a) in values.iter().enumerate() {
        averages.extend(values[i..].iter().map(|&b| f64::midpoint(a, b)));
    }
    averages
}

fn assert_finite(values: &[f64]) {
    assert!(!values.is_empty(), "no values");
    assert!(values.iter().all(|v| v.is_finite()), "not all finite: {values:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates() {
        let cases: [(&[f64], f64); 7] = [
            (&[7.0], 7.0),
            (&[1.0, 2.0], 1.5),
            (&[1.0, 2.0, 6.0], 2.75),
            (&[5.0; 8], 5.0),
            // Ties: the averages are 1, 1, 1, 1.5, 1.5, 2.
            (&[1.0, 1.0, 2.0], 1.25),
            (&[2.0, 1.0, 4.0, 3.0, 5.0], 3.0),
            // One wild value among eight moves the estimate by less than the others' spread.
            (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1e9], 4.5),
        ];
        for (values, want) in cases {
            assert_eq!(hodges_lehmann(values), want, "{values:?}");
        }
    }

    #[test]
    fn medians() {
        let cases: [(&[f64], f64); 4] =
            [(&[3.0], 3.0), (&[4.0, 1.0], 2.5), (&[9.0, 1.0, 5.0], 5.0), (&[-0.0, 0.0], 0.0)];
        for (values, want) in cases {
            assert_eq!(median(values), want, "{values:?}");
        }
    }

    #[test]
    #[should_panic(expected = "not all finite")]
    fn nan_is_refused() {
        let _ = hodges_lehmann(&[1.0, f64::NAN]);
    }

    #[test]
    #[should_panic(expected = "no values")]
    fn nothing_is_refused() {
        let _ = median(&[]);
    }
}
