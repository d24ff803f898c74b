//! From an analysis to judged cells and metrics.

use super::executables::is_identical;
use super::outcome;
use super::result::{ComparedCell, ComparedMetric, Gated, SoFar, State, Unjudged};
use crate::gate::{self, Evidence, Floor, GateVerdict, Judgement};
use crate::summary::{Analysis, CellAnalysis, MetricAnalysis, Warning, Who};
use crate::verdict::Verdict;
use duet_model::record::{Absence, Experiment, ProgramRun, Question, Run};
use duet_model::spec::{CellId, Waiver};
use duet_stats::{hodges_lehmann, interval, smallest_detectable, standard_deviation};
use duet_units::Metric;

/// Why a metric of a measured cell has no values.
const NOWHERE: &str = "no block has a value of it for both: too few requests stand behind it, it \
                       was too short to measure, or it could not be read";

/// One gated metric of one measured cell.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) cell: &'a CellId,
    pub(super) metric: Metric,
    pub(super) evidence: Evidence<'a>,
    /// Why there are no log ratios, where there are none.
    refusal: Option<&'a str>,
    waiver: Option<&'a Waiver>,
}

/// The gated metrics of all cells that were measured, as far as such cells have them, which are
/// judged as one family. A metric that could not be had, or may not be judged, belongs to it
/// without log ratios, so that it is never forgotten.
pub(super) fn family<'a>(analysis: &'a Analysis, experiment: &'a Experiment) -> Vec<Member<'a>> {
    let rules = || experiment.gate.iter().flat_map(|gate| &gate.rules);
    let member = |cell: &'a CellAnalysis, metric: Metric, margin: f64| {
        let found = cell.metrics.iter().find(|m| m.metric == metric);
        let of_metric = found.filter(|m| !m.informational);
        let log_ratios = of_metric.map_or(&[][..], |m| &m.log_ratios);
        let refusal = found.map_or(Some(NOWHERE), |m| m.reason.as_deref());
        let today = analysis.run.started.as_str();
        let waiver = outcome::waiver(experiment, today, &cell.id, metric);
        let floor = experiment.floors.iter().find(|f| f.cell == cell.id && f.metric == metric);
        Member {
            cell: &cell.id,
            metric,
            evidence: Evidence {
                log_ratios,
                margin: waiver.map_or(margin, |waiver| waiver.margin),
                floor: floor.and_then(|f| Floor::of_experiments(&f.estimates, &f.standard_errors)),
            },
            refusal: refusal.filter(|_| log_ratios.is_empty()),
            waiver,
        }
    };
    let of_cell = |cell: &'a CellAnalysis| {
        let rules = rules().filter(|rule| rule.metric.is_result(cell.kind()));
        rules.map(move |rule| member(cell, rule.metric, rule.margin))
    };
    measured(analysis, experiment).flat_map(of_cell).collect()
}

/// The verdicts on a family.
pub(super) fn judge(family: &[Member], experiment: &Experiment) -> Vec<Judgement> {
    let evidence: Vec<Evidence> = family.iter().map(|member| member.evidence).collect();
    let mut judgements = gate::judge(&evidence, &experiment.looks());
    for (judgement, member) in judgements.iter_mut().zip(family) {
        if let Some(refusal) = member.refusal {
            judgement.reason = Some(refusal.to_owned());
        }
    }
    judgements
}

/// The cells with judged metrics, in the suite's order, then those that only one version has.
pub(super) fn cells(
    run: &Run,
    analysis: &Analysis,
    second: Option<&Analysis>,
    experiment: &Experiment,
    warnings: &mut Vec<Warning>,
) -> Vec<ComparedCell> {
    let family = family(analysis, experiment);
    let first = judge(&family, experiment);
    let confirmations = confirmations(&family, &first, second, experiment);
    let gated = |(member, (judgement, second)): (&Member, (&Judgement, &Option<Judgement>))| {
        let judgement = settled(judgement, second.as_ref(), experiment.question);
        let waiver = member.waiver.cloned();
        (
            (member.cell.clone(), member.metric),
            Gated { judgement, confirmation: second.clone(), waiver },
        )
    };
    let gated: Vec<((CellId, Metric), Gated)> =
        family.iter().zip(first.iter().zip(&confirmations)).map(gated).collect();
    let mut cells: Vec<ComparedCell> = run
        .header
        .suite
        .cells
        .iter()
        .map(|id| cell(run, analysis, id, experiment, &gated))
        .collect();
    for cell in &cells {
        if cell.state == State::Identical {
            continue;
        }
        warn_of_ungated(cell, warnings);
        let of_cell = analysis.matchups.iter().flat_map(|m| &m.cells).find(|c| c.id == cell.id);
        warnings.extend(of_cell.iter().flat_map(|c| &c.warnings).map(|warning| Warning {
            message: format!("{}: {}", cell.id, warning.message),
            ..warning.clone()
        }));
    }
    cells.extend(uncompared(run, experiment));
    cells
}

