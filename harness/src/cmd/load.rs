//! `duet load`: one load on one URL.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use url::Url;

use super::exit::{Exit, ServerUnavailable, UsageError};
use super::output;
use super::stdio::{self, Stream};
use duet_loadgen::load::{self, Ceiling, LoadError, LoadModel, Measured, Order};
use duet_measure::ceiling;
use duet_measure::host;
use duet_process::interrupt::Interrupt;
use duet_protocol::{Address, Arrivals};

mod args;
mod capacity;
mod cases;
mod drive;
mod ending;
mod form;
mod limit;
mod lines;
mod live;
mod messages;
mod picture;
mod place;
mod proxy;
mod raw;
mod request;
#[cfg(test)]
mod schemas;
mod series;
mod steps;
mod summary;
mod targets;
mod text;
mod transport;
mod values;
mod variables;

pub(super) use args::Load;
use cases::Prepared;
use drive::{Files, drive};
use ending::exit;
use limit::Verdict;
use live::View;
use place::Place;
use raw::Raw;
use series::Series;
use targets::Listed;

/// Connections where none are asked for: what oha and hey take.
const CONNECTIONS: u32 = 50;

pub(super) fn run(args: &Load) -> Result<Exit> {
    let listed = args.request.targets.as_deref().map(targets::read).transpose()?;
    let listed = listed.unwrap_or_default();
    let mut place = match &args.url {
        Some(url) => Place::new(url)?,
        None => targets::place(&listed)?,
    };
    if args.location && !place.websocket {
        place = cases::follow(args, place)?;
    }
    let straight = !args.transport.is_local() && args.transport.proxy.is_none();
    if let Some(variable) = proxy::ignored(&place.url).filter(|_| straight) {
        stdio::note(&format!(
            "{variable} is set, but a load goes to its host without a proxy: give --proxy"
        ));
    }
    ensure!(
        args.rate.len() < 2 || args.steps.are_there(),
        UsageError("several rates are steps: say how long each is, such as --step 10s".to_owned())
    );
    let load = prepare(args, &place, &listed)?;
    let url = place.shown();
    let interrupt = Interrupt::watch()?;
    if args.capacity.find_capacity {
        return capacity::run(args, &load, &url, &interrupt);
    }
    if args.steps.are_there() {
        return steps::run(args, &load, &url, &interrupt);
    }
    let stream = Stream::beside([&args.hdr, &args.series, &args.svg, &args.hgrm, &args.raw]);
    if !args.json {
        stream.print(&text::fit(&text::head(&load, &url)))?;
    }
    let mut files = Files {
        series: args.series.as_deref().map(|path| series(path, &load)).transpose()?,
        raw: args.raw.as_deref().map(Raw::create).transpose()?,
    };
    let view = View::new(&load, true);
    let driven = drive(&load, &interrupt, view, &mut files);
    let mut measured = match (driven, interrupt.signal()) {
        (Err(_), Some(signal)) => {
            stdio::note("interrupted before a connection was open: nothing was measured");
            return Ok(Exit::Interrupted(signal));
        }
        (driven, _) => driven.map_err(unconnected)?,
    };
    measured.interrupted = interrupt.signal().is_some();
    if !args.no_ceiling && measured.account.ok > 0 && !measured.interrupted {
        measured.ceiling = ceiling(&load, &measured);
    }
    let verdicts: Vec<Verdict> =
        args.limit.iter().map(|limit| limit.judge(text::headline(&load, &measured))).collect();
    let printed = if args.json {
        let summary = summary::of(&load, &url, &measured, args, &verdicts);
        stdio::print_raw(&(serde_json::to_string_pretty(&summary)? + "\n"))
    } else {
        stream.print(&text::fit(&text::result(&load, &measured, args, &verdicts)))
    };
    let written = write(args, &load, &url, &measured);
    printed.and(written).and(files.finish())?;
    Ok(exit(&measured, load.promised, args.max_error_rate, &verdicts, interrupt.signal()))
}

