//! The ledger: claims that others published, held against what a run measured.
//!
//! What tests a claim and what counts as agreeing is data, in the definitions. A line is a metric
//! of a cell, of every start of a matchup, or the mean over a matchup's cells; its verdict is the
//! one that the report shows, so that no difference counts here that does not count there. A claim
//! holds where all lines agree, holds in part where some do, and does not hold where none does and
//! one disagrees.

use serde::Serialize;

use crate::summary::{
    Analysis, Arm, CellAnalysis, ClaimAnalysis, ClaimCells, ClaimLine, ClaimQuantity,
    ClaimStanding, ClaimVerdict, Estimate, MatchupAnalysis, MetricAnalysis,
};
use crate::verdict::Verdict;
use duet_model::spec::{Claim, ClaimFigure, ClaimKind, ClaimTest};
use duet_stats::Interval;
use duet_units::{Metric, Unit};

/// The format of [`Ledger`] as JSON.
pub const SCHEMA: &str = "duet.claims/1";

/// What several runs say of claims.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ledger {
    /// [`SCHEMA`].
    pub schema: String,
    /// The runs, the newest first.
    pub runs: Vec<LedgerRun>,
    /// The claims in the definitions' order, each with what the newest run says that measured it.
    pub claims: Vec<ClaimAnalysis>,
}

/// A run of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LedgerRun {
    /// Its folder.
    pub folder: String,
    /// Its suite.
    pub suite: String,
    /// When it began, ISO 8601 in UTC.
    pub started: String,
}

/// The ledger of runs, each with its folder: of every claim the newest run that measured it.
#[must_use]
pub fn ledger(mut runs: Vec<(String, Analysis)>, claims: &[Claim]) -> Ledger {
    runs.sort_by(|(_, a), (_, b)| b.run.started.cmp(&a.run.started));
    let newest = |claim: &Claim| {
        let judged = runs.iter().map(|(folder, analysis)| (folder, judged(analysis, claim)));
        let measured = judged.into_iter().find(|(_, found)| !found.lines.is_empty());
        match measured {
            Some((folder, found)) => ClaimAnalysis { run: Some(folder.clone()), ..found },
            None => unmeasured(claim),
        }
    };
    let run = |(folder, analysis): &(String, Analysis)| LedgerRun {
        folder: folder.clone(),
        suite: analysis.run.suite.clone(),
        started: analysis.run.started.clone(),
    };
    Ledger {
        schema: SCHEMA.to_owned(),
        claims: claims.iter().map(newest).collect(),
        runs: runs.iter().map(run).collect(),
    }
}

/// Holds claims against a run.
#[must_use]
pub fn judge(analysis: &Analysis, claims: &[Claim]) -> Vec<ClaimAnalysis> {
    claims.iter().map(|claim| judged(analysis, claim)).collect()
}

fn judged(analysis: &Analysis, claim: &Claim) -> ClaimAnalysis {
    let mut found = unmeasured(claim);
    for test in &claim.tests {
        for name in &test.matchups {
            let matchup = analysis.matchups.iter().find(|matchup| matchup.name == *name);
            let Some((matchup, ahead)) = matchup.and_then(|m| Some((m, ahead(m, &test.ahead)?)))
            else {
                continue;
            };
            let side = Side { matchup, ahead, test };
            let metrics = test.metrics.iter().flat_map(|metric| side.lines(*metric));
            let figures = test.figures.iter().filter_map(|figure| side.figure(analysis, *figure));
            found.lines.extend(metrics.chain(figures));
            for said in side.cells().filter_map(unequal_work) {
                if !found.differs.contains(&said) {
                    found.differs.push(said);
                }
            }
        }
    }
    if claim.kind == ClaimKind::Figures {
        found.lines.iter_mut().for_each(|line| line.standing = ClaimStanding::Shown);
    }
    if found.lines.is_empty() {
        found.differs.clear();
    } else {
        found.verdict = verdict(&found.lines);
    }
    found
}

