//! Warnings about numbers, each with a hint what to do about it.

use crate::bottleneck::{BUSY_DOUBTFUL, SATURATED, Usage};
use crate::cell::{Cell, cpus};
use crate::disturbance::{FOREIGN_SHARE_MAX, share};
use crate::summary::{CellAnalysis, MetricAnalysis, Warning, Who};
use crate::verdict::{BLOCKS_MIN, Verdict};
use crate::{delayed_acks, memory_search, open, pairs, search, services, sizes};
use duet_model::record::{Run, RunHeader, ServiceCpus, ServiceHeader, Wire};
use duet_model::spec::CellId;
use duet_units::{Loop, percent, thousands};

/// Stolen time above this share of either arm's windows is a doubt; that it hurt one arm more than
/// the other is one only from there on.
const STOLEN_SHARE_MAX: f64 = 0.02;

/// Less stolen time than five of the kernel's ticks of 10 ms is an accident of counting.
const STOLEN_NS_MIN: u64 = 50_000_000;

/// What a parked arm may take of the driven one's CPUs: as much as the tie band is wide.
const PARKED_SHARE_MAX: f64 = 0.02;

/// The share of the time for which the generator may wait for a CPU: as for other processes' work.
const RUN_DELAY_SHARE_MAX: f64 = FOREIGN_SHARE_MAX;

/// A pilot aims at ten requests per connection and window; below this it has not come near.
const WINDOW_REQUESTS_MIN: f64 = 8.0;

/// Warnings about the run as a whole.
pub(super) fn of_run(run: &Run, cells: &[Cell]) -> Vec<Warning> {
    let planned = run.header.suite.blocks as usize * run.header.suite.cells.len();
    let so_far = format!(
        "{} of {planned} planned blocks are in it",
        run.blocks.len() + run.program_blocks.len()
    );
    let mut warnings = vec![];
    let partial = "all there is has been analysed; run again for the rest";
    match &run.end {
        None => {
            let cut = if run.truncated { "; its last line was cut short" } else { "" };
            let message = format!(
                "the record has no end, so the run was killed or still goes on: {so_far}{cut}"
            );
            warnings.push(Warning::new("killed", message, partial));
        }
        Some(end) => {
            if let Some(signal) = end.interrupted {
                let message = format!("the run was interrupted by signal {signal}: {so_far}");
                warnings.push(Warning::new("interrupted", message, partial));
            }
        }
    }
    let known = |id: &&CellId| {
        cells.iter().any(|cell| pairs::measured(cell.id) == **id)
            || run.header.spec.is_of_programs(id)
    };
    let blocks = run.blocks.iter().map(|b| &b.cell);
    let blocks = blocks.chain(run.program_blocks.iter().map(|b| &b.cell));
    let ids = run.header.suite.cells.iter().chain(blocks);
    let mut unknown: Vec<String> = ids.filter(|id| !known(id)).map(ToString::to_string).collect();
    unknown.sort();
    unknown.dedup();
    if !unknown.is_empty() {
        let message = format!("the header does not define {}", unknown.join(", "));
        warnings.push(Warning::new("unknown_cell", message, "do not edit records"));
    }
    warnings
}

/// Warnings about a cell.
pub(super) fn of_cell(cell: &Cell, header: &RunHeader) -> Vec<Warning> {
    let warnings = [
        unequal_work(cell),
        unequal_heads(cell),
        few_blocks(cell, header),
        blocks_failed(cell),
        blocks_dropped(cell),
        rounds_dropped(cell),
        errors(cell),
        not_stationary(cell, header),
        turned_away(cell),
        generator_busy(cell),
        generator_bound(cell),
        services::warning(cell),
        services::connections(cell),
        sizes::warning(cell),
        parked_cpu(cell, header),
        stolen_time(cell, header),
        foreign_cpu(cell, header),
        generator_waited(cell, header),
        cpu_lost(cell),
        delayed_acks::warning(cell),
        short_windows(cell),
        open::overload(cell),
        open::send_lag(cell),
        search::unfinished(cell),
        memory_search::unfinished(cell),
        search::generator_bound(cell),
        few_threads(cell, header),
        damaged_histograms(cell),
    ];
    warnings.into_iter().flatten().collect()
}

