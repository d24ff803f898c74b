//! What a run found, as a document: the answers, charts, a table a matchup, and how it was made.

use super::chart::{self, Picture, Width};
use super::document::{Block, Column, Document, Emphasis, Group, Item, Marker, Row, Span, Table};
use super::headline::{BESIDE_OTHERS, ONE_SESSION, headline};
use super::parts::{LABEL, about, columns, figure_of, group, list, names, short};
use super::ranking::{self, Several, Shown};
use super::wording::{self, Conclusion};
use super::{
    claims, details, load_kinds, money, program_table, published, run_metadata, several, warnings,
};
use duet_analysis::{
    Analysis, Arm, CellAnalysis, EqualUtilisation, MatchupAnalysis, ServerSummary,
};
use duet_units::Metric;

/// The whole report.
pub(super) fn document(analysis: &Analysis) -> Document {
    let run = &analysis.run;
    let mut body = charts(analysis);
    for shown in ranking::shown(analysis) {
        body.extend(match shown {
            Shown::Several(several) => several::section(analysis, &several),
            Shown::Pair(matchup) if matchup.programs => program_table::section(analysis, matchup),
            Shown::Pair(matchup) => section(analysis, matchup),
        });
    }
    body.extend(claims::section(analysis));
    body.extend(published::section(analysis));
    body.extend(builds(analysis));
    body.extend(analysis.builds.iter().flat_map(super::builds::section));
    body.extend(money::section(analysis));
    body.extend(list("Warnings", Marker::Warning, warnings::warnings(analysis)));
    body.extend(list("Failures", Marker::Failure, warnings::failures(&analysis.failures)));
    body.push(Block::heading("How to read this"));
    let said = wording::HOW_TO_READ.into_iter().chain([wording::HOW_TO_COMPARE]);
    body.push(Block::points(said.chain(load_kinds::explanations(analysis))));
    let full =
        vec![Block::heading("How it was made"), Block::facts(run_metadata::run_metadata(run))];
    body.push(Block::Abridged { brief: vec![], full });
    Document {
        title: format!("Suite {}", run.suite),
        place: wording::place(run),
        answer: answer(analysis),
        body,
        maker: wording::maker(run),
    }
}

fn answer(analysis: &Analysis) -> Vec<Block> {
    let caveats = wording::caveats(&analysis.run).into_iter();
    let nothing = analysis.matchups.is_empty().then(|| "nothing was measured".to_owned());
    let caveats = caveats.chain(nothing).map(|said| Block::paragraph(said, Emphasis::Bad));
    let answer = |shown: Shown<'_>| {
        let matchup = match shown {
            Shown::Pair(matchup) => matchup,
            Shown::Several(several) => return answer_of_several(analysis, &several),
        };
        let (said, further) = headline(analysis, matchup);
        let (name, emphasis) = match matchup.control {
            true => (matchup.name.clone(), Emphasis::Quiet),
            false => (String::new(), Emphasis::Plain),
        };
        Item { name, text: Span::new(said, emphasis), further, ..Item::default() }
    };
    // Servers first: they are what most readers come for.
    let mut all = ranking::shown(analysis);
    all.sort_by_key(|shown| match shown {
        Shown::Pair(matchup) => (matchup.control, matchup.programs),
        Shown::Several(_) => (false, false),
    });
    let answers = all.into_iter().map(answer).collect();
    let mut metrics = analysis.matchups.iter().flat_map(|m| &m.cells).flat_map(|c| &c.metrics);
    let one_session = match metrics.any(|metric| metric.another_hour.is_some()) {
        true => BESIDE_OTHERS,
        false => ONE_SESSION,
    };
    let one_session = Block::paragraph(one_session, Emphasis::Quiet);
    caveats.chain([Block::List(Marker::Answer, answers), one_session]).collect()
}

fn answer_of_several(analysis: &Analysis, several: &Several<'_>) -> Item {
    let silent = || {
        let cells = several.cells();
        let first = cells.first().and_then(|cell| cell.first());
        let why = first.map(|(pair, cell)| wording::silence(analysis, pair, cell));
        format!("{}: {}", several.name, why.unwrap_or_else(|| "not measured".to_owned()))
    };
    let further = format!("{}. The interval of each holds for all together.", several.title());
    let text = several.answer(analysis).unwrap_or_else(silent).into();
    Item { text, further, ..Item::default() }
}

/// The charts that have something to show, with the names of their files.
pub(super) fn pictures(analysis: &Analysis, width: Width) -> Vec<(&'static str, Picture)> {
    let ratios = |metric| chart::comparison(analysis, metric, width);
    let speed = load_kinds::has_speeds(analysis).then(|| ratios(Metric::RequestsPerSecond));
    let memory = load_kinds::has_peaks(analysis).then(|| ratios(Metric::RssBytesPeak));
    let all = [
        ("speed.svg", speed),
        ("memory.svg", memory),
        ("latency.svg", chart::latency(analysis, width)),
        ("scaling.svg", chart::scaling(analysis, width)),
        ("long.svg", chart::long(analysis, width)),
    ];
    all.into_iter().filter_map(|(name, picture)| Some((name, picture?))).collect()
}

/// The box plots of programs, which have one width.
pub(super) fn boxes(analysis: &Analysis) -> Option<(&'static str, Picture)> {
    chart::boxes(analysis).map(|picture| ("programs.svg", picture))
}

