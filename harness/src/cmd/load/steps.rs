//! Loads one after the other: `--step`, at several rates, and `--overload`, beyond a rate that the
//! server holds. Each step is a load of its own, with connections of its own.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use url::Url;

use super::args::Load;
use super::drive::{Files, drive};
use super::ending::{exit, reasons};
use super::limit::{Limit, Verdict};
use super::live::View;
use super::{summary, text};
use crate::cmd::exit::{Exit, UsageError};
use crate::cmd::stdio;
use duet_loadgen::load::{self, LoadError, LoadModel, Measured};
use duet_loadgen::timing::arrivals::Rate;
use duet_process::interrupt::Interrupt;
use duet_protocol::Arrivals;

/// The name and version of the JSON's form.
pub(super) const SCHEMA: &str = "duet.load.steps/1";
/// How long a step takes unless --step says otherwise.
const STEP: Duration = Duration::from_secs(10);
/// The steps of an overload, as multiples of the rate that the server holds. The last is where it
/// has to recover.
const OVERLOAD: [f64; 4] = [1.0, 1.5, 2.0, 0.5];

/// Units are in the names: `_ns` nanoseconds, `_ratio` and `_rate` 0 to 1, `_per_second`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Summary {
    schema: &'static str,
    duet_version: &'static str,
    url: String,
    addr: String,
    connections: u32,
    step_ns: u64,
    /// Time before the first step.
    warmup_ns: u64,
    steps: Vec<Step>,
    /// With --overload: whether the rate of the last step held, which is half of the first.
    recovered: Option<bool>,
    /// Why it did not.
    reasons: Vec<String>,
    interrupted: bool,
}

/// A step.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Step {
    planned_per_second: f64,
    planned_per_second_end: f64,
    /// Why there is no result: no connection could be opened.
    error: Option<String>,
    /// A load as `duet load --json` has it.
    result: Option<summary::Summary>,
}

/// Steps at the rates of the command line.
pub(super) fn run(
    args: &Load,
    load: &load::Load,
    url: &Url,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let (found, exit) = match (&args.rate[..], args.steps.overload) {
        ([rate], true) if rate.is_steady() => {
            if !args.json {
                stdio::print(&text::fit(&format!("{}\n", text::target(load, url))))?;
            }
            overload(args, load, (url, interrupt), rate.from)?
        }
        (_, true) => {
            bail!(UsageError("an overload is of one rate: --overload --rate N".to_owned()))
        }
        ([_], false) => {
            bail!(UsageError("--step is for several rates, such as --rate 100,200".to_owned()))
        }
        (rates, false) => {
            if !args.json {
                stdio::print(&text::fit(&format!("{}\n", text::target(load, url))))?;
            }
            let measured = measure(args, load, (url, interrupt), rates)?;
            (measured.summary, measured.exit)
        }
    };
    if args.json {
        stdio::print_raw(&(serde_json::to_string_pretty(&found)? + "\n"))?;
    }
    Ok(exit)
}

/// Steps around a rate that the server holds. It has to hold half of it afterwards.
pub(super) fn overload(
    args: &Load,
    load: &load::Load,
    (url, interrupt): (&Url, &Interrupt),
    held: f64,
) -> Result<(Summary, Exit)> {
    let rates = OVERLOAD.map(|times| Rate::steady(held * times));
    let Measurements { mut summary, exit, last } = measure(args, load, (url, interrupt), &rates)?;
    if interrupt.signal().is_some() {
        return Ok((summary, exit));
    }
    summary.reasons = match &last {
        Some(measured) => reasons(args, measured),
        None => vec!["no connection could be opened".to_owned()],
    };
    let recovered = summary.reasons.is_empty();
    summary.recovered = Some(recovered);
    if !args.json {
        let (color, word) = match recovered {
            true => (AnsiColor::Green, "yes".to_owned()),
            false => (AnsiColor::Red, format!("no: {}", summary.reasons.join(", "))),
        };
        let style = Style::new().fg_color(Some(color.into()));
        let rate = duet_units::rate(rates[3].from);
        let all = format!("recovered     {style}{word}{style:#}, at {rate} per second\n");
        stdio::print(&text::fit(&all))?;
    }
    // That it does not hold what is too much is no fault.
    let answered = last.is_some_and(|measured| measured.ok > 0);
    Ok((
        summary,
        match (recovered, answered) {
            (true, _) => Exit::Done,
            (false, true) => Exit::Broken,
            (false, false) => Exit::ServerFailed,
        },
    ))
}

/// What steps came to.
struct Measurements {
    summary: Summary,
    exit: Exit,
    /// The last of them; none: no connection could be opened.
    last: Option<Measured>,
}

