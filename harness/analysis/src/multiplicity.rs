//! Many lines are judged in one run: a verdict is one only where it also holds for all of them
//! together.

use crate::summary::{MatchupAnalysis, MetricAnalysis};
use crate::verdict::Verdict;
use duet_stats::benjamini_hochberg;

/// "Better" and "worse" need an adjusted p value of at most this: then at most one in twenty of a
/// run's such verdicts is expected to be false.
pub(super) const Q_MAX: f64 = 0.05;

/// A judged line: a metric of a cell, of starts, or a mean.
struct Line<'a> {
    p: f64,
    q: &'a mut Option<f64>,
    verdict: &'a mut Verdict,
    reason: Option<&'a mut Option<String>>,
}

/// Adjusts the p values of all judged lines of a run (Benjamini and Hochberg), and takes back
/// verdicts of better and worse that do not hold for the whole.
pub(super) fn adjust(matchups: &mut [MatchupAnalysis]) {
    let mut lines: Vec<Line<'_>> = matchups.iter_mut().flat_map(lines).collect();
    let p: Vec<f64> = lines.iter().map(|line| line.p).collect();
    let all = p.len();
    for (line, q) in lines.iter_mut().zip(benjamini_hochberg(&p)) {
        *line.q = Some(q);
        if q <= Q_MAX || !matches!(line.verdict, Verdict::Faster | Verdict::Slower) {
            continue;
        }
        *line.verdict = Verdict::Inconclusive;
        if let Some(reason) = &mut line.reason {
            **reason = Some(format!(
                "it would be decided alone, and not as one of the run's {all} lines (q = {q:.2}, \
                 at most {Q_MAX} is demanded): more blocks would decide"
            ));
        }
    }
}

fn lines(matchup: &mut MatchupAnalysis) -> Vec<Line<'_>> {
    let mut lines = vec![];
    let cells = matchup.cells.iter_mut().flat_map(|cell| &mut cell.metrics);
    for found in cells.chain(&mut matchup.starts) {
        let MetricAnalysis { p, q, verdict, reason, .. } = found;
        if let Some(p) = *p {
            lines.push(Line { p, q, verdict, reason: Some(reason) });
        }
    }
    for mean in &mut matchup.means {
        if let Some(p) = mean.p {
            lines.push(Line { p, q: &mut mean.q, verdict: &mut mean.verdict, reason: None });
        }
    }
    lines
}
