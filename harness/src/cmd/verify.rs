//! `duet verify`: whether servers keep the contract and responses and outputs are as expected.

use std::time::Instant;

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::folders::{BenchFolder, PostgresFolder};
use super::stdio;
use duet_measure::MeasureError;
use duet_measure::block::Bench;
use duet_measure::build;
use duet_measure::elsewhere;
use duet_measure::host::{self, Cpus};
use duet_measure::programs::{self, ProgramCache};
use duet_measure::server::{self, Launch, Running};
use duet_measure::services::{Places, Services};
use duet_measure::verify::Verifier;
use duet_model::record::{BuildRecord, Failure, ServiceCpus, Stage};
use duet_model::spec::{ProgramSet, Server, Spec, Suite, Transport, Workload};
use duet_process::interrupt::{Interrupt, Interrupted};
use duet_report::{printable, printable_lines};

/// The longest time, in seconds, and the most memory, in MiB, of a program at its test size.
const PROGRAM_LIMITS: (u32, u32) = (60, 4096);

/// Builds servers and programs and verifies their responses and outputs
///
/// Every response and output is compared with the expected one, nothing is timed. Exit code 5 if
/// one of them fails.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Servers and sets of programs to verify; all of them if none is named.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    postgres: PostgresFolder,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Verify) -> Result<Exit> {
    let (spec, root) = args.bench.open()?;
    check_names(&spec, &args.names)?;
    let wanted = |name: &String| args.names.is_empty() || args.names.contains(name);
    let (interrupt, verifier) = (Interrupt::watch()?, Verifier::new()?);
    let cpus = Cpus { servers: host::allowed_cpus()?, generator: vec![] };
    let postgres = args.postgres.postgres.clone();
    let absent = args.postgres.absent(&spec.services, &root)?;
    let places = Places {
        root: root.clone(),
        definitions: args.bench.bench.clone(),
        postgres,
        cpus: cpus.servers.clone(),
        shared_with: ServiceCpus::Own,
    };
    let services = Services::new(places, &interrupt)?;
    let is_there = |workload: &Workload| {
        !workload
            .services
            .iter()
            .any(|name| absent.iter().any(|(service, _)| service.name == *name))
    };
    let (program_limit_s, program_limit_mib) = PROGRAM_LIMITS;
    let bench = Bench {
        root: &root,
        definitions: &args.bench.bench,
        spec: &spec,
        suite: &Suite { program_limit_s, program_limit_mib, ..Suite::default() },
        cpus: &cpus,
        padding_bytes: 0,
        layout: None,
        verifier: &verifier,
        services: &services,
        run_started: Instant::now(),
        interrupt: &interrupt,
    };
    let mut all_valid = true;
    for (service, why) in &absent {
        let name = &service.name;
        stdio::line(&format!("left out workloads that need {name}: {why}"))?;
    }
    for server in spec.servers.iter().filter(|server| wanted(&server.name)) {
        let wanted = workloads(&spec, server).filter(|workload| is_there(workload));
        let wanted: Vec<&Workload> = wanted.collect();
        let transports: Vec<Transport> = server.transports().collect();
        let cases = |over| {
            let all = wanted.iter().filter(move |workload| workload.goes_over(over));
            all.map(|workload| workload.cases.len()).sum::<usize>()
        };
        let cases = transports.iter().map(|over| cases(*over)).sum();
        let valid = duet_units::count(cases, "valid response");
        stdio::note(&format!("building and verifying {}", server.name));
        let failure = self::server(&bench, server, transports, &wanted)?.failure;
        all_valid &= say(&server.name, failure, &valid)?;
    }
    let mut cache = ProgramCache::default();
    for set in spec.sets.iter().filter(|set| wanted(&set.name)) {
        all_valid &= programs(&bench, &mut cache, set)?;
    }
    Ok(if all_valid { Exit::Done } else { Exit::ServerFailed })
}

/// Every name must be known.
fn check_names(spec: &Spec, names: &[String]) -> Result<()> {
    let servers = spec.servers.iter().map(|server| &server.name);
    let known: Vec<&String> = servers.chain(spec.sets.iter().map(|set| &set.name)).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
        bail!(UsageError::unknown("server or set", unknown, &known));
    }
    Ok(())
}

/// Builds a set and compares the outputs of all programs that it builds, each at its test size.
/// Returns whether all are valid.
fn programs(bench: &Bench<'_>, cache: &mut ProgramCache, set: &ProgramSet) -> Result<bool> {
    let lacking = host::cpu_lacks(&set.needs_cpu);
    if !lacking.is_empty() {
        let lacking = lacking.join(", ");
        stdio::line(&format!("left out {}: this CPU has no {lacking}", set.name))?;
        return Ok(true);
    }
    stdio::note(&format!("building and checking {}", set.name));
    if let Some(failure) = build::build(set, bench.root, false, bench.interrupt)?.failure {
        return say(&set.name, Some(failure), "");
    }
    let (mut valid, mut failed) = (0, false);
    for problem in bench.spec.problems.iter().filter(|problem| set.builds(&problem.name)) {
        match programs::check(bench, cache, set, problem)?.failure {
            None => valid += 1,
            failure => failed |= !say(&format!("{} {}", set.name, problem.name), failure, "")?,
        }
    }
    if valid > 0 {
        say(&set.name, None, &duet_units::count(valid, "valid output"))?;
    }
    Ok(!failed)
}

