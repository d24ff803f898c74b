//! `duet verify`: whether servers keep the contract and answer rightly.

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use clap::Args;

use super::{BenchFolder, Exit, Misuse};
use crate::build;
use crate::host;
use crate::interrupt::{Interrupt, Interrupted};
use crate::record::Failure;
use crate::server::{self, Launch};
use crate::spec::{Server, Spec};
use crate::units;
use crate::verify::Verifier;

/// Builds and starts servers and compares every answer with the right one
///
/// Nothing is timed. Exit code 5 if a server fails.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Servers to verify; all of them if none is named.
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Verify) -> Result<Exit> {
    let spec = args.bench.load()?;
    let root = args.bench.root()?;
    let servers = chosen(&spec, &args.servers)?;
    let interrupt = Interrupt::watch()?;
    let verifier = Verifier::new()?;
    let mut failed = false;
    for server in servers {
        let started = build::build(server, &root, &interrupt)?;
        let outcome = match started.failure {
            Some(failure) => Err(failure.into()),
            None => answers(&spec, server, &root, &verifier, &interrupt),
        };
        match outcome {
            Ok(cases) => {
                let green = Style::new().fg_color(Some(AnsiColor::Green.into()));
                let answers = units::count(cases, "right answer");
                anstream::println!("{green}ok{green:#}     {}: {answers}", server.name);
            }
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                failed = true;
                let red = Style::new().fg_color(Some(AnsiColor::Red.into()));
                anstream::println!("{red}failed{red:#} {}: {error:#}", server.name);
                if let Some(failure) = error.downcast_ref::<Failure>() {
                    for line in &failure.stderr {
                        anstream::println!("       | {line}");
                    }
                }
            }
        }
    }
    Ok(if failed { Exit::ServerFailed } else { Exit::Done })
}

/// The servers that were named, in the definitions' order.
fn chosen<'a>(spec: &'a Spec, names: &[String]) -> Result<Vec<&'a Server>> {
    if let Some(unknown) = names.iter().find(|name| spec.server(name).is_none()) {
        let known: Vec<&str> = spec.servers.iter().map(|server| server.name.as_str()).collect();
        bail!(Misuse(format!("there is no server `{unknown}`; there are {}", known.join(", "))));
    }
    let wanted = |server: &&Server| names.is_empty() || names.contains(&server.name);
    Ok(spec.servers.iter().filter(wanted).collect())
}

/// Starts a server, compares all its answers, stops it. Returns how many answers there were.
pub(super) fn answers(
    spec: &Spec,
    server: &Server,
    root: &std::path::Path,
    verifier: &Verifier,
    interrupt: &Interrupt,
) -> Result<usize> {
    let cpus = host::allowed_cpus()?;
    let launch = Launch { root, cpus: &cpus, threads: 1, padding_bytes: 0 };
    let running = server::start(server, &launch, interrupt)?;
    verifier.contract(&running, server, interrupt)?;
    let mut cases = 0;
    for name in &server.workloads {
        let Some(workload) = spec.workload(name) else {
            unreachable!("the loader has checked the server's workloads")
        };
        verifier.workload(&running, server, workload, workload.cases.len(), interrupt)?;
        cases += workload.cases.len();
    }
    running.stop()?;
    Ok(cases)
}
