//! Reads `suites.toml`: loads, matchups, suites; gates have a file of their own.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::errors::Kind;
use super::fields::{At, Fields};
use super::gates::{self, GateTable};
use super::nearest::suggestion;
use super::servers::lane;
use super::shared_keys::{CellTable, duration, number, program_runs, programs};
use duet_model::spec::{
    Arrivals, CellId, DECIDING_BLOCKS, Entries, Lane, Load, MOST_ARMS, MOST_BLOCKS, Matchup,
    OpenLoop, Rate, Suite, Transport,
};
use duet_units::{Limit, MemoryRange};

/// The highest rate of an open loop: more than any generator of today sends. More is a slip of the
/// pen.
const RATE_MAX: u32 = 10_000_000;

/// The most streams of a connection: more than servers allow by default (RFC 9113, 6.5.2, asks for
/// 100 or more).
const STREAMS_MAX: u32 = 1_000;

/// The most requests in flight to a server, over all connections. More is a slip of the pen.
const IN_FLIGHT_MAX: u32 = 100_000;

/// The shares of a capacity that an open loop may ask for.
const RATE_SHARES: RangeInclusive<f64> = 0.01..=0.99;

/// The keys that make a load an open loop; a load has one of them at most.
const RATES: [&str; 3] = ["rate", "rate_share", "rate_within"];

/// The CPUs' worth of time that a server may be given: less than the least, and the period in which
/// the kernel counts it has no time for a request.
const CPU_LIMITS: RangeInclusive<f64> = 0.05..=256.0;

/// How long a window of one arm alone, or the rest behind it, may be, in seconds: more than ten
/// minutes is a slip of the pen.
const LONG_S: RangeInclusive<u32> = 1..=600;

/// The quantiles that a search may limit. A lower one does not see most of the requests, and a
/// higher one would need more of them than a probe has.
const LIMIT_QUANTILES: RangeInclusive<f64> = 0.5..=0.999;

/// How long they may be at most, from 100 µs, below which sending and waking up is what takes the
/// time, to 1 s, half of the time after which an answer is given up.
const LIMITS_NS: RangeInclusive<u64> = 100_000..=1_000_000_000;

/// What `suites.toml` says.
pub(super) struct Suites {
    pub(super) loads: Vec<At<Load>>,
    pub(super) matchups: Vec<At<Matchup>>,
    pub(super) suites: Vec<At<SuiteTable>>,
    pub(super) gates: Vec<At<GateTable>>,
}

/// A suite, its cells not yet multiplied out.
pub(super) struct SuiteTable {
    suite: Suite,
    pub(super) cells: Vec<CellTable>,
    /// Tables `[[suite.programs]]`: their workloads are problems, their loads sizes.
    pub(super) programs: Vec<CellTable>,
}

impl SuiteTable {
    /// The suite, still without cells.
    pub(super) fn settings(&self) -> &Suite {
        &self.suite
    }

    /// The suite with its cells in order, each once.
    pub(super) fn suite(self) -> Suite {
        let mut suite = self.suite;
        let mut seen = BTreeSet::new();
        for table in self.programs.iter().chain(&self.cells) {
            for matchup in &table.matchups {
                for workload in &table.workloads {
                    for load in &table.loads {
                        let [matchup, workload, load] =
                            [matchup, workload, load].map(|name| name.value.clone());
                        let cell = CellId { matchup, workload, load };
                        if seen.insert(cell.clone()) {
                            suite.cells.push(cell);
                        }
                    }
                }
            }
        }
        suite
    }
}

