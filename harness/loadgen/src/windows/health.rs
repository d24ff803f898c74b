//! When so many requests of an arm have failed that there is nothing to measure, in words that say
//! what to do.

use duet_protocol::Job;
use duet_units as units;

use crate::count::account::Account;
use crate::error_kind::{ErrorCounts, ErrorKind};
use crate::job_error::JobError;
use crate::reason::Reason;
use crate::transport::error::{self, CLOSED, TransportError};

/// Failed requests tolerated per hundred.
const TOLERATED_PERCENT: u64 = 1;

/// What an arm's requests came to so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Health {
    ok: u64,
    errors: ErrorCounts,
}

impl Health {
    /// Adds a window and what happened before and behind it. Fails the job when it held no ok
    /// response, or when too many requests failed so far. All requests in flight may fail once
    /// before the bound counts: one incident breaks all connections, and early on one incident is
    /// more than a hundredth. Where rates are tried, a request that fails is a finding, and part of
    /// why a rate does not hold. A message over WebSocket that does not come back is lost: none may
    /// be.
    pub(super) fn add(
        &mut self,
        arm: u32,
        job: &Job,
        window: &Account,
        (ok_outside, errors_outside): &(u64, ErrorCounts),
        last_error: Option<TransportError>,
    ) -> Result<(), JobError> {
        self.ok += window.ok + ok_outside;
        self.errors.merge(&window.errors);
        self.errors.merge(errors_outside);
        match last_error {
            Some(error) if window.ok == 0 => Err(failed(arm, job, error)),
            Some(error) if job.limit().is_none() && self.is_bad(job, job.in_flight_max()) => {
                Err(self.too_many(arm, job, error))
            }
            _ => Ok(()),
        }
    }

    /// The same bound at the end of the job, without its allowance.
    pub(super) fn conclude(
        &self,
        arm: u32,
        job: &Job,
        last_error: Option<TransportError>,
    ) -> Result<(), JobError> {
        match last_error {
            Some(error) if self.is_bad(job, 0) => Err(self.too_many(arm, job, error)),
            _ => Ok(()),
        }
    }

    fn is_bad(&self, job: &Job, allowance: u32) -> bool {
        let requests = self.ok + self.errors.total();
        let tolerated = match job.has_messages() {
            true => 0,
            false => u64::from(allowance) + requests * TOLERATED_PERCENT / 100,
        };
        self.errors.total() > tolerated
    }

    fn too_many(&self, arm: u32, job: &Job, error: TransportError) -> JobError {
        let kinds: Vec<String> =
            self.errors.by_name().iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        let (what, rule) = match job.has_messages() {
            true => ("messages", "and none may".to_owned()),
            false => ("requests", format!("more than {TOLERATED_PERCENT} %")),
        };
        let text = format!(
            "{} of {} {what} failed ({}), {rule}; the last one: {}",
            self.errors.total(),
            self.ok + self.errors.total(),
            kinds.join(", "),
            describe(arm, job, error)
        );
        JobError::for_arm(arm, text)
    }
}

/// An error that leaves nothing to measure.
pub(super) fn failed(arm: u32, job: &Job, error: TransportError) -> JobError {
    JobError::for_arm(arm, describe(arm, job, error))
}

fn describe(arm: u32, job: &Job, error: TransportError) -> String {
    let addr = &job.arms[arm as usize].addr;
    let timeout = units::nanoseconds(job.timeout_ns as f64);
    match error.kind {
        ErrorKind::Connect => error::unconnected(&addr.to_string(), error.reason),
        ErrorKind::Timeout if error.closing => format!(
            "{addr} responded but did not close the connection within {timeout}, as it had to"
        ),
        ErrorKind::Timeout => format!("no response from {addr} within {timeout}"),
        ErrorKind::Tls => format!("no TLS with {addr}: {}", error.reason),
        ErrorKind::Truncated => format!("{addr} closed the connection in the middle of a response"),
        ErrorKind::GoAway => format!("{addr} sent the connection away (GOAWAY)"),
        _ => match error.reason {
            // WebSocket has words for it.
            Reason::Words(why) if why != CLOSED => {
                format!("{addr} closed the connection instead of responding ({why})")
            }
            _ => format!("{addr} closed the connection instead of responding"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use nix::errno::Errno;

    use super::*;
    use crate::transport::error::{CLOSED, NO_REPLY};

    /// A job of 10 connections to one arm.
    fn job() -> Job {
        let arm = r#"{"addr":"127.0.0.1:9","pid":1,"exchanges":[]}"#;
        let text = format!(
            r#"{{"arms":[{arm}],"connections":10,"churn":false,"cpus":[0],"server_cpus":[0],
            "lead_ns":0,"window_ns":1,"fixed_window_ns":null,"measure_ns":1,"warmup_ns":1,
            "rounds":[],"timeout_ns":2000000000,"seed":1}}"#
        );
        serde_json::from_str(&text).expect("the text is a job")
    }

    #[test]
    fn bounds() {
        // Ok responses and resets of successive windows; how the error starts, if there is one.
        type Case<'a> = (&'a [(u64, u64)], Option<&'a str>);
        let cases: [Case<'_>; 7] = [
            (&[(100, 0), (100, 0)], None),
            (&[(0, 1)], Some("127.0.0.1:9 closed the connection instead of responding")),
            (&[(1000, 10)], None),
            (&[(1000, 11)], Some("11 of 1011 requests failed (reset 11), more than 1 %")),
            (&[(20, 10), (1000, 0)], None),
            (&[(20, 11)], Some("11 of 31 requests failed")),
            (&[(1000, 10), (1000, 30)], Some("40 of 2040 requests failed")),
        ];
        for (windows, expected) in cases {
            let mut health = Health::default();
            let error = Some(TransportError::new(ErrorKind::Reset, CLOSED));
            let during = windows.iter().try_for_each(|&(ok, resets)| {
                let mut window = Account { ok, ..Account::default() };
                (0..resets).for_each(|_| window.fail(ErrorKind::Reset));
                health.add(0, &job(), &window, &Default::default(), error)
            });
            let ended = during.and_then(|()| health.conclude(0, &job(), error));
            let error = ended.err().map(|error| error.to_string()).unwrap_or_default();
            match expected {
                Some(expected) => assert!(error.starts_with(expected), "{windows:?}: {error}"),
                None => assert_eq!(error, "", "{windows:?}"),
            }
        }
    }

    #[test]
    fn descriptions() {
        let connect = |errno: Errno| {
            TransportError::from_io(&io::Error::from_raw_os_error(errno as i32)).connecting()
        };
        let cases = [
            (
                connect(Errno::ECONNREFUSED),
                "connection refused by 127.0.0.1:9: is the server still running?",
            ),
            (connect(Errno::EADDRNOTAVAIL), "no free local port for a connection to 127.0.0.1:9"),
            (connect(Errno::EMFILE), "too many open files for a connection to 127.0.0.1:9"),
            (connect(Errno::EHOSTUNREACH), "cannot connect to 127.0.0.1:9: No route to host"),
            (
                TransportError::new(ErrorKind::Connect, NO_REPLY),
                "cannot connect to 127.0.0.1:9: no reply in time",
            ),
            (
                TransportError::new(ErrorKind::Timeout, NO_REPLY),
                "no response from 127.0.0.1:9 within 2.00 s",
            ),
        ];
        for (error, expected) in cases {
            let text = describe(0, &job(), error);
            assert!(text.starts_with(expected), "{text}");
        }
    }
}
