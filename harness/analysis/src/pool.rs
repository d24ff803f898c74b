//! Several sessions of one experiment: what another hour would show, and another machine.
//!
//! A session's interval holds for its hour. Here each session is one value, whatever its blocks,
//! and the spread between sessions says what to expect of another one ([`duet_stats::pool`]). Only
//! what is the same experiment is pooled: the same definitions, executables and windows; what
//! differs from the newest run that has the cell is listed with the reason. Each machine has its
//! hours for itself; three machines or more are pooled in the same way, by their means.

mod lines;
mod pooled;
mod state;
#[cfg(test)]
mod tests;

pub use pooled::{
    APART_S, BLOCKS_MIN, Dependence, FILE_NAME, LeftOut, MachineMean, MachinesLine, PoolVerdict,
    Pooled, PooledLine, PooledMachine, PooledMean, SCHEMA, Session,
};

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::comparison::executable_sha256;
use crate::comparison::stored::{fingerprint, is_alike};
use crate::pairs;
use crate::run_analysis::analyse;
use crate::run_summary::iso_8601;
use crate::summary::{CellAnalysis, MatchupAnalysis, Mean};
use duet_model::record::{Machine, Run};
use duet_model::spec::CellId;
use lines::{Kept, Value, line, value, value_of_mean};

/// Pools runs, which come with the names of their folders. What is not the same experiment as in
/// the newest run that has the cell is left out and listed.
///
/// # Errors
/// When there is nothing to pool.
pub fn pool(runs: &[(String, Run)]) -> Result<Pooled, String> {
    pool_by(runs, |_| true)
}

/// Pools the cells of `runs[model]`. What is not the same experiment as there is left out and
/// listed.
///
/// # Errors
/// When there is nothing to pool.
///
/// # Panics
/// When there is no such run.
pub fn pool_like(runs: &[(String, Run)], model: usize) -> Result<Pooled, String> {
    let model = &runs[model].0;
    pool_by(runs, |name| name == model)
}

/// What is pooled as it is in one run: cells of a matchup, and means over its cells.
struct Model<'a> {
    run: &'a Run,
    matchup: &'a MatchupAnalysis,
    cells: Vec<&'a CellAnalysis>,
    means: Vec<&'a Mean>,
}

/// Pools the cells of the runs that may be models.
fn pool_by(runs: &[(String, Run)], is_model: impl Fn(&str) -> bool) -> Result<Pooled, String> {
    if runs.is_empty() {
        return Err("there are no runs".to_owned());
    }
    let mut sorted: Vec<(&String, Cow<'_, Run>)> =
        runs.iter().map(|(name, run)| (name, pairs::of(run))).collect();
    sorted.sort_by_key(|(name, run)| (run.header.started_unix_s, (*name).clone()));
    let (mut kept, mut left_out) = (vec![], vec![]);
    for (name, run) in &sorted {
        if run.header.experiment.is_some() {
            let reason = "it compares versions, and is no run of a suite".to_owned();
            left_out.push(LeftOut { run: (*name).clone(), cell: None, reason });
            continue;
        }
        kept.push(Kept { name, run, analysis: analyse(run), gauges: state::gauges(run) });
    }
    let models = models(&kept, is_model);
    let mut machines = vec![];
    let machine_of: Vec<Option<usize>> = kept
        .iter()
        .map(|one| is_pooled(one, &models).then(|| index(&mut machines, &one.run.header.machine)))
        .collect();
    let (mut lines, mut means, mut over_machines) = (vec![], vec![], vec![]);
    for model in &models {
        let name = &model.matchup.name;
        let arms = model.run.header.spec.matchup(name).map_or(&[][..], |m| &m.arms);
        for cell in &model.cells {
            let same = alike(&kept, model.run, &cell.id, &mut left_out);
            for metric in cell.metrics.iter().map(|found| found.metric) {
                let of_machine = |machine: usize| {
                    let own = same.iter().filter(|i| machine_of[**i] == Some(machine));
                    let values: Vec<Value<'_>> =
                        own.filter_map(|i| value(&kept[*i], &cell.id, metric)).collect();
                    line((&cell.id, arms, metric), machine, &values)
                };
                let found: Vec<PooledLine> = (0..machines.len()).filter_map(of_machine).collect();
                over_machines.extend(lines::over_machines(&found.iter().collect::<Vec<_>>()));
                lines.extend(found);
            }
        }
        for mean in &model.means {
            let same = |one: &Kept<'_>| {
                mean.cells.iter().all(|m| refusal(one.run, model.run, &m.cell).is_none())
            };
            means.extend((0..machines.len()).filter_map(|machine| {
                let own = kept.iter().zip(&machine_of).filter(|(_, own)| **own == Some(machine));
                let own = own.filter(|(one, _)| same(one));
                let values: Vec<Value<'_>> =
                    own.filter_map(|(one, _)| value_of_mean(one, name, mean)).collect();
                lines::mean((name, arms, mean), machine, &values)
            }));
        }
    }
    if lines.is_empty() {
        return Err("no run has a cell with a ratio of at least three blocks".to_owned());
    }
    let started = |one: Option<&Kept<'_>>| {
        one.map_or_else(String::new, |one| iso_8601(one.run.header.started_unix_s))
    };
    let mut pooled = kept.iter().zip(&machine_of).filter_map(|(one, machine)| machine.map(|_| one));
    let first = pooled.next();
    let (first, last) = (started(first), started(pooled.next_back().or(first)));
    let schema = SCHEMA.to_owned();
    Ok(Pooled { schema, first, last, machines, lines, means, over_machines, left_out })
}

