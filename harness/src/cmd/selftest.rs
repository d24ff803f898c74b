//! `duet selftest`: whether the gate keeps its word on this machine.
//!
//! Gates on servers whose difference is known: the null responder, which does so much work per
//! request, against itself, and against one that does a little more.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::folders::{self, Former, PostgresFolder, shown};
use super::pairs::{self, Pair, Side};
use super::session::Session;
use super::{comparison, looks, stdio};
use duet_analysis::comparison::Outcome;
use duet_analysis::gate::LOOKS;
use duet_model::record::{BuildRecord, Experiment, Question, Run, RunHeader, Version};
use duet_model::spec::{
    Case, CellId, ExpectedResponse, Gate, Lane, Load, Look, Rule, Server, Spec, Suite, Workload,
};
use duet_stats::SplitMix64;
use duet_units::Metric;

/// Rounds of work per request of the plain server: about as much as a small handler takes.
const WORK: u32 = 10_000;

/// Connections, as in the loads of short requests.
const CONNECTIONS: u32 = 64;

/// Blocks that find out how much of a request's time the work is.
const CALIBRATION_BLOCKS: u32 = 6;

/// The longest time that one experiment may take, in seconds.
const BUDGET_S: u32 = 60;

/// The names that the definitions of a selftest use.
const WORKLOAD: &str = "response";
const LOAD: &str = "short";

/// Checks on this machine that the gate raises no false alarm and finds what is there
///
/// Gates a server against itself and against copies that are slower by a known share, so many times
/// each, and counts the verdicts. A false verdict is exit code 1, too few decided are 3.
#[derive(Debug, Args)]
pub(super) struct Selftest {
    /// Gates for each slowdown, and as many without one.
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    gates: u32,

    /// Slowdowns in per cent, 0 for none, each with the margin in per cent that it is held to.
    #[arg(long, value_name = "SLOWDOWN:MARGIN,...", value_delimiter = ',')]
    #[arg(default_values = ["0:3", "2:1", "5:3", "10:3"], value_parser = trial)]
    trials: Vec<Trial>,

