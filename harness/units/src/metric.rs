//! The metrics: their names, units and directions. One list, used by records, analysis and reports.

use crate::format;
use serde::{Deserialize, Serialize};

/// Something measured once per arm and block. Programs have [`Metric::ElapsedNs`],
/// [`Metric::CpuNs`], [`Metric::RssBytesPeak`] and [`Metric::RssBytesPerUnit`], servers all but
/// those that are said to be of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Responses that are ok in windows, per second of windows.
    RequestsPerSecond,
    /// The highest rate of an open loop at which a limit of latency is kept: the geometric middle
    /// of the highest that kept it and the lowest that did not.
    RateWithinPerSecond,
    /// The smallest memory limit under which a server holds a rate without a failed request: the
    /// geometric middle of the smallest that held and the largest that did not.
    MemoryLimitBytes,
    /// The server's CPU time per response that is ok, all threads, background work included.
    CpuNsPerRequest,
    /// Resident memory before the first request. (In older records after the first response.)
    RssBytesIdle,
    /// Median resident memory while windows run.
    RssBytesSteady,
    /// The largest resident memory, by the kernel's count.
    RssBytesPeak,
    /// Resident memory a moment after the load has ended and its connections are closed.
    RssBytesAfter,
    /// Resident memory at the end of the rest that follows a burst, with no connection open.
    RssBytesKept,
    /// Resident memory that an idle connection costs: the slope between a tenth of a load's idle
    /// connections and all of them.
    RssBytesPerConnection,
    /// From starting the process to its first response that is ok.
    StartupNs,
    /// Median service time in a closed loop. Throughput again by Little's law; never a headline.
    ServiceTimeNsP50,
    /// 99th percentile of service time in a closed loop.
    ServiceTimeNsP99,
    /// Median response time in an open loop, from the instant at which the request was due, at a
    /// rate that is the same for all arms.
    LatencyNsP50,
    /// 90th percentile of response time in an open loop.
    LatencyNsP90,
    /// 99th percentile of response time in an open loop: of a window, the Hodges-Lehmann estimate
    /// over windows, where windows have 1,000 requests; of the whole block otherwise.
    LatencyNsP99,
    /// 99.9th percentile of response time in an open loop; likewise, with 10,000 requests.
    LatencyNsP999,
    /// The largest 99th percentile of response time of a second of a long window.
    LatencyNsWorstSecond,
    /// Median lateness of events, where a response is a stream of them: from the instant at which
    /// an event is due to its last byte.
    LatenessNsP50,
    /// 99th percentile of the lateness of events: of a window, as that of response time.
    LatenessNsP99,
    /// Of a program: from starting its process to its end.
    ElapsedNs,
    /// Of a program: CPU time in user mode and in the kernel, all of its processes.
    CpuNs,
    /// Of a program whose N counts what it holds at once: its peak memory less that at N = 1, by
    /// N - 1. What the runtime takes by itself is in neither.
    RssBytesPerUnit,
}

/// What decides when requests are sent, and so what a load can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loop {
    /// The responses: each connection sends its next request when it has the last response.
    Closed,
    /// A rate that is the same for all arms.
    Open,
    /// Rates that a search tries, for each arm on its own: the highest within a limit of latency.
    Search,
    /// A rate that is the same for all arms, under memory limits that a search tries, for each arm
    /// on its own: the smallest that holds it.
    MemorySearch,
    /// A rate that is the same for all arms, in one long window of each arm while no other runs.
    Solo,
    /// The responses, in one window of each arm while no other runs, and then a rest in which
    /// nothing is sent.
    Burst,
}

/// What a cell measures, which decides what its results are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// Servers, under a load.
    Servers(Loop),
    /// Programs.
    Programs,
}

/// How a metric's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A rate.
    PerSecond,
    /// A duration.
    Nanoseconds,
    /// An amount of memory.
    Bytes,
}

/// Which direction is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

impl Loop {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Closed, Self::Open, Self::Search, Self::MemorySearch, Self::Solo, Self::Burst];

    /// The word for several of them.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Closed => "closed loops",
            Self::Open => "open loops",
            Self::Search => "loads with `rate_within`",
            Self::MemorySearch => "loads with `memory_limit`",
            Self::Solo => "loads with `solo_s`",
            Self::Burst => "loads with `rest_s`",
        }
    }
}

