//! Several sessions of one experiment: what another hour would show.
//!
//! A session's interval holds for its hour. Here each session is one value, whatever its blocks,
//! and the spread between sessions says what to expect of another one ([`duet_stats::pool`]). Only
//! what is the same experiment is pooled: the same definitions, executables and windows on the same
//! machine; what differs is listed with the reason.

use serde::{Deserialize, Serialize};

use crate::comparison::executable_sha256;
use crate::comparison::stored::{fingerprint, is_alike};
use crate::run_analysis::analyse;
use crate::run_summary::iso_8601;
use crate::summary::{Analysis, CellAnalysis, MetricAnalysis};
use crate::verdict::TIE_BAND;
use duet_model::record::Run;
use duet_model::spec::CellId;
use duet_stats::{Interval, SESSIONS_MIN, hodges_lehmann, standard_deviation};
use duet_units::Metric;

/// The version of `pool.json`; raised when a reader of the old format would be wrong.
pub const SCHEMA: &str = "duet.pool/1";

/// Runs that began less than this apart are one session, in seconds: the machine is in one state.
pub const APART_S: u64 = 3600;

/// Fewer blocks make no session.
pub const BLOCKS_MIN: usize = 3;

/// The efficiency of the Hodges-Lehmann estimate under normal noise: its variance is that of the
/// mean over this (Hodges and Lehmann 1963).
const EFFICIENCY: f64 = 0.955;

/// Sessions pooled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pooled {
    /// [`SCHEMA`].
    pub schema: String,
    /// The machine of the sessions, for people.
    pub machine: String,
    /// When the first session began, ISO 8601 in UTC.
    pub first: String,
    /// When the last one did.
    pub last: String,
    /// The cells' metrics, in the order of the runs.
    pub lines: Vec<PooledLine>,
    /// What was not pooled, and why.
    pub left_out: Vec<LeftOut>,
}

/// A metric of a cell over sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PooledLine {
    /// The cell.
    pub id: CellId,
    /// Its arms.
    pub arms: Vec<String>,
    /// The metric.
    pub metric: Metric,
    /// The sessions, oldest first.
    pub sessions: Vec<Session>,
    /// How many times worse the second arm is, over hours; absent below two sessions.
    pub mean: Option<f64>,
    /// Where the mean over hours lies, with 95 %; absent below five sessions.
    pub interval: Option<Interval>,
    /// Where another hour will lie, with 95 %; absent below five sessions.
    pub next: Option<Interval>,
    /// From the smallest to the largest session, with the probability that another hour lies
    /// within; absent below two sessions.
    pub range: Option<Interval>,
    /// The share of the variance between sessions that their own intervals do not explain.
    pub heterogeneity: Option<f64>,
    /// The standard deviation between sessions, as a logarithm.
    pub spread: Option<f64>,
    /// What may be said.
    pub verdict: HourVerdict,
}

/// What one hour said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The runs' folders: more than one where they began within an hour.
    pub runs: Vec<String>,
    /// When the first of them began.
    pub started: String,
    /// How many times worse the second arm was.
    pub ratio: f64,
    /// The standard error of its logarithm.
    pub standard_error: Option<f64>,
    /// Blocks behind it.
    pub blocks: u32,
}

/// What sessions say of the second arm against the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HourVerdict {
    /// Another hour will show it better, too.
    BetterInAnyHour,
    /// Another hour will show it worse, too.
    WorseInAnyHour,
    /// Better on average over hours; single ones may show otherwise.
    BetterOnAverage,
    /// Worse on average over hours.
    WorseOnAverage,
    /// Neither.
    DependsOnTheHour,
    /// Fewer than five sessions.
    NotKnown,
}

/// What was not pooled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The run's folder.
    pub run: String,
    /// The cell; absent: the whole run.
    pub cell: Option<CellId>,
    /// Why.
    pub reason: String,
}