/// Reads all loads, matchups, suites and gates. Gates compare versions of one server or set, so
/// that nobody who only guards these needs matchups and suites; nobody who only asks for programs
/// needs loads.
pub(super) fn read(root: &mut Fields<'_>) -> Suites {
    let suites = root.each("suite", "[[suite]]", suite);
    let gates = root.each("gate", "[[gate]]", gates::gate);
    let programs_alone = suites.iter().all(|suite| suite.value.cells.is_empty())
        && gates.iter().all(|gate| gate.value.servers.is_empty());
    if !programs_alone || suites.is_empty() && gates.is_empty() {
        root.require(&[("load", "a table `[[load]]`")]);
    }
    if root.has("suite") || !root.has("gate") {
        root.require(&[
            ("matchup", "a table `[[matchup]]`"),
            ("suite", "a table `[[suite]]`, or `[[gate]]` for comparing versions"),
        ]);
    }
    Suites {
        loads: root.each("load", "[[load]]", load),
        matchups: root.each("matchup", "[[matchup]]", matchup),
        suites,
        gates,
    }
}

/// Idle connections of a load: enough for a slope, and as many as a client has ports.
const IDLE: RangeInclusive<u32> = 10..=20_000;

fn load(fields: &mut Fields<'_>) -> At<Load> {
    fields.require(&[("name", "`name = \"my-load\"`"), ("connections", "`connections = 64`")]);
    let name = fields.name().value;
    // Sockets have a port each, and a client has about 28,000 of them by default on Linux.
    let connections = fields.number("connections", 1..=20_000).map_or(0, |at| at.value);
    let (transport, streams) = transport(fields, connections);
    let tls_resume = tls_resume(fields, transport);
    let idle = idle(fields, transport);
    let open = open_loop(fields);
    let server_cpus = fields.number("server_cpus", 1..=256).map(|at| at.value);
    let cpu_limit = cpu_limit(fields);
    let memory_limit = memory_limit(fields, open, idle);
    let (solo_s, rest_s) = (solo(fields, open), rest(fields, open));
    let entries = entries(fields, transport);
    let load = Load {
        name,
        connections,
        transport,
        tls_resume,
        streams,
        idle,
        open,
        server_cpus,
        cpu_limit,
        memory_limit,
        solo_s,
        rest_s,
        entries,
    };
    At { line: fields.line, value: load }
}

/// The length of the only window of each arm.
fn solo(fields: &mut Fields<'_>, open: Option<OpenLoop>) -> Option<u32> {
    let solo = fields.number("solo_s", LONG_S)?;
    let given = open.is_some_and(|open| matches!(open.rate, Rate::PerSecond(_)));
    if !given && !fields.has("rest_s") {
        let hint = "add `rate`, requests per second that all servers hold, or `rest_s` for a burst";
        fields.mistake(solo.line, "`solo_s` without `rate`", hint);
    }
    for key in ["idle", "memory_limit"] {
        if !fields.has(key) {
            continue;
        }
        let hint = "take one of them out: each has blocks of its own kind";
        fields.mistake(solo.line, format!("`solo_s` beside `{key}`"), hint);
    }
    Some(solo.value)
}

/// How long nothing is sent behind that window.
fn rest(fields: &mut Fields<'_>, open: Option<OpenLoop>) -> Option<u32> {
    let rest = fields.number("rest_s", LONG_S)?;
    if !fields.has("solo_s") {
        let hint = "add `solo_s`, the length of the burst before it in seconds";
        fields.mistake(rest.line, "`rest_s` without `solo_s`", hint);
    }
    if open.is_some() {
        let hint = "take one of them out: a burst is a closed loop";
        fields.mistake(rest.line, "`rest_s` beside a rate", hint);
    }
    Some(rest.value)
}

/// How many entries are stored before that window.
fn entries(fields: &mut Fields<'_>, transport: Transport) -> u32 {
    let Some(entries) = fields.number("entries", 1..=Entries::COUNT_MAX) else { return 0 };
    if !fields.has("solo_s") {
        let hint = "add `solo_s`, the length of the window in seconds before which they are stored";
        fields.mistake(entries.line, "`entries` without `solo_s`", hint);
    }
    if transport != Transport::Http {
        let hint = "choose `http` for it: entries are stored over that";
        fields.mistake(entries.line, format!("`entries` over {transport}"), hint);
    }
    entries.value
}

