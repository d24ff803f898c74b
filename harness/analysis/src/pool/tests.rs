use super::lines::verdict;
use super::*;
use duet_model::record::{BlockGauges, CampaignSession, Gauge, GaugeReading};
use duet_model::testing::{Scene, run};
use duet_stats::{Interval, SESSIONS_MIN, standard_deviation};
use duet_units::Metric;

const DAY: u64 = 86_400;

/// A run of a suite that began at a time, with the second arm slower by a factor.
fn session(started_unix_s: u64, factor: f64) -> (String, Run) {
    let mut scene = Scene::default();
    scene.arms[1].requests_per_second /= factor;
    let mut run = run(&scene);
    run.header.started_unix_s = started_unix_s;
    (format!("run-{started_unix_s}"), run)
}

fn throughput(pooled: &Pooled) -> &PooledLine {
    let line = pooled.lines.iter().find(|l| l.metric == Metric::RequestsPerSecond);
    line.expect("it is measured")
}

#[test]
fn five_days() {
    let factors = [1.0, 1.05, 0.95, 1.1, 1.02];
    let runs: Vec<_> =
        factors.into_iter().enumerate().map(|(i, f)| session(i as u64 * DAY, f)).collect();
    let pooled = pool(&runs).expect("they are alike");
    assert_eq!(pooled.left_out, []);
    let line = throughput(&pooled);
    assert_eq!(line.sessions.len(), 5);
    let (mean, next) = (line.interval.expect("five"), line.next.expect("five"));
    assert!(next.low < mean.low && mean.high < next.high);
    let spread = standard_deviation(&factors.map(f64::ln)).expect("five");
    assert!((line.spread.expect("five") - spread).abs() < 0.02, "{line:?}");
    assert!(line.sessions.is_sorted_by_key(|session| session.started.clone()));
    // Four say nothing of another hour.
    let four = pool(&runs[..4]).expect("they are alike");
    let line = throughput(&four);
    assert_eq!((line.next, line.verdict), (None, PoolVerdict::NotKnown));
}

#[test]
fn runs_within_an_hour_are_one_session() {
    let runs = [session(0, 1.0), session(1800, 1.2), session(2 * DAY, 1.1)];
    let pooled = pool(&runs).expect("they are alike");
    let line = throughput(&pooled);
    let of_runs: Vec<usize> = line.sessions.iter().map(|s| s.runs.len()).collect();
    assert_eq!(of_runs, [2, 1]);
}

#[test]
fn what_a_campaign_draws_is_pooled() {
    let mut other = session(0, 1.0);
    let header = &mut other.1.header;
    std::mem::swap(&mut header.server_cpus, &mut header.generator_cpus);
    header.seed += 1;
    header.suite.blocks += 1;
    header.campaign = Some(CampaignSession {
        session: 1,
        sessions: 2,
        campaign_seed: 7,
        due_unix_ms: 0,
        padding_bytes: 100,
        layout: Some(7),
    });
    let pooled = pool(&[other, session(DAY, 1.0)]).expect("they are alike");
    assert_eq!((pooled.left_out.len(), throughput(&pooled).sessions.len()), (0, 2));
}

#[test]
fn what_differs_is_left_out() {
    let newest = session(9 * DAY, 1.0);
    let check = |change: &dyn Fn(&mut Run), cell: bool, reason: &str| {
        let mut other = session(0, 1.0);
        change(&mut other.1);
        let pooled = pool(&[other, newest.clone()]).expect("one is left");
        let [left, ..] = &pooled.left_out[..] else { panic!("nothing left out: {reason}") };
        assert_eq!(throughput(&pooled).sessions.len(), 1, "{reason}");
        assert!(left.reason.contains(reason) && left.run == "run-0", "{left:?}");
        assert_eq!(left.cell.is_some(), cell);
    };
    check(&|run| run.header.suite.window_ms += 1, true, "windows");
    check(&|run| run.header.spec.loads[0].connections += 1, true, "load");
    let path = |run: &mut Run| run.header.spec.workloads[0].cases[0].path.push('x');
    check(&path, true, "workload");
    let built = |run: &mut Run| run.builds[0].binary_sha256 = Some("0".to_owned());
    check(&built, true, "is another executable");
    let version = |run: &mut Run| run.builds[0].version = Some("2".to_owned());
    check(&version, true, "is another executable");
    assert!(pool(&[]).is_err());
}

