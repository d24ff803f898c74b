//! A campaign: a suite measured in several sessions that begin at random over hours, and pooled.
//!
//! It can end at any moment and go on later: what is finished is read from the sessions' records
//! ([`campaign_folder`]), what is due from the plan.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::campaign_folder::{self, State};
use super::chosen::{self, Choice, Chosen};
use super::exit::{CommandError, Exit, UsageError};
use super::folders::{self, BenchFolder, PostgresFolder, RecordFolder, shown};
use super::prices::PriceArgs;
use super::session::Session;
use super::{pool, report, stdio};
use duet_analysis::{Analysis, iso_8601};
use duet_measure::host;
use duet_model::campaign::{self, Campaign};
use duet_model::record::RunHeader;
use duet_model::spec::default_folder;
use duet_process::interrupt::{Interrupt, POLL};

/// The word for no PostgreSQL at all, which is no folder.
const NO_POSTGRES: &str = "none";

/// What a plan says of a folder outside of the project, whose path it does not name.
const OUTSIDE: &str = "outside";

/// What the command line says of a new campaign.
pub(super) struct Wanted<'a> {
    pub(super) choice: Choice<'a>,
    pub(super) bench: &'a BenchFolder,
    pub(super) postgres: &'a PostgresFolder,
    pub(super) sessions: u32,
    pub(super) over: Duration,
    pub(super) seed: Option<u64>,
    pub(super) out: Option<&'a Path>,
    pub(super) prices: PriceArgs,
    pub(super) full: bool,
}

/// A campaign that is being carried out.
struct UnderWay {
    folder: RecordFolder,
    plan: Campaign,
    chosen: Chosen,
    bench: BenchFolder,
    postgres: PostgresFolder,
    interrupt: Interrupt,
    prices: PriceArgs,
}

/// Draws a campaign, writes its plan, and carries it out.
pub(super) fn begin(wanted: &Wanted<'_>) -> Result<Exit> {
    let chosen = chosen::choose(&wanted.choice, wanted.bench, wanted.postgres)?;
    ensure!(wanted.sessions > 1, UsageError("a campaign has two sessions or more".to_owned()));
    ensure!(
        chosen.suite.blocks as usize >= duet_analysis::pool::BLOCKS_MIN,
        UsageError(format!(
            "a session of {} says too little for a pool: give --blocks {} or more",
            duet_units::count(chosen.suite.blocks as usize, "block"),
            duet_analysis::pool::BLOCKS_MIN
        ))
    );
    let folder = folders::lock(wanted.out, &chosen.root, "results/campaign")?;
    ensure!(
        !campaign_folder::is_campaign(&folder),
        UsageError(format!(
            "{} holds a campaign already: go on with it by `duet run --resume {0}`, or choose \
             another folder with --out",
            shown(&folder)
        ))
    );
    let under_way = UnderWay {
        plan: plan(wanted, &folder, &chosen.root)?,
        folder,
        chosen,
        bench: wanted.bench.clone(),
        postgres: wanted.postgres.clone(),
        interrupt: Interrupt::watch()?,
        prices: wanted.prices,
    };
    // What this machine cannot measure is said now, and not when the first session begins.
    session(&under_way, 0)?;
    campaign_folder::write(&under_way.folder, &under_way.plan)?;
    announce(&under_way)?;
    carry_out(&under_way)
}

/// Goes on with a campaign, with `more` sessions over that time from now on, where it is given.
///
/// # Errors
/// When a folder is given that the plan names already, and when a campaign cannot take more.
pub(super) fn resume(
    folder: &Path,
    (bench, postgres): (&BenchFolder, &PostgresFolder),
    prices: PriceArgs,
    more: Option<(u32, Duration)>,
) -> Result<Exit> {
    let mut plan = campaign_folder::read(folder)?;
    let named = |option: &str, planned: Option<&String>, given: Option<&PathBuf>| {
        let Some(planned) = planned else { return Ok(given.cloned()) };
        if planned == OUTSIDE {
            let missing =
                format!("the campaign's lies outside of its project: name it by {option}");
            return given.cloned().map(Some).ok_or_else(|| UsageError(missing).into());
        }
        let of_plan = format!("the campaign's plan names its own, {planned}: leave out {option}");
        ensure!(given.is_none(), UsageError(of_plan));
        Ok(Some(match planned.as_str() {
            NO_POSTGRES => PathBuf::from(planned),
            _ => folder.join(planned),
        }))
    };
    let given = Some(&bench.bench).filter(|bench| **bench != default_folder());
    let given = named("--bench", plan.bench.as_ref(), given)?;
    let bench = BenchFolder { bench: given.unwrap_or_else(default_folder) };
    let postgres = named("--postgres", plan.postgres.as_ref(), postgres.postgres.as_ref())?;
    let postgres = PostgresFolder { postgres };
    let only = plan.only.as_deref();
    let choice = Choice { name: &plan.suite, only, blocks: plan.blocks };
    let chosen = chosen::choose(&choice, &bench, &postgres)?;
    let folder = folders::lock(Some(folder), &chosen.root, "")?;
    if let Some((sessions, over)) = more {
        plan.extend(sessions, over.as_millis() as u64, now_ms()?);
        let refused = |why| UsageError(format!("no more sessions: {why}"));
        campaign_folder::check(&plan).map_err(refused)?;
    }
    let interrupt = Interrupt::watch()?;
    let under_way = UnderWay { folder, plan, chosen, bench, postgres, interrupt, prices };
    if more.is_some() {
        campaign_folder::write(&under_way.folder, &under_way.plan)?;
        announce(&under_way)?;
    }
    carry_out(&under_way)
}