/// Pools runs, which come with the names of their folders. What is not the same experiment as in
/// the newest run is left out and listed.
///
/// # Errors
/// When there is nothing to pool.
pub fn pool(runs: &[(String, Run)]) -> Result<Pooled, String> {
    let mut runs: Vec<&(String, Run)> = runs.iter().collect();
    runs.sort_by_key(|(name, run)| (run.header.started_unix_s, name.clone()));
    let Some((_, newest)) = runs.last() else { return Err("there are no runs".to_owned()) };
    let mut left_out = vec![];
    let mut kept: Vec<(&String, &Run, Analysis)> = vec![];
    for (name, run) in &runs {
        match refusal(run, newest) {
            Some(reason) => {
                left_out.push(LeftOut { run: name.clone(), cell: None, reason });
            }
            None => kept.push((name, run, analyse(run))),
        }
    }
    let now = analyse(newest);
    let mut lines = vec![];
    for cell in now.matchups.iter().flat_map(|matchup| &matchup.cells) {
        let same: Vec<(&String, &Run, &CellAnalysis)> = kept
            .iter()
            .filter_map(|(name, run, analysis)| {
                let found = find(analysis, &cell.id)?;
                let reason = cell_refusal(run, newest, &cell.id);
                match reason {
                    None => Some((*name, *run, found)),
                    Some(reason) => {
                        let (run, cell) = ((*name).clone(), Some(cell.id.clone()));
                        left_out.push(LeftOut { run, cell, reason });
                        None
                    }
                }
            })
            .collect();
        let arms = newest.header.spec.matchup(&cell.id.matchup).map(|m| m.arms.clone());
        for metric in &cell.metrics {
            let line = line(&same, &cell.id, arms.clone().unwrap_or_default(), metric.metric);
            lines.extend(line);
        }
    }
    if lines.is_empty() {
        return Err("no run has a cell with a ratio of at least three blocks".to_owned());
    }
    let started = |run: &Run| iso_8601(run.header.started_unix_s);
    let machine = &newest.header.machine;
    Ok(Pooled {
        schema: SCHEMA.to_owned(),
        machine: format!("{}, {} CPUs, {}", machine.cpu, machine.cpus, machine.kernel),
        first: kept.first().map_or_else(String::new, |(_, run, _)| started(run)),
        last: kept.last().map_or_else(String::new, |(_, run, _)| started(run)),
        lines,
        left_out,
    })
}

/// Why a run is not pooled with the newest one, if so.
fn refusal(run: &Run, newest: &Run) -> Option<String> {
    if run.header.experiment.is_some() || newest.header.experiment.is_some() {
        return Some("it compares versions, and is no run of a suite".to_owned());
    }
    let (one, other) = (&run.header.machine, &newest.header.machine);
    (fingerprint(one) != fingerprint(other)).then(|| {
        format!("it is of another machine ({}, {} CPUs, {})", one.cpu, one.cpus, one.kernel)
    })
}

/// Why a cell of a run is not pooled with the newest run's, if so.
fn cell_refusal(run: &Run, newest: &Run, id: &CellId) -> Option<String> {
    if !is_alike(run, newest, id) {
        return Some("its workload, load, windows or CPUs are others".to_owned());
    }
    let arms = newest.header.spec.matchup(&id.matchup)?.arms.clone();
    // Of what an interpreter runs only the version line is known.
    let differs = |arm: &&String| {
        executable_sha256(run, arm, id) != executable_sha256(newest, arm, id)
            || version(run, arm) != version(newest, arm)
    };
    let arm = arms.iter().find(differs)?;
    Some(format!("{arm} is another executable"))
}

fn version<'a>(run: &'a Run, arm: &str) -> Option<&'a str> {
    run.builds.iter().rfind(|build| build.server == arm)?.version.as_deref()
}

fn find<'a>(analysis: &'a Analysis, id: &CellId) -> Option<&'a CellAnalysis> {
    let mut cells = analysis.matchups.iter().flat_map(|matchup| &matchup.cells);
    cells.find(|cell| cell.id == *id && cell.blocks > 0)
}

/// A run's value of a metric, with the variance of its estimate.
struct Value<'a> {
    run: &'a str,
    started_unix_s: u64,
    log_ratio: f64,
    variance: Option<f64>,
    blocks: u32,
}

fn value<'a>(name: &'a str, run: &Run, metric: &MetricAnalysis) -> Option<Value<'a>> {
    metric.ratio.as_ref()?;
    let n = metric.log_ratios.len();
    let spread = standard_deviation(&metric.log_ratios);
    (n >= BLOCKS_MIN).then(|| Value {
        run: name,
        started_unix_s: run.header.started_unix_s,
        log_ratio: hodges_lehmann(&metric.log_ratios),
        variance: spread.map(|spread| spread * spread / (EFFICIENCY * n as f64)),
        blocks: n as u32,
    })
}

