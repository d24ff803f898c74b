//! The state of the machine in a session, and what it says of ratios.

use super::pooled::{Dependence, Session};
use duet_model::record::{BlockGauges, Gauge, GaugeReading, Run};
use duet_stats::{Interval, median};

/// What the gauges said in a run: the median over the readings of all blocks that count. Absent
/// where there is none.
pub(super) fn gauges(run: &Run) -> Option<GaugeReading> {
    let of_servers = run.blocks.iter().map(|b| (b.gauges, b.failure.is_none(), &b.discarded));
    let of_programs =
        run.program_blocks.iter().map(|b| (b.gauges, b.failure.is_none(), &b.discarded));
    let counted = of_servers.chain(of_programs).filter_map(|(gauges, is_whole, discarded)| {
        gauges.filter(|_| is_whole && discarded.is_none())
    });
    let readings: Vec<GaugeReading> =
        counted.flat_map(|BlockGauges { before, after }| [before, after]).collect();
    GaugeReading::each(|gauge| {
        let of_gauge: Vec<f64> = readings.iter().map(|reading| reading.of(gauge)).collect();
        let is_sane = !of_gauge.is_empty() && of_gauge.iter().all(|ns| *ns > 0.0);
        is_sane.then(|| median(&of_gauge))
    })
}

/// What the gauges said in several runs that are one session: the geometric mean.
pub(super) fn together(runs: &[Option<GaugeReading>]) -> Option<GaugeReading> {
    let all: Vec<GaugeReading> = runs.iter().copied().collect::<Option<_>>()?;
    let mean = |gauge| all.iter().map(|one| one.of(gauge).ln()).sum::<f64>() / all.len() as f64;
    GaugeReading::each(|gauge| Some(mean(gauge).exp()))
}

/// How a ratio depends on the state of the machine, by the sessions that have gauges.
pub(super) fn dependence(sessions: &[Session]) -> Option<Dependence> {
    let with_gauges = || sessions.iter().filter_map(|session| Some((session, session.gauges?)));
    let values: Vec<f64> = with_gauges().map(|(session, _)| session.ratio.ln()).collect();
    let of = |gauge: &Gauge| with_gauges().map(|(_, read)| read.of(*gauge).ln()).collect();
    let gauges: Vec<Vec<f64>> = Gauge::ALL.iter().map(of).collect();
    let found = duet_stats::dependence(&values, &gauges)?;
    let ratio = |interval: Interval| interval.map(f64::exp);
    Some(Dependence {
        gauge: Gauge::ALL[found.gauge],
        slope: found.slope,
        slope_interval: found.slope_interval,
        at_rest: found.at_rest.exp(),
        at_rest_interval: ratio(found.at_rest_interval),
        error: found.error,
        error_of_mean: found.error_of_mean,
        p: found.p,
    })
}
