//! Proof of work: what services counted of an arm, against what its responses need.

use anyhow::{Context, Error, Result};

use super::{Running, Services, failure, get};
use crate::MeasureError;
use crate::events::Events;
use crate::upstream::{self, Counts};
use duet_loadgen::count::histogram;
use duet_model::record::{Failure, ServiceCounts, Stage};
use duet_model::spec::{Case, Service, ServiceKind, Spec, Workload};
use duet_protocol::{EventsResult, WindowResult};

/// What a connection may do beside requests: prepare statements, look up types, ping.
const TRANSACTIONS_PER_SESSION: u64 = 64;

/// One request in so many may be done twice, as where a client tries again.
const REPEATED_SHARE: u64 = 100;

/// Beside all that.
const SPARE: u64 = 64;

/// Histograms of times are exact to one part in a thousand, both when they are made and when they
/// are read.
const TIMES_EXACT: f64 = 0.998;

/// What an arm was asked while it was driven, and what it had open at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Driven {
    /// Ok responses.
    pub ok: u64,
    /// Requests that it may have seen.
    pub sent: u64,
    /// Connections to its database when the windows had ended.
    pub connections: Option<u64>,
}

/// What services had counted before the arms of a block were started. Databases are new then.
#[derive(Debug, Default)]
pub struct Ledger {
    upstream: Vec<Counts>,
}

impl Services {
    /// Reads what has been counted, before the arms are started.
    ///
    /// # Errors
    /// A failure of a service.
    pub fn open_ledger(&self, spec: &Spec, workload: &Workload) -> Result<Ledger, MeasureError> {
        let Some(service) = spec.service_of(workload, ServiceKind::Upstream) else {
            return Ok(Ledger::default());
        };
        let counts = self.upstream_counts(service);
        let upstream = counts.map_err(|error| failure(service, error.into(), Stage::Service))?;
        Ok(Ledger { upstream })
    }

    /// What the services of a workload have counted of each arm since, where they count anything.
    /// The arms must have been stopped.
    ///
    /// # Errors
    /// A failure of a service, or an interruption.
    pub fn close_ledger(
        &self,
        spec: &Spec,
        workload: &Workload,
        ledger: &Ledger,
        driven: &[Driven],
    ) -> Result<Vec<(String, Vec<ServiceCounts>)>, MeasureError> {
        let mut all = vec![];
        for service in spec.services_of(workload) {
            let counted = self.counted(service, ledger, driven);
            let counted = counted.map_err(|error| failure(service, error, Stage::Work))?;
            all.push((service.name.clone(), counted));
        }
        Ok(all)
    }

    fn counted(
        &self,
        service: &Service,
        ledger: &Ledger,
        driven: &[Driven],
    ) -> Result<Vec<ServiceCounts>, MeasureError> {
        let base = |of: &Driven| ServiceCounts { ok: of.ok, sent: of.sent, ..Default::default() };
        let mut counts: Vec<ServiceCounts> = driven.iter().map(base).collect();
        match service.kind {
            ServiceKind::Command => return Ok(vec![]),
            ServiceKind::Upstream => {
                let now = self.upstream_counts(service)?;
                for ((counts, now), before) in counts.iter_mut().zip(now).zip(&ledger.upstream) {
                    counts.calls = Some(now.calls.saturating_sub(before.calls));
                    counts.accepts = Some(now.accepts.saturating_sub(before.accepts));
                }
            }
            ServiceKind::Postgres => {
                let all = self.running.borrow();
                let Some(Running::Postgres(postgres)) = all.get(&service.name) else {
                    return Ok(vec![]);
                };
                for (arm, (counts, driven)) in counts.iter_mut().zip(driven).enumerate() {
                    let of = postgres.counters(&self.runtime, arm, &self.interrupt)?;
                    counts.transactions = Some(of.transactions);
                    counts.rows_read = Some(of.rows_read);
                    counts.rows_written = Some(of.rows_written);
                    counts.sessions = Some(of.sessions);
                    counts.connections = driven.connections;
                }
            }
        }
        Ok(counts)
    }

    fn upstream_counts(&self, service: &Service) -> Result<Vec<Counts>> {
        let all = self.running.borrow();
        let Some(Running::Instances(instances)) = all.get(&service.name) else {
            return Ok(vec![]);
        };
        let counts = instances.iter().map(|instance| {
            let response = get(instance.addr, "/counts").map_err(Error::msg)?;
            upstream::counts(&response)
        });
        counts.collect::<Result<_>>().context("it does not say what it has counted")
    }

