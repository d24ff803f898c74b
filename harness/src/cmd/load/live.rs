//! How far a load is, and how it goes.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use super::series::{self, QUANTILES};
use super::text;
use crate::cmd::stdio;
use duet_loadgen::count::seconds::Second;
use duet_loadgen::load::{Load, LoadModel};

/// How often it is looked at.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// Lines in all where there is no terminal, ...
const LINES: u32 = 10;
/// ... but no more than one in so much time.
const LINE: Duration = Duration::from_secs(1);
/// Less of a second than this is too little for a rate.
const SHORTEST_NS: u64 = 100_000_000;
/// Columns of a terminal that does not say how many it has.
const WIDTH: usize = 80;
/// Columns of the picture: seconds. Fewer where a terminal has no room for them.
const COLUMNS: usize = 60;
/// Columns before them, and one that is left free.
const LABEL: usize = 15;
/// Columns of the bar.
const BAR: usize = 40;
/// The lower ends of the picture's rows, but the lowest, which begins at 0.
const ROWS_NS: [u64; 18] = [
    3_000,
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    3_000_000_000,
    10_000_000_000,
    30_000_000_000,
    100_000_000_000,
    300_000_000_000,
    1_000_000_000_000,
];
/// How much of a second's answers a cell of the picture has: at least this share.
const SHADES: [(f64, char); 5] = [(0.5, '█'), (0.2, '▓'), (0.05, '▒'), (0.01, '░'), (0.0, '·')];

/// Where it is shown.
enum Place {
    /// A picture that is drawn anew, with a cursor that can be moved.
    Terminal(ProgressBar),
    /// Plain lines, so far apart.
    Lines(Duration),
    /// Nowhere.
    Nowhere,
}

/// What has been seen of a load, and where it is shown.
pub(super) struct View<'l> {
    place: Place,
    began: Instant,
    seen: Seen<'l>,
    /// Ok responses since the last line, and the time they took.
    right: u64,
    elapsed: Duration,
}

/// What has been seen of a load.
struct Seen<'l> {
    load: &'l Load,
    /// The last whole second, or long enough a part of one.
    last: Option<Second>,
    /// Answers in each row of the picture, a column a second; the latest at the end.
    columns: VecDeque<[u64; ROWS_NS.len() + 1]>,
    right: u64,
    failed: BTreeMap<String, u64>,
}

impl<'l> View<'l> {
    /// A picture on a terminal; elsewhere some lines, if asked for.
    pub(super) fn new(load: &'l Load, lines: bool) -> Self {
        let place = if is_drawable() {
            let style = ProgressStyle::with_template("{msg}");
            let bar = ProgressBar::new_spinner();
            Place::Terminal(style.map_or(bar.clone(), |style| bar.with_style(style)))
        } else if lines {
            let all = total(load).unwrap_or_default();
            Place::Lines(if is_ci() { LINE } else { (all / LINES).max(LINE) })
        } else {
            Place::Nowhere
        };
        let seen =
            Seen { load, last: None, columns: VecDeque::new(), right: 0, failed: BTreeMap::new() };
        Self { place, began: Instant::now(), seen, right: 0, elapsed: Duration::ZERO }
    }

    /// Whether latencies are shown.
    pub(super) fn is_on_terminal(&self) -> bool {
        matches!(self.place, Place::Terminal(_))
    }

    /// Takes notice of a second.
    pub(super) fn add(&mut self, second: &Second) {
        self.seen.add(second);
        self.right += second.ok;
        self.elapsed += Duration::from_nanos(second.elapsed_ns);
        if let Place::Lines(every) = self.place
            && self.elapsed >= every
        {
            let per_second = self.right as f64 / self.elapsed.as_secs_f64();
            stdio::note(&format!(
                "{:.0} s: {} ok responses per second, {} failed so far",
                self.began.elapsed().as_secs_f64(),
                duet_units::rate(per_second),
                text::count(self.seen.failed.values().sum())
            ));
            (self.right, self.elapsed) = (0, Duration::ZERO);
        }
    }

    /// Draws the picture, if there is one.
    pub(super) fn show(&self) {
        if let Place::Terminal(bar) = &self.place {
            let columns = stdio::columns(std::io::stderr()).unwrap_or(WIDTH);
            let picture = self.seen.picture(self.began.elapsed(), columns);
            bar.set_message(text::fitted(&picture, columns));
        }
    }

    /// Leaves the terminal as it was.
    pub(super) fn finish(&self) {
        if let Place::Terminal(bar) = &self.place {
            bar.finish_and_clear();
        }
    }
}

/// Whether there is a terminal to draw on, and nobody asked for plain text.
fn is_drawable() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    std::io::stderr().is_terminal()
        && !is_ci()
        && set("NO_COLOR").is_none()
        && set("TERM").is_some_and(|term| term != "dumb")
}

