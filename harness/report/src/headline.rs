//! The answer first: what a matchup found, in sentences for somebody who knows nothing of this
//! project. Who is worse is named by its language, numbers have their units beside their ratios,
//! and a mean names the cells that it is of.

use super::wording::{self, OrientedRatio, label};
use duet_analysis::verdict::Verdict;
use duet_analysis::{Analysis, Arm, CellAnalysis, MatchupAnalysis, Mean, MeanCell, MetricAnalysis};
use duet_units::Metric;

/// What is to be known of every answer of a report of one session.
pub(super) const ONE_SESSION: &str = "Measured here and now: one machine, one session. An \
    interval says what this session would say again; what another hour says is not known.";

/// The same where there are stored sessions of the same experiment.
pub(super) const BESIDE_OTHERS: &str = "Measured here and now: one machine, one session. An \
    interval says what this session would say again; beside it stands where other sessions put \
    another hour.";

/// The answer of a matchup in one sentence, without its name, and what else there is to say.
pub(super) fn headline(analysis: &Analysis, matchup: &MatchupAnalysis) -> (String, String) {
    let costs = match matchup.programs {
        true => [Metric::ElapsedNs, Metric::CpuNs],
        false => [Metric::CpuNsPerRequest, Metric::RequestsPerSecond],
    };
    let basis = if matchup.control { [costs[1], costs[0]] } else { costs };
    let basis = basis.into_iter().find_map(|metric| Basis::of(matchup, metric));
    let Some(basis) = basis.filter(|_| !latency_only(matchup)) else {
        let said = latency_headline(analysis, matchup);
        let said = said.or_else(|| search_headline(analysis, matchup));
        if let Some(said) = said.or_else(|| memory_headline(analysis, matchup)) {
            return (said, String::new());
        }
        let first = matchup.cells.first().map(|cell| wording::silence(analysis, matchup, cell));
        let why = first.unwrap_or_else(|| "not measured".to_owned());
        return (format!("{}: {why}", matchup.name), String::new());
    };
    if matchup.control {
        let about = format!("({})", basis.about());
        return (control_headline(&basis, &about), String::new());
    }
    let further = match matchup.programs {
        true => &[Metric::CpuNs, Metric::RssBytesPeak, Metric::RssBytesPerUnit][..],
        false => &[Metric::RequestsPerSecond, Metric::RssBytesPeak],
    };
    let mut sentences = vec![];
    let further = further.iter().copied().filter(|metric| *metric != basis.metric);
    let further = further.filter_map(|metric| Basis::of(matchup, metric));
    sentences.extend(further.filter_map(|found| found.further()));
    let unequal = |cell: &CellAnalysis| cell.warnings.iter().any(|w| w.code == "unequal_work");
    if matchup.cells.iter().any(unequal) {
        sentences.push("They do not do the same work: see the warnings.".to_owned());
    }
    sentences.push(format!("{}: {}.", wording::title(matchup), basis.about()));
    (basis.sentence(analysis), sentences.join(" "))
}

/// Whether a matchup was measured for its latencies: at several rates, or by searches.
fn latency_only(matchup: &MatchupAnalysis) -> bool {
    let mut cells = matchup.cells.iter();
    let one_rate = matchup.cells.len() == 1 && matchup.cells[0].open.is_some();
    let open = cells.all(|cell| cell.open.is_some() || cell.search.is_some());
    matchup.means.is_empty() && open && !one_rate
}

/// A metric that an answer speaks of: of a mean over cells, or of the only cell that has it.
struct Basis<'a> {
    matchup: &'a MatchupAnalysis,
    metric: Metric,
    ratio: OrientedRatio,
    verdict: Verdict,
    /// The mean, where it is one.
    mean: Option<&'a Mean>,
    /// The cell, or of a mean the one nearest to it, which stands for it in numbers.
    example: Option<(&'a CellAnalysis, &'a MetricAnalysis)>,
}

