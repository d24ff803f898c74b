//! `duet run`: a suite carried out, recorded and reported; once, or in several sessions.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::campaign::{self, Wanted};
use super::chosen::{self, Choice};
use super::exit::Exit;
use super::folders::{self, BenchFolder, Former, PostgresFolder};
use super::prices::PriceArgs;
use super::report;
use super::session::Session;
use duet_model::campaign::{OVER_MS_MAX, SESSIONS_MAX};
use duet_model::spec::MOST_BLOCKS;

/// Measures a suite and writes a report
///
/// Builds the servers, verifies their responses, measures them in alternating
/// windows, and writes the record, tables and charts. Ctrl-C keeps what was measured.
///
/// One run says nothing of another hour. A campaign does: `duet run standard --sessions 6 --over
/// 24h --blocks 4` measures six times in a day, at random, and pools the sessions. Each draws anew
/// the order of cells, which CPUs are whose, the size of the environment and the layout of
/// executables. --resume goes on after Ctrl-C, a kill or a reboot, and with --sessions and --over
/// it adds sessions to a campaign.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The suite, such as `standard` (see `duet list`).
    #[arg(value_name = "SUITE", required_unless_present = "resume")]
    suite: Option<String>,

    /// The folder for record and report [default: results/latest, whose former content moves to
    /// results/previous; of a campaign results/campaign].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Random seed for window order, request order, ports and environment, and for all that a
    /// campaign draws [default: from the clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Only cells whose name (matchup/workload/load) contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,

    /// Blocks of each cell [default: the suite's].
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_BLOCKS)))]
    blocks: Option<u32>,

    /// A campaign: this many sessions, each at random in its share of the time that --over gives.
    /// They are pooled at the end. With --resume: this many more.
    #[arg(long, value_name = "N", requires = "over")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(SESSIONS_MAX)))]
    sessions: Option<u32>,

    /// The time over which the sessions begin, such as 24h. With --resume: from now on.
    #[arg(long, value_name = "TIME", requires = "sessions", value_parser = over)]
    over: Option<Duration>,

    /// Keep the histograms of all windows in the record, which makes it several times as large.
    #[arg(long)]
    full: bool,

    /// Goes on with the campaign in DIR. Finished sessions are kept, a half-measured one is
    /// measured anew, one that was missed is measured at once if time is left. --bench and
    /// --postgres are needed again where DIR does not lie in the project, or PostgreSQL does not.
    #[arg(long, value_name = "DIR", conflicts_with_all = [
        "suite", "out", "seed", "only", "blocks", "full",
    ])]
    resume: Option<PathBuf>,

    #[command(flatten)]
    postgres: PostgresFolder,

    #[command(flatten)]
    prices: PriceArgs,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Run) -> Result<Exit> {
    let sessions = args.sessions.zip(args.over);
    if let Some(folder) = &args.resume {
        return campaign::resume(folder, (&args.bench, &args.postgres), args.prices, sessions);
    }
    let name = args.suite.as_deref().unwrap_or_default();
    let choice = Choice { name, only: args.only.as_deref(), blocks: args.blocks };
    if let Some((sessions, over)) = sessions {
        let (bench, postgres, out) = (&args.bench, &args.postgres, args.out.as_deref());
        let (seed, prices, full) = (args.seed, args.prices, args.full);
        let wanted = Wanted { choice, bench, postgres, sessions, over, seed, out, prices, full };
        return campaign::begin(&wanted);
    }
    let chosen = chosen::choose(&choice, &args.bench, &args.postgres)?;
    let root = chosen.root.clone();
    let mut session = Session::new(root, &args.bench.bench, &chosen.suite, &args.postgres)?;
    session.full = args.full;
    let header = chosen.header(&session, args.seed)?;
    let (out, former) = (args.out.as_deref(), Former::MovedTo("previous"));
    let folder = folders::for_record(out, &session.root, "results/latest", former)?;
    chosen::announce(&header, &folder)?;
    let prepared = session.prepare(header)?;
    session.measure_all(&folder, prepared)?;
    report::rebuild(&folder, args.prices, &[])
}

fn over(text: &str) -> Result<Duration, String> {
    let over = duet_units::parse_duration(text)?;
    match over.as_millis() <= u128::from(OVER_MS_MAX) {
        true => Ok(over),
        false => Err("a campaign takes 30 days at most".to_owned()),
    }
}
