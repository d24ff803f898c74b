//! What CPU time costs: from CPU per request to money, at a price that the user may set.
//!
//! A vCPU that is busy half of the time carries [`UTILISATION`] / (CPU seconds per request)
//! requests a second. Whoever needs less than the smallest instance pays for the smallest, so below
//! its size two servers cost the same. Memory, traffic and everything behind the server cost extra
//! and are not in this.

use crate::summary::{
    Analysis, CellAnalysis, Estimate, MatchupAnalysis, MetricAnalysis, MoneyAnalysis, MoneyArm,
    MoneyCell, MoneyMonth, Prices,
};
use crate::verdict::Verdict;
use duet_stats::Interval;
use duet_units::{CellKind, Loop, Metric};

/// How busy a vCPU is planned to be: half leaves room for a peak of twice the mean, and for a
/// failed neighbour.
pub const UTILISATION: f64 = 0.5;

/// vCPUs of the smallest instance: of the family below, m7g.medium has one.
pub const SMALLEST_VCPUS: f64 = 1.0;

/// Where the default price of a vCPU-hour comes from.
pub const VCPU_HOUR_SOURCE: &str = "m7g.large on demand, us-east-1, June 2026";

/// The rates of the panel, in requests per second.
const RATES: [u64; 3] = [1_000, 10_000, 100_000];

const SECONDS_PER_HOUR: f64 = 3_600.0;

/// 365.25 days, by 12.
const HOURS_PER_MONTH: f64 = 730.5;

impl Default for Prices {
    /// In US dollars: half of 0.0816 an hour, which an m7g.large of two vCPUs cost on demand in
    /// June 2026, and a day of work at 500, which is a round number and no finding.
    fn default() -> Self {
        Self { vcpu_hour: 0.0408, day: 500.0 }
    }
}

/// The costs of every matchup of two servers; absent where no CPU per request was measured.
/// Controls are left out, and cells whose arms do unequal work.
#[must_use]
pub fn analyse(analysis: &Analysis, prices: Prices) -> Option<MoneyAnalysis> {
    let compared = |m: &&MatchupAnalysis| !m.programs && !m.control && m.arms.len() == 2;
    let matchups = analysis.matchups.iter().filter(compared);
    let cells: Vec<MoneyCell> = matchups.flat_map(|matchup| of_matchup(matchup, prices)).collect();
    (!cells.is_empty()).then_some(MoneyAnalysis { prices, cells })
}

/// A cell for each workload: of its open loops the one nearest to half of the capacity, where
/// servers are as busy as is planned here; without any, the closed one.
fn of_matchup(matchup: &MatchupAnalysis, prices: Prices) -> Vec<MoneyCell> {
    let unequal = |cell: &CellAnalysis| cell.warnings.iter().any(|w| w.code == "unequal_work");
    let distance = |cell: &CellAnalysis| match cell.kind() {
        CellKind::Servers(Loop::Open) => {
            let share = cell.open.as_ref().and_then(|open| open.rate_share);
            (share.unwrap_or(UTILISATION) - UTILISATION).abs()
        }
        // Shares are below 1.
        _ => 1.0,
    };
    let mut chosen: Vec<(&CellAnalysis, &MetricAnalysis)> = vec![];
    for cell in matchup.cells.iter().filter(|cell| !unequal(cell)) {
        let is_cpu = |m: &&MetricAnalysis| m.metric == Metric::CpuNsPerRequest && m.ratio.is_some();
        let Some(cpu) = cell.metrics.iter().find(is_cpu) else { continue };
        match chosen.iter_mut().find(|(other, _)| other.id.workload == cell.id.workload) {
            Some(other) if distance(cell) < distance(other.0) => *other = (cell, cpu),
            Some(_) => {}
            None => chosen.push((cell, cpu)),
        }
    }
    chosen.into_iter().filter_map(|(cell, cpu)| money_cell(matchup, cell, cpu, prices)).collect()
}