    /// The first arm that did not do the work that its responses need, as its server's failure.
    /// The load had so many threads, each of which sends all cases in turn.
    ///
    /// # Errors
    /// A failure of an arm or of a service, or an interruption.
    pub fn check_work(
        &self,
        spec: &Spec,
        workload: &Workload,
        servers: &[String],
        counted: &[(String, Vec<ServiceCounts>)],
        threads: usize,
    ) -> Result<(), MeasureError> {
        for (service, counts) in counted {
            for (arm, (counts, server)) in counts.iter().zip(servers).enumerate() {
                let pool = spec.server(server).and_then(|server| server.pool);
                let fits = fits(workload, counts, threads).and_then(|()| within_pool(counts, pool));
                let left = match fits.map_err(|why| format!("in {service}: {why}")) {
                    Ok(()) => self.left_behind(spec, workload, arm)?,
                    Err(why) => Some(why),
                };
                if let Some(error) = left {
                    return Err(of_server(server, error).into());
                }
            }
        }
        Ok(())
    }

    /// What an arm left in its database that no sequence of ok responses leaves there.
    fn left_behind(
        &self,
        spec: &Spec,
        workload: &Workload,
        arm: usize,
    ) -> Result<Option<String>, MeasureError> {
        let service = spec.service_of(workload, ServiceKind::Postgres);
        let sql = workload.database.as_ref().and_then(|database| database.invalid.as_ref());
        let Some((service, sql)) = service.zip(sql) else { return Ok(None) };
        let all = self.running.borrow();
        let Some(Running::Postgres(postgres)) = all.get(&service.name) else { return Ok(None) };
        let row = postgres.first_row(&self.runtime, arm, sql);
        let row = row.map_err(|error| failure(service, error.into(), Stage::Work))?;
        Ok(row.map(|(row, rows)| {
            format!(
                "in {}: {rows} rows of its database are none that these requests leave behind; \
                 the first: {row} (`invalid` in workloads.toml)",
                service.name
            )
        }))
    }
}

/// The first arm with an ok response that came sooner than any can be valid, as its server's
/// failure.
///
/// # Errors
/// That failure, or a histogram that cannot be read.
pub fn check_waits(
    workload: &Workload,
    servers: &[String],
    windows: &[WindowResult],
) -> Result<(), MeasureError> {
    let waits = workload.cases.iter().map(|case| case.least_ms);
    let Some(least_ms) = waits.min().flatten() else { return Ok(()) };
    let least_ns = f64::from(least_ms) * 1e6;
    for window in windows {
        let times = window.service_time.as_deref().map(histogram::shortest_ns).transpose()?;
        let shortest_ns = times.flatten().map(|ns| ns as f64);
        let (Some(ns), Some(server)) = (shortest_ns, servers.get(window.arm as usize)) else {
            continue;
        };
        if ns < least_ns * TIMES_EXACT {
            let error = format!(
                "a response came after {:.2} ms, and no valid one takes less than {least_ms} ms \
                 (`least_ms` in workloads.toml): the server does not wait",
                ns / 1e6
            );
            return Err(of_server(server, error).into());
        }
    }
    Ok(())
}

/// The first arm whose events came before they were due, or too often when the next one was, as
/// its server's failure.
///
/// # Errors
/// That failure.
pub fn check_events(servers: &[String], windows: &[WindowResult]) -> Result<(), Failure> {
    for (arm, server) in servers.iter().enumerate() {
        let own = windows.iter().filter(|window| window.arm as usize == arm);
        let of_arm: Vec<&EventsResult> = own.filter_map(|w| w.events.as_ref()).collect();
        let sum = |of: fn(&EventsResult) -> u64| of_arm.iter().map(|e| of(e)).sum::<u64>();
        let (count, early, late) = (sum(|e| e.count), sum(|e| e.early), sum(|e| e.late));
        Events { count, early, late }.check().map_err(|error| of_server(server, error))?;
    }
    Ok(())
}

fn of_server(server: &str, error: String) -> Failure {
    Failure { stage: Stage::Work, server: Some(server.to_owned()), error, stderr: vec![] }
}

