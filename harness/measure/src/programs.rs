//! Programs as cells: build and check them, make their inputs, measure blocks of them.
//!
//! A block runs each arm twice, in a fresh process each: once to check its output, then once to be
//! timed, with /dev/null as its output. Where N counts units, a run at N = 1 comes before both. One
//! run alone is [`crate::program`]'s; whether its output is valid is decided by [`crate::output`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::block::Bench;
use crate::build::{self, executable_sha256, file_bytes};
use crate::elsewhere;
use crate::gauges::Gauges;
use crate::output::{Output, OutputHasher, compare};
use crate::program::{self, Finished, ProgramError, Task};
use crate::server::resolve;
use crate::source::{self, Syntax};
use duet_model::plan::BlockPlan;
use duet_model::record::{BlockGauges, ProgramBlock, ProgramRecord, ProgramRun};
use duet_model::spec;
use duet_model::spec::{CellId, Problem, ProgramSet, TEST_SIZE};
use duet_process::interrupt::Interrupted;
use duet_units::duration_ns;

/// Where inputs are kept, relative to the folder above the definitions.
const INPUTS: &str = "target/inputs";

/// What must be known of earlier blocks.
#[derive(Debug, Default)]
pub struct ProgramCache {
    /// Outputs of cells without an expected one in the definitions: all must equal the first.
    agreed: BTreeMap<CellId, Output>,
    /// Inputs that this run has made or whose hash it has checked.
    inputs: BTreeSet<PathBuf>,
    /// Cells in which a program broke a limit, as it would again.
    given_up: BTreeSet<CellId>,
}

impl ProgramCache {
    /// Whether a cell is not worth another block.
    #[must_use]
    pub fn has_given_up(&self, cell: &CellId) -> bool {
        self.given_up.contains(cell)
    }
}

/// The folder that a set is run in.
fn root_of<'a>(bench: &Bench<'a>, set: &'a ProgramSet) -> &'a Path {
    set.root.as_deref().unwrap_or(bench.root)
}

/// Looks at a program's source and binary, and compares its output at the test size.
///
/// # Errors
/// Only when interrupted; a program that fails is a record with a failure.
pub fn check(
    bench: &Bench<'_>,
    cache: &mut ProgramCache,
    set: &ProgramSet,
    problem: &Problem,
) -> Result<ProgramRecord, Interrupted> {
    let root = root_of(bench, set);
    let path = set.source_of(&problem.name);
    let syntax = Syntax::of(&path);
    let source = fs::read_to_string(root.join(&path));
    let n = test_n(problem);
    let command = set.command(&problem.name, n);
    let binary = command.first().map(|program| resolve(root, program));
    let mut record = ProgramRecord {
        set: set.name.clone(),
        problem: problem.name.clone(),
        gz_bytes: source.as_ref().ok().map(|text| source::gz_bytes(text, syntax)),
        binary_bytes: binary.as_ref().and_then(|path| file_bytes(path)),
        binary_sha256: None,
        features: source
            .as_ref()
            .map_or_else(|_| vec![], |text| source::features(text, syntax, &set.own)),
        source: path,
        failure: None,
    };
    let hashed = run_checked(bench, cache, set, problem, n, 0).and_then(|(_, output)| {
        let task = prepare(bench, cache, set, problem, n, 0)?;
        elsewhere::refuse_program(&task, &output, bench.interrupt)?;
        Ok(binary.as_ref().map(|path| executable_sha256(path, root)).transpose()?.flatten())
    });
    match hashed {
        Ok(hash) => record.binary_sha256 = hash,
        Err(error) => {
            bench.interrupt.check()?;
            record.failure = Some(error.failure(&set.name));
        }
    }
    Ok(record)
}

/// Runs a program to compare its output with the one that the definitions have, if any.
fn run_checked(
    bench: &Bench<'_>,
    cache: &mut ProgramCache,
    set: &ProgramSet,
    problem: &Problem,
    n: u32,
    padding_bytes: u32,
) -> Result<(Finished, Output), ProgramError> {
    let task = prepare(bench, cache, set, problem, n, padding_bytes)?;
    let (finished, output) = program::run_hashed(&task, None, bench.interrupt)?;
    match expected_output(bench, problem, n)? {
        Some(expected) => expected.compare(&output, problem.within),
        None => Ok(()),
    }
    .map_err(|error| ProgramError::Output(format!("at N = {n} {error}")))?;
    Ok((finished, output))
}

