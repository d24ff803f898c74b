//! Estimates in, verdicts out.

use serde::{Deserialize, Serialize};

use duet_stats::{Interval, POWER, blocks_for, blocks_for_tie, hodges_lehmann, standard_deviation};

/// What a ratio lets us say of the second arm against the first. `Faster` is "better" and `Slower`
/// is "worse" for metrics that are not speeds; reports choose the word by metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies below the tie band: the second arm is better.
    Faster,
    /// The whole interval lies above the tie band: the second arm is worse.
    Slower,
    /// The whole interval lies within the tie band.
    Tie,
    /// Anything else.
    Inconclusive,
}

/// The half width of the tie band: ratios from 1/1.01 to 1.01 are a tie. Differences below 1 % come
/// from the layout of a binary in memory as easily as from its design (Mytkowicz et al. 2009).
pub const TIE_BAND: f64 = 0.01;

/// The smallest number of blocks with a 95 % interval, and so with a verdict.
pub const BLOCKS_MIN: u32 = 6;

/// The most blocks that a reason proposes, since a suite may have no more; whoever would need more
/// needs a quieter machine.
pub const BLOCKS_PROPOSED_MAX: f64 = 60.0;

/// The verdict on a ratio, and the reason where it is inconclusive. `interval` is the ratio's,
/// `log_ratios` are the blocks' logarithms of ratios behind it.
#[must_use]
pub fn verdict(interval: Option<Interval>, log_ratios: &[f64]) -> (Verdict, Option<String>) {
    let Some(Interval { low, high, .. }) = interval else {
        let reason = match log_ratios.len() {
            0 => "no block counts".to_owned(),
            1 => format!("1 block: no verdict below {BLOCKS_MIN}"),
            n if n >= BLOCKS_MIN as usize => format!("{n} blocks give no interval"),
            n => format!("{n} blocks: no verdict below {BLOCKS_MIN}"),
        };
        return (Verdict::Inconclusive, Some(reason));
    };
    let band = (1.0 / (1.0 + TIE_BAND), 1.0 + TIE_BAND);
    if high < band.0 {
        return (Verdict::Faster, None);
    }
    if low > band.1 {
        return (Verdict::Slower, None);
    }
    if band.0 <= low && high <= band.1 {
        return (Verdict::Tie, None);
    }
    let act = if low < band.0 && high > band.1 { "spans" } else { "reaches into" };
    let mut reason = format!("the interval {act} the tie band, ±{:.0}\u{a0}%", 100.0 * TIE_BAND);
    match blocks_needed(log_ratios) {
        Some(blocks) if blocks <= BLOCKS_PROPOSED_MAX => {
            reason.push_str(&format!("; about {blocks} blocks would decide"));
        }
        Some(_) => reason.push_str(&format!(
            "; {BLOCKS_PROPOSED_MAX} blocks, the most a suite may have, would probably not decide"
        )),
        None => {}
    }
    (Verdict::Inconclusive, Some(reason))
}

/// How many blocks would probably decide, if the estimate and the spread between blocks stay as
/// they are; absent where that is no more than there are. Infinite at an edge of the tie band.
///
/// The distance to cover is that from the estimate to the nearer edge of the tie band, with 80 %
/// power, and 2.5 % is what the interval leaves out on the side that matters. A tie needs both.
fn blocks_needed(log_ratios: &[f64]) -> Option<f64> {
    let spread = standard_deviation(log_ratios)?;
    let distance = hodges_lehmann(log_ratios).abs() - TIE_BAND.ln_1p();
    let needed = if distance > 0.0 { blocks_for } else { blocks_for_tie };
    let blocks = needed(distance, spread, 0.025, POWER).ceil();
    (blocks > log_ratios.len() as f64).then_some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let cases = [
            ((1.02, 1.04), Verdict::Slower, None),
            ((0.95, 0.98), Verdict::Faster, None),
            ((0.995, 1.01), Verdict::Tie, None),
            ((1.0, 1.0), Verdict::Tie, None),
            (
                (0.98, 1.004),
                Verdict::Inconclusive,
                Some("the interval reaches into the tie band, ±1\u{a0}%"),
            ),
            ((0.5, 2.0), Verdict::Inconclusive, Some("the interval spans the tie band, ±1\u{a0}%")),
        ];
        for ((low, high), want, reason) in cases {
            let got = verdict(Some(Interval { low, high, confidence: 0.95 }), &[0.0; 6]);
            assert_eq!(got, (want, reason.map(str::to_owned)), "{low} to {high}");
        }
    }

    #[test]
    fn too_few_blocks() {
        let cases = [
            (0, "no block counts"),
            (1, "1 block: no verdict below 6"),
            (5, "5 blocks: no verdict below 6"),
            (7, "7 blocks give no interval"),
        ];
        for (n, want) in cases {
            let got = verdict(None, &vec![0.5; n]);
            assert_eq!(got, (Verdict::Inconclusive, Some(want.to_owned())), "n = {n}");
        }
    }

    #[test]
    fn blocks_that_would_decide() {
        // Alternating about a centre: the standard deviation is 1.069 times the half range.
        let around = |centre: f64, half: f64| -> Vec<f64> {
            (0..8).map(|i| if i % 2 == 0 { centre - half } else { centre + half }).collect()
        };
        let cases = [
            // s = 0.0214, d = 0.03 - 0.00995: 9.34 (rounded up).
            (around(0.03, 0.02), Some(10.0)),
            // A tie in the making: d = 0.00995, s = 0.0214; 38 would do for one side alone.
            (around(0.0, 0.02), Some(51.0)),
            // At the edge nothing decides; far from it eight blocks were enough.
            (around(TIE_BAND.ln_1p(), 0.02), Some(1e9)),
            (around(0.5, 0.02), None),
            (vec![0.0; 8], None),
        ];
        for (log_ratios, want) in cases {
            assert_eq!(blocks_needed(&log_ratios).map(|n| n.min(1e9)), want, "{log_ratios:?}");
        }
    }
}
