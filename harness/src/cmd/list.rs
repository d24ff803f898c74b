//! `duet list`: what can be measured.

use anyhow::Result;
use clap::Args;

use super::doctor::COLUMNS;
use super::exit::Exit;
use super::folders::BenchFolder;
use super::stdio;
use duet_model::plan;
use duet_model::spec::{Lane, Spec, Toolchain};
use duet_report::hanging;

/// Lists servers, workloads, programs, matchups, suites and gates, and checks the definitions
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &List) -> Result<Exit> {
    stdio::print(&text(&args.bench.load()?))?;
    Ok(Exit::Done)
}

/// The definitions as text.
fn text(spec: &Spec) -> String {
    let lanes = |lanes: &[Lane]| lanes.iter().map(Lane::name).collect::<Vec<_>>().join(", ");
    let language = |language: &str, toolchain: &Option<Toolchain>| match toolchain {
        Some(toolchain) => format!("{language}, {toolchain}"),
        None => language.to_owned(),
    };
    let servers = spec.servers.iter().map(|s| {
        let language = language(&s.language, &s.toolchain);
        vec![s.name.clone(), language, lanes(&s.lanes), s.summary.clone()]
    });
    let workloads = spec.workloads.iter().map(|w| {
        let cases = duet_units::count(w.cases.len(), "case");
        vec![w.name.clone(), cases, w.question.clone()]
    });
    let sets = spec.sets.iter().map(|s| {
        let language = language(&s.language, &s.toolchain);
        vec![s.name.clone(), language, lanes(&s.lanes), s.summary.clone()]
    });
    let problems = spec.problems.iter().map(|p| {
        let sizes: Vec<&str> = p.sizes.keys().map(String::as_str).collect();
        vec![p.name.clone(), sizes.join(", "), p.question.clone()]
    });
    let matchups = spec
        .matchups
        .iter()
        .map(|m| vec![m.name.clone(), m.lane.name().to_owned(), m.arms.join(" against ")]);
    let suites = spec.suites.iter().map(|s| {
        let time = plan::expected_ms(s, spec).div_ceil(1000);
        vec![
            s.name.clone(),
            duet_units::count(s.cells.len(), "cell"),
            duet_units::count(s.blocks as usize, "block"),
            format!("about {}", duet_units::minutes(time)),
            s.summary.clone(),
        ]
    });
    let gates = spec.gates.iter().map(|gate| {
        let mut arms: Vec<&str> = vec![];
        for arm in gate.guards().flat_map(|guard| guard.arms) {
            if !arms.contains(&arm.as_str()) {
                arms.push(arm);
            }
        }
        let metrics: Vec<&str> = gate.rules.iter().map(|rule| rule.metric.name()).collect();
        vec![
            gate.name.clone(),
            arms.join(", "),
            format!("at most {}", duet_units::minutes(gate.budget_s.into())),
            format!("{}: {}", gate.summary, metrics.join(", ")),
        ]
    });
    let sections = [
        section("SERVERS", servers),
        section("WORKLOADS", workloads),
        section("SETS OF PROGRAMS", sets),
        section("PROBLEMS", problems),
        section("MATCHUPS", matchups),
        section("SUITES (duet run SUITE)", suites),
        section("GATES (duet gate GATE)", gates),
    ];
    sections.into_iter().flatten().collect::<Vec<String>>().join("\n")
}

/// Where the last column may begin at most; one that would begin later has lines of its own.
const LAST_COLUMN: usize = COLUMNS / 2;

/// A heading and rows in columns, of which the last is wrapped; nothing without rows.
fn section(heading: &str, rows: impl Iterator<Item = Vec<String>>) -> Option<String> {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return None;
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = format!("{heading}\n");
    for row in &rows {
        let Some((last, others)) = row.split_last() else { continue };
        let mut line = String::from("  ");
        for (cell, &width) in others.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        let mut indent = line.chars().count();
        if indent > LAST_COLUMN {
            indent = 6;
            line = format!("{}\n{:indent$}", line.trim_end(), "");
        }
        out.push_str(&line);
        out.push_str(&hanging(last, indent, COLUMNS));
        out.push('\n');
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned() {
        let rows =
            [vec!["a".to_owned(), "first".to_owned()], vec!["long".to_owned(), "b".to_owned()]];
        let want = "NAMES\n  a     first\n  long  b\n";
        assert_eq!(section("NAMES", rows.into_iter()).as_deref(), Some(want));
        assert_eq!(section("NAMES", std::iter::empty()), None);
    }
}
