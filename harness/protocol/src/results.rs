//! What the generator measured: windows, and where searches ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A window: a slice of time in which the generator drives exactly one arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WindowResult {
    /// The arm driven, an index into the matchup.
    pub arm: u32,
    /// The round it belongs to. With two arms a round is a four of windows, ABBA or BAAB; of
    /// probes without those of an arm whose search was over.
    pub round: u32,
    /// The lead-in: for how long the arm was driven as in the window before it began. 0: there was
    /// none.
    #[serde(default)]
    pub lead_ns: u64,
    /// From the first send to the last response. In an open loop, from the beginning of the planned
    /// time to its end, or to the last response where that comes later.
    pub elapsed_ns: u64,
    /// Ok responses: as expected.
    pub requests: u64,
    /// Failed requests by kind; empty when all went well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    /// Bytes received.
    pub received_bytes: u64,
    /// CPU time of each arm's processes; 0 where some of it was lost. The driven arm's is its work:
    /// from the beginning of the
    /// window to before the next lead-in, or in an open loop to the end of the planned time. The
    /// others' is what they do parked: from before this lead-in to before the next one.
    pub server_cpu_ns: Vec<u64>,
    /// CPU time of the generator between the edges.
    pub generator_cpu_ns: u64,
    /// Time stolen by the hypervisor from the servers' CPUs between the edges. Counted by the
    /// kernel in ticks of 10 ms, so only sums over many windows mean something.
    pub server_stolen_ns: u64,
    /// The same for the generator's CPUs.
    pub generator_stolen_ns: u64,
    /// What the driven arm did outside of the window; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
    /// Service times of ok responses in nanoseconds: a HdrHistogram, V2, deflated, base64. Absent
    /// where a record has [`Self::times`] in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_time: Option<String>,
    /// What is judged of its times, in the place of all histograms. The generator leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
    /// What an open loop adds; absent in a closed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenResult>,
    /// What streams of events add; absent where responses are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsResult>,
    /// Which rate it tried; absent where the rate was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeResult>,
    /// Its seconds, from the first; empty where they are not told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<SecondResult>,
}

/// What became of the requests that were planned in a second of a window, or in a closed loop sent
/// in it. Times are response times, lower bounds among them, or service times in a closed loop;
/// quantiles are the longest time that counts as them, and 0 where there are no times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SecondResult {
    /// Ok responses.
    pub requests: u64,
    /// Requests that failed, or were never sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// The median.
    pub ns_p50: u64,
    /// The 99th percentile.
    pub ns_p99: u64,
    /// The longest.
    pub ns_max: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Events that were due in a window, whichever request they belong to; in a closed loop all that
/// came. An event is due when its request was sent so many periods before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EventsResult {
    /// Those that came when they were due or later.
    pub count: u64,
    /// Those of them that came when the next one was due, or later.
    pub late: u64,
    /// Those that came before they were due.
    pub early: u64,
    /// How late those came that did not come early, in the form of [`WindowResult::service_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<String>,
}

/// What an arm did in the lead-in of a window, and in an open loop after its planned time. No
/// metric contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Outside {
    /// Ok responses.
    pub requests: u64,
    /// Failed requests.
    pub failed: u64,
    /// CPU time of its process.
    pub server_cpu_ns: u64,
}

/// What a window of an open loop adds: planned = sent + unsent, and sent = ok responses +
/// failed requests. The histograms have the form of [`WindowResult::service_time`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenResult {
    /// Requests planned.
    pub planned: u64,
    /// Requests sent.
    pub sent: u64,
    /// Those of them that were sent after the planned time: no connection was free before.
    pub sent_late: u64,
    /// Requests not sent, because no connection was free for as long as the window again.
    pub unsent: u64,
    /// The generator's CPU time waiting busily for the next planned instant, over all threads.
    pub generator_spin_ns: u64,
    /// Response times of ok responses: from the planned instant to the last byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time: Option<String>,
    /// Lower bounds of the response times of requests that timed out or were never sent; absent
    /// where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_lower_bounds: Option<String>,
    /// From the planned instants to sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_lag: Option<String>,
    /// That part of it for which a connection was free, so that the generator alone was late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_lag: Option<String>,
}

/// The times of a window, or of several: what is judged of each histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Of [`WindowResult::service_time`].
    pub service_time: TimeSummary,
    /// Of [`OpenResult::response_time`], the lower bounds among them; absent in a closed loop, here
    /// and below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time: Option<TimeSummary>,
    /// Of those lower bounds; absent where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_lower_bounds: Option<TimeSummary>,
    /// Of [`OpenResult::send_lag`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_lag: Option<TimeSummary>,
    /// Of [`OpenResult::generator_lag`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_lag: Option<TimeSummary>,
    /// Of [`EventsResult::lateness`]; absent where there were no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<TimeSummary>,
}

impl Times {
    /// Without what is not judged of one window.
    #[must_use]
    pub fn of_window(self) -> Self {
        let one = |of: TimeSummary| TimeSummary { ns_min: None, ns_p90: None, ..of };
        Self {
            service_time: one(self.service_time),
            response_time: self.response_time.map(one),
            response_time_lower_bounds: self.response_time_lower_bounds.map(one),
            send_lag: self.send_lag.map(one),
            generator_lag: self.generator_lag.map(one),
            lateness: self.lateness.map(one),
        }
    }
}

/// What is judged of a histogram, in nanoseconds and as exact as it was: to one part in a thousand.
/// A quantile is the longest time that counts as it; all are 0 where there are no times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TimeSummary {
    /// How many times.
    pub count: u64,
    /// Their mean; times [`Self::count`] their sum.
    pub ns_mean: u64,
    /// The shortest; absent for one window, since it is not judged there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns_min: Option<u64>,
    /// The median.
    pub ns_p50: u64,
    /// The 90th percentile; absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns_p90: Option<u64>,
    /// The 99th percentile.
    pub ns_p99: u64,
    /// The 99.9th percentile.
    pub ns_p999: u64,
    /// The longest.
    pub ns_max: u64,
}

/// Where an arm's highest rate within the limit lies, in requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SearchResult {
    /// The highest rate that held in two of its two or three probes; absent where none did.
    pub held_per_second: Option<u64>,
    /// The lowest rate that failed in two of them, above the one that held; absent where none did.
    pub failed_per_second: Option<u64>,
    /// Why the search was over.
    pub end: SearchEnd,
}

/// Why a search was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// The two rates are near enough to each other.
    Narrow,
    /// The highest rate that is tried held.
    AllHeld,
    /// The lowest rate that is tried failed.
    NoneHeld,
    /// There were as many probes as there may be.
    OutOfProbes,
    /// They took as long as they may.
    OutOfTime,
}

/// A window that tried a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProbeResult {
    /// The rate, in requests per second.
    pub rate_per_second: u64,
    /// For how long requests were planned.
    pub planned_ns: u64,
    /// Whether the rate held: so many of the planned requests as the limit's quantile says were
    /// responded to as expected within its time, and nearly all within the planned time.
    pub held: bool,
}
