//! Why a job cannot go on, in words that say what to do.

use std::fmt;
use std::io;

use nix::errno::Errno;

use super::fault::{Fault, Faults};
use super::judge::Wrong;
use super::tls;
use duet_protocol::Job;
use duet_units as units;

/// Failed requests tolerated per hundred.
const TOLERATED_PERCENT: u64 = 1;

/// The end of a job before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) arm: Option<u32>,
    pub(super) error: String,
}

/// A request that failed in transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) fault: Fault,
    /// The system's error, where there was one.
    pub(super) errno: Option<i32>,
    /// Whether the answer was complete and only the server's close was missing.
    pub(super) closing: bool,
}

impl Trouble {
    /// Trouble with nothing more to say than its kind.
    pub(super) fn of(fault: Fault) -> Self {
        Self { fault, errno: None, closing: false }
    }

    /// Why there was no connection, in words that a table of counts can have.
    pub(super) fn reason(&self) -> &'static str {
        match (self.fault, self.errno) {
            (_, Some(errno)) => Errno::from_raw(errno).desc(),
            (Fault::Tls, None) => "TLS: handshake failed",
            (_, None) => "no reply in time",
        }
    }
}

impl Failure {
    /// It is about no arm, or about all.
    pub(super) fn general(error: impl fmt::Display) -> Self {
        Self { arm: None, error: error.to_string() }
    }

    /// It is about one arm.
    pub(super) fn of(arm: u32, error: impl fmt::Display) -> Self {
        Self { arm: Some(arm), error: error.to_string() }
    }

    /// A server that answers wrongly may not be measured.
    pub(super) fn wrong(arm: u32, wrong: &Wrong) -> Self {
        Self::of(arm, format_args!("{}: {}", wrong.fault.name(), wrong.text))
    }

    /// Transport trouble that leaves nothing to measure.
    pub(super) fn trouble(arm: u32, job: &Job, trouble: Trouble) -> Self {
        Self::of(arm, describe(arm, job, trouble))
    }
}

/// What an arm's requests came to so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Health {
    right: u64,
    faults: Faults,
}

impl Health {
    /// Adds a window. Fails the job when it held no right answer, or when too many requests failed
    /// so far. All connections may fail once before the bound counts: one incident breaks them
    /// all, and early on one incident is more than a hundredth. Where rates are tried, a request
    /// that fails is a finding, and part of why a rate does not hold.
    pub(super) fn add(
        &mut self,
        arm: u32,
        job: &Job,
        right: u64,
        faults: &Faults,
        trouble: Option<Trouble>,
    ) -> Result<(), Failure> {
        self.right += right;
        self.faults.merge(faults);
        match trouble {
            Some(trouble) if right == 0 => Err(Failure::trouble(arm, job, trouble)),
            Some(trouble) if job.limit().is_none() && self.is_bad(job.connections.into()) => {
                Err(self.too_many(arm, job, trouble))
            }
            _ => Ok(()),
        }
    }

    /// The same bound at the end of the job, without its allowance.
    pub(super) fn conclude(
        &self,
        arm: u32,
        job: &Job,
        trouble: Option<Trouble>,
    ) -> Result<(), Failure> {
        match trouble {
            Some(trouble) if self.is_bad(0) => Err(self.too_many(arm, job, trouble)),
            _ => Ok(()),
        }
    }

    fn is_bad(&self, allowance: u64) -> bool {
        let requests = self.right + self.faults.total();
        self.faults.total() > allowance + requests * TOLERATED_PERCENT / 100
    }

    fn too_many(&self, arm: u32, job: &Job, trouble: Trouble) -> Failure {
        let kinds: Vec<String> =
            self.faults.by_name().iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        let error = format!(
            "{} of {} requests failed ({}), more than {TOLERATED_PERCENT} %; the last one: {}",
            self.faults.total(),
            self.right + self.faults.total(),
            kinds.join(", "),
            describe(arm, job, trouble)
        );
        Failure::of(arm, error)
    }
}

fn describe(arm: u32, job: &Job, trouble: Trouble) -> String {
    let addr = &job.arms[arm as usize].addr;
    let timeout = units::nanoseconds(job.timeout_ns as f64);
    match trouble.fault {
        Fault::Connect => unconnected(&addr.to_string(), trouble.errno),
        Fault::Timeout if trouble.closing => format!(
            "{addr} answered but did not close the connection within {timeout}, as it had to"
        ),
        Fault::Timeout => format!("no answer from {addr} within {timeout}"),
        Fault::Tls => format!("TLS with {addr} failed"),
        Fault::Short => format!("{addr} closed the connection in the middle of an answer"),
        _ => format!("{addr} closed the connection instead of answering"),
    }
}