/// Whether counts fit what responses need.
fn fits(workload: &Workload, counts: &ServiceCounts, threads: usize) -> Result<(), String> {
    let repeated = counts.sent / REPEATED_SHARE + SPARE;
    let prepared = counts.sessions.unwrap_or(0) * TRANSACTIONS_PER_SESSION;
    if let Some(database) = &workload.database {
        let each = database.transactions;
        within(counts, "transactions", counts.transactions, (each, each), repeated + prepared)?;
        let each = database.rows_written;
        within(counts, "rows written", counts.rows_written, (each, each), repeated)?;
        // More may be read: by another plan, and of the catalogue.
        within(counts, "rows read", counts.rows_read, (database.rows_read, u32::MAX), 0)?;
    }
    if let (Some(calls), Some(bounds)) = (counts.calls, calls(&workload.cases, counts, threads)) {
        between(counts, "calls", calls, bounds)?;
    }
    Ok(())
}

/// Whether a server has no more connections to its database than its table says.
fn within_pool(counts: &ServiceCounts, pool: Option<u32>) -> Result<(), String> {
    match (counts.connections, pool) {
        (Some(open), Some(pool)) if open > pool.into() => Err(format!(
            "{open} connections to its database were open when the windows had ended, and its \
             table says at most {pool} (`pool` in servers.toml)"
        )),
        _ => Ok(()),
    }
}

/// The fewest calls that ok responses need and the most that all requests may cause. Every thread
/// of the load sends all cases in turn, so that only its last turn, which is cut short, may have
/// more or fewer of the costly ones than its share; and which requests failed nobody knows.
fn calls(cases: &[Case], counts: &ServiceCounts, threads: usize) -> Option<(u64, u64)> {
    let of_case: Vec<f64> =
        cases.iter().map(|case| case.upstream_calls.unwrap_or(0).into()).collect();
    let largest = of_case.iter().copied().reduce(f64::max).filter(|largest| *largest > 0.0)?;
    let mean = of_case.iter().sum::<f64>() / of_case.len() as f64;
    let above: f64 = of_case.iter().map(|calls| (calls - mean).max(0.0)).sum();
    let cut_short = above * threads as f64;
    let ServiceCounts { ok, sent, .. } = *counts;
    let not_ok = sent.saturating_sub(ok) as f64 * largest;
    let repeated = (sent / REPEATED_SHARE + SPARE) as f64 * largest;
    let least = (ok as f64 * mean - cut_short - not_ok).max(0.0);
    Some((least.ceil() as u64, (sent as f64 * mean + cut_short + repeated) as u64))
}

/// Whether a count lies between what ok responses need and what all requests may cause, with some
/// to spare. `each`: the least and the most of one request.
fn within(
    counts: &ServiceCounts,
    what: &str,
    counted: Option<u64>,
    each: (u32, u32),
    spare: u64,
) -> Result<(), String> {
    let Some(counted) = counted else { return Ok(()) };
    let least = counts.ok * u64::from(each.0);
    let most = counts.sent.saturating_mul(each.1.into()).saturating_add(spare);
    between(counts, what, counted, (least, most))
}