/// What is pooled as it is in which run, by matchup. Each cell that was measured, and each mean, is
/// as in the newest run that has it.
fn models<'a>(kept: &'a [Kept<'a>], is_model: impl Fn(&str) -> bool) -> Vec<Model<'a>> {
    let (mut cells, mut means) = (BTreeSet::new(), BTreeSet::new());
    let mut models = vec![];
    for one in kept.iter().rev().filter(|one| is_model(one.name)) {
        for matchup in &one.analysis.matchups {
            let new_cell = |cell: &&'a CellAnalysis| cell.blocks > 0 && cells.insert(&cell.id);
            let new_mean = |mean: &&'a Mean| means.insert((&matchup.name, mean.metric));
            let model = Model {
                run: one.run,
                matchup,
                cells: matchup.cells.iter().filter(new_cell).collect(),
                means: matchup.means.iter().filter(new_mean).collect(),
            };
            models.push(model);
        }
    }
    models
}

/// Whether a cell of a run is pooled.
fn is_pooled(one: &Kept<'_>, models: &[Model<'_>]) -> bool {
    let is_pooled = |model: &Model<'_>, id: &CellId| {
        one.cell(id).is_some() && refusal(one.run, model.run, id).is_none()
    };
    models.iter().any(|model| model.cells.iter().any(|cell| is_pooled(model, &cell.id)))
}

/// The runs in which a cell is the same experiment as in the model, as indices. Others are listed.
fn alike(kept: &[Kept<'_>], model: &Run, id: &CellId, left_out: &mut Vec<LeftOut>) -> Vec<usize> {
    let mut same = vec![];
    for (i, one) in kept.iter().enumerate().filter(|(_, one)| one.cell(id).is_some()) {
        match refusal(one.run, model, id) {
            None => same.push(i),
            Some(reason) => {
                left_out.push(LeftOut { run: one.name.to_owned(), cell: Some(id.clone()), reason });
            }
        }
    }
    same
}

/// Where a machine is among those that are known, which it becomes one of. Counts its runs.
fn index(machines: &mut Vec<PooledMachine>, machine: &Machine) -> usize {
    let same = |one: &PooledMachine| {
        let hypervisor = one.hypervisor.as_deref();
        (&*one.cpu, one.cpus, one.memory_bytes, &*one.kernel, hypervisor) == fingerprint(machine)
    };
    let at = machines.iter().position(same).unwrap_or_else(|| {
        machines.push(PooledMachine {
            cpu: machine.cpu.clone(),
            cpus: machine.cpus,
            memory_bytes: machine.memory_bytes,
            kernel: machine.kernel.clone(),
            hypervisor: machine.hypervisor.clone(),
            runs: 0,
        });
        machines.len() - 1
    });
    machines[at].runs += 1;
    at
}

/// Why a cell of a run is not pooled with the model's, if so.
fn refusal(run: &Run, model: &Run, id: &CellId) -> Option<String> {
    if !is_alike(run, model, id) {
        return Some("its workload, load, windows or CPUs are others".to_owned());
    }
    let arms = &model.header.spec.matchup(&id.matchup)?.arms;
    // Of what an interpreter runs only the version line is known.
    let differs = |arm: &&String| {
        executable_sha256(run, arm, id) != executable_sha256(model, arm, id)
            || version(run, arm) != version(model, arm)
    };
    let arm = arms.iter().find(differs)?;
    Some(format!("{arm} is another executable"))
}

fn version<'a>(run: &'a Run, arm: &str) -> Option<&'a str> {
    run.builds.iter().rfind(|build| build.server == arm)?.version.as_deref()
}