fn line(
    same: &[(&String, &Run, &CellAnalysis)],
    id: &CellId,
    arms: Vec<String>,
    metric: Metric,
) -> Option<PooledLine> {
    let of_metric =
        |cell: &'_ CellAnalysis| cell.metrics.iter().find(|found| found.metric == metric).cloned();
    let values: Vec<Value<'_>> =
        same.iter().filter_map(|(name, run, cell)| value(name, run, &of_metric(cell)?)).collect();
    let sessions = sessions(&values);
    if sessions.is_empty() {
        return None;
    }
    let values: Vec<(f64, Option<f64>)> = sessions
        .iter()
        .map(|session| (session.ratio.ln(), session.standard_error.map(|se| se * se)))
        .collect();
    let pool = duet_stats::pool(&values);
    let verdict = verdict(pool.as_ref());
    let ratio = |interval: Interval| interval.map(f64::exp);
    Some(PooledLine {
        id: id.clone(),
        arms,
        metric,
        sessions,
        mean: pool.map(|pool| pool.mean.exp()),
        interval: pool.and_then(|pool| pool.interval.map(ratio)),
        next: pool.and_then(|pool| pool.next.map(ratio)),
        range: pool.map(|pool| ratio(pool.range)),
        heterogeneity: pool.and_then(|pool| pool.heterogeneity),
        spread: pool.map(|pool| pool.spread),
        verdict,
    })
}

/// Runs that began within an hour, as one: their mean.
fn sessions(values: &[Value<'_>]) -> Vec<Session> {
    let mut groups: Vec<Vec<&Value<'_>>> = vec![];
    for value in values {
        match groups.last_mut() {
            Some(group) if value.started_unix_s < group[0].started_unix_s + APART_S => {
                group.push(value);
            }
            _ => groups.push(vec![value]),
        }
    }
    let session = |group: Vec<&Value<'_>>| {
        let n = group.len() as f64;
        let variances: Option<Vec<f64>> = group.iter().map(|value| value.variance).collect();
        Session {
            runs: group.iter().map(|value| value.run.to_owned()).collect(),
            started: iso_8601(group[0].started_unix_s),
            ratio: (group.iter().map(|value| value.log_ratio).sum::<f64>() / n).exp(),
            standard_error: variances.map(|all| all.iter().sum::<f64>().sqrt() / n),
            blocks: group.iter().map(|value| value.blocks).sum(),
        }
    };
    groups.into_iter().map(session).collect()
}

