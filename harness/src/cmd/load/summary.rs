//! The result for programs: JSON, and HdrHistogram's two file formats.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Serialize;
use url::Url;

use super::args;
use super::limit::Verdict;
use super::text;
use super::values::{self, Percentile};
use duet_loadgen::count::latencies::{Latencies, Latency};
use duet_loadgen::count::thread_stats::CaseStats;
use duet_loadgen::load::{Case, Load, LoadModel, Measured};
use duet_loadgen::reason::Reason;

/// The name and version of the JSON's form. Fields may be added; a change of meaning is a new
/// version.
pub(super) const SCHEMA: &str = "duet.load/1";

/// Units are in the names: `_ns` nanoseconds, `_ratio` and `_rate` 0 to 1, `_per_second`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Summary {
    schema: &'static str,
    duet_version: &'static str,
    url: String,
    addr: String,
    /// `1.1` or `2`.
    http: &'static str,
    tls: bool,
    /// `closed` or `open`.
    mode: &'static str,
    /// At the beginning, and at the end: the same unless it is a ramp.
    planned_per_second: Option<f64>,
    planned_per_second_end: Option<f64>,
    /// Requests that are due at once; open loop only.
    burst: Option<u64>,
    /// The pause of each connection between a response and its next request; closed loop only.
    think_ns: Option<u64>,
    warmup_ns: u64,
    /// The measured time; in a closed loop with a number of requests, until the last ok response.
    elapsed_ns: u64,
    /// Ok responses that came in the measured time, per second.
    ok_per_second: Option<f64>,
    /// Whether the bodies of all requests were compared.
    body_verified: bool,
    connection_per_request: bool,
    /// Requests that may be in flight on each connection: HTTP/1.1, and HTTP/2.
    pipeline_depth: Option<usize>,
    max_concurrent_streams: Option<usize>,
    requests: Requests,
    warmup_requests: WarmupRequests,
    /// From the planned instant to the last byte; open loop only.
    response: Option<Quantiles>,
    /// From sending to the last byte.
    service: Quantiles,
    /// From sending to the first byte of ok responses.
    first_byte: Quantiles,
    /// From the planned instant to sending; open loop only.
    send_lag: Option<Quantiles>,
    /// The warm-up included.
    received_bytes: u64,
    /// In the measured time.
    received_per_second: Option<f64>,
    /// Whole responses in the measured time, by status; `2xx`: any success.
    statuses: BTreeMap<String, u64>,
    /// By case, in the order of the file; empty where there is one alone.
    cases: Vec<CaseResult>,
    connections: Connections,
    generator: Generator,
    limits: Vec<LimitResult>,
    /// Whether it was ended by Ctrl-C or SIGTERM before its time.
    interrupted: bool,
    warnings: Vec<String>,
    mismatch: Option<String>,
}

/// What became of the requests of one case.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CaseResult {
    /// Method and path.
    request: String,
    ok: u64,
    failed: u64,
    service: Quantiles,
}

/// Requests planned after the warm-up: planned = sent + unsent + shed, and sent = ok +
/// failed + in_flight.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Requests {
    planned: u64,
    sent: u64,
    unsent: u64,
    shed: u64,
    ok: u64,
    failed: BTreeMap<String, u64>,
    /// Of those that failed in transport: why, in the words of the system or the protocol.
    reasons: BTreeMap<&'static str, u64>,
    in_flight: u64,
    error_rate: f64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WarmupRequests {
    sent: u64,
    failed: u64,
}

