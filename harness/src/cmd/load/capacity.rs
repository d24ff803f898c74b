//! `--find-capacity`: the highest rate at which the limits hold, by probes in an open loop.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use serde::Serialize;
use url::Url;

use super::args::Load;
use super::drive::{Files, drive};
use super::ending::reasons;
use super::limit::Limit;
use super::live::View;
use super::steps;
use super::summary::{self, Quantiles};
use super::text;
use super::values::{self, RATE_MAX};
use crate::cmd::exit::{Exit, ServerUnavailable, UsageError};
use crate::cmd::stdio;
use duet_loadgen::capacity::{self, Interval, Next, Probe, Rules};
use duet_loadgen::load::{self, LoadError, LoadModel, Measured};
use duet_loadgen::timing::arrivals::Rate;
use duet_process::interrupt::Interrupt;
use duet_protocol::Arrivals;
use duet_protocol::SearchEnd;

/// The name and version of the JSON's form.
pub(super) const SCHEMA: &str = "duet.load.capacity/1";
/// Where the search begins unless --rate says otherwise.
const FIRST: f64 = 1000.0;
/// The ends of the answer are at most this share apart. Narrower ones would say more about the
/// moment than about the server.
const PRECISION: f64 = 0.05;
/// Doubling from one request a second to the highest rate takes 24 probes, bisection with repeated
/// failures up to ten.
const PROBES_MAX: usize = 40;
/// A probe lasts as long as so many responses one after the other, or what is in flight at its end
/// is more than the fiftieth that may be missing ([`capacity::is_achieved`]).
const PROBE_RESPONSES: u64 = 50;
/// The longest warm-up of a probe unless --warmup says otherwise.
const WARMUP_MAX: Duration = Duration::from_secs(1);

/// Units are in the names: `_ns` nanoseconds, `_ratio` and `_rate` 0 to 1, `_per_second`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Summary {
    schema: &'static str,
    duet_version: &'static str,
    url: String,
    addr: String,
    connections: u32,
    limits: Vec<String>,
    error_rate_max: f64,
    probe_ns: u64,
    warmup_ns: u64,
    /// The highest rate that held, in two of its two or three probes.
    held_per_second: Option<f64>,
    /// The lowest rate that failed, likewise.
    failed_per_second: Option<f64>,
    /// `narrow`, `all_held`, `none_held`, `out_of_probes` or `interrupted`.
    end: &'static str,
    probes: Vec<ProbeResult>,
    /// With --overload: what happens beyond the rate that held.
    overload: Option<steps::Summary>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProbeResult {
    planned_per_second: f64,
    ok_per_second: Option<f64>,
    held: bool,
    /// Why it did not hold.
    reasons: Vec<String>,
    /// Absent, as all below, where no connection could be opened.
    error_rate: Option<f64>,
    response: Option<Quantiles>,
    generator_busy_ratio: Option<f64>,
    generator_bound: Option<bool>,
}

pub(super) fn run(
    args: &Load,
    load: &load::Load,
    url: &Url,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let rules = rules(args)?;
    let load = load::Load {
        measure: args.capacity.probe_duration,
        promised: false,
        warmup: args.warmup.unwrap_or(WARMUP_MAX.min(args.capacity.probe_duration / 4)),
        ..load.clone()
    };
    if !args.json {
        stdio::print(&text::fit(&head(args, &load, url)))?;
    }
    let (mut probes, mut results, mut typical_ns) = (vec![], vec![], None);
    let end = loop {
        let per_second = match capacity::next(&rules, &probes) {
            Next::Probe(per_second) => per_second,
            Next::End(end) => break Some(end),
        };
        let (probe, began) = (at(&load, args, per_second), Instant::now());
        let measured = drive(&probe, interrupt, View::new(&probe, false), &mut Files::default());
        if interrupt.signal().is_some() {
            break None; // nothing is known about a rate that was not tried for its whole time
        }
        let measured = connected(measured, &results)?;
        if let Some(measured) = &measured {
            let typical = measured.service.quantile(0.5).or_else(|| measured.service.max());
            // The least: beyond the capacity it is waiting for others that takes long.
            let typical = typical.map(|latency| latency.ns);
            typical_ns = typical.into_iter().chain(typical_ns).min();
        }
        let reasons = measured.as_ref().map_or_else(
            || vec!["no connection could be opened".to_owned()],
            |measured| reasons(args, measured),
        );
        if !args.json {
            let row = row(&args.limit, per_second, measured.as_ref(), &reasons);
            stdio::print(&text::fit(&row))?;
        }
        probes.push(Probe { per_second, held: reasons.is_empty(), took: began.elapsed() });
        results.push(result(per_second, measured.as_ref(), reasons));
    };
    let mut found = summary(args, &load, url, capacity::interval(&probes), end, results);
    found.warnings.extend(too_short(&load, &found, typical_ns));
    if !args.json {
        stdio::print(&text::fit(&answer(&found)))?;
    }
    let mut overloaded = Exit::Done;
    if let Some(held) = found.held_per_second.filter(|_| args.steps.overload)
        && interrupt.signal().is_none()
    {
        let (overload, exit) = steps::overload(args, &load, (url, interrupt), held)?;
        found.overload = Some(overload);
        overloaded = exit;
    }
    if args.json {
        stdio::print_raw(&(serde_json::to_string_pretty(&found)? + "\n"))?;
    }
    let searched = match (interrupt.signal(), found.held_per_second, found.probes.last()) {
        (Some(signal), ..) => Exit::Interrupted(signal),
        (None, Some(_), _) => Exit::Done,
        (None, None, Some(last)) if last.ok_per_second == Some(0.0) => Exit::ServerFailed,
        (None, None, _) => Exit::Broken,
    };
    Ok(searched.max(overloaded))
}