fn measured<'a>(
    analysis: &'a Analysis,
    experiment: &'a Experiment,
) -> impl Iterator<Item = &'a CellAnalysis> {
    let cells = analysis.matchups.iter().flat_map(|matchup| &matchup.cells);
    cells.filter(|cell| cell.blocks > 0 && !is_spoilt(cell, experiment))
}

/// Whether a generator that was the bottleneck spoilt what was asked: of a gate any metric that it
/// judges, of other questions all there is.
fn is_spoilt(cell: &CellAnalysis, experiment: &Experiment) -> bool {
    let compared = |metric: Metric| {
        cell.metrics.iter().any(|found| found.metric == metric && found.ratio.is_some())
    };
    let rules = experiment.gate.iter().flat_map(|gate| &gate.rules);
    let mut gated = rules.filter(|rule| rule.metric.is_result(cell.kind()));
    cell.bottleneck.who == Who::Generator
        && (gated.any(|rule| !compared(rule.metric))
            || cell.metrics.iter().all(|found| found.ratio.is_none()))
}

/// What the second experiment says of what the first called a regression, member by member. Its
/// family is those members alone.
fn confirmations(
    family: &[Member],
    first: &[Judgement],
    second: Option<&Analysis>,
    experiment: &Experiment,
) -> Vec<Option<Judgement>> {
    let mut confirmations = vec![None; family.len()];
    let Some(second) = second else { return confirmations };
    let called: Vec<usize> =
        (0..family.len()).filter(|&i| first[i].verdict == GateVerdict::Regressed).collect();
    let again = self::family(second, experiment);
    let find = |&i: &usize| {
        let same = |m: &&Member| m.cell == family[i].cell && m.metric == family[i].metric;
        again.iter().find(same).map_or(&[][..], |member| member.evidence.log_ratios)
    };
    let evidence: Vec<Evidence> =
        called.iter().map(|i| Evidence { log_ratios: find(i), ..family[*i].evidence }).collect();
    let judgements = gate::judge(&evidence, &experiment.looks());
    for (i, judgement) in called.into_iter().zip(judgements) {
        confirmations[i] = Some(judgement);
    }
    confirmations
}

/// A verdict after the confirmation. A gate fails nobody by an experiment that was not repeated.
fn settled(first: &Judgement, second: Option<&Judgement>, question: Question) -> Judgement {
    match second {
        Some(second) => gate::confirm(first, second),
        None if first.verdict == GateVerdict::Regressed && question == Question::Gate => {
            Judgement {
                verdict: GateVerdict::Inconclusive,
                reason: Some(
                    "a regression was found, and the experiment that was to confirm it was not \
                 carried out"
                        .to_owned(),
                ),
                ..first.clone()
            }
        }
        None => first.clone(),
    }
}

fn cell(
    run: &Run,
    analysis: &Analysis,
    id: &CellId,
    experiment: &Experiment,
    gated: &[((CellId, Metric), Gated)],
) -> ComparedCell {
    let found = analysis.matchups.iter().flat_map(|m| &m.cells).find(|cell| cell.id == *id);
    let state = state(run, analysis, id, experiment, found);
    let of_cell = || gated.iter().filter(|((cell, _), _)| cell == id);
    let gated = |metric| of_cell().find(|(key, _)| key.1 == metric);
    let mut metrics: Vec<ComparedMetric> = found
        .iter()
        .flat_map(|cell| &cell.metrics)
        .filter_map(|m| compared(m, gated(m.metric).map(|(_, gated)| gated.clone())))
        .collect();
    if metrics.iter().all(|m| m.gated.is_none()) {
        metrics.iter_mut().for_each(|m| m.q = None);
    }
    metrics.sort_by_key(|metric| metric.gated.is_none());
    let unjudged = of_cell()
        .filter(|((_, metric), _)| metrics.iter().all(|m| m.metric != *metric))
        .map(|((_, metric), gated)| Unjudged {
            metric: *metric,
            reason: gated.judgement.reason.clone().unwrap_or_default(),
        })
        .collect();
    let mut cell = ComparedCell {
        id: id.clone(),
        load: found.map(|cell| cell.load.clone()).unwrap_or_default(),
        programs: run.header.spec.is_of_programs(id),
        blocks: found.map_or(0, |cell| cell.blocks),
        stolen_shares: stolen_shares(run, id),
        state,
        metrics,
        unjudged,
    };
    let principal = cell.principal().len();
    for metric in &mut cell.metrics[..principal] {
        metric.interval_history = interval_history(&metric.log_ratios);
    }
    cell
}

/// What the first blocks say, for every number of them that has an interval.
fn interval_history(log_ratios: &[f64]) -> Vec<SoFar> {
    let so_far = |n: usize| {
        let first = &log_ratios[..n];
        let interval = interval(first)?;
        Some(SoFar { blocks: n as u32, estimate: hodges_lehmann(first), interval })
    };
    (1..=log_ratios.len()).filter_map(so_far).collect()
}

