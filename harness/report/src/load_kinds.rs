//! What reports show and say of closed loops, of open loops, and of searches for a rate.

use duet_analysis::{Analysis, CellAnalysis};
use duet_units::{CellKind, Loop, Metric};

/// The metrics of which a cell shows a line, where it has them.
pub(super) fn headline_metrics(cell: &CellAnalysis) -> &'static [Metric] {
    match cell.kind() {
        CellKind::Programs => &Metric::OF_PROGRAMS,
        CellKind::Servers(Loop::Closed) => &[
            Metric::RequestsPerSecond,
            Metric::CpuNsPerRequest,
            Metric::RssBytesPeak,
            Metric::RssBytesPerConnection,
        ],
        CellKind::Servers(Loop::Search) => &[Metric::RateWithinPerSecond],
        CellKind::Servers(Loop::MemorySearch) => &[Metric::MemoryLimitBytes],
        CellKind::Servers(Loop::Solo) => &[
            Metric::LatencyNsP50,
            Metric::LatencyNsP99,
            Metric::LatencyNsWorstSecond,
            Metric::CpuNsPerRequest,
            Metric::RssBytesPeak,
            Metric::RssBytesAfter,
        ],
        CellKind::Servers(Loop::Burst) => {
            &[Metric::RssBytesKept, Metric::RssBytesPeak, Metric::RssBytesAfter]
        }
        CellKind::Servers(Loop::Open) => &[
            Metric::LatencyNsP50,
            Metric::LatencyNsP99,
            Metric::LatencyNsP999,
            Metric::CpuNsPerRequest,
            Metric::RssBytesSteady,
            Metric::RssBytesPerConnection,
        ],
    }
}

/// What stands for `metric` in a chart's row of a cell: of searches the rate they found is what a
/// server does per second.
pub(super) fn charted(cell: &CellAnalysis, metric: Metric) -> Metric {
    match (metric, cell.kind()) {
        (Metric::RequestsPerSecond, CellKind::Servers(Loop::Search)) => Metric::RateWithinPerSecond,
        _ => metric,
    }
}

/// What latencies are, for reports that have some.
const LATENCY: &str = "Latency is counted from the instant at which a request was due, at a rate \
    that is the same for both arms: what a user waits for. How many responses there are is then \
    given, and no result. p99 is that of a typical window, so that a stall of the machine, which \
    is in few windows, does not decide it.";

/// What a rate within a limit is, for reports that have one.
const RATE_WITHIN: &str = "The rate within a limit is the highest at which a server keeps that \
    limit of latency, in an open loop. Probes search for it in every block, for each server on its \
    own; its value is the middle between the last rate that held and the first that failed.";

/// What a smallest memory limit is, for reports that have one.
const MEMORY_LIMIT: &str = "The smallest memory limit is that of a control group in which a server \
    starts and holds the rate without a failed request. Every block searches for it by fresh \
    starts, for each server on its own; its value is the middle between the smallest limit that \
    held and the largest that did not. Where the kernel kills the server for want of memory, the \
    limit did not hold.";

/// What a long window is, for reports that have one.
const SOLO: &str = "In long windows each server runs alone for so long that what shows after \
    minutes can show, at a rate that is the same for both. The worst second is the one with the \
    largest 99th percentile of response time; which server came first alternates from block to \
    block.";

/// What is kept after a burst, for reports that have one.
const BURST: &str = "Memory kept after a burst is what a server still holds when nothing was sent \
    for a while behind a burst of requests over many connections, all of which are closed.";

/// Whether something was measured of which speeds can be compared: all but rates that were given.
pub(super) fn has_speeds(analysis: &Analysis) -> bool {
    let given = [Loop::Open, Loop::MemorySearch, Loop::Solo, Loop::Burst].map(CellKind::Servers);
    kinds(analysis).any(|kind| !given.contains(&kind)) || is_empty(analysis)
}

/// Whether something was measured of which peaks of memory can be compared.
pub(super) fn has_peaks(analysis: &Analysis) -> bool {
    let closed = |kind| matches!(kind, CellKind::Servers(Loop::Closed) | CellKind::Programs);
    kinds(analysis).any(closed) || is_empty(analysis)
}

/// What is to be said of the loops that were measured.
pub(super) fn explanations(analysis: &Analysis) -> Vec<&'static str> {
    let said = [
        (Loop::Open, LATENCY),
        (Loop::Search, RATE_WITHIN),
        (Loop::MemorySearch, MEMORY_LIMIT),
        (Loop::Solo, SOLO),
        (Loop::Burst, BURST),
    ];
    said.into_iter().filter(|(of, _)| has(analysis, *of)).map(|(_, words)| words).collect()
}

/// Whether something was measured under such a loop.
pub(super) fn has(analysis: &Analysis, of: Loop) -> bool {
    kinds(analysis).any(|kind| kind == CellKind::Servers(of))
}

fn kinds(analysis: &Analysis) -> impl Iterator<Item = CellKind> {
    analysis.matchups.iter().flat_map(|m| &m.cells).map(CellAnalysis::kind)
}

fn is_empty(analysis: &Analysis) -> bool {
    kinds(analysis).next().is_none()
}
