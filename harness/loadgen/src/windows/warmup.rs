//! When the warm-up is over, how long windows are, and how many of them there will be. Pure rules.
//!
//! What must have settled is what is measured: the contrast of the arms. A drift that both arms
//! share cancels within a round, so that levels need not be stationary.

/// Rounds that the rule looks at: half of them against the half before.
const ROUNDS: usize = 6;
/// A change of the contrast that does not matter: the spread between rounds of 20 ms is larger.
const TOLERANCE: f64 = 0.02;
/// Requests that a window should hold per connection.
const REQUESTS_PER_CONNECTION: f64 = 10.0;
/// Windows are whole multiples of this, so that blocks of a cell agree on a length more often.
const WINDOW_STEP_NS: u64 = 5_000_000;
/// The longest window a pilot asks for.
const WINDOW_MAX_NS: u64 = 250_000_000;
/// The shortest window of an open loop. Queues form and dissolve within milliseconds in most
/// servers; a window that holds many of them is hardly touched by how it begins and ends.
const OPEN_WINDOW_MIN_NS: u64 = 100_000_000;
/// The time in windows, over all arms, in which a pilot looks for the capacity.
const PILOT_NS: u64 = 500_000_000;
/// Requests that a window of an open loop should hold.
const OPEN_WINDOW_REQUESTS: u64 = 1_000;

/// Whether the contrasts have settled. `rates` holds, for each round, ok responses per second of
/// each arm, all above zero: a window without an ok response fails the job.
///
/// The median contrast of the last three rounds is compared with that of the three before. They
/// agree when they differ by less than 2 %, or by no more than half the range of the six: rounds
/// that only scatter pass then, however much they do; a steady slope of d per round does not
/// (medians 3 d apart, half the range 2.5 d), nor does a step.
pub(super) fn is_stationary(rates: &[Vec<f64>]) -> bool {
    let Some(last) = rates.len().checked_sub(ROUNDS).map(|from| &rates[from..]) else {
        return false;
    };
    let arms = last[0].len();
    (1..arms).all(|arm| {
        let contrasts: Vec<f64> = last.iter().map(|round| (round[arm] / round[0]).ln()).collect();
        let (before, after) = contrasts.split_at(ROUNDS / 2);
        let least = contrasts.iter().copied().fold(f64::INFINITY, f64::min);
        let most = contrasts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let bound = TOLERANCE.max((most - least) / 2.0);
        (median(after) - median(before)).abs() <= bound
    })
}

/// The length of windows: `shortest_ns`, or the time of ten requests per connection on the slower
/// arm where that is longer, in steps of 5 ms up to 250 ms.
pub(super) fn window_ns(shortest_ns: u64, connections: u32, slowest_rate: f64) -> u64 {
    let needed = REQUESTS_PER_CONNECTION * f64::from(connections) / slowest_rate * 1e9;
    // Saturates where the rate is zero.
    let needed = (needed as u64).min(WINDOW_MAX_NS).next_multiple_of(WINDOW_STEP_NS);
    shortest_ns.max(needed)
}

/// The length of an open loop's windows: the time of a thousand requests, from 100 to 250 ms, in
/// steps of 5 ms; `shortest_ns` where that is longer.
pub(super) fn open_window_ns(shortest_ns: u64, rate_per_second: u64) -> u64 {
    let needed = OPEN_WINDOW_REQUESTS * 1_000_000_000 / rate_per_second.max(1);
    let needed = needed.clamp(OPEN_WINDOW_MIN_NS, WINDOW_MAX_NS);
    shortest_ns.max(needed.next_multiple_of(WINDOW_STEP_NS))
}

/// The rounds of a pilot: so many that their windows last [`PILOT_NS`], but at least three, whose
/// median withstands a moment in which the machine was slow.
pub(super) fn pilot_rounds(window_ns: u64, arms: usize) -> usize {
    PILOT_NS.div_ceil((2 * arms as u64 * window_ns).max(1)).clamp(3, 64) as usize
}

/// What the slower arm reaches per second: the smallest of the arms' medians over rounds.
pub(super) fn capacity_per_second(rates: &[Vec<f64>]) -> u64 {
    median_rates(rates).into_iter().fold(f64::INFINITY, f64::min) as u64
}

/// How many of `given` rounds, in which each arm is driven twice, have their windows in
/// `measure_ns`: an even number, at least 2.
pub(super) fn rounds(measure_ns: u64, window_ns: u64, arms: usize, given: usize) -> usize {
    let fitting = measure_ns / (2 * arms as u64 * window_ns).max(1);
    (fitting.min(given as u64) as usize & !1).max(2)
}

