//! An analysis made up for looking at reports: plausible numbers, and one of everything that can
//! happen.

use std::collections::BTreeMap;

use duet::analysis::{
    Analysis, Arm, Arrivals, Bottleneck, BuildRecord, CellAnalysis, CellFailure, CellId, Estimate,
    Failure, Finding, FindingLevel, Lane, Machine, MatchupAnalysis, Mean, MeanToday,
    MetricAnalysis, OpenAnalysis, OpenArm, ProgramCell, ProgramSummary, PublishedAnalysis,
    PublishedComparison, RssPoint, RunSummary, SCHEMA, ServerSummary, Stage, Standing, Today,
    Warning, Who,
};
use duet::metric::{Better, Metric};
use duet::verdict::Verdict;

/// Three matchups and a control: 18 cells of 8 blocks, among them a tie, an inconclusive cell, one
/// that the generator limited, and one that failed.
pub(crate) fn standard() -> Analysis {
    let mut analysis = Analysis {
        schema: SCHEMA,
        run: run(),
        servers: vec![
            server("rust-article", "Rust", 1_153_433, 2.1e9, true),
            server("rust-std", "Rust", 1_468_006, 6.4e9, false),
            server("rust-axum", "Rust", 2_936_012, 31.8e9, false),
            server("go-article", "Go", 7_654_604, 9.7e9, false),
            server("go-nethttp", "Go", 8_074_035, 10.2e9, false),
        ],
        matchups: vec![article(), standard_library(), idiomatic(), null()],
        published: vec![],
        failures: vec![CellFailure {
            cell: Some(id("std", "orders-1mb", "c64")),
            failure: Failure {
                stage: Stage::Verify,
                server: Some("go-nethttp".into()),
                error: "POST /orders answered 413, expected 200".into(),
                stderr: vec!["http: request body too large".into()],
            },
            blocks: 8,
        }],
        warnings: vec![],
    };
    // The cells that happened otherwise.
    analysis.matchups[0].cells[1].warnings.push(Warning {
        code: "unequal_work".into(),
        message: "the arms give different answers: 39 bytes against 25".into(),
        cure: Some("read the ratio as that of two programs, not of two languages".into()),
    });
    analysis.matchups[0].cells[0].warnings = analysis.matchups[0].cells[1].warnings.clone();
    fail(&mut analysis.matchups[1].cells[5]);
    limit_by_generator(&mut analysis.matchups[2].cells[2]);
    analysis.matchups.iter_mut().for_each(|m| m.means = means(&m.cells));
    analysis.matchups[2].cells[1].warnings.push(Warning {
        code: "latency_bound".into(),
        message: "neither server nor generator was busy: more connections would bring more".into(),
        cure: Some("add a load with more connections to suites.toml".into()),
    });
    analysis
}

/// The same, interrupted in its second matchup.
pub(crate) fn interrupted() -> Analysis {
    let mut analysis = standard();
    analysis.run.interrupted = Some(2);
    analysis.run.blocks = 40;
    for matchup in &mut analysis.matchups[1..] {
        let measured = if matchup.name == "std" { 3 } else { 0 };
        matchup.cells[measured..].iter_mut().for_each(|cell| {
            fail(cell);
            cell.blocks_failed = 0;
        });
        matchup.means.clear();
        if measured == 0 {
            matchup.starts.clear();
        }
    }
    analysis.failures.clear();
    analysis
}

/// A suite without verdicts: one block a cell, no intervals.
pub(crate) fn smoke() -> Analysis {
    let mut analysis = standard();
    analysis.run.suite = "smoke".into();
    analysis.run.command = "duet run smoke".into();
    analysis.run.verdicts = false;
    analysis.run.blocks = 17;
    analysis.run.blocks_planned = 18;
    for matchup in &mut analysis.matchups {
        for cell in &mut matchup.cells {
            cell.blocks = cell.blocks.min(1);
            cell.metrics.iter_mut().for_each(single);
        }
        matchup.starts.iter_mut().for_each(single);
        for mean in &mut matchup.means {
            mean.ratio = Estimate { low: None, high: None, n: 1, ..mean.ratio };
            mean.verdict = Verdict::Inconclusive;
        }
    }
    analysis
}

