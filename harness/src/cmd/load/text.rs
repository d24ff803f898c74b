//! The result for people.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use url::Url;

use super::args;
use super::limit::Verdict;
use super::values::{Percentile, quantiles};
use crate::cmd::stdio;
use duet_loadgen::count::latencies::{Latencies, Latency};
use duet_loadgen::error_kind::ErrorKind;
use duet_loadgen::load::{DRAIN_MAX, Load, LoadModel, Measured, Order};
use duet_protocol::Arrivals;

mod responses;
mod words;

pub(super) use responses::request_line;
use responses::{histogram, responses};
pub(super) use words::{count, fit, fitted, kinds};
use words::{line, plural};

/// The send lag of the generator's own making, at p99, from which on it casts doubt on the
/// response times: this share of their p99.
const GENERATOR_LAG_RATIO: f64 = 0.1;
/// A number of requests that takes so many times as long as it was planned did not keep its rate.
const LATE: f64 = 1.1;

/// The latencies that limits are about: response times where there are any.
pub(super) fn headline<'a>(load: &Load, measured: &'a Measured) -> &'a Latencies {
    match load.model {
        LoadModel::Open { .. } => &measured.response,
        LoadModel::Closed { .. } => &measured.service,
    }
}

/// The target, and what is compared.
pub(super) fn target(load: &Load, url: &Url) -> String {
    let http = if load.target.http2 { "HTTP/2, " } else { "" };
    format!("{url} at {}: {http}{}", load.target, compared(load))
}

/// By what.
pub(super) fn by(load: &Load) -> String {
    let connections = plural(load.connections.into(), "connection");
    let manner = match (load.churn, load.in_flight_max()) {
        (true, _) => " at a time, a new one for each request,".to_owned(),
        (false, 1) => String::new(),
        (false, n) => format!(" with {n} requests in flight on each,"),
    };
    format!("{connections}{manner} on {}", plural(load.threads as u64, "thread"))
}

/// How hard, and for how long.
pub(super) fn how(load: &Load) -> String {
    let seconds = |time: Duration| duet_units::nanoseconds(time.as_nanos() as f64);
    let how = match load.model {
        LoadModel::Closed { requests, think } => {
            let much = match requests {
                Some(n) => format!("{} requests", count(n)),
                None => seconds(load.measure),
            };
            let think = match think {
                Duration::ZERO => String::new(),
                think => format!(" with {} of think time", seconds(think)),
            };
            format!("closed loop{think}, {much}")
        }
        LoadModel::Open { rate, arrivals, burst, .. } => {
            let arrivals = arrivals_in_words(arrivals, burst);
            let rate = match rate.is_steady() {
                true => duet_units::rate(rate.from),
                false => {
                    format!("{} to {}", duet_units::rate(rate.from), duet_units::rate(rate.to))
                }
            };
            format!("open loop, {rate} requests per second, {arrivals}, {}", seconds(load.measure))
        }
    };
    let warmup = match load.warmup {
        Duration::ZERO => "without warm-up".to_owned(),
        time => format!("after {} of warm-up", seconds(time)),
    };
    format!("{}; {how} {warmup}", by(load))
}

/// How the requests of an open loop are spread.
pub(super) fn arrivals_in_words(arrivals: Arrivals, burst: u64) -> String {
    match arrivals {
        Arrivals::Poisson => "Poisson".to_owned(),
        Arrivals::Uniform if burst > 1 => format!("in bursts of {}", count(burst)),
        Arrivals::Uniform => "evenly spaced".to_owned(),
    }
}

/// What will be done.
pub(super) fn head(load: &Load, url: &Url) -> String {
    format!("{}\n{}\n", target(load, url), how(load))
}

/// The latencies that there are, by name.
pub(super) fn columns<'a>(
    load: &Load,
    measured: &'a Measured,
) -> Vec<(&'static str, &'a Latencies)> {
    let service = Some(("service", &measured.service));
    let first_byte = measured.first_byte.as_ref().map(|first_byte| ("first byte", first_byte));
    let open = matches!(load.model, LoadModel::Open { .. });
    let response = open.then_some(("response", &measured.response));
    let send_lag = open.then_some(("send lag", &measured.send_lag));
    [response, service, first_byte, send_lag].into_iter().flatten().collect()
}

