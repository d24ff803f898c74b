//! Published figures beside those of the run, as rows of words.

use super::document::{Block, Column, Emphasis, Row, Table};
use super::program_table::{load, seconds};
use super::wording::estimate;
use duet_analysis::{Analysis, PublishedAnalysis, PublishedComparison, Standing, Today};

/// What stands above the tables.
const ABOUT: &str = "Ratios only: machines and versions differ. A published row is the \
    fastest program of each language on the site at that date, often with hand-written vector \
    instructions or a C library; the programs here have neither. The comparison is with the newest \
    date: a gap stands where the same language is ahead by at least half as much (in logarithms).";

/// The published figures: in a terminal the newest beside this run's, without intervals, which stand
/// above.
pub(super) fn section(analysis: &Analysis) -> Vec<Block> {
    let tables = tables(analysis);
    if tables.is_empty() {
        return vec![];
    }
    let about = |emphasis| Block::paragraph(ABOUT, emphasis);
    let brief = brief(analysis).into_iter().flat_map(Figures::blocks);
    let full = [about(Emphasis::Plain)].into_iter();
    vec![
        Block::heading("Published figures"),
        Block::Abridged {
            brief: brief.chain([about(Emphasis::Quiet)]).collect(),
            full: full.chain(tables.into_iter().flat_map(Figures::blocks)).collect(),
        },
    ]
}

/// A table: heads, and rows of as many words.
struct Figures {
    title: String,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Sentences below it.
    notes: Vec<String>,
}

impl Figures {
    fn blocks(self) -> Vec<Block> {
        let columns = self.heads.into_iter().map(Column::words).collect();
        let rows = self.rows.into_iter().map(Row::plain).collect();
        let table = Block::Table(Table::plain(self.title, columns, rows));
        let notes = (!self.notes.is_empty()).then(|| Block::points(self.notes));
        [table].into_iter().chain(notes).collect()
    }
}

/// The tables, if there is anything published to compare with.
fn tables(analysis: &Analysis) -> Vec<Figures> {
    let gaps = analysis.published.last().map(|newest| gaps(&analysis.published, newest));
    let article =
        analysis.published.iter().find(|table| table.rows.iter().any(|row| row.figure.is_some()));
    let loads = article.and_then(loads);
    gaps.into_iter().chain(article.map(self::article)).chain(loads).collect()
}

/// Problem by problem: the gap at each date, without vectors and C, and today.
fn gaps(published: &[PublishedAnalysis], newest: &PublishedAnalysis) -> Figures {
    let languages = newest.languages.join(" and ");
    let dates = published.iter().map(|table| table.date.clone());
    let plain = "without vectors and C".to_owned();
    let matchups = matchups(newest);
    let today = matchups.iter().map(|matchup| format!("this run, {matchup}"));
    let heads = std::iter::once("program".to_owned()).chain(dates).chain([plain]).chain(today);
    let row = |row: &PublishedComparison| {
        let then = published.iter().map(|table| {
            let same = table.rows.iter().find(|other| other.problem == row.problem);
            same.map_or_else(dash, |other| duet_units::ratio(other.ratio))
        });
        let plain = row.plain_ratio.map_or_else(dash, duet_units::ratio);
        let now = matchups.iter().map(|matchup| {
            let cell = row.today.iter().find(|today| today.cell.matchup == **matchup);
            cell.map_or_else(dash, |today| {
                format!("{} {}", estimate(&today.ratio), standing(today.standing))
            })
        });
        std::iter::once(row.problem.clone()).chain(then).chain([plain]).chain(now).collect()
    };
    let mut rows: Vec<Vec<String>> = newest.rows.iter().map(row).collect();
    let means = published.iter().map(|table| duet_units::ratio(table.mean));
    let now = matchups.iter().map(|matchup| {
        let mean = newest.today.iter().find(|mean| mean.matchup == **matchup);
        mean.map_or_else(dash, |mean| format!("{} of {}", estimate(&mean.ratio), mean.cells))
    });
    let name = std::iter::once("geometric mean".to_owned());
    rows.push(name.chain(means).chain([String::new()]).chain(now).collect());
    let about = published.iter().map(|table| format!("{}: {}", table.date, table.about));
    let notes = newest.rows.iter().filter_map(|row| Some((row, row.note.as_ref()?)));
    let notes = notes.map(|(row, note)| format!("{}: {note}", row.problem));
    Figures {
        title: format!(
            "How many times longer the second of {languages} takes: published, and in this run"
        ),
        heads: heads.collect(),
        rows,
        notes: about.chain(notes).collect(),
    }
}

