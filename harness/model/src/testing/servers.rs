//! Runs of servers.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use crate::record::{
    ArmRecord, BlockRecord, BuildRecord, Machine, Memory, RssSample, Run, RunEnd, RunHeader,
    SCHEMA, Wire,
};
use crate::spec::{
    Arrivals, Case, CellId, ExpectedResponse, Lane, Load, Matchup, OpenLoop, Rate, Server, Spec,
    Suite, Workload,
};
use duet_protocol::{OpenResult, ProbeResult, ResolvedRate, SearchEnd, SearchResult, WindowResult};
use duet_stats::SplitMix64;
use duet_units::Limit;

/// What a synthetic run is made of. The default: `alpha` against `beta`, which is 1.25 times worse
/// in everything; eight blocks of eight rounds of one cell, one CPU each for servers and generator.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The two servers.
    pub servers: [&'static str; 2],
    /// A cell each.
    pub workloads: Vec<&'static str>,
    /// What each of them is like.
    pub arms: [Speed; 2],
    /// Blocks of each cell.
    pub blocks: u32,
    /// Rounds of each block.
    pub rounds: u32,
    /// Orders of windows of even and odd rounds.
    pub orders: [[u32; 4]; 2],
    /// By how much ln of all speeds changes from window to window.
    pub drift: f64,
    /// Half width of the noise of ln of speed, in each window and again in each block and arm.
    pub noise: f64,
}

/// What an arm is like.
#[derive(Debug, Clone, Copy)]
pub struct Speed {
    /// Responses per second.
    pub requests_per_second: f64,
    /// CPU time of the server per response.
    pub cpu_ns_per_request: f64,
    /// CPU time of the generator per response.
    pub generator_cpu_ns_per_request: f64,
    /// CPU time in each window of the other arm.
    pub parked_cpu_ns: u64,
    /// Resident memory.
    pub rss_bytes: f64,
    /// Time to the first response.
    pub startup_ns: f64,
}

impl Default for Scene {
    fn default() -> Self {
        let alpha = Speed {
            requests_per_second: 50_000.0,
            cpu_ns_per_request: 18_000.0,
            generator_cpu_ns_per_request: 8_000.0,
            parked_cpu_ns: 0,
            rss_bytes: 8e6,
            startup_ns: 4e6,
        };
        let beta = Speed {
            requests_per_second: alpha.requests_per_second / 1.25,
            cpu_ns_per_request: alpha.cpu_ns_per_request * 1.25,
            rss_bytes: alpha.rss_bytes * 1.25,
            startup_ns: alpha.startup_ns * 1.25,
            ..alpha
        };
        Self {
            servers: ["alpha", "beta"],
            workloads: vec!["small"],
            arms: [alpha, beta],
            blocks: 8,
            rounds: 8,
            orders: [[0, 1, 1, 0], [1, 0, 0, 1]],
            drift: 0.0,
            noise: 0.004,
        }
    }
}

/// The run of a scene, complete and without failures.
pub fn run(scene: &Scene) -> Run {
    let mut random = SplitMix64::new(1);
    let header = header(scene);
    let cells = header.suite.cells.clone();
    let blocks: Vec<BlockRecord> = (0..scene.blocks)
        .flat_map(|block| cells.iter().map(move |cell| (block, cell)))
        .map(|(index, cell)| block(scene, cell, index, &mut random))
        .collect();
    let builds = header.spec.servers.iter().map(|server| BuildRecord {
        server: server.name.clone(),
        version: Some(format!("{} 1.0", server.name)),
        binary_bytes: Some(1_500_000),
        binary_sha256: None,
        toolchain_version: None,
        clean_build_ns: Some(20_000_000_000),
        layout: None,
        failure: None,
    });
    let end = Some(RunEnd { elapsed_ns: 60_000_000_000, interrupted: None, stopped: None });
    let (programs, program_blocks) = (vec![], vec![]);
    Run {
        builds: builds.collect(),
        programs,
        program_blocks,
        blocks,
        end,
        truncated: false,
        header,
    }
}