/// A server that took the first requests, and takes no connections any more, has failed; it is
/// another matter where this machine has no room for them.
fn unconnected(error: LoadError) -> anyhow::Error {
    match error {
        LoadError::Unconnected(why) if !why.is_of_this_machine() => {
            ServerUnavailable(why.to_string()).into()
        }
        error => error.into(),
    }
}

/// Writes the files that are wanted.
fn write(args: &Load, load: &load::Load, url: &Url, measured: &Measured) -> Result<()> {
    let headline = text::headline(load, measured);
    if let Some(path) = &args.hdr {
        output::write(path, &summary::log(load, measured)?)?;
    }
    if let Some(path) = &args.hgrm {
        output::write(path, summary::percentiles(headline).as_bytes())?;
    }
    if let Some(path) = &args.svg {
        output::write(path, picture::picture(load, url, measured).as_bytes())?;
    }
    Ok(())
}

/// Sends every request once, so that the responses that follow can be checked.
fn prepare(args: &Load, place: &Place, listed: &[Listed]) -> Result<load::Load> {
    let (connections, threads) = counts(args)?;
    let (model, measure) = model(args)?;
    let variables = args.request.variables()?;
    let Prepared { target, cases, sent } = match place.websocket {
        true => messages::prepare(args, place, listed)?,
        false => cases::prepare(args, place, listed, &variables)?,
    };
    let warmup = args.requests.map_or(Duration::from_secs(1), |_| Duration::ZERO);
    Ok(load::Load {
        target,
        cases,
        order: if listed.is_empty() { Order::ByWeight } else { Order::InTurn },
        rows: variables.rows,
        session: variables.session,
        first_index: sent,
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
        promised: args.requests.is_some(),
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
    let Some(&rate) = args.rate.first() else {
        let some = args.requests.is_some() || !args.duration.is_zero();
        ensure!(some, UsageError("a load takes some time: --duration".to_owned()));
        let think = args.think.unwrap_or_default();
        return Ok((LoadModel::Closed { requests: args.requests, think }, args.duration));
    };
    let arrivals = if args.poisson { Arrivals::Poisson } else { Arrivals::Uniform };
    let measure = match args.requests {
        Some(n) => Duration::from_secs_f64((n as f64 / rate.mean()).min(1e9)),
        None => args.duration,
    };
    let burst = args.burst.unwrap_or(1);
    // The first of evenly spaced instants is where half a request is expected.
    let due = rate.mean() * measure.as_secs_f64() >= burst as f64 / 2.0;
    ensure!(
        args.capacity.find_capacity || args.steps.are_there() || due,
        UsageError("no request is due at this rate: give a longer --duration".to_owned())
    );
    Ok((LoadModel::Open { rate, arrivals, burst, deadline: args.deadline }, measure))
}

/// The file of the series.
fn series<'l>(path: &Path, load: &'l load::Load) -> Result<Series<'l>> {
    let cpus = if load.cpus.is_empty() { host::allowed_cpus()? } else { load.cpus.clone() };
    Series::create(path, load, cpus)
}

/// What the generator reaches at most; none, and the reason on standard error, where that cannot
/// be measured.
fn ceiling(load: &load::Load, measured: &Measured) -> Option<Ceiling> {
    let plain = matches!(load.target.addr, Address::Tcp(_)) && load.target.tls.is_none();
    let takes = load
        .cases
        .iter()
        .any(|case| !case.exchange.captures.is_empty() || case.exchange.message.is_some());
    if !plain || load.target.http2 || takes || !load.think().is_zero() {
        return None; // the null responder speaks nothing else, and has no values
    }
    match ceiling::measure(load) {
        Ok(ceiling) if measured.ok_per_second() > Some(ceiling.ok_per_second) => {
            stdio::note(
                "the generator's ceiling is not known: it reached more than against a responder \
                 that does nothing",
            );
            None
        }
        Ok(ceiling) => Some(ceiling),
        Err(error) => {
            stdio::note(&format!("the generator's ceiling was not measured: {error:#}"));
            None
        }
    }
}
