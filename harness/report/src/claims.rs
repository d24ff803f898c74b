//! The ledger: claims that others published, what was measured of each, and what that lets us say.

use super::document::{
    Block, Column, Document, Emphasis, Group, Item, Marker, Row, Span, Table, anchor,
};
use super::render::markdown::Place;
use super::render::text::Style;
use super::{render, wording};
use duet_analysis::claims::{Ledger, LedgerRun};
use duet_analysis::{
    Analysis, ClaimAnalysis, ClaimCells, ClaimLine, ClaimQuantity, ClaimStanding, ClaimVerdict,
};

/// How to read the ledger.
const ABOUT: &str = "A ratio says how many times worse the language beside it is. A line agrees \
    where the difference is told apart and is as large as the claim says; a tie disagrees. A claim \
    holds where all its lines agree, holds in part where some do. Of a mean it is said in how many \
    of its cells that language is told to be worse. Figures without an interval are shown and not \
    judged.";

/// A ledger for the terminal.
#[must_use]
pub fn text(ledger: &Ledger, style: Style) -> String {
    render::text::text(&document(ledger), style)
}

/// A ledger as Markdown.
#[must_use]
pub fn markdown(ledger: &Ledger) -> String {
    render::markdown::markdown(&document(ledger), Place::Anywhere)
}

fn document(ledger: &Ledger) -> Document {
    let run = |run: &LedgerRun| {
        let day = run.started.split('T').next().unwrap_or_default();
        format!("{}: suite {}, {day}", run.folder, run.suite)
    };
    let runs = ledger.runs.iter().map(run);
    Document {
        title: "Claims of others".to_owned(),
        place: String::new(),
        answer: vec![Block::paragraph(counts(&ledger.claims), Emphasis::Strong)],
        body: [Block::points(runs)]
            .into_iter()
            .chain(blocks(&ledger.claims, "Not measured in these runs", None))
            .collect(),
        maker: String::new(),
    }
}

/// The claims in a run's report: in a terminal only how many hold.
pub(super) fn section(analysis: &Analysis) -> Vec<Block> {
    if analysis.claims.is_empty() {
        return vec![];
    }
    let counts = counts(&analysis.claims);
    let brief = format!("{counts} duet claims shows them.");
    let full = blocks(&analysis.claims, "Not measured in this run", Some(analysis));
    let counts = [Block::paragraph(counts, Emphasis::Strong)].into_iter();
    vec![
        Block::heading("Claims of others"),
        Block::Abridged {
            brief: vec![Block::paragraph(brief, Emphasis::Plain)],
            full: counts.chain(full).collect(),
        },
    ]
}

/// How many claims there are, and of how many what is said.
fn counts(claims: &[ClaimAnalysis]) -> String {
    let of = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count();
    let verb =
        |n: usize, one: &str, many: &str| if n == 1 { one.to_owned() } else { many.to_owned() };
    let [holds, in_part, not] =
        [ClaimVerdict::Holds, ClaimVerdict::HoldsInPart, ClaimVerdict::DoesNotHold].map(of);
    let said = [
        (holds, verb(holds, "holds", "hold")),
        (in_part, verb(in_part, "holds in part", "hold in part")),
        (not, verb(not, "does not hold", "do not hold")),
        (of(ClaimVerdict::Inconclusive), "inconclusive".to_owned()),
        (of(ClaimVerdict::FiguresOnly), "with figures and no verdict".to_owned()),
        (of(ClaimVerdict::NotMeasured), "not measured here".to_owned()),
        (of(ClaimVerdict::Untested), "not tested yet".to_owned()),
        (of(ClaimVerdict::Unrelated), "no evidence for this question".to_owned()),
    ];
    let said = said.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    let said: Vec<String> = said.collect();
    format!("Of {}: {}.", duet_units::count(claims.len(), "claim"), said.join(", "))
}

/// The claims with lines as a table, then those without as lists. With a run, lines link to the
/// sections of its report.
fn blocks(claims: &[ClaimAnalysis], unmeasured: &str, run: Option<&Analysis>) -> Vec<Block> {
    let measured = claims.iter().filter(|claim| !claim.lines.is_empty());
    let groups: Vec<Group> = measured.map(|claim| group(claim, run)).collect();
    let columns = [
        Column::words("measured"),
        Column::words("metric"),
        Column::words("ratio [95 %]"),
        Column::words("verdict"),
        Column::words("worse"),
    ];
    let table = Table { columns: columns.into(), groups, ..Table::default() };
    let table = (!table.groups.is_empty())
        .then(|| [Block::paragraph(ABOUT, Emphasis::Quiet), Block::Table(table)]);
    let list = |heading: &str, verdict, why: fn(&ClaimAnalysis) -> Option<&str>| {
        let of = claims.iter().filter(|claim| claim.verdict == verdict);
        let items: Vec<Item> = of.map(|claim| item(claim, why(claim))).collect();
        let heading = Block::paragraph(heading, Emphasis::Strong);
        let any = !items.is_empty();
        any.then_some([heading, Block::List(Marker::Point, items)])
    };
    let lists = [
        list(unmeasured, ClaimVerdict::NotMeasured, |c| Some(&c.remark)),
        list("Not tested yet; what would test it", ClaimVerdict::Untested, missing),
        list("No evidence for this question", ClaimVerdict::Unrelated, |c| Some(&c.remark)),
    ];
    table.into_iter().flatten().chain(lists.into_iter().flatten().flatten()).collect()
}