impl Metric {
    /// All metrics, in the order reports show them.
    pub const ALL: [Self; 23] = [
        Self::ElapsedNs,
        Self::CpuNs,
        Self::RequestsPerSecond,
        Self::RateWithinPerSecond,
        Self::MemoryLimitBytes,
        Self::LatencyNsP50,
        Self::LatencyNsP90,
        Self::LatencyNsP99,
        Self::LatencyNsP999,
        Self::LatencyNsWorstSecond,
        Self::LatenessNsP50,
        Self::LatenessNsP99,
        Self::CpuNsPerRequest,
        Self::RssBytesPeak,
        Self::RssBytesPerUnit,
        Self::RssBytesSteady,
        Self::RssBytesIdle,
        Self::RssBytesAfter,
        Self::RssBytesKept,
        Self::RssBytesPerConnection,
        Self::StartupNs,
        Self::ServiceTimeNsP50,
        Self::ServiceTimeNsP99,
    ];

    /// The metrics of a program.
    pub const OF_PROGRAMS: [Self; 4] =
        [Self::ElapsedNs, Self::CpuNs, Self::RssBytesPeak, Self::RssBytesPerUnit];

    /// Its name in records, summaries and exports: `rss_bytes_peak`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests_per_second",
            Self::RateWithinPerSecond => "rate_within_per_second",
            Self::MemoryLimitBytes => "memory_limit_bytes",
            Self::CpuNsPerRequest => "cpu_ns_per_request",
            Self::RssBytesIdle => "rss_bytes_idle",
            Self::RssBytesSteady => "rss_bytes_steady",
            Self::RssBytesPeak => "rss_bytes_peak",
            Self::RssBytesAfter => "rss_bytes_after",
            Self::RssBytesKept => "rss_bytes_kept",
            Self::RssBytesPerConnection => "rss_bytes_per_connection",
            Self::StartupNs => "startup_ns",
            Self::ServiceTimeNsP50 => "service_time_ns_p50",
            Self::ServiceTimeNsP99 => "service_time_ns_p99",
            Self::LatencyNsP50 => "latency_ns_p50",
            Self::LatencyNsP90 => "latency_ns_p90",
            Self::LatencyNsP99 => "latency_ns_p99",
            Self::LatencyNsP999 => "latency_ns_p999",
            Self::LatencyNsWorstSecond => "latency_ns_worst_second",
            Self::LatenessNsP50 => "lateness_ns_p50",
            Self::LatenessNsP99 => "lateness_ns_p99",
            Self::ElapsedNs => "elapsed_ns",
            Self::CpuNs => "cpu_ns",
            Self::RssBytesPerUnit => "rss_bytes_per_unit",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests per second",
            Self::RateWithinPerSecond => "rate within limit",
            Self::MemoryLimitBytes => "smallest memory limit",
            Self::CpuNsPerRequest => "CPU per request",
            Self::RssBytesIdle => "memory, idle",
            Self::RssBytesSteady => "memory, steady",
            Self::RssBytesPeak => "memory, peak",
            Self::RssBytesAfter => "memory, after load",
            Self::RssBytesKept => "memory kept after a burst",
            Self::RssBytesPerConnection => "memory per idle connection",
            Self::StartupNs => "start-up",
            Self::ServiceTimeNsP50 => "service time, median",
            Self::ServiceTimeNsP99 => "service time, 99 %",
            Self::LatencyNsP50 => "latency, median",
            Self::LatencyNsP90 => "latency, 90 %",
            Self::LatencyNsP99 => "latency, 99 %",
            Self::LatencyNsP999 => "latency, 99.9 %",
            Self::LatencyNsWorstSecond => "latency, worst second",
            Self::LatenessNsP50 => "lateness of events, median",
            Self::LatenessNsP99 => "lateness of events, 99 %",
            Self::ElapsedNs => "elapsed",
            Self::CpuNs => "CPU",
            Self::RssBytesPerUnit => "memory per unit",
        }
    }

    /// The quantile that it is, of response times in an open loop: 0.5 to 0.999. Absent for all
    /// other metrics.
    #[must_use]
    pub fn latency_quantile(self) -> Option<f64> {
        match self {
            Self::LatencyNsP50 => Some(0.5),
            Self::LatencyNsP90 => Some(0.9),
            Self::LatencyNsP99 => Some(0.99),
            Self::LatencyNsP999 => Some(0.999),
            _ => None,
        }
    }

    /// The quantile that it is, of the lateness of events. Absent for all other metrics.
    #[must_use]
    pub fn lateness_quantile(self) -> Option<f64> {
        match self {
            Self::LatenessNsP50 => Some(0.5),
            Self::LatenessNsP99 => Some(0.99),
            _ => None,
        }
    }

    /// Whether it is a result of such a cell. In an open loop the rate is given, and the largest
    /// memory is that of the warm-up, a closed loop; the latencies of a closed loop are its
    /// throughput again. A search drives each arm at other rates, at which neither latencies nor
    /// the cost of a request can be compared; one for memory limits starts a server at each anew,
    /// so that nothing else of it can. A long window has next to no warm-up, so that the largest
    /// memory is its own; of a burst, which no arm shares a moment with, it is memory alone that
    /// can.
    #[must_use]
    pub fn is_result(self, of: CellKind) -> bool {
        let CellKind::Servers(of) = of else { return Self::OF_PROGRAMS.contains(&self) };
        let long = matches!(of, Loop::Solo | Loop::Burst);
        if of == Loop::MemorySearch || self == Self::MemoryLimitBytes {
            return of == Loop::MemorySearch && self == Self::MemoryLimitBytes;
        }
        match self {
            Self::ElapsedNs | Self::CpuNs | Self::RssBytesPerUnit => false,
            Self::RequestsPerSecond | Self::ServiceTimeNsP50 | Self::ServiceTimeNsP99 => {
                of == Loop::Closed
            }
            Self::RssBytesPeak => of == Loop::Closed || long,
            Self::RateWithinPerSecond => of == Loop::Search,
            Self::LatencyNsWorstSecond => of == Loop::Solo,
            Self::RssBytesKept => of == Loop::Burst,
            Self::RssBytesPerConnection => !long,
            Self::CpuNsPerRequest => !matches!(of, Loop::Search | Loop::Burst),
            Self::LatenessNsP50 | Self::LatenessNsP99 => of != Loop::Search,
            metric if metric.latency_quantile().is_some() => {
                matches!(of, Loop::Open | Loop::Solo)
            }
            _ => true,
        }
    }

    /// How its values are written.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::RequestsPerSecond | Self::RateWithinPerSecond => Unit::PerSecond,
            Self::CpuNsPerRequest
            | Self::StartupNs
            | Self::ServiceTimeNsP50
            | Self::ServiceTimeNsP99
            | Self::LatencyNsP50
            | Self::LatencyNsP90
            | Self::LatencyNsP99
            | Self::LatencyNsP999
            | Self::LatencyNsWorstSecond
            | Self::LatenessNsP50
            | Self::LatenessNsP99
            | Self::ElapsedNs
            | Self::CpuNs => Unit::Nanoseconds,
            Self::RssBytesIdle
            | Self::RssBytesSteady
            | Self::RssBytesPeak
            | Self::RssBytesPerUnit
            | Self::RssBytesAfter
            | Self::RssBytesKept
            | Self::RssBytesPerConnection
            | Self::MemoryLimitBytes => Unit::Bytes,
        }
    }

    /// Which direction is better.
    #[must_use]
    pub fn better(self) -> Better {
        match self {
            Self::RequestsPerSecond | Self::RateWithinPerSecond => Better::Higher,
            _ => Better::Lower,
        }
    }

    /// A value with its unit, for people.
    #[must_use]
    pub fn format(self, value: f64) -> String {
        match self.unit() {
            Unit::PerSecond => format::rate(value),
            Unit::Nanoseconds => format::nanoseconds(value),
            Unit::Bytes => format::bytes(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_by_its_name() {
        for metric in Metric::ALL {
            let json = serde_json::to_string(&metric).expect("a metric is a string");
            assert_eq!(json, format!("\"{}\"", metric.name()));
        }
    }
}
