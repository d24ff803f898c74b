//! Keys that suites and gates, or gates and waivers, have in common.

use std::ops::RangeInclusive;

use super::errors::Kind;
use super::fields::{At, Fields};
use super::nearest::suggestion;
use duet_units::Metric;

/// The fewest windows of a block: two rounds of four that balance each other, ABBA and BAAB.
const WINDOWS: u32 = 8;

/// The longest `measure_ms` and `warmup_ms`: ten minutes. More is a slip of the pen.
const LONGEST_MS: u32 = 600_000;

/// A table `[[suite.cells]]`: each of its matchups under each workload and each load.
pub(super) struct CellTable {
    /// Of a gate's programs: sets.
    pub(super) matchups: Vec<At<String>>,
    pub(super) workloads: Vec<At<String>>,
    pub(super) loads: Vec<At<String>>,
}

/// How long a block takes.
pub(super) struct Duration {
    pub(super) lead_ms: u32,
    pub(super) window_ms: u32,
    pub(super) measure_ms: u32,
    pub(super) warmup_ms: u32,
}

/// How long a block takes; a block must hold its windows.
pub(super) fn duration(fields: &mut Fields<'_>) -> Duration {
    let duration = Duration {
        lead_ms: number(fields, "lead_ms", 0..=1_000, 20),
        window_ms: number(fields, "window_ms", 1..=10_000, 20),
        measure_ms: number(fields, "measure_ms", 1..=LONGEST_MS, 1_000),
        warmup_ms: number(fields, "warmup_ms", 1..=LONGEST_MS, 500),
    };
    let Duration { window_ms, measure_ms, .. } = duration;
    let least = WINDOWS * window_ms;
    if measure_ms < least {
        let key = if fields.has("measure_ms") { "measure_ms" } else { "window_ms" };
        let problem = format!("{measure_ms} ms do not hold {WINDOWS} windows of {window_ms} ms");
        let hint = format!(
            "a block has at least two rounds of four windows: raise `measure_ms` to {least} or \
             more, or lower `window_ms`"
        );
        let line = fields.line_of(key);
        fields.mistake(line, problem, hint);
    }
    duration
}

/// How long a block of programs takes, and what one run of a program may.
pub(super) struct ProgramRuns {
    pub(super) block_ms: u32,
    pub(super) limit_s: u32,
    pub(super) limit_mib: u32,
}

pub(super) fn program_runs(fields: &mut Fields<'_>) -> ProgramRuns {
    ProgramRuns {
        block_ms: number(fields, "program_block_ms", 1..=LONGEST_MS, 700),
        limit_s: number(fields, "program_limit_s", 1..=3600, 60),
        limit_mib: number(fields, "program_limit_mib", 1..=1 << 20, 4096),
    }
}

/// A number, its default, or the default where it has a mistake.
pub(super) fn number(
    fields: &mut Fields<'_>,
    key: &'static str,
    range: RangeInclusive<u32>,
    default: u32,
) -> u32 {
    fields.number(key, range).map_or(default, |at| at.value)
}

/// Cells of programs. `arms`: the key that says whose, the kind of its names, and an example.
pub(super) fn programs(
    fields: &mut Fields<'_>,
    arms: (&'static str, Kind, &'static str),
) -> CellTable {
    let (key, kind, example) = arms;
    fields.require(&[
        (key, example),
        ("problems", "`problems = [\"name-of-a-problem\"]`"),
        ("sizes", "`sizes = [\"quick\"]`"),
    ]);
    let mut names = |key, kind: Option<Kind>| {
        let names = fields.some_texts(key).unwrap_or_default();
        for (name, kind) in names.iter().filter_map(|name| Some((name, kind?))) {
            fields.refer(kind, &name.value, name.line);
        }
        names
    };
    CellTable {
        matchups: names(key, Some(kind)),
        workloads: names("problems", Some(Kind::Problem)),
        // Sizes are each problem's own; that it has them is checked with the other files.
        loads: names("sizes", None),
    }
}

/// The names without their lines.
pub(super) fn values(names: &[At<String>]) -> Vec<String> {
    names.iter().map(|at| at.value.clone()).collect()
}

/// The metric with this name; otherwise a mistake is kept.
pub(super) fn metric(fields: &mut Fields<'_>, name: &At<String>) -> Option<Metric> {
    let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name.value);
    if metric.is_none() {
        let known = Metric::ALL.map(Metric::name);
        let hint = suggestion(&name.value, &known, "the metrics are");
        fields.mistake(name.line, format!("there is no metric `{}`", name.value), hint);
    }
    metric
}
