//! A block reduced to numbers: a value per arm and metric, and a log ratio per metric.

use std::collections::BTreeMap;

use duet_model::record::{ArmRecord, IdleMemory};
use duet_protocol::SearchResult;
use duet_units::{Better, Metric};

/// What a block says.
#[derive(Debug)]
pub(super) struct BlockValues {
    /// The arms' values in the matchup's order, for the metrics that could be had.
    pub(super) arms: Vec<BTreeMap<Metric, f64>>,
    /// ln of how many times worse the second arm is than the first, by metric.
    pub(super) log_ratios: BTreeMap<Metric, f64>,
    /// Rounds that could not be used.
    pub(super) rounds_dropped: usize,
    /// Why there are no service times, or no latencies.
    pub(super) histogram_error: Option<String>,
    /// What an open loop adds, per arm; empty in a closed one, and where a
    /// histogram is damaged.
    pub(super) open: Vec<OpenValues>,
    /// What searches came to, per arm; empty where there were none, and where a
    /// histogram is damaged.
    pub(super) search: Vec<SearchValues>,
}

/// What an arm's windows of one block say of an open loop.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OpenValues {
    pub(super) planned: u64,
    pub(super) sent_late: u64,
    pub(super) unsent: u64,
    /// Requests with a response time, or a lower bound of one.
    pub(super) responses: u64,
    /// The smallest of the lower bounds.
    pub(super) lower_bound_ns: Option<u64>,
    pub(super) send_lag_ns_p99: f64,
    pub(super) generator_lag_ns_p99: f64,
    pub(super) service_time_ns_p99: f64,
    /// Of quantiles that were taken window by window: how many windows reach beyond.
    pub(super) windows_beyond: BTreeMap<Metric, u64>,
    pub(super) windows: u64,
    /// Windows in which the generator itself was later than a stall takes.
    pub(super) windows_stalled: u64,
}

/// What the search of an arm came to in one block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SearchValues {
    pub(super) found: SearchResult,
    pub(super) probes: u64,
    /// The generator's own lateness in the probes at the lowest rate that failed, the 99th
    /// percentile; absent where no rate failed twice.
    pub(super) generator_lag_ns_p99: Option<f64>,
}

/// The log ratios of metrics that both arms have.
pub(super) fn arm_log_ratios(arms: &[BTreeMap<Metric, f64>]) -> BTreeMap<Metric, f64> {
    let [base, head, ..] = arms else { return BTreeMap::new() };
    let log_ratio = |(&metric, base): (&Metric, &f64)| {
        Some((metric, sign(metric) * (head.get(&metric)?.ln() - base.ln())))
    };
    base.iter().filter_map(log_ratio).collect()
}

/// +1 where lower is better, -1 where higher is: so a log ratio above 0 means a worse second arm.
pub(super) fn sign(metric: Metric) -> f64 {
    match metric.better() {
        Better::Lower => 1.0,
        Better::Higher => -1.0,
    }
}

/// The memory of an idle connection, in bytes: what the last ones added, each. 0: there were none,
/// or they added nothing that shows.
fn per_connection(idle: &[IdleMemory]) -> f64 {
    let [few, .., many] = idle else { return 0.0 };
    let added = many.memory.rss_bytes as f64 - few.memory.rss_bytes as f64;
    added / f64::from(many.connections - few.connections)
}

/// What is measured once per start. A zero was not measured: no process has no memory.
pub(super) fn start_values(arm: &ArmRecord) -> BTreeMap<Metric, f64> {
    let in_windows = arm.rss.iter().filter(|s| s.in_windows).map(|s| s.rss_bytes as f64);
    let by_second = arm.seconds.iter().map(|second| second.rss_bytes as f64);
    let in_windows: Vec<f64> = in_windows.chain(by_second).collect();
    let steady = match in_windows.is_empty() {
        true => arm.loaded.rss_bytes as f64,
        false => duet_stats::median(&in_windows),
    };
    let all = [
        (Metric::StartupNs, arm.startup_ns as f64),
        (Metric::RssBytesIdle, arm.listening.unwrap_or(arm.idle).rss_bytes as f64),
        (Metric::RssBytesSteady, steady),
        (Metric::RssBytesPeak, arm.rss_bytes_peak as f64),
        (Metric::RssBytesAfter, arm.after.rss_bytes as f64),
        (Metric::RssBytesPerConnection, per_connection(&arm.idle_connections)),
    ];
    all.into_iter().filter(|(_, value)| *value > 0.0).collect()
}
