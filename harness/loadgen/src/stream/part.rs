//! What one thread of a load counted.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::account::Account;
use crate::latencies::Latencies;

/// What one thread of a load counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
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
    /// That part of it for which a connection was free: the generator's own fault.
    pub(crate) own_lag: Latencies,
    /// Right answers that came in the measured time, on each connection.
    pub(crate) right_per_connection: Vec<u64>,
    /// How much of the measured time right answers used their connections, summed up: from sending
    /// to the last byte, or until the server had closed the connection where it had to.
    pub(crate) in_use_ns: u64,
    /// When the last of them came.
    pub(crate) last_answer: Option<Instant>,
    /// When this thread stopped sending.
    pub(crate) stopped: Option<Instant>,
    pub(crate) received_bytes: u64,
    pub(crate) connections: Connections,
    pub(crate) thread: ThreadHealth,
    /// The first wrong answer, in words.
    pub(crate) wrong: Option<String>,
}

impl Part {
    /// Requests sent, those of the warm-up included.
    pub(crate) fn sent_in_all(&self) -> u64 {
        self.warmup_sent + self.account.sent
    }
}

/// What became of the connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connections {
    /// Asked for.
    pub planned: u64,
    /// Open when the measured time began.
    pub open: u64,
    /// Opened in all, replacements included.
    pub opened: u64,
    /// Attempts to open one that failed, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Closed by the server with nothing asked on them.
    pub lost_idle: u64,
    /// Requests sent again on a new connection, since the server had closed theirs before.
    pub asked_again: u64,
    /// Closed because bytes came that nobody had asked for.
    pub unasked: u64,
}

impl Connections {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.open += other.open;
        self.opened += other.opened;
        self.lost_idle += other.lost_idle;
        self.asked_again += other.asked_again;
        self.unasked += other.unasked;
        for (reason, count) in &other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
    }

    pub(crate) fn refuse(&mut self, reason: &'static str) {
        *self.refused.entry(reason).or_default() += 1;
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
    /// How often it woke up, or looked, and found something.
    pub wakeups: u64,
    /// Ready to run and waiting for a CPU; absent where the kernel does not say.
    pub run_delay_ns: Option<u64>,
}

impl ThreadHealth {
    /// The share of its time in which it had work, or could not run: 0 to 1.
    #[must_use]
    pub fn busy(&self) -> f64 {
        let worked = self.cpu_ns.saturating_sub(self.spin_ns) + self.run_delay_ns.unwrap_or(0);
        if self.elapsed_ns == 0 { 0.0 } else { worked as f64 / self.elapsed_ns as f64 }
    }
}
