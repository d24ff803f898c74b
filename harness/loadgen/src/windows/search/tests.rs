use super::*;

const LIMIT: Limit = Limit { quantile: 0.99, latency_ns: 5_000_000 };
const MS: u64 = 1_000_000;

/// A job of two arms and two rounds, ABBA and BAAB.
fn job(seed: u64) -> Job {
    let arm = r#"{"addr":"127.0.0.1:9","pid":1,"exchanges":[]}"#;
    let open = r#"{"rate":{"within":{"quantile":0.99,"latency_ns":5000000}},"arrivals":"poisson"}"#;
    let text = format!(
        r#"{{"arms":[{arm},{arm}],"connections":10,"churn":false,"cpus":[0],"server_cpus":[0],
        "open":{open},"lead_ns":0,"window_ns":1,"fixed_window_ns":null,"measure_ns":1,"warmup_ns":1,
        "rounds":[[0,1,1,0],[1,0,0,1]],"timeout_ns":2000000000,"seed":{seed}}}"#
    );
    serde_json::from_str(&text).expect("the text is a job")
}

/// A server whose chance to hold a rate falls from 95 % to 5 % between 6 % below and 6 % above its
/// capacity.
fn chance(rate: f64, capacity: f64) -> f64 {
    1.0 / (1.0 + (50.0 * (rate / capacity).ln()).exp())
}

/// The searches of a block, of servers that reach more in a closed loop by `closed` times.
fn block(
    seed: u64,
    closed: f64,
    capacities: [f64; 2],
    mut holds: impl FnMut(f64, f64) -> bool,
) -> (Vec<NextProbe>, Vec<SearchResult>) {
    let job = job(seed);
    let mut searches = Searches::new(LIMIT, &capacities.map(|c| c * closed), &job);
    let mut turns = vec![];
    while let Some(turn) = searches.next() {
        let held = holds(turn.exact_per_second, capacities[turn.arm]);
        let took = Duration::from_nanos(turn.planned_ns);
        let told = searches.learn(&turn, held, took);
        assert_eq!((told.rate_per_second, told.held), (turn.rate_per_second, held));
        turns.push(turn);
        assert!(turns.len() <= 2 * PROBES_MAX, "it never ends");
    }
    (turns, searches.found())
}

fn middle(found: &SearchResult) -> f64 {
    let (held, failed) = (found.held_per_second, found.failed_per_second);
    let (Some(held), Some(failed)) = (held, failed) else { panic!("{found:?}") };
    (held as f64 * failed as f64).sqrt()
}

#[test]
fn arms_take_turns_until_both_are_found() {
    let (turns, found) = block(1, 1.1, [20_000.0, 9_000.0], |rate, capacity| rate <= capacity);
    let order: String = turns.iter().map(|turn| turn.arm.to_string()).collect();
    assert!(order.starts_with("01101001"), "{order}");
    let of_arm = |arm: usize| turns.iter().filter(move |turn| turn.arm == arm);
    for arm in [0, 1] {
        assert!((8..=14).contains(&of_arm(arm).count()), "{order}");
        let indices: Vec<u32> = of_arm(arm).map(|turn| turn.index).collect();
        assert_eq!(indices, (0..indices.len() as u32).collect::<Vec<_>>());
    }
    // Whoever is found sooner leaves the other alone.
    let rounds: Vec<u32> = turns.iter().map(|turn| turn.round).collect();
    assert!(rounds.is_sorted() && rounds[..8] == [0, 0, 0, 0, 1, 1, 1, 1], "{rounds:?}");
    for (found, capacity) in found.iter().zip([20_000, 9_000]) {
        assert_eq!(found.end, SearchEnd::Narrow);
        let (held, failed) = (found.held_per_second, found.failed_per_second);
        assert!(held <= Some(capacity) && Some(capacity) <= failed, "{found:?}");
        assert!(failed.is_some_and(|f| f as f64 <= 1.051 * held.unwrap_or(0) as f64), "{found:?}");
    }
}