fn measure(
    args: &Load,
    load: &load::Load,
    (url, interrupt): (&Url, &Interrupt),
    rates: &[Rate],
) -> Result<Measurements> {
    let step = args.steps.step.unwrap_or(STEP);
    for rate in rates {
        let due = rate.mean() * step.as_secs_f64() >= args.burst.unwrap_or(1) as f64 / 2.0;
        let rate = duet_units::rate(rate.mean());
        let none = || format!("no request is due at {rate} per second: give a longer --step");
        ensure!(due, UsageError(none()));
    }
    let warmup = args.warmup.unwrap_or(Duration::from_secs(1));
    if !args.json {
        stdio::print(&text::fit(&head(args, load, step, warmup)))?;
    }
    let (mut steps, mut exits, mut last) = (vec![], vec![], None);
    for (i, &rate) in rates.iter().enumerate() {
        let warmup = if i == 0 { warmup } else { Duration::ZERO };
        let load = at(args, load, rate, (step, warmup));
        let measured = drive(&load, interrupt, View::new(&load, false), &mut Files::default());
        let (result, error) = match measured {
            Ok(measured) => (Some(measured), None),
            Err(_) if interrupt.signal().is_some() => break,
            Err(LoadError::Unconnected(why)) => (None, Some(why.to_string())),
            Err(error) => return Err(error.into()),
        };
        last = result
            .map(|measured| Measured { interrupted: interrupt.signal().is_some(), ..measured });
        let verdicts: Vec<Verdict> = match &last {
            Some(measured) => args.limit.iter().map(|l| l.judge(&measured.response)).collect(),
            None => vec![],
        };
        if !args.json {
            stdio::print(&text::fit(&row(rate, last.as_ref(), &args.limit, &verdicts)))?;
        }
        exits.push(last.as_ref().map_or(Exit::ServerFailed, |measured| {
            exit(measured, false, args.max_error_rate, &verdicts, interrupt.signal())
        }));
        let of = |measured: &Measured| summary::of(&load, url, measured, args, &verdicts);
        let result = last.as_ref().map(of);
        let (planned_per_second, planned_per_second_end) = (rate.from, rate.to);
        steps.push(Step { planned_per_second, planned_per_second_end, error, result });
        if interrupt.signal().is_some() {
            break;
        }
    }
    let summary = Summary {
        schema: SCHEMA,
        duet_version: env!("CARGO_PKG_VERSION"),
        url: url.to_string(),
        addr: load.target.to_string(),
        connections: load.connections,
        step_ns: step.as_nanos() as u64,
        warmup_ns: warmup.as_nanos() as u64,
        steps,
        recovered: None,
        reasons: vec![],
        interrupted: interrupt.signal().is_some(),
    };
    let signal = interrupt.signal().map(Exit::Interrupted);
    let exit = Exit::greatest(exits.into_iter().map(Some).chain([signal]));
    Ok(Measurements { summary, exit, last })
}

/// The load of a step.
fn at(
    args: &Load,
    load: &load::Load,
    rate: Rate,
    (measure, warmup): (Duration, Duration),
) -> load::Load {
    let arrivals = if args.poisson { Arrivals::Poisson } else { Arrivals::Uniform };
    let burst = args.burst.unwrap_or(1);
    let model = LoadModel::Open { rate, arrivals, burst, deadline: args.deadline };
    load::Load { model, measure, warmup, promised: false, ..load.clone() }
}

fn head(args: &Load, load: &load::Load, step: Duration, warmup: Duration) -> String {
    let seconds = |time: Duration| duet_units::nanoseconds(time.as_nanos() as f64);
    let arrivals = if args.poisson { Arrivals::Poisson } else { Arrivals::Uniform };
    let limits = if args.limit.is_empty() { "" } else { "  limits" };
    format!(
        "{}; steps of {}, {}, after {} of warm-up\n\n\
         {:>10}{:>10}{:>9}{:>10}{:>11}{:>11}{:>11}{limits}\n",
        text::by(load),
        seconds(step),
        text::arrivals_in_words(arrivals, args.burst.unwrap_or(1)),
        seconds(warmup),
        "planned/s",
        "ok/s",
        "failed",
        "not sent",
        "p50",
        "p99",
        "max",
    )
}

/// The figures of a step.
fn row(rate: Rate, measured: Option<&Measured>, limits: &[Limit], verdicts: &[Verdict]) -> String {
    let planned = match rate.is_steady() {
        true => duet_units::rate(rate.from),
        false => format!("{}:{}", duet_units::rate(rate.from), duet_units::rate(rate.to)),
    };
    let Some(measured) = measured else {
        return format!("{planned:>10}  no connection could be opened\n");
    };
    let shown = |p| {
        let found = measured.response.quantile(p);
        found.map_or_else(|| "unknown".to_owned(), |found| found.to_string())
    };
    let account = &measured.account;
    let mut words = vec![];
    for (limit, verdict) in limits.iter().zip(verdicts).filter(|(_, v)| **v != Verdict::Kept) {
        words.push(format!("{} {}", limit.quantile(), verdict.name()));
    }
    let words = match (limits.is_empty(), words.is_empty()) {
        (true, _) => String::new(),
        (false, true) => "  kept".to_owned(),
        (false, false) => format!("  {}", words.join(", ")),
    };
    let bound = if measured.generator_bound() { "  generator-bound" } else { "" };
    format!(
        "{planned:>10}{:>10}{:>9}{:>10}{:>11}{:>11}{:>11}{words}{bound}\n",
        measured.ok_per_second().map_or_else(|| "unknown".to_owned(), duet_units::rate),
        text::count(account.failed() + account.in_flight),
        text::count(account.unsent + account.shed),
        shown(0.5),
        shown(0.99),
        measured.response.max().map_or_else(|| "unknown".to_owned(), |max| max.to_string()),
    )
}