#[test]
fn a_cell_that_the_newest_run_lacks() {
    let elsewhere = |mut session: (String, Run)| {
        for cell in &mut session.1.header.suite.cells {
            cell.load.push('X');
        }
        session.1.header.spec.loads.iter_mut().for_each(|load| load.name.push('X'));
        for block in &mut session.1.blocks {
            block.cell.load.push('X');
        }
        session
    };
    let newest = elsewhere(session(9 * DAY, 2.0));
    let runs = [session(0, 1.0), elsewhere(session(DAY, 1.0)), session(2 * DAY, 1.1), newest];
    let pooled = pool(&runs).expect("they are alike");
    assert_eq!((&pooled.left_out[..], pooled.machines[0].runs), (&[][..], 4));
    let found = pooled.lines.iter().filter(|line| line.metric == Metric::RequestsPerSecond);
    let runs_of = |line: &PooledLine| line.sessions.iter().flat_map(|s| s.runs.clone()).collect();
    let found: Vec<(bool, Vec<String>)> =
        found.map(|line| (line.id.load.ends_with('X'), runs_of(line))).collect();
    let names = |of: [usize; 2]| of.map(|i| runs[i].0.clone()).to_vec();
    assert_eq!(found, [(true, names([1, 3])), (false, names([0, 2]))]);
    // As in one run: its cells alone.
    let pooled = pool_like(&runs, 0).expect("it has a cell");
    assert!(pooled.lines.iter().all(|line| !line.id.load.ends_with('X')));
    assert_eq!(pooled.machines[0].runs, 2);
}

#[test]
fn verdicts_of_hours() {
    let check = |values: [f64; 5], want: PoolVerdict| {
        let values = values.map(|value| (value, None));
        assert_eq!(verdict(duet_stats::pool(&values, SESSIONS_MIN).as_ref()), want, "{values:?}");
    };
    check([0.5, 0.51, 0.52, 0.49, 0.5], PoolVerdict::WorseInAny);
    check([-0.5, -0.51, -0.52, -0.49, -0.5], PoolVerdict::BetterInAny);
    check([0.02, 0.3, 0.25, 0.15, 0.4], PoolVerdict::WorseOnAverage);
    check([-0.02, -0.3, -0.25, -0.15, -0.4], PoolVerdict::BetterOnAverage);
    check([0.0, 0.1, -0.1, 0.2, -0.2], PoolVerdict::Depends);
    assert_eq!(verdict(None), PoolVerdict::NotKnown);
}

/// A run of another machine, of that name.
fn on(machine: &str, (name, mut run): (String, Run)) -> (String, Run) {
    run.header.machine.cpu = machine.to_owned();
    (name, run)
}

#[test]
fn machines_have_their_hours_for_themselves() {
    let factors = [("X", 1.0), ("Y", 1.2), ("X", 1.1), ("Z", 1.5), ("Y", 1.3)];
    let runs: Vec<_> =
        (0..).zip(factors).map(|(i, (cpu, f))| on(cpu, session(i * DAY, f))).collect();
    let pooled = pool(&runs).expect("they are alike");
    assert_eq!(pooled.left_out, []);
    let machines: Vec<_> = pooled.machines.iter().map(|m| (m.cpu.as_str(), m.runs)).collect();
    assert_eq!(machines, [("X", 2), ("Y", 2), ("Z", 1)]);
    let lines: Vec<&PooledLine> =
        pooled.lines.iter().filter(|line| line.metric == Metric::RequestsPerSecond).collect();
    let sessions: Vec<_> = lines.iter().map(|line| (line.machine, line.sessions.len())).collect();
    assert_eq!(sessions, [(0, 2), (1, 2), (2, 1)]);

    // One value a machine, with the same weight.
    let over = pooled.over_machines.iter().find(|line| line.metric == Metric::RequestsPerSecond);
    let over = over.expect("three are enough");
    let means = lines.iter().map(|line| line.mean.unwrap_or(line.sessions[0].ratio));
    let means: Vec<(f64, _)> = means.map(|mean| (mean.ln(), None)).collect();
    let want = duet_stats::pool(&means, 3).expect("three");
    assert_eq!((over.mean, over.spread), (want.mean.exp(), want.spread));
    assert_eq!(over.machines.iter().map(|m| m.sessions).collect::<Vec<_>>(), [2, 2, 1]);
    let (interval, next) = (over.interval.expect("three"), over.next.expect("three"));
    assert!(next.low < interval.low && interval.high < next.high);

    // Two say nothing of a third.
    let two = pool(&runs[..3]).expect("they are alike");
    assert_eq!((two.machines.len(), two.over_machines.len()), (2, 0));
    // One whose servers are others is left out, and so is its machine.
    let mut other = on("Z", session(9 * DAY, 1.0));
    other.1.builds[0].binary_sha256 = Some("other".to_owned());
    let both = [runs[0].clone(), runs[2].clone(), other];
    let pooled = pool_like(&both, 0).expect("two are alike");
    assert_eq!(pooled.machines.iter().map(|m| m.runs).collect::<Vec<_>>(), [2]);
    assert_eq!(pooled.last, pool(&both[..2]).expect("they are alike").last);
    assert!(pooled.left_out.iter().all(|left| left.reason.contains("another executable")));
    // Whatever makes another machine, runs of it may lie within an hour of each other.
    let change = |change: &dyn Fn(&mut Machine)| {
        let mut other = session(60, 1.2);
        change(&mut other.1.header.machine);
        let pooled = pool(&[session(0, 1.0), other]).expect("they are alike");
        assert_eq!(pooled.machines.len(), 2);
        assert!(pooled.lines.iter().all(|line| line.sessions.len() == 1));
    };
    change(&|machine| machine.cpus += 1);
    change(&|machine| machine.memory_bytes += 1);
    change(&|machine| machine.kernel.push('X'));
    change(&|machine| machine.hypervisor = Some("X".to_owned()));
}