/// Adds a third arm to a run: a server that is `worse` times worse than the first in all but
/// memory, driven in the middle of every round.
pub fn third(mut run: Run, name: &str, worse: f64) -> Run {
    let mut of_name = run.header.spec.servers[0].clone();
    of_name.name = name.to_owned();
    run.header.spec.servers.push(of_name);
    run.header.spec.matchups[0].arms.push(name.to_owned());
    for block in &mut run.blocks {
        let first = block.arms[0].clone();
        block.arms.push(ArmRecord { server: name.to_owned(), ..first });
        let windows = std::mem::take(&mut block.windows);
        for round in windows.chunk_by(|a, b| a.round == b.round) {
            let of_first = round.iter().filter(|window| window.arm == 0);
            let mut middle: Vec<WindowResult> = of_first.cloned().collect();
            for window in &mut middle {
                window.arm = 2;
                window.requests = (window.requests as f64 / worse) as u64;
                window.server_cpu_ns = vec![0, 0, window.server_cpu_ns[0]];
            }
            let (before, after) = round.split_at(round.len() / 2);
            for window in before.iter().chain(&middle).chain(after) {
                let mut window = window.clone();
                window.server_cpu_ns.resize(3, 0);
                block.windows.push(window);
            }
        }
    }
    run
}

/// Turns a run into one of open loops at half of the slower arm's capacity, with response times of
/// which `latencies_ns` are each arm's medians, 3,600 requests per block and arm.
pub fn open(mut run: Run, latencies_ns: [f64; 2]) -> Run {
    let rate = Rate::Share(0.5);
    run.header.spec.loads[0].open = Some(OpenLoop { rate, arrivals: Arrivals::Poisson });
    let mut random = SplitMix64::new(2);
    for block in &mut run.blocks {
        block.open =
            Some(ResolvedRate { rate_per_second: 20_000, capacity_per_second: Some(40_000) });
        block.window_ns = 100_000_000;
        let noise = latencies_ns.map(|_| (0.01 * (2.0 * random.unit() - 1.0)).exp());
        let mut encoded: [Option<[String; 2]>; 2] = [None, None];
        for window in &mut block.windows {
            let arm = window.arm as usize;
            window.elapsed_ns = 100_000_000;
            window.requests = 1800;
            window.generator_cpu_ns = 95_000_000;
            let median = latencies_ns[arm] * noise[arm];
            // From half of the median to one and a half, the same in all windows of the block.
            let [response_time, lag] = encoded[arm].get_or_insert_with(|| {
                let at = |i: u64| (median * (0.5 + i as f64 / 1800.0)) as u64;
                let responses: Vec<u64> = (0..1800).map(at).collect();
                let lags: Vec<u64> = responses.iter().map(|ns| ns / 100).collect();
                [encode(&responses), encode(&lags)]
            });
            window.open = Some(OpenResult {
                planned: window.requests,
                sent: window.requests,
                sent_late: 0,
                unsent: 0,
                generator_spin_ns: 80_000_000,
                response_time: Some(response_time.clone()),
                response_time_lower_bounds: None,
                send_lag: Some(lag.clone()),
                generator_lag: Some(lag.clone()),
            });
        }
    }
    run
}

/// Turns a run into one of searches within 5 ms at the 99th percentile, which found rates about
/// `rates` by six probes of each arm in each block, the last two of which failed.
pub fn searched(run: Run, rates: [f64; 2]) -> Run {
    let mut run = open(run, [1e6, 1e6]);
    let limit = Limit { quantile: 0.99, latency_ns: 5_000_000 };
    let rate = Rate::Within(limit);
    run.header.spec.loads[0].open = Some(OpenLoop { rate, arrivals: Arrivals::Poisson });
    let mut random = SplitMix64::new(3);
    for block in &mut run.blocks {
        block.open = None;
        let held = rates.map(|rate| rate * (0.02 * (2.0 * random.unit() - 1.0)).exp() / 1.02);
        let held = held.map(|rate| rate as u64);
        let failed = held.map(|rate| rate * 104 / 100);
        for (arm, record) in block.arms.iter_mut().enumerate() {
            record.search = Some(SearchResult {
                held_per_second: Some(held[arm]),
                failed_per_second: Some(failed[arm]),
                end: SearchEnd::Narrow,
            });
        }
        let mut probes = [0; 2];
        block.windows.truncate(12);
        for window in &mut block.windows {
            let arm = window.arm as usize;
            probes[arm] += 1;
            let is_held = probes[arm] < 5;
            window.probe = Some(ProbeResult {
                rate_per_second: if is_held { held[arm] } else { failed[arm] },
                planned_ns: window.elapsed_ns,
                held: is_held,
            });
            window.server_cpu_ns[arm] = 95_000_000;
        }
    }
    run
}