/// The median of the last rounds' rates, arm by arm.
pub(super) fn recent_rates(rates: &[Vec<f64>]) -> Vec<f64> {
    median_rates(&rates[rates.len().saturating_sub(ROUNDS / 2)..])
}

fn median_rates(rates: &[Vec<f64>]) -> Vec<f64> {
    let arms = rates.first().map_or(0, Vec::len);
    (0..arms).map(|arm| median(&rates.iter().map(|round| round[arm]).collect::<Vec<_>>())).collect()
}

/// The median; of an even number of values the upper one.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stationary() {
        let cases: [(&str, &[f64], bool); 7] = [
            ("too few rounds", &[1.0, 1.0, 1.0, 1.0, 1.0], false),
            ("flat", &[1.0; 6], true),
            ("only the last six count", &[9.0, 5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], true),
            ("a step", &[1.0, 1.0, 1.0, 1.1, 1.1, 1.1], false),
            ("a step too small to matter", &[1.0, 1.0, 1.0, 1.01, 1.01, 1.01], true),
            ("a slope", &[1.0, 1.1, 1.2, 1.3, 1.4, 1.5], false),
            ("scatter", &[1.0, 1.3, 1.1, 1.2, 1.0, 1.3], true),
        ];
        for (name, ratios, expected) in cases {
            let rates: Vec<Vec<f64>> = ratios.iter().map(|r| vec![1000.0, 1000.0 * r]).collect();
            assert_eq!(is_stationary(&rates), expected, "{name}");
        }
        let shared_drift: Vec<Vec<f64>> = (1..=6).map(|i| vec![f64::from(i); 3]).collect();
        assert!(is_stationary(&shared_drift), "both arms grow alike");
    }

    #[test]
    fn window_lengths() {
        const MS: u64 = 1_000_000;
        let cases = [
            (20 * MS, 64, 100_000.0, 20 * MS), // 6.4 ms would do
            (20 * MS, 64, 32_000.0, 20 * MS),  // exactly
            (20 * MS, 64, 31_000.0, 25 * MS),  // 20.6 ms
            (20 * MS, 64, 100.0, 250 * MS),    // 6.4 s
            (20 * MS, 64, 0.0, 250 * MS),
            (400 * MS, 64, 100.0, 400 * MS),
            (7 * MS, 1, 1e9, 7 * MS),
        ];
        for (shortest, connections, rate, expected) in cases {
            assert_eq!(window_ns(shortest, connections, rate), expected, "rate {rate}");
        }
    }

    #[test]
    fn window_lengths_of_open_loops() {
        const MS: u64 = 1_000_000;
        let cases = [
            (20 * MS, 50_000, 100 * MS),
            (20 * MS, 10_000, 100 * MS),
            (20 * MS, 9_999, 105 * MS),
            (20 * MS, 5_000, 200 * MS),
            (20 * MS, 400, 250 * MS),
            (20 * MS, 0, 250 * MS),
            (400 * MS, 50_000, 400 * MS),
        ];
        for (shortest, rate, expected) in cases {
            assert_eq!(open_window_ns(shortest, rate), expected, "rate {rate}");
        }
    }

    #[test]
    fn pilots_last_half_a_second() {
        const MS: u64 = 1_000_000;
        let cases = [(20 * MS, 2, 7), (250 * MS, 2, 3), (50 * MS, 2, 3), (0, 2, 64)];
        for (window_ns, arms, rounds) in cases {
            assert_eq!(pilot_rounds(window_ns, arms), rounds, "{window_ns}");
        }
    }

    #[test]
    fn the_slower_arm_decides_the_capacity() {
        let rates = [vec![9.0, 90.0], vec![1.0, 40.0], vec![3.0, 2.0]];
        assert_eq!(capacity_per_second(&rates), 3);
    }

    #[test]
    fn rounds_that_fit() {
        const MS: u64 = 1_000_000;
        // Two arms, windows of 20 ms: a round has 80 ms of them.
        let cases = [
            (800 * MS, 100, 10),
            (799 * MS, 100, 8),
            (890 * MS, 100, 10),
            (800 * MS, 7, 6),
            (800 * MS, 2, 2),
            (0, 100, 2),
        ];
        for (measure_ns, given, expected) in cases {
            let fitting = rounds(measure_ns, 20 * MS, 2, given);
            assert_eq!(fitting, expected, "{measure_ns} ns, {given} given");
        }
        assert_eq!(rounds(1000 * MS, 0, 2, 100), 100);
    }

    #[test]
    fn recent() {
        let rates = [vec![9.0, 9.0], vec![1.0, 4.0], vec![3.0, 6.0], vec![2.0, 5.0]];
        assert_eq!(recent_rates(&rates), vec![2.0, 5.0]);
        assert_eq!(recent_rates(&rates[..1]), vec![9.0, 9.0]);
    }
}
