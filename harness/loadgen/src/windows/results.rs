//! Windows that were driven, as the harness is told of them.

use duet_protocol::{EventsResult, OpenResult, Outside, ProbeResult, WindowResult};

use crate::count::events::EventCounts;
use crate::count::histogram;
use crate::count::window_clocks::ClockReading;
use crate::count::window_seconds::SecondCounts;
use crate::count::window_sink::WindowCounts;
use crate::job_error::JobError;

/// A window that was driven and is not encoded yet.
pub(super) struct Window {
    pub(super) arm: u32,
    pub(super) round: u32,
    pub(super) counts: WindowCounts,
    /// The clocks before its lead-in.
    pub(super) before: ClockReading,
    /// The clocks at its edges.
    pub(super) edges: [ClockReading; 2],
    /// Which rate it tried, if it did.
    pub(super) probe: Option<ProbeResult>,
}

/// All measured windows, and the clocks behind the last.
pub(super) struct Measured {
    pub(super) windows: Vec<Window>,
    pub(super) end: ClockReading,
}

/// What the harness is told about the windows.
pub(super) fn results(measured: Measured, open: bool) -> Result<Vec<WindowResult>, JobError> {
    let Measured { windows, end } = measured;
    let nexts = windows.iter().skip(1).map(|window| &window.before).chain([&end]);
    windows.iter().zip(nexts).map(|(window, next)| result(window, next, open)).collect()
}

fn result(window: &Window, next: &ClockReading, open: bool) -> Result<WindowResult, JobError> {
    let Window { arm, round, counts, before, edges, probe } = window;
    let [begin, end] = edges;
    let mut server_cpu_ns: Vec<u64> =
        next.server_cpu_ns.iter().zip(&before.server_cpu_ns).map(|(n, b)| n - b).collect();
    let driven = *arm as usize;
    // What a closed loop leaves to be done at its end, a collection say, is done before the next.
    let end_ns = if open { &end.server_cpu_ns } else { &next.server_cpu_ns };
    let in_window = end_ns[driven] - begin.server_cpu_ns[driven];
    // Two threads read an open window's clocks, and each may learn of an ended process first.
    let outside =
        std::mem::replace(&mut server_cpu_ns[driven], in_window).saturating_sub(in_window);
    let (requests, errors) = &counts.outside;
    Ok(WindowResult {
        arm: *arm,
        round: *round,
        lead_ns: (begin.at - before.at).as_nanos() as u64, // 584 years
        elapsed_ns: counts.elapsed().as_nanos() as u64,
        requests: counts.account.ok,
        errors: counts.account.failed_by_kind(),
        received_bytes: counts.received_bytes,
        server_cpu_ns,
        generator_cpu_ns: end.generator_cpu_ns - begin.generator_cpu_ns,
        // Counters of stolen time may go back where a virtual machine migrates.
        server_stolen_ns: end.server_stolen_ns.saturating_sub(begin.server_stolen_ns),
        generator_stolen_ns: end.generator_stolen_ns.saturating_sub(begin.generator_stolen_ns),
        outside: Some(Outside {
            requests: *requests,
            failed: errors.total(),
            server_cpu_ns: outside,
        }),
        service_time: Some(encode(&counts.service)?),
        times: None,
        open: open.then(|| open_result(counts)).transpose()?,
        events: events_result(&counts.events)?,
        probe: *probe,
        seconds: counts.seconds.iter().map(SecondCounts::result).collect(),
    })
}

/// What streams of events add, where there were any.
fn events_result(events: &EventCounts) -> Result<Option<EventsResult>, JobError> {
    let EventCounts { lateness, late, early } = events;
    let count = events.count();
    if count + early == 0 {
        return Ok(None);
    }
    let lateness = Some(encode(lateness)?);
    Ok(Some(EventsResult { count, late: *late, early: *early, lateness }))
}

/// What an open loop adds.
///
/// # Panics
/// When a request was lost track of, which would be a mistake of ours.
fn open_result(counts: &WindowCounts) -> Result<OpenResult, JobError> {
    let account = &counts.account;
    assert!(account.adds_up(), "requests were lost track of: {account:?}");
    let lower_bounds = &counts.response_lower_bounds;
    let lower_bounds = (!lower_bounds.is_empty()).then(|| encode(lower_bounds));
    Ok(OpenResult {
        planned: account.planned,
        sent: account.sent,
        sent_late: counts.sent_late,
        unsent: account.unsent,
        generator_spin_ns: counts.spin_ns,
        response_time: Some(encode(&counts.response)?),
        response_time_lower_bounds: lower_bounds.transpose()?,
        send_lag: Some(encode(&counts.send_lag)?),
        generator_lag: Some(encode(&counts.generator_lag)?),
    })
}

fn encode(snapshot: &[(u64, u32)]) -> Result<String, JobError> {
    histogram::encode(snapshot).map_err(|error| JobError::general(format_args!("{error:#}")))
}
