//! Stored runs compared: weaker than versions measured side by side, since a machine changes its
//! speed from hour to hour. It informs and never fails anybody.
//!
//! Where one arm of a matchup is the same executable in both runs, the other arm's change is also
//! given beside it: what the machine did to both is then out of it. Eight stored runs or more tell
//! how far such a figure strays by itself.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::executables::executable_sha256;
use crate::pairs;
use crate::run_analysis::analyse;
use crate::summary::{Analysis, CellAnalysis};
use duet_model::record::{Machine, Run};
use duet_model::spec::CellId;
use duet_stats::next_within;
use duet_units::{Better, Metric};

/// From so many stored runs on there is a bound for the next one.
pub const RUNS_MIN: usize = 8;

/// What is compared of a server, and of a program.
const METRICS: [Metric; 5] = [
    Metric::ElapsedNs,
    Metric::CpuNs,
    Metric::RequestsPerSecond,
    Metric::CpuNsPerRequest,
    Metric::RssBytesPeak,
];

/// A run beside stored ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Stored runs on the base's side.
    pub runs: u32,
    /// What changed.
    pub changes: Vec<StoredChange>,
}

/// A metric of a server or of a program in a cell, then and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StoredChange {
    /// The cell.
    pub cell: CellId,
    /// The server, or the set of programs.
    pub server: String,
    /// The metric.
    pub metric: Metric,
    /// The base's value, of its last run.
    pub base: f64,
    /// The head's.
    pub head: f64,
    /// ln of how many times worse the head is.
    pub change: f64,
    /// The same beside a server that did not change.
    pub beside: Option<Beside>,
}

/// A change beside a server that is the same executable in all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// That server.
    pub server: String,
    /// ln of how many times worse the head is beside it, from the base's last run.
    pub change: f64,
    /// What a further run of the base would stay within, with 95 %: from the mean of the stored
    /// runs. Absent below [`RUNS_MIN`] runs.
    pub bound: Option<f64>,
    /// Whether the head lies outside.
    pub differs: Option<bool>,
}

/// Compares a run with stored ones, oldest first.
///
/// # Errors
/// Why they cannot be compared.
pub fn compare(bases: &[Run], head: &Run) -> Result<Stored, String> {
    if bases.is_empty() {
        return Err("nothing is stored".to_owned());
    }
    let now = &head.header.machine;
    let mut machines = bases.iter().map(|run| &run.header.machine);
    if let Some(then) = machines.find(|then| fingerprint(then) != fingerprint(now)) {
        return Err(format!("the machines differ: {} and {}", described(then), described(now)));
    }
    let analyses: Vec<Analysis> = bases.iter().map(analyse).collect();
    let now = analyse(head);
    let (bases, head): (Vec<Cow<'_, Run>>, Cow<'_, Run>) =
        (bases.iter().map(pairs::of).collect(), pairs::of(head));
    let mut changes = vec![];
    for cell in now.matchups.iter().flat_map(|matchup| &matchup.cells) {
        let equal = |run: &Cow<'_, Run>| is_alike(run, &head, &cell.id);
        if cell.blocks == 0 || !bases.iter().all(equal) {
            continue;
        }
        let before: Option<Vec<&CellAnalysis>> =
            analyses.iter().map(|analysis| find(analysis, &cell.id)).collect();
        let Some(before) = before else { continue };
        let arms = head.header.spec.matchup(&cell.id.matchup).map_or(&[][..], |m| &m.arms);
        for (arm, server) in arms.iter().enumerate() {
            for metric in METRICS {
                changes.extend(change(
                    (&bases, &head),
                    (&before, cell),
                    (arm, server),
                    arms,
                    metric,
                ));
            }
        }
    }
    match changes.is_empty() {
        true => Err("they have no cell in common with the same workload and load".to_owned()),
        false => Ok(Stored { runs: bases.len() as u32, changes }),
    }
}

/// What must be the same for figures of two hours to mean anything beside each other.
pub(crate) fn fingerprint(m: &Machine) -> (&str, usize, u64, &str, Option<&str>) {
    (&m.cpu, m.cpus, m.memory_bytes, &m.kernel, m.hypervisor.as_deref())
}

fn described(m: &Machine) -> String {
    let hypervisor = m.hypervisor.as_ref().map_or_else(String::new, |name| format!(", {name}"));
    let memory = duet_units::bytes(m.memory_bytes as f64);
    format!("{}, {} CPUs, {memory}, {}{hypervisor}", m.cpu, m.cpus, m.kernel)
}

fn find<'a>(analysis: &'a Analysis, id: &CellId) -> Option<&'a CellAnalysis> {
    let mut cells = analysis.matchups.iter().flat_map(|matchup| &matchup.cells);
    cells.find(|cell| cell.id == *id && cell.blocks > 0)
}

/// Whether a cell means the same in two runs: the same servers or sets by name, questions and load.
pub(crate) fn is_alike(one: &Run, other: &Run, id: &CellId) -> bool {
    let way = |run: &Run| {
        let (spec, suite) = (&run.header.spec, &run.header.suite);
        let times = (suite.lead_ms, suite.window_ms, suite.measure_ms, suite.warmup_ms);
        let cpus = (suite.server_cpus, suite.generator_cpus);
        let workload = spec.workload(&id.workload).cloned();
        let load = spec.load(&id.load).cloned();
        let arms = spec.matchup(&id.matchup).map(|matchup| matchup.arms.clone());
        match spec.is_of_programs(id) {
            // Windows mean nothing to a program.
            true => (None, cpus, None, spec.problem(&id.workload).cloned(), None, arms),
            false => (Some(times), cpus, workload, None, load, arms),
        }
    };
    way(one) == way(other)
}

fn change(
    (bases, head): (&[Cow<'_, Run>], &Run),
    (before, now): (&[&CellAnalysis], &CellAnalysis),
    (arm, server): (usize, &String),
    arms: &[String],
    metric: Metric,
) -> Option<StoredChange> {
    let sign = match metric.better() {
        Better::Lower => 1.0,
        Better::Higher => -1.0,
    };
    let value = |cell: &CellAnalysis, arm: usize| {
        let analysis = cell.metrics.iter().find(|m| m.metric == metric)?;
        Some(analysis.arms.get(arm)?.value)
    };
    let (base, head_value) = (value(before.last()?, arm)?, value(now, arm)?);
    let other = (0..arms.len())
        .find(|&i| arms[i] != *server && is_unchanged(bases, head, (&arms[i], &now.id)));
    let beside = other.and_then(|other| {
        let relative =
            |cell: &CellAnalysis| Some(sign * (value(cell, arm)?.ln() - value(cell, other)?.ln()));
        let then: Vec<f64> = before.iter().map(|cell| relative(cell)).collect::<Option<_>>()?;
        let now = relative(now)?;
        let bound = next_within(&then).filter(|_| then.len() >= RUNS_MIN);
        Some(Beside {
            server: arms[other].clone(),
            change: now - then.last()?,
            bound: bound.map(|(_, bound)| bound),
            differs: bound.map(|(mean, bound)| (now - mean).abs() > bound),
        })
    });
    Some(StoredChange {
        cell: now.id.clone(),
        server: server.clone(),
        metric,
        base,
        head: head_value,
        change: sign * (head_value.ln() - base.ln()),
        beside,
    })
}

/// Whether an arm was the same executable in all runs.
fn is_unchanged(bases: &[Cow<'_, Run>], head: &Run, (arm, cell): (&str, &CellId)) -> bool {
    let now = executable_sha256(head, arm, cell);
    now.is_some() && bases.iter().all(|run| executable_sha256(run, arm, cell) == now)
}