    /// Random seed [default: from the clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// The folder for the records, one each gate [default: results/selftest, whose former content
    /// is replaced].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A slowdown and the margin it is held to, as shares.
#[derive(Debug, Clone, Copy)]
struct Trial {
    slowdown: f64,
    margin: f64,
}

fn trial(text: &str) -> Result<Trial, String> {
    let parse = || {
        let (slowdown, margin) = text.split_once(':')?;
        let share = |text: &str| text.parse::<f64>().ok().map(|percent| percent / 100.0);
        Some(Trial { slowdown: share(slowdown)?, margin: share(margin)? })
    };
    let sensible =
        |t: &Trial| (0.0..=1.0).contains(&t.slowdown) && 0.0 < t.margin && t.margin < 1.0;
    parse().filter(sensible).ok_or_else(|| {
        "write a slowdown and a margin in per cent, such as 5:3; 0 is no slowdown".to_owned()
    })
}

/// What came of a trial's gates.
#[derive(Debug, Default)]
struct TrialCounts {
    regressed: u32,
    pass: u32,
    inconclusive: u32,
    other: u32,
    blocks: Vec<f64>,
    seconds: Vec<f64>,
}

pub(super) fn run(args: &Selftest) -> Result<Exit> {
    let root = std::env::current_dir().context("there is no working directory")?;
    let (suite, out) = (suite(CALIBRATION_BLOCKS), args.out.as_deref());
    if let Some(out) = out.filter(|out| out.exists()) {
        bail!(UsageError(format!("{} exists: choose another folder", out.display())));
    }
    // Its definitions are made here and read from no folder.
    let session = Session::new(root.clone(), &root, &suite, &PostgresFolder::default())?;
    let folder = folders::for_record(out, &root, "results/selftest", Former::Removed)?;
    let template = session.header(args.seed, &definitions(&pair(WORK, WORK)?), &suite)?;
    let share = calibrate(&session, &folder, &template)?;
    stdio::line(&format!(
        "{} of work are {} of a request's time on the server. {} for each of {}, at most {} each.",
        duet_units::count(WORK as usize, "round"),
        duet_units::percent(share),
        duet_units::count(args.gates as usize, "gate"),
        duet_units::count(args.trials.len(), "trial"),
        duet_units::minutes(u64::from(2 * BUDGET_S)),
    ))?;
    let mut random = SplitMix64::new(template.seed);
    let mut trials = vec![];
    for trial in &args.trials {
        let rounds = (f64::from(WORK) * (1.0 + trial.slowdown / share)).round() as u32;
        let mut counts = TrialCounts::default();
        for number in 1..=args.gates {
            let name = format!("{}-{number:03}", (trial.slowdown * 1000.0).round());
            let header = RunHeader { seed: random.next(), ..template.clone() };
            gate(&session, &folder.join(name), header, *trial, rounds, &mut counts)?;
        }
        stdio::line(&words(*trial, &counts))?;
        trials.push((*trial, counts));
    }
    stdio::line(&format!("Records in {}.", shown(&folder)))?;
    Ok(verdict(&trials))
}

/// The share of a request's time that is [`WORK`]: from a server that does twice as much.
fn calibrate(session: &Session, folder: &Path, template: &RunHeader) -> Result<f64> {
    let pair = pair(WORK, 2 * WORK)?;
    let mut header = RunHeader { spec: definitions(&pair), ..template.clone() };
    header.experiment = Some(experiment(Question::Compare, None));
    let folder = folder.join("calibration");
    folders::make(&folder)?;
    let run = session.measure_all(&folder, unbuilt(header))?;
    session.interrupt.check()?;
    let analysis = duet_analysis::analyse(&run);
    if let Some(failure) = analysis.failures.first() {
        return Err(failure.failure.clone().into());
    }
    let metrics = analysis.matchups.iter().flat_map(|m| &m.cells).flat_map(|cell| &cell.metrics);
    let rate = metrics.into_iter().find(|metric| metric.metric == Metric::RequestsPerSecond);
    let log_ratios = rate.map(|rate| &rate.log_ratios).filter(|c| !c.is_empty());
    let log_ratios = log_ratios.context(
        "the generator was the bottleneck against the plain server: this machine cannot say",
    )?;
    let share = duet_stats::hodges_lehmann(log_ratios).exp_m1();
    ensure!(share > 0.05, "twice the work does not show: the machine is too noisy");
    Ok(share)
}

/// One gate, counted.
fn gate(
    session: &Session,
    folder: &Path,
    header: RunHeader,
    trial: Trial,
    rounds: u32,
    counts: &mut TrialCounts,
) -> Result<()> {
    let pair = pair(WORK, rounds)?;
    let policy = policy(trial);
    let blocks = LOOKS.last().map_or(0, |look| look.blocks + look.blocks / 4);
    let header = RunHeader {
        spec: definitions(&pair),
        suite: suite(blocks),
        experiment: Some(experiment(Question::Gate, Some(policy))),
        ..header
    };
    folders::make(folder)?;
    let started = Instant::now();
    let run = unbuilt(header);
    let cells = looks::cells(&run, true);
    looks::carry_out(session, folder, run, cells)?;
    session.interrupt.check()?;
    let comparison = comparison::read(folder)?;
    match comparison.outcome {
        Outcome::Regressed => counts.regressed += 1,
        Outcome::Pass => counts.pass += 1,
        Outcome::Inconclusive => counts.inconclusive += 1,
        _ => counts.other += 1,
    }
    let blocks: u32 = comparison.cells.iter().map(|cell| cell.blocks).sum();
    counts.blocks.push(f64::from(blocks));
    counts.seconds.push(started.elapsed().as_secs_f64());
    Ok(())
}

/// A trial's line.
fn words(trial: Trial, counts: &TrialCounts) -> String {
    let what = match trial.slowdown {
        0.0 => "no difference".to_owned(),
        share => format!("{} slower", duet_units::percent(share)),
    };
    format!(
        "{what:<14} margin {:>5}: {:>2} PASS, {:>2} REGRESSED, {:>2} INCONCLUSIVE{}; median {:.0} \
         blocks, {:.0} s",
        duet_units::percent(trial.margin),
        counts.pass,
        counts.regressed,
        counts.inconclusive,
        match counts.other {
            0 => String::new(),
            n => format!(", {n} not measured"),
        },
        duet_stats::median(&counts.blocks),
        duet_stats::median(&counts.seconds),
    )
}

/// Any false verdict is the gate's error; too few verdicts are the machine's.
fn verdict(trials: &[(Trial, TrialCounts)]) -> Exit {
    let is_false = |(trial, counts): &(Trial, TrialCounts)| match trial.slowdown > trial.margin {
        true => counts.pass > 0,
        false => counts.regressed > 0,
    };
    let undecided = |(_, counts): &(Trial, TrialCounts)| {
        (counts.inconclusive + counts.other) * 5 > counts.pass + counts.regressed
    };
    Exit::greatest([
        trials.iter().any(is_false).then_some(Exit::Broken),
        trials.iter().any(undecided).then_some(Exit::Inconclusive),
    ])
}

/// A server that does so much work per request, and another.
fn pair(base: u32, head: u32) -> Result<Pair> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let program = program.to_str().context("the path of this program is not UTF-8")?.to_owned();
    let server = |rounds: u32| Server {
        name: format!("work-{rounds}"),
        language: "Rust".to_owned(),
        lanes: vec![Lane::Tuned],
        summary: "The null responder, with work".to_owned(),
        run: [&*program, "null-responder", "--addr", "{addr}", "--threads", "{threads}", "--work"]
            .map(str::to_owned)
            .into_iter()
            .chain([rounds.to_string()])
            .collect(),
        version: vec![program.clone(), "--version".to_owned()],
        external: true,
        workloads: vec![WORKLOAD.to_owned()],
        ..Server::default()
    };
    let side = |rounds| Side::Server(Box::new(server(rounds)));
    Ok(Pair { name: "work".to_owned(), base: side(base), head: side(head) })
}