/// The first two arms' labels and first responses, of the first block in which `differ` says so.
fn wires<'a>(cell: &'a Cell, differ: fn(&Wire, &Wire) -> bool) -> Option<[(&'a str, &'a Wire); 2]> {
    let labels = cell.labels();
    let pairs = cell.counted.iter().map(|b| (&b.record.arms[0].wire, &b.record.arms[1].wire));
    let (a, b) = pairs.into_iter().find(|(a, b)| differ(a, b))?;
    Some([(labels[0], a), (labels[1], b)])
}

/// Connections that came while too many waited to be accepted, also in blocks that failed.
fn turned_away(cell: &Cell) -> Option<Warning> {
    let blocks = cell.blocks.iter().filter_map(|block| block.listen_overflows);
    let turned_away: u64 = blocks.sum();
    let message = format!(
        "{} connections were turned away, because so many waited already to be accepted: a client \
         tries again after a second, or its requests fail",
        thousands(turned_away as i64)
    );
    let hint = "have the server listen with a longer backlog, up to net.core.somaxconn";
    (turned_away > 0).then(|| Warning::new("accept_queue", message, hint))
}

fn unequal_work(cell: &Cell) -> Option<Warning> {
    let mut parts = vec![];
    let workload = cell.workload;
    let responses =
        |server: &str| workload.cases.iter().map(|c| workload.answer(c, server)).collect();
    let [a, b, ..] = &cell.arms[..] else { return None };
    let of_arms: [Vec<_>; 2] = [responses(&a.server), responses(&b.server)];
    if of_arms[0] != of_arms[1] {
        parts.push(format!(
            "the workload lets {} and {} give different responses",
            a.label, b.label
        ));
    }
    if let Some([a, b]) = wires(cell, |a, b| a.header_names != b.header_names) {
        for ((label, own), (_, other)) in [(a, b), (b, a)] {
            let extra: Vec<&str> = own
                .header_names
                .iter()
                .filter(|name| !other.header_names.contains(name))
                .map(String::as_str)
                .collect();
            if !extra.is_empty() {
                parts.push(format!("only {label} sends the header {}", extra.join(", ")));
            }
        }
    }
    // Compressed ones have a limit of their own.
    if let Some([a, b]) = wires(cell, |a, b| a.body_bytes != b.body_bytes)
        && !sizes::are_compressed(cell)
    {
        let (x, y) = (a.1.body_bytes, b.1.body_bytes);
        parts.push(format!("{} responds with {x} bytes of body, {} with {y}", a.0, b.0));
    }
    let message = format!("the arms do not do the same work: {}", parts.join("; "));
    let hint = "read the ratio as one of these two programs, not of what they are written in";
    (!parts.is_empty()).then(|| Warning::new("unequal_work", message, hint))
}

/// Heads of different length with the same header names: nothing to mend, but work.
fn unequal_heads(cell: &Cell) -> Option<Warning> {
    let differ = |a: &Wire, b: &Wire| {
        a.head_bytes != b.head_bytes
            && a.header_names == b.header_names
            && a.body_bytes == b.body_bytes
    };
    let [a, b] = wires(cell, differ)?;
    let (x, y) = (a.1.head_bytes, b.1.head_bytes);
    let message = format!("{} sends {x} bytes of status line and headers, {} {y}", a.0, b.0);
    Some(Warning { code: "unequal_heads".to_owned(), message, hint: None })
}