fn verdict(pool: Option<&duet_stats::Pool>) -> HourVerdict {
    let Some(pool) = pool.filter(|pool| pool.sessions >= SESSIONS_MIN) else {
        return HourVerdict::NotKnown;
    };
    let band = (1.0 + TIE_BAND).ln();
    let beyond = |interval: Option<Interval>| match interval? {
        Interval { low, .. } if low > band => Some(true),
        Interval { high, .. } if high < -band => Some(false),
        _ => None,
    };
    match (beyond(pool.next), beyond(pool.interval)) {
        (Some(true), _) => HourVerdict::WorseInAnyHour,
        (Some(false), _) => HourVerdict::BetterInAnyHour,
        (None, Some(true)) => HourVerdict::WorseOnAverage,
        (None, Some(false)) => HourVerdict::BetterOnAverage,
        (None, None) => HourVerdict::DependsOnTheHour,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_model::record::CampaignSession;
    use duet_model::testing::{Scene, run};

    const DAY: u64 = 86_400;

    /// A run of a suite that began at a time, with the second arm slower by a factor.
    fn session(started_unix_s: u64, factor: f64) -> (String, Run) {
        let mut scene = Scene::default();
        scene.arms[1].requests_per_second /= factor;
        let mut run = run(&scene);
        run.header.started_unix_s = started_unix_s;
        (format!("run-{started_unix_s}"), run)
    }

    fn throughput(pooled: &Pooled) -> &PooledLine {
        let line = pooled.lines.iter().find(|l| l.metric == Metric::RequestsPerSecond);
        line.expect("it is measured")
    }

    #[test]
    fn five_days() {
        let factors = [1.0, 1.05, 0.95, 1.1, 1.02];
        let runs: Vec<_> =
            factors.into_iter().enumerate().map(|(i, f)| session(i as u64 * DAY, f)).collect();
        let pooled = pool(&runs).expect("they are alike");
        assert_eq!(pooled.left_out, []);
        let line = throughput(&pooled);
        assert_eq!(line.sessions.len(), 5);
        let (mean, next) = (line.interval.expect("five"), line.next.expect("five"));
        assert!(next.low < mean.low && mean.high < next.high);
        let spread = standard_deviation(&factors.map(f64::ln)).expect("five");
        assert!((line.spread.expect("five") - spread).abs() < 0.02, "{line:?}");
        assert!(line.sessions.is_sorted_by_key(|session| session.started.clone()));
        // Four say nothing of another hour.
        let four = pool(&runs[..4]).expect("they are alike");
        let line = throughput(&four);
        assert_eq!((line.next, line.verdict), (None, HourVerdict::NotKnown));
    }

    #[test]
    fn runs_within_an_hour_are_one_session() {
        let runs = [session(0, 1.0), session(1800, 1.2), session(2 * DAY, 1.1)];
        let pooled = pool(&runs).expect("they are alike");
        let line = throughput(&pooled);
        let of_runs: Vec<usize> = line.sessions.iter().map(|s| s.runs.len()).collect();
        assert_eq!(of_runs, [2, 1]);
    }

    #[test]
    fn what_a_campaign_draws_is_pooled() {
        let mut other = session(0, 1.0);
        let header = &mut other.1.header;
        std::mem::swap(&mut header.server_cpus, &mut header.generator_cpus);
        header.seed += 1;
        header.suite.blocks += 1;
        header.campaign = Some(CampaignSession {
            session: 1,
            sessions: 2,
            campaign_seed: 7,
            due_unix_ms: 0,
            padding_bytes: 100,
        });
        let pooled = pool(&[other, session(DAY, 1.0)]).expect("they are alike");
        assert_eq!((pooled.left_out.len(), throughput(&pooled).sessions.len()), (0, 2));
    }

    #[test]
    fn what_differs_is_left_out() {
        let newest = session(9 * DAY, 1.0);
        let check = |change: &dyn Fn(&mut Run), cell: bool, reason: &str| {
            let mut other = session(0, 1.0);
            change(&mut other.1);
            let pooled = pool(&[other, newest.clone()]).expect("one is left");
            let [left, ..] = &pooled.left_out[..] else { panic!("nothing left out: {reason}") };
            assert_eq!(throughput(&pooled).sessions.len(), 1, "{reason}");
            assert!(left.reason.contains(reason) && left.run == "run-0", "{left:?}");
            assert_eq!(left.cell.is_some(), cell);
        };
        check(&|run| run.header.machine.cpu.push('X'), false, "another machine");
        check(&|run| run.header.suite.window_ms += 1, true, "windows");
        check(&|run| run.header.spec.loads[0].connections += 1, true, "load");
        let path = |run: &mut Run| run.header.spec.workloads[0].cases[0].path.push('x');
        check(&path, true, "workload");
        let built = |run: &mut Run| run.builds[0].binary_sha256 = Some("0".to_owned());
        check(&built, true, "is another executable");
        let version = |run: &mut Run| run.builds[0].version = Some("2".to_owned());
        check(&version, true, "is another executable");
        assert!(pool(&[]).is_err());
    }

    #[test]
    fn verdicts_of_hours() {
        let check = |values: [f64; 5], want: HourVerdict| {
            let values = values.map(|value| (value, None));
            assert_eq!(verdict(duet_stats::pool(&values).as_ref()), want, "{values:?}");
        };
        check([0.5, 0.51, 0.52, 0.49, 0.5], HourVerdict::WorseInAnyHour);
        check([-0.5, -0.51, -0.52, -0.49, -0.5], HourVerdict::BetterInAnyHour);
        check([0.02, 0.3, 0.25, 0.15, 0.4], HourVerdict::WorseOnAverage);
        check([-0.02, -0.3, -0.25, -0.15, -0.4], HourVerdict::BetterOnAverage);
        check([0.0, 0.1, -0.1, 0.2, -0.2], HourVerdict::DependsOnTheHour);
        assert_eq!(verdict(None), HourVerdict::NotKnown);
    }
}
