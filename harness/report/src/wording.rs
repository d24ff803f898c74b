//! What all reports say in the same words: ratios, verdicts, headlines, the reasons for silence.
//!
//! A ratio is ratio so that it is at least one before anybody sees it: it says how many times
//! worse the worse arm is, and the words beside it name that arm.

use super::document::Emphasis;
use super::load_kinds;
use duet_analysis::verdict::Verdict;
use duet_analysis::{
    Analysis, AnotherHour, Arm, CellAnalysis, CellId, Estimate, Interval, Lane, MatchupAnalysis,
    Mean, MetricAnalysis, RunSummary, Stage, Who,
};
use duet_units::{CellKind, Loop, Metric, Unit};

/// The metric of speed of a matchup.
pub(super) fn speed(matchup: &MatchupAnalysis) -> Metric {
    if matchup.programs { Metric::ElapsedNs } else { Metric::RequestsPerSecond }
}

/// The cells of a matchup as reports show them: programs by their ratio of times, the second arm's
/// greatest disadvantage first, as the benchmarks game orders them; others as they are defined.
pub(super) fn ordered(matchup: &MatchupAnalysis) -> Vec<&CellAnalysis> {
    let mut cells: Vec<&CellAnalysis> = matchup.cells.iter().collect();
    if matchup.programs {
        let ratio = |cell: &CellAnalysis| {
            let elapsed = cell.metrics.iter().find(|m| m.metric == Metric::ElapsedNs);
            elapsed.and_then(|m| m.ratio).map_or(0.0, |ratio| ratio.value)
        };
        cells.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)));
    }
    cells
}

/// How to read a ratio, in two sentences.
pub(super) const HOW_TO_READ: [&str; 2] = [
    "A ratio says how many times worse the worse arm is; [\u{a0}] is its 95\u{a0}% interval \
     over n blocks, each a fresh start of both arms.",
    "An arm is called worse only where the whole interval lies more than 1\u{a0}% above one, \
     and where that also holds for all lines of the run together (q at most 0.05, Benjamini and \
     Hochberg). Wholly within 1\u{a0}%: a tie. All else: inconclusive.",
];

/// How to read a table, for reports that are read at leisure.
pub(super) const HOW_TO_COMPARE: &str = "The better value is bold where the verdict says so. \
    Compare rows of one table only: other tables are other lanes.";

/// What is said above a control's table.
pub(super) const CONTROL: &str =
    "What no difference looks like: every ratio here is an error of the measurement.";

/// What a ratio says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// One arm is better.
    Decided,
    /// They are equal for all practical purposes.
    Tie,
    /// There is a ratio, and it does not say.
    Open,
    /// There is no ratio.
    Silent,
}

impl Conclusion {
    pub(super) fn emphasis(self) -> Emphasis {
        match self {
            Self::Decided => Emphasis::Plain,
            Self::Tie => Emphasis::Quiet,
            Self::Open => Emphasis::Open,
            Self::Silent => Emphasis::Bad,
        }
    }
}

/// A metric of a pair in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableRow {
    /// The metric's name.
    pub(super) metric: &'static str,
    /// The arms' values with units.
    pub(super) values: Vec<String>,
    /// The arm that is better, where the verdict says so.
    pub(super) best: Option<usize>,
    /// The ratio with its interval.
    pub(super) ratio: String,
    /// The verdict.
    pub(super) verdict: String,
    /// What that says at a glance.
    pub(super) conclusion: Conclusion,
    /// Why there is no verdict, where a verdict was wanted.
    pub(super) reason: Option<String>,
    /// What stored sessions say of another hour.
    pub(super) another_hour: Option<String>,
}

/// A ratio ratio so that it is at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OrientedRatio {
    /// The arm that does worse.
    pub(super) worse: usize,
    /// How many times worse.
    pub(super) value: f64,
    /// Its 95 % interval.
    pub(super) interval: Option<(f64, f64)>,
    /// Blocks behind it.
    pub(super) n: u32,
}

/// Turns a ratio of the second arm against the first. A ratio that is no positive number is none.
pub(super) fn oriented_ratio(ratio: &Estimate) -> Option<OrientedRatio> {
    if !(ratio.value.is_finite() && ratio.value > 0.0) {
        return None;
    }
    let interval = ratio.interval.map(|i| (i.low, i.high)).filter(|(low, _)| *low > 0.0);
    let n = ratio.n;
    Some(if ratio.value >= 1.0 {
        OrientedRatio { worse: 1, value: ratio.value, interval, n }
    } else {
        let interval = interval.map(|(low, high)| (1.0 / high, 1.0 / low));
        OrientedRatio { worse: 0, value: 1.0 / ratio.value, interval, n }
    })
}

