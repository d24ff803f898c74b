//! `duet verify`: whether servers keep the contract and responses and outputs are as expected.

use std::path::Path;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::folders::BenchFolder;
use duet_measure::block::Bench;
use duet_measure::build;
use duet_measure::host::{self, Cpus};
use duet_measure::programs::{self, ProgramCache};
use duet_measure::server::{self, Launch};
use duet_measure::verify::Verifier;
use duet_model::record::Failure;
use duet_model::spec::{ProgramSet, Server, Spec, Suite, Transport};
use duet_process::interrupt::{Interrupt, Interrupted};

/// The longest time, in seconds, and the most memory, in MiB, of a program at its test size.
const PROGRAM_LIMITS: (u32, u32) = (60, 4096);

/// Builds servers and programs and verifies their responses and outputs
///
/// Every response and output is compared with the expected one, nothing is timed. Exit code 5 if one of them fails.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Servers and sets of programs to verify; all of them if none is named.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Verify) -> Result<Exit> {
    let (spec, root) = args.bench.open()?;
    check_names(&spec, &args.names)?;
    let wanted = |name: &String| args.names.is_empty() || args.names.contains(name);
    let interrupt = Interrupt::watch()?;
    let verifier = Verifier::new()?;
    let mut failed = false;
    for server in spec.servers.iter().filter(|server| wanted(&server.name)) {
        let outcome = built(server, &root, &interrupt).and_then(|()| {
            let over = server.transports();
            responses((&spec, server), over, &root, &verifier, &interrupt)
        });
        let outcome = outcome.map(|cases| duet_units::count(cases, "valid response"));
        failed |= !say(&server.name, outcome)?;
    }
    let cpus = Cpus { servers: host::allowed_cpus()?, generator: vec![] };
    let (program_limit_s, program_limit_mib) = PROGRAM_LIMITS;
    let bench = Bench {
        root: &root,
        definitions: &args.bench.bench,
        spec: &spec,
        suite: &Suite { program_limit_s, program_limit_mib, ..Suite::default() },
        cpus: &cpus,
        verifier: &verifier,
        run_started: Instant::now(),
        interrupt: &interrupt,
    };
    let mut cache = ProgramCache::default();
    for set in spec.sets.iter().filter(|set| wanted(&set.name)) {
        failed |= !programs(&bench, &mut cache, set)?;
    }
    Ok(if failed { Exit::ServerFailed } else { Exit::Done })
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

/// Builds a server or a set; an error is its failure, or that the harness was interrupted.
fn built<'a>(what: impl Into<build::Recipe<'a>>, root: &Path, interrupt: &Interrupt) -> Result<()> {
    match build::build(what, root, interrupt)?.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

/// Builds a set and compares the outputs of all programs that it builds, each at its test size.
/// Returns whether all went well.
fn programs(bench: &Bench<'_>, cache: &mut ProgramCache, set: &ProgramSet) -> Result<bool> {
    let lacking = host::cpu_lacks(&set.needs_cpu);
    if !lacking.is_empty() {
        let lacking = lacking.join(", ");
        anstream::println!("left out {}: this CPU has no {lacking}", set.name);
        return Ok(true);
    }
    if let Err(error) = built(set, bench.root, bench.interrupt) {
        return say(&set.name, Err(error));
    }
    let mut valid = 0;
    let mut failed = false;
    for problem in bench.spec.problems.iter().filter(|problem| set.builds(&problem.name)) {
        match programs::check(bench, cache, set, problem)?.failure {
            None => valid += 1,
            Some(failure) => {
                let name = format!("{} {}", set.name, problem.name);
                failed |= !say(&name, Err(failure.into()))?;
            }
        }
    }
    if valid > 0 {
        say(&set.name, Ok(duet_units::count(valid, "valid output")))?;
    }
    Ok(!failed)
}

/// Prints how it went; whether it went well. An interrupted check is an error.
fn say(name: &str, outcome: Result<String>) -> Result<bool> {
    match outcome {
        Ok(outcome) => {
            let green = Style::new().fg_color(Some(AnsiColor::Green.into()));
            anstream::println!("{green}ok{green:#}     {name}: {outcome}");
            Ok(true)
        }
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) => {
            let red = Style::new().fg_color(Some(AnsiColor::Red.into()));
            anstream::println!("{red}failed{red:#} {name}: {error:#}");
            for line in error.downcast_ref::<Failure>().map_or(&[][..], |failure| &failure.stderr) {
                anstream::println!("       | {line}");
            }
            Ok(false)
        }
    }
}

/// For each transport, starts a server, verifies all its responses, stops it. Returns how many there
/// were.
pub(super) fn responses(
    (spec, server): (&Spec, &Server),
    transports: impl Iterator<Item = Transport>,
    root: &Path,
    verifier: &Verifier,
    interrupt: &Interrupt,
) -> Result<usize> {
    let cpus = host::allowed_cpus()?;
    let mut cases = 0;
    for transport in transports {
        let certificate = verifier.certificate(transport)?;
        let launch =
            Launch { root, cpus: &cpus, threads: 1, transport, certificate, padding_bytes: 0 };
        let running = server::start(server, &launch, interrupt)?;
        verifier.contract(&running, server, interrupt)?;
        for name in &server.workloads {
            let Some(workload) = spec.workload(name) else {
                unreachable!("the loader has checked the server's workloads")
            };
            verifier.workload(&running, server, workload, workload.cases.len(), interrupt)?;
            cases += workload.cases.len();
        }
        running.stop()?;
    }
    Ok(cases)
}