fn charts(analysis: &Analysis) -> Vec<Block> {
    let same = "The tables below hold the same numbers.";
    let (wide, narrow) = (pictures(analysis, Width::Wide), pictures(analysis, Width::Narrow));
    let figures = wide.iter().map(|(file, wide)| {
        let narrow = narrow.iter().find(|(name, _)| name == file).map(|(_, narrow)| narrow);
        Block::Figure(figure_of(Some(file), wide, narrow, same))
    });
    let boxes = boxes(analysis)
        .map(|(file, picture)| Block::Figure(figure_of(Some(file), &picture, None, "")));
    figures.chain(boxes).collect()
}

fn section(analysis: &Analysis, matchup: &MatchupAnalysis) -> Vec<Block> {
    let too_long = matchup.arms.iter().any(|arm| arm.label.chars().count() > LABEL);
    let (arms, meanings) = short(&matchup.arms, too_long);
    let caption = if too_long { meanings } else { names(matchup) };
    let mut groups: Vec<Group> =
        matchup.cells.iter().map(|cell| cell_group(analysis, matchup, &arms, cell)).collect();
    let starts = matchup.starts.iter().map(|m| wording::row(&analysis.run, &arms, m));
    groups.push(group("every start", "", &starts.collect::<Vec<_>>(), arms.len()));
    let means = matchup.means.iter().map(|m| wording::mean_row(&analysis.run, &arms, m));
    let cells = matchup.means.first().map_or(0, |mean| mean.cells.len());
    let about = format!("of {cells} cells, a vote for each kind of work");
    groups.push(group("geometric mean", &about, &means.collect::<Vec<_>>(), arms.len()));
    groups.retain(|group| !group.rows.is_empty() || !group.notes.is_empty());
    let mut blocks = vec![Block::heading(wording::title(matchup))];
    if matchup.control {
        blocks.push(Block::paragraph(wording::CONTROL, Emphasis::Plain));
    }
    blocks.push(Block::Table(Table { caption, columns: columns(&arms, ""), groups, apart: false }));
    blocks.extend(equal_utilisation(matchup, &arms));
    blocks
}

/// Latency where each arm is as busy as the other, not at the same rate.
fn equal_utilisation(matchup: &MatchupAnalysis, arms: &[Arm]) -> Option<Block> {
    let found = &matchup.equal_utilisation;
    let words = ["workload", "each CPU busy"].map(Column::words);
    let numbers = arms.iter().map(|arm| Column::numbers(&arm.label));
    let columns = words.into_iter().chain(numbers).chain([Column::numbers("ratio [95 %]")]);
    let row = |at: &EqualUtilisation| {
        let latencies = at.latency_ns_p50.iter().map(|of| duet_units::nanoseconds(of.value));
        let head = [at.workload.clone(), duet_units::percent(at.utilisation)];
        Row::plain(head.into_iter().chain(latencies).chain([wording::estimate(&at.ratio)]))
    };
    let rows = found.iter().map(row).collect();
    let caption = "Median latency at equal utilisation, read between the rates on both sides of it";
    (!found.is_empty()).then(|| Block::Table(Table::plain(caption, columns.collect(), rows)))
}

fn cell_group(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    arms: &[Arm],
    cell: &CellAnalysis,
) -> Group {
    let rows = wording::headline_rows(&analysis.run, arms, cell);
    let silence = rows.is_empty().then(|| wording::silence(analysis, matchup, cell));
    let mut group = group(&cell.id.workload, &about(cell), &rows, arms.len());
    let bad = Conclusion::Silent.emphasis();
    group.notes.extend(silence.map(|why| vec![Span::new(why, bad)]));
    let stalls = cell.open.as_ref().and_then(|open| details::stalls_of_arms(arms, open));
    group.notes.extend(stalls.map(|said| vec![Span::new(said, Emphasis::Quiet)]));
    group.fold = Some(details::details(analysis, matchup, cell));
    group
}

fn builds(analysis: &Analysis) -> Vec<Block> {
    if analysis.servers.is_empty() {
        return vec![];
    }
    let columns = vec![
        Column::words("server"),
        Column::numbers("clean build"),
        Column::numbers("binary"),
        Column::words("version"),
    ];
    let row = |server: &ServerSummary| {
        let build = &server.build;
        let dash = || "–".to_owned();
        Row::plain([
            build.server.clone(),
            build.clean_build_ns.map_or_else(dash, |ns| duet_units::nanoseconds(ns as f64)),
            build.binary_bytes.map_or_else(dash, |bytes| duet_units::bytes(bytes as f64)),
            build.version.clone().unwrap_or_else(dash),
        ])
    };
    let about = |server: &ServerSummary| {
        let prints =
            if server.prints { ". Prints while it serves; its output was thrown away" } else { "" };
        let toolchain = server.build.toolchain_version.as_ref();
        let built = toolchain.map_or_else(String::new, |version| format!(", built by {version}"));
        let text = format!("{}, {}{built}{prints}", server.summary, server.language);
        (server.build.server.clone(), vec![text.into()])
    };
    let rows = analysis.servers.iter().map(row).collect();
    let known = Block::Facts(analysis.servers.iter().map(about).collect());
    vec![
        Block::heading("Builds"),
        Block::Table(Table::plain("", columns, rows)),
        Block::Abridged { brief: vec![], full: vec![known] },
    ]
}