/// CPUs' worth of time of a server.
fn cpu_limit(fields: &mut Fields<'_>) -> Option<f64> {
    let limit = fields.fraction("cpu_limit")?;
    if CPU_LIMITS.contains(&limit.value) {
        return Some(limit.value);
    }
    let (least, most) = (CPU_LIMITS.start(), CPU_LIMITS.end());
    let hint = format!("write CPUs' worth of time, from {least} to {most}");
    fields.mistake(limit.line, format!("`cpu_limit` is {}", limit.value), hint);
    None
}

/// The limits of memory that a search tries.
fn memory_limit(fields: &mut Fields<'_>, open: Option<OpenLoop>, idle: u32) -> Option<MemoryRange> {
    let text = fields.text("memory_limit")?;
    if !open.is_some_and(|open| matches!(open.rate, Rate::PerSecond(_))) {
        let hint = "add `rate`, the requests per second that a server has to hold within it";
        fields.mistake(text.line, "`memory_limit` without `rate`", hint);
    }
    if idle > 0 {
        let hint = "take one of them out: their memory is measured without a limit";
        fields.mistake(text.line, "`memory_limit` beside `idle`", hint);
    }
    match text.value.parse() {
        Ok(range) => Some(range),
        Err(hint) => {
            let hint: String = hint;
            fields.mistake(text.line, format!("`memory_limit` is {:?}", text.value), hint);
            None
        }
    }
}

/// How requests travel, and how many of them are in flight on a connection.
fn transport(fields: &mut Fields<'_>, connections: u32) -> (Transport, u32) {
    let word = fields.text("transport");
    let streams = fields.number("streams", 1..=STREAMS_MAX);
    let transport = word.map_or(Ok(Transport::Http), |word| word.value.parse().map_err(|_| word));
    let transport = transport.map_err(|word| {
        let problem = format!("unknown transport `{}`", word.value);
        let names = Transport::ALL.map(Transport::name);
        fields.mistake(word.line, problem, suggestion(&word.value, &names, "the transports are"));
    });
    // Of one that is unknown nothing else is said.
    let (Ok(transport), Some(streams)) = (transport, streams) else {
        return (transport.unwrap_or_default(), 1);
    };
    if !transport.is_http2() {
        let hint = "add `transport = \"h2\"` or `\"h2c\"`, or take it out: a connection of \
                    HTTP/1.1 has one request in flight";
        fields.mistake(streams.line, "`streams` without HTTP/2", hint);
    }
    if connections.saturating_mul(streams.value) > IN_FLIGHT_MAX {
        let problem = format!("{connections} connections have {} streams each", streams.value);
        let hint = format!("lower one of them: at most {IN_FLIGHT_MAX} requests are in flight");
        fields.mistake(streams.line, problem, hint);
    }
    (transport, streams.value)
}

/// Whether connections resume sessions.
fn tls_resume(fields: &mut Fields<'_>, transport: Transport) -> bool {
    let resumes = fields.flag("tls_resume").unwrap_or(false);
    if resumes && transport != Transport::Https {
        let line = fields.line_of("tls_resume");
        let hint = "add `transport = \"https\"`, or take it out: there are no sessions of TLS, or \
                    connections are kept";
        fields.mistake(line, format!("`tls_resume` over {transport}"), hint);
    }
    resumes
}

/// How many connections stay idle.
fn idle(fields: &mut Fields<'_>, transport: Transport) -> u32 {
    let Some(idle) = fields.number("idle", IDLE) else { return 0 };
    if transport.is_http2() {
        let hint = "choose `http` or `https` for it: over HTTP/2 clients have one connection";
        fields.mistake(idle.line, format!("`idle` over {transport}"), hint);
    }
    idle.value
}