impl OrientedRatio {
    /// `1.88× [1.83, 1.93]`, or `1.88×` where there is no interval.
    pub(super) fn text(&self) -> String {
        match self.interval {
            Some((low, high)) => duet_units::ratio_interval(self.value, low, high),
            None => duet_units::ratio(self.value),
        }
    }
}

/// A ratio as it was measured, with its interval where there is one.
pub(super) fn estimate(ratio: &Estimate) -> String {
    match ratio.interval {
        Some(i) => duet_units::ratio_interval(ratio.value, i.low, i.high),
        None => duet_units::ratio(ratio.value),
    }
}

/// A cell's or start's metric as a line.
pub(super) fn row(run: &RunSummary, arms: &[Arm], m: &MetricAnalysis) -> TableRow {
    let values = m.arms.iter().map(|e| m.metric.format(e.value)).collect();
    let mut row = judged(run, arms, m.metric, m.ratio.as_ref(), m.verdict);
    row.values = values;
    row.another_hour = another_hour(m.another_hour.as_ref(), m.ratio.as_ref());
    row.reason = m.reason.clone().filter(|_| run.verdicts || m.ratio.is_none());
    if let (Unit::Bytes, Some(best), [a, b]) = (m.metric.unit(), row.best, &m.arms[..]) {
        // What a runtime takes before it does anything is an offset and not a factor.
        let more = duet_units::bytes((a.value - b.value).abs());
        row.verdict = format!("{} uses {more} more", label(arms, 1 - best));
    }
    row
}

/// The geometric mean over a matchup's cells as a line without values.
pub(super) fn mean_row(run: &RunSummary, arms: &[Arm], mean: &Mean) -> TableRow {
    let row = judged(run, arms, mean.metric, Some(&mean.ratio), mean.verdict);
    let another_hour = another_hour(mean.another_hour.as_ref(), Some(&mean.ratio));
    TableRow { another_hour, ..row }
}

/// What stored sessions say of a ratio in another hour, turned as the ratio is: `another hour: 1.50
/// to 2.55 (5 sessions)`.
pub(super) fn another_hour(hour: Option<&AnotherHour>, ratio: Option<&Estimate>) -> Option<String> {
    let (hour, turned) = (hour?, oriented_ratio(ratio?)?);
    let span = |interval: Interval| {
        let (low, high) = match turned.worse {
            0 => (1.0 / interval.high, 1.0 / interval.low),
            _ => (interval.low, interval.high),
        };
        format!("{} to {}", duet_units::ratio_number(low), duet_units::ratio_number(high))
    };
    let sessions = duet_units::count(hour.sessions as usize, "session");
    Some(match hour.next {
        Some(next) => format!("another hour: {} ({sessions})", span(next)),
        None => {
            let seen = span(hour.seen);
            format!("another hour: not known ({sessions}, {seen}; five are needed)")
        }
    })
}

/// A ratio and its verdict in words.
fn judged(
    run: &RunSummary,
    arms: &[Arm],
    metric: Metric,
    ratio: Option<&Estimate>,
    verdict: Verdict,
) -> TableRow {
    let ratio = ratio.and_then(oriented_ratio);
    let decided = match verdict {
        Verdict::Faster => Some((0, 1)),
        Verdict::Slower => Some((1, 0)),
        Verdict::Tie | Verdict::Inconclusive => None,
    };
    let (conclusion, best, words) = match (ratio, decided) {
        (None, _) => (Conclusion::Silent, None, "not compared".to_owned()),
        (Some(_), Some((worse, better))) => (
            Conclusion::Decided,
            Some(better),
            format!("{} {}", label(arms, worse), worse_at(metric)),
        ),
        (Some(_), None) if verdict == Verdict::Tie => (Conclusion::Tie, None, "tie".to_owned()),
        (Some(t), None) if t.interval.is_none() || !run.verdicts => {
            (Conclusion::Open, None, format!("no verdict (n = {})", t.n))
        }
        (Some(_), None) => (Conclusion::Open, None, "inconclusive".to_owned()),
    };
    TableRow {
        metric: metric.label(),
        values: vec![],
        best,
        ratio: ratio.map_or_else(|| "–".to_owned(), |t| t.text()),
        verdict: words,
        conclusion,
        reason: None,
        another_hour: None,
    }
}