impl<'a> Basis<'a> {
    fn of(matchup: &'a MatchupAnalysis, metric: Metric) -> Option<Self> {
        let with_ratio = matchup.cells.iter().filter_map(|cell| {
            let found = cell.metrics.iter().find(|m| m.metric == metric && m.ratio.is_some())?;
            Some((cell, found))
        });
        let Some(mean) = matchup.means.iter().find(|mean| mean.metric == metric) else {
            let example = with_ratio.into_iter().next()?;
            let ratio = wording::oriented_ratio(example.1.ratio.as_ref()?)?;
            let (verdict, mean, example) = (example.1.verdict, None, Some(example));
            return Some(Self { matchup, metric, ratio, verdict, mean, example });
        };
        let distance = |(_, found): &(&CellAnalysis, &MetricAnalysis)| {
            let value = found.ratio.map_or(f64::INFINITY, |ratio| ratio.value);
            // An example in which the other arm is worse would contradict the mean.
            let against = (value < 1.0) != (mean.ratio.value < 1.0);
            // Rounded, so that of two that are as near the first is taken, whoever is the base.
            (against, ((value.ln() - mean.ratio.value.ln()).abs() * 1e6).round() as i64)
        };
        let in_mean = with_ratio.filter(|(cell, _)| mean.cells.iter().any(|m| m.cell == cell.id));
        let example = in_mean.min_by_key(distance);
        let ratio = wording::oriented_ratio(&mean.ratio)?;
        let verdict = mean.verdict;
        Some(Self { matchup, metric, ratio, verdict, mean: Some(mean), example })
    }

    /// The arm that does worse, or of equal ones seems to.
    fn worse(&self) -> usize {
        match self.verdict {
            Verdict::Faster => 0,
            Verdict::Slower => 1,
            Verdict::Tie | Verdict::Inconclusive => self.ratio.worse,
        }
    }

    /// Who is worse, by how much.
    fn sentence(&self, analysis: &Analysis) -> String {
        let arms = &self.matchup.arms;
        let (this, other) = (full_name(arms, self.worse()), full_name(arms, 1 - self.worse()));
        let text = self.ratio.text();
        let (needs, needed, of, noun) = match self.metric {
            Metric::CpuNsPerRequest => ("needs", "needed", "the CPU of", "CPU for a request"),
            Metric::RequestsPerSecond => ("takes", "took", "the time of", "time for a request"),
            Metric::CpuNs => ("needs", "needed", "the CPU time of", "CPU time"),
            _ => ("takes", "took", "the time of", "time"),
        };
        let per = match self.metric {
            Metric::CpuNsPerRequest | Metric::RequestsPerSecond => " for a request",
            _ => "",
        };
        let open = self.ratio.interval.is_none() || !analysis.run.verdicts;
        let said = match self.verdict {
            Verdict::Faster | Verdict::Slower => format!("{this} {needs} {text} {of} {other}{per}"),
            Verdict::Tie => format!("{this} {needs} as much {noun} as {other} ({text}, a tie)"),
            Verdict::Inconclusive if open => {
                let n = self.ratio.n;
                format!("{this} {needed} {text} {of} {other}{per} (n = {n}, no verdict)")
            }
            Verdict::Inconclusive => {
                format!(
                    "{this} may or may not need more {noun} than {other} ({text}, inconclusive)"
                )
            }
        };
        let parts: Vec<String> = self.example_values().into_iter().chain(self.range()).collect();
        let parts =
            if parts.is_empty() { parts.concat() } else { format!(": {}", parts.join("; ")) };
        let hour = self.another_hour().map_or_else(String::new, |said| format!(" {said}."));
        format!("On this machine {said}{parts}.{hour}")
    }

    /// What stored sessions say of another hour: `Another hour: 1.50 to 2.55 (5 sessions)`.
    fn another_hour(&self) -> Option<String> {
        let (hour, ratio) = match (self.mean, self.example) {
            (Some(mean), _) => (mean.another_hour.as_ref(), Some(&mean.ratio)),
            (None, Some((_, found))) => (found.another_hour.as_ref(), found.ratio.as_ref()),
            (None, None) => (None, None),
        };
        let said = wording::another_hour(hour, ratio)?;
        Some(format!("A{}", said.strip_prefix('a')?))
    }