/// When requests are due, if the load says so.
fn open_loop(fields: &mut Fields<'_>) -> Option<OpenLoop> {
    let per_second = fields.number("rate", 1..=RATE_MAX).map(|at| Rate::PerSecond(at.value));
    let share = rate_share(fields).map(Rate::Share);
    let within = rate_within(fields).map(Rate::Within);
    let arrivals = arrivals(fields);
    let given: Vec<&str> = RATES.into_iter().filter(|key| fields.has(key)).collect();
    for key in given.iter().skip(1) {
        let hint = "keep `rate` for so many requests a second, `rate_share` for a share of what \
                    the slower server can do, or `rate_within` for the highest rate within a limit";
        let line = fields.line_of(key);
        fields.mistake(line, format!("`{}` and `{key}` are both given", given[0]), hint);
    }
    if fields.has("arrivals") && given.is_empty() {
        let hint = "add `rate`, `rate_share` or `rate_within`, or take it out: in a closed loop \
                    the answers decide when requests are sent";
        let line = fields.line_of("arrivals");
        fields.mistake(line, "`arrivals` without a rate", hint);
    }
    per_second.or(share).or(within).map(|rate| OpenLoop { rate, arrivals })
}

/// The limit of a search.
fn rate_within(fields: &mut Fields<'_>) -> Option<Limit> {
    let text = fields.text("rate_within")?;
    let (least, most) = (LIMITS_NS.start(), LIMITS_NS.end());
    let hint = match text.value.parse::<Limit>() {
        Err(hint) => hint,
        Ok(limit) if !LIMIT_QUANTILES.contains(&limit.quantile) => {
            let (least, most) = (LIMIT_QUANTILES.start(), LIMIT_QUANTILES.end());
            format!("limit a quantile from p{} to p{}", least * 100.0, most * 100.0)
        }
        Ok(limit) if !LIMITS_NS.contains(&limit.latency_ns) => {
            let shown = |ns: &u64| duet_units::whole_nanoseconds(*ns);
            format!("write a time from {} to {}", shown(least), shown(most))
        }
        Ok(limit) => return Some(limit),
    };
    fields.mistake(text.line, format!("`rate_within` is {:?}", text.value), hint);
    None
}

fn rate_share(fields: &mut Fields<'_>) -> Option<f64> {
    let share = fields.fraction("rate_share")?;
    if RATE_SHARES.contains(&share.value) {
        return Some(share.value);
    }
    let (least, most) = (RATE_SHARES.start(), RATE_SHARES.end());
    let hint = format!(
        "write a share from {least} to {most}: at the capacity itself a queue grows without end"
    );
    fields.mistake(share.line, format!("`rate_share` is {}", share.value), hint);
    None
}

/// Poisson unless it is said: users do not wait for each other, and where requests come one by one
/// at equal distances a server never shows the queue that it has on any other day.
fn arrivals(fields: &mut Fields<'_>) -> Arrivals {
    let Some(word) = fields.text("arrivals") else { return Arrivals::Poisson };
    match word.value.as_str() {
        "poisson" => Arrivals::Poisson,
        "uniform" => Arrivals::Uniform,
        other => {
            let hint = "write \"poisson\" or \"uniform\"";
            fields.mistake(word.line, format!("`arrivals` is {other:?}"), hint);
            Arrivals::Poisson
        }
    }
}

fn matchup(fields: &mut Fields<'_>) -> At<Matchup> {
    fields.require(&[
        ("name", "`name = \"my-matchup\"`"),
        ("lane", "`lane = \"std\"`"),
        ("arms", "`arms = [\"one-server\", \"another-server\"]`"),
    ]);
    let name = fields.name().value;
    let lane = fields.text("lane").and_then(|word| lane(fields, &word));
    let arms = fields.texts("arms").unwrap_or_default();
    if fields.has("arms") && !(2..=MOST_ARMS).contains(&arms.len()) {
        let hint = "name two servers or two sets of programs, or up to five servers of which each \
                    is compared with the first; the same one twice shows the error of the \
                    measurement";
        let problem = format!("`arms` names {}", duet_units::count(arms.len(), "server"));
        let line = fields.line_of("arms");
        fields.mistake(line, problem, hint);
    }
    let named: BTreeSet<&str> = arms.iter().map(|arm| arm.value.as_str()).collect();
    if arms.len() > 2 && named.len() < arms.len() {
        let hint = "name each once; a matchup of one server twice, and of no other, shows the \
                    error of the measurement";
        let line = fields.line_of("arms");
        fields.mistake(line, "`arms` names a server twice", hint);
    }
    for arm in &arms {
        fields.refer(Kind::Arm, &arm.value, arm.line);
    }
    let (lane, arms) = match lane {
        Some(lane) => (lane, arms.into_iter().map(|arm| arm.value).collect()),
        // Without arms no check looks at the lane.
        None => (Lane::Std, Vec::new()),
    };
    At { line: fields.line, value: Matchup { name, lane, arms } }
}

