//! From the records of two versions to a comparison.

use super::result::{Comparison, SCHEMA};
use super::{budgets, judged, outcome};
use crate::gate;
use crate::run_analysis::analyse;
use crate::summary::Warning;
use duet_model::record::Run;

/// The comparison that a record holds.
///
/// # Errors
/// When the record is of no comparison, or its looks are none that a gate may have.
pub fn compare(run: &Run, confirmation: Option<&Run>) -> Result<Comparison, String> {
    let Some(experiment) = &run.header.experiment else {
        return Err("the run compares the arms of matchups and no versions".to_owned());
    };
    if let Some(gate) = &experiment.gate {
        gate::check_looks(&gate.looks, gate.alpha)?;
    }
    let analysis = analyse(run);
    let second = confirmation.map(analyse);
    let mut warnings = analysis.warnings.clone();
    warnings.extend(outcome::of_waivers(experiment, &analysis.run.started));
    warnings.extend(experiment.policy_differences.iter().map(|difference| Warning {
        code: "policy_differs".to_owned(),
        message: difference.clone(),
        hint: None,
    }));
    warnings.extend(outcome::of_commits_beyond(experiment));
    warnings.extend(outcome::of_attempt(experiment));
    let cells = judged::cells(run, &analysis, second.as_ref(), experiment, &mut warnings);
    let budgets = budgets::check(run, &analysis, experiment);
    let second_failures = second.as_ref().map_or(&[][..], |second| &second.failures);
    let mut failures = [&analysis.failures[..], second_failures].concat();
    for failed in &mut failures {
        failed.side = outcome::side(run, failed);
    }
    Ok(Comparison {
        schema: SCHEMA.to_owned(),
        question: experiment.question,
        outcome: outcome::outcome(experiment, &cells, &budgets, &failures),
        gate: experiment.gate.as_ref().map(|gate| gate.name.clone()),
        looks: experiment.looks(),
        base: experiment.base.clone(),
        head: experiment.head.clone(),
        cells,
        budgets,
        warnings,
        failures,
        run: analysis.run,
        confirmation: second.map(|second| second.run),
    })
}
