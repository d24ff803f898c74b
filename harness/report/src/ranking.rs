//! Matchups of several arms as they are shown: together, each arm compared with the first, the best
//! first.

use super::wording::{self, Conclusion};
use duet_analysis::{Analysis, Arm, CellAnalysis, Estimate, MatchupAnalysis, Mean, MetricAnalysis};
use duet_units::Metric;

/// What reports show as one: a matchup of two arms, or the pairs of one of several.
pub(super) enum Shown<'a> {
    Pair(&'a MatchupAnalysis),
    Several(Several<'a>),
}

/// A matchup of several arms.
pub(super) struct Several<'a> {
    pub(super) name: &'a str,
    /// Its first arm with each other, in their order: one or more.
    pub(super) pairs: Vec<&'a MatchupAnalysis>,
}

/// An arm in a metric of a cell.
pub(super) struct Ranked<'a> {
    pub(super) arm: &'a Arm,
    /// Absent in a mean, which has ratios alone.
    pub(super) value: Option<f64>,
    /// How many times worse it is than the first arm; of the first arm itself 1. Absent where it
    /// may not be compared.
    pub(super) ratio: Option<Estimate>,
    /// What that lets us say.
    pub(super) conclusion: Conclusion,
    /// Whether it is better for sure.
    pub(super) better: bool,
    /// Whether it is the first arm.
    pub(super) is_base: bool,
}

impl Ranked<'_> {
    /// Whether it is compared with the first.
    fn is_compared(&self) -> bool {
        self.ratio.is_some() && !self.is_base
    }

    /// Its ratio with the interval; the first arm has none.
    pub(super) fn ratio_text(&self) -> String {
        match &self.ratio {
            Some(_) if self.is_base => "1×".to_owned(),
            Some(ratio) => wording::estimate(ratio),
            None => "–".to_owned(),
        }
    }
}

/// The matchups of a run as they are shown, controls last.
pub(super) fn shown(analysis: &Analysis) -> Vec<Shown<'_>> {
    let mut all: Vec<Shown<'_>> = vec![];
    for matchup in wording::controls_last(analysis) {
        let Some(whole) = matchup.pair_of.as_deref() else {
            all.push(Shown::Pair(matchup));
            continue;
        };
        let known = all.iter_mut().find_map(|shown| match shown {
            Shown::Several(several) if several.name == whole => Some(several),
            _ => None,
        });
        match known {
            Some(several) => several.pairs.push(matchup),
            None => all.push(Shown::Several(Several { name: whole, pairs: vec![matchup] })),
        }
    }
    all
}

impl<'a> Several<'a> {
    /// Its name, with its lane where the name does not say it.
    pub(super) fn title(&self) -> String {
        let first = self.pairs.first().copied();
        first.map_or_else(String::new, |pair| wording::title_of(self.name, pair))
    }

    /// What each arm is compared with.
    pub(super) fn base(&self) -> &'a str {
        self.pairs.first().map_or("", |pair| wording::label(&pair.arms, 0))
    }

    /// The cells, as each pair has them.
    pub(super) fn cells(&self) -> Vec<Vec<(&'a MatchupAnalysis, &'a CellAnalysis)>> {
        let first = self.pairs.first().map_or(&[][..], |pair| &pair.cells);
        let same = |cell: &CellAnalysis, other: &CellAnalysis| {
            (&cell.id.workload, &cell.id.load) == (&other.id.workload, &other.id.load)
        };
        let of_pair = |cell: &CellAnalysis, pair: &&'a MatchupAnalysis| {
            Some((*pair, pair.cells.iter().find(|other| same(cell, other))?))
        };
        let of_cell = |cell| self.pairs.iter().filter_map(|pair| of_pair(cell, pair)).collect();
        first.iter().map(of_cell).collect()
    }

    /// The arms in what a request costs, over all cells or in the only one: `go-chi 1.02× [1.01,
    /// 1.03]`, the best first.
    pub(super) fn answer(&self, analysis: &Analysis) -> Option<String> {
        let metrics = [
            (Metric::CpuNsPerRequest, "CPU for a request"),
            (Metric::RequestsPerSecond, "time for a request"),
        ];
        let cells = self.cells();
        let ranked = |metric| match &cells[..] {
            [cell] => ranked(analysis, cell, metric),
            _ => ranked_means(analysis, self, metric),
        };
        let mut found = metrics.into_iter().map(|(metric, what)| (metric, what, ranked(metric)));
        let (metric, what, found) =
            found.find(|(.., found)| found.iter().any(Ranked::is_compared))?;
        let others = found.iter().filter(|arm| arm.is_compared());
        let told = others.map(|of| format!("{} {}", of.arm.label, of.ratio_text()));
        let told: Vec<String> = told.collect();
        let mean = self.mean(metric).map_or_else(String::new, |mean| {
            format!(", means of {}", duet_units::count(mean.cells.len(), "cell"))
        });
        let base = self.base();
        Some(format!("On this machine, beside {base} (1×) in {what}{mean}: {}.", told.join(", ")))
    }

    /// The first pair's mean of a metric, which says of which cells all are.
    pub(super) fn mean(&self, metric: Metric) -> Option<&'a Mean> {
        self.pairs.first()?.means.iter().find(|mean| mean.metric == metric)
    }
}

