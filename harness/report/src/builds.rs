//! Builds: how long they take, how large executables are, and what they are made of.

use crate::document::{Block, Column, Document, Emphasis, Item, Marker, Row, Table};
use crate::parts::list;
use crate::render::markdown::Place;
use crate::render::text::{Style, text_answer_last};
use crate::render::{html, markdown};
use duet_analysis::{BuildFigures, BuildsAnalysis, Estimate, Failure};

/// What the times mean.
const TIMES: &str = "Release builds by the commands of the definitions, in a copy of the sources, \
    the sources of dependencies at hand. Clean: empty build caches and no executable. Std \
    compiled: clean, but with the standard library in the caches; – where it comes compiled with \
    the compiler, as Rust's does, so that clean means the same. No-op: nothing changed. Edit: a \
    line of a handler is changed, until the build ended, and until the server that was started \
    then had given its first valid response.";

/// What the sizes mean.
const SIZES: &str = "Stripped: without symbol table and debugging information. Dependencies: \
    modules or crates beside the server's own and the standard library, those of the build \
    included; lines: of their sources, without blank lines, comments, tests, benchmarks and \
    examples, whole modules or crates whatever is used of them.";

/// The builds for the terminal.
#[must_use]
pub fn text(builds: &BuildsAnalysis, style: Style) -> String {
    text_answer_last(&document(builds), style)
}

/// The builds as Markdown.
#[must_use]
pub fn markdown(builds: &BuildsAnalysis) -> String {
    markdown::markdown(&document(builds), Place::Folder)
}

/// The builds as a page.
#[must_use]
pub fn html(builds: &BuildsAnalysis) -> String {
    html::html(&document(builds))
}

/// A report of builds alone.
fn document(builds: &BuildsAnalysis) -> Document {
    let day = builds.started.split('T').next().unwrap_or_default();
    let machine = &builds.machine;
    let commit = builds.commit.as_deref().map_or_else(String::new, |commit| {
        let (hash, dirty) = commit.split_once('-').map_or((commit, ""), |(hash, _)| (hash, "+"));
        format!(" · {}{dirty}", hash.chars().take(12).collect::<String>())
    });
    let caveat = builds.interrupted.map(|signal| {
        let said = format!("interrupted by signal {signal}: what was finished is kept");
        Block::paragraph(said, Emphasis::Bad)
    });
    Document {
        title: "Builds".to_owned(),
        place: format!("{day}, {} × {}, {}", machine.cpus, machine.cpu, machine.kernel),
        answer: caveat.into_iter().collect(),
        body: section(builds),
        maker: format!("{}{commit} · duet {}", builds.command, builds.duet_version),
    }
}

/// The panel: times, sizes, failures.
pub(super) fn section(builds: &BuildsAnalysis) -> Vec<Block> {
    let failed = builds.servers.iter().filter_map(|server| {
        let Failure { error, stderr, .. } = server.failure.as_ref()?;
        let (name, text) = (server.server.clone(), error.as_str().into());
        Some(Item { name, text, hint: None, quoted: stderr.clone() })
    });
    let mut blocks = vec![
        Block::heading("How long builds take"),
        Block::Table(times(builds)),
        Block::paragraph(TIMES, Emphasis::Quiet),
        Block::heading("What is built"),
        Block::Table(sizes(builds)),
        Block::paragraph(SIZES, Emphasis::Quiet),
    ];
    blocks.extend(list("Builds that failed", Marker::Failure, failed.collect()));
    blocks
}

fn times(builds: &BuildsAnalysis) -> Table {
    let heads = ["clean", "std compiled", "no-op", "edit, built", "edit, response"];
    let columns = [Column::words("server")].into_iter().chain(heads.map(Column::numbers));
    let row = |server: &BuildFigures| {
        let of = [
            &server.clean_ns,
            &server.clean_std_compiled_ns,
            &server.no_op_ns,
            &server.edit_build_ns,
            &server.edit_response_ns,
        ];
        let values = of.map(|estimate| estimate.as_ref().map_or_else(dash, time));
        Row::plain([server.server.clone()].into_iter().chain(values))
    };
    let all = builds.servers.iter().flat_map(|server| &server.clean_ns);
    let n = all.clone().map(|estimate| estimate.n).min().unwrap_or(0);
    let caption = match all.filter_map(|estimate| estimate.interval).map(|i| i.confidence).next() {
        Some(confidence) => {
            format!("{n} builds each; [ ]: interval of {}", duet_units::percent(confidence))
        }
        None if n == 0 => "nothing was timed".to_owned(),
        None => format!("{} each, too few for an interval", duet_units::count(n as usize, "build")),
    };
    Table::plain(caption, columns.collect(), builds.servers.iter().map(row).collect())
}

/// A time in seconds, with its interval: `27.1 s [26.5, 28.0]`. One unit, so that columns compare.
fn time(estimate: &Estimate) -> String {
    let seconds = |ns: f64| match ns / 1e9 {
        s if s < 0.995 => format!("{s:.2}"),
        s if s < 9.95 => format!("{s:.1}"),
        s => format!("{s:.0}"),
    };
    let interval = estimate.interval;
    let interval = interval.map(|i| format!(" [{}, {}]", seconds(i.low), seconds(i.high)));
    format!("{} s{}", seconds(estimate.value), interval.unwrap_or_default())
}

fn sizes(builds: &BuildsAnalysis) -> Table {
    let heads = ["executable", "stripped", "dependencies", "their lines"];
    let columns = [Column::words("server")].into_iter().chain(heads.map(Column::numbers));
    let columns = columns.chain([Column::words("version")]).collect();
    let row = |server: &BuildFigures| {
        let bytes = |bytes: Option<u64>| bytes.map_or_else(dash, |b| duet_units::bytes(b as f64));
        let lines = server.dependency_lines.map(|lines| duet_units::thousands(lines as i64));
        Row::plain([
            server.server.clone(),
            bytes(server.binary_bytes),
            bytes(server.stripped_bytes),
            server.dependencies.map_or_else(dash, |count| count.to_string()),
            lines.unwrap_or_else(dash),
            server.version.clone().unwrap_or_else(dash),
        ])
    };
    Table::plain("", columns, builds.servers.iter().map(row).collect())
}

fn dash() -> String {
    "–".to_owned()
}