fn money_cell(
    matchup: &MatchupAnalysis,
    cell: &CellAnalysis,
    cpu: &MetricAnalysis,
    prices: Prices,
) -> Option<MoneyCell> {
    let arms = matchup.arms.iter().zip(&cpu.arms).map(|(arm, cpu)| MoneyArm {
        label: arm.label.clone(),
        requests_per_vcpu_second: falling(*cpu, |ns| UTILISATION * 1e9 / ns),
        cost_per_million: rising(*cpu, |ns| vcpus(ns, 1e6) / SECONDS_PER_HOUR * prices.vcpu_hour),
        months: RATES.into_iter().map(|rate| month(cpu, rate, prices)).collect(),
    });
    let dearer = match cpu.verdict {
        Verdict::Faster => Some(0),
        Verdict::Slower => Some(1),
        Verdict::Tie | Verdict::Inconclusive => None,
    };
    let [first, second] = &cpu.arms[..] else { return None };
    let ratio = cpu.ratio?;
    let pays = dearer.map(|dearer| {
        let (cheap, ratio) = match dearer {
            0 => (second.value, inverse(ratio)),
            _ => (first.value, ratio),
        };
        // Where one is dearer the whole interval lies above one.
        falling(ratio, |ratio| pays_day_from(cheap, ratio, prices))
    });
    Some(MoneyCell {
        cell: cell.id.clone(),
        load: cell.load.clone(),
        arms: arms.collect(),
        dearer,
        pays_day_from_per_second: pays,
    })
}

/// vCPUs that carry `rate` requests a second of so much CPU each, at the planned utilisation.
fn vcpus(cpu_ns: f64, rate: f64) -> f64 {
    rate * cpu_ns / 1e9 / UTILISATION
}

/// What so many vCPUs cost in a month.
fn month_of(vcpus: f64, prices: Prices) -> f64 {
    vcpus.max(SMALLEST_VCPUS) * HOURS_PER_MONTH * prices.vcpu_hour
}

fn month(cpu: &Estimate, rate: u64, prices: Prices) -> MoneyMonth {
    let needed = vcpus(cpu.value, rate as f64);
    MoneyMonth {
        rate_per_second: rate,
        vcpus: needed,
        cost: rising(*cpu, |ns| month_of(vcpus(ns, rate as f64), prices)),
        smallest: needed <= SMALLEST_VCPUS,
    }
}

/// The rate at which the dearer server, which needs `ratio` times `cheap_ns` of CPU per request,
/// costs a day of work more in a month. With d what a day is in vCPU-months and s the smallest
/// instance: as long as the cheaper server fits s, the dearer one needs d + s; beyond, d is the
/// difference of the two.
fn pays_day_from(cheap_ns: f64, ratio: f64, prices: Prices) -> f64 {
    let day_vcpus = prices.day / (HOURS_PER_MONTH * prices.vcpu_hour);
    let (cheap, dear) = (vcpus(cheap_ns, 1.0), vcpus(cheap_ns * ratio, 1.0));
    let rate = (day_vcpus + SMALLEST_VCPUS) / dear;
    if cheap * rate <= SMALLEST_VCPUS { rate } else { day_vcpus / (dear - cheap) }
}

/// What an increasing function makes of an estimate.
fn rising(of: Estimate, f: impl Fn(f64) -> f64) -> Estimate {
    Estimate { value: f(of.value), interval: of.interval.map(|i| i.map(&f)), n: of.n }
}

/// What a decreasing function makes of it: the bounds change places.
fn falling(of: Estimate, f: impl Fn(f64) -> f64) -> Estimate {
    let turned = |i: Interval| Interval { low: f(i.high), high: f(i.low), ..i };
    Estimate { value: f(of.value), interval: of.interval.map(turned), n: of.n }
}