/// Nothing could be built.
pub(crate) fn nothing() -> Analysis {
    let mut analysis = standard();
    analysis.run.blocks = 0;
    analysis.matchups.iter_mut().for_each(|m| {
        m.cells.iter_mut().for_each(fail);
        m.starts.clear();
        m.means.clear();
    });
    let failed = |server: &str| CellFailure {
        cell: None,
        failure: Failure {
            stage: Stage::Build,
            server: Some(server.into()),
            error: "cargo is not on the PATH".into(),
            stderr: vec![],
        },
        blocks: 1,
    };
    analysis.failures = vec![failed("rust-article"), failed("rust-std"), failed("rust-axum")];
    analysis
}

/// Names that try to break out, names of 40 characters, and a ratio of a thousand.
pub(crate) fn extreme() -> Analysis {
    let mut analysis = standard();
    analysis.matchups.truncate(2);
    analysis.run.suite = "<script>alert('&\"')</script>".into();
    let long = |first: &str| format!("{first}-{}", "x".repeat(39 - first.len()));
    let matchup = &mut analysis.matchups[1];
    matchup.arms[0].label = long("rust-tuned-with-an-allocator");
    matchup.arms[1].label = long("go-tuned-with-a-limit-on-memory");
    matchup.cells[0].id.workload = long("a-workload-with-a-very-long-name");
    matchup.cells[0].metrics[0] = metric(Metric::RequestsPerSecond, 1_234_567.0, 1_234.5, 0.4);
    matchup.cells[0].metrics[2] = metric(Metric::RssBytesPeak, 3.6e6, 3.6e9, 0.02);
    matchup.cells[3].metrics[0] = metric(Metric::RequestsPerSecond, 40.0, 1.0, 4.0);
    matchup.cells[1].id.workload = "<script>|*`[x](y)".into();
    matchup.cells[1].question = "is </details> & <b> kept?".into();
    analysis.failures[0].failure.stderr.push("</pre><script>\u{1b}[31malert(1)</script>".into());
    analysis
}

const BLOCKS: u32 = 8;
/// Eight numbers as noise has them: mean 0, standard deviation about 1.
const NOISE: [f64; 8] = [0.42, -1.31, 0.18, 1.52, -0.66, 0.87, -1.07, 0.05];
const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn run() -> RunSummary {
    RunSummary {
        suite: "standard".into(),
        verdicts: true,
        command: "duet run standard".into(),
        started: "2026-02-12T09:30:11Z".into(),
        elapsed_ns: Some(1_083_000_000_000),
        interrupted: None,
        killed: false,
        blocks: 136,
        blocks_planned: 144,
        measured_ns: 408_000_000_000,
        seed: 20_200_713,
        duet_version: "0.1.0".into(),
        commit: Some("3f2a9c1".into()),
        to_project: "../../".to_owned(),
        server_cpus: vec![0],
        generator_cpus: vec![1],
        machine: Machine {
            cpu: "Intel(R) Xeon(R) Processor @ 2.80GHz".into(),
            cpus: 2,
            memory_bytes: 8_348_000_000,
            kernel: "Linux 6.1.0".into(),
            os: "Debian GNU/Linux 12 (bookworm)".into(),
            hypervisor: Some("KVM".into()),
            tools: BTreeMap::from([
                ("go".into(), "1.24.4".into()),
                ("rustc".into(), "1.88.0".into()),
            ]),
        },
        findings: vec![
            Finding {
                name: "stolen time".into(),
                level: FindingLevel::Warning,
                found: "3.1 % of all CPU time since boot".into(),
                effect: "widens intervals".into(),
                cure: "use a machine without neighbours, or more blocks".into(),
            },
            Finding {
                name: "swap".into(),
                level: FindingLevel::Good,
                found: "none".into(),
                effect: "none".into(),
                cure: "none needed".into(),
            },
        ],
        stolen_share: 0.034,
    }
}

fn server(name: &str, language: &str, bytes: u64, build_ns: f64, prints: bool) -> ServerSummary {
    let compiler = if language == "Rust" { "rustc 1.88.0" } else { "go1.24.4" };
    ServerSummary {
        language: language.into(),
        summary: format!("{name} as its lane allows"),
        prints,
        build: BuildRecord {
            server: name.into(),
            version: Some(format!("{name} 0.1.0 {compiler}")),
            binary_bytes: Some(bytes),
            binary_sha256: None,
            clean_build_ns: Some(build_ns as u64),
            failure: None,
        },
    }
}

fn id(matchup: &str, workload: &str, load: &str) -> CellId {
    CellId { matchup: matchup.into(), workload: workload.into(), load: load.into() }
}