/// What the worse arm is or does.
fn worse_at(metric: Metric) -> &'static str {
    match (metric, metric.unit()) {
        (Metric::CpuNsPerRequest | Metric::CpuNs, _) => "uses more CPU",
        (Metric::StartupNs, _) => "starts slower",
        (Metric::RateWithinPerSecond, _) => "holds less",
        (Metric::RssBytesKept, _) => "keeps more memory",
        (Metric::LatencyNsWorstSecond, _) => "responds later",
        (Metric::MemoryLimitBytes, _) => "needs more memory",
        (Metric::ServiceTimeNsP50 | Metric::ServiceTimeNsP99, _) => "takes longer",
        (metric, _) if metric.latency_quantile().is_some() => "responds later",
        (_, Unit::Bytes) => "uses more memory",
        (_, Unit::PerSecond | Unit::Nanoseconds) => "is slower",
    }
}

/// What reports call an arm.
pub(super) fn label(arms: &[Arm], arm: usize) -> &str {
    arms.get(arm).map_or("?", |a| a.label.as_str())
}

/// What a set of programs is called: its language, where that tells the arms apart.
pub(super) fn source<'a>(arms: &[Arm], arm: &'a Arm) -> &'a str {
    let alike = arms.iter().filter(|other| other.language == arm.language).count();
    if alike > 1 || arm.language.is_empty() { &arm.label } else { &arm.language }
}

/// Whether every report shows a line of a metric. A far tail that may not be judged is left to the
/// details.
pub(super) fn is_headline(cell: &CellAnalysis, m: &MetricAnalysis) -> bool {
    let tail = m.metric == Metric::LatencyNsP999 && m.informational;
    load_kinds::headline_metrics(cell).contains(&m.metric) && !tail
}

/// The lines of a cell that every report shows.
pub(super) fn headline_rows(run: &RunSummary, arms: &[Arm], cell: &CellAnalysis) -> Vec<TableRow> {
    load_kinds::headline_metrics(cell)
        .iter()
        .filter_map(|h| cell.metrics.iter().find(|m| m.metric == *h))
        .filter(|m| is_headline(cell, m))
        .map(|m| row(run, arms, m))
        .collect()
}

/// The reasons behind lines without a verdict, each once: alone where it holds for all the lines,
/// else after the metrics it holds for.
pub(super) fn reasons(lines: &[TableRow]) -> Vec<String> {
    let mut distinct: Vec<&str> = vec![];
    for reason in lines.iter().filter_map(|l| l.reason.as_deref()) {
        if !distinct.contains(&reason) {
            distinct.push(reason);
        }
    }
    let told = |reason: &str| {
        let of: Vec<&str> = lines
            .iter()
            .filter(|l| l.reason.as_deref() == Some(reason))
            .map(|l| l.metric)
            .collect();
        if of.len() == lines.len() {
            reason.to_owned()
        } else {
            format!("{}: {reason}", of.join("; "))
        }
    };
    distinct.into_iter().map(told).collect()
}

/// Why a cell shows no ratio.
pub(super) fn silence(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    cell: &CellAnalysis,
) -> String {
    let failed = analysis.failures.iter().find(|f| match &f.cell {
        Some(id) => *id == measured(matchup, &cell.id),
        None => {
            let sets = cell.program.iter().flat_map(|p| &p.arms).map(|arm| &arm.set);
            let servers = matchup.arms.iter().map(|arm| &arm.server);
            servers.chain(sets).any(|name| f.failure.server.as_ref() == Some(name))
        }
    });
    match failed {
        _ if cell.bottleneck.who == Who::Generator => {
            "no ratio of rates: the generator was the bottleneck".to_owned()
        }
        _ if cell.open.is_some() && cell.bottleneck.who == Who::Server => {
            "no ratio: a server could not hold the rate".to_owned()
        }
        Some(f) => {
            let server = f.failure.server.as_deref().unwrap_or("a server");
            format!("failed: {server} {}", stage(f.failure.stage))
        }
        None if cell.kind() == CellKind::Servers(Loop::Search) => {
            "no ratio: no search found both a rate that held and one that failed".to_owned()
        }
        None if cell.kind() == CellKind::Servers(Loop::MemorySearch) => {
            "no ratio: no search found both a limit that held and one that failed".to_owned()
        }
        None if cell.blocks == 0 => "not measured: the run ended before".to_owned(),
        None => "no ratio".to_owned(),
    }
}

/// A stage as one word, for machines.
pub(super) fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Build => "build",
        Stage::Start => "start",
        Stage::Verify => "verify",
        Stage::Service => "service",
        Stage::Drive => "drive",
        Stage::Work => "work",
        Stage::Stop => "stop",
        Stage::Run => "run",
        Stage::Agree => "agree",
    }
}