fn inverse(ratio: Estimate) -> Estimate {
    falling(ratio, |ratio| 1.0 / ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_analysis::analyse as analyse_run;
    use duet_model::testing::{self, Scene};

    const PRICES: Prices = Prices { vcpu_hour: 0.05, day: 365.25 };

    /// alpha needs 18 µs a request, beta 22.5.
    fn costs(analysis: &Analysis) -> Vec<MoneyCell> {
        analyse(analysis, PRICES).map_or_else(Vec::new, |money| money.cells)
    }

    fn assert_near(got: f64, want: f64) {
        assert!((got / want - 1.0).abs() < 0.01, "{got}, not {want}");
    }

    #[test]
    fn a_cell_in_money() {
        let cells = costs(&analyse_run(&testing::run(&Scene::default())));
        let [cell] = &cells[..] else { panic!("{cells:?}") };
        assert_eq!(cell.dearer, Some(1));
        let [alpha, beta] = &cell.arms[..] else { panic!("{cell:?}") };
        assert_near(alpha.requests_per_vcpu_second.value, 27_778.0);
        // A million need 18 s of CPU, so 36 s of a vCPU that is half busy: 0.01 h.
        assert_near(alpha.cost_per_million.value, 0.0005);
        assert_near(beta.cost_per_million.value, 0.000_625);
        let months = |arm: &MoneyArm| arm.months.iter().map(|m| m.smallest).collect::<Vec<_>>();
        assert_eq!(months(alpha), [true, true, false]);
        // 730.5 h × 0.05: the least that anybody pays.
        assert_near(alpha.months[0].cost.value, 36.525);
        assert_near(alpha.months[2].vcpus, 3.6);
        assert_near(alpha.months[2].cost.value, 131.49);
        assert_near(beta.months[2].cost.value, 164.36);
        // Ten vCPU-months pay the day; a request a second costs beta 9e-6 more of one.
        let pays = cell.pays_day_from_per_second.expect("they differ");
        assert_near(pays.value, 1_111_111.0);
        let interval = pays.interval.expect("eight blocks");
        assert!(interval.low < pays.value && pays.value < interval.high, "{pays:?}");
    }

    /// A cheap day, or a large ratio: the cheaper server still fits the smallest instance.
    #[test]
    fn the_smallest_instance_is_paid_in_any_case() {
        let prices = Prices { vcpu_hour: 0.05, day: 36.525 };
        // 1 µs and 10 µs: 2e-6 and 20e-6 vCPUs a request per second.
        assert_near(pays_day_from(1_000.0, 10.0, prices), 100_000.0);
        // 9 µs and 10 µs: the cheaper one outgrows it first.
        assert_near(pays_day_from(9_000.0, 10.0 / 9.0, prices), 500_000.0);
    }

    #[test]
    fn an_open_loop_comes_before_a_closed_one() {
        let closed = analyse_run(&testing::run(&Scene::default()));
        let open = analyse_run(&testing::open(testing::run(&Scene::default()), [1e5, 2e5]));
        let mut both = closed.clone();
        let mut cell = open.matchups[0].cells[0].clone();
        cell.id.load = "r50".to_owned();
        both.matchups[0].cells.push(cell);
        assert_eq!(costs(&both)[0].cell.load, "r50");
        assert_eq!(costs(&closed)[0].cell.load, "c64");
    }

    #[test]
    fn what_cannot_be_compared_costs_nothing() {
        let control = Scene { servers: ["alpha", "alpha"], ..Scene::default() };
        assert_eq!(costs(&analyse_run(&testing::run(&control))), []);
        let mut programs = analyse_run(&testing::programs(6, 2.0));
        programs.matchups.retain(|matchup| matchup.programs);
        assert_eq!(costs(&programs), []);
        let mut unequal = testing::run(&Scene::default());
        for block in &mut unequal.blocks {
            block.arms[0].wire.body_bytes += 1;
        }
        assert_eq!(costs(&analyse_run(&unequal)), []);
        let few = testing::run(&Scene { blocks: 3, ..Scene::default() });
        assert_eq!(costs(&analyse_run(&few))[0].pays_day_from_per_second, None);
    }
}