/// Over many blocks the middle of the interval is the capacity, wherever the search's steps fall:
/// of servers whose capacity is sharp, and of those that hold and fail by chance, and where one
/// probe in ten is spoilt. The ratio of two servers is right in all of them.
#[test]
fn many_blocks_find_the_truth() {
    let capacities = [21_000.0, 14_000.0];
    let mut random = SplitMix64::new(1);
    type Holds<'a> = Box<dyn FnMut(f64, f64) -> bool + 'a>;
    let (mut one, mut other) = (SplitMix64::new(2), SplitMix64::new(3));
    let cases: [(&str, f64, Holds<'_>); 3] = [
        ("sharp", 0.005, Box::new(|rate, capacity| rate <= capacity)),
        ("blurred", 0.05, Box::new(|rate, capacity| one.unit() < chance(rate, capacity))),
        ("spoilt", 0.03, Box::new(|rate, capacity| rate <= capacity && other.below(10) > 0)),
    ];
    for (name, bias_max, mut holds) in cases {
        let (mut logs, mut ratios, mut probes) = (vec![], vec![], 0);
        for seed in 0..400 {
            let closed = 0.8 + random.unit() * 0.6;
            let (turns, found) = block(seed, closed, capacities, &mut holds);
            probes += turns.len();
            let off = |arm: usize| (middle(&found[arm]) / capacities[arm]).ln();
            logs.extend([off(0), off(1)]);
            ratios.push(off(1) - off(0));
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!(mean(&logs).abs() < bias_max, "{name}: off by {}", mean(&logs));
        assert!(mean(&ratios).abs() < 0.01, "{name}: ratio off by {}", mean(&ratios));
        assert!(probes / 800 <= 14, "{name}: {probes} probes");
        // Of a sharp capacity: anywhere within half of an interval of 4.6 %.
        let spread = (logs.iter().map(|log| log * log).sum::<f64>() / logs.len() as f64).sqrt();
        assert!(name != "sharp" || (0.011..0.016).contains(&spread), "{name}: {spread}");
    }
}

#[test]
fn ends() {
    type Case = (&'static str, f64, f64, SearchEnd);
    let cases: [Case; 4] = [
        ("everything holds", 1e6, f64::INFINITY, SearchEnd::AllHeld),
        ("nothing holds", 400.0, 0.0, SearchEnd::NoneHeld),
        ("the first rate is the lowest", 9.0, 0.0, SearchEnd::NoneHeld),
        ("a tenth of the closed loop", 1e5, 10_000.0, SearchEnd::Narrow),
    ];
    for (name, closed_rate, capacity, end) in cases {
        let job = job(4);
        let mut searches = Searches::new(LIMIT, &[closed_rate, closed_rate], &job);
        let mut took = [Duration::ZERO; 2];
        while let Some(turn) = searches.next() {
            let span = Duration::from_nanos(turn.planned_ns);
            took[turn.arm] += span;
            searches.learn(&turn, turn.exact_per_second <= capacity, span);
        }
        assert!(searches.found().iter().all(|found| found.end == end), "{name}: {searches:?}");
        let longest = SEARCH_TIME_MAX + Duration::from_secs_f64(SPAN_LONGEST_S);
        assert!(took.iter().all(|t| *t <= longest), "{name}: {took:?}");
    }
}

#[test]
fn what_holds() {
    let fast = |n: u32| (MS, n);
    let slow = |n: u32| (6 * MS, n);
    type Case<'a> = (&'a str, u64, u64, &'a [(u64, u32)], bool);
    let cases: [Case<'_>; 9] = [
        ("all in time", 1000, 0, &[fast(1000)], true),
        ("one in a hundred too long", 1000, 0, &[fast(990), slow(10)], true),
        ("one more", 1000, 0, &[fast(989), slow(11)], false),
        ("at the limit", 1000, 0, &[(5 * MS, 1000)], true),
        ("of several threads", 1000, 0, &[fast(500), slow(10), fast(490)], true),
        ("ten without a response", 1000, 0, &[fast(990)], true),
        ("eleven without a response", 1000, 0, &[fast(989)], false),
        ("sent after its time", 1000, 21, &[fast(1000)], false),
        ("nothing planned", 0, 0, &[], false),
    ];
    for (name, planned, sent_late, response, want) in cases {
        assert_eq!(is_held(LIMIT, planned, sent_late, response), want, "{name}");
    }
    let median = Limit { quantile: 0.5, ..LIMIT };
    assert!(!is_held(median, 1000, 0, &[fast(600)]), "half of the requests are not all");
}

#[test]
fn lengths_of_probes() {
    let limit = |quantile| Limit { quantile, ..LIMIT };
    let cases = [
        (0.99, 200_000.0, 0.1),
        (0.99, 25_000.0, 0.4),
        (0.99, 10_000.0, 1.0),
        (0.99, 2_000.0, 1.0),
        (0.99, 300.0, 3.966),
        (0.999, 25_000.0, 1.0),
        (0.5, 1_000.0, 0.2),
    ];
    for (quantile, rate, want) in cases {
        let span = span_s(limit(quantile), rate);
        assert!((span - want).abs() < 1e-3, "{quantile}, {rate}/s: {span} s");
    }
    for quantile in [0.5, 0.9, 0.99, 0.999] {
        let span = span_s(limit(quantile), lowest(limit(quantile)));
        assert!(span <= SPAN_LONGEST_S, "{quantile}: {span} s");
    }
}