    /// What it is of.
    fn about(&self) -> String {
        let Some(mean) = self.mean else {
            let cell = self.example.map(|(cell, _)| format!("{}, {}", cell.id.workload, cell.load));
            return cell.unwrap_or_default();
        };
        let mut sizes: Vec<&str> = mean.cells.iter().map(|m| m.cell.load.as_str()).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let cells = match mean.kinds as usize {
            n if self.matchup.programs => format!("{n} programs at size {}", sizes.join(" and ")),
            kinds if kinds < mean.cells.len() => {
                let votes = if kinds == 1 { "" } else { ", a vote each" };
                format!("{} of work{votes}: {}", duet_units::count(kinds, "kind"), by_kind(mean))
            }
            _ => names(mean),
        };
        let left_out = match (self.left_out(), self.matchup.control) {
            (Some(left_out), false) => format!("; not in it: {left_out}"),
            _ => String::new(),
        };
        format!("mean of {cells}{left_out}")
    }

    /// From where to where a mean's cells go.
    fn range(&self) -> Option<String> {
        let mean = self.mean?;
        let of = |m: &MeanCell| if self.worse() == 1 { m.ratio } else { 1.0 / m.ratio };
        let low = mean.cells.iter().min_by(|a, b| of(a).total_cmp(&of(b)))?;
        let high = mean.cells.iter().max_by(|a, b| of(a).total_cmp(&of(b)))?;
        Some(format!(
            "from {} ({}) to {} ({})",
            duet_units::ratio(of(low)),
            cell_name(mean, low),
            duet_units::ratio(of(high)),
            cell_name(mean, high)
        ))
    }

    /// The example's values: `41.2 µs against 21.3 µs in a cell`.
    fn example_values(&self) -> Option<String> {
        let (cell, found) = self.example?;
        let value = |arm: usize| Some(self.metric.format(found.arms.get(arm)?.value));
        let (this, other) = (value(self.worse())?, value(1 - self.worse())?);
        let rate = if self.metric == Metric::RequestsPerSecond { " requests a second" } else { "" };
        let nearest = if self.mean.is_some() { ", the nearest to the mean" } else { "" };
        Some(format!("{this} against {other}{rate} in {}{nearest}", cell.id.workload))
    }

    /// What stands beside the first sentence: throughput, CPU of programs, memory.
    fn further(&self) -> Option<String> {
        let arms = &self.matchup.arms;
        let (this, other) = (short_name(arms, self.worse()), short_name(arms, 1 - self.worse()));
        let text = self.ratio.text();
        let (noun, decided) = match self.metric {
            Metric::RequestsPerSecond => (
                "throughput",
                format!("{other} responds to {text} the requests a second of {this}."),
            ),
            Metric::RssBytesPeak => ("peak memory", self.memory(&this, &other)),
            Metric::RssBytesPerUnit => ("memory per unit", self.per_unit(&this, &other)?),
            _ => ("CPU time", format!("{this} needs {text} the CPU time of {other}.")),
        };
        Some(match self.verdict {
            Verdict::Faster | Verdict::Slower => decided,
            Verdict::Tie => format!("Their {noun} is equal ({text})."),
            Verdict::Inconclusive if self.ratio.interval.is_none() => return None,
            Verdict::Inconclusive => format!("Their {noun} is undecided ({text})."),
        })
    }

    /// Memory as a difference, with the ratio beside it: what a runtime takes before it does
    /// anything is an offset and not a factor.
    fn memory(&self, this: &str, other: &str) -> String {
        let values = self.example.and_then(|(cell, found)| {
            let value = |arm: usize| found.arms.get(arm).map(|estimate| estimate.value);
            Some((cell, value(self.worse())?, value(1 - self.worse())?))
        });
        let text = self.ratio.text();
        match values {
            Some((cell, more, less)) => format!(
                "At its peak {this} holds {} more memory than {other} ({}: {} against {}; {text}).",
                duet_units::bytes(more - less),
                cell.id.workload,
                duet_units::bytes(more),
                duet_units::bytes(less)
            ),
            None => format!("At its peak {this} holds {text} the memory of {other}."),
        }
    }

