//! Programs as cells: build and check them, make their inputs, measure blocks of them.
//!
//! A block runs each arm once, one after the other, in a fresh process each. One run alone is
//! [`crate::program`]'s; what is right is decided by [`crate::output`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::build::{self, executable_sha256, file_bytes};
use crate::output::{Output, compare};
use crate::program::{self, Finished, LimitExceeded, Task};
use crate::server::resolve;
use crate::source::{self, Syntax};
use duet_model::plan::BlockPlan;
use duet_model::record::{Failure, ProgramBlock, ProgramRecord, ProgramRun, Stage};
use duet_model::spec;
use duet_model::spec::{CellId, Problem, ProgramSet, Spec, TEST_SIZE};
use duet_process::interrupt::Interrupt;

/// Where inputs are kept, relative to the folder above the definitions.
const INPUTS: &str = "target/inputs";

/// What the runs of programs have in common.
#[derive(Debug)]
pub struct ProgramContext<'a> {
    /// The folder above the definitions.
    pub root: &'a Path,
    /// The folder of definitions.
    pub definitions: &'a Path,
    /// The definitions.
    pub spec: &'a Spec,
    /// The longest time one run may take.
    pub limit: Duration,
    /// The most memory it may take.
    pub limit_bytes: u64,
    /// CPUs of the programs.
    pub cpus: &'a [usize],
    /// When the run began.
    pub run_started: Instant,
    /// Ctrl-C.
    pub interrupt: &'a Interrupt,
}

impl ProgramContext<'_> {
    /// The folder that a set is built and run in.
    #[must_use]
    pub fn root_of<'a>(&'a self, set: &'a ProgramSet) -> &'a Path {
        set.root.as_deref().unwrap_or(self.root)
    }
}

/// What must be known of earlier blocks.
#[derive(Debug, Default)]
pub struct ProgramCache {
    /// Outputs of cells without a right one in the definitions: all others must equal the first.
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

/// Looks at a program's source and binary, and compares its output at the test size.
///
/// # Errors
/// Only when interrupted; a program that fails is a record with a failure.
pub fn check(
    context: &ProgramContext<'_>,
    memory: &mut ProgramCache,
    set: &ProgramSet,
    problem: &Problem,
) -> Result<ProgramRecord> {
    let root = context.root_of(set);
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
    let checked = check_output(context, memory, set, problem, n);
    let hashed = checked.and_then(|()| match &binary {
        Some(path) => executable_sha256(path, root),
        None => Ok(None),
    });
    match hashed {
        Ok(hash) => record.binary_sha256 = hash,
        Err(error) => {
            context.interrupt.check()?;
            record.failure = Some(failure(&set.name, error));
        }
    }
    Ok(record)
}

fn check_output(
    context: &ProgramContext<'_>,
    memory: &mut ProgramCache,
    set: &ProgramSet,
    problem: &Problem,
    n: u32,
) -> Result<()> {
    let finished = run(context, memory, set, problem, n, 0)?;
    match right_output(context, problem, n)? {
        Some(Right::Output(right)) => compare(&finished.output, &right, problem.within),
        Some(Right::Sha256(hash)) => compare_hash(&finished.output, &hash),
        None => Ok(()),
    }
    .map_err(|error| Wrong(format!("at N = {n} {error}")).into())
}

/// A wrong output, in words.
#[derive(Debug)]
struct Wrong(String);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// Measures one block.
///
/// # Errors
/// Only when interrupted; a block that fails is a record with a failure.
pub fn block(
    context: &ProgramContext<'_>,
    memory: &mut ProgramCache,
    plan: &BlockPlan,
) -> Result<ProgramBlock> {
    let started = Instant::now();
    let mut record = ProgramBlock {
        cell: plan.cell.clone(),
        block: plan.block,
        started_ns: nanoseconds(started - context.run_started),
        elapsed_ns: 0,
        order: plan.start_order.clone(),
        arms: vec![],
        failure: None,
        discarded: None,
    };
    match measure(context, memory, plan) {
        Ok(arms) => record.arms = arms,
        Err((set, error)) => {
            context.interrupt.check()?;
            if error.downcast_ref::<LimitExceeded>().is_some_and(|broken| broken.over_limit) {
                memory.given_up.insert(plan.cell.clone());
            }
            record.failure = Some(failure(&set, error));
        }
    }
    record.elapsed_ns = nanoseconds(started.elapsed());
    Ok(record)
}

/// Runs the arms in the plan's order; they come back in the matchup's. An error names its set.
fn measure(
    context: &ProgramContext<'_>,
    memory: &mut ProgramCache,
    plan: &BlockPlan,
) -> Result<Vec<ProgramRun>, (String, anyhow::Error)> {
    let cell = &plan.cell;
    let found = (context.spec.matchup(&cell.matchup), context.spec.problem(&cell.workload));
    let (Some(matchup), Some(problem)) = found else {
        unreachable!("the plan was made from these definitions")
    };
    let n = problem.sizes[&cell.load];
    let mut runs: Vec<Option<ProgramRun>> = matchup.arms.iter().map(|_| None).collect();
    for &index in &plan.start_order {
        let index = index as usize;
        let arm = &matchup.arms[index];
        let padding_bytes = plan.padding_bytes[index];
        let run = timed(context, memory, (arm, cell), problem, n, padding_bytes);
        runs[index] = Some(run.map_err(|error| (arm.clone(), error))?);
    }
    Ok(runs.into_iter().flatten().collect())
}

fn timed(
    context: &ProgramContext<'_>,
    memory: &mut ProgramCache,
    (arm, cell): (&str, &CellId),
    problem: &Problem,
    n: u32,
    padding_bytes: u32,
) -> Result<ProgramRun> {
    let Some(set) = context.spec.origin(arm, &problem.name) else {
        unreachable!("the loader has checked that the set has the program")
    };
    let finished = run(context, memory, set, problem, n, padding_bytes)?;
    match right_output(context, problem, n)? {
        Some(Right::Output(right)) => compare(&finished.output, &right, problem.within),
        Some(Right::Sha256(hash)) => compare_hash(&finished.output, &hash),
        None => {
            let first =
                memory.agreed.entry(cell.clone()).or_insert_with(|| finished.output.clone());
            compare(&finished.output, first, problem.within)
                .map_err(|error| format!("{error} by the first program that ran"))
        }
    }
    .map_err(Wrong)?;
    let Finished { report, rss_bytes_peak, foreign_cpu_ns, output } = finished;
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
    })
}

