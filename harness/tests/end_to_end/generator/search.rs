//! Searches: what a server cannot do does not hold, however fast the machine is.

use std::thread;
use std::time::Duration;

use duet_protocol::{Arrivals, Event, Job, OpenLoop, Rate, SearchResult, WindowResult};
use duet_units::Limit;

use super::{MS, answer, exchange, failure, generate, job};
use crate::responder::{Act, serve};

/// At least so many milliseconds per answer on each of four connections.
fn slow(ms: u64) -> std::net::SocketAddr {
    serve(move |_| {
        thread::sleep(Duration::from_millis(ms));
        Act::Answer(vec![answer("hi")])
    })
}

/// A job that searches for the highest rate within a limit of the median.
fn search_job(addrs: &[std::net::SocketAddr], latency_ns: u64) -> Job {
    let rate = Rate::Within(Limit { quantile: 0.5, latency_ns });
    let open = Some(OpenLoop { rate, arrivals: Arrivals::Uniform });
    let fixed_window_ns = None;
    Job { open, fixed_window_ns, connections: 4, ..job(addrs, &[exchange("/", "hi")]) }
}

/// Carries out a job that must succeed; its probes, and what they found.
#[track_caller]
fn searched(job: &Job) -> (Vec<WindowResult>, Vec<SearchResult>) {
    let events = generate(job);
    let [
        Event::Connected { .. },
        Event::Warm { open: None, .. },
        Event::Driven,
        windows @ ..,
        Event::Totals { .. },
        Event::Searched { arms },
        Event::Done,
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    let windows = windows.iter().map(|event| match event {
        Event::Window(window) => WindowResult::clone(window),
        other => panic!("{other:?} among windows"),
    });
    (windows.collect(), arms.clone())
}

#[test]
fn two_servers_of_known_capacity() {
    let job = search_job(&[slow(1), slow(2)], 1_000 * MS);
    let (windows, arms) = searched(&job);
    let order: Vec<u32> = windows.iter().map(|window| window.arm).collect();
    assert_eq!(order[..4], [0, 1, 1, 0]);
    // 4,000 and 2,000 a second are possible, and of what a probe plans 2 % may be missing, and the
    // four answers under way at its end come after it.
    for ((arm, found), most) in (0..).zip(&arms).zip([4_500, 2_300]) {
        let probes: Vec<_> = windows.iter().filter(|window| window.arm == arm).collect();
        let probe = |window: &WindowResult| window.probe.expect("a window is a probe");
        for window in &probes {
            let probe = probe(window);
            let open = window.open.as_ref().expect("the loop is open");
            let per_second = open.planned as f64 / (probe.planned_ns as f64 / 1e9);
            let asked = probe.rate_per_second as f64;
            assert!((per_second / asked - 1.0).abs() < 0.05, "{per_second} of {probe:?}");
            assert!(!probe.held || probe.rate_per_second <= most, "{probe:?}");
        }
        let came_out = |rate: u64, held: bool| {
            let of_rate = probes.iter().filter(|w| probe(w).rate_per_second == rate);
            of_rate.filter(|w| probe(w).held == held).count()
        };
        let failed = |rate: u64| came_out(rate, false);
        match (found.held_per_second, found.failed_per_second) {
            (Some(held), Some(upper)) => {
                assert!(held < upper && failed(upper) == 2, "{found:?}");
                assert_eq!(came_out(held, true), 2, "{found:?}");
            }
            (None, Some(lowest)) => assert!(failed(lowest) >= 2, "{found:?}"),
            // Too busy a machine to find out in time.
            _ => assert!(probes.iter().any(|window| !probe(window).held), "{found:?}"),
        }
    }
}

#[test]
fn nothing_holds_a_limit_that_cannot_be_kept() {
    let (windows, arms) = searched(&search_job(&[slow(30)], 20 * MS));
    assert!(windows.iter().all(|window| window.probe.is_some_and(|probe| !probe.held)));
    assert!(arms.iter().all(|found| found.held_per_second.is_none()), "{arms:?}");
}

#[test]
fn a_limit_of_nothing() {
    let (_, error) = failure(&search_job(&[slow(1)], 0));
    assert!(error.contains("its rate is nothing"), "{error}");
}
