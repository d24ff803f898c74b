//! Open loops: requests at planned instants.

use std::thread;
use std::time::Duration;

use duet_protocol::{Arrivals, Event, Job, OpenLoop, OpenResult, Rate, ResolvedRate, WindowResult};

use super::{MS, answer, decoded, exchange, failure, generate, histogram, job, windows};
use crate::responder::{Act, serve};

const WINDOW_NS: u64 = 40 * MS;

fn open_job(rate: Rate, arrivals: Arrivals) -> Job {
    let server = || serve(|_| Act::Answer(vec![answer("hi")]));
    Job {
        open: Some(OpenLoop { rate, arrivals }),
        fixed_window_ns: Some(WINDOW_NS),
        measure_ns: 4 * 4 * WINDOW_NS,
        ..job(&[server(), server()], &[exchange("/", "hi")])
    }
}

/// What the open loop adds to a window, having checked that it adds up.
fn open(window: &WindowResult) -> &OpenResult {
    let open = window.open.as_ref().expect("the loop is open");
    assert_eq!(open.planned, open.sent + open.unsent, "{window:?}");
    assert_eq!(open.sent, window.requests + window.errors.values().sum::<u64>(), "{window:?}");
    assert!(open.sent_late <= open.sent, "{window:?}");
    assert_eq!(decoded(open.response_time.as_deref()).len(), window.requests);
    assert_eq!(histogram(window).len(), window.requests);
    assert_eq!(decoded(open.send_lag.as_deref()).len(), open.sent);
    assert_eq!(decoded(open.generator_lag.as_deref()).len(), open.sent);
    let bounds =
        open.response_time_lower_bounds.as_ref().map_or(0, |text| decoded(Some(text)).len());
    let timeouts = window.errors.get("timeout").copied().unwrap_or(0);
    assert_eq!(bounds, open.unsent + timeouts, "{window:?}");
    assert!(window.elapsed_ns >= WINDOW_NS, "{window:?}");
    assert!(open.generator_spin_ns <= window.generator_cpu_ns + window.elapsed_ns, "{window:?}");
    open
}

#[test]
fn all_arms_get_the_same_instants() {
    for (arrivals, planned) in [(Arrivals::Uniform, Some(40)), (Arrivals::Poisson, None)] {
        for threads in [1, 3] {
            let job = open_job(Rate::PerSecond(1_000), arrivals);
            let windows = windows(&Job { cpus: vec![job.cpus[0]; threads], ..job });
            let of_arm = |arm: u32| -> Vec<u64> {
                let of_arm = windows.iter().filter(|w| w.arm == arm);
                of_arm.map(|w| open(w).planned).collect()
            };
            let counts = of_arm(0);
            assert_eq!(counts, of_arm(1), "{arrivals:?}, {threads} threads");
            match planned {
                Some(planned) => assert!(counts.iter().all(|n| *n == planned), "{counts:?}"),
                None => assert!(counts.iter().any(|n| *n != counts[0]), "{counts:?}"),
            }
            for window in &windows {
                // A response begins when it is due, service when it is sent.
                let (response, service) =
                    (decoded(open(window).response_time.as_deref()), histogram(window));
                assert!(response.max() >= service.max(), "{window:?}");
            }
        }
    }
}

#[test]
fn a_rate_is_a_share_of_the_capacity() {
    let rated = |rate| {
        let events = generate(&open_job(rate, Arrivals::Poisson));
        let warm = events.iter().find_map(|event| match event {
            Event::Warm { open, .. } => *open,
            _ => None,
        });
        warm.unwrap_or_else(|| panic!("{events:?}"))
    };
    let found = rated(Rate::Share(0.1));
    let capacity = found.capacity_per_second.expect("a pilot found it");
    assert!(capacity > 0);
    assert_eq!(found.rate_per_second, ((capacity as f64 * 0.1).round() as u64).max(1));
    let absolute = rated(Rate::PerSecond(300));
    assert_eq!(absolute, ResolvedRate { rate_per_second: 300, capacity_per_second: None });
}