/// Measures one block.
///
/// # Errors
/// Only when interrupted; a block that fails is a record with a failure.
pub fn block(
    bench: &Bench<'_>,
    cache: &mut ProgramCache,
    gauges: &mut Gauges,
    plan: &BlockPlan,
) -> Result<ProgramBlock, Interrupted> {
    let started = Instant::now();
    let mut record = ProgramBlock {
        cell: plan.cell.clone(),
        block: plan.block,
        started_ns: duration_ns(started - bench.run_started),
        elapsed_ns: 0,
        order: plan.start_order.clone(),
        gauges: None,
        arms: vec![],
        failure: None,
        discarded: None,
    };
    match measure(bench, cache, gauges, plan) {
        Ok((arms, gauges)) => (record.arms, record.gauges) = (arms, Some(gauges)),
        Err((set, error)) => {
            bench.interrupt.check()?;
            if matches!(error, ProgramError::Run { over_limit: true, .. }) {
                cache.given_up.insert(plan.cell.clone());
            }
            record.failure = Some(error.failure(&set));
        }
    }
    record.elapsed_ns = duration_ns(started.elapsed());
    Ok(record)
}

/// Runs the arms in the plan's order, between two readings of the gauges; they come back in the
/// matchup's. An error names its set, and what the harness could not do the first one.
fn measure(
    bench: &Bench<'_>,
    cache: &mut ProgramCache,
    gauges: &mut Gauges,
    plan: &BlockPlan,
) -> Result<(Vec<ProgramRun>, BlockGauges), (String, ProgramError)> {
    let cell = &plan.cell;
    let found = (bench.spec.matchup(&cell.matchup), bench.spec.problem(&cell.workload));
    let (Some(matchup), Some(problem)) = found else {
        unreachable!("the plan was made from these definitions")
    };
    let n = problem.sizes[&cell.load];
    let mut state = || {
        let read = gauges.read();
        read.map_err(|error| (matchup.arms[0].clone(), ProgramError::Harness(error)))
    };
    let before = state()?;
    let mut runs: Vec<Option<ProgramRun>> = matchup.arms.iter().map(|_| None).collect();
    for &index in &plan.start_order {
        let index = index as usize;
        let arm = &matchup.arms[index];
        let padding_bytes = bench.padding_bytes + plan.padding_bytes[index];
        let run = check_and_time(bench, cache, (arm, cell), problem, n, padding_bytes);
        runs[index] = Some(run.map_err(|error| (arm.clone(), error))?);
    }
    Ok((runs.into_iter().flatten().collect(), BlockGauges { before, after: state()? }))
}

/// Runs an arm to check its output, then to time it.
fn check_and_time(
    bench: &Bench<'_>,
    cache: &mut ProgramCache,
    (arm, cell): (&str, &CellId),
    problem: &Problem,
    n: u32,
    padding_bytes: u32,
) -> Result<ProgramRun, ProgramError> {
    let Some(set) = bench.spec.origin(arm, &problem.name) else {
        unreachable!("the loader has checked that the set has the program")
    };
    let rss_bytes_base = match &problem.unit {
        Some(_) => {
            let (base, _) =
                run_checked(bench, cache, set, problem, Problem::BASE_N, padding_bytes)?;
            Some(base.rss_bytes_peak)
        }
        None => None,
    };
    let task = prepare(bench, cache, set, problem, n, padding_bytes)?;
    let (checked, output) = program::run_hashed(&task, None, bench.interrupt)?;
    match expected_output(bench, problem, n)? {
        Some(expected) => {
            expected.compare(&output, problem.within).map_err(ProgramError::Output)?;
        }
        None => {
            let first = cache.agreed.entry(cell.clone()).or_insert_with(|| output.clone());
            compare(&output, first, problem.within).map_err(|error| {
                ProgramError::Disagreement(format!("{error} by the first program that ran"))
            })?;
        }
    }
    let Finished { report, rss_bytes_peak, foreign_cpu_ns } = program::run(&task, bench.interrupt)?;
    Ok(ProgramRun {
        set: set.name.clone(),
        elapsed_ns: report.elapsed_ns,
        user_ns: report.user_ns,
        system_ns: report.system_ns,
        rss_bytes_peak,
        cpu_busy_ns: report.cpu_busy_ns,
        foreign_cpu_ns,
        stolen_ns: report.stolen_ns,
        output_bytes: output.bytes,
        output_sha256: output.sha256,
        checked_elapsed_ns: Some(checked.report.elapsed_ns),
        rss_bytes_base,
    })
}

/// What it takes to run a program at N; its input is made first.
fn prepare<'a>(
    bench: &'a Bench<'_>,
    cache: &mut ProgramCache,
    set: &'a ProgramSet,
    problem: &Problem,
    n: u32,
    padding_bytes: u32,
) -> Result<Task<'a>, ProgramError> {
    let input = match &problem.input {
        Some(maker) => Some(input(bench, cache, maker, n)?),
        None => None,
    };
    Ok(Task { input, padding_bytes, ..task(bench, set, &problem.name, n) })
}

