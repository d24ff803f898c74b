//! What all exports are made of: the metrics of a run, one by one.

use duet_analysis::{Analysis, Arm, CellAnalysis, MatchupAnalysis, MetricAnalysis};
use duet_units::Unit;

/// A metric of a cell, or of all starts of a matchup.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) matchup: &'a MatchupAnalysis,
    /// Absent for a metric of all starts.
    pub(super) cell: Option<&'a CellAnalysis>,
    pub(super) metric: &'a MetricAnalysis,
}

/// Everything there is, in the analysis' order.
pub(super) fn rows(analysis: &Analysis) -> impl Iterator<Item = Row<'_>> {
    analysis.matchups.iter().flat_map(|matchup| {
        let of_cells = matchup.cells.iter().flat_map(move |cell| {
            cell.metrics.iter().map(move |metric| Row { matchup, cell: Some(cell), metric })
        });
        let starts = matchup.starts.iter();
        of_cells.chain(starts.map(move |metric| Row { matchup, cell: None, metric }))
    })
}

impl<'a> Row<'a> {
    /// Whether its arms may be compared: there is a ratio.
    pub(super) fn is_compared(&self) -> bool {
        self.metric.ratio.is_some()
    }

    /// Why its arms may not be compared.
    pub(super) fn silence(&self) -> &'a str {
        self.metric.reason.as_deref().unwrap_or("no ratio was measured")
    }

    /// What it is about: `matchup/workload/load`, or `matchup/start` for all starts.
    pub(super) fn place(&self) -> String {
        match self.cell {
            Some(cell) => cell.id.to_string(),
            None => format!("{}/start", self.matchup.name),
        }
    }

    /// The arms with their values. An arm whose value is no number has none.
    pub(super) fn arms(
        &self,
    ) -> impl Iterator<Item = (usize, &'a Arm, &'a duet_analysis::Estimate)> {
        let arms = self.matchup.arms.iter().zip(&self.metric.arms).enumerate();
        arms.map(|(i, (arm, estimate))| (i, arm, estimate)).filter(|(.., e)| e.value.is_finite())
    }
}

/// A metric's unit as formats without a convention of their own write it.
pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::PerSecond => "req/s",
        Unit::Nanoseconds => "ns",
        Unit::Bytes => "bytes",
    }
}

/// A value as JSON with a last line feed.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value);
    // Strings and finite numbers in vectors and maps with strings as keys: nothing can fail.
    text.unwrap_or_else(|error| unreachable!("plain values are JSON: {error}")) + "\n"
}
