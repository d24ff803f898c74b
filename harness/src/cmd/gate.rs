//! `duet gate`: whether a change may be let in.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::comparison::{self, Outputs};
use super::earlier::{self, Earlier};
use super::exit::Exit;
use super::folders::{self, BenchFolder, PostgresFolder, shown};
use super::in_force::{self, InForce};
use super::session::Session;
use super::stdio::{self, Stream};
use super::{doctor, floor_store, looks, pairs, policy};
use duet_measure::versions::{self, Arm, Origin, Workspace};
use duet_model::record::{Experiment, Question, RunHeader};
use duet_model::spec::Gate as Policy;

/// The folder for the record, below the one above the definitions.
const FOLDER: &str = "results/gate";

/// The folder for the record against the anchor, so that neither moves the other away.
const ANCHOR_FOLDER: &str = "results/gate-anchor";

/// Decides whether a change may be let in: PASS, REGRESSED or INCONCLUSIVE
///
/// Builds the base and the head, verifies their responses, measures them in alternating windows
/// (programs: in alternating runs) and looks at the result after fixed numbers of blocks. A
/// regression must show in a second, independent experiment before it fails. The policy is a table
/// [[gate]] of suites.toml.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 PASS; 1 REGRESSED, or a budget is broken; 2 wrong usage or \
                        definitions; 3 INCONCLUSIVE; 4 could not measure here; 5 a server failed; \
                        6 a server of the base failed and none of the head.")]
pub(super) struct Gate {
    /// The policy; may be left out where there is only one.
    #[arg(value_name = "GATE")]
    gate: Option<String>,

    /// The version to compare with, such as git:main: git:REF, dir:PATH, bin:PATH, server:NAME or
    /// set:NAME.
    #[arg(long, value_name = "VERSION", required_unless_present_any = ["replay", "anchor"])]
    base: Option<Arm>,

    /// Compare with the policy's anchor instead, such as the last release, at twice the margins:
    /// what many changes together have lost, each of them within its margin. Its default folder is
    /// results/gate-anchor.
    #[arg(long, conflicts_with_all = ["base", "replay"])]
    anchor: bool,

    /// The version that is to be let in, in the same forms [default: the folder above the
    /// definitions].
    #[arg(long, value_name = "VERSION")]
    head: Option<Arm>,

    /// The folder for record and report [default: results/gate, whose former content moves to
    /// results/gate-previous unless it is of the same pair, which is then continued].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Compare with the tip of the base's branch, not with the latest commit that the head has in
    /// common with it: then what the branch gained since counts against the head.
    #[arg(long)]
    tip: bool,

    /// Random seed [default: from the clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Only cells whose name (server/workload/load, set/problem/size) contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,

    /// Which attempt at a verdict on this pair of versions it is, such as GITHUB_RUN_ATTEMPT, where
    /// that is more than duet has counted. An attempt after the first that cannot go on with the
    /// blocks of an earlier one spends less of alpha.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "replay",
          value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,

    /// Measure also where both versions are the same.
    #[arg(long)]
    even_identical: bool,

    /// Measure nothing; judge the records in DIR again.
    #[arg(long, value_name = "DIR", conflicts_with_all = [
        "base", "out", "seed", "only", "full",
    ])]
    replay: Option<PathBuf>,

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

pub(super) fn run(args: &Gate) -> Result<Exit> {
    let outcome = judge(args);
    if let Err(error) = outcome.as_ref().map_err(|error| format!("{error:#}"))
        && args.outputs.github
    {
        let annotation = duet_report::comparison::error_annotation(&error);
        // The error that is reported is the one that matters.
        drop(args.outputs.stream().print_raw(&annotation));
    }
    outcome
}