fn compared(m: &MetricAnalysis, gated: Option<Gated>) -> Option<ComparedMetric> {
    let [base, head] = m.arms[..] else { return None };
    m.ratio?;
    let q = m.q.filter(|_| gated.is_none());
    Some(ComparedMetric {
        metric: m.metric,
        base,
        head,
        estimate: hodges_lehmann(&m.log_ratios),
        interval: interval(&m.log_ratios),
        log_ratios: m.log_ratios.clone(),
        interval_history: vec![],
        gated,
        verdict: m.verdict,
        reason: m.reason.clone(),
        smallest_detectable: detectable(&m.log_ratios),
        q,
    })
}

fn detectable(log_ratios: &[f64]) -> Option<f64> {
    Some(smallest_detectable(log_ratios.len() as u32, standard_deviation(log_ratios)?))
}

fn state(
    run: &Run,
    analysis: &Analysis,
    id: &CellId,
    experiment: &Experiment,
    found: Option<&CellAnalysis>,
) -> State {
    let failed = |cell: &Option<CellId>| cell.as_ref().is_none_or(|cell| cell == id);
    match found {
        _ if is_identical(run, id) && run.attempts_of(id).next().is_none() => State::Identical,
        Some(cell) if cell.blocks > 0 && is_spoilt(cell, experiment) => {
            let refused = cell.metrics.iter().filter(|m| m.ratio.is_none());
            let reason = refused.filter_map(|m| m.reason.clone()).next();
            State::Unmeasured(reason.unwrap_or_default())
        }
        Some(cell) if cell.blocks > 0 => State::Measured,
        _ if analysis.failures.iter().any(|failure| failed(&failure.cell)) => State::Failed,
        _ => State::Unmeasured("no block of it was measured".to_owned()),
    }
}

/// Warns where a metric that is not gated is worse, although others of its cell are.
fn warn_of_ungated(cell: &ComparedCell, warnings: &mut Vec<Warning>) {
    let gates = cell.metrics.iter().any(|metric| metric.gated.is_some());
    let worse = |m: &&ComparedMetric| gates && m.gated.is_none() && m.verdict == Verdict::Slower;
    warnings.extend(cell.metrics.iter().filter(worse).map(|metric| Warning {
        code: "ungated_change".to_owned(),
        message: format!(
            "{}: {} is {} worse and not gated",
            cell.id,
            metric.metric.label(),
            duet_units::percent(metric.change())
        ),
        hint: Some("look at it; to be held to it, give it a margin".to_owned()),
    }));
}

/// Cells that are not compared: only one version has them, or each has another.
fn uncompared(run: &Run, experiment: &Experiment) -> Vec<ComparedCell> {
    let cell = |(id, state): (&CellId, State)| ComparedCell {
        id: id.clone(),
        load: String::new(),
        programs: run.header.spec.problem(&id.workload).is_some(),
        state,
        blocks: 0,
        metrics: vec![],
        unjudged: vec![],
        stolen_shares: vec![],
    };
    let absent = experiment.absent.iter().map(|absence: &Absence| {
        (&absence.cell, if absence.in_head { State::Missing } else { State::New })
    });
    let changed = experiment.changed.iter().map(|id| (id, State::Changed));
    absent.chain(changed).map(cell).collect()
}

/// The share of the time of the CPUs in use that was stolen, by block that ran to its end: of
/// servers' CPUs in windows, of all CPUs while programs ran.
fn stolen_shares(run: &Run, id: &CellId) -> Vec<f64> {
    let (servers, generator) = (run.header.server_cpus.len(), run.header.generator_cpus.len());
    let share = |stolen_ns: u64, elapsed_ns: u64, cpus: usize| {
        stolen_ns as f64 / (elapsed_ns.max(1) as f64 * cpus.max(1) as f64)
    };
    let of_servers = run.blocks.iter().map(|b| {
        let stolen_ns = b.windows.iter().map(|w| w.server_stolen_ns).sum();
        share(stolen_ns, b.driven_ns, servers)
    });
    let of_programs = run.program_blocks.iter().map(|b| {
        let sum = |of: fn(&ProgramRun) -> u64| b.arms.iter().map(of).sum();
        share(sum(|run| run.stolen_ns), sum(|run| run.elapsed_ns), servers + generator)
    });
    let mut shares: Vec<((u32, u64), f64)> = run
        .attempts()
        .zip(of_servers.chain(of_programs))
        .filter(|(attempt, _)| attempt.cell == id && attempt.counts())
        .map(|(attempt, share)| ((attempt.block, attempt.started_ns), share))
        .collect();
    shares.sort_by_key(|(place, _)| *place);
    shares.into_iter().map(|(_, share)| share).collect()
}