/// A histogram of service times as the generator writes it.
pub fn encode(values: &[u64]) -> String {
    let mut histogram = Histogram::<u64>::new(3).expect("3 digits are allowed");
    for &value in values {
        histogram.record(value).expect("it resizes");
    }
    let mut bytes = vec![];
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).expect("a Vec takes all");
    STANDARD.encode(bytes)
}

fn header(scene: &Scene) -> RunHeader {
    let cell = |workload: &&str| CellId {
        matchup: "pair".to_owned(),
        workload: (*workload).to_owned(),
        load: "c64".to_owned(),
    };
    let suite = Suite {
        name: "synthetic".to_owned(),
        summary: "Made of numbers.".to_owned(),
        server_cpus: 1,
        generator_cpus: 1,
        half: false,
        blocks: scene.blocks,
        lead_ms: 0,
        window_ms: 20,
        measure_ms: scene.rounds * 80,
        warmup_ms: 500,
        program_block_ms: 700,
        program_limit_s: 60,
        program_limit_mib: 4096,
        verdicts: true,
        cells: scene.workloads.iter().map(cell).collect(),
    };
    RunHeader {
        schema: SCHEMA,
        id: None,
        duet_version: "0.1.0".to_owned(),
        command: vec!["run".to_owned(), "synthetic".to_owned()],
        started_unix_s: 1_735_689_600,
        seed: 1,
        commit: Some("0123abc".to_owned()),
        dirty: false,
        machine: Machine {
            cpu: "Imaginary CPU".to_owned(),
            cpus: 2,
            memory_bytes: 4 << 30,
            kernel: "Linux 6.1".to_owned(),
            os: "Imaginary OS".to_owned(),
            hypervisor: None,
            groups: None,
            tools: BTreeMap::new(),
        },
        findings: vec![],
        to_project: "../../".to_owned(),
        server_cpus: vec![0],
        generator_cpus: vec![1],
        services: vec![],
        spec: spec(scene, &suite),
        experiment: None,
        campaign: None,
        suite,
    }
}

fn spec(scene: &Scene, suite: &Suite) -> Spec {
    let server = |(name, language): (&str, &str)| Server {
        name: name.to_owned(),
        language: language.to_owned(),
        lanes: vec![Lane::Std],
        summary: format!("The server {name}."),
        needs: vec![],
        toolchain: None,
        build: vec![],
        build_cache: BTreeMap::new(),
        shared_cache: BTreeMap::new(),
        std_build: vec![],
        dependencies: vec![],
        edit: None,
        run: vec![format!("./{name}"), "{addr}".to_owned()],
        tls_args: vec![],
        h2c_args: vec![],
        services: BTreeMap::new(),
        options: BTreeMap::new(),
        pool: None,
        version: vec![format!("./{name}"), "--version".to_owned()],
        env: BTreeMap::new(),
        prints: false,
        external: false,
        carry: vec![],
        start_limit_s: None,
        workloads: scene.workloads.iter().map(|&w| w.to_owned()).collect(),
        root: None,
    };
    let expect = ExpectedResponse { status: 200, body: "hi".to_owned(), ..Default::default() };
    let case = Case { method: "GET".to_owned(), path: "/".to_owned(), expect, ..Case::default() };
    let workload = |name: &&str| Workload {
        name: (*name).to_owned(),
        question: format!("How fast is {name}?"),
        kind: None,
        churn: false,
        cases: vec![case.clone()],
        ..Workload::default()
    };
    let [base, head] = scene.servers;
    let mut servers = vec![server((base, "Rust"))];
    if head != base {
        servers.push(server((head, "Go")));
    }
    let arms = vec![base.to_owned(), head.to_owned()];
    Spec {
        servers,
        services: vec![],
        workloads: scene.workloads.iter().map(workload).collect(),
        problems: vec![],
        sets: vec![],
        published: vec![],
        claims: vec![],
        loads: vec![Load::closed("c64", 64)],
        matchups: vec![Matchup { name: "pair".to_owned(), lane: Lane::Std, arms }],
        suites: vec![suite.clone()],
        gates: vec![],
    }
}