fn article() -> MatchupAnalysis {
    let cells = [
        ("home", "c64", [9_812.0, 11_930.0], [96e3, 79e3], [2.9, 9.8], 0.02),
        ("home-churn", "c64", [9_204.0, 10_810.0], [101e3, 88e3], [3.1, 13.6], 0.02),
    ];
    matchup("article", Lane::Article, ["rust-article", "go-article"], &cells)
}

fn standard_library() -> MatchupAnalysis {
    let cells = [
        ("hello", "c64", [58_400.0, 33_010.0], [16e3, 29e3], [2.6, 13.4], 0.02),
        ("sum", "c64", [55_120.0, 30_900.0], [17e3, 31e3], [2.6, 13.5], 0.02),
        ("items-10", "c64", [48_730.0, 21_440.0], [19e3, 45e3], [2.7, 15.9], 0.02),
        ("items-200", "c64", [11_380.0, 3_390.0], [86e3, 291e3], [3.4, 21.3], 0.02),
        ("orders-2kb", "c64", [30_160.0, 9_120.0], [32e3, 108e3], [3.0, 17.0], 0.03),
        ("orders-1mb", "c64", [1.0, 1.0], [1.0, 1.0], [1.0, 1.0], 0.02),
        ("cpu-100", "c64", [4_803.0, 4_791.0], [207e3, 208e3], [2.6, 13.2], 0.005),
    ];
    matchup("std", Lane::Std, ["rust-std", "go-nethttp"], &cells)
}

fn idiomatic() -> MatchupAnalysis {
    let cells = [
        ("hello", "c64", [62_040.0, 33_010.0], [15.2e3, 28.6e3], [3.4, 14.0], 0.024),
        ("hello", "c1", [17_420.0, 15_900.0], [19.9e3, 31.2e3], [3.1, 9.7], 0.12),
        ("hello-churn", "c64", [14_230.0, 13_900.0], [47e3, 61e3], [3.4, 14.6], 0.02),
        ("items-10", "c64", [50_210.0, 21_520.0], [18.5e3, 45e3], [3.5, 16.1], 0.02),
        ("items-200", "c64", [11_640.0, 3_402.0], [84e3, 290e3], [4.1, 21.5], 0.02),
        ("orders-64kb", "c64", [1_410.0, 391.0], [703e3, 2.54e6], [11.9, 33.6], 0.03),
        ("cpu-100", "c64", [4_799.0, 4_788.0], [207e3, 208e3], [3.4, 13.2], 0.005),
    ];
    matchup("idiomatic", Lane::Idiomatic, ["rust-axum", "go-nethttp"], &cells)
}

fn null() -> MatchupAnalysis {
    let cells = [
        ("hello", "c64", [62_110.0, 61_930.0], [15.2e3, 15.2e3], [3.4, 3.4], 0.006),
        ("items-200", "c64", [11_598.0, 11_622.0], [84e3, 84e3], [4.1, 4.1], 0.009),
    ];
    let mut null = matchup("null", Lane::Idiomatic, ["rust-axum (A)", "rust-axum (B)"], &cells);
    null.control = true;
    null.arms.iter_mut().for_each(|a| a.server = "rust-axum".into());
    null
}

/// Workload, load, requests per second, CPU nanoseconds, MiB, half the width of intervals.
type Numbers = (&'static str, &'static str, [f64; 2], [f64; 2], [f64; 2], f64);

fn matchup(name: &str, lane: Lane, servers: [&str; 2], cells: &[Numbers]) -> MatchupAnalysis {
    let arm = |server: &str| Arm {
        server: server.into(),
        label: server.into(),
        language: if server.starts_with("rust") { "Rust" } else { "Go" }.into(),
    };
    let cells: Vec<CellAnalysis> = cells.iter().map(|numbers| cell(name, numbers)).collect();
    let same = servers.iter().all(|s| s.starts_with("rust"));
    let (idle, start) = if same { (2.4, 1.9e6) } else { (8.1, 3.3e6) };
    MatchupAnalysis {
        name: name.into(),
        lane,
        control: false,
        programs: false,
        arms: servers.map(arm).into(),
        means: vec![],
        starts: vec![
            metric(Metric::RssBytesIdle, 2.4 * MIB, idle * MIB, 0.005),
            metric(Metric::StartupNs, 1.9e6, start, 0.06),
        ],
        cells,
    }
}

