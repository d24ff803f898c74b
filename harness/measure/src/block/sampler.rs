//! When the memory of servers that are driven is read: ten times a second, or by the second of a
//! window of an arm alone.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::observed::{by_second, look, sample};
use crate::server::Running;
use duet_model::record::BlockRecord;
use duet_protocol::Job;

/// Time between two samples of resident memory: 10 Hz. Seconds are looked for as often.
const SAMPLE_PAUSE: Duration = Duration::from_millis(100);

/// How memory is read, and when next.
pub(super) struct Sampler {
    solo: bool,
    in_windows: bool,
    /// When the first window began.
    began: Instant,
    pub(super) next: Instant,
}

impl Sampler {
    /// Windows have not begun.
    pub(super) fn new(job: &Job) -> Self {
        let now = Instant::now();
        Self { solo: job.solo, in_windows: false, began: now, next: now }
    }

    /// The first window begins, behind its lead-in.
    pub(super) fn begin(&mut self, job: &Job) {
        self.in_windows = true;
        self.began = Instant::now() + Duration::from_nanos(job.lead_ns);
        self.next = if self.solo { self.began } else { self.next };
    }

    /// Reads memory if it is time, `started` being when the block began.
    pub(super) fn look(
        &mut self,
        arms: &[Running],
        started: Instant,
        record: &mut BlockRecord,
    ) -> Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next += SAMPLE_PAUSE;
        match (self.solo, self.in_windows) {
            (false, in_windows) => sample(arms, started, in_windows, record),
            (true, false) => {}
            (true, true) => {
                for (arm, running) in record.arms.iter_mut().zip(arms) {
                    by_second(running.root(), self.began, &mut arm.seconds)?;
                }
            }
        }
        Ok(())
    }

    /// The last window is over: reads the memory at its end, where that was not seen yet.
    pub(super) fn end(&mut self, arms: &[Running], record: &mut BlockRecord) -> Result<()> {
        self.in_windows = false;
        if !self.solo {
            return Ok(());
        }
        let end_ms = record.window_ns / 1_000_000;
        let elapsed = Instant::now().saturating_duration_since(self.began);
        for (arm, running) in record.arms.iter_mut().zip(arms) {
            if arm.seconds.last().is_none_or(|last| last.at_ms < end_ms) {
                look(running.root(), elapsed, &mut arm.seconds)?;
            }
        }
        Ok(())
    }
}