/// One connection and answers after 4 ms: no more than 10 of 80 requests can be sent in time, and
/// as many afterwards.
#[test]
fn what_cannot_be_sent_is_counted() {
    let slow = serve(|_| {
        thread::sleep(Duration::from_millis(4));
        Act::Answer(vec![answer("hi")])
    });
    let job = Job { connections: 1, ..open_job(Rate::PerSecond(2_000), Arrivals::Uniform) };
    let arms = vec![duet_protocol::ArmJob { addr: slow.into(), ..job.arms[0].clone() }];
    for window in windows(&Job { arms, rounds: vec![vec![0, 0]; 2], ..job }) {
        let open = open(&window);
        assert_eq!(open.planned, 80);
        assert!(open.sent - open.sent_late <= 11, "{window:?}");
        assert!(open.unsent >= 58, "{window:?}");
        // What is never sent waited at least as long as the window again.
        let bounds = decoded(open.response_time_lower_bounds.as_deref());
        assert!(bounds.min() >= WINDOW_NS - WINDOW_NS / 500, "{window:?}");
        // The lag is the server's fault, not the generator's.
        let generator_lag = decoded(open.generator_lag.as_deref()).value_at_quantile(0.5);
        assert!(decoded(open.send_lag.as_deref()).max() > generator_lag);
    }
}

#[test]
fn a_connection_for_each_request() {
    let polite = serve(|_| Act::AnswerAndClose(answer("hi")));
    let job = open_job(Rate::PerSecond(500), Arrivals::Poisson);
    let arms = vec![duet_protocol::ArmJob { addr: polite.into(), ..job.arms[0].clone() }];
    for window in windows(&Job { churn: true, arms, rounds: vec![vec![0, 0]; 2], ..job }) {
        assert!(open(&window).planned > 0);
        assert!(window.errors.is_empty(), "{window:?}");
    }
}

/// The response time ends with the last byte, whenever the connection does.
#[test]
fn servers_that_close_late() {
    let late = serve(|_| Act::AnswerAndLinger(answer("hi"), Duration::from_millis(10)));
    let job = open_job(Rate::PerSecond(500), Arrivals::Uniform);
    let arms = vec![duet_protocol::ArmJob { addr: late.into(), ..job.arms[0].clone() }];
    for window in windows(&Job { churn: true, arms, rounds: vec![vec![0, 0]; 2], ..job }) {
        let open = open(&window);
        assert!(window.errors.is_empty(), "{window:?}");
        let sum = histogram(&window).mean() + decoded(open.send_lag.as_deref()).mean();
        let response = decoded(open.response_time.as_deref()).mean();
        // But for the steps of histograms.
        assert!((response / sum - 1.0).abs() < 0.01, "{response} {sum} {window:?}");
    }
}

#[test]
fn rare_failures_are_counted_and_tolerated() {
    let addr = serve(|request| match request.index % 300 {
        299 => Act::Close,
        _ => Act::Answer(vec![answer("hi")]),
    });
    let job = open_job(Rate::PerSecond(2_000), Arrivals::Uniform);
    let arms = vec![duet_protocol::ArmJob { addr: addr.into(), ..job.arms[0].clone() }];
    for window in windows(&Job { arms, rounds: vec![vec![0, 0]; 2], ..job }) {
        assert_eq!(open(&window).planned, 80);
        assert!(window.errors.keys().all(|kind| kind == "reset"), "{window:?}");
    }
}

#[test]
fn a_rate_of_nothing() {
    for rate in [Rate::PerSecond(0), Rate::Share(0.0)] {
        let (_, error) = failure(&open_job(rate, Arrivals::Uniform));
        assert!(error.contains("its rate is nothing"), "{error}");
    }
}