/// Runs a program at N, its input made first.
fn run(
    context: &ProgramContext<'_>,
    memory: &mut ProgramCache,
    set: &ProgramSet,
    problem: &Problem,
    n: u32,
    padding_bytes: u32,
) -> Result<Finished> {
    let input = match &problem.input {
        Some(maker) => Some(input(context, memory, maker, n)?),
        None => None,
    };
    let command = set.command(&problem.name, n);
    let task = task(context, set, &command, input, padding_bytes);
    program::run(&task, context.interrupt)
}

fn task<'a>(
    context: &'a ProgramContext<'_>,
    set: &'a ProgramSet,
    command: &'a [String],
    input: Option<PathBuf>,
    padding_bytes: u32,
) -> Task<'a> {
    Task {
        root: context.root_of(set),
        command,
        input,
        cpus: context.cpus,
        padding_bytes,
        limit: context.limit,
        limit_bytes: context.limit_bytes,
        keep: None,
    }
}

/// The file with the output of the problem `maker` at N. It is made once, by the first set that
/// has a program for it, with its hash beside it; a file that no longer has its hash is made anew.
/// The set may be one that the run does not measure, and so is built here.
fn input(
    context: &ProgramContext<'_>,
    memory: &mut ProgramCache,
    maker: &str,
    n: u32,
) -> Result<PathBuf> {
    let folder = context.root.join(INPUTS);
    let path = folder.join(format!("{maker}-{n}"));
    if memory.inputs.contains(&path) || is_whole(&path) {
        memory.inputs.insert(path.clone());
        return Ok(path);
    }
    let set = context.spec.sets.iter().find(|set| set.builds(maker));
    let set = set.with_context(|| format!("no set has a program for the input `{maker}`"))?;
    if let Some(failure) = build::build(set, context.root_of(set), context.interrupt)?.failure {
        bail!("the input cannot be made: {failure}");
    }
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let command = set.command(maker, n);
    let partial = path.with_extension("partial");
    let task = Task { keep: Some(&partial), ..task(context, set, &command, None, 0) };
    let made = program::run(&task, context.interrupt)
        .map_err(|error| error.context(format!("failed to make the input with {}", set.name)))?;
    if let Some(problem) = context.spec.problem(maker)
        && let Some(right) = right_output(context, problem, n)?
    {
        let hash = match right {
            Right::Output(output) => output.sha256,
            Right::Sha256(hash) => hash,
        };
        compare_hash(&made.output, &hash).map_err(|error| anyhow!("the input: {error}"))?;
    }
    fs::rename(&partial, &path)
        .and_then(|()| fs::write(hash_file(&path), made.output.sha256))
        .with_context(|| format!("failed to write {}", path.display()))?;
    memory.inputs.insert(path.clone());
    Ok(path)
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
    let mut taker = HashWriter::default();
    std::io::copy(&mut file, &mut taker).is_ok() && taker.0.output().sha256 == want
}

#[derive(Default)]
struct HashWriter(crate::output::OutputHasher);

impl std::io::Write for HashWriter {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.0.take(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the definitions say of the right output.
enum Right {
    Output(Output),
    Sha256(String),
}

fn right_output(context: &ProgramContext<'_>, problem: &Problem, n: u32) -> Result<Option<Right>> {
    match problem.outputs.get(&n.to_string()) {
        None => Ok(None),
        Some(spec::Output::Sha256(hash)) => Ok(Some(Right::Sha256(hash.clone()))),
        Some(spec::Output::File(file)) => {
            let path = context.definitions.join(file);
            let bytes =
                fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            Ok(Some(Right::Output(Output::of(&bytes))))
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

fn failure(set: &str, error: anyhow::Error) -> Failure {
    let server = Some(set.to_owned());
    match error.downcast::<LimitExceeded>() {
        Ok(LimitExceeded { error, stderr, .. }) => {
            Failure { stage: Stage::Run, server, error, stderr }
        }
        Err(error) => {
            let stage = if error.is::<Wrong>() { Stage::Verify } else { Stage::Run };
            Failure { stage, server, error: format!("{error:#}"), stderr: vec![] }
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
