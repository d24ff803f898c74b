//! `duet load`: one load on one URL.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::{ArgGroup, Args, ValueEnum};
use url::Url;

use super::{Exit, UsageError};
use duet_loadgen::count::seconds::Live;
use duet_loadgen::load::{self, Ceiling, LoadModel, Measured};
use duet_loadgen::timing::arrivals::Rate;
use duet_measure::ceiling;
use duet_measure::host;
use duet_process::interrupt::Interrupt;
use duet_protocol::{Address, Arrivals};

mod capacity;
mod cases;
mod limit;
mod live;
mod picture;
mod request;
mod series;
mod summary;
mod text;
mod transport;
mod values;

use limit::{Limit, Verdict};
use live::View;
use series::Series;
use values::{duration, rate, share, timeout};

/// Connections where none are asked for: what oha and hey take.
const CONNECTIONS: u32 = 50;

/// Load-tests a URL
///
/// Closed loop: each connection sends its next request when it has its response. With --rate, open
/// loop: requests are sent at planned instants whatever the server does, and response times count
/// from those instants. Every response is compared; the accounts add up.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("open").args(["rate", "find_capacity"]).multiple(true)))]
pub(super) struct Load {
    /// Target URL: http://host[:port]/path?query, or https://...
    ///
    /// In path, query, header values and bodies `{seq}` stands for the number of the request and
    /// `{rand}` for a random number, both of ten digits; `{seq:4}` and `{rand:4}` have four.
    #[arg(value_name = "URL")]
    url: String,

    /// Connections [default: 50].
    #[arg(short, long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: Option<u32>,

    /// Threads [default: half the CPUs that may be used].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// How long to measure, such as 10s, 500ms or 2m; a number alone is seconds.
    #[arg(short, long, short_alias = 'z', value_name = "TIME", default_value = "10s")]
    #[arg(value_parser = duration, conflicts_with = "requests")]
    duration: Duration,

    /// How many requests to measure, instead of a duration; with --poisson, on average.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,

    /// Requests per second over all connections: an open loop. A:B: from A to B, evenly changing.
    #[arg(short = 'q', long, short_alias = 'R', alias = "qps", value_name = "N|A:B")]
    #[arg(value_parser = rate)]
    rate: Option<Rate>,

    /// Random instants, as if of many independent users, instead of evenly spaced ones.
    #[arg(long, requires = "open")]
    poisson: bool,

    /// Random seed for instants, the choice of requests and `{rand}`.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// A request that is older than this when its turn comes is not sent, and counted.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "open")]
    deadline: Option<Duration>,

    /// Time before the measured time [default: 1s; none with --requests].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    warmup: Option<Duration>,

    /// Timeout of a response: 1ms or more.
    #[arg(long, value_name = "TIME", value_parser = timeout, default_value = "10s")]
    timeout: Duration,

    #[command(flatten)]
    request: request::RequestArgs,

    #[command(flatten)]
    transport: transport::TransportArgs,

    /// Requests that are in flight on each connection, written together: HTTP/1.1 pipelining.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    #[arg(conflicts_with_all = ["rate", "disable_keepalive", "http2"])]
    pipeline: u32,

    /// Expected status [default: any 2xx].
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..600))]
    expect_status: Option<u16>,

    /// What is compared with the first response.
    #[arg(long, value_name = "WHAT", default_value = "auto")]
    verify: Verify,

    /// The tolerated share of requests without a ok response, such as 0.01 or 1%.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    max_error_rate: f64,

    /// What must hold, such as p99=5ms or max=1s; may be repeated. Response times in an open loop,
    /// service times in a closed one.
    #[arg(long, value_name = "QUANTILE=TIME")]
    limit: Vec<Limit>,

    #[command(flatten)]
    capacity: capacity::CapacityArgs,

    /// Pin the threads to these CPUs, such as 2,3; one thread for each unless --threads says so.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    cpus: Vec<usize>,

    /// Do not measure what the generator reaches at most here, which takes a third of a second
    /// after the run.
    #[arg(long)]
    no_ceiling: bool,

    /// Print the result as JSON (schema duet.load/1).
    #[arg(long)]
    json: bool,

    /// Write the histograms as a HdrHistogram log, V2.
    #[arg(long, value_name = "FILE")]
    hdr: Option<PathBuf>,

    /// Write a line for each second: .csv or .jsonl.
    #[arg(long, value_name = "FILE", value_parser = series::file)]
    series: Option<PathBuf>,

    /// Write the percentiles as a picture.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Write the percentiles as text for HdrHistogram's plotter, in milliseconds.
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
}

/// What is compared with the first response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verify {
    /// Status, and the body if the first two bodies are equal.
    Auto,
    /// Status and body.
    Body,
    /// Status only.
    Status,
}

pub(super) fn run(args: &Load) -> Result<Exit> {
    let url = request::url(&args.url)?;
    let load = prepare(args, &url)?;
    let interrupt = Interrupt::watch()?;
    if args.capacity.find_capacity {
        return capacity::run(args, &load, &url, &interrupt);
    }
    if !args.json {
        anstream::print!("{}", text::head(&load, &url));
    }
    let mut series = args.series.as_deref().map(|path| series(path, &load)).transpose()?;
    let view = View::new(&load, true);
    let mut measured = drive(&load, &interrupt, view, series.as_mut())?;
    if !args.no_ceiling && measured.account.ok > 0 && interrupt.signal().is_none() {
        measured.ceiling = ceiling(&load);
    }
    let verdicts: Vec<Verdict> =
        args.limit.iter().map(|limit| limit.judge(text::headline(&load, &measured))).collect();
    if args.json {
        let summary = summary::of(&load, &url, &measured, &args.limit, &verdicts);
        anstream::println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        anstream::print!("{}", text::result(&load, &measured, &args.limit, &verdicts));
    }
    if let Some(path) = &args.hdr {
        summary::write_log(path, &load, &measured)?;
    }
    if let Some(path) = &args.hgrm {
        summary::write_percentiles(path, text::headline(&load, &measured))?;
    }
    if let Some(path) = &args.svg {
        picture::write(path, &load, &url, &measured)?;
    }
    series.map_or(Ok(()), Series::finish)?;
    Ok(exit(&measured, args.max_error_rate, &verdicts, interrupt.signal()))
}

