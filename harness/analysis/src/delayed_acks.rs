//! Responses that wait for an acknowledgement which the receiver delays.
//!
//! A server that writes head and body one after the other without TCP_NODELAY sends the body when
//! the head was acknowledged (Nagle's algorithm, RFC 896), which Linux does after 40 ms where
//! nothing else is to be sent (net/tcp.h, TCP_DELACK_MIN). So its time is 40 ms whatever it does.

use crate::cell::Cell;
use crate::summary::Warning;
use duet_units::Metric;

/// 40 ms as the kernel's ticks round them, and what a small response takes besides, on a busy
/// machine too.
const WAIT_NS: std::ops::RangeInclusive<f64> = 39e6..=60e6;

/// A server that is busy so much of the time does not wait.
const BUSY_MAX: f64 = 0.5;

/// Says which arms' responses take as long as such an acknowledgement.
pub(super) fn warning(cell: &Cell) -> Option<Warning> {
    let waits = |arm: usize| {
        let of_blocks = cell.counted.iter().filter_map(|block| {
            let values = block.values.arms.get(arm)?;
            let metrics = [Metric::ServiceTimeNsP50, Metric::LatencyNsP50];
            metrics.iter().find_map(|metric| values.get(metric).copied())
        });
        // Whatever disturbs a block makes it longer.
        let least = of_blocks.min_by(f64::total_cmp);
        let busy = cell.bottleneck.server_busy.get(arm).copied().unwrap_or(0.0);
        least.is_some_and(|time| WAIT_NS.contains(&time)) && busy < BUSY_MAX
    };
    let labels = cell.labels();
    let waiting: Vec<&str> =
        (0..labels.len()).filter(|&arm| waits(arm)).map(|arm| labels[arm]).collect();
    let message = format!(
        "half of the responses of {} take about as long as Linux delays an acknowledgement (40 ms)",
        waiting.join(" and ")
    );
    let hint = "where head and body are written one after the other, write them at once or set \
                TCP_NODELAY: the 40 ms are gone then, and what is left is the server's";
    (!waiting.is_empty()).then(|| Warning::new("delayed_acks", message, hint))
}