/// Prints a failure, or what is valid; whether there was no failure.
fn say(name: &str, failure: Option<Failure>, valid: &str) -> Result<bool> {
    let style = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
    let (green, red) = (style(AnsiColor::Green), style(AnsiColor::Red));
    let Some(failure) = failure else {
        stdio::line(&format!("{green}ok{green:#}     {name}: {valid}"))?;
        return Ok(true);
    };
    let said = printable_lines(&failure.to_string());
    stdio::line(&format!("{red}failed{red:#} {name}: {said}"))?;
    for line in &failure.stderr {
        stdio::line(&format!("       | {}", printable(line)))?;
    }
    Ok(false)
}

/// Builds a server and verifies all its responses to these workloads over these transports. What
/// fails is in the record.
///
/// # Errors
/// Only when interrupted.
pub(super) fn server(
    bench: &Bench<'_>,
    server: &Server,
    transports: impl IntoIterator<Item = Transport>,
    workloads: &[&Workload],
) -> Result<BuildRecord, Interrupted> {
    let mut record = build::build(server, bench.root, bench.suite.verdicts, bench.interrupt)?;
    if let Some(layout) = bench.layout {
        build::lay_out(server, bench.root, layout, &mut record, bench.interrupt)?;
    }
    if record.failure.is_none()
        && let Err(error) =
            transports.into_iter().try_for_each(|over| all_options(bench, server, over, workloads))
    {
        record.failure = Some(error.failure(Stage::Verify, Some(&server.name))?);
    }
    Ok(record)
}

/// Verifies all responses of a server over a transport, workloads with the same options together.
fn all_options(
    bench: &Bench<'_>,
    server: &Server,
    transport: Transport,
    workloads: &[&Workload],
) -> Result<(), MeasureError> {
    let over = || workloads.iter().copied().filter(|workload| workload.goes_over(transport));
    let mut options: Vec<&Vec<String>> = over().map(|workload| &workload.options).collect();
    options.sort();
    options.dedup();
    options.into_iter().try_for_each(|options| {
        let with = over().filter(|workload| workload.options == *options);
        responses(bench, server, (transport, options), &with.collect::<Vec<_>>())
    })
}

/// Starts a server with options, verifies all its responses over a transport, stops it.
fn responses(
    bench: &Bench<'_>,
    server: &Server,
    (transport, options): (Transport, &[String]),
    workloads: &[&Workload],
) -> Result<(), MeasureError> {
    let root = server.root.as_deref().unwrap_or(bench.root);
    let cpus = host::allowed_cpus()?;
    let certificate = bench.verifier.certificate(transport)?;
    let told = bench.services.ready(bench.spec, workloads.iter().copied(), 1)?;
    let told = told.first().map_or(&[][..], Vec::as_slice);
    let launch = Launch { transport, certificate, told, options, ..Launch::plain(root, &cpus) };
    let mut running = server::start(server, &launch, bench.interrupt)?;
    match all_responses(bench, server, &running, workloads) {
        Ok(()) => {
            let commands = elsewhere::commands(server, &launch, &running);
            running.stop()?;
            match commands?.zip(workloads.first()) {
                Some((commands, first)) => {
                    let same = (bench.verifier, *first);
                    elsewhere::refuse(&commands, &launch, same, bench.interrupt)
                }
                None => Ok(()),
            }
        }
        // With how it ended, if it has, and its own words.
        Err(error) => Err(error.failure_or(|error| running.failure(Stage::Verify, &error))?.into()),
    }
}

fn all_responses(
    bench: &Bench<'_>,
    server: &Server,
    running: &Running,
    workloads: &[&Workload],
) -> Result<(), MeasureError> {
    let grpc = workloads.iter().any(|workload| workload.is_grpc());
    bench.verifier.contract(running, server, grpc, bench.interrupt)?;
    for workload in workloads {
        let cases = workload.cases.len();
        bench.verifier.workload(running, server, workload, cases, bench.interrupt)?;
        bench.verifier.unasked(running, server, workload, bench.interrupt)?;
        bench.verifier.large(running, workload, bench.interrupt)?;
        bench.verifier.events(running, workload, bench.interrupt)?;
    }
    Ok(())
}

/// The workloads of a server.
pub(super) fn workloads<'a>(
    spec: &'a Spec,
    server: &'a Server,
) -> impl Iterator<Item = &'a Workload> {
    server.workloads.iter().filter_map(|name| spec.workload(name))
}