/// The newest of [`gaps`] alone, with this run's ratios and what they mean for it.
fn brief(analysis: &Analysis) -> Option<Figures> {
    let newest = analysis.published.last()?;
    let matchups = matchups(newest);
    let heads = ["program", newest.date.as_str()].into_iter().chain(matchups.iter().copied());
    let row = |row: &PublishedComparison| {
        let now = matchups.iter().map(|matchup| {
            let found = row.today.iter().find(|today| today.cell.matchup == **matchup);
            found.map_or_else(dash, |today| {
                format!("{} {}", duet_units::ratio(today.ratio.value), standing(today.standing))
            })
        });
        [row.problem.clone(), duet_units::ratio(row.ratio)].into_iter().chain(now).collect()
    };
    let means = matchups.iter().map(|matchup| {
        let found = newest.today.iter().find(|mean| mean.matchup == **matchup);
        found.map_or_else(dash, |m| format!("{} of {}", duet_units::ratio(m.ratio.value), m.cells))
    });
    let mean =
        ["geometric mean".to_owned(), duet_units::ratio(newest.mean)].into_iter().chain(means);
    Some(Figures {
        title: format!(
            "How many times longer the second of {} takes: published, and in this run",
            newest.languages.join(" and ")
        ),
        heads: heads.map(str::to_owned).collect(),
        rows: newest.rows.iter().map(row).chain([mean.collect()]).collect(),
        notes: vec![],
    })
}

/// The article's figures as data, and the rows of their page that it left out.
fn article(table: &PublishedAnalysis) -> Figures {
    let [first, second] = &table.languages;
    let heads = ["figure", "program"].map(str::to_owned).into_iter();
    let heads = heads.chain([format!("{first}, secs"), format!("{second}, secs")]);
    let heads = heads.chain(["time", "memory"].map(str::to_owned));
    let matchups = matchups(table);
    let today = matchups.iter();
    let today = today.flat_map(|m| [format!("time, {m}"), format!("memory, {m}")]);
    let row = |row: &PublishedComparison| {
        let figure = row.figure.clone().unwrap_or_else(|| "left out".to_owned());
        let memory = row.memory_ratio.map_or_else(dash, duet_units::ratio);
        let then = row.secs.map(seconds).into_iter().chain([duet_units::ratio(row.ratio), memory]);
        let now = matchups.iter().flat_map(|matchup| {
            let cell = row.today.iter().find(|today| today.cell.matchup == **matchup);
            let memory = |today: &Today| today.memory_ratio.as_ref().map(estimate);
            [
                cell.map_or_else(dash, |today| estimate(&today.ratio)),
                cell.and_then(memory).unwrap_or_else(dash),
            ]
        });
        [figure, row.problem.clone()].into_iter().chain(then).chain(now).collect()
    };
    let (shown, left_out): (Vec<_>, Vec<_>) =
        table.rows.iter().partition(|row| row.figure.is_some());
    Figures {
        title: format!(
            "The article's two figures ({}), the rows they left out, and this run",
            table.date
        ),
        heads: heads.chain(today).collect(),
        rows: shown.into_iter().chain(left_out).map(row).collect(),
        notes: vec![],
    }
}

/// CPU time and load of the rows that have been published with them, and today's beside them.
fn loads(table: &PublishedAnalysis) -> Option<Figures> {
    let matchups = matchups(table);
    let heads = matchups.iter().flat_map(|matchup| {
        table.languages.iter().map(move |language| format!("{language}, {matchup}"))
    });
    let published = table.languages.iter().map(|language| format!("{language}, {}", table.date));
    let heads = std::iter::once("program".to_owned()).chain(published).chain(heads);
    let row = |row: &PublishedComparison| -> Option<Vec<String>> {
        let (busy, then) = (row.busy_secs?, row.cpu_load.as_ref()?);
        let of = |secs: f64, load: &str| format!("{} s: {load}", seconds(secs));
        let then = busy.iter().zip(then).map(|(secs, load)| of(*secs, load));
        let now = matchups.iter().flat_map(|matchup| {
            let cell = row.today.iter().find(|today| today.cell.matchup == **matchup);
            [0, 1].map(|i| match cell.and_then(|today| Some((today, today.cpu_secs?))) {
                Some((today, secs)) => of(secs[i], &load(&today.cpu_load[i])),
                None => dash(),
            })
        });
        Some(std::iter::once(row.problem.clone()).chain(then).chain(now).collect())
    };
    let rows: Vec<Vec<String>> = table.rows.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| Figures {
        title: format!("CPU seconds and load of each CPU in % ({}), and in this run", table.date),
        heads: heads.collect(),
        rows,
        notes: vec![],
    })
}

/// The matchups that were measured, in order.
fn matchups(table: &PublishedAnalysis) -> Vec<&str> {
    let mut matchups: Vec<&str> = vec![];
    for today in table.rows.iter().flat_map(|row| &row.today) {
        if !matchups.contains(&today.cell.matchup.as_str()) {
            matchups.push(&today.cell.matchup);
        }
    }
    matchups
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Stands => "stands",
        Standing::Shrunk => "shrunk",
        Standing::Gone => "gone",
        Standing::Reversed => "reversed",
        Standing::Unclear => "unclear",
    }
}

fn dash() -> String {
    "–".to_owned()
}
