//! `--series`: a line for each second, written while the load goes on.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use super::lines::Lines;
use crate::cmd::stdio;
use duet_loadgen::count::latencies::Latencies;
use duet_loadgen::count::seconds::Second;
use duet_loadgen::error_kind::ErrorKind;
use duet_loadgen::load::{Load, LoadModel};
use duet_process::proc::{self, StolenTime};

/// The quantiles of a second, where enough requests stand behind them.
pub(super) const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];

/// How the lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    JsonLines,
}

/// The file.
pub(super) struct Series<'l> {
    load: &'l Load,
    form: Form,
    lines: Lines,
    /// How many were written.
    count: u64,
    stolen: Stolen,
}

/// The stolen time of the CPUs that the generator may use.
struct Stolen {
    /// None where the system does not say.
    clock: Option<StolenTime>,
    cpus: Vec<usize>,
    /// Since boot, when it was last read.
    ns: Option<u64>,
}

impl<'l> Series<'l> {
    /// Makes the file; `cpus` are those that the generator may use.
    pub(super) fn create(path: &Path, load: &'l Load, cpus: Vec<usize>) -> Result<Self> {
        let form =
            if path.extension().is_some_and(|e| e == "csv") { Form::Csv } else { Form::JsonLines };
        let lines = Lines::create(path)?;
        let mut stolen = Stolen { clock: StolenTime::open().ok(), cpus, ns: None };
        stolen.since_last();
        Ok(Self { load, form, lines, count: 0, stolen })
    }

    /// Writes a second of the measured time.
    pub(super) fn write(&mut self, second: &Second) {
        let stolen_ns = self.stolen.since_last();
        let nothing = second.sent + second.ok + second.shed + second.failed() == 0;
        // Threads look up now and then when there is nothing left to do.
        let idle_end = second.is_partial() && nothing && self.count > 0;
        if second.offset_s < 0 || idle_end {
            return;
        }
        let fields = fields(self.load, second, stolen_ns);
        let text = match self.form {
            Form::Csv if self.count == 0 => format!("{}\n{}\n", names(&fields), csv(&fields)),
            Form::Csv => csv(&fields) + "\n",
            Form::JsonLines => json(&fields) + "\n",
        };
        self.count += 1;
        self.lines.write(&text);
    }

    /// # Errors
    /// When a line could not be written.
    pub(super) fn finish(self) -> Result<()> {
        self.lines.finish()
    }
}

impl Stolen {
    /// Since the last call; none where it is not known, or the clock went back.
    fn since_last(&mut self) -> Option<u64> {
        let now = self.clock.as_mut()?.read().ok().map(|stat| proc::stolen_ns(stat, &self.cpus));
        let before = std::mem::replace(&mut self.ns, now);
        now?.checked_sub(before?)
    }
}

/// Whether the ending of `path` says how it is to be written; standard output takes JSON lines.
pub(super) fn file(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv" | "jsonl") => Ok(path),
        _ if stdio::is_stdout(&path) => Ok(path),
        _ => Err("a series is a file that ends in .csv or .jsonl".to_owned()),
    }
}

/// The planned rate of an open loop, on average over a second.
pub(super) fn planned_per_second(load: &Load, second: &Second) -> Option<f64> {
    let LoadModel::Open { rate, .. } = load.model else { return None };
    let (begin, measure) = (second.offset_s as f64, load.measure.as_secs_f64());
    let end = (begin + 1.0).min(measure);
    Some(if begin < 0.0 {
        rate.from
    } else if begin < end {
        rate.at((begin + end) / 2.0 / measure) // it changes evenly
    } else {
        0.0
    })
}

/// The fields of a line, in their order.
fn fields(load: &Load, second: &Second, stolen_ns: Option<u64>) -> Vec<(String, Value)> {
    let mut fields: Vec<(String, Value)> = vec![
        ("offset_s".into(), second.offset_s.into()),
        ("elapsed_ns".into(), second.elapsed_ns.into()),
        ("partial".into(), second.is_partial().into()),
        ("planned_per_second".into(), planned_per_second(load, second).into()),
        ("sent".into(), second.sent.into()),
        ("ok".into(), second.ok.into()),
        ("shed".into(), second.shed.into()),
    ];
    let failed = second.failed_by_kind();
    for kind in ErrorKind::names() {
        fields.push((format!("failed_{kind}"), failed.get(kind).copied().unwrap_or(0).into()));
    }
    let none = Latencies::new();
    let (latencies, send_lag) =
        second.times.as_ref().map_or((&none, &none), |times| (&times.latencies, &times.send_lag));
    let open = matches!(load.model, LoadModel::Open { .. });
    let what = if open { "response" } else { "service" };
    let found = QUANTILES.map(|(name, p)| (name, latencies.quantile(p)));
    let found = found.into_iter().chain([("max", latencies.max())]);
    let mut lower_bounds = vec![];
    for (name, latency) in found {
        fields.push((format!("{what}_ns_{name}"), latency.map(|latency| latency.ns).into()));
        lower_bounds.extend(latency.filter(|latency| latency.lower_bound).map(|_| name));
    }
    fields.push(("lower_bounds".into(), lower_bounds.join(" ").into()));
    let lag = send_lag.quantile(0.99).map(|lag| lag.ns);
    fields.push(("send_lag_ns_p99".into(), lag.into()));
    fields.push(("stolen_ns".into(), stolen_ns.into()));
    fields
}

fn names(fields: &[(String, Value)]) -> String {
    fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
}

fn csv(fields: &[(String, Value)]) -> String {
    let values = fields.iter().map(|(_, value)| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(), // names of quantiles: nothing to quote
        value => value.to_string(),
    });
    values.collect::<Vec<_>>().join(",")
}

fn json(fields: &[(String, Value)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}