/// A claim of which nothing was measured.
fn unmeasured(claim: &Claim) -> ClaimAnalysis {
    ClaimAnalysis {
        name: claim.name.clone(),
        claim: claim.claim.clone(),
        source: claim.source.clone(),
        date: claim.date.clone(),
        kind: claim.kind,
        remark: claim.remark.clone(),
        missing: claim.missing.clone(),
        verdict: match claim.kind {
            ClaimKind::Unrelated => ClaimVerdict::Unrelated,
            _ if claim.tests.is_empty() => ClaimVerdict::Untested,
            _ => ClaimVerdict::NotMeasured,
        },
        lines: vec![],
        differs: vec![],
        run: None,
    }
}

/// The arm in a language; absent where none or both are in it.
fn ahead(matchup: &MatchupAnalysis, language: &str) -> Option<usize> {
    let is_in = |arm: &Arm| arm.language == language;
    match matchup.arms.iter().map(is_in).collect::<Vec<_>>()[..] {
        [true, false] => Some(0),
        [false, true] => Some(1),
        _ => None,
    }
}

/// What the lines let us say of their claim.
fn verdict(lines: &[ClaimLine]) -> ClaimVerdict {
    let count = |standing| lines.iter().filter(|line| line.standing == standing).count();
    let agree = count(ClaimStanding::Agrees);
    let in_part = count(ClaimStanding::InPart);
    let disagree = count(ClaimStanding::Disagrees);
    let unclear = count(ClaimStanding::Unclear);
    match (agree, in_part, disagree, unclear) {
        (0, 0, 0, 0) => ClaimVerdict::FiguresOnly,
        (_, 0, 0, 0) => ClaimVerdict::Holds,
        (0, 0, 0, _) => ClaimVerdict::Inconclusive,
        (0, 0, _, _) => ClaimVerdict::DoesNotHold,
        _ => ClaimVerdict::HoldsInPart,
    }
}

/// What differs in the work of a cell's arms.
fn unequal_work(cell: &CellAnalysis) -> Option<String> {
    let found = cell.warnings.iter().find(|warning| warning.code == "unequal_work");
    found.map(|warning| warning.message.clone())
}

/// A matchup seen from the side of the arm that a test puts ahead.
struct Side<'a> {
    matchup: &'a MatchupAnalysis,
    /// The arm's index.
    ahead: usize,
    test: &'a ClaimTest,
}

/// Which arm a verdict says is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    Ahead,
    Behind,
    Tie,
    Open,
}