/// Quantiles with at least 10/(1−p) requests behind them. `lower_bound`: the true value may be
/// higher.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Quantiles {
    count: u64,
    /// Requests of which only a lower bound is known: timed out, in flight, unsent, shed.
    censored_count: u64,
    /// Absent where lower bounds are among the values.
    mean_ns: Option<f64>,
    quantiles: BTreeMap<String, Value>,
    max: Option<Value>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Value {
    ns: u64,
    lower_bound: bool,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Connections {
    planned: u64,
    open: u64,
    opened: u64,
    refused: BTreeMap<&'static str, u64>,
    lost_idle: u64,
    /// Requests sent again on a new connection: the server had closed theirs before they came.
    retried: u64,
    unsolicited: u64,
    /// Left open by the server behind a response that was the last, and closed by the generator.
    left_open: u64,
    /// Handshakes of TLS with the server's certificate, and those that resumed a session.
    tls_full: u64,
    tls_resumed: u64,
    /// How long the handshake of TCP took, and that of TLS behind it; absent with a connection for
    /// each request, where they are in the service time.
    tcp_handshake: Option<Quantiles>,
    tls_handshake: Option<Quantiles>,
    /// Requests in flight on average, of those with an ok response.
    in_flight: Option<f64>,
    /// The smallest and largest number of ok responses of a connection, as multiples of an
    /// equal share.
    least_served_ratio: Option<f64>,
    best_served_ratio: Option<f64>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Generator {
    /// Of the busiest thread, without what it spent waiting for planned instants.
    busy_ratio: f64,
    generator_bound: bool,
    /// Ok responses per second against the null responder, with the same requests, connections
    /// and threads; `ceiling_lower_bound`: the responder was short of CPUs.
    ceiling_per_second: Option<f64>,
    ceiling_lower_bound: Option<bool>,
    /// What was reached of it, 0 to 1 but for noise.
    ceiling_ratio: Option<f64>,
    threads: Vec<Thread>,
    /// The send lag for which a connection was free.
    generator_lag: Option<Quantiles>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Thread {
    elapsed_ns: u64,
    cpu_ns: u64,
    spin_ns: u64,
    wakeups: u64,
    run_delay_ns: Option<u64>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LimitResult {
    limit: String,
    /// `kept`, `broken` or `unknown`.
    verdict: &'static str,
}

pub(super) fn of(
    load: &Load,
    url: &Url,
    measured: &Measured,
    args: &args::Load,
    verdicts: &[Verdict],
) -> Summary {
    let shown = values::quantiles(&args.percentiles);
    let quantiles = |latencies: &Latencies| quantiles(latencies, &shown);
    let (rate, burst) = match load.model {
        LoadModel::Open { rate, burst, .. } => (Some(rate), Some(burst)),
        LoadModel::Closed { .. } => (None, None),
    };
    let open = |latencies| rate.map(|_| quantiles(latencies));
    let account = &measured.account;
    let limits = args
        .limit
        .iter()
        .zip(verdicts)
        .map(|(limit, verdict)| LimitResult { limit: limit.to_string(), verdict: verdict.name() });
    Summary {
        schema: SCHEMA,
        duet_version: env!("CARGO_PKG_VERSION"),
        url: url.to_string(),
        addr: load.target.to_string(),
        http: if load.target.http2 { "2" } else { "1.1" },
        tls: load.target.tls.is_some(),
        mode: if rate.is_some() { "open" } else { "closed" },
        planned_per_second: rate.map(|rate| rate.from),
        planned_per_second_end: rate.map(|rate| rate.to),
        burst,
        think_ns: rate.is_none().then(|| load.think().as_nanos() as u64),
        warmup_ns: load.warmup.as_nanos() as u64,
        elapsed_ns: measured.elapsed_ns,
        ok_per_second: measured.ok_per_second(),
        body_verified: load.cases.iter().all(|case| !case.exchange.body.is_any()),
        connection_per_request: load.churn,
        pipeline_depth: (!load.target.http2).then_some(load.pipeline),
        max_concurrent_streams: load.target.http2.then_some(load.streams),
        requests: Requests {
            planned: account.planned,
            sent: account.sent,
            unsent: account.unsent,
            shed: account.shed,
            ok: account.ok,
            failed: account.failed_by_kind(),
            reasons: in_words(&measured.reasons),
            in_flight: account.in_flight,
            error_rate: account.error_rate(),
        },
        warmup_requests: WarmupRequests {
            sent: measured.warmup_sent,
            failed: measured.warmup_failed,
        },
        response: open(&measured.response),
        service: quantiles(&measured.service),
        first_byte: quantiles(measured.first_byte.as_ref().unwrap_or(&measured.service.known())),
        send_lag: open(&measured.send_lag),
        received_bytes: measured.received_bytes,
        received_per_second: measured.received_per_second(),
        statuses: measured.statuses(load),
        cases: cases(load, measured, &shown),
        connections: connections(measured, &shown),
        generator: generator(measured, open(&measured.generator_lag)),
        limits: limits.collect(),
        interrupted: measured.interrupted,
        warnings: text::warnings(load, measured),
        mismatch: measured.mismatch.clone(),
    }
}

pub(super) fn quantiles(latencies: &Latencies, shown: &[Percentile]) -> Quantiles {
    let value = |latency: Latency| Value { ns: latency.ns, lower_bound: latency.lower_bound };
    let quantiles = shown.iter().filter_map(|Percentile { name, p }| {
        latencies.quantile(*p).map(|latency| (name.clone(), value(latency)))
    });
    Quantiles {
        count: latencies.count(),
        censored_count: latencies.censored_count(),
        mean_ns: latencies.mean_ns(),
        quantiles: quantiles.collect(),
        max: latencies.max().map(value),
    }
}

fn in_words(counts: &BTreeMap<Reason, u64>) -> BTreeMap<&'static str, u64> {
    counts.iter().map(|(reason, &n)| (reason.words(), n)).collect()
}

fn cases(load: &Load, measured: &Measured, shown: &[Percentile]) -> Vec<CaseResult> {
    let case = |(case, stats): (&Case, &CaseStats)| CaseResult {
        request: text::request_line(case),
        ok: stats.ok,
        failed: stats.failed,
        service: quantiles(&stats.service, shown),
    };
    load.cases.iter().zip(&measured.cases).map(case).collect()
}

fn connections(measured: &Measured, shown: &[Percentile]) -> Connections {
    let connections = &measured.connections;
    let fairness = measured.fairness();
    let handshake = |times: &Latencies| (times.count() > 0).then(|| quantiles(times, shown));
    Connections {
        planned: measured.connections_planned,
        open: measured.connections_open,
        opened: connections.opened,
        refused: in_words(&connections.refused),
        lost_idle: connections.lost_idle,
        retried: connections.retried,
        unsolicited: connections.unsolicited,
        left_open: connections.left_open,
        tls_full: connections.handshakes.full,
        tls_resumed: connections.handshakes.resumed,
        tcp_handshake: handshake(&connections.opening.connect),
        tls_handshake: handshake(&connections.opening.tls),
        in_flight: measured.in_flight(),
        least_served_ratio: fairness.map(|(least, _)| least),
        best_served_ratio: fairness.map(|(_, best)| best),
    }
}

fn generator(measured: &Measured, generator_lag: Option<Quantiles>) -> Generator {
    let threads = measured.threads.iter().map(|thread| Thread {
        elapsed_ns: thread.elapsed_ns,
        cpu_ns: thread.cpu_ns,
        spin_ns: thread.spin_ns,
        wakeups: thread.wakeups,
        run_delay_ns: thread.run_delay_ns,
    });
    Generator {
        busy_ratio: measured.busy(),
        generator_bound: measured.generator_bound(),
        ceiling_per_second: measured.ceiling.map(|ceiling| ceiling.ok_per_second),
        ceiling_lower_bound: measured.ceiling.map(|ceiling| ceiling.lower_bound),
        ceiling_ratio: measured.ceiling_ratio(),
        threads: threads.collect(),
        generator_lag,
    }
}

/// The histograms as a HdrHistogram log: one interval, a tag for each histogram. Lower
/// bounds stand in it as if they were the values; the tag then ends in `-lower-bound`.
pub(super) fn log(load: &Load, measured: &Measured) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let elapsed = Duration::from_nanos(measured.elapsed_ns);
    let start = SystemTime::now() - elapsed;
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.with_start_time(start).with_base_time(start).with_max_value_divisor(1e6);
    builder.add_comment("values in nanoseconds, interval maxima in milliseconds");
    let mut log = builder.begin_log_with(&mut bytes, &mut serializer)?;
    for (name, latencies) in text::columns(load, measured) {
        let name = name.replace(' ', "-");
        let mark = if latencies.censored_count() > 0 { "-lower-bound" } else { "" };
        let name = format!("{name}{mark}");
        log.write_histogram(&latencies.all(), Duration::ZERO, elapsed, Tag::new(&name))
            .map_err(|error| anyhow!("failed to encode the histogram of {name}: {error:?}"))?;
    }
    drop(log);
    Ok(bytes)
}

/// Percentiles as HdrHistogram's plotter reads them, in milliseconds.
pub(super) fn percentiles(latencies: &Latencies) -> String {
    let all = latencies.all();
    let mut out = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    for value in all.iter_quantiles(5) {
        let p = value.quantile_iterated_to();
        let ms = value.value_iterated_to() as f64 / 1e6;
        let below = all.count_between(0, value.value_iterated_to());
        let inverse = if p < 1.0 { format!("{:>14.2}", 1.0 / (1.0 - p)) } else { String::new() };
        out.push_str(&format!("{ms:>12.3} {p:>14.12} {below:>10} {inverse}\n"));
    }
    let (mean, deviation) = (all.mean() / 1e6, all.stdev() / 1e6);
    out.push_str(&format!("#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]\n"));
    let (max, count) = (all.max() as f64 / 1e6, all.len());
    out.push_str(&format!("#[Max     = {max:>12.3}, Total count    = {count:>12}]\n"));
    let (buckets, sub) = (all.buckets(), 2048); // sub-buckets follow from three digits
    out.push_str(&format!("#[Buckets = {buckets:>12}, SubBuckets     = {sub:>12}]\n"));
    out
}
