//! The searches of a job: for each arm the highest rate at which a limit of latency is kept. Pure.
//!
//! Arms take turns probe by probe, in the order of the job's rounds, so that what the machine does
//! meanwhile happens to all of them, and a rate that failed is tried again after the other arm's
//! probe and not in the same moment. [`capacity`] says what a search tries next; here is where it
//! begins, how long a probe is, and when a rate holds.

use std::time::Duration;

use duet_protocol::{Job, ProbeResult, SEARCH_TIME_MAX, SearchEnd, SearchResult};
use duet_stats::SplitMix64;
use duet_units::Limit;

use crate::capacity::{self, Interval, Next, Probe, Rules};
use crate::count::window_sink::WindowCounts;

/// The share of what an arm reaches in a closed loop at which its search begins at the earliest:
/// below what most servers hold, since a rate that fails takes longer.
const BEGIN: f64 = 0.7;
/// The step upwards. Small, since no arm reaches much more than in a closed loop.
const GROWTH: f64 = 1.2;
/// The ends of an arm's interval are at most this share apart. Where it lies is drawn anew for each
/// block, so that over blocks the middles scatter about the truth instead of sharing one error.
const PRECISION: f64 = 0.05;
/// The most probes of an arm: eleven are usual; to an eighth of the first rate it takes 18.
const PROBES_MAX: usize = 36;
/// Requests that lie beyond the limited quantile in a probe at its limit. The standard deviation of
/// their number is ten, a tenth of it, where they come one by one.
const BEYOND: f64 = 100.0;
/// As many as there have to be, however long that takes: as for every quantile that is given.
const BEYOND_MIN: f64 = 10.0;
/// Probes are no shorter, as windows of an open loop, ...
const SPAN_MIN_S: f64 = 0.1;
/// ... and no longer, ...
const SPAN_MAX_S: f64 = 1.0;
/// ... but where they would have fewer than [`BEYOND_MIN`] requests beyond the quantile.
const SPAN_LONGEST_S: f64 = 5.0;
/// No rate below is tried, nor above: whole numbers of requests per second are precise enough for
/// the one, and no generator of today sends the other.
const LOWEST: f64 = 100.0;
const HIGHEST: f64 = 1e7;

/// All searches of a job.
#[derive(Debug)]
pub(super) struct Searches<'j> {
    limit: Limit,
    rounds: &'j [Vec<u32>],
    /// The turns there were, those of arms whose search was over included.
    turns: usize,
    arms: Vec<Search>,
}

#[derive(Debug)]
struct Search {
    rules: Rules,
    probes: Vec<Probe>,
}

/// A probe to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NextProbe {
    pub(super) arm: usize,
    pub(super) round: u32,
    /// How many there were of this arm.
    pub(super) index: u32,
    pub(super) rate_per_second: u64,
    pub(super) planned_ns: u64,
    /// The same rate as the search knows it.
    exact_per_second: f64,
}

impl<'j> Searches<'j> {
    /// Searches of which nothing is known but what the arms reach per second in a closed loop.
    pub(super) fn new(limit: Limit, closed_rates: &[f64], job: &'j Job) -> Self {
        let search = |(arm, rate): (u32, &f64)| {
            let drawn = SplitMix64::derived(job.seed, "search", arm).unit();
            let lowest = lowest(limit);
            let first = (rate * BEGIN * GROWTH.powf(drawn)).clamp(lowest, HIGHEST);
            let rules = Rules {
                first,
                lowest,
                highest: HIGHEST,
                growth: GROWTH,
                precision: PRECISION,
                probes_max: PROBES_MAX,
                time_max: SEARCH_TIME_MAX,
            };
            Search { rules, probes: vec![] }
        };
        let arms = (0..).zip(closed_rates).map(search).collect();
        Self { limit, rounds: &job.rounds, turns: 0, arms }
    }

    /// The next probe; none: all searches are over.
    pub(super) fn next(&mut self) -> Option<NextProbe> {
        let round_len = self.rounds[0].len(); // all rounds name every arm twice
        let everybody = self.rounds.len() * round_len;
        for _ in 0..everybody {
            let (round, place) = (self.turns / round_len, self.turns % round_len);
            let arm = self.rounds[round % self.rounds.len()][place] as usize;
            self.turns += 1;
            let Search { rules, probes } = &self.arms[arm];
            if let Next::Probe(per_second) = capacity::next(rules, probes) {
                return Some(NextProbe {
                    arm,
                    round: round as u32,
                    index: probes.len() as u32,
                    rate_per_second: per_second.round() as u64,
                    planned_ns: (span_s(self.limit, per_second) * 1e9) as u64,
                    exact_per_second: per_second,
                });
            }
        }
        None
    }

    /// Takes in what a probe came to.
    pub(super) fn learn(&mut self, turn: &NextProbe, held: bool, took: Duration) -> ProbeResult {
        let probe = Probe { per_second: turn.exact_per_second, held, took };
        self.arms[turn.arm].probes.push(probe);
        let NextProbe { rate_per_second, planned_ns, .. } = *turn;
        ProbeResult { rate_per_second, planned_ns, held }
    }

    /// What is known of each arm.
    pub(super) fn found(&self) -> Vec<SearchResult> {
        let found = |search: &Search| {
            let Interval { held, failed } = capacity::interval(&search.probes);
            let end = match capacity::next(&search.rules, &search.probes) {
                Next::End(end) => end,
                Next::Probe(_) => SearchEnd::OutOfProbes, // an arm that no round names
            };
            let whole = |rate: f64| rate.round() as u64;
            let (held_per_second, failed_per_second) = (held.map(whole), failed.map(whole));
            SearchResult { held_per_second, failed_per_second, end }
        };
        self.arms.iter().map(found).collect()
    }
}

/// Whether a probe's rate held: of the requests planned, at least the share that the quantile says
/// had an ok response within the limit, and nearly all of them were sent in the planned time and
/// had one.
pub(super) fn holds(limit: Limit, probe: &WindowCounts) -> bool {
    is_held(limit, probe.account.planned, probe.sent_late, &probe.response)
}

/// The same of a probe whose ok responses had these response times, with their counts.
fn is_held(limit: Limit, planned: u64, sent_late: u64, response: &[(u64, u32)]) -> bool {
    let count = |most_ns: u64| -> u64 {
        response.iter().filter(|(ns, _)| *ns <= most_ns).map(|(_, n)| u64::from(*n)).sum()
    };
    let (within, ok) = (count(limit.latency_ns), count(u64::MAX));
    // A hair less, for the product is not exact.
    let needed = (limit.quantile * planned as f64 - 1e-6).ceil() as u64;
    planned > 0 && within >= needed && capacity::is_achieved(planned, ok.saturating_sub(sent_late))
}

/// For how long a probe plans requests, in seconds.
fn span_s(limit: Limit, per_second: f64) -> f64 {
    let wanted = BEYOND / (1.0 - limit.quantile) / per_second;
    wanted.clamp(SPAN_MIN_S, SPAN_MAX_S).max(requests_min(limit) / per_second)
}

/// The lowest rate at which a probe has requests enough.
fn lowest(limit: Limit) -> f64 {
    (requests_min(limit) / SPAN_LONGEST_S).ceil().max(LOWEST)
}

/// The fewest requests of a probe: six standard deviations more than have to be beyond the quantile
/// call for, since Poisson arrivals may be fewer.
fn requests_min(limit: Limit) -> f64 {
    let needed = BEYOND_MIN / (1.0 - limit.quantile);
    needed + 6.0 * needed.sqrt()
}

#[cfg(test)]
mod tests;