/// What a probe came to after those before it; none where no connection could be opened. That may
/// happen for a moment, and fails the probe; a server is gone where it happens twice in a row.
fn connected(
    measured: Result<Measured, LoadError>,
    before: &[ProbeResult],
) -> Result<Option<Measured>> {
    match measured {
        Err(LoadError::Unconnected(why)) => {
            let again = before.last().is_some_and(|probe| probe.response.is_none());
            if again {
                bail!(ServerUnavailable(format!(
                    "{why}, in two probes in a row: is the server still running?"
                )));
            }
            Ok(None)
        }
        measured => Ok(Some(measured?)),
    }
}

/// From the lowest rate at which a probe has requests enough for the quantiles of its limits.
fn rules(args: &Load) -> Result<Rules> {
    let needed = args.limit.iter().map(Limit::requests).fold(1.0, f64::max);
    // Six standard deviations more, for Poisson arrivals.
    let needed = needed + 6.0 * needed.sqrt();
    let lowest = (needed / args.capacity.probe_duration.as_secs_f64()).ceil();
    let first = match args.rate[..] {
        [] => FIRST,
        [rate] if rate.is_steady() => rate.from,
        _ => bail!(UsageError("a search begins at one rate: --rate N".to_owned())),
    };
    if lowest > RATE_MAX {
        bail!(UsageError("the probes are too short for these limits: --probe-duration".to_owned()));
    }
    Ok(Rules {
        first: first.max(lowest),
        lowest,
        highest: RATE_MAX,
        growth: 2.0,
        precision: PRECISION,
        probes_max: PROBES_MAX,
        time_max: Duration::MAX,
    })
}

/// The load of a probe.
fn at(load: &load::Load, args: &Load, per_second: f64) -> load::Load {
    let arrivals = if args.poisson { Arrivals::Poisson } else { Arrivals::Uniform };
    let rate = Rate::steady(per_second);
    let burst = args.burst.unwrap_or(1);
    let model = LoadModel::Open { rate, arrivals, burst, deadline: args.deadline };
    load::Load { model, ..load.clone() }
}

fn result(per_second: f64, measured: Option<&Measured>, reasons: Vec<String>) -> ProbeResult {
    ProbeResult {
        planned_per_second: per_second,
        ok_per_second: measured.and_then(Measured::ok_per_second),
        held: reasons.is_empty(),
        reasons,
        error_rate: measured.map(|measured| measured.account.error_rate()),
        response: measured
            .map(|measured| summary::quantiles(&measured.response, &values::quantiles(&[]))),
        generator_busy_ratio: measured.map(Measured::busy),
        generator_bound: measured.map(Measured::generator_bound),
    }
}

