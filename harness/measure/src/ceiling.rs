//! How many requests the load generator can make at most on this machine: against the null
//! responder, with the requests, connections, threads and CPUs of a load.
//!
//! A server that comes near this has not been measured: the generator has.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::host;
use duet_loadgen::count::seconds::Live;
use duet_loadgen::load::{self, Case, Ceiling, Load, LoadModel};
use duet_loadgen::request::exchange::{Exchange, ExpectedBody, Status};
use duet_process::child;

/// Time before the measured time, and the measured time.
const WARMUP: Duration = Duration::from_millis(60);
const MEASURE: Duration = Duration::from_millis(250);
/// More connections bring no more, but take time to open.
const CONNECTIONS_MAX: u32 = 256;
/// How long a response may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Measures the ceiling of `load`. The responder is on CPUs that are not the generator's, where
/// there are any, with a thread for each of the generator's.
///
/// # Errors
/// When the responder cannot be started or does not respond.
pub fn measure(load: &Load) -> Result<Ceiling> {
    let allowed = host::allowed_cpus()?;
    ensure!(allowed.len() > 1, "the null responder would need a CPU of its own, and there is one");
    let free = allowed.into_iter().filter(|cpu| !load.cpus.contains(cpu));
    let mut cpus: Vec<usize> = free.collect();
    ensure!(!cpus.is_empty(), "--cpus leaves no CPU to the null responder");
    let enough = cpus.len().saturating_sub(load.threads);
    cpus.drain(..enough); // from the back: the first CPUs have most to do with interrupts
    let threads = cpus.len().clamp(1, load.threads);
    let responder = start(&cpus, threads)?;
    let cases = load.cases.iter().map(|case| {
        // The response has no body, whatever is sent.
        let (status, weight) = (Status::Successful, case.weight);
        Case {
            weight,
            exchange: Exchange { status, body: ExpectedBody::Any, ..case.exchange.clone() },
        }
    });
    let against = Load {
        target: responder.addr.into(),
        cases: cases.collect(),
        connections: load.connections.min(CONNECTIONS_MAX).max(load.threads as u32),
        model: LoadModel::Closed { requests: None, think: Duration::ZERO },
        warmup: WARMUP,
        measure: MEASURE,
        timeout: TIMEOUT,
        promised: false,
        ..load.clone()
    };
    let measured = load::run(&against, &Live::default())?;
    let ok_per_second = measured.ok_per_second().filter(|rate| *rate > 0.0);
    Ok(Ceiling {
        ok_per_second: ok_per_second.context("the null responder gave no ok response")?,
        lower_bound: threads < load.threads && !measured.generator_bound(),
    })
}

/// A null responder, as a process of its own.
struct Responder {
    child: Child,
    addr: SocketAddr,
}

impl Drop for Responder {
    fn drop(&mut self) {
        child::destroy(&mut self.child);
    }
}

fn start(cpus: &[usize], threads: usize) -> Result<Responder> {
    let binary = std::env::current_exe().context("failed to find this program's own binary")?;
    let mut command = Command::new(binary);
    command.args(["null-responder", "--threads", &threads.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    child::tame(&mut command, cpus)?;
    let child = command.spawn().context("failed to start the null responder")?;
    let mut responder = Responder { child, addr: ([127, 0, 0, 1], 0).into() };
    let mut line = String::new();
    let stdout = responder.child.stdout.take().context("its output was asked for")?;
    BufReader::new(stdout).read_line(&mut line).context("failed to read from it")?;
    let addr = line.trim_end().strip_prefix("listening ").and_then(|addr| addr.parse().ok());
    responder.addr = addr.with_context(|| format!("the null responder said {line:?}"))?;
    Ok(responder)
}
