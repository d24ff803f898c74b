//! What others published, beside what this run found: as ratios, since machines and versions
//! differ.

use serde::{Deserialize, Serialize};

use super::{CellAnalysis, CellId, Estimate, Interval, MatchupAnalysis};
use crate::verdict::Verdict;
use duet_model::spec::{Published, PublishedRow};
use duet_units::Metric;

/// Published figures and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedAnalysis {
    /// When they were published.
    pub date: String,
    /// Versions and machine.
    pub about: String,
    /// The languages compared; ratios say how many times worse the second is.
    pub languages: [String; 2],
    /// A row per problem that this run measured too.
    pub rows: Vec<PublishedComparison>,
    /// The geometric mean of these rows' ratios.
    pub mean: f64,
    /// The means of this run's matchups in these languages, each over all of its programs.
    pub today: Vec<MeanToday>,
}

/// A matchup's geometric mean of elapsed times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanToday {
    /// The matchup.
    pub matchup: String,
    /// Programs in it.
    pub cells: u32,
    /// The mean, in the order of the published languages.
    pub ratio: Estimate,
}

/// A published row and the cells of this run that correspond to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedComparison {
    /// The problem.
    pub problem: String,
    /// The published seconds, by language.
    pub secs: [f64; 2],
    /// Their ratio.
    pub ratio: f64,
    /// The ratio of peak memory.
    pub memory_ratio: Option<f64>,
    /// The ratio of source sizes.
    pub gz_ratio: Option<f64>,
    /// The published seconds for which the cores were busy, by language.
    pub busy_secs: Option<[f64; 2]>,
    /// How busy each core was, in per cent, by language.
    pub cpu_load: Option<[String; 2]>,
    /// The ratio of the fastest programs without intrinsics, `unsafe` and C libraries.
    pub plain_ratio: Option<f64>,
    /// The article's figure that shows the row, if one does.
    pub figure: Option<String>,
    /// What the fastest programs owe their speed to.
    pub note: Option<String>,
    /// This run's cells.
    pub today: Vec<Today>,
}

/// A cell beside a published row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Today {
    /// The cell.
    pub cell: CellId,
    /// The ratio of elapsed times, in the order of the published languages.
    pub ratio: Estimate,
    /// The ratio of peak memory.
    pub memory_ratio: Option<Estimate>,
    /// What became of the published gap in time.
    pub standing: Standing,
    /// The cell's CPU seconds, in the order of the published languages.
    pub cpu_secs: Option<[f64; 2]>,
    /// The busy share of each CPU, in that order.
    pub cpu_load: [Vec<f64>; 2],
}

/// What became of a published gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The same language is ahead, by at least half of the published gap (in logarithms).
    Stands,
    /// The same language is ahead, by less.
    Shrunk,
    /// They are equal now.
    Gone,
    /// The other language is ahead.
    Reversed,
    /// This run does not say.
    Unclear,
}

/// Compares published figures with the cells of this run. Figures of which no cell was measured
/// are left out.
pub(super) fn analyse(
    published: &[Published],
    matchups: &[MatchupAnalysis],
) -> Vec<PublishedAnalysis> {
    let of_table = |table: &Published| -> Option<PublishedAnalysis> {
        let languages = <[String; 2]>::try_from(table.languages.clone()).ok()?;
        let rows: Vec<PublishedComparison> =
            table.rows.iter().filter_map(|row| comparison(row, &languages, matchups)).collect();
        let (date, about) = (table.date.clone(), table.about.clone());
        let logs: f64 = rows.iter().map(|row| row.ratio.ln()).sum();
        let mean = (logs / rows.len() as f64).exp();
        let today = matchups.iter().filter_map(|m| mean_today(m, &languages)).collect();
        (!rows.is_empty()).then_some(PublishedAnalysis {
            date,
            about,
            languages,
            rows,
            mean,
            today,
        })
    };
    published.iter().filter_map(of_table).collect()
}

fn comparison(
    row: &PublishedRow,
    languages: &[String; 2],
    matchups: &[MatchupAnalysis],
) -> Option<PublishedComparison> {
    let secs = pair(Some(&row.secs))?;
    let ratio = secs[1] / secs[0];
    let of = |values: Option<&Vec<f64>>| pair(values).map(|[first, second]| second / first);
    let today: Vec<Today> = matchups
        .iter()
        .filter(|m| m.programs)
        .flat_map(|m| todays(row, ratio, languages, m))
        .collect();
    (!today.is_empty()).then(|| PublishedComparison {
        problem: row.problem.clone(),
        secs,
        ratio,
        memory_ratio: of(row.mem_kb.as_ref()),
        gz_ratio: of(row.gz_bytes.as_ref()),
        busy_secs: pair(row.busy_secs.as_ref()),
        cpu_load: row.cpu_load.as_ref().and_then(|load| <[String; 2]>::try_from(load.clone()).ok()),
        plain_ratio: of(row.plain_secs.as_ref()),
        figure: row.figure.clone(),
        note: row.note.clone(),
        today,
    })
}