/// Sends every request once, so that the responses that follow can be checked.
fn prepare(args: &Load, url: &Url) -> Result<load::Load> {
    let (connections, threads) = counts(args)?;
    let (model, measure) = model(args)?;
    let (target, cases, first_index) = cases::prepare(args, url)?;
    let warmup = args.requests.map_or(Duration::from_secs(1), |_| Duration::ZERO);
    Ok(load::Load {
        target,
        cases,
        first_index,
        churn: args.request.disable_keepalive,
        pipeline: args.pipeline as usize,
        connections,
        streams: args.transport.streams(),
        threads,
        cpus: args.cpus.clone(),
        model,
        warmup: args.warmup.unwrap_or(warmup),
        measure,
        timeout: args.timeout,
        seed: args.seed,
    })
}

/// Connections and threads.
fn counts(args: &Load) -> Result<(u32, usize)> {
    let allowed = host::allowed_cpus()?;
    if let Some(cpu) = args.cpus.iter().find(|cpu| !allowed.contains(cpu)) {
        bail!(UsageError(format!("CPU {cpu} may not be used here; these may: {allowed:?}")));
    }
    let enough = args.requests.and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX);
    let connections = args.connections.unwrap_or(CONNECTIONS.min(enough));
    let threads = match (args.threads, args.cpus.len()) {
        (Some(threads), _) => threads as usize,
        (None, 0) => allowed.len() / 2,
        (None, cpus) => cpus,
    };
    Ok((connections, threads.clamp(1, connections as usize)))
}

/// When requests are sent, and for how long.
fn model(args: &Load) -> Result<(LoadModel, Duration)> {
    let Some(rate) = args.rate else {
        let some = args.requests.is_some() || !args.duration.is_zero();
        ensure!(some, UsageError("a load takes some time: --duration".to_owned()));
        return Ok((LoadModel::Closed { requests: args.requests }, args.duration));
    };
    let arrivals = if args.poisson { Arrivals::Poisson } else { Arrivals::Uniform };
    let measure = match args.requests {
        Some(n) => Duration::from_secs_f64((n as f64 / rate.mean()).min(1e9)),
        None => args.duration,
    };
    // The first of evenly spaced instants is where half a request is expected.
    let some = args.capacity.find_capacity || rate.mean() * measure.as_secs_f64() >= 0.5;
    ensure!(
        some,
        UsageError("no request is due at this rate: give a longer --duration".to_owned())
    );
    Ok((LoadModel::Open { rate, arrivals, deadline: args.deadline }, measure))
}

/// The file of the series.
fn series<'l>(path: &Path, load: &'l load::Load) -> Result<Series<'l>> {
    let cpus = if load.cpus.is_empty() { host::allowed_cpus()? } else { load.cpus.clone() };
    Series::create(path, load, cpus)
}

/// Carries it out, showing and writing what happens each second, until it is over or Ctrl-C.
fn drive(
    load: &load::Load,
    interrupt: &Interrupt,
    mut view: View<'_>,
    mut series: Option<&mut Series<'_>>,
) -> Result<Measured> {
    let (live, mut seconds) = Live::watched(view.is_on_terminal() || series.is_some());
    std::thread::scope(|scope| {
        let driving = scope.spawn(|| load::run(load, &live));
        loop {
            let over = driving.is_finished();
            if interrupt.signal().is_some() {
                live.stop.store(true, Ordering::Relaxed);
            }
            let new = if over { seconds.rest() } else { seconds.complete(load.threads) };
            for second in new {
                view.add(&second);
                series.as_mut().into_iter().for_each(|series| series.write(&second));
            }
            if over {
                break;
            }
            view.show();
            std::thread::park_timeout(live::TICK);
        }
        view.finish();
        driving.join().map_err(|_| anyhow::anyhow!("the load generator has died"))?
    })
}

/// What the generator reaches at most; none, and the reason on standard error, where that cannot
/// be measured.
fn ceiling(load: &load::Load) -> Option<Ceiling> {
    let plain = matches!(load.target.addr, Address::Tcp(_)) && load.target.tls.is_none();
    if !plain || load.target.http2 {
        return None; // the null responder speaks nothing else
    }
    match ceiling::measure(load) {
        Ok(ceiling) => Some(ceiling),
        Err(error) => {
            anstream::eprintln!("the generator's ceiling was not measured: {error:#}");
            None
        }
    }
}

/// How it ended. What makes the figures worthless comes before what they say.
fn exit(
    measured: &Measured,
    max_error_rate: f64,
    verdicts: &[Verdict],
    signal: Option<i32>,
) -> Exit {
    let connections = &measured.connections;
    let incomplete =
        measured.connections_open < measured.connections_planned || connections.unsolicited > 0;
    if let Some(signal) = signal {
        Exit::Interrupted(signal)
    } else if incomplete
        || measured.account.ok == 0
        || measured.account.error_rate() > max_error_rate
    {
        Exit::ServerFailed
    } else if verdicts.contains(&Verdict::Broken) {
        Exit::Broken
    } else if verdicts.contains(&Verdict::Unknown) {
        Exit::Inconclusive
    } else {
        Exit::Done
    }
}
