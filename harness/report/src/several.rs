//! A matchup of several arms in a report: a table of its cells, in each of which the arms are
//! ranked.

use super::details;
use super::document::{Block, Column, Emphasis, Fold, Group, Row, Span, Table};
use super::load_kinds;
use super::parts::{self, LABEL, about, names, short};
use super::ranking::{Ranked, Several, ranked};
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

/// Its part of a report: a table of cells for each list of metrics.
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
    let base = several.base();
    let caption = format!(
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
        blocks.push(Block::Table(Table {
            caption: caption.clone(),
            columns,
            groups,
            apart: false,
        }));
    }
    blocks
}

fn cell_group(
    analysis: &Analysis,
    cell: &[(&MatchupAnalysis, &CellAnalysis)],
    metrics: &[Metric],
) -> Group {
    let Some((_, first)) = cell.first() else { return Group::default() };
    let of_metrics: Vec<Vec<Ranked<'_>>> =
        metrics.iter().map(|metric| ranked(analysis, cell, *metric)).collect();
    let order = of_metrics.first().map_or(&[][..], |ranked| &ranked[..]);
    let row = |of: &Ranked<'_>| {
        let found = |(metric, all): (&Metric, &Vec<Ranked<'_>>)| {
            let found = all.iter().find(|other| other.arm == of.arm);
            found.map_or_else(Span::default, |found| beside(*metric, found))
        };
        let value = metrics.first().map_or_else(String::new, |metric| metric.format(of.value));
        let head =
            [of.arm.label.as_str().into(), value.into(), Span::new(of.ratio_text(), emphasis(of))];
        let others = metrics.iter().zip(&of_metrics).skip(1).map(found);
        Row { cells: head.into_iter().chain(others).collect(), notes: vec![] }
    };
    let silent = cell.iter().filter(|(_, of_pair)| of_pair.metrics.is_empty());
    let why = silent.map(|(pair, of_pair)| {
        let why = wording::silence(analysis, pair, of_pair);
        let said = format!("{}: {why}", wording::label(&pair.arms, 1));
        vec![Span::new(said, Conclusion::Silent.emphasis())]
    });
    Group {
        name: first.id.workload.clone(),
        about: about(first),
        rows: order.iter().map(row).collect(),
        notes: why.collect(),
        fold: Some(fold(analysis, cell)),
        ..Group::default()
    }
}

/// A value with its ratio: `58,230 (1.02×)`.
fn beside(metric: Metric, found: &Ranked<'_>) -> Span {
    let value = metric.format(found.value);
    let text = match found.ratio {
        _ if found.is_base => value,
        Some(ratio) => format!("{value} ({})", duet_units::ratio(ratio.value)),
        None => format!("{value} (–)"),
    };
    Span::new(text, emphasis(found))
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