fn means(cells: &[CellAnalysis]) -> Vec<Mean> {
    let ratio =
        |c: &CellAnalysis, m: Metric| c.metrics.iter().find(|found| found.metric == m)?.ratio;
    let mean = |m: Metric| {
        let logs: Vec<f64> =
            cells.iter().filter_map(|c| ratio(c, m)).map(|r| r.value.ln()).collect();
        let value = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        let ratio = estimate(value, 0.007);
        Mean { metric: m, cells: logs.len() as u32, ratio, verdict: verdict(&ratio) }
    };
    [Metric::RequestsPerSecond, Metric::CpuNsPerRequest, Metric::RssBytesPeak].map(mean).into()
}

fn cell(matchup: &str, (workload, load, rps, cpu, mib, width): &Numbers) -> CellAnalysis {
    let connections = if *load == "c1" { "1 connection" } else { "64 connections" };
    let churn = if workload.ends_with("churn") { ", a new one per request" } else { "" };
    let wait = if *load == "c1" { 1e9 } else { 64e9 };
    let service = |factor: f64| [wait / rps[0] * factor, wait / rps[1] * factor * 1.2];
    let two = |m: Metric, v: [f64; 2], width: f64| metric(m, v[0], v[1], width);
    CellAnalysis {
        id: id(matchup, workload, load),
        question: format!("What does {workload} cost?"),
        load: format!("{connections}{churn}"),
        blocks: BLOCKS,
        blocks_failed: 0,
        blocks_set_aside: 0,
        window_ns: Some(20_000_000),
        bottleneck: Bottleneck {
            who: if *load == "c1" { Who::Latency } else { Who::Server },
            server_busy: vec![0.98, 0.97],
            generator_busy: vec![0.61, 0.34],
        },
        metrics: vec![
            two(Metric::RequestsPerSecond, *rps, *width),
            two(Metric::CpuNsPerRequest, *cpu, width * 0.7),
            two(Metric::RssBytesPeak, mib.map(|m| m * MIB), 0.006),
            two(Metric::RssBytesSteady, mib.map(|m| m * MIB * 0.94), 0.006),
            two(Metric::RssBytesAfter, mib.map(|m| m * MIB * 0.9), 0.006),
            two(Metric::ServiceTimeNsP50, service(0.97), *width),
            two(Metric::ServiceTimeNsP99, service(2.2), width * 3.0),
        ],
        rss: mib.iter().map(|m| curve(*m)).collect(),
        errors: vec![BTreeMap::new(), BTreeMap::from([("timeout".into(), 3)])],
        warnings: vec![],
        program: None,
        open: None,
    }
}

/// Memory that grows quickly, then saws.
fn curve(peak_mib: f64) -> Vec<RssPoint> {
    let share = |i: u64| {
        let grown = 1.0 - (-(i as f64) / 4.0).exp() * 0.4;
        grown * (0.94 + 0.06 * (i % 6) as f64 / 5.0)
    };
    (0..40).map(|i| RssPoint { at_ms: i * 100, rss_bytes: peak_mib * MIB * share(i) }).collect()
}

fn estimate(value: f64, width: f64) -> Estimate {
    let (low, high) = (value * (-width).exp(), value * width.exp());
    Estimate { value, low: Some(low), high: Some(high), n: BLOCKS }
}

fn metric(metric: Metric, first: f64, second: f64, width: f64) -> MetricAnalysis {
    let ratio = match metric.better() {
        Better::Higher => estimate(first / second, width),
        Better::Lower => estimate(second / first, width),
    };
    let verdict = verdict(&ratio);
    MetricAnalysis {
        metric,
        arms: vec![estimate(first, width), estimate(second, width)],
        values: [first, second].map(|value| NOISE.map(|n| value * (n * width).exp()).into()).into(),
        ratio: Some(ratio),
        contrasts: NOISE.iter().map(|n| ratio.value.ln() + n * width).collect(),
        verdict,
        reason: (verdict == Verdict::Inconclusive).then(|| {
            "the interval reaches across the tie band; about 30 blocks would decide".into()
        }),
        informational: false,
    }
}

fn verdict(ratio: &Estimate) -> Verdict {
    let (low, high) = (ratio.low.unwrap_or(0.0), ratio.high.unwrap_or(f64::INFINITY));
    match () {
        () if low > 1.01 => Verdict::Slower,
        () if high < 1.0 / 1.01 => Verdict::Faster,
        () if low >= 1.0 / 1.01 && high <= 1.01 => Verdict::Tie,
        () => Verdict::Inconclusive,
    }
}