/// What is compared.
fn compared(load: &Load) -> String {
    let cases = &load.cases;
    if let [case] = &cases[..] {
        match case.exchange.message {
            Some(message) if message.echoed => return "WebSocket, every message compared".into(),
            Some(_) => return "WebSocket, messages not compared".into(),
            None => {}
        }
        let body = match (case.exchange.body.length(), case.exchange.head) {
            (Some(len), _) => format!("every body compared ({})", duet_units::bytes(len as f64)),
            (None, true) => "no body".to_owned(),
            (None, false) => "bodies not compared".to_owned(),
        };
        return format!("status {}, {body}", case.exchange.status);
    }
    let bodies = cases.iter().filter(|case| !case.exchange.body.is_any()).count();
    let order = match load.order {
        Order::ByWeight => "by weight",
        Order::InTurn => "in turn",
    };
    format!("{} requests {order}, the bodies of {bodies} compared", cases.len())
}

/// What came of it.
pub(super) fn result(
    load: &Load,
    measured: &Measured,
    args: &args::Load,
    verdicts: &[Verdict],
) -> String {
    let mut out = String::new();
    let bold = Style::new().bold();
    let rate = measured.ok_per_second().map_or("no".to_owned(), duet_units::rate);
    line(&mut out, format_args!("\n{bold}{rate}{bold:#} ok responses per second\n"));
    latencies(&mut out, load, measured, &quantiles(&args.percentiles));
    if args.histogram {
        out.push_str(&histogram(headline(load, measured)));
    }
    accounts(&mut out, load, measured);
    responses(&mut out, load, measured);
    connections(&mut out, load, measured);
    health(&mut out, load, measured);
    for (limit, verdict) in args.limit.iter().zip(verdicts) {
        let color = match verdict {
            Verdict::Kept => AnsiColor::Green,
            Verdict::Broken => AnsiColor::Red,
            Verdict::Unknown => AnsiColor::Yellow,
        };
        let style = Style::new().fg_color(Some(color.into()));
        let name = verdict.name();
        line(&mut out, format_args!("limit         {limit}: {style}{name}{style:#}"));
    }
    for warning in warnings(load, measured) {
        let yellow = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
        line(&mut out, format_args!("{yellow}warning{yellow:#}       {warning}"));
    }
    out
}

/// Quantiles in columns; in lines where a terminal has no room for them.
fn latencies(out: &mut String, load: &Load, measured: &Measured, quantiles: &[Percentile]) {
    let columns = columns(load, measured);
    let room = stdio::columns(std::io::stdout()).unwrap_or(usize::MAX);
    if 8 + 12 * columns.len() > room {
        for (name, latencies) in &columns {
            let found = quantiles.iter().map(|q| (q.name.as_str(), latencies.quantile(q.p)));
            let found = found.chain([("max", latencies.max())]);
            let words = found.filter_map(|(name, found)| Some(format!("{name} {}", found?)));
            line(out, format_args!("{name:<14}{}", words.collect::<Vec<_>>().join(", ")));
        }
        out.push('\n');
        return;
    }
    let row = |name: &str, cell: &dyn Fn(&Latencies) -> Option<String>| {
        let cells: Vec<Option<String>> = columns.iter().map(|(_, l)| cell(l)).collect();
        cells.iter().any(Option::is_some).then(|| {
            let cells = cells.into_iter().map(|cell| format!("{:>12}", cell.unwrap_or_default()));
            format!("{name:<8}{}", cells.collect::<String>())
        })
    };
    let names: String = columns.iter().map(|(name, _)| format!("{name:>12}")).collect();
    line(out, format_args!("{:<8}{names}", ""));
    let shown = |latency: Option<Latency>| latency.map(|latency| latency.to_string());
    for Percentile { name, p } in quantiles {
        if let Some(row) = row(name, &|l| shown(l.quantile(*p))) {
            line(out, format_args!("{row}"));
        }
    }
    if let Some(row) = row("max", &|l| shown(l.max())) {
        line(out, format_args!("{row}"));
    }
    if matches!(load.model, LoadModel::Closed { .. }) {
        line(
            out,
            format_args!(
                "Closed loop: a slow answer holds back the requests behind it, so that users would \
             wait longer\nthan these times say. --rate measures from planned instants."
            ),
        );
    }
    out.push('\n');
}