/// What a cell of a control says that must be an error.
pub(super) fn control_differs(cell: &CellAnalysis) -> Option<Warning> {
    let differs = |m: &&MetricAnalysis| matches!(m.verdict, Verdict::Faster | Verdict::Slower);
    let differing: Vec<&str> =
        cell.metrics.iter().filter(differs).map(|m| m.metric.label()).collect();
    let message = format!("a server differs from itself in {}", differing.join(", "));
    let hint = "distrust differences of this size in this run; see duet doctor";
    (!differing.is_empty()).then(|| Warning::new("control_differs", message, hint))
}

fn few_blocks(cell: &Cell, header: &RunHeader) -> Option<Warning> {
    let n = cell.counted.len();
    let message =
        format!("{n} of {} blocks count, no verdict below {BLOCKS_MIN}", header.suite.blocks);
    let hint = "run again; if blocks failed, mend that first";
    let few = header.suite.verdicts && n < BLOCKS_MIN as usize;
    few.then(|| Warning::new("few_blocks", message, hint))
}

fn blocks_failed(cell: &Cell) -> Option<Warning> {
    let failed = cell.blocks.iter().filter(|b| b.failure.is_some()).count();
    let message = format!("{failed} of {} blocks failed and do not count", cell.blocks.len());
    (failed > 0).then(|| Warning::new("blocks_failed", message, "see the failures for the reason"))
}

fn blocks_dropped(cell: &Cell) -> Option<Warning> {
    let (block, why) = cell.spoilt.first()?;
    let n = cell.spoilt.len();
    let message =
        format!("{n} of {} blocks do not count; of block {block}: {why}", cell.blocks.len());
    let hint = "look at the errors; lower the load if the server cannot respond within a window";
    Some(Warning::new("blocks_dropped", message, hint))
}

fn rounds_dropped(cell: &Cell) -> Option<Warning> {
    let dropped: usize = cell.counted.iter().map(|b| b.values.rounds_dropped).sum();
    let message = format!("{dropped} rounds were left out: a window had no response that is ok");
    let hint = "look at the errors; lower the load if the server cannot respond within a window";
    (dropped > 0).then(|| Warning::new("rounds_dropped", message, hint))
}

fn errors(cell: &Cell) -> Option<Warning> {
    let of_arm = |(arm, label): (usize, &str)| -> Option<String> {
        let kinds = cell.errors(arm);
        let listed: Vec<String> =
            kinds.iter().map(|(kind, n)| format!("{} {kind}", thousands(*n as i64))).collect();
        (!kinds.is_empty()).then(|| format!("{label}: {}", listed.join(", ")))
    };
    let parts: Vec<String> = cell.labels().into_iter().enumerate().filter_map(of_arm).collect();
    let message = format!("requests failed in windows ({})", parts.join("; "));
    let hint = "failed requests are in no ratio; a server that fails fast only looks fast";
    (!parts.is_empty()).then(|| Warning::new("errors", message, hint))
}

fn not_stationary(cell: &Cell, header: &RunHeader) -> Option<Warning> {
    // Probes of memory limits and arms that run alone have no warm-up to speak of.
    let cold = cell.load.memory_limit.is_some() || cell.load.solo_s.is_some();
    if !header.suite.verdicts || cold {
        return None; // a suite for a first look has no time to warm up, and says so itself
    }
    let n = cell.counted.iter().filter(|b| !b.record.warmup_stationary).count();
    let message = format!("in {n} of {} blocks the warm-up ended unfinished", cell.counted.len());
    let hint = "raise warmup_ms";
    (n * 4 > cell.counted.len()).then(|| Warning::new("warmup_not_stationary", message, hint))
}