fn single(m: &mut MetricAnalysis) {
    m.arms.iter_mut().for_each(|e| *e = Estimate { low: None, high: None, n: 1, ..*e });
    m.ratio = m.ratio.map(|r| Estimate { low: None, high: None, n: 1, ..r });
    m.contrasts.truncate(1);
    m.values.iter_mut().for_each(|values| values.truncate(1));
    m.verdict = Verdict::Inconclusive;
    m.reason = Some("n = 1: fewer than 6 blocks give no 95 % interval".into());
}

fn fail(cell: &mut CellAnalysis) {
    cell.blocks = 0;
    cell.blocks_failed = BLOCKS;
    cell.window_ns = None;
    cell.metrics.clear();
    cell.rss.clear();
    cell.errors.clear();
    cell.bottleneck = Bottleneck { who: Who::Unknown, server_busy: vec![], generator_busy: vec![] };
}

fn limit_by_generator(cell: &mut CellAnalysis) {
    cell.bottleneck = Bottleneck {
        who: Who::Generator,
        server_busy: vec![0.64, 0.81],
        generator_busy: vec![0.99, 0.96],
    };
    for m in &mut cell.metrics {
        if matches!(m.metric, Metric::RequestsPerSecond | Metric::ServiceTimeNsP50) {
            m.ratio = None;
            m.contrasts.clear();
            m.verdict = Verdict::Inconclusive;
            m.reason = Some(
                "the generator was busy 99 % of the time: give it another CPU or lower the load"
                    .into(),
            );
        }
    }
}

/// Open loops at five rates, one of which was not held.
pub(crate) fn latency() -> Analysis {
    let mut analysis = standard();
    analysis.run.suite = "latency".into();
    analysis.run.command = "duet run latency".into();
    analysis.failures.clear();
    let cells = |matchup: &str, scale: [f64; 2]| -> Vec<CellAnalysis> {
        let workloads = [("hello", 30_000, 60e3), ("orders-2kb", 9_000, 240e3)];
        let shares = [0.1, 0.25, 0.5, 0.75, 0.9];
        let of_workload = |(workload, capacity, base): (&'static str, u64, f64)| {
            shares.map(|share| {
                open_cell(matchup, workload, (capacity, share), scale.map(|s| s * base))
            })
        };
        workloads.into_iter().flat_map(of_workload).collect()
    };
    analysis.matchups = vec![standard_library(), idiomatic()];
    for (matchup, scale) in analysis.matchups.iter_mut().zip([[1.0, 1.7], [1.1, 1.72]]) {
        matchup.cells = cells(&matchup.name, scale);
    }
    let crowded = &mut analysis.matchups[0].cells[9];
    crowded.bottleneck.who = Who::Server;
    for m in crowded.metrics.iter_mut().filter(|m| m.metric.latency_quantile().is_some()) {
        m.ratio = None;
        m.contrasts.clear();
        m.verdict = Verdict::Inconclusive;
        m.reason = Some(
            "go-nethttp cannot hold this rate: 91 % of the requests to it were sent in time".into(),
        );
    }
    crowded.warnings.push(Warning {
        code: "overloaded".into(),
        message: "the rate was too high: 91 % of the requests to go-nethttp were sent in time"
            .into(),
        cure: Some("lower the rate".into()),
    });
    analysis
}

