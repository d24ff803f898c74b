//! A matchup of several arms in a report: a table of its cells, in each of which the arms are
//! ranked.

use super::details;
use super::document::{Block, Column, Emphasis, Fold, Group, Row, Span, Table};
use super::load_kinds;
use super::parts::{self, LABEL, about, names, short};
use super::ranking::{self, Ranked, Several};
use super::wording::{self, Conclusion};
use duet_analysis::{Analysis, CellAnalysis, MatchupAnalysis};
use duet_units::Metric;

/// The metrics that a table of cells of one kind shows; they are ranked by the first.
fn shown_metrics(cell: &CellAnalysis) -> Vec<Metric> {
    let wanted = [
        Metric::CpuNsPerRequest,
        Metric::RequestsPerSecond,
        Metric::LatencyNsP50,
        Metric::LatencyNsP99,
        Metric::RssBytesPeak,
    ];
    let has = |metric: &Metric| cell.metrics.iter().any(|found| found.metric == *metric);
    let of_kind = load_kinds::headline_metrics(cell);
    let wanted = wanted.into_iter().filter(|metric| of_kind.contains(metric));
    let others = of_kind.iter().copied().filter(|metric| !wanted.clone().any(|w| w == *metric));
    wanted.clone().chain(others).filter(has).take(3).collect()
}

/// Its part of a report: a table of cells for each list of metrics, their means, and what belongs
/// to starts.
pub(super) fn section(analysis: &Analysis, several: &Several<'_>) -> Vec<Block> {
    let mut tables: Vec<(Vec<Metric>, Vec<Group>)> = vec![];
    for cell in several.cells() {
        let Some((_, first)) = cell.first() else { continue };
        let metrics = shown_metrics(first);
        let group = cell_group(analysis, &cell, &metrics);
        match tables.iter_mut().find(|(of, _)| *of == metrics) {
            Some((_, groups)) => groups.push(group),
            None => tables.push((metrics, vec![group])),
        }
    }
    if let Some((metrics, groups)) = tables.first_mut() {
        groups.extend(means(analysis, several, metrics));
    }
    let starts = [Metric::StartupNs, Metric::RssBytesIdle];
    let of_starts = starts.map(|metric| ranking::ranked_starts(analysis, several, metric));
    if of_starts.iter().any(|ranked| !ranked.is_empty()) {
        let rows = rows(&starts, &of_starts);
        let group = Group { name: "every start".to_owned(), rows, ..Group::default() };
        tables.push((starts.to_vec(), vec![group]));
    }
    let base = several.base();
    let mut caption = format!(
        "Each against {base}: how many times worse, so that below 1× is better. Intervals of a \
         metric hold for all arms together with 95\u{a0}%"
    );
    let mut blocks = vec![Block::heading(several.title())];
    for (metrics, groups) in tables {
        let [first, others @ ..] = &metrics[..] else {
            blocks.extend(groups.into_iter().flat_map(|group| group.notes).map(Block::Paragraph));
            continue;
        };
        let head = [Column::words(""), Column::numbers(first.label()), Column::numbers("ratio")];
        let others = others.iter().map(|metric| Column::numbers(metric.label()));
        let columns = head.into_iter().chain(others).collect();
        let caption = std::mem::take(&mut caption); // once
        blocks.push(Block::Table(Table { caption, columns, groups, apart: false }));
    }
    blocks
}

/// The means over cells; nothing where there are none.
fn means(analysis: &Analysis, several: &Several<'_>, metrics: &[Metric]) -> Option<Group> {
    let ranked = |metric: &Metric| ranking::ranked_means(analysis, several, *metric);
    let rows = rows(metrics, &metrics.iter().map(ranked).collect::<Vec<_>>());
    let mean = several.mean(*metrics.first()?)?;
    let about = format!("of {} cells, a vote for each kind of work", mean.cells.len());
    let name = "geometric mean".to_owned();
    (!rows.is_empty()).then(|| Group { name, about, rows, ..Group::default() })
}