impl Side<'_> {
    /// The cells that the test names.
    fn cells(&self) -> impl Iterator<Item = &CellAnalysis> {
        let is_in = |names: &[String], name: &String| names.is_empty() || names.contains(name);
        self.matchup.cells.iter().filter(move |cell| {
            is_in(&self.test.workloads, &cell.id.workload) && is_in(&self.test.loads, &cell.id.load)
        })
    }

    /// The lines of a metric: the mean over cells, that of all starts, or one for each cell.
    /// Metrics without a ratio have none.
    fn lines(&self, metric: Metric) -> Vec<ClaimLine> {
        let of = |metrics: &[MetricAnalysis]| {
            metrics.iter().find(|m| m.metric == metric && m.ratio.is_some()).cloned()
        };
        if self.test.majority {
            return self.mean(metric).into_iter().collect();
        }
        let whole = self.test.workloads.is_empty() && self.test.loads.is_empty();
        if let Some(found) = of(&self.matchup.starts).filter(|_| whole) {
            return self.line(&found).into_iter().collect();
        }
        let line = |cell: &CellAnalysis| {
            let line = self.line(&of(&cell.metrics)?)?;
            Some(ClaimLine { cell: Some(cell.id.clone()), ..line })
        };
        self.cells().filter_map(line).collect()
    }

    fn line(&self, m: &MetricAnalysis) -> Option<ClaimLine> {
        let ratio = self.oriented(m.ratio?);
        let lead = if m.informational { Lead::Open } else { self.lead(m.verdict) };
        let values = self.ordered([m.arms.first()?.value, m.arms.get(1)?.value]);
        let quantity = ClaimQuantity::Metric(m.metric);
        let standing = standing(self.test, &ratio, lead);
        let difference_bytes = (m.metric.unit() == Unit::Bytes).then_some(values[1] - values[0]);
        let values = Some(values);
        Some(ClaimLine { values, difference_bytes, ..self.blank(quantity, ratio, standing) })
    }

    fn mean(&self, metric: Metric) -> Option<ClaimLine> {
        let mean = self.matchup.means.iter().find(|mean| mean.metric == metric)?;
        let in_mean = |cell: &&CellAnalysis| mean.cells.iter().any(|of| of.cell == cell.id);
        let of_cell = |cell: &CellAnalysis| {
            let found = cell.metrics.iter().find(|m| m.metric == metric && m.ratio.is_some())?;
            Some((self.lead(found.verdict), self.line(found)?.difference_bytes))
        };
        let cells: Vec<(Lead, Option<f64>)> =
            self.matchup.cells.iter().filter(in_mean).filter_map(of_cell).collect();
        let count = |lead| cells.iter().filter(|(of_cell, _)| *of_cell == lead).count() as u32;
        let mean_of = ClaimCells {
            cells: cells.len() as u32,
            ahead: count(Lead::Ahead),
            behind: count(Lead::Behind),
        };
        let ratio = self.oriented(mean.ratio);
        let standing = standing_of_mean(self.test, &ratio, self.lead(mean.verdict), mean_of);
        let differences: Vec<f64> = cells.iter().filter_map(|(_, bytes)| *bytes).collect();
        let difference_bytes = (!differences.is_empty()).then(|| duet_stats::median(&differences));
        let line = self.blank(ClaimQuantity::Metric(metric), ratio, standing);
        Some(ClaimLine { mean_of: Some(mean_of), difference_bytes, ..line })
    }

    /// A figure: of servers from their builds, of programs the geometric mean over the cells.
    fn figure(&self, analysis: &Analysis, figure: ClaimFigure) -> Option<ClaimLine> {
        let quantity = ClaimQuantity::Figure(figure);
        let known = |value: u64| (value > 0).then_some(value as f64);
        if !self.matchup.programs {
            let of_arm = |arm: &Arm| {
                let found = analysis.servers.iter().find(|s| s.build.server == arm.server)?;
                known(match figure {
                    ClaimFigure::BinaryBytes => found.build.binary_bytes?,
                    ClaimFigure::CleanBuildNs => found.build.clean_build_ns?,
                    ClaimFigure::GzBytes => return None,
                })
            };
            let [first, second] = &self.matchup.arms[..] else { return None };
            let values = self.ordered([of_arm(first)?, of_arm(second)?]);
            let ratio = Estimate { value: values[1] / values[0], interval: None, n: 1 };
            let line = self.blank(quantity, ratio, ClaimStanding::Shown);
            return Some(ClaimLine { values: Some(values), ..line });
        }
        let log_ratio = |cell: &CellAnalysis| {
            let arms = &cell.program.as_ref()?.arms;
            let of_arm = |arm: usize| {
                let program = arms.get(arm)?;
                known(match figure {
                    ClaimFigure::GzBytes => program.gz_bytes?,
                    ClaimFigure::BinaryBytes => program.binary_bytes?,
                    ClaimFigure::CleanBuildNs => return None,
                })
            };
            let [ahead, behind] = self.ordered([of_arm(0)?, of_arm(1)?]);
            Some((behind / ahead).ln())
        };
        let logs: Vec<f64> = self.cells().filter_map(log_ratio).collect();
        let n = logs.len() as u32;
        let value = (logs.iter().sum::<f64>() / f64::from(n)).exp();
        let count = |is: &dyn Fn(f64) -> bool| logs.iter().filter(|log| is(**log)).count() as u32;
        let (ahead, behind) = (count(&|log| log > 0.0), count(&|log| log < 0.0));
        let mean_of = Some(ClaimCells { cells: n, ahead, behind });
        let ratio = Estimate { value, interval: None, n };
        let line = self.blank(quantity, ratio, ClaimStanding::Shown);
        (n > 0).then_some(ClaimLine { mean_of, ..line })
    }

    /// A line with nothing beside its ratio.
    fn blank(
        &self,
        quantity: ClaimQuantity,
        ratio: Estimate,
        standing: ClaimStanding,
    ) -> ClaimLine {
        let arms = &self.matchup.arms;
        let language = |arm: usize| arms.get(arm).map_or("", |arm| &arm.language).to_owned();
        ClaimLine {
            matchup: self.matchup.name.clone(),
            cell: None,
            mean_of: None,
            quantity,
            languages: self.ordered([language(0), language(1)]),
            values: None,
            difference_bytes: None,
            ratio,
            limits: self.test.at_least.into_iter().chain(self.test.at_most.clone()).collect(),
            standing,
        }
    }

    /// What is of the first and of the second arm, the one ahead first.
    fn ordered<T>(&self, [first, second]: [T; 2]) -> [T; 2] {
        if self.ahead == 0 { [first, second] } else { [second, first] }
    }

    /// A ratio of the second arm against the first, so that it says how much worse the other is.
    fn oriented(&self, ratio: Estimate) -> Estimate {
        match self.ahead {
            0 => ratio,
            _ => Estimate {
                value: 1.0 / ratio.value,
                interval: ratio.interval.map(Interval::inverse),
                n: ratio.n,
            },
        }
    }

    fn lead(&self, verdict: Verdict) -> Lead {
        match (verdict, self.ahead) {
            (Verdict::Slower, 0) | (Verdict::Faster, 1) => Lead::Ahead,
            (Verdict::Slower | Verdict::Faster, _) => Lead::Behind,
            (Verdict::Tie, _) => Lead::Tie,
            (Verdict::Inconclusive, _) => Lead::Open,
        }
    }
}