fn missing(claim: &ClaimAnalysis) -> Option<&str> {
    claim.missing.as_deref()
}

fn item(claim: &ClaimAnalysis, why: Option<&str>) -> Item {
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    let text = format!("{} ({}, {}){why}", claim.claim, claim.source, claim.date);
    Item { text: text.into(), ..Item::default() }
}

fn group(claim: &ClaimAnalysis, run: Option<&Analysis>) -> Group {
    let from = claim.run.as_ref().map_or_else(String::new, |run| format!(" · {run}"));
    let (verdict, emphasis) = verdict(claim.verdict);
    let judged = claim.lines.iter().filter(|line| line.standing != ClaimStanding::Shown).count();
    let agree = claim.lines.iter().filter(|line| line.standing == ClaimStanding::Agrees).count();
    let tally = match judged {
        0 => String::new(),
        _ => format!("{agree} of {judged} agree"),
    };
    let whole = Row::plain::<Span>([
        "in all".into(),
        String::new().into(),
        tally.into(),
        Span::new(verdict, emphasis),
        String::new().into(),
    ]);
    let lines = claim.lines.iter().map(|line| row(line, run));
    let limits = claim.lines.iter().find(|line| !line.limits.is_empty());
    let limits = limits.map(|line| {
        let limits: Vec<String> = line.limits.iter().map(|x| format!("{x}×")).collect();
        format!(" Held against {}.", limits.join(" and "))
    });
    let remark = format!("{}{}", claim.remark, limits.unwrap_or_default());
    let missing = claim.missing.as_ref().map(|missing| format!("Not tested yet: {missing}"));
    let differs = claim.differs.iter().map(|differs| format!("What differs: {differs}"));
    let notes = [remark].into_iter().chain(differs).chain(missing);
    Group {
        name: claim.claim.clone(),
        about: format!("{}, {}{from}", claim.source, claim.date),
        rows: [whole].into_iter().chain(lines).collect(),
        notes: notes.map(|note| vec![Span::new(note, Emphasis::Quiet)]).collect(),
        ..Group::default()
    }
}

fn row(line: &ClaimLine, run: Option<&Analysis>) -> Row {
    let name = line.cell.as_ref().map_or_else(|| line.matchup.clone(), ToString::to_string);
    let matchup = run.and_then(|run| run.matchups.iter().find(|m| m.name == line.matchup));
    let link = matchup.map(|matchup| format!("#{}", anchor(&wording::title(matchup))));
    let metric = match line.quantity {
        ClaimQuantity::Metric(metric) => metric.label(),
        ClaimQuantity::Figure(figure) => figure.label(),
    };
    let (words, emphasis) = match line.standing {
        ClaimStanding::Agrees => ("agrees", Emphasis::Plain),
        ClaimStanding::InPart => ("in part", Emphasis::Open),
        ClaimStanding::Disagrees => ("disagrees", Emphasis::Plain),
        ClaimStanding::Unclear => ("unclear", Emphasis::Open),
        ClaimStanding::Shown => ("not judged", Emphasis::Quiet),
    };
    let ratio = wording::oriented_ratio(&line.ratio);
    let worse = ratio.map_or_else(String::new, |ratio| worse(line, ratio.worse));
    Row::plain::<Span>([
        Span { link, ..name.into() },
        metric.into(),
        ratio.map_or_else(|| "–".to_owned(), |ratio| ratio.text()).into(),
        Span::new(words, emphasis),
        worse.into(),
    ])
}

/// The language that does worse, in how many cells of a mean, and both values where there are some:
/// `Go 16.2 MiB, 8.1 MiB more`.
fn worse(line: &ClaimLine, worse: usize) -> String {
    let language = &line.languages[worse];
    let format = |value: f64| match line.quantity {
        ClaimQuantity::Metric(metric) => metric.format(value),
        ClaimQuantity::Figure(figure) => figure.format(value),
    };
    let difference = line.difference_bytes.map(|bytes| if worse == 1 { bytes } else { -bytes });
    let more = difference.map(|bytes| format!("{} more", duet_units::bytes(bytes)));
    let rest = match (line.mean_of, line.values) {
        (Some(ClaimCells { cells, ahead, behind }), _) => {
            let of = if worse == 1 { ahead } else { behind };
            let median = more.map_or_else(String::new, |more| format!("; median {more}"));
            format!(", in {of} of {cells}{median}")
        }
        (None, Some(values)) => {
            let other = format!("{} {}", line.languages[1 - worse], format(values[1 - worse]));
            format!(" {}, {}", format(values[worse]), more.unwrap_or(other))
        }
        (None, None) => String::new(),
    };
    format!("{language}{rest}")
}

fn verdict(verdict: ClaimVerdict) -> (&'static str, Emphasis) {
    match verdict {
        ClaimVerdict::Holds => ("holds", Emphasis::Good),
        ClaimVerdict::HoldsInPart => ("holds in part", Emphasis::Open),
        ClaimVerdict::DoesNotHold => ("does not hold", Emphasis::Bad),
        ClaimVerdict::Inconclusive => ("inconclusive", Emphasis::Open),
        ClaimVerdict::FiguresOnly => ("figures only", Emphasis::Quiet),
        ClaimVerdict::NotMeasured => ("not measured here", Emphasis::Quiet),
        ClaimVerdict::Untested => ("not tested yet", Emphasis::Quiet),
        ClaimVerdict::Unrelated => ("no evidence", Emphasis::Quiet),
    }
}