/// The arms in a metric of a cell, as its pairs have it: the best first, and those that may not be
/// compared last.
pub(super) fn ranked<'a>(
    analysis: &Analysis,
    cell: &[(&'a MatchupAnalysis, &'a CellAnalysis)],
    metric: Metric,
) -> Vec<Ranked<'a>> {
    let found = cell.iter().filter_map(|(pair, of_pair)| {
        Some((*pair, of_pair.metrics.iter().find(|m| m.metric == metric)?))
    });
    ranked_by(analysis, found)
}

/// The same in a metric of all starts.
pub(super) fn ranked_starts<'a>(
    analysis: &Analysis,
    several: &Several<'a>,
    metric: Metric,
) -> Vec<Ranked<'a>> {
    let found = several
        .pairs
        .iter()
        .filter_map(|pair| Some((*pair, pair.starts.iter().find(|m| m.metric == metric)?)));
    ranked_by(analysis, found)
}

/// The same in a mean over cells, in which arms have no values.
pub(super) fn ranked_means<'a>(
    analysis: &Analysis,
    several: &Several<'a>,
    metric: Metric,
) -> Vec<Ranked<'a>> {
    let mut ranked: Vec<Ranked<'a>> = vec![];
    for pair in &several.pairs {
        let Some(mean) = pair.means.iter().find(|mean| mean.metric == metric) else { continue };
        let row = wording::mean_row(&analysis.run, &pair.arms, mean);
        ranked.extend(pair.arms.first().filter(|_| ranked.is_empty()).map(|arm| base(arm, None)));
        ranked.extend(pair.arms.get(1).map(|arm| Ranked {
            arm,
            value: None,
            ratio: Some(mean.ratio),
            conclusion: row.conclusion,
            better: row.best == Some(1),
            is_base: false,
        }));
    }
    sorted(ranked)
}

/// The first arm.
fn base(arm: &Arm, value: Option<f64>) -> Ranked<'_> {
    let ratio = Some(Estimate { value: 1.0, interval: None, n: 0 });
    Ranked { arm, value, ratio, conclusion: Conclusion::Decided, better: false, is_base: true }
}

fn ranked_by<'a>(
    analysis: &Analysis,
    found: impl Iterator<Item = (&'a MatchupAnalysis, &'a MetricAnalysis)>,
) -> Vec<Ranked<'a>> {
    let mut ranked: Vec<Ranked<'a>> = vec![];
    for (pair, found) in found {
        let row = wording::row(&analysis.run, &pair.arms, found);
        let value = |arm: usize| Some((pair.arms.get(arm)?, found.arms.get(arm)?.value));
        if let Some((arm, value)) = value(0).filter(|_| ranked.is_empty()) {
            ranked.push(base(arm, Some(value)));
        }
        if let Some((arm, value)) = value(1) {
            let (ratio, conclusion, better) = (found.ratio, row.conclusion, row.best == Some(1));
            let value = Some(value);
            ranked.push(Ranked { arm, value, ratio, conclusion, better, is_base: false });
        }
    }
    sorted(ranked)
}

fn sorted(mut ranked: Vec<Ranked<'_>>) -> Vec<Ranked<'_>> {
    let key = |ranked: &Ranked<'_>| ranked.ratio.map_or(f64::INFINITY, |ratio| ratio.value);
    ranked.sort_by(|a, b| key(a).total_cmp(&key(b)));
    ranked
}
