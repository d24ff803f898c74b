//! Go's benchmark text, for benchstat and whatever else reads it: golang/proposal 14313 and the
//! reader in golang.org/x/perf/benchfmt.
//!
//! One line per block, so that benchstat sees the spread. `benchstat -table /matchup -col /arm RUN`
//! compares the arms of a run, `benchstat OLD NEW` two runs. It compares them as if blocks were not
//! paired, so its intervals are wider than Duet's.

use super::rows::{Row, rows};
use duet_analysis::Analysis;
use duet_units::{Better, Metric};

/// Units besides those of metrics: the size of a binary, the time of a clean build.
const BINARY: &str = "binary-B";
const BUILD: &str = "clean-build-sec";

/// The run as benchmark text.
#[must_use]
pub fn gobench(analysis: &Analysis) -> String {
    let run = &analysis.run;
    // benchstat makes a table per set of `key: value` lines. What may differ between runs that are
    // to be compared is therefore written as lines that it passes over.
    let mut out = format!(
        "# {}, {}, commit {}, duet {}\n\
         # One line per block. Across arms: benchstat -table /matchup -col /arm\n\
         goos: linux\ncpu: {}\n",
        line(&run.command),
        line(&run.started),
        line(run.commit.as_deref().unwrap_or("none")),
        line(&run.duet_version),
        line(&run.machine.cpu),
    );
    for metric in Metric::ALL.into_iter().filter(|m| rows(analysis).any(|r| r.metric.metric == *m))
    {
        let better = match metric.better() {
            Better::Higher => "higher",
            Better::Lower => "lower",
        };
        out += &format!("Unit {} better={better}\n", unit(metric));
    }
    out += &format!("Unit {BINARY} better=lower assume=exact\nUnit {BUILD} better=lower\n");
    for lines in groups(analysis) {
        out += &samples(analysis, &lines);
    }
    for row in rows(analysis).filter(|row| !row.is_compared()) {
        let (place, unit) = (line(&row.place()), unit(row.metric.metric));
        out += &format!("# {place} {unit} is left out: {}\n", line(row.silence()));
    }
    for server in &analysis.servers {
        let size = server.build.binary_bytes.map(|bytes| format!(" {bytes} {BINARY}"));
        let time = server.build.clean_build_ns.map(|ns| format!(" {} {BUILD}", ns as f64 / 1e9));
        if size.is_some() || time.is_some() {
            let values = size.into_iter().chain(time).collect::<String>();
            // Sizes and builds do not depend on the number of CPUs that the run used.
            out += &format!("BenchmarkBuild/arm={}-1 1{values}\n", word(&server.build.server));
        }
    }
    out
}

/// The rows in groups of one place. benchstat compares whatever it finds, so that rows whose arms
/// are not to be compared are not among them.
fn groups(analysis: &Analysis) -> Vec<Vec<Row<'_>>> {
    let mut groups: Vec<Vec<Row<'_>>> = vec![];
    for row in rows(analysis).filter(Row::is_compared) {
        match groups.last_mut() {
            Some(group) if group[0].place() == row.place() => group.push(row),
            _ => groups.push(vec![row]),
        }
    }
    groups
}

/// The lines of a place: per arm one per block.
fn samples(analysis: &Analysis, group: &[Row<'_>]) -> String {
    let Some(first) = group.first() else { return String::new() };
    let run = &analysis.run;
    let cpus = match first.matchup.programs {
        true => run.server_cpus.len() + run.generator_cpus.len(),
        false => run.server_cpus.len(),
    };
    let mut out = String::new();
    for (i, arm) in first.matchup.arms.iter().enumerate() {
        let name = format!("{}/arm={}-{}", name(first), word(&arm.label), cpus.max(1));
        let blocks = |row: &Row<'_>| row.metric.values.get(i).map_or(0, Vec::len);
        for block in 0..group.iter().map(blocks).max().unwrap_or(0) {
            // A metric that some blocks lack has fewer values: benchstat takes them as they come.
            let values: String = group
                .iter()
                .filter_map(|row| Some((row.metric.metric, row.metric.values.get(i)?.get(block)?)))
                .map(|(metric, value)| format!(" {} {}", scaled(metric, *value), unit(metric)))
                .collect();
            out += &format!("{name} 1{values}\n");
        }
    }
    out
}

fn name(row: &Row<'_>) -> String {
    let matchup = word(&row.matchup.name);
    match row.cell {
        None => format!("BenchmarkStart/matchup={matchup}"),
        Some(cell) => {
            let (workload, load) = (word(&cell.id.workload), word(&cell.id.load));
            if row.matchup.programs {
                format!("BenchmarkProgram/matchup={matchup}/problem={workload}/size={load}")
            } else {
                format!("BenchmarkHTTP/matchup={matchup}/workload={workload}/load={load}")
            }
        }
    }
}

/// A metric's unit: its name in Go's manner, where the last word is what is counted and what goes
/// before says of what: `requests_per_second` is `req/s`, `rss_bytes_peak` is `peak-rss-B`.
fn unit(metric: Metric) -> String {
    let name = metric.name().replace("_per_", "/");
    let (name, per) = match name.split_once('/') {
        Some((name, per)) => (name, format!("/{}", short(per))),
        None => (name.as_str(), String::new()),
    };
    let words: Vec<&str> = name.split('_').map(short).collect();
    let end = words.iter().position(|word| ["sec", "B"].contains(word));
    let (before, after) = words.split_at(end.map_or(words.len(), |end| end + 1));
    [after, before].concat().join("-") + &per
}

fn short(word: &str) -> &str {
    match word {
        "ns" => "sec",
        "bytes" => "B",
        "request" | "requests" => "req",
        "second" => "s",
        word => word,
    }
}

/// A value in the unit of [`unit`].
fn scaled(metric: Metric, value: f64) -> f64 {
    match metric.unit() {
        duet_units::Unit::Nanoseconds => value / 1e9,
        duet_units::Unit::PerSecond | duet_units::Unit::Bytes => value,
    }
}

/// A part of a benchmark's name: it holds neither blanks nor slashes.
fn word(text: &str) -> String {
    let plain = |c: char| if c.is_whitespace() || c.is_control() || c == '/' { '_' } else { c };
    text.chars().map(plain).collect()
}

/// Text on one line.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let cases = [
            (Metric::RequestsPerSecond, "req/s"),
            (Metric::CpuNsPerRequest, "cpu-sec/req"),
            (Metric::RssBytesPeak, "peak-rss-B"),
            (Metric::StartupNs, "startup-sec"),
            (Metric::ServiceTimeNsP99, "p99-service-time-sec"),
            (Metric::ElapsedNs, "elapsed-sec"),
        ];
        for (metric, want) in cases {
            assert_eq!(unit(metric), want);
        }
        let mut all = Metric::ALL.map(unit).to_vec();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), Metric::ALL.len(), "two metrics of one unit: {all:?}");
    }

    #[test]
    fn words() {
        for (text, want) in
            [("rust-axum (A)", "rust-axum_(A)"), ("git:origin/main", "git:origin_main")]
        {
            assert_eq!(word(text), want);
        }
    }
}