fn between(
    counts: &ServiceCounts,
    what: &str,
    counted: u64,
    (least, most): (u64, u64),
) -> Result<(), String> {
    let ServiceCounts { ok, sent, .. } = *counts;
    if counted < least {
        return Err(format!(
            "{ok} ok responses need at least {least} {what}, and there were {counted}: the server \
             caches, batches or skips work"
        ));
    }
    if counted > most {
        return Err(format!(
            "{sent} requests need at most {most} {what}, and there were {counted}: the server does \
             other work than the workload says"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_model::spec::{Case, DatabaseWork};

    #[test]
    fn work_that_fits() {
        let database =
            DatabaseWork { transactions: 2, rows_read: 3, rows_written: 1, invalid: None };
        let workload = Workload { database: Some(database), ..Workload::default() };
        let counts = |transactions, rows_read, rows_written| ServiceCounts {
            ok: 1_000,
            sent: 1_000,
            transactions: Some(transactions),
            rows_read: Some(rows_read),
            rows_written: Some(rows_written),
            sessions: Some(1),
            ..ServiceCounts::default()
        };
        let check = |counts: ServiceCounts, want: &str| {
            let got = fits(&workload, &counts, 1).err().unwrap_or_default();
            assert!(got.contains(want) && got.is_empty() == want.is_empty(), "{counts:?}: {got}");
        };
        check(counts(2_000, 3_000, 1_000), "");
        check(counts(2_138, 9_000, 1_074), "");
        check(counts(1_999, 3_000, 1_000), "at least 2000 transactions, and there were 1999");
        check(counts(2_139, 3_000, 1_000), "at most 2138 transactions, and there were 2139");
        check(counts(2_000, 2_999, 1_000), "at least 3000 rows read");
        check(counts(2_000, 3_000, 999), "at least 1000 rows written");
        check(counts(2_000, 3_000, 1_075), "at most 1074 rows written");
    }

    #[test]
    fn connections_that_fit() {
        let check = |open, pool, fit| {
            let counts = ServiceCounts { connections: open, ..ServiceCounts::default() };
            assert_eq!(within_pool(&counts, pool).is_ok(), fit, "{open:?}, {pool:?}");
        };
        check(Some(16), Some(16), true);
        check(Some(17), Some(16), false);
        check(Some(17), None, true);
        check(None, Some(16), true);
    }

    #[test]
    fn calls_that_fit() {
        let case = |calls| Case { upstream_calls: Some(calls), ..Case::default() };
        let check = |of_cases: &[u32], sent, calls, fit| {
            let cases = of_cases.iter().map(|calls| case(*calls)).collect();
            let workload = Workload { cases, ..Workload::default() };
            let counts =
                ServiceCounts { ok: 1_000, sent, calls: Some(calls), ..Default::default() };
            assert_eq!(fits(&workload, &counts, 2).is_ok(), fit, "{of_cases:?}, {calls}");
        };
        // Where all cases need the same, exactly that.
        check(&[3], 1_000, 3_000, true);
        check(&[3], 1_000, 2_999, false);
        check(&[3, 3], 1_000, 3_000 + 74 * 3, true);
        check(&[3, 3], 1_000, 3_001 + 74 * 3, false);
        // Each of two threads may have sent one request of 1 call more than of 10, or fewer.
        check(&[1, 10], 1_000, 5_491, true);
        check(&[1, 10], 1_000, 5_490, false);
        check(&[1, 10], 1_000, 5_509 + 74 * 10, true);
        check(&[1, 10], 1_000, 5_510 + 74 * 10, false);
        // Twenty failed, and may have been the costly ones.
        check(&[1, 10], 1_020, 5_291, true);
        check(&[1, 10], 1_020, 5_290, false);
    }

    #[test]
    fn responses_that_cannot_be() -> Result<()> {
        let case = |least_ms| Case { least_ms, ..Case::default() };
        let check = |cases: Vec<Case>, ns, want: &str| {
            let mut times = histogram::TimeHistogram::new();
            times.record(ns);
            let workload = Workload { cases, ..Workload::default() };
            let window =
                WindowResult { service_time: Some(histogram::encode(&times.take())?), ..window() };
            let got = check_waits(&workload, &["a".into()], &[window]).err();
            let got = got.map(|error| error.to_string()).unwrap_or_default();
            assert!(got.contains(want) && got.is_empty() == want.is_empty(), "{ns}: {got}");
            Ok::<_, Error>(())
        };
        check(vec![case(Some(2)), case(Some(5))], 2_000_000, "")?;
        check(vec![case(Some(5)), case(Some(2))], 1_900_000, "came after 1.90 ms")?;
        check(vec![case(Some(5)), case(None)], 1, "")
    }

    #[test]
    fn events_that_cannot_be() {
        let check = |(count, late, early), want: &str| {
            let events = Some(EventsResult { count, late, early, lateness: None });
            let windows = [window(), WindowResult { events, ..window() }];
            let got = check_events(&["a".into()], &windows).err();
            let got = got.map(|error| error.to_string()).unwrap_or_default();
            assert!(got.contains(want) && got.is_empty() == want.is_empty(), "{got}");
        };
        check((1_000, 250, 0), "");
        check((1_000, 251, 0), "251 of 1000 events came when the next one was due");
        check((999, 0, 1), "1 of 1000 events came before they were due");
    }

    fn window() -> WindowResult {
        WindowResult { elapsed_ns: 1, requests: 1, ..WindowResult::default() }
    }
}