fn judge(args: &Gate) -> Result<Exit> {
    if let Some(folder) = &args.replay {
        return comparison::replay(folder, &args.outputs);
    }
    let (spec, root) = args.bench.open()?;
    let (definitions, say) = (&*args.bench.bench, policy::say as fn(&str));
    let here = Workspace { root: &root, definitions, spec: &spec, say };
    let base = match &args.base {
        Some(base) => base.clone(),
        None => policy::anchor(policy::choose(&spec, args.gate.as_deref())?)?,
    };
    let head = args.head.clone().unwrap_or_else(|| policy::folder(&root));
    let names = (base.name.clone(), head.name.clone());
    // An anchor is the version that it names, wherever the head has forked from it.
    let (base, beyond) = match args.tip || args.anchor {
        true => (base, None),
        false => fork(base, &head, &root)?,
    };
    let (mut base, head) = (policy::check_out(&base, here)?, policy::check_out(&head, here)?);
    base.version.commits_beyond = beyond;
    let (of_base, of_head) = (base.definitions(&spec), head.definitions(&spec));
    let InForce { policy: gate, differences } =
        in_force::in_force(of_base, of_head, args.gate.as_deref())?;
    let gate = if args.anchor { gate.against_anchor() } else { gate };
    let mut guarded =
        pairs::guarded(&gate, &spec, (&base, names.0.as_deref()), (&head, names.1.as_deref()))?;
    if let Some(only) = &args.only {
        guarded.absent.retain(|absence| absence.cell.to_string().contains(only));
        guarded.changed.retain(|cell| cell.to_string().contains(only));
    }
    let spec = pairs::of_both(&spec, &base, &head, &guarded.pairs);
    let spec = pairs::definitions(&spec, &guarded.pairs);
    let suite = policy::suite(&gate, guarded.cells, args.only.as_deref())?;
    let default = if args.anchor { ANCHOR_FOLDER } else { FOLDER };
    let folder = folders::lock(args.out.as_deref(), &root, default)?;
    let mut session = Session::new(root, &args.bench.bench, &suite, &args.postgres)?;
    session.full = args.full;
    let mut header = session.header(args.seed, &spec, &suite)?;
    let floors = floor_store::floors(&session.root, &header, first_look(&gate))?;
    header.experiment = Some(Experiment {
        question: Question::Gate,
        base: base.version,
        head: head.version,
        gate: Some(gate),
        floors,
        absent: guarded.absent,
        changed: guarded.changed,
        policy_differences: differences,
        attempt: Some(args.attempt),
    });
    let mut prepared = session.prepare(header)?;
    let earlier = earlier::make_room(&session.root, &folder, &mut prepared)?;
    announce(&prepared.header, &folder, &earlier, args.outputs.stream())?;
    let mut kept = Ok(());
    if !matches!(earlier, Earlier::Decided) {
        let cells = looks::cells(&prepared, args.even_identical);
        if !cells.is_empty() {
            kept = earlier::count(&session.root, &prepared);
        }
        looks::carry_out(&session, &folder, prepared, cells)?;
        kept = kept.and(earlier::keep(&session.root, &folder));
    }
    let exit = comparison::conclude(&folder, &args.outputs)?;
    // After the verdict, which is known whatever becomes of the copy.
    if let Err(error) = kept {
        stdio::note(&format!("warning: the next run of this pair starts anew: {error:#}"));
    }
    Ok(exit)
}

/// The commit that the head forked from, in the place of the tip of the branch that is the base,
/// and how many commits the branch has beyond it; a base that is no commit stays as it is.
fn fork(base: Arm, head: &Arm, root: &Path) -> Result<(Arm, Option<u32>)> {
    let Origin::Git(reference) = &base.origin else { return Ok((base, None)) };
    let of_head = match &head.origin {
        Origin::Git(reference) => versions::commit(reference, root)?,
        // Of another repository there is no commit in common.
        Origin::Folder(folder) => match versions::head_commit(folder, root) {
            Some(commit) => commit,
            None => return Ok((base, None)),
        },
        _ => return Ok((base, None)),
    };
    let (fork, beyond) = versions::merge_base(&versions::commit(reference, root)?, &of_head, root)?;
    Ok((Arm { origin: Origin::Git(fork), ..base }, Some(beyond)))
}

/// Blocks of a null experiment: as many as there are before the first look.
fn first_look(gate: &Policy) -> u32 {
    gate.looks.first().map_or(0, |look| look.blocks)
}

/// Says what is about to be measured, or that nothing is.
fn announce(header: &RunHeader, folder: &Path, earlier: &Earlier, stream: Stream) -> Result<()> {
    let Some(Experiment { base, head, gate: Some(gate), .. }) = &header.experiment else {
        return Ok(());
    };
    let beside = match earlier {
        Earlier::Decided => {
            return stream.line(
                "This pair has been decided, of versions with the same files; this is what was \
                 found.",
            );
        }
        Earlier::Nothing => "",
        Earlier::Failed => "; an earlier run of the same pair failed",
        Earlier::Undecided => "; continues an earlier run of the same pair",
    };
    let looks: Vec<String> = gate.looks.iter().map(|look| look.blocks.to_string()).collect();
    stream.line(&format!(
        "Gate `{}`: {} against {}, {}, looks after {} blocks, at most {}{beside}.",
        gate.name,
        head,
        base,
        duet_units::count(header.suite.cells.len(), "cell"),
        looks.join(", "),
        duet_units::minutes(u64::from(gate.budget_s)),
    ))?;
    stream.line(&format!("Seed {}; record in {}.", header.seed, shown(folder)))?;
    stream.print(&doctor::warnings(&header.findings))
}