/// Whether this is a job of CI, whose output is a log, whatever it pretends to be.
fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// How long the load lasts, where it is known.
fn total(load: &Load) -> Option<Duration> {
    match load.model {
        LoadModel::Closed { requests: Some(_), .. } => None,
        _ => Some(load.warmup + load.measure),
    }
}

impl Seen<'_> {
    fn add(&mut self, second: &Second) {
        self.right += second.ok;
        for (kind, count) in second.failed_by_kind() {
            *self.failed.entry(kind).or_default() += count;
        }
        if second.elapsed_ns < SHORTEST_NS {
            return;
        }
        if let Some(times) = &second.times {
            let mut column = [0; ROWS_NS.len() + 1];
            for v in times.latencies.all().iter_recorded() {
                let row = ROWS_NS.partition_point(|&ns| ns <= v.value_iterated_to());
                column[row] += v.count_at_value();
            }
            self.columns.push_back(column);
            if self.columns.len() > COLUMNS {
                self.columns.pop_front();
            }
        }
        self.last = Some(second.clone());
    }

    /// The picture after `elapsed`, but for lines of words, of so many columns at most.
    fn picture(&self, elapsed: Duration, columns: usize) -> String {
        let mut out = self.progress(elapsed, columns);
        let Some(last) = &self.last else { return out };
        let bold = Style::new().bold();
        let rate = duet_units::rate(last.ok as f64 * 1e9 / last.elapsed_ns as f64);
        let planned = series::planned_per_second(self.load, last);
        let planned = planned.map(|planned| format!(" of {} planned", duet_units::rate(planned)));
        let phase = if last.offset_s < 0 { ", warming up" } else { "" };
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            out,
            "\nok            {bold}{rate}{bold:#}{} per second{phase}",
            planned.unwrap_or_default()
        );
        if let Some(times) = &last.times {
            let open = matches!(self.load.model, LoadModel::Open { .. });
            let what = if open { "response" } else { "service" };
            let found = QUANTILES.map(|(name, p)| (name, times.latencies.quantile(p)));
            let found = found.into_iter().chain([("max", times.latencies.max())]);
            let words = found.filter_map(|(name, found)| Some(format!("{name} {}", found?)));
            let _ = write!(out, "\n{what:<14}{}", words.collect::<Vec<_>>().join("   "));
            if let Some(lag) = times.send_lag.quantile(0.99) {
                let _ = write!(out, "\nsend lag      p99 {lag}");
            }
        }
        if !self.failed.is_empty() {
            let red = Style::new().fg_color(Some(AnsiColor::Red.into()));
            let _ = write!(out, "\n{red}failed        {}{red:#}", text::kinds(&self.failed));
        }
        out + &self.rows(columns)
    }

    /// A bar, or a number of requests.
    fn progress(&self, elapsed: Duration, columns: usize) -> String {
        let (share, words) = match (total(self.load), self.load.model) {
            (Some(total), _) => (
                elapsed.as_secs_f64() / total.as_secs_f64(),
                format!("{:.0} of {:.0} s", elapsed.as_secs_f64(), total.as_secs_f64()),
            ),
            (None, LoadModel::Closed { requests: Some(all), .. }) => (
                self.right as f64 / all as f64,
                format!("{} of {} requests", text::count(self.right), text::count(all)),
            ),
            (None, _) => (0.0, String::new()), // there is no other load without a known end
        };
        let bar = BAR.min(columns.saturating_sub(words.chars().count() + 3));
        let done = (share.clamp(0.0, 1.0) * bar as f64) as usize;
        format!("{}{}  {words}", "━".repeat(done), "─".repeat(bar - done))
    }

    /// Latencies over time: a row a range of latencies, a column a second.
    fn rows(&self, columns: usize) -> String {
        let shown = columns.saturating_sub(LABEL);
        let shown = self.columns.len().saturating_sub(shown)..;
        let used = |row: usize| self.columns.iter().any(|column| column[row] > 0);
        let rows: Vec<usize> = (0..=ROWS_NS.len()).filter(|&row| used(row)).collect();
        let (Some(&lowest), Some(&highest)) = (rows.first(), rows.last()) else {
            return String::new();
        };
        let mut out = "\n".to_owned();
        for row in (lowest..=highest).rev() {
            let from = row.checked_sub(1).map_or(0, |row| ROWS_NS[row]);
            let cells = self.columns.range(shown.clone()).map(|column| {
                let share = column[row] as f64 / column.iter().sum::<u64>().max(1) as f64;
                let shade = SHADES.iter().find(|(least, _)| column[row] > 0 && share >= *least);
                shade.map_or(' ', |(_, shade)| *shade)
            });
            let cells = cells.collect::<String>();
            let _ =
                write!(out, "\n{:>12} │{}", duet_units::whole_nanoseconds(from), cells.trim_end());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use duet_loadgen::count::seconds::SecondTimes;
    use duet_loadgen::load::Order;
    use duet_loadgen::request::requests::Rows;
    use duet_loadgen::timing::arrivals::Rate;
    use duet_protocol::Arrivals;

    const MS: u64 = 1_000_000;

    fn load(model: LoadModel) -> Load {
        Load {
            target: SocketAddr::from(([127, 0, 0, 1], 80)).into(),
            cases: vec![],
            order: Order::ByWeight,
            rows: Rows::default(),
            session: None,
            first_index: 0,
            churn: false,
            pipeline: 1,
            connections: 1,
            streams: 1,
            threads: 1,
            cpus: vec![],
            model,
            warmup: Duration::from_secs(1),
            measure: Duration::from_secs(9),
            timeout: Duration::from_secs(1),
            promised: false,
            seed: 1,
        }
    }

    /// A second with so many answers of so many milliseconds.
    fn second(offset_s: i64, answers: &[(u64, u64)], unanswered_ms: &[u64]) -> Second {
        let mut times = SecondTimes::default();
        for &(count, ms) in answers {
            (0..count).for_each(|_| times.latencies.record(ms * MS));
            (0..count).for_each(|_| times.send_lag.record(20_000));
        }
        unanswered_ms.iter().for_each(|ms| times.latencies.record_lower_bound(ms * MS));
        let right = answers.iter().map(|(count, _)| count).sum();
        Second {
            offset_s,
            elapsed_ns: 1_000_000_000,
            sent: right,
            ok: right,
            times: Some(times),
            ..Second::default()
        }
    }

    fn seen(load: &Load) -> Seen<'_> {
        Seen { load, last: None, columns: VecDeque::new(), right: 0, failed: BTreeMap::new() }
    }

    #[track_caller]
    fn check(seen: &Seen<'_>, seconds: u64, expected: &str) {
        let picture = seen.picture(Duration::from_secs(seconds), 80);
        assert_eq!(anstream::adapter::strip_str(&picture).to_string(), expected);
    }

    #[test]
    fn an_open_loop() {
        let rate = Rate { from: 1000.0, to: 1900.0 };
        let load =
            load(LoadModel::Open { rate, arrivals: Arrivals::Uniform, burst: 1, deadline: None });
        let mut seen = seen(&load);
        check(&seen, 0, "────────────────────────────────────────  0 of 10 s");
        seen.add(&second(-1, &[(1000, 1)], &[]));
        check(
            &seen,
            1,
            "━━━━────────────────────────────────────  1 of 10 s\n\
             ok            1,000 of 1,000 planned per second, warming up\n\
             response      p50 1.00 ms   p90 1.00 ms   p99 1.00 ms   max 1.00 ms\n\
             send lag      p99 20.0 µs\n\n        \
                     1 ms │█",
        );
        seen.add(&second(0, &[(900, 1), (150, 4)], &[]));
        seen.failed.insert("reset".to_owned(), 3);
        seen.add(&second(1, &[(1, 0), (480, 1), (490, 4), (30, 12)], &[200; 20]));
        // Too short to say something.
        seen.add(&Second { elapsed_ns: SHORTEST_NS - 1, ok: 1, ..second(2, &[], &[]) });
        check(
            &seen,
            3,
            "━━━━━━━━━━━━────────────────────────────  3 of 10 s\n\
             ok            1,001 of 1,150 planned per second\n\
             response      p50 4.00 ms   p90 4.00 ms   p99 ≥ 200 ms   max ≥ 200 ms\n\
             send lag      p99 20.0 µs\n\
             failed        reset 3\n\n      \
                   100 ms │  ░\n       \
                    30 ms │\n       \
                    10 ms │  ░\n        \
                     3 ms │ ▒▓\n        \
                     1 ms │██▓\n      \
                   300 µs │\n      \
                   100 µs │\n       \
                    30 µs │\n       \
                    10 µs │\n        \
                     3 µs │\n        \
                     0 ns │  ·",
        );
    }

    #[test]
    fn a_number_of_requests() {
        let load = load(LoadModel::Closed { requests: Some(4000), think: Duration::ZERO });
        let mut seen = seen(&load);
        for offset_s in 0..100 {
            seen.add(&second(offset_s, &[(20, 2)], &[]));
        }
        check(
            &seen,
            100,
            "━━━━━━━━━━━━━━━━━━━━────────────────────  2,000 of 4,000 requests\n\
             ok            20.0 per second\n\
             service       p50 2.00 ms   max 2.00 ms\n\n        \
                     1 ms │████████████████████████████████████████████████████████████",
        );
        let narrow = text::fitted(&seen.picture(Duration::from_secs(100), 40), 40);
        let narrow = anstream::adapter::strip_str(&narrow).to_string();
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        assert!(narrow.contains("│█████████████████████████"), "{narrow}");
    }
}
