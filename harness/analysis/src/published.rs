//! What others published, beside what this run found: as ratios, since machines and versions
//! differ.

use crate::summary::{
    CellAnalysis, Estimate, MatchupAnalysis, MeanToday, PublishedAnalysis, PublishedComparison,
    Standing, Today,
};
use crate::verdict::Verdict;
use duet_model::spec::{Published, PublishedRow};
use duet_stats::Interval;
use duet_units::Metric;

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
        // A matchup of other problems is another kind of work.
        let is_of_table = |m: &&MatchupAnalysis| {
            rows.iter().flat_map(|row| &row.today).any(|today| today.cell.matchup == m.name)
        };
        let today = matchups.iter().filter(is_of_table);
        let today = today.filter_map(|m| mean_today(m, &languages)).collect();
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
        cells: mean.cells.len() as u32,
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
