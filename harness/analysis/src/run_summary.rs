//! What a run as a whole was: when, where, by whom, and what failed in it.

use std::collections::BTreeMap;

use crate::cell::{Cell, cpus};
use crate::summary::{CellFailure, RunSummary, ServerSummary};
use crate::{pairs, programs};
use duet_model::record::{Attempt, BuildRecord, Failure, ProgramRecord, Run};
use duet_model::spec::{CellId, Server};

pub(super) fn run_summary(run: &Run, cells: &[Cell]) -> RunSummary {
    let header = &run.header;
    let suite = &header.suite;
    let windows = || run.blocks.iter().flat_map(|b| &b.windows);
    let measured_ns: u64 = windows().map(|w| w.elapsed_ns).sum();
    let stolen_ns: u64 = windows().map(|w| w.server_stolen_ns).sum();
    let available_ns = measured_ns as f64 * cpus(header).server as f64;
    let dirty = if header.dirty { "-dirty" } else { "" };
    RunSummary {
        suite: suite.name.clone(),
        verdicts: suite.verdicts,
        command: command(&header.command),
        started: iso_8601(header.started_unix_s),
        elapsed_ns: run.end.as_ref().map(|end| end.elapsed_ns),
        interrupted: run.end.as_ref().and_then(|end| end.interrupted),
        killed: run.end.is_none(),
        blocks: blocks_of_servers(cells) + programs::blocks(run),
        blocks_planned: suite.blocks.saturating_mul(suite.cells.len() as u32),
        measured_ns,
        seed: header.seed,
        duet_version: header.duet_version.clone(),
        commit: header.commit.as_ref().map(|commit| format!("{commit}{dirty}")),
        to_project: header.to_project.clone(),
        server_cpus: header.server_cpus.clone(),
        generator_cpus: header.generator_cpus.clone(),
        services: header.services.clone(),
        machine: header.machine.clone(),
        findings: header.findings.clone(),
        stolen_share: if measured_ns == 0 { 0.0 } else { stolen_ns as f64 / available_ns },
    }
}

/// Blocks that count, each once: pairs of one matchup have theirs in common.
fn blocks_of_servers(cells: &[Cell]) -> u32 {
    let mut blocks: BTreeMap<CellId, usize> = BTreeMap::new();
    for cell in cells {
        let of_cell = blocks.entry(pairs::measured(cell.id)).or_default();
        *of_cell = cell.counted.len().max(*of_cell);
    }
    blocks.values().sum::<usize>() as u32
}

/// The servers of the suite's matchups, in the definitions' order.
pub(super) fn servers(run: &Run) -> Vec<ServerSummary> {
    let spec = &run.header.spec;
    let cells = &run.header.suite.cells;
    let matchups = spec.matchups.iter().filter(|m| cells.iter().any(|c| c.matchup == m.name));
    let named: Vec<&String> = matchups.flat_map(|m| &m.arms).collect();
    let summary = |server: &Server| ServerSummary {
        language: server.language.clone(),
        summary: server.summary.clone(),
        prints: server.prints,
        build: build(run, &server.name),
    };
    let sets = spec.origins(cells).map(|set| ServerSummary {
        language: set.language.clone(),
        summary: set.summary.clone(),
        prints: false,
        build: build(run, &set.name),
    });
    let servers = spec.servers.iter().filter(|s| named.contains(&&s.name)).map(summary);
    servers.chain(sets).collect()
}

/// A server's build; of a run that ended before it, one of which nothing is known.
fn build(run: &Run, server: &str) -> BuildRecord {
    run.builds.iter().rfind(|b| b.server == server).cloned().unwrap_or_else(|| BuildRecord {
        server: server.to_owned(),
        version: None,
        toolchain_version: None,
        binary_bytes: None,
        binary_sha256: None,
        layout: None,
        clean_build_ns: None,
        failure: None,
    })
}