fn accounts(out: &mut String, load: &Load, measured: &Measured) {
    let a = &measured.account;
    line(
        out,
        format_args!(
            "requests      {} planned = {} sent + {} unsent + {} shed",
            count(a.planned),
            count(a.sent),
            count(a.unsent),
            count(a.shed)
        ),
    );
    line(
        out,
        format_args!(
            "              {} sent = {} ok + {} failed + {} in flight at the end",
            count(a.sent),
            count(a.ok),
            count(a.failed()),
            count(a.in_flight)
        ),
    );
    if a.failed() > 0 {
        let share = duet_units::percent(a.error_rate());
        line(out, format_args!("failed        {} ({share})", kinds(&a.failed_by_kind())));
    }
    for (reason, &n) in &measured.reasons {
        line(out, format_args!("              {}: {reason}", count(n)));
    }
    if measured.warmup_failed > 0 {
        let failed = count(measured.warmup_failed);
        line(out, format_args!("              and {failed} in the warm-up"));
    }
    if let Some(mismatch) = &measured.mismatch {
        line(out, format_args!("              the first mismatch: {mismatch}"));
    }
    let compared = load.cases.iter().any(|case| !case.exchange.body.is_any());
    if compared && a.failed_by_kind().contains_key(ErrorKind::WrongBody.name()) {
        line(out, format_args!("              if bodies may differ: --verify status"));
    }
}

fn connections(out: &mut String, load: &Load, measured: &Measured) {
    let c = &measured.connections;
    let mut words = format!(
        "{} planned, {} open",
        count(measured.connections_planned),
        count(measured.connections_open)
    );
    let (opened, replaced) = match load.churn {
        true => (c.opened, 0),
        false => (0, c.opened.saturating_sub(measured.connections_planned)),
    };
    for (n, what) in [
        (opened, "opened in all"),
        (replaced, "replaced"),
        (c.lost_idle, "closed by the server while idle"),
        (c.retried, "requests sent again on a new one"),
        (c.unsolicited, "sent unsolicited bytes"),
        (c.left_open, "left open by the server, though a response was its last"),
        (c.handshakes.resumed, "with a TLS session resumed"),
        (c.refused.values().sum(), "not opened"),
    ] {
        if n > 0 {
            let _ = write!(words, ", {} {what}", count(n)); // writing to a String cannot fail
        }
    }
    if !c.refused.is_empty() {
        let _ = write!(words, " ({})", kinds(&c.refused));
    }
    line(out, format_args!("connections   {words}"));
    let opening = [("TCP", &c.opening.connect), ("TLS", &c.opening.tls)];
    let opening: Vec<String> = opening
        .into_iter()
        .filter_map(|(what, times)| {
            let middle =
                times.quantile(0.5).map(|p50| format!("{p50} at the median, ")).unwrap_or_default();
            Some(format!("{what} {middle}{} at most", times.max()?))
        })
        .collect();
    if !opening.is_empty() {
        line(out, format_args!("              handshakes: {}", opening.join("; ")));
    }
    if let Some((least, most)) = measured.fairness()
        && measured.connections_planned > 1
    {
        line(
            out,
            format_args!(
                "              the least served had {}, the best {} of an equal share",
                duet_units::ratio(least),
                duet_units::ratio(most)
            ),
        );
    }
    if let Some(n) = measured.in_flight() {
        line(out, format_args!("              {n:.1} requests in flight on average"));
    }
}

fn health(out: &mut String, load: &Load, measured: &Measured) {
    let spin: u64 = measured.threads.iter().map(|thread| thread.spin_ns).sum();
    let elapsed: u64 = measured.threads.iter().map(|thread| thread.elapsed_ns).sum();
    let mut words = format!("busiest thread {} busy", duet_units::percent(measured.busy()));
    if spin > 0 && elapsed > 0 {
        let share = duet_units::percent(spin as f64 / elapsed as f64);
        let _ = write!(words, ", {share} waiting for planned instants");
    }
    if let Some(lag) =
        measured.generator_lag.quantile(0.99).or_else(|| measured.generator_lag.max())
        && matches!(load.model, LoadModel::Open { .. })
    {
        let _ = write!(words, ", p99 of its lag {lag}");
    }
    line(out, format_args!("generator     {words}"));
    if let Some((ceiling, share)) = measured.ceiling.zip(measured.ceiling_ratio()) {
        let at_least = if ceiling.lower_bound { "at least " } else { "" };
        let rate = duet_units::rate(ceiling.ok_per_second);
        line(
            out,
            format_args!(
                "              {} of its ceiling: {at_least}{rate} per second against a responder \
                 that does nothing",
                duet_units::percent(share)
            ),
        );
    }
}