fn block(scene: &Scene, cell: &CellId, index: u32, random: &mut SplitMix64) -> BlockRecord {
    let mut noise = || (scene.noise * (2.0 * random.unit() - 1.0)).exp();
    let arms: Vec<Speed> = scene
        .arms
        .iter()
        .map(|arm| Speed {
            requests_per_second: arm.requests_per_second * noise(),
            cpu_ns_per_request: arm.cpu_ns_per_request * noise(),
            rss_bytes: arm.rss_bytes * noise(),
            startup_ns: arm.startup_ns * noise(),
            ..*arm
        })
        .collect();
    let mut windows: Vec<WindowResult> = vec![];
    for round in 0..scene.rounds {
        for arm in scene.orders[round as usize % 2] {
            let now = (scene.drift * windows.len() as f64).exp() * noise();
            windows.push(window(&arms, arm, round, now));
        }
    }
    let measured_ns: u64 = windows.iter().map(|w| w.elapsed_ns).sum();
    BlockRecord {
        cell: cell.clone(),
        block: index,
        started_ns: u64::from(index) * 7_000_000_000,
        elapsed_ns: measured_ns + 1_000_000_000,
        window_ns: 20_000_000,
        open: None,
        warmup_stationary: true,
        warmup_ns: 250_000_000,
        driven_ns: 1_000_000_000,
        foreign_cpu_ns: 0,
        throttled_ns: Some(0),
        generator_run_delay_ns: Some(0),
        listen_overflows: Some(0),
        gauges: None,
        arms: arms.iter().zip(scene.servers).map(|(arm, server)| arm_record(arm, server)).collect(),
        services: vec![],
        windows,
        failure: None,
        discarded: None,
    }
}

fn arm_record(arm: &Speed, server: &str) -> ArmRecord {
    let rss_bytes = arm.rss_bytes as u64;
    let memory = |rss_bytes| Memory { rss_bytes, pss_bytes: rss_bytes, private_bytes: rss_bytes };
    let rss = (0..10).map(|i| RssSample {
        at_ms: i * 100 + 3,
        rss_bytes: if i < 5 { rss_bytes / 2 } else { rss_bytes },
        in_windows: i >= 5,
    });
    ArmRecord {
        server: server.to_owned(),
        startup_ns: arm.startup_ns as u64,
        listening: None,
        idle: memory(rss_bytes / 2),
        loaded: memory(rss_bytes),
        group: None,
        after: memory(rss_bytes / 4 * 3),
        cpu_lost: false,
        user_ns: None,
        system_ns: None,
        rss_bytes_peak: rss_bytes + rss_bytes / 8,
        threads: 2,
        rss: rss.collect(),
        seconds: vec![],
        rest: vec![],
        wire: Wire {
            header_names: vec!["content-length".to_owned(), "date".to_owned()],
            head_bytes: 100,
            body_bytes: 2,
        },
        negotiated: None,
        handshakes: None,
        idle_connections: vec![],
        memory_search: None,
        search: None,
        times: None,
        histograms: None,
    }
}

/// A window of 20 ms that drove `arm` at `now` times its speed.
fn window(arms: &[Speed], arm: u32, round: u32, now: f64) -> WindowResult {
    let driven = arms[arm as usize];
    let per_second = driven.requests_per_second * now;
    let requests = (per_second / 50.0).round();
    let cpu_ns = requests * driven.cpu_ns_per_request / now;
    let server_cpu_ns = arms
        .iter()
        .enumerate()
        .map(|(i, other)| if i == arm as usize { cpu_ns as u64 } else { other.parked_cpu_ns });
    let service_time_ns = (64e9 / per_second) as u64;
    // A block's service times stand in its first round: unoptimised, decoding takes long.
    let values = if round == 0 { 600 } else { 0 };
    let service_times: Vec<u64> = (0..values).map(|i| service_time_ns * (700 + i) / 1000).collect();
    WindowResult {
        arm,
        round,
        elapsed_ns: (requests / per_second * 1e9) as u64,
        requests: requests as u64,
        received_bytes: requests as u64 * 102,
        server_cpu_ns: server_cpu_ns.collect(),
        generator_cpu_ns: (requests * driven.generator_cpu_ns_per_request) as u64,
        service_time: Some(encode(&service_times)),
        ..WindowResult::default()
    }
}