fn generator_busy(cell: &Cell) -> Option<Warning> {
    let (servers, generators) = (&cell.bottleneck.server_busy, &cell.bottleneck.generator_busy);
    // A server that has no time left is what is measured, however busy the generator is beside it.
    let unsure = generators.iter().zip(servers).filter(|(_, server)| **server < SATURATED);
    let busy = unsure.map(|(generator, _)| *generator).fold(0.0, f64::max);
    let message =
        format!("the generator was {} busy, which may hide part of the difference", percent(busy));
    let hint = "raise generator_cpus, or choose a workload with more work per request";
    // Where it was the bottleneck, another warning says so.
    let doubtful = busy >= BUSY_DOUBTFUL && cell.bottleneck.who != Who::Generator;
    doubtful.then(|| Warning::new("generator_busy", message, hint))
}

/// What may still be compared where the generator was the bottleneck.
fn generator_bound(cell: &Cell) -> Option<Warning> {
    let bound = cell.bottleneck.who == Who::Generator && cell.load.kind() != Loop::Search;
    let rate = |usage: &Usage| {
        duet_units::rate(usage.requests as f64 / (usage.elapsed_ns as f64 / 1e9).max(1e-9))
    };
    let rates: Vec<String> = cell.usage.iter().map(rate).collect();
    let message = format!(
        "the generator was the bottleneck: rates and response times are its own and have no \
         ratio; CPU per request and memory are the servers', at {} requests/s",
        rates.join(" and ")
    );
    let hint = "raise generator_cpus, or give both arms one fixed rate";
    bound.then(|| Warning::new("generator_bound", message, hint))
}

fn parked_cpu(cell: &Cell, header: &RunHeader) -> Option<Warning> {
    let share = |u: &Usage| share(u.parked_cpu_ns, u.elapsed_ns, cpus(header).server);
    let worst = (0..cell.usage.len())
        .max_by(|&a, &b| share(&cell.usage[a]).total_cmp(&share(&cell.usage[b])))?;
    let message = format!(
        "while {} was driven, what was parked used {} of its CPUs",
        cell.arms[worst].label,
        percent(share(&cell.usage[worst]))
    );
    let hint = "raise window_ms: background work then falls into its own windows";
    (share(&cell.usage[worst]) > PARKED_SHARE_MAX)
        .then(|| Warning::new("parked_cpu", message, hint))
}

fn stolen_time(cell: &Cell, header: &RunHeader) -> Option<Warning> {
    let cpus = cpus(header);
    let of = |whose: &str, stolen_ns: fn(&Usage) -> u64, cpus: usize| -> Option<String> {
        let shares: Vec<f64> =
            cell.usage.iter().map(|u| share(stolen_ns(u), u.elapsed_ns, cpus)).collect();
        let counted = cell.usage.iter().map(stolen_ns).sum::<u64>() >= STOLEN_NS_MIN;
        let doubtful = shares.iter().any(|share| *share > STOLEN_SHARE_MAX);
        let listed: Vec<String> = shares.into_iter().map(percent).collect();
        (counted && doubtful).then(|| format!("{} of {whose}", listed.join(" and ")))
    };
    let parts: Vec<String> = [
        of("the servers' CPUs", |u| u.server_stolen_ns, cpus.server),
        of("the generator's CPUs", |u| u.generator_stolen_ns, cpus.generator),
    ]
    .into_iter()
    .flatten()
    .collect();
    let message = format!("the hypervisor stole {} in the arms' windows", parts.join(", "));
    let hint = "choose a quieter machine or hour; intervals are wider for it";
    (!parts.is_empty()).then(|| Warning::new("stolen_time", message, hint))
}

fn foreign_cpu(cell: &Cell, header: &RunHeader) -> Option<Warning> {
    let cpus = cpus(header);
    let blocks = || cell.counted.iter().map(|block| block.record);
    let foreign_ns = blocks().map(|block| block.foreign_cpu_ns).sum();
    let driven_ns = blocks().map(|block| block.driven_ns).sum();
    let share = share(foreign_ns, driven_ns, cpus.server + cpus.generator);
    let message = format!(
        "other processes took {} of the CPUs that servers and generator were pinned to",
        percent(share)
    );
    let hint = "stop them and measure again; intervals are wider for it, and may mislead";
    (share > FOREIGN_SHARE_MAX).then(|| Warning::new("foreign_cpu", message, hint))
}