/// What one should know before believing the figures.
pub(super) fn warnings(load: &Load, measured: &Measured) -> Vec<String> {
    let mut warnings = vec![];
    warnings.extend(shortfall(load, measured));
    let began = measured.connections_open > 0 || !measured.interrupted;
    if began && measured.connections_open < measured.connections_planned {
        warnings.push(format!(
            "{} of {} connections were missing when measuring began",
            count(measured.connections_planned - measured.connections_open),
            count(measured.connections_planned)
        ));
    }
    if measured.connections.refused.keys().any(|reason| reason.is_of_files()) {
        warnings.push(
            "there may be too few open files for so many connections: raise `ulimit -n`".to_owned(),
        );
    }
    if measured.connections.unannounced > 0 {
        warnings.push(format!(
            "{} responses without a length ended with a connection whose TLS did not say that it \
             ends (close_notify): they may have been cut off",
            count(measured.connections.unannounced)
        ));
    }
    if measured.generator_bound() {
        warnings.push(
            "generator-bound: the generator had no time to spare or was near its ceiling, so that \
             it was measured rather than the server; give it more threads, or CPUs of its own"
                .to_owned(),
        );
    }
    match load.model {
        LoadModel::Closed { .. } if measured.contradicts_little(load) => warnings.push(
            "rate times service time differs from what can be in flight at once by more than 5 %: \
             connections were idle or missing"
                .to_owned(),
        ),
        LoadModel::Closed { .. } => {}
        LoadModel::Open { .. } => {
            let p99 = |latencies: &Latencies| latencies.quantile(0.99).map(|l| l.ns as f64);
            if let Some(lag) = p99(&measured.generator_lag)
                && p99(&measured.response).is_some_and(|p99| lag > GENERATOR_LAG_RATIO * p99)
            {
                let lag = duet_units::nanoseconds(lag);
                warnings.push(format!(
                    "the generator itself was late by {lag} at p99; that is in the response times"
                ));
            }
            if measured.account.shed > 0 {
                warnings.push(
                    "not all that was planned could be sent before the deadline: the server is too \
                     slow for this rate, or there are too few connections"
                        .to_owned(),
                );
            }
        }
    }
    warnings
}

/// What was asked for and not done, and why.
fn shortfall(load: &Load, measured: &Measured) -> Vec<String> {
    let account = &measured.account;
    let mut all = vec![];
    if measured.interrupted {
        let after = duet_units::nanoseconds(measured.elapsed_ns as f64);
        all.push(match measured.connections_open {
            0 => "interrupted in the warm-up: nothing was measured".to_owned(),
            _ => format!("interrupted after {after} of the measured time"),
        });
    }
    if account.unsent > 0 && !measured.interrupted {
        let (unsent, planned) = (count(account.unsent), count(account.planned));
        let refused = &measured.connections.refused;
        let why = match load.model {
            LoadModel::Closed { .. } if refused.is_empty() => format!(
                "no connection took one for {}",
                duet_units::nanoseconds(load.timeout.as_nanos() as f64)
            ),
            LoadModel::Closed { .. } => format!("no connection was left ({})", kinds(refused)),
            LoadModel::Open { .. } => "the server is too slow for this rate, or there are too few \
                 connections; give more of them (-c), or a lower rate"
                .to_owned(),
        };
        all.push(format!("{unsent} of {planned} planned requests were not sent: {why}"));
    }
    if account.in_flight > 0 && !measured.interrupted {
        let longest = duet_units::nanoseconds(load.timeout.min(DRAIN_MAX).as_nanos() as f64);
        all.push(format!(
            "{} had no response when they had been awaited for {longest} longer",
            plural(account.in_flight, "request")
        ));
    }
    let elapsed = Duration::from_nanos(measured.elapsed_ns);
    let late = load.promised && !measured.interrupted && elapsed > load.measure.mul_f64(LATE);
    if late && matches!(load.model, LoadModel::Open { .. }) {
        all.push(format!(
            "the rate was not held: what was planned for {} took {}",
            duet_units::nanoseconds(load.measure.as_nanos() as f64),
            duet_units::nanoseconds(measured.elapsed_ns as f64)
        ));
    }
    if measured.ok == 0 && account.ok > 0 {
        let fastest = measured.service.min().map(|latency| latency.to_string());
        all.push(format!(
            "no response came within the measured time of {}, since the fastest took {}: give a \
             longer --duration",
            duet_units::nanoseconds(measured.elapsed_ns as f64),
            fastest.unwrap_or_default()
        ));
    }
    all
}
