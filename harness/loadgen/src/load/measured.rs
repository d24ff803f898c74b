//! What a load came to, and what follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::spec::Load;
use crate::count::account::Account;
use crate::count::latencies::Latencies;
use crate::count::thread_stats::{CaseStats, ThreadHealth};
use crate::reason::Reason;
use crate::transport::stats::ConnectionStats;

/// A busier thread than this had no time to spare: what was measured is the generator.
const BUSY: f64 = 0.85;
/// From this share of its ceiling on likewise: a server that takes no time at all would bring
/// hardly more.
const NEAR_CEILING: f64 = 0.85;
/// What Little's law may be off by.
const LITTLE: f64 = 0.05;
/// In a shorter time than this a thread's share of it says nothing.
const BUSY_MIN: Duration = Duration::from_millis(100);
/// Responses per connection from which on the law has to hold: those at the phases weigh little
/// then.
const LITTLE_RESPONSES: u64 = 100;

/// What a load came to.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Requests planned after the warm-up, by what became of them.
    pub account: Account,
    /// Requests sent in the warm-up.
    pub warmup_sent: u64,
    /// Those of them that failed.
    pub warmup_failed: u64,
    /// From the end of the warm-up until nothing was sent any more; with a number of requests,
    /// until the last ok response.
    pub elapsed_ns: u64,
    /// Ok responses that came in this time.
    pub ok: u64,
    /// How much of this time ok responses used their connections, summed up.
    pub in_use_ns: u64,
    /// Those of each connection, ascending.
    pub ok_per_connection: Vec<u64>,
    /// From the planned instant to the last byte; open loop only.
    pub response: Latencies,
    /// From sending to the last byte.
    pub service: Latencies,
    /// From sending to the first byte of ok responses; none: all of them came in one part, so that
    /// it is the service time.
    pub first_byte: Option<Latencies>,
    /// From the planned instant to sending; open loop only.
    pub send_lag: Latencies,
    /// The part of the send lag for which a connection was free, so that the generator alone was
    /// late.
    pub generator_lag: Latencies,
    /// Bytes received, the warm-up included.
    pub received_bytes: u64,
    /// Of them, those received from the end of the warm-up until nothing was sent any more; with a
    /// number of requests, until the last response.
    pub received_measured_bytes: u64,
    /// Connections asked for, ...
    pub connections_planned: u64,
    /// ... and those open when the measured time began.
    pub connections_open: u64,
    /// What became of the connections.
    pub connections: ConnectionStats,
    /// One per thread.
    pub threads: Vec<ThreadHealth>,
    /// By case; empty where there is one alone.
    pub cases: Vec<CaseStats>,
    /// Why requests failed in transport, in the words of the system or the protocol.
    pub reasons: BTreeMap<Reason, u64>,
    /// Statuses of responses that were not as expected.
    pub mismatched_statuses: BTreeMap<u16, u64>,
    /// The first mismatch, in words.
    pub mismatch: Option<String>,
    /// When the measured time was cut short, or the warm-up was, by Ctrl-C.
    pub interrupted: bool,
    /// What the generator reaches at most; none: it was not measured.
    pub ceiling: Option<Ceiling>,
}

/// What the generator reaches at most with the requests, connections and threads of a load: its
/// rate against the null responder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    /// Ok responses per second.
    pub ok_per_second: f64,
    /// Whether the responder held it up, for want of CPUs, so that it may reach more.
    pub lower_bound: bool,
}

impl Measured {
    /// Ok responses per second.
    #[must_use]
    pub fn ok_per_second(&self) -> Option<f64> {
        (self.elapsed_ns > 0).then(|| self.ok as f64 * 1e9 / self.elapsed_ns as f64)
    }

    /// Bytes received per second of the measured time.
    #[must_use]
    pub fn received_per_second(&self) -> Option<f64> {
        (self.elapsed_ns > 0)
            .then(|| self.received_measured_bytes as f64 * 1e9 / self.elapsed_ns as f64)
    }

    /// Whole responses by status, those that were not as expected included; `2xx` where any
    /// success is expected and was.
    #[must_use]
    pub fn statuses(&self, load: &Load) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        // Where they are not counted one by one, all expect the same.
        let counted = self.cases.len().max(1);
        let ok = load.cases.iter().take(counted).enumerate().map(|(i, case)| {
            let ok = self.cases.get(i).map_or(self.account.ok, |case| case.ok);
            (case.exchange.status.to_string(), ok)
        });
        let not_ok = self.mismatched_statuses.iter().map(|(status, &n)| (status.to_string(), n));
        for (status, n) in ok.chain(not_ok).filter(|&(_, n)| n > 0) {
            *all.entry(status).or_default() += n;
        }
        all
    }

    /// The share of the busiest thread's time in which it had work, or could not run: 0 to 1.
    #[must_use]
    pub fn busy(&self) -> f64 {
        self.threads.iter().map(ThreadHealth::busy).fold(0.0, f64::max)
    }

    /// Whether it was the generator that was measured: it had no time to spare, or came near to
    /// what it reaches at most.
    #[must_use]
    pub fn generator_bound(&self) -> bool {
        let known = self.ceiling.is_some_and(|ceiling| !ceiling.lower_bound);
        let long = Duration::from_nanos(self.elapsed_ns) >= BUSY_MIN;
        (long && self.busy() >= BUSY)
            || (known && self.ceiling_ratio().is_some_and(|s| s > NEAR_CEILING))
    }

    /// The rate as a share of what the generator reaches at most.
    #[must_use]
    pub fn ceiling_ratio(&self) -> Option<f64> {
        let ceiling = self.ceiling?.ok_per_second;
        self.ok_per_second().map(|rate| rate / ceiling)
    }

    /// The number of requests in flight on average, which is rate times mean service time by
    /// Little's law.
    /// In a closed loop that is the number of connections, times the length of their pipelines.
    #[must_use]
    pub fn in_flight(&self) -> Option<f64> {
        (self.elapsed_ns > 0).then(|| self.in_use_ns as f64 / self.elapsed_ns as f64)
    }

    /// Whether a closed loop contradicts Little's law: connections were idle, or not there.
    #[must_use]
    pub fn contradicts_little(&self, load: &Load) -> bool {
        let slots = u64::from(load.connections) * load.in_flight_max() as u64;
        load.think().is_zero()
            && self.ok >= LITTLE_RESPONSES * slots
            && self.in_flight().is_some_and(|n| (n / slots as f64 - 1.0).abs() > LITTLE)
    }

    /// The smallest and the largest share of a connection, as multiples of an equal share.
    #[must_use]
    pub fn fairness(&self) -> Option<(f64, f64)> {
        let equal = self.ok as f64 / self.ok_per_connection.len() as f64;
        let (least, most) = (self.ok_per_connection.first()?, self.ok_per_connection.last()?);
        (self.ok > 0).then(|| (*least as f64 / equal, *most as f64 / equal))
    }
}