fn definitions(pair: &Pair) -> Spec {
    let expect = ExpectedResponse { status: 200, ..ExpectedResponse::default() };
    let case = Case { method: "GET".to_owned(), path: "/".to_owned(), expect, ..Case::default() };
    let workload = Workload {
        name: WORKLOAD.to_owned(),
        question: "How fast is a server of known speed?".to_owned(),
        cases: vec![case],
        ..Workload::default()
    };
    let (name, connections) = (LOAD.to_owned(), CONNECTIONS);
    let load = Load { name, connections, ..Load::default() };
    let given = Spec { workloads: vec![workload], loads: vec![load], ..Spec::default() };
    pairs::definitions(&given, std::slice::from_ref(pair))
}

fn suite(blocks: u32) -> Suite {
    let cell =
        CellId { matchup: "work".to_owned(), workload: WORKLOAD.to_owned(), load: LOAD.to_owned() };
    Suite {
        name: "selftest".to_owned(),
        summary: "Servers of known speed".to_owned(),
        server_cpus: 1,
        generator_cpus: 1,
        blocks,
        lead_ms: 20,
        window_ms: 20,
        measure_ms: 1000,
        warmup_ms: 300,
        verdicts: true,
        cells: vec![cell],
        ..Suite::default()
    }
}

fn policy(trial: Trial) -> Gate {
    let rule = |metric| Rule { metric, margin: trial.margin };
    Gate {
        name: "selftest".to_owned(),
        summary: "Servers of known speed".to_owned(),
        workloads: vec![WORKLOAD.to_owned()],
        loads: vec![LOAD.to_owned()],
        server_cpus: 1,
        generator_cpus: 1,
        lead_ms: 20,
        window_ms: 20,
        measure_ms: 1000,
        warmup_ms: 300,
        alpha: LOOKS.iter().map(|look: &Look| look.alpha).sum(),
        looks: LOOKS.to_vec(),
        budget_s: BUDGET_S,
        rules: vec![rule(Metric::RequestsPerSecond), rule(Metric::CpuNsPerRequest)],
        ..Gate::default()
    }
}

fn experiment(question: Question, gate: Option<Gate>) -> Experiment {
    let version = |label: &str| Version {
        given: label.to_owned(),
        label: label.to_owned(),
        ..Version::default()
    };
    Experiment {
        question,
        base: version("plain"),
        head: version("slower"),
        gate,
        floors: vec![],
        changed: vec![],
        policy_differences: vec![],
        attempt: None,
        absent: vec![],
    }
}

/// There is nothing to build.
fn unbuilt(header: RunHeader) -> Run {
    let build =
        |server: &Server| BuildRecord { server: server.name.clone(), ..BuildRecord::default() };
    let builds = header.spec.servers.iter().map(build).collect();
    Run { builds, ..Run::of(header) }
}