fn generator_waited(cell: &Cell, header: &RunHeader) -> Option<Warning> {
    let blocks = || cell.counted.iter().map(|block| block.record);
    let waited_ns = blocks().filter_map(|block| block.generator_run_delay_ns).sum();
    let driven_ns = blocks().map(|block| block.driven_ns).sum();
    let share = share(waited_ns, driven_ns, cpus(header).generator);
    let message = format!("the generator waited for a CPU {} of the time", percent(share));
    let hint = "stop what else runs on its CPUs, and measure again: responses were read late";
    // A service beside it has it wait, as every report says of the service's CPUs.
    let shares = |service: &ServiceHeader| {
        service.shared_with == ServiceCpus::Generator
            && cell.workload.services.contains(&service.name)
    };
    let alone = !header.services.iter().any(shares);
    (alone && share > RUN_DELAY_SHARE_MAX).then(|| Warning::new("generator_waited", message, hint))
}

/// CPU time that the kernel forgot: no ratio is made of the rest.
fn cpu_lost(cell: &Cell) -> Option<Warning> {
    let lost = |arm: &usize| cell.counted.iter().any(|block| block.record.arms[*arm].cpu_lost);
    let labels = cell.labels();
    let of: Vec<&str> = (0..labels.len()).filter(lost).map(|arm| labels[arm]).collect();
    let message = format!(
        "the CPU time of {} is unknown: processes ended that nobody waits for, so that the kernel \
         forgets what they took",
        of.join(" and ")
    );
    let hint = "have their parent wait for them: it must not ignore SIGCHLD";
    (!of.is_empty()).then(|| Warning::new("cpu_lost", message, hint))
}

fn short_windows(cell: &Cell) -> Option<Warning> {
    let connections = f64::from(cell.load.connections.max(1));
    let per_window = |u: &Usage| u.requests as f64 / u.windows as f64 / connections;
    let driven = cell.usage.iter().filter(|u| u.windows > 0);
    let least = driven.map(per_window).min_by(f64::total_cmp)?;
    let message = format!(
        "a window holds {least:.1} requests per connection, so its edges, where not all \
         connections are busy, count for much"
    );
    let hint = "lower the connections, or raise window_ms";
    // An open loop sends when requests are due, however many connections there are. Of a burst no
    // rate is a result.
    let rate_counts = cell.load.open.is_none() && cell.load.rest_s.is_none();
    let short = least < WINDOW_REQUESTS_MIN && rate_counts;
    short.then(|| Warning::new("short_windows", message, hint))
}

fn few_threads(cell: &Cell, header: &RunHeader) -> Option<Warning> {
    let cpus = cpus(header);
    let of_arm = |(usage, label): (&Usage, &str)| -> Option<String> {
        let few = usage.windows > 0 && usage.usable_cpus(cpus) < cpus.server;
        few.then(|| format!("{label} runs {} of {}", usage.threads, cpus.server))
    };
    let parts: Vec<String> = cell.usage.iter().zip(cell.labels()).filter_map(of_arm).collect();
    let message = format!("not every CPU of the servers can have a thread: {}", parts.join("; "));
    let hint = "check that the server is given {threads} and obeys it";
    (!parts.is_empty()).then(|| Warning::new("few_threads", message, hint))
}

fn damaged_histograms(cell: &Cell) -> Option<Warning> {
    let errors = cell.counted.iter().filter_map(|b| Some((b, b.values.histogram_error.as_ref()?)));
    let (block, error) = errors.into_iter().next()?;
    let message = format!("the histograms of block {} cannot be read: {error}", block.record.block);
    let hint = "throughput, CPU and memory are not affected; report it as a defect";
    Some(Warning::new("damaged_histogram", message, hint))
}