/// A row for each arm, in the order of the first metric.
fn rows(metrics: &[Metric], of_metrics: &[Vec<Ranked<'_>>]) -> Vec<Row> {
    let row = |of: &Ranked<'_>| {
        let found = |(metric, all): (&Metric, &Vec<Ranked<'_>>)| {
            let found = all.iter().find(|other| other.arm == of.arm);
            found.map_or_else(Span::default, |found| beside(*metric, found))
        };
        let value = metrics.first().zip(of.value);
        let value = value.map_or_else(String::new, |(metric, value)| metric.format(value));
        let head =
            [of.arm.label.as_str().into(), value.into(), Span::new(of.ratio_text(), emphasis(of))];
        let others = metrics.iter().zip(of_metrics).skip(1).map(found);
        Row { cells: head.into_iter().chain(others).collect(), notes: vec![] }
    };
    of_metrics.first().map_or_else(Vec::new, |order| order.iter().map(row).collect())
}

fn cell_group(
    analysis: &Analysis,
    cell: &[(&MatchupAnalysis, &CellAnalysis)],
    metrics: &[Metric],
) -> Group {
    let Some((_, first)) = cell.first() else { return Group::default() };
    let of_metrics: Vec<Vec<Ranked<'_>>> =
        metrics.iter().map(|metric| ranking::ranked(analysis, cell, *metric)).collect();
    let silent = cell.iter().filter(|(_, of_pair)| of_pair.metrics.is_empty());
    let why = silent.map(|(pair, of_pair)| {
        let why = wording::silence(analysis, pair, of_pair);
        format!("{}: {why}", wording::label(&pair.arms, 1))
    });
    let why = why.chain(refusals(cell, metrics));
    let why = why.map(|said| vec![Span::new(said, Conclusion::Silent.emphasis())]);
    Group {
        name: first.id.workload.clone(),
        about: about(first),
        rows: rows(metrics, &of_metrics),
        notes: why.collect(),
        fold: Some(fold(analysis, cell)),
        ..Group::default()
    }
}

/// Why metrics of a cell have no ratio, each once with the arms that it holds for.
fn refusals(cell: &[(&MatchupAnalysis, &CellAnalysis)], metrics: &[Metric]) -> Vec<String> {
    let mut refused: Vec<(Metric, &str, Vec<&str>)> = vec![];
    for (pair, of_pair) in cell {
        let shown = of_pair.metrics.iter().filter(|m| metrics.contains(&m.metric));
        for found in shown.filter(|m| m.ratio.is_none()) {
            let why = found.reason.as_deref().unwrap_or("no ratio");
            let arm = wording::label(&pair.arms, 1);
            match refused.iter_mut().find(|(of, said, _)| (*of, *said) == (found.metric, why)) {
                Some((.., arms)) => arms.push(arm),
                None => refused.push((found.metric, why, vec![arm])),
            }
        }
    }
    let told = |(metric, why, arms): (Metric, &str, Vec<&str>)| {
        format!("{} of {}: {why}", metric.label(), arms.join(", "))
    };
    refused.into_iter().map(told).collect()
}

/// A value with its ratio: `58,230 (1.02×)`; of a mean the ratio alone.
fn beside(metric: Metric, found: &Ranked<'_>) -> Span {
    let value = found.value.map(|value| metric.format(value));
    let ratio = (!found.is_base).then(|| match found.ratio {
        Some(ratio) => format!("({})", duet_units::ratio(ratio.value)),
        None => "(–)".to_owned(),
    });
    let text: Vec<String> = value.into_iter().chain(ratio).collect();
    Span::new(text.join(" "), emphasis(found))
}

fn emphasis(found: &Ranked<'_>) -> Emphasis {
    if found.better { Emphasis::Good } else { found.conclusion.emphasis() }
}

/// What is known of each pair of a cell.
fn fold(analysis: &Analysis, cell: &[(&MatchupAnalysis, &CellAnalysis)]) -> Fold {
    let of_pair = |(pair, of_pair): &(&MatchupAnalysis, &CellAnalysis)| {
        let too_long = pair.arms.iter().any(|arm| arm.label.chars().count() > LABEL);
        let (arms, meanings) = short(&pair.arms, too_long);
        let rows = wording::headline_rows(&analysis.run, &arms, of_pair);
        let groups = vec![parts::group("", "", &rows, arms.len())];
        let caption = if too_long { meanings } else { names(pair) };
        let columns = parts::columns(&arms, "");
        let table = Block::Table(Table { caption, columns, groups, apart: false });
        let further = details::details(analysis, pair, of_pair).blocks;
        [table].into_iter().chain(further)
    };
    let workload = cell.first().map_or("", |(_, first)| &first.id.workload);
    Fold {
        summary: format!("Details of {workload}, arm by arm"),
        blocks: cell.iter().flat_map(of_pair).collect(),
    }
}