fn pair(values: Option<&Vec<f64>>) -> Option<[f64; 2]> {
    <[f64; 2]>::try_from(values?.as_slice()).ok()
}

/// The cells of a matchup that solve the row's problem in its languages.
fn todays(
    row: &PublishedRow,
    published: f64,
    languages: &[String; 2],
    matchup: &MatchupAnalysis,
) -> Vec<Today> {
    let Some(swapped) = is_swapped(matchup, languages) else { return vec![] };
    let turned = |ratio: Estimate| if swapped { inverse(ratio) } else { ratio };
    let cells = matchup.cells.iter().filter(|cell| cell.id.workload == row.problem);
    let today = cells.filter_map(|cell| {
        let of = |metric| cell.metrics.iter().find(|m| m.metric == metric);
        let elapsed = of(Metric::ElapsedNs)?;
        let ratio = turned(elapsed.ratio?);
        Some(Today {
            cell: cell.id.clone(),
            ratio,
            memory_ratio: of(Metric::RssBytesPeak).and_then(|m| m.ratio).map(turned),
            standing: standing(published, ratio.value, elapsed.verdict),
            cpu_secs: of(Metric::CpuNs).and_then(|m| match &m.arms[..] {
                [first, second] => Some(ordered([first.value / 1e9, second.value / 1e9], swapped)),
                _ => None,
            }),
            cpu_load: ordered(load_of_arms(cell), swapped),
        })
    });
    today.collect()
}

/// The busy share of each CPU, by arm.
fn load_of_arms(cell: &CellAnalysis) -> [Vec<f64>; 2] {
    let arms = cell.program.as_ref().map_or(&[][..], |program| &program.arms);
    [0, 1].map(|arm| arms.get(arm).map_or_else(Vec::new, |arm| arm.cpu_load.clone()))
}

/// Arms in the order of the published languages.
fn ordered<T>([first, second]: [T; 2], swapped: bool) -> [T; 2] {
    if swapped { [second, first] } else { [first, second] }
}

fn mean_today(matchup: &MatchupAnalysis, languages: &[String; 2]) -> Option<MeanToday> {
    let swapped = is_swapped(matchup, languages)?;
    let mean = matchup.means.iter().find(|mean| mean.metric == Metric::ElapsedNs)?;
    Some(MeanToday {
        matchup: matchup.name.clone(),
        cells: mean.cells,
        ratio: if swapped { inverse(mean.ratio) } else { mean.ratio },
    })
}

/// Whether a matchup's arms are in the other order than the published languages; absent where they
/// are in other languages.
fn is_swapped(matchup: &MatchupAnalysis, languages: &[String; 2]) -> Option<bool> {
    let arms = || matchup.arms.iter().map(|arm| &arm.language);
    if arms().eq(languages) { Some(false) } else { arms().rev().eq(languages).then_some(true) }
}

fn inverse(ratio: Estimate) -> Estimate {
    Estimate {
        value: 1.0 / ratio.value,
        interval: ratio.interval.map(Interval::inverse),
        n: ratio.n,
    }
}

fn standing(published: f64, today: f64, verdict: Verdict) -> Standing {
    let (then, now) = (published.ln(), today.ln());
    match verdict {
        Verdict::Inconclusive => Standing::Unclear,
        Verdict::Tie => Standing::Gone,
        Verdict::Faster | Verdict::Slower if then * now < 0.0 => Standing::Reversed,
        Verdict::Faster | Verdict::Slower if now.abs() >= then.abs() / 2.0 => Standing::Stands,
        Verdict::Faster | Verdict::Slower => Standing::Shrunk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standings() {
        let cases = [
            (4.0, 2.01, Verdict::Slower, Standing::Stands),
            (4.0, 9.0, Verdict::Slower, Standing::Stands),
            (4.0, 1.9, Verdict::Slower, Standing::Shrunk),
            (4.0, 1.0, Verdict::Tie, Standing::Gone),
            (4.0, 0.9, Verdict::Faster, Standing::Reversed),
            (0.5, 0.5, Verdict::Faster, Standing::Stands),
            (0.5, 1.5, Verdict::Slower, Standing::Reversed),
            (4.0, 4.0, Verdict::Inconclusive, Standing::Unclear),
        ];
        for (published, today, verdict, want) in cases {
            assert_eq!(standing(published, today, verdict), want, "{published} {today}");
        }
    }
}
