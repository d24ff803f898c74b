//! `duet compare`: two versions, two servers, two sets of programs or two stored runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::baseline;
use super::chosen;
use super::comparison::{self, Outputs};
use super::exit::{Exit, UsageError};
use super::folders::{self, BenchFolder, Former, PostgresFolder, shown};
use super::pairs::{self, Pair};
use super::policy::{self, check_out};
use super::session::Session;
use duet_definitions::suggestion;
use duet_measure::versions::{Arm, Checkout, Origin, Workspace};
use duet_model::plan;
use duet_model::record::{Experiment, Question};
use duet_model::spec::{CellId, Spec, Suite};

/// Compares two versions, two servers, two sets of programs, or two stored runs
///
/// A and B are each server:NAME, set:NAME, git:REF[:NAME], dir:PATH[:NAME] or bin:PATH[:SERVER],
/// built and measured side by side: servers in alternating windows, programs in alternating runs.
/// NAME@TOOLCHAIN is the same, built by that compiler: server:NAME@go1.27.3, set:NAME@1.95.0.
/// Or both are baseline:NAME or a run's folder.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The first, such as git:main. With a comparison's folder alone: judge its record again.
    #[arg(value_name = "A")]
    base: Arm,

    /// The second, such as dir:.
    #[arg(value_name = "B")]
    head: Option<Arm>,

    /// The server, or the set of programs, that both are versions of.
    #[arg(long, visible_alias = "set", value_name = "NAME")]
    server: Option<String>,

    /// The suite whose workloads, loads and blocks are used [default: the first that gives
    /// verdicts].
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,

    /// Only cells whose name (server/workload/load, set/problem/size) contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,

    /// Blocks per cell instead of the suite's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60))]
    blocks: Option<u32>,

    /// The folder for record and report [default: results/compare, whose former content is
    /// replaced].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Random seed [default: from the clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Keep the histograms of all windows in the record, which makes it several times as large.
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    outputs: Outputs,

    #[command(flatten)]
    postgres: PostgresFolder,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Compare) -> Result<Exit> {
    let stored = |arm: &Arm| matches!(arm.origin, Origin::Run(_) | Origin::Baseline(_));
    match (&args.base, &args.head) {
        (Arm { origin: Origin::Run(folder), .. }, None) => {
            comparison::replay(folder, &args.outputs)
        }
        (_, None) => bail!(UsageError("compare with what? Name a second version".to_owned())),
        (base, Some(head)) if stored(base) && stored(head) => {
            baseline::compare(base, head, &args.bench, args.outputs.json.as_deref())
        }
        (base, Some(head)) if stored(base) || stored(head) => bail!(UsageError(format!(
            "{} is a stored result and {} is not: a comparison measures both side by side, or \
             neither. Run a suite of the other, and compare its folder; or name the commit of \
             the stored one, as git:COMMIT",
            if stored(base) { &base.given } else { &head.given },
            if stored(base) { &head.given } else { &base.given },
        ))),
        (base, Some(head)) => measure(args, base, head),
    }
}

fn measure(args: &Compare, base: &Arm, head: &Arm) -> Result<Exit> {
    let (spec, root) = args.bench.open()?;
    let (definitions, say) = (&*args.bench.bench, policy::say as fn(&str));
    let here = Workspace { root: &root, definitions, spec: &spec, say };
    let given = args.server.as_deref();
    // A server that only one of them names is meant for both.
    let given = given.or(base.name.as_deref()).or(head.name.as_deref());
    let names = [
        pairs::name_of(base.name.as_deref(), given, &spec)?,
        pairs::name_of(head.name.as_deref(), given, &spec)?,
    ];
    let (base, head) = (check_out(base, here)?, check_out(head, here)?);
    let Some(pair) = pairs::pair((&base, names[0]), (&head, names[1]))? else {
        bail!(UsageError(unknown([(&base, names[0]), (&head, names[1])])));
    };
    let suite = suite(args, &spec, &pair)?;
    let pair = [pair];
    let spec = pairs::definitions(&pairs::of_both(&spec, &base, &head, &pair), &pair);
    let mut session = Session::new(root, &args.bench.bench, &suite, &args.postgres)?;
    session.full = args.full;
    let mut header = session.header(args.seed, &spec, &suite)?;
    let stream = args.outputs.stream();
    stream.line(&format!(
        "{} against {}: {}, {} each, about {} of measuring after the builds.",
        head.version,
        base.version,
        duet_units::count(suite.cells.len(), "cell"),
        duet_units::count(suite.blocks as usize, "block"),
        duet_units::minutes(plan::expected_ms(&suite, &spec).div_ceil(1000))
    ))?;
    let question = Question::Compare;
    header.experiment = Some(Experiment::of(question, base.version, head.version));
    let out = args.out.as_deref();
    let folder = folders::for_record(out, &session.root, "results/compare", Former::Removed)?;
    let prepared = session.prepare(header)?;
    session.measure_all(&folder, prepared)?;
    stream.line(&format!("Record in {}.", shown(&folder)))?;
    comparison::conclude(&folder, &args.outputs)
}

/// Which version lacks what it should have, and what it has instead.
fn unknown(sides: [(&Checkout, &str); 2]) -> String {
    let lacks = |(checkout, name): &(&Checkout, &str)| {
        !pairs::known(&checkout.servers, &checkout.sets).any(|known| known == *name)
    };
    let Some((checkout, name)) = sides.into_iter().find(lacks) else { return String::new() };
    let word = match (&checkout.servers[..], &checkout.sets[..]) {
        (_, []) => "server",
        ([], _) => "set of programs",
        _ => "server or set of programs",
    };
    let known: Vec<&str> = pairs::known(&checkout.servers, &checkout.sets).collect();
    let known = suggestion(name, &known, "there are");
    format!("{} has no {word} `{name}`: {known}", checkout.version.given)
}

/// The cells of a suite that both sides serve, each workload and load once.
fn suite(args: &Compare, spec: &Spec, pair: &Pair) -> Result<Suite> {
    let fits = |cell: &CellId| {
        spec.is_of_programs(cell) == pair.is_of_programs() && pair.has(&cell.workload)
    };
    let suite = match &args.suite {
        Some(name) => spec.suite(name),
        None => spec.suites.iter().find(|suite| suite.verdicts && suite.cells.iter().any(fits)),
    };
    let Some(suite) = suite else {
        let known: Vec<&str> = spec.suites.iter().map(|suite| suite.name.as_str()).collect();
        bail!(UsageError(format!("which suite? There are {}", known.join(", "))));
    };
    let mut seen = BTreeSet::new();
    let cells: Vec<CellId> = suite
        .cells
        .iter()
        .filter(|cell| fits(cell))
        .map(|cell| CellId { matchup: pair.name.clone(), ..cell.clone() })
        .filter(|cell| args.only.as_ref().is_none_or(|only| cell.to_string().contains(only)))
        .filter(|cell| seen.insert(cell.clone()))
        .collect();
    if cells.is_empty() {
        bail!(UsageError(format!(
            "nothing to measure: the suite `{}` has no cell that both serve{}",
            suite.name,
            args.only.as_ref().map(|o| format!(" and that contains `{o}`")).unwrap_or_default()
        )));
    }
    let blocks = args.blocks.unwrap_or(suite.blocks);
    let mut suite = Suite { name: "compare".to_owned(), blocks, cells, ..suite.clone() };
    chosen::fit_cpus(&mut suite)?;
    Ok(suite)
}