/// An open loop at a share of a capacity; `base_ns` are the arms' latencies without a queue.
fn open_cell(
    matchup: &str,
    workload: &'static str,
    (capacity, share): (u64, f64),
    base_ns: [f64; 2],
) -> CellAnalysis {
    let name = format!("r{:.0}", share * 100.0);
    let rate_per_second = (capacity as f64 * share) as u64;
    let numbers = (workload, "c64", [1.0, 1.0], [21e3, 33e3], [3.4, 14.0], 0.02);
    let mut cell = cell(matchup, &numbers);
    cell.id = id(matchup, workload, &name);
    cell.load = format!(
        "64 connections, {} requests/s ({:.0} % of capacity)",
        duet::units::thousands(rate_per_second as i64),
        share * 100.0
    );
    cell.window_ns = Some(100_000_000);
    cell.bottleneck.who = Who::Rate;
    let at = |quantile: f64| base_ns.map(|ns| ns * (1.0 + quantile * share / (1.0 - share)));
    let latency = |m: Metric, quantile: f64, width: f64| {
        let [first, second] = at(quantile);
        metric(m, first, second, width)
    };
    cell.metrics = vec![
        latency(Metric::LatencyNsP50, 0.7, 0.01),
        latency(Metric::LatencyNsP90, 2.3, 0.03),
        latency(Metric::LatencyNsP99, 4.6, 0.2),
        latency(Metric::LatencyNsP999, 6.9, 0.3),
        metric(Metric::CpuNsPerRequest, 21e3, 33e3, 0.015),
        metric(Metric::RssBytesSteady, 3.4 * MIB, 14.0 * MIB, 0.006),
    ];
    // Only the higher rates have enough requests for the far tail.
    let tail = &mut cell.metrics[3];
    if share < 0.5 {
        tail.informational = true;
        tail.verdict = Verdict::Inconclusive;
        tail.reason = Some(
            "for information: 14 requests lie beyond it in a block and arm, a verdict needs 30"
                .into(),
        );
    }
    cell.errors = vec![BTreeMap::new(); 2];
    let arm = |ns: f64| OpenArm {
        planned: 8 * rate_per_second * 2,
        sent_late: 3,
        never_sent: 0,
        send_lag_ns_p99: 9_400.0,
        own_lag_ns_p99: 8_200.0,
        service_time_ns_p99: ns * 0.9,
    };
    cell.open = Some(OpenAnalysis {
        rate_per_second,
        rate_share: Some(share),
        capacity_per_second: Some(capacity),
        arrivals: Arrivals::Poisson,
        arms: at(4.6).map(arm).into(),
    });
    cell
}

/// The programs before the servers, with published figures beside them: a tie, an inconclusive
/// cell, one where the second arm is ahead, and one that failed.
pub(crate) fn programs() -> Analysis {
    let mut analysis = standard();
    for (name, language) in [("rust-programs", "Rust"), ("go-programs", "Go")] {
        analysis.servers.push(server(name, language, 0, 9e9, false));
    }
    for server in analysis.servers.iter_mut().rev().take(2) {
        server.build.binary_bytes = None;
    }
    let mut matchup = program_matchup();
    fail(&mut matchup.cells[4]);
    matchup.means = [Metric::ElapsedNs, Metric::CpuNs, Metric::RssBytesPeak]
        .map(|metric| {
            let ratio = estimate(if metric == Metric::RssBytesPeak { 1.94 } else { 1.63 }, 0.01);
            Mean { metric, cells: 9, ratio, verdict: verdict(&ratio) }
        })
        .into();
    analysis.published = published(&matchup);
    analysis.failures.push(CellFailure {
        cell: Some(matchup.cells[4].id.clone()),
        failure: Failure {
            stage: Stage::Run,
            server: Some("go-programs".into()),
            error: "it ran longer than 60 s and was killed".into(),
            stderr: vec![],
        },
        blocks: 1,
    });
    analysis.matchups.insert(0, matchup);
    analysis
}

/// Problem, milliseconds, CPU milliseconds, KiB, gz, the first arm's features, half the width.
type Program = (&'static str, [f64; 2], [f64; 2], [f64; 2], [u64; 2], &'static str, f64);

fn program_matchup() -> MatchupAnalysis {
    let programs: [Program; 10] = [
        (
            "binary-trees",
            [152., 491.],
            [288., 902.],
            [19e3, 46e3],
            [620, 540],
            "crate bumpalo",
            0.03,
        ),
        ("fannkuch-redux", [212., 231.], [420., 458.], [2.1e3, 3.9e3], [901, 880], "threads", 0.02),
        ("fasta", [98., 131.], [180., 250.], [2.6e3, 9.9e3], [1404, 1290], "threads", 0.02),
        ("k-nucleotide", [141., 402.], [270., 760.], [31e3, 42e3], [1300, 1250], "threads", 0.03),
        ("mandelbrot", [1., 1.], [1., 1.], [1., 1.], [640, 700], "threads", 0.02),
        ("n-body", [251., 262.], [250., 261.], [2.0e3, 3.6e3], [1201, 1130], "", 0.06),
        ("pidigits", [402., 281.], [400., 300.], [2.4e3, 8.1e3], [640, 590], "", 0.02),
        ("regex-redux", [41., 702.], [60., 900.], [21e3, 44e3], [740, 760], "crate regex", 0.05),
        ("reverse-complement", [61., 63.], [80., 99.], [26e3, 53e3], [880, 910], "threads", 0.04),
        (
            "spectral-norm",
            [130., 130.2],
            [255., 256.],
            [2.2e3, 3.7e3],
            [560, 530],
            "threads",
            0.004,
        ),
    ];
    let arm = |server: &str, language: &str| Arm {
        server: server.into(),
        label: server.into(),
        language: language.into(),
    };
    MatchupAnalysis {
        name: "programs".into(),
        lane: Lane::Idiomatic,
        control: false,
        programs: true,
        arms: vec![arm("rust-programs", "Rust"), arm("go-programs", "Go")],
        cells: programs.iter().map(program_cell).collect(),
        starts: vec![],
        means: vec![],
    }
}