/// A task without input and padding.
fn task<'a>(bench: &'a Bench<'_>, set: &'a ProgramSet, problem: &str, n: u32) -> Task<'a> {
    Task {
        root: root_of(bench, set),
        command: set.command(problem, n),
        input: None,
        cpus: bench.cpus.all(),
        padding_bytes: 0,
        limit: Duration::from_secs(bench.suite.program_limit_s.into()),
        limit_bytes: u64::from(bench.suite.program_limit_mib) << 20,
    }
}

/// The file with the output of the problem `maker` at N. It is made once, by the first set that
/// has a program for it, with its hash beside it; a file that no longer has its hash is made anew.
/// The set may be one that the run does not measure, and so is built here.
fn input(
    bench: &Bench<'_>,
    cache: &mut ProgramCache,
    maker: &str,
    n: u32,
) -> Result<PathBuf, ProgramError> {
    let folder = bench.root.join(INPUTS);
    let path = folder.join(format!("{maker}-{n}"));
    if cache.inputs.contains(&path) || is_whole(&path) {
        cache.inputs.insert(path.clone());
        return Ok(path);
    }
    let set = bench.spec.sets.iter().find(|set| set.builds(maker));
    let set = set.with_context(|| format!("no set has a program for the input `{maker}`"))?;
    let built = build::build(set, bench.root, bench.suite.verdicts, bench.interrupt)
        .map_err(anyhow::Error::from)?;
    if let Some(failure) = built.failure {
        Err(anyhow!("the input cannot be made: {failure}"))?;
    }
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let partial = path.with_extension("partial");
    let made = program::run_hashed(&task(bench, set, maker, n), Some(&partial), bench.interrupt);
    let (_, output) = made.map_err(|error| of_input(error, &set.name))?;
    if let Some(problem) = bench.spec.problem(maker)
        && let Some(expected) = expected_output(bench, problem, n)?
    {
        let hash = match &expected {
            Expected::Output(output) => &output.sha256,
            Expected::Sha256(hash) => hash,
        };
        compare_hash(&output, hash).map_err(|error| anyhow!("the input: {error}"))?;
    }
    fs::rename(&partial, &path)
        .and_then(|()| fs::write(hash_file(&path), output.sha256))
        .with_context(|| format!("failed to write {}", path.display()))?;
    cache.inputs.insert(path.clone());
    Ok(path)
}

/// The same, said of the input that a set did not make.
fn of_input(error: ProgramError, set: &str) -> ProgramError {
    let text = |error| format!("failed to make the input with {set}: {error}");
    match error {
        ProgramError::Run { error, stderr, over_limit } => {
            ProgramError::Run { error: text(error), stderr, over_limit }
        }
        other => other,
    }
}

fn hash_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    PathBuf::from(name)
}

/// Whether an input is there and has the hash that was written when it was made.
fn is_whole(path: &Path) -> bool {
    let (Ok(want), Ok(mut file)) = (fs::read_to_string(hash_file(path)), fs::File::open(path))
    else {
        return false;
    };
    let mut hasher = OutputHasher::default();
    std::io::copy(&mut file, &mut hasher).is_ok() && hasher.output().sha256 == want
}

/// What the definitions say of the expected output.
enum Expected {
    Output(Output),
    Sha256(String),
}

impl Expected {
    /// Compares an output with it. An error says how they differ.
    fn compare(&self, got: &Output, within: Option<f64>) -> Result<(), String> {
        match self {
            Self::Output(expected) => compare(got, expected, within),
            Self::Sha256(hash) => compare_hash(got, hash),
        }
    }
}

fn expected_output(bench: &Bench<'_>, problem: &Problem, n: u32) -> Result<Option<Expected>> {
    match problem.outputs.get(&n.to_string()) {
        None => Ok(None),
        Some(spec::Output::Sha256(hash)) => Ok(Some(Expected::Sha256(hash.clone()))),
        Some(spec::Output::File(file)) => {
            let path = bench.definitions.join(file);
            let bytes =
                fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            Ok(Some(Expected::Output(Output::of(&bytes))))
        }
    }
}

fn compare_hash(got: &Output, hash: &str) -> Result<(), String> {
    if got.sha256 == hash {
        return Ok(());
    }
    let (bytes, found) = (got.bytes, &got.sha256[..12]);
    Err(format!("its output of {bytes} bytes has the hash {found}…, not {}…", &hash[..12]))
}

/// N of the test size, which every problem has.
fn test_n(problem: &Problem) -> u32 {
    problem.sizes.get(TEST_SIZE).copied().unwrap_or(1)
}
