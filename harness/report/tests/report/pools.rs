//! Pools: a machine and its hours, and several machines.

use duet_analysis::pool::{
    Dependence, LeftOut, MachineMean, MachinesLine, PoolVerdict, Pooled, PooledLine, PooledMachine,
    PooledMean, SCHEMA, Session,
};
use duet_analysis::{CellId, Gauge, Interval};
use duet_report::{Style, pool};
use duet_units::Metric;

fn interval(low: f64, high: f64) -> Interval {
    Interval { low, high, confidence: 0.95 }
}

/// A cell with five sessions of a machine.
fn line(workload: &str, machine: usize) -> PooledLine {
    let session = |(i, ratio): (usize, f64)| Session {
        runs: vec![format!("run-{i}")],
        started: format!("2026-11-2{i}T10:00:00Z"),
        ratio,
        standard_error: Some(0.02),
        blocks: 4,
        commit: None,
        gauges: None,
    };
    PooledLine {
        id: CellId {
            matchup: "std".to_owned(),
            workload: workload.to_owned(),
            load: "c64".to_owned(),
        },
        arms: vec!["alpha".to_owned(), "beta".to_owned()],
        metric: Metric::CpuNsPerRequest,
        machine,
        sessions: [1.88, 1.73, 2.1, 1.95, 2.15].into_iter().enumerate().map(session).collect(),
        mean: Some(1.957),
        interval: Some(interval(1.755, 2.181)),
        next: Some(interval(1.501, 2.551)),
        range: Some(Interval { low: 1.73, high: 2.15, confidence: 2.0 / 3.0 }),
        heterogeneity: Some(0.947),
        spread: Some(0.0875),
        dependence: None,
        verdict: PoolVerdict::WorseInAny,
    }
}

fn machine(cpu: &str) -> PooledMachine {
    PooledMachine {
        cpu: cpu.to_owned(),
        cpus: 2,
        memory_bytes: 4 << 30,
        kernel: "Linux 6.1".to_owned(),
        hypervisor: None,
        runs: 5,
    }
}

/// Of one machine: a cell that depends on its state, and one that does not.
fn one_machine() -> Pooled {
    let dependence = Dependence {
        gauge: Gauge::SystemCall,
        slope: 0.6,
        slope_interval: interval(0.5, 0.7),
        at_rest: 1.731,
        at_rest_interval: interval(1.692, 1.771),
        error: 0.01,
        error_of_mean: 0.08,
        p: 0.008,
    };
    let PooledLine { arms, sessions, mean, interval, next, range, .. } = line("hello", 0);
    let mean = PooledMean {
        matchup: "std".to_owned(),
        arms,
        metric: Metric::CpuNsPerRequest,
        cells: vec![line("hello", 0).id, line("page", 0).id],
        machine: 0,
        sessions,
        mean,
        interval,
        next,
        range,
        dependence: None,
        verdict: PoolVerdict::WorseInAny,
    };
    Pooled {
        schema: SCHEMA.to_owned(),
        machines: vec![machine("A Processor")],
        first: "2026-11-20T10:00:00Z".to_owned(),
        last: "2026-11-24T10:00:00Z".to_owned(),
        lines: vec![
            PooledLine { dependence: Some(dependence), ..line("hello", 0) },
            line("page", 0),
        ],
        means: vec![mean],
        over_machines: vec![],
        left_out: vec![LeftOut {
            run: "old".to_owned(),
            cell: None,
            reason: "it compares versions, and is no run of a suite".to_owned(),
        }],
    }
}

fn three_machines() -> Pooled {
    let mean = |machine| MachineMean { machine, sessions: 5, ratio: 1.957 };
    let over = MachinesLine {
        id: line("hello", 0).id,
        arms: line("hello", 0).arms,
        metric: Metric::CpuNsPerRequest,
        machines: (0..3).map(mean).collect(),
        mean: 1.957,
        interval: Some(interval(1.4, 2.7)),
        next: Some(interval(0.98, 3.9)),
        range: Interval { low: 1.7, high: 2.2, confidence: 0.5 },
        spread: 0.1,
        verdict: PoolVerdict::WorseOnAverage,
    };
    Pooled {
        machines: ["A", "B", "C"].map(machine).to_vec(),
        lines: (0..3).map(|machine| line("hello", machine)).collect(),
        means: vec![],
        over_machines: vec![over],
        left_out: vec![],
        ..one_machine()
    }
}

#[test]
fn golden_pools() {
    insta::assert_snapshot!("pool.txt", pool::text(&one_machine(), Style::Plain));
    insta::assert_snapshot!("pool-machines.txt", pool::text(&three_machines(), Style::Plain));
    insta::assert_snapshot!("pool-machines.md", pool::markdown(&three_machines()));
}

#[test]
fn all_forms_say_the_same() {
    let said = "grows by 0.6 % when the machine is 1 % slower (gauge: system call); at rest 1.73×";
    let pooled = one_machine();
    let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [pool::text(&pooled, Style::Plain), pool::markdown(&pooled), pool::html(&pooled)] {
        let text = flat(text);
        assert!(text.contains(said), "{text}");
        assert!(text.contains("One machine; others: not known."), "{text}");
    }
    let falls = |mut pooled: Pooled| {
        let found = pooled.lines[0].dependence.as_mut().expect("it depends");
        found.slope = -0.6;
        pool::text(&pooled, Style::Plain)
    };
    assert!(falls(pooled).contains("falls by 0.6 %"));
    let two = Pooled {
        machines: ["A", "B"].map(machine).to_vec(),
        over_machines: vec![],
        ..three_machines()
    };
    let text = flat(pool::text(&two, Style::Plain));
    assert!(text.contains("Two machines; others: not known, three are needed."), "{text}");
}

#[test]
fn charts_name_the_machine() {
    for (pooled, said) in [(one_machine(), "A Processor"), (three_machines(), "machine 3")] {
        let charts = pool::charts(&pooled);
        let [(name, svg)] = &charts[..] else { panic!("one chart") };
        assert!(*name == "pool-cpu.svg" && svg.contains(said), "{svg}");
    }
}