fn summary(
    args: &Load,
    load: &load::Load,
    url: &Url,
    found: Interval,
    end: Option<SearchEnd>,
    probes: Vec<ProbeResult>,
) -> Summary {
    let mut warnings = vec![];
    let is_upper = |probe: &&ProbeResult| Some(probe.planned_per_second) == found.failed;
    if probes.iter().filter(is_upper).any(|probe| probe.generator_bound == Some(true)) {
        warnings.push(
            "generator-bound at the upper end: the server may hold more; give the generator more \
             threads, or CPUs of its own"
                .to_owned(),
        );
    }
    match end {
        Some(SearchEnd::OutOfProbes | SearchEnd::OutOfTime) => {
            warnings.push("the interval is wide: there were as many probes as allowed".to_owned());
        }
        None => {
            warnings.push("interrupted: the interval is as far as the search had come".to_owned());
        }
        _ => {}
    }
    Summary {
        schema: SCHEMA,
        duet_version: env!("CARGO_PKG_VERSION"),
        url: url.to_string(),
        addr: load.target.to_string(),
        connections: load.connections,
        limits: args.limit.iter().map(Limit::to_string).collect(),
        error_rate_max: args.max_error_rate,
        probe_ns: load.measure.as_nanos() as u64,
        warmup_ns: load.warmup.as_nanos() as u64,
        held_per_second: found.held,
        failed_per_second: found.failed,
        end: match end {
            Some(SearchEnd::Narrow) => "narrow",
            Some(SearchEnd::AllHeld) => "all_held",
            Some(SearchEnd::NoneHeld) => "none_held",
            Some(SearchEnd::OutOfProbes) => "out_of_probes",
            Some(SearchEnd::OutOfTime) => "out_of_time",
            None => "interrupted",
        },
        probes,
        overload: None,
        warnings,
    }
}

/// Where no rate held: whether the probes are too short for how long responses take, and which
/// would decide.
fn too_short(load: &load::Load, found: &Summary, typical_ns: Option<u64>) -> Option<String> {
    let typical_ns = typical_ns?;
    let probe_ns = load.measure.as_nanos() as u64;
    (found.held_per_second.is_none() && typical_ns * PROBE_RESPONSES > probe_ns).then(|| {
        format!(
            "responses take {}, of which a probe of {} holds too few: --probe-duration {}s would \
             decide",
            duet_units::nanoseconds(typical_ns as f64),
            duet_units::nanoseconds(probe_ns as f64),
            (typical_ns * PROBE_RESPONSES).div_ceil(1_000_000_000)
        )
    })
}

fn head(args: &Load, load: &load::Load, url: &Url) -> String {
    let limits: Vec<String> = args.limit.iter().map(Limit::to_string).collect();
    let quantiles = args.limit.iter().map(|limit| format!("{:>12}", limit.quantile()));
    let seconds = |time: Duration| duet_units::nanoseconds(time.as_nanos() as f64);
    let arrivals = if args.poisson { Arrivals::Poisson } else { Arrivals::Uniform };
    let arrivals = text::arrivals_in_words(arrivals, args.burst.unwrap_or(1));
    format!(
        "{}\n{}; probes of {}, {arrivals}, after {} of warm-up\n\
         the highest rate with {}, at most {} errors\n\n{:>12}{:>12}{}{:>12}\n",
        text::target(load, url),
        text::by(load),
        seconds(load.measure),
        seconds(load.warmup),
        limits.join(", "),
        duet_units::percent(args.max_error_rate),
        "planned/s",
        "ok/s",
        quantiles.collect::<String>(),
        "generator",
    )
}

/// A line of the table.
fn row(
    limits: &[Limit],
    per_second: f64,
    measured: Option<&Measured>,
    reasons: &[String],
) -> String {
    let latencies = limits.iter().map(|limit| {
        let found = measured.and_then(|measured| limit.find(&measured.response));
        format!("{:>12}", found.map_or_else(|| "unknown".to_owned(), |found| found.to_string()))
    });
    let right = measured.and_then(Measured::ok_per_second).unwrap_or(0.0);
    let busy = measured.map_or_else(|| "unknown".to_owned(), |m| duet_units::percent(m.busy()));
    let (color, word) = match reasons {
        [] => (AnsiColor::Green, "held".to_owned()),
        reasons => (AnsiColor::Red, format!("failed: {}", reasons.join(", "))),
    };
    let style = Style::new().fg_color(Some(color.into()));
    format!(
        "{:>12}{:>12}{}{busy:>12}  {style}{word}{style:#}\n",
        duet_units::rate(per_second),
        duet_units::rate(right),
        latencies.collect::<String>(),
    )
}

fn answer(found: &Summary) -> String {
    let bold = Style::new().bold();
    let (held, failed) = (found.held_per_second, found.failed_per_second);
    let rates = match (held.map(duet_units::rate), failed.map(duet_units::rate)) {
        (Some(held), Some(failed)) => {
            format!("last held {held}, failed first {failed} requests per second")
        }
        (Some(held), None) => format!("last held {held} requests per second, none failed"),
        (None, Some(failed)) => format!("none held, failed first {failed} requests per second"),
        (None, None) => "unknown".to_owned(),
    };
    let probes = duet_units::count(found.probes.len(), "probe");
    let mut out = format!("\ncapacity      {bold}{rates}{bold:#} ({probes})\n");
    for warning in &found.warnings {
        let yellow = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
        out += &format!("{yellow}warning{yellow:#}       {warning}\n");
    }
    out
}