fn standing(test: &ClaimTest, ratio: &Estimate, lead: Lead) -> ClaimStanding {
    if let (Some(strictest), Some(last)) = (test.at_most.first(), test.at_most.last()) {
        return match ratio.interval {
            Some(i) if i.high <= *strictest => ClaimStanding::Agrees,
            Some(i) if i.low > *last => ClaimStanding::Disagrees,
            Some(i) if i.high <= *last => ClaimStanding::InPart,
            _ => ClaimStanding::Unclear,
        };
    }
    let reaches = |limit: f64| ratio.interval.is_some_and(|i| i.low >= limit);
    match lead {
        Lead::Ahead if test.at_least.is_none_or(reaches) => ClaimStanding::Agrees,
        Lead::Ahead => ClaimStanding::InPart,
        Lead::Behind | Lead::Tie => ClaimStanding::Disagrees,
        Lead::Open => ClaimStanding::Unclear,
    }
}

/// Of a mean, which most of its cells must agree with unless only its size is asked for.
fn standing_of_mean(
    test: &ClaimTest,
    ratio: &Estimate,
    lead: Lead,
    of: ClaimCells,
) -> ClaimStanding {
    let most = 2 * of.ahead > of.cells;
    match standing(test, ratio, lead) {
        standing if !test.at_most.is_empty() => standing,
        ClaimStanding::Agrees if !most => ClaimStanding::InPart,
        ClaimStanding::Disagrees if most => ClaimStanding::InPart,
        standing => standing,
    }
}

#[cfg(test)]
mod tests;