/// Five sessions and more; in each, all gauges stray by themselves and system calls by `slower`.
fn sessions_with_gauges(exponent: f64) -> Vec<(String, Run)> {
    let slower = [1.0, 1.3, 1.1, 1.5, 1.05, 1.2, 1.4, 1.25];
    let one = |(i, slower): (u64, f64)| {
        let mut session = session(i * DAY, slower.powf(exponent) * (1.0 + 0.001 * (i % 3) as f64));
        let stray = |n: u64| 1.0 + 0.1 * ((i * n) as f64 * 0.618).fract();
        let reading = GaugeReading {
            alu_ns: stray(1),
            chase_near_ns: 4.0 * stray(2),
            chase_far_ns: 90.0 * stray(3),
            system_call_ns: 100.0 * slower,
            echo_ns: 9000.0 * stray(5),
        };
        let blocks = session.1.blocks.iter_mut();
        blocks.for_each(|b| b.gauges = Some(BlockGauges { before: reading, after: reading }));
        // One that was disturbed says nothing of the machine.
        let mut disturbed = session.1.blocks[0].clone();
        disturbed.discarded = Some("others".to_owned());
        let wrong = GaugeReading { system_call_ns: 1e6, ..reading };
        disturbed.gauges = Some(BlockGauges { before: wrong, after: wrong });
        session.1.blocks.push(disturbed);
        session
    };
    (0..).zip(slower).map(one).collect()
}

#[test]
fn a_ratio_that_depends_on_the_machine() {
    let mut runs = sessions_with_gauges(0.6);
    let pooled = pool(&runs).expect("they are alike");
    let line = throughput(&pooled);
    let read: Vec<f64> =
        line.sessions.iter().map(|s| s.gauges.expect("read").system_call_ns.round()).collect();
    assert_eq!(read, [100.0, 130.0, 110.0, 150.0, 105.0, 120.0, 140.0, 125.0]);
    let found = line.dependence.expect("it was planted");
    assert_eq!(found.gauge, Gauge::SystemCall);
    assert!((found.slope - 0.6).abs() < 0.02 && found.p <= 0.01, "{found:?}");
    assert!(found.error < 0.1 * found.error_of_mean, "{found:?}");
    let at_best = line.sessions[0].ratio;
    let Interval { low, high, .. } = found.at_rest_interval;
    assert!(low < at_best && at_best < high && high / low < 1.01, "{found:?}");

    // Memory has nothing to do with it, and four sessions with gauges are too few.
    let memory = pooled.lines.iter().find(|line| line.metric == Metric::RssBytesPeak);
    assert_eq!(memory.expect("it is measured").dependence, None);
    for (_, run) in &mut runs[4..] {
        run.blocks.iter_mut().for_each(|block| block.gauges = None);
    }
    let pooled = pool(&runs).expect("they are alike");
    assert_eq!(throughput(&pooled).dependence, None);
    assert!(throughput(&pooled).next.is_some());
}