/// What a plan in `folder` says of another folder: how it is reached from there, or [`OUTSIDE`].
fn planned(folder: &Path, root: &Path, path: &Path) -> Result<String> {
    let within = folders::within_project(folder, root, path)?;
    Ok(within.unwrap_or_else(|| OUTSIDE.to_owned()))
}

/// The plan of a new campaign in `folder`, which begins now. Without a seed the clock gives one.
fn plan(wanted: &Wanted<'_>, folder: &Path, root: &Path) -> Result<Campaign> {
    let now = now()?;
    let seed = wanted.seed.unwrap_or(u64::from(now.subsec_nanos()));
    let over_ms = wanted.over.as_millis() as u64;
    let postgres = match wanted.postgres.postgres.as_deref() {
        Some(word) if word == Path::new(NO_POSTGRES) => Some(NO_POSTGRES.to_owned()),
        Some(path) => Some(planned(folder, root, path)?),
        None => None,
    };
    let bench = &wanted.bench.bench;
    Ok(Campaign {
        schema: campaign::SCHEMA.to_owned(),
        suite: wanted.choice.name.to_owned(),
        only: wanted.choice.only.map(str::to_owned),
        blocks: wanted.choice.blocks,
        bench: match *bench == default_folder() {
            true => folders::within_project(folder, root, bench)?,
            false => Some(planned(folder, root, bench)?),
        },
        postgres,
        full: wanted.full,
        seed,
        started_unix_ms: now.as_millis() as u64,
        over_ms,
        sessions: campaign::draw(seed, wanted.sessions, over_ms),
    })
}

/// Says what will be measured, and warns where a pool will see fewer sessions than there are.
fn announce(of: &UnderWay) -> Result<()> {
    let Campaign { sessions, over_ms, seed, .. } = &of.plan;
    stdio::line(&format!(
        "Campaign of {} over {}, seed {seed}, in {}.",
        duet_units::count(sessions.len(), "session"),
        duet_units::minutes(over_ms.div_ceil(1000)),
        shown(&of.folder)
    ))?;
    let near_ms = duet_analysis::pool::APART_S * 1000;
    let near = sessions.windows(2).filter(|two| two[1].after_ms - two[0].after_ms < near_ms);
    let near = near.count();
    if near > 0 {
        stdio::note(&format!(
            "warning: {} less than an hour after the one before, and a pool counts those as one: \
             give --over more time",
            match near {
                1 => "1 session begins".to_owned(),
                n => format!("{n} sessions begin"),
            }
        ));
    }
    Ok(())
}

/// Measures the sessions that are not finished, each at its time, and pools all of them.
fn carry_out(of: &UnderWay) -> Result<Exit> {
    let began_ms = now_ms()?;
    // A session that was missed begins as far from the one before as if it had not been.
    let mut earliest_ms = 0;
    let mut exits = vec![];
    for index in 0..of.plan.sessions.len() {
        let folder = of.folder.join(Campaign::folder(index));
        match campaign_folder::state(&folder) {
            State::Finished(run) => {
                earliest_ms = run.header.started_unix_s * 1000 + of.plan.apart_ms();
                exits.push(Some(name(of, index, &duet_analysis::analyse(&run))));
                continue;
            }
            State::Partial => {
                let aside = campaign_folder::move_aside(&folder)?;
                let (which, aside) = (which(of, index), shown(&aside));
                stdio::note(&format!("{which} was half measured: its record is in {aside}"));
            }
            State::Open => {}
        }
        let planned_ms = of.plan.due_unix_ms(index);
        let due_ms = planned_ms.max(earliest_ms);
        let is_missed = planned_ms < began_ms;
        if is_missed && now_ms()?.max(due_ms) >= of.plan.end_unix_ms() {
            let due = iso_8601(planned_ms / 1000);
            let which = which(of, index);
            stdio::note(&format!("{which} is skipped: it was due at {due}, and no time is left"));
            continue;
        }
        wait(of, index, due_ms)?;
        if of.interrupt.signal().is_none() {
            earliest_ms = now_ms()? + of.plan.apart_ms();
            exits.push(match measure(of, index, &folder) {
                Ok(analysis) => Some(name(of, index, &analysis)),
                // A signal is no failure; it is looked at below.
                Err(_) if of.interrupt.signal().is_some() => None,
                Err(error) => {
                    stdio::note(&format!("{} failed: {error:#}", which(of, index)));
                    Some(CommandError::from(error).exit())
                }
            });
        }
        if let Some(signal) = of.interrupt.signal() {
            stdio::note(&format!("interrupted: `{}` goes on", resumption(of)));
            return Ok(Exit::Interrupted(signal));
        }
    }
    exits.push(Some(pool_all(of)));
    Ok(Exit::greatest(exits))
}