fn suite(fields: &mut Fields<'_>) -> At<SuiteTable> {
    fields.require(&[
        ("name", "`name = \"my-suite\"`"),
        ("summary", "`summary = \"What it is for, in one sentence\"`"),
    ]);
    if !fields.has("programs") {
        let cells = "a table `[[suite.cells]]` with `matchups`, `workloads` and `loads`";
        fields.require(&[("cells", cells)]);
    }
    let (duration, runs) = (duration(fields), program_runs(fields));
    let half = has_half(fields);
    let suite = Suite {
        name: fields.name().value,
        summary: fields.sentence("summary").unwrap_or_default().value,
        server_cpus: if half { 1 } else { number(fields, "server_cpus", 1..=256, 1) },
        generator_cpus: number(fields, "generator_cpus", 1..=256, 1),
        half,
        blocks: number(fields, "blocks", 1..=MOST_BLOCKS, 8),
        lead_ms: duration.lead_ms,
        window_ms: duration.window_ms,
        measure_ms: duration.measure_ms,
        warmup_ms: duration.warmup_ms,
        program_block_ms: runs.block_ms,
        program_limit_s: runs.limit_s,
        program_limit_mib: runs.limit_mib,
        verdicts: fields.flag("verdicts").unwrap_or(true),
        cells: Vec::new(),
    };
    if suite.verdicts && suite.blocks < DECIDING_BLOCKS {
        let problem = format!("{} blocks can never decide", suite.blocks);
        let hint = format!(
            "no verdict is given below {DECIDING_BLOCKS} blocks: raise `blocks`, or say that none \
             is wanted with `verdicts = false`"
        );
        let line = fields.line_of("blocks");
        fields.mistake(line, problem, hint);
    }
    let cells = fields.each("cells", "[[suite.cells]]", cells);
    let programs = fields.each("programs", "[[suite.programs]]", |fields| {
        let example = "`matchups = [\"name-of-a-matchup\"]`";
        programs(fields, ("matchups", Kind::Matchup, example))
    });
    At { line: fields.line, value: SuiteTable { suite, cells, programs } }
}

/// Whether `server_cpus` is `"half"`.
fn has_half(fields: &mut Fields<'_>) -> bool {
    let Some(word) = fields.word("server_cpus") else { return false };
    if word.value != "half" {
        let hint = "write a whole number, or \"half\"";
        fields.mistake(word.line, format!("`server_cpus` is {:?}", word.value), hint);
    } else if fields.has("generator_cpus") {
        let hint = "leave `generator_cpus` out: the generator has the other half";
        let line = fields.line_of("generator_cpus");
        fields.mistake(line, "the servers have half of the cores".to_owned(), hint);
    }
    true
}

fn cells(fields: &mut Fields<'_>) -> CellTable {
    fields.require(&[
        ("matchups", "`matchups = [\"name-of-a-matchup\"]`"),
        ("workloads", "`workloads = [\"name-of-a-workload\"]`"),
        ("loads", "`loads = [\"name-of-a-load\"]`"),
    ]);
    let mut names = |key, kind| {
        let names = fields.some_texts(key).unwrap_or_default();
        for name in &names {
            fields.refer(kind, &name.value, name.line);
        }
        names
    };
    CellTable {
        matchups: names("matchups", Kind::Matchup),
        workloads: names("workloads", Kind::Workload),
        loads: names("loads", Kind::Load),
    }
}
