//! What one thread of a load counted.

use std::collections::BTreeMap;
use std::time::Instant;

use duet_process::proc::{self, CpuClock};

use super::account::Account;
use super::latencies::Latencies;
use crate::job_error::JobError;
use crate::reason::Reason;
use crate::request::in_flight::nanoseconds;

/// What one thread of a load counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct ThreadStats {
    /// Requests planned after the warm-up.
    pub(crate) account: Account,
    /// Requests sent in the warm-up, and those of them that failed.
    pub(crate) warmup_sent: u64,
    pub(crate) warmup_failed: u64,
    /// From the planned instant to the last byte; open loop only.
    pub(crate) response: Latencies,
    /// From sending to the last byte.
    pub(crate) service: Latencies,
    /// From the planned instant to sending; open loop only.
    pub(crate) send_lag: Latencies,
    /// That part of it for which a connection was free, so that the generator alone was late.
    pub(crate) generator_lag: Latencies,
    /// Ok responses that came in the measured time, on each connection.
    pub(crate) ok_per_connection: Vec<u64>,
    /// How much of the measured time ok responses used their connections, summed up: from sending
    /// to the last byte, or until the server had closed the connection where it had to.
    pub(crate) in_use_ns: u64,
    /// When the last of them came.
    pub(crate) last_response: Option<Instant>,
    /// When this thread stopped sending.
    pub(crate) stopped: Option<Instant>,
    /// Connections open when the measured time began.
    pub(crate) open: u64,
    pub(crate) health: ThreadHealth,
    /// The first mismatch, in words.
    pub(crate) mismatch: Option<String>,
    /// By exchange; empty where there is one alone.
    pub(crate) cases: Vec<CaseStats>,
    /// Why requests failed in transport.
    pub(crate) reasons: BTreeMap<Reason, u64>,
    /// Statuses of responses that were not as expected.
    pub(crate) mismatched_statuses: BTreeMap<u16, u64>,
    /// Bytes received from the end of the warm-up until nothing was sent any more.
    pub(crate) received_measured: u64,
}

/// What became of the requests of one case in the measured time.
#[derive(Debug, Clone, Default)]
pub struct CaseStats {
    /// Ok responses.
    pub ok: u64,
    /// Requests that were sent and failed.
    pub failed: u64,
    /// From sending to the last byte of ok responses.
    pub service: Latencies,
}

impl CaseStats {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.service.merge(&other.service);
    }
}

/// What a thread of the generator did with its time, from the end of the warm-up until it stopped
/// sending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThreadHealth {
    /// The time.
    pub elapsed_ns: u64,
    /// On a CPU.
    pub cpu_ns: u64,
    /// Of that, waiting busily for the next planned instant.
    pub spin_ns: u64,
    /// How often it woke up, or polled, and found something.
    pub wakeups: u64,
    /// Ready to run and waiting for a CPU; absent where the kernel does not say.
    pub run_delay_ns: Option<u64>,
}

/// A thread's clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadClocks {
    at: Instant,
    cpu_ns: u64,
    run_delay_ns: Option<u64>,
}

impl ThreadHealth {
    /// The share of its time in which it had work, or could not run: 0 to 1.
    #[must_use]
    pub fn busy(&self) -> f64 {
        let worked = self.cpu_ns.saturating_sub(self.spin_ns) + self.run_delay_ns.unwrap_or(0);
        if self.elapsed_ns == 0 { 0.0 } else { worked as f64 / self.elapsed_ns as f64 }
    }
}

impl ThreadClocks {
    /// Reads the clocks of the calling thread.
    pub(crate) fn read(at: Instant) -> Result<Self, JobError> {
        let cpu_ns = CpuClock::own_thread().read_ns().map_err(|e| {
            JobError::general(format_args!("failed to read a thread's CPU clock: {e}"))
        })?;
        Ok(Self { at, cpu_ns, run_delay_ns: proc::run_delay_ns().ok() })
    }

    /// What the thread did since `begin`.
    pub(crate) fn since(self, begin: Self, spin_ns: u64, wakeups: u64) -> ThreadHealth {
        let delays = begin.run_delay_ns.zip(self.run_delay_ns);
        ThreadHealth {
            elapsed_ns: nanoseconds(begin.at, self.at),
            cpu_ns: self.cpu_ns.saturating_sub(begin.cpu_ns),
            spin_ns,
            wakeups,
            run_delay_ns: delays.map(|(before, after)| after.saturating_sub(before)),
        }
    }
}