/// Builds that failed, then failures of blocks in the order they were measured. Equal ones of a
/// cell are counted, with the first one's last words.
pub(super) fn failures(run: &Run) -> Vec<CellFailure> {
    let of_builds = run.builds.iter().filter_map(|build| build.failure.clone());
    let mut failures: Vec<CellFailure> = of_builds
        .map(|failure| CellFailure { cell: None, side: None, failure, blocks: 1 })
        .collect();
    for program in &run.programs {
        failures.extend(failures_of_program(run, program));
    }
    let mut blocks: Vec<Attempt<'_>> = run.attempts().collect();
    blocks.sort_by_key(|b| (b.started_ns, b.cell, b.block));
    for Attempt { cell, failure, .. } in blocks {
        let Some(failure) = failure else { continue };
        match failures.iter_mut().find(|seen| is_same(seen, cell, failure)) {
            Some(seen) => seen.blocks += 1,
            None => failures.push(CellFailure {
                cell: Some(cell.clone()),
                side: None,
                failure: failure.clone(),
                blocks: 1,
            }),
        }
    }
    failures
}

/// A program that failed its check, in every cell that needs it; no block was measured of them.
fn failures_of_program(run: &Run, program: &ProgramRecord) -> Vec<CellFailure> {
    let Some(failure) = &program.failure else { return vec![] };
    let spec = &run.header.spec;
    let needs = |cell: &&CellId| {
        let arms = spec.matchup(&cell.matchup).map_or(&[][..], |matchup| &matchup.arms);
        let origin = |arm: &String| spec.origin(arm, &program.problem);
        cell.workload == program.problem
            && arms.iter().any(|arm| origin(arm).is_some_and(|set| set.name == program.set))
    };
    let cells = run.header.suite.cells.iter().filter(needs);
    cells
        .map(|cell| CellFailure {
            cell: Some(cell.clone()),
            side: None,
            failure: failure.clone(),
            blocks: 0,
        })
        .collect()
}

fn is_same(seen: &CellFailure, cell: &CellId, failure: &Failure) -> bool {
    seen.cell.as_ref() == Some(cell)
        && seen.failure.stage == failure.stage
        && seen.failure.server == failure.server
        && seen.failure.error == failure.error
}

/// A command line as it can be pasted into a shell, beginning with the program's name.
pub(super) fn command(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    let quoted = words.iter().map(|word| {
        let needs_none = !word.is_empty() && word.chars().all(plain);
        if needs_none { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    });
    let line = quoted.collect::<Vec<_>>().join(" ");
    if words.first().is_some_and(|word| word == "duet") { line } else { format!("duet {line}") }
}

/// Seconds since 1970 as a date and time in UTC. The date is `civil_from_days` of H. Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", for days not before 1970: years are counted from
/// March, so that a leap day is the last of its year, in eras of 400 years.
#[must_use]
pub fn iso_8601(unix_s: u64) -> String {
    const DAY_S: u64 = 86_400;
    const DAYS_FROM_YEAR_0_TO_1970: u64 = 719_468;
    const ERA_DAYS: u64 = 146_097;
    let days = unix_s / DAY_S + DAYS_FROM_YEAR_0_TO_1970;
    let era = days / ERA_DAYS;
    let day_of_era = days % ERA_DAYS;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let second = unix_s % DAY_S;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_234_567_890, "2009-02-13T23:31:30Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (unix_s, want) in cases {
            assert_eq!(iso_8601(unix_s), want, "{unix_s}");
        }
    }

    #[test]
    fn commands() {
        let cases: [(&[&str], &str); 4] = [
            (&["run", "standard"], "duet run standard"),
            (&["duet", "run", "--seed=7"], "duet run --seed=7"),
            (&["run", "--only", "a b*"], "duet run --only 'a b*'"),
            (&["run", "it's", ""], r"duet run 'it'\''s' ''"),
        ];
        for (words, want) in cases {
            let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
            assert_eq!(command(&words), want);
        }
    }
}