    /// Memory per unit: `Memory per task: 2.65 KiB in Go, 574 B in Rust (4.73×).`
    fn per_unit(&self, this: &str, other: &str) -> Option<String> {
        let (cell, found) = self.example?;
        let unit = cell.program.as_ref()?.unit.as_deref()?;
        let value = |arm: usize| Some(self.metric.format(found.arms.get(arm)?.value));
        let (more, less) = (value(self.worse())?, value(1 - self.worse())?);
        let text = self.ratio.text();
        Some(format!("Memory per {unit}: {more} in {this}, {less} in {other} ({text})."))
    }

    /// What a mean is not of, and why: `it was busy: hello, page`.
    fn left_out(&self) -> Option<String> {
        let mut reasons: Vec<(&str, Vec<&str>)> = vec![];
        for out in &self.mean?.left_out {
            // A reason may go on to say what to do about it.
            let reason = out.reason.split([',', ':']).next().unwrap_or_default();
            match reasons.iter_mut().find(|(of, _)| *of == reason) {
                Some((_, cells)) => cells.push(&out.cell.workload),
                None => reasons.push((reason, vec![&out.cell.workload])),
            }
        }
        let told = reasons.into_iter().map(|(why, cells)| format!("{} ({why})", cells.join(", ")));
        let told: Vec<String> = told.collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// The cells of a mean by kind: `HTTP stack (hello, page), computing (cpu)`.
fn by_kind(mean: &Mean) -> String {
    let mut kinds: Vec<(&str, Vec<String>)> = vec![];
    for cell in &mean.cells {
        let name = cell_name(mean, cell);
        match kinds.iter_mut().find(|(kind, _)| *kind == cell.kind) {
            Some((_, names)) => names.push(name),
            None => kinds.push((&cell.kind, vec![name])),
        }
    }
    let told = kinds.into_iter().map(|(kind, names)| match &names[..] {
        [name] if name == kind => name.clone(),
        names => format!("{kind} ({})", names.join(", ")),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn names(mean: &Mean) -> String {
    let names: Vec<String> = mean.cells.iter().map(|cell| cell_name(mean, cell)).collect();
    names.join(", ")
}

/// A cell's workload, with its load where the mean has that workload more than once.
fn cell_name(mean: &Mean, cell: &MeanCell) -> String {
    let twice = mean.cells.iter().filter(|m| m.cell.workload == cell.cell.workload).count() > 1;
    let (workload, load) = (&cell.cell.workload, &cell.cell.load);
    if twice { format!("{workload}/{load}") } else { workload.clone() }
}

/// An arm by its language, where that tells the arms apart, and its name.
fn full_name(arms: &[Arm], arm: usize) -> String {
    let name = short_name(arms, arm);
    let label = label(arms, arm);
    if name == label { name } else { format!("{name} ({label})") }
}

/// An arm by its language alone, where that tells the arms apart.
fn short_name(arms: &[Arm], arm: usize) -> String {
    arms.get(arm).map_or_else(|| "?".to_owned(), |own| wording::source(arms, own).to_owned())
}

/// The answer of a matchup that was measured in open loops alone: the one nearest to half of the
/// capacity stands for them, where servers are busy and not yet crowded.
fn latency_headline(analysis: &Analysis, matchup: &MatchupAnalysis) -> Option<String> {
    let found = matchup.cells.iter().filter_map(|cell| {
        let found = cell.metrics.iter().find(|m| m.metric == Metric::LatencyNsP99)?;
        let share = cell.open.as_ref()?.rate_share.unwrap_or(0.5);
        Some((share, cell, found, wording::oriented_ratio(found.ratio.as_ref()?)?))
    });
    let (_, cell, found, ratio) =
        found.min_by(|a, b| (a.0 - 0.5).abs().total_cmp(&(b.0 - 0.5).abs()))?;
    let value = |arm: usize| found.arms.get(arm).map_or(0.0, |e| e.value);
    let (worse, better) = (ratio.worse, 1 - ratio.worse);
    let end = end(analysis, found.verdict, &ratio);
    Some(format!(
        "On this machine {} responds to 99 % of requests within {}, {} within {} ({}{end}; {}, {})",
        full_name(&matchup.arms, better),
        duet_units::nanoseconds(value(better)),
        full_name(&matchup.arms, worse),
        duet_units::nanoseconds(value(worse)),
        ratio.text(),
        cell.id.workload,
        cell.load
    ))
}

/// The answer of a matchup that was measured by searches alone: its first cell's.
fn search_headline(analysis: &Analysis, matchup: &MatchupAnalysis) -> Option<String> {
    let found = matchup.cells.iter().find_map(|cell| {
        let found = cell.metrics.iter().find(|m| m.metric == Metric::RateWithinPerSecond)?;
        Some((cell, found, wording::oriented_ratio(found.ratio.as_ref()?)?))
    });
    let (cell, found, ratio) = found?;
    let value = |arm: usize| found.arms.get(arm).map_or(0.0, |e| e.value);
    let (worse, better) = (ratio.worse, 1 - ratio.worse);
    Some(format!(
        "On this machine {} holds {} requests per second, {} {} ({}{}; {}, {})",
        full_name(&matchup.arms, better),
        duet_units::rate(value(better)),
        full_name(&matchup.arms, worse),
        duet_units::rate(value(worse)),
        ratio.text(),
        end(analysis, found.verdict, &ratio),
        cell.id.workload,
        cell.load
    ))
}

/// The answer of a matchup that was measured for its memory alone, by limits or after bursts: its
/// first cell's.
fn memory_headline(analysis: &Analysis, matchup: &MatchupAnalysis) -> Option<String> {
    let wanted = [Metric::MemoryLimitBytes, Metric::RssBytesKept];
    let (cell, found, ratio) = matchup.cells.iter().find_map(|cell| {
        let found = cell.metrics.iter().find(|m| wanted.contains(&m.metric))?;
        Some((cell, found, wording::oriented_ratio(found.ratio.as_ref()?)?))
    })?;
    let value = |arm: usize| found.arms.get(arm).map_or(0.0, |estimate| estimate.value);
    let (worse, better) = (ratio.worse, 1 - ratio.worse);
    let (does, what) = match found.metric {
        Metric::MemoryLimitBytes => ("holds the rate within", " of memory"),
        _ => ("keeps", " of memory after a burst"),
    };
    Some(format!(
        "On this machine {} {does} {}{what}, {} {does} {} ({}{}; {}, {})",
        full_name(&matchup.arms, better),
        duet_units::bytes(value(better)),
        full_name(&matchup.arms, worse),
        duet_units::bytes(value(worse)),
        ratio.text(),
        end(analysis, found.verdict, &ratio),
        cell.id.workload,
        cell.load
    ))
}

/// What is said behind a ratio of which the verdict says nothing.
fn end(analysis: &Analysis, verdict: Verdict, ratio: &OrientedRatio) -> &'static str {
    match verdict {
        Verdict::Faster | Verdict::Slower => "",
        Verdict::Tie => ", a tie",
        Verdict::Inconclusive if ratio.interval.is_none() || !analysis.run.verdicts => {
            ", no verdict"
        }
        Verdict::Inconclusive => ", inconclusive",
    }
}

/// The answer of an A/A matchup.
fn control_headline(basis: &Basis<'_>, about: &str) -> String {
    let end = match basis.verdict {
        _ if basis.ratio.interval.is_none() => "too few blocks to say more",
        Verdict::Tie => "a tie, as it must be",
        Verdict::Inconclusive => "no difference found, as it must be",
        Verdict::Faster | Verdict::Slower => {
            "a difference where there is none: distrust others of this size"
        }
    };
    format!("{} {}: {end} {about}", basis.metric.label(), basis.ratio.text())
}