fn program_cell((problem, ms, cpu, kib, gz, uses, width): &Program) -> CellAnalysis {
    let two = |m: Metric, v: [f64; 2], width: f64| metric(m, v[0], v[1], width);
    let program = |arm: usize, set: &str, source: String, features: Vec<String>| ProgramSummary {
        set: set.into(),
        source,
        gz_bytes: Some(gz[arm]),
        binary_bytes: Some(500_000),
        features,
        cpu_load: vec![0.98, (cpu[arm] / ms[arm] - 1.0).clamp(0.0, 1.0)],
    };
    let uses = (!uses.is_empty()).then(|| (*uses).to_owned());
    CellAnalysis {
        metrics: vec![
            two(Metric::ElapsedNs, ms.map(|ms| ms * 1e6), *width),
            two(Metric::CpuNs, cpu.map(|ms| ms * 1e6), *width),
            two(Metric::RssBytesPeak, kib.map(|kib| kib * 1024.0), 0.006),
        ],
        load: "quick, N = 1,000,000".into(),
        rss: vec![],
        errors: vec![],
        window_ns: None,
        question: format!("What does {problem} cost?"),
        program: Some(ProgramCell {
            n: 1_000_000,
            arms: vec![
                program(
                    0,
                    "rust-programs",
                    format!("rust/{problem}.rs"),
                    uses.into_iter().collect(),
                ),
                program(1, "go-programs", format!("go/{problem}/main.go"), vec!["threads".into()]),
            ],
        }),
        bottleneck: Bottleneck { who: Who::Unknown, server_busy: vec![], generator_busy: vec![] },
        ..cell("programs", &(problem, "quick", [1.0; 2], [1.0; 2], [1.0; 2], 0.01))
    }
}

fn published(matchup: &MatchupAnalysis) -> Vec<PublishedAnalysis> {
    let row = |(i, cell): (usize, &CellAnalysis)| {
        let of = |m: Metric| cell.metrics.iter().find(|found| found.metric == m)?.ratio;
        let secs = [1.0 + 0.25 * i as f64, 2.5 + i as f64];
        Some(PublishedComparison {
            problem: cell.id.workload.clone(),
            secs,
            ratio: secs[1] / secs[0],
            memory_ratio: Some(1.5),
            gz_ratio: Some(0.8),
            busy_secs: (i == 0).then_some([4.27, 43.46]),
            cpu_load: (i == 0).then(|| ["87 86 86 98".into(), "89 87 85 85".into()]),
            plain_ratio: (i % 2 == 0).then_some(1.4),
            figure: (i < 3).then(|| "speed".to_owned()),
            note: (i == 2).then(|| "the fastest Rust program has vector intrinsics".to_owned()),
            today: vec![Today {
                cell: cell.id.clone(),
                ratio: of(Metric::ElapsedNs)?,
                memory_ratio: of(Metric::RssBytesPeak),
                standing: [Standing::Stands, Standing::Shrunk, Standing::Unclear][i % 3],
                cpu_secs: Some([0.61, 1.4]),
                cpu_load: [vec![0.99, 0.98], vec![0.87, 0.9]],
            }],
        })
    };
    let table = |date: &str| PublishedAnalysis {
        date: date.into(),
        about: "rustc and go of that day".into(),
        languages: ["Rust".into(), "Go".into()],
        rows: matchup.cells.iter().enumerate().filter_map(row).collect(),
        mean: 2.36,
        today: vec![MeanToday {
            matchup: matchup.name.clone(),
            cells: 9,
            ratio: estimate(1.63, 0.01),
        }],
    };
    vec![table("2020-09-21"), table("2022-05-12")]
}