/// The command that goes on with a campaign, with the folders that its plan does not name.
fn resumption(of: &UnderWay) -> String {
    let mut command = format!("duet run --resume {}", shown(&of.folder));
    if of.plan.bench.is_none() && of.bench.bench != default_folder() {
        command += &format!(" --bench {}", shown(&of.bench.bench));
    }
    if let (None, Some(postgres)) = (&of.plan.postgres, &of.postgres.postgres) {
        command += &format!(" --postgres {}", shown(postgres));
    }
    command
}

/// Waits until a session is due, or a signal comes.
fn wait(of: &UnderWay, index: usize, due_ms: u64) -> Result<()> {
    let left_ms = due_ms.saturating_sub(now_ms()?);
    let which = format!("Session {} of {}", index + 1, of.plan.sessions.len());
    let due = iso_8601(due_ms / 1000);
    stdio::line(&match left_ms {
        0 => format!("{which} was due at {due}, and begins now."),
        _ => {
            let left = duet_units::minutes(left_ms.div_ceil(1000));
            format!("{which} begins at {due}, in {left}.")
        }
    })?;
    while of.interrupt.signal().is_none() {
        let left = Duration::from_millis(due_ms.saturating_sub(now_ms()?));
        if left.is_zero() {
            break;
        }
        thread::sleep(left.min(POLL));
    }
    Ok(())
}

/// What a session measures with, on the CPUs that were drawn for it, and the head of its record.
fn session(of: &UnderWay, index: usize) -> Result<(Session, RunHeader)> {
    let (drawn, suite) = (&of.plan.sessions[index], &of.chosen.suite);
    let order = |cores: &mut [usize]| drawn.shuffle_cores(cores);
    let cpus = host::choose_cpus(suite.server_cpus, suite.generator_cpus, order)?;
    let root = of.chosen.root.clone();
    let interrupt = of.interrupt.clone();
    let mut session = Session::on(cpus, root, &of.bench.bench, &of.postgres, interrupt)?;
    session.full = of.plan.full;
    let mut header = of.chosen.header(&session, Some(drawn.seed))?;
    header.campaign = Some(of.plan.session(index));
    Ok((session, header))
}

/// Measures a session into its folder, and writes its report.
fn measure(of: &UnderWay, index: usize, folder: &Path) -> Result<Analysis> {
    let (session, header) = session(of, index)?;
    let folder = folders::lock(Some(folder), &session.root, "")?;
    chosen::announce(&header, &folder)?;
    let prepared = session.prepare(header)?;
    session.measure_all(&folder, prepared)?;
    let analysis = report::derive(&folder, of.prices, &[])?;
    stdio::line(&format!("Report: {}", shown(&folder.join("report.html"))))?;
    Ok(analysis)
}

/// Names what failed in a finished session.
fn name(of: &UnderWay, index: usize, analysis: &Analysis) -> Exit {
    if let Some(first) = analysis.failures.first() {
        let more = match analysis.failures.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more; see its report)"),
        };
        let failure = &first.failure;
        let server = failure.server.as_ref().map_or_else(String::new, |name| format!("{name}: "));
        stdio::note(&format!("{} failed in part: {server}{failure}{more}", which(of, index)));
    }
    report::exit(analysis)
}

/// Pools the finished sessions, prints the pool and writes it into the campaign's folder. The
/// sessions' reports are written anew, with what the pool says of another hour.
fn pool_all(of: &UnderWay) -> Exit {
    let folders = (0..of.plan.sessions.len()).map(|i| of.folder.join(Campaign::folder(i)));
    let finished = folders.filter_map(|folder| match campaign_folder::state(&folder) {
        State::Finished(run) => Some(((shown(&folder), *run), folder)),
        State::Partial | State::Open => None,
    });
    let (runs, folders): (Vec<_>, Vec<_>) = finished.unzip();
    let pooled = match pool::pool(&runs, Some(&of.folder)) {
        Ok(pooled) => pooled,
        Err(error) => {
            stdio::note(&format!("no pool: {error:#}"));
            return Exit::Unmeasurable;
        }
    };
    // When a session was reported, those after it were not known.
    let mut exits = vec![];
    for ((_, run), folder) in runs.iter().zip(&folders) {
        if let Err(error) = report::derive_in(run, folder, of.prices, &pooled) {
            stdio::note(&format!("no report of {}: {error:#}", shown(folder)));
            exits.push(Some(CommandError::from(error).exit()));
        }
    }
    Exit::greatest(exits)
}

/// `session 2 of 6`.
fn which(of: &UnderWay, index: usize) -> String {
    format!("session {} of {}", index + 1, of.plan.sessions.len())
}

fn now() -> Result<Duration> {
    SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")
}

fn now_ms() -> Result<u64> {
    Ok(now()?.as_millis() as u64)
}