/// Why there is no connection, in words that a table of counts can have.
pub(super) fn reason(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(errno) => Errno::from_raw(errno).desc(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "closed by the server",
        None => tls::reason(error).unwrap_or("no reply in time"),
    }
}

/// Why no connection to `addr` could be opened, in words that say what to do.
pub(super) fn unopened(addr: &str, error: &io::Error) -> String {
    let closed = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    match tls::reason(error) {
        Some(_) => format!("no TLS with {addr}: {error}"),
        None if closed.contains(&error.kind()) => {
            format!("{addr} closed the connection in the handshake: does it speak TLS?")
        }
        None if error.kind() == io::ErrorKind::Other => format!("cannot use {addr}: {error}"),
        None => unconnected(addr, error.raw_os_error()),
    }
}

pub(super) fn unconnected(addr: &str, errno: Option<i32>) -> String {
    match errno.map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED) => {
            format!("connection refused by {addr}: is the server still running?")
        }
        Some(Errno::EADDRNOTAVAIL) => format!(
            "no free local port for a connection to {addr}: closed connections hold them for a \
             minute; widen net.ipv4.ip_local_port_range or wait"
        ),
        Some(Errno::EMFILE | Errno::ENFILE) => {
            format!("too many open files for a connection to {addr}: raise `ulimit -n`")
        }
        Some(errno) => {
            format!("cannot connect to {addr}: {}", io::Error::from_raw_os_error(errno as i32))
        }
        None => format!("cannot connect to {addr}: no reply in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job of 10 connections to one arm.
    fn job() -> Job {
        let arm = r#"{"addr":"127.0.0.1:9","pid":1,"exchanges":[]}"#;
        let text = format!(
            r#"{{"arms":[{arm}],"connections":10,"churn":false,"cpus":[0],"server_cpus":[0],
            "window_ns":1,"fixed_window_ns":null,"measure_ns":1,"warmup_ns":1,"rounds":[],
            "timeout_ns":2000000000,"seed":1}}"#
        );
        serde_json::from_str(&text).expect("the text is a job")
    }

    #[test]
    fn bounds() {
        // Right answers and resets of successive windows; how the error starts, if there is one.
        type Case<'a> = (&'a [(u64, u64)], Option<&'a str>);
        let cases: [Case<'_>; 7] = [
            (&[(100, 0), (100, 0)], None),
            (&[(0, 1)], Some("127.0.0.1:9 closed the connection instead of answering")),
            (&[(1000, 10)], None),
            (&[(1000, 11)], Some("11 of 1011 requests failed (reset 11), more than 1 %")),
            (&[(20, 10), (1000, 0)], None),
            (&[(20, 11)], Some("11 of 31 requests failed")),
            (&[(1000, 10), (1000, 30)], Some("40 of 2040 requests failed")),
        ];
        for (windows, expected) in cases {
            let mut health = Health::default();
            let trouble = Some(Trouble::of(Fault::Reset));
            let during = windows.iter().try_for_each(|&(right, resets)| {
                let mut faults = Faults::default();
                (0..resets).for_each(|_| faults.add(Fault::Reset));
                health.add(0, &job(), right, &faults, trouble)
            });
            let ended = during.and_then(|()| health.conclude(0, &job(), trouble));
            let error = ended.err().map(|failure| failure.error).unwrap_or_default();
            match expected {
                Some(expected) => assert!(error.starts_with(expected), "{windows:?}: {error}"),
                None => assert_eq!(error, "", "{windows:?}"),
            }
        }
    }

    #[test]
    fn descriptions() {
        let connect = |errno: Errno| Trouble {
            fault: Fault::Connect,
            errno: Some(errno as i32),
            closing: false,
        };
        let cases = [
            (
                connect(Errno::ECONNREFUSED),
                "connection refused by 127.0.0.1:9: is the server still running?",
            ),
            (connect(Errno::EADDRNOTAVAIL), "no free local port for a connection to 127.0.0.1:9"),
            (connect(Errno::EMFILE), "too many open files for a connection to 127.0.0.1:9"),
            (connect(Errno::EHOSTUNREACH), "cannot connect to 127.0.0.1:9: No route to host"),
            (Trouble::of(Fault::Connect), "cannot connect to 127.0.0.1:9: no reply in time"),
            (Trouble::of(Fault::Timeout), "no answer from 127.0.0.1:9 within 2.00 s"),
        ];
        for (trouble, expected) in cases {
            let text = describe(0, &job(), trouble);
            assert!(text.starts_with(expected), "{text}");
        }
    }
}
