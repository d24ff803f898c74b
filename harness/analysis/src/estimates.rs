//! Estimates over blocks: of a metric, of a ratio; and how sure they have to be.

use crate::summary::{Estimate, MetricAnalysis};
use crate::values::BlockValues;
use crate::verdict::{BLOCKS_MIN, TIE_BAND, Verdict, verdict};
use duet_stats::TAIL;
use duet_units::Metric;

/// Blocks of a cell that are nearer to each other than this depend on each other a little.
/// Measured: correlation 0.14 up to 3 s apart, 0.06 up to 6 s, none beyond 9 s.
const APART_NS: u64 = 9_000_000_000;

/// What an interval leaves out on either side where they are nearer: with the correlation above it
/// covers 95 % then, where one of 95 % would cover 93 %.
const TAIL_OF_NEAR_BLOCKS: f64 = 0.02;

/// What the interval of a cell leaves out on either side, by when its blocks began.
pub(super) fn tail(started_ns: impl IntoIterator<Item = u64>) -> f64 {
    let mut started: Vec<u64> = started_ns.into_iter().collect();
    started.sort_unstable();
    let near = started.windows(2).filter(|pair| pair[1] - pair[0] < APART_NS).count();
    if 2 * near > started.len().saturating_sub(1) { TAIL_OF_NEAR_BLOCKS } else { TAIL }
}

/// A metric over blocks: the arms' values, the ratio, the verdict. Uses the blocks that have a
/// value for every arm; absent where none has. `refusal`: why there may be no ratio; `tail`: what
/// its interval leaves out on either side.
pub(super) fn metric_analysis(
    metric: Metric,
    arms: usize,
    blocks: &[&BlockValues],
    refusal: Option<&str>,
    tail: f64,
) -> Option<MetricAnalysis> {
    let complete: Vec<&&BlockValues> =
        blocks.iter().filter(|b| b.log_ratios.contains_key(&metric)).collect();
    let of_arm = |arm: usize| -> Option<Vec<f64>> {
        complete.iter().map(|b| b.arms[arm].get(&metric).copied()).collect()
    };
    let values: Vec<Vec<f64>> = (0..arms).map(of_arm).collect::<Option<_>>()?;
    let logs = |values: &Vec<f64>| values.iter().map(|value| value.ln()).collect::<Vec<f64>>();
    let arms: Vec<Estimate> =
        values.iter().map(|values| geometric_at(&logs(values), tail)).collect::<Option<_>>()?;
    if let Some(refusal) = refusal {
        return Some(MetricAnalysis {
            metric,
            arms,
            values,
            ratio: None,
            log_ratios: vec![],
            verdict: Verdict::Inconclusive,
            reason: Some(refusal.to_owned()),
            informational: false,
            p: None,
            q: None,
            another_hour: None,
        });
    }
    let log_ratios: Vec<f64> = complete.iter().map(|b| b.log_ratios[&metric]).collect();
    let ratio = geometric_at(&log_ratios, tail)?;
    let (verdict, mut reason) = verdict(ratio.interval, &log_ratios);
    if ratio.interval.is_none() && ratio.n >= BLOCKS_MIN {
        let n = ratio.n;
        reason = Some(format!("{n} blocks: too few for intervals that hold for all arms together"));
    }
    let p = ratio.interval.map(|_| duet_stats::p_beyond(&log_ratios, TIE_BAND.ln_1p()));
    Some(MetricAnalysis {
        metric,
        arms,
        values,
        ratio: Some(ratio),
        log_ratios,
        verdict,
        reason,
        informational: false,
        p,
        q: None,
        another_hour: None,
    })
}

/// The estimate of what `logs` are the logarithms of; absent without any.
pub(super) fn geometric(logs: &[f64]) -> Option<Estimate> {
    geometric_at(logs, TAIL)
}

/// The same with an interval that leaves out `tail` on either side.
fn geometric_at(logs: &[f64], tail: f64) -> Option<Estimate> {
    if logs.is_empty() {
        return None;
    }
    Some(Estimate {
        value: duet_stats::hodges_lehmann(logs).exp(),
        interval: duet_stats::interval_at(logs, tail).map(|interval| interval.map(f64::exp)),
        n: logs.len() as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_blocks_have_a_narrower_tail() {
        let every = |s: u64| (0..8).map(move |i| i * s * 1_000_000_000);
        assert_eq!(tail(every(10)), TAIL);
        assert_eq!(tail(every(2)), TAIL_OF_NEAR_BLOCKS);
        assert_eq!((tail([]), tail([5])), (TAIL, TAIL));
    }
}