/// What a server failed to do.
pub(super) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Build => "could not be built",
        Stage::Start => "did not start",
        Stage::Verify => "gave a wrong response",
        Stage::Service => "had no service that it needs",
        Stage::Drive => "failed under load",
        Stage::Work => "did other work than its responses need",
        Stage::Stop => "did not stop",
        Stage::Run => "did not run to its end",
        Stage::Agree => "disagrees with the other program",
    }
}

/// What to do about a failure.
pub(super) fn hint(stage: Stage) -> &'static str {
    match stage {
        Stage::Build => "run its build command by hand and mend what it says",
        Stage::Start => "start it by hand: it must print listening HOST:PORT once it accepts",
        Stage::Verify => "duet verify shows its response beside the expected one",
        Stage::Service => "duet doctor says which programs are there; see bench/services.toml",
        Stage::Work => {
            "every request must do its own work in a service (cache, batch and skip nothing), and \
             wait for what is not due yet: each event is sent when it is due"
        }
        Stage::Drive => {
            "read what it wrote to standard error; duet verify sends one request to every route"
        }
        Stage::Run => "run it by hand at this size; the suite sets its limits of time and memory",
        Stage::Stop => "it must exit 0 within two seconds of SIGTERM",
        Stage::Agree => "run both by hand at this size; an expected output tells which is wrong",
    }
}

/// A lane's name.
pub(super) fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Article => "article",
        Lane::Std => "std",
        Lane::Idiomatic => "idiomatic",
        Lane::Tuned => "tuned",
    }
}

/// The matchups with the controls last.
pub(super) fn controls_last(analysis: &Analysis) -> Vec<&MatchupAnalysis> {
    let (controls, pairs): (Vec<_>, Vec<_>) = analysis.matchups.iter().partition(|m| m.control);
    pairs.into_iter().chain(controls).collect()
}

/// A matchup's name, with its lane where the name does not say it.
pub(super) fn title(matchup: &MatchupAnalysis) -> String {
    title_of(&matchup.name, matchup)
}

/// The same with another name.
pub(super) fn title_of(name: &str, matchup: &MatchupAnalysis) -> String {
    match lane(matchup.lane) {
        _ if matchup.control => format!("{name}, the same server twice"),
        lane if name.ends_with(lane) => name.to_owned(),
        lane => format!("{name} (lane {lane})"),
    }
}

/// A cell as it was measured: of a pair that of its matchup of several arms.
fn measured(matchup: &MatchupAnalysis, id: &CellId) -> CellId {
    CellId { matchup: matchup.pair_of.as_ref().unwrap_or(&id.matchup).clone(), ..id.clone() }
}

/// What is said about a cell beside its name: load, blocks, failures.
pub(super) fn about(cell: &CellAnalysis) -> String {
    let mut said = vec![cell.load.clone()];
    if cell.blocks > 0 {
        said.push(format!("n = {}", cell.blocks));
    }
    if cell.blocks_discarded > 0 {
        said.push(format!("{} disturbed and repeated", cell.blocks_discarded));
    }
    if cell.blocks_failed > 0 {
        said.push(format!("{} failed", cell.blocks_failed));
    }
    said.join(" · ")
}

/// What must be known of the run before its numbers are read: that it is not whole, or not meant to
/// give verdicts.
pub(super) fn caveats(run: &RunSummary) -> Vec<String> {
    let mut said = vec![];
    let (done, planned) = (run.blocks, run.blocks_planned);
    if let Some(signal) = run.interrupted {
        said.push(format!("interrupted by signal {signal} after {done} of {planned} blocks"));
    }
    if run.killed {
        said.push(format!(
            "the record has no end ({done} of {planned} blocks): the harness was killed or is \
             still at work"
        ));
    }
    if !run.verdicts {
        said.push(format!(
            "suite {} is for a first look: too few blocks for intervals and verdicts",
            run.suite
        ));
    }
    said
}

/// When and where, in one line: `2026-02-12, 2 CPUs of AMD EPYC 7B13, Linux 6.1.0`.
pub(super) fn place(run: &RunSummary) -> String {
    format!("{}, {} × {}, {}", date(run), run.machine.cpus, run.machine.cpu, run.machine.kernel)
}

/// The day a run began.
pub(super) fn date(run: &RunSummary) -> &str {
    run.started.split('T').next().unwrap_or_default()
}

/// What made a report: command, commit (its first twelve digits, as Git abbreviates), version.
pub(super) fn maker(run: &RunSummary) -> String {
    let commit = run.commit.as_ref().map_or_else(String::new, |c| format!(" · commit {c:.12}"));
    format!("{}{commit} · duet {} · seed {}", run.command, run.duet_version, run.seed)
}
