//! Reports of made-up analyses: golden files, and what must hold for all of them.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the walls are for what reports; its tests run other programs on it"
)]

use duet_analysis::verdict::Verdict;
use duet_analysis::{Analysis, AnotherHour, Estimate, Interval, MatchupAnalysis, MetricAnalysis};
use duet_report::chart::{self, Curve, Quantile, Width};
use duet_report::{self as report, Style};
use duet_units::Metric;

mod benchstat;
mod builds;
mod claims;
mod comparisons;
mod exports;
mod fixture;
mod hostile;
mod markup;
mod pools;
mod trends;

/// Every chart of an analysis, by name.
fn charts(analysis: &Analysis) -> Vec<(&'static str, String)> {
    let boxes = chart::boxes(analysis).map(|picture| ("boxes", picture.file()));
    let latency =
        |name, width| chart::latency(analysis, width).map(|picture| (name, picture.file()));
    let curves = [latency("latency", Width::Wide), latency("narrow-latency", Width::Narrow)];
    comparisons(analysis).into_iter().chain(boxes).chain(curves.into_iter().flatten()).collect()
}

/// The charts that have a row per cell.
fn comparisons(analysis: &Analysis) -> [(&'static str, String); 4] {
    let narrow = |metric| chart::comparison(analysis, metric, Width::Narrow).file();
    [
        ("speed", chart::speed(analysis).file()),
        ("memory", chart::memory(analysis).file()),
        ("narrow-speed", narrow(Metric::RequestsPerSecond)),
        ("narrow-memory", narrow(Metric::RssBytesPeak)),
    ]
}

#[test]
fn golden_text() {
    for (name, analysis) in fixture::analyses() {
        insta::assert_snapshot!(format!("{name}.txt"), report::text(&analysis, Style::Plain));
    }
}

#[test]
fn golden_markdown() {
    for (name, analysis) in fixture::analyses() {
        insta::assert_snapshot!(format!("{name}.md"), report::markdown(&analysis));
    }
}

/// The words of the page, without its pictures.
#[test]
fn golden_html() {
    let page = report::html(&fixture::standard());
    insta::assert_snapshot!("standard.html", markup::words(&page));
    let page = report::html(&fixture::programs());
    insta::assert_snapshot!("programs.html", markup::words(&page));
    let page = report::html(&fixture::latency());
    insta::assert_snapshot!("latency.html", markup::words(&page));
}

/// The words of the charts and where they stand.
#[test]
fn golden_charts() {
    for (name, svg) in charts(&fixture::standard()) {
        insta::assert_snapshot!(format!("{name}.svg"), markup::placed_words(&svg));
    }
    for (name, svg) in charts(&fixture::programs()) {
        insta::assert_snapshot!(format!("programs-{name}.svg"), markup::placed_words(&svg));
    }
    for (name, svg) in comparisons(&fixture::frameworks()) {
        insta::assert_snapshot!(format!("frameworks-{name}.svg"), markup::placed_words(&svg));
    }
    // Where rates are given there is no chart of memory, and of speed one of searches.
    for (name, svg) in charts(&fixture::latency()) {
        let name = match name {
            "speed" => "latency-speed",
            name if name.contains("latency") => name,
            _ => continue,
        };
        insta::assert_snapshot!(format!("{name}.svg"), markup::placed_words(&svg));
    }
    for (name, width) in [("scaling", Width::Wide), ("narrow-scaling", Width::Narrow)] {
        let svg = chart::scaling(&fixture::scaling(), width).expect("two panels").file();
        insta::assert_snapshot!(format!("{name}.svg"), markup::placed_words(&svg));
    }
    assert!(chart::scaling(&fixture::standard(), Width::Wide).is_none());
}

#[test]
fn colour_changes_no_word() {
    for (name, analysis) in fixture::analyses() {
        let coloured = report::text(&analysis, Style::Colour);
        assert!(coloured.contains("\u{1b}["), "{name} has no colour");
        assert_eq!(markup::without_escapes(&coloured), report::text(&analysis, Style::Plain));
    }
}

#[test]
fn text_fits_the_terminal() {
    for (name, analysis) in fixture::analyses() {
        assert!(!report::text(&analysis, Style::Plain).contains('\u{1b}'), "{name}");
        for line in report::text(&analysis, Style::Plain).lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
    }
}

/// Versions of one set are of one language, and their names begin alike.
#[test]
fn versions_of_a_set_are_told_apart() {
    let mut analysis = fixture::programs();
    let names = ["programs-fast@3f2a9c1", "programs-fast@8c2d1f0"];
    for (arm, name) in analysis.matchups[0].arms.iter_mut().zip(names) {
        (arm.label, arm.language) = (name.into(), "Go".into());
    }
    let text = report::text(&analysis, Style::Plain);
    for line in [
        "  A = programs-fast@3f2a9c1 · B = programs-fast@8c2d1f0\n",
        "    A       ",
        "    B       ",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let boxes = markup::words(&chart::boxes(&analysis).expect("there are programs").file());
    assert!(names.iter().all(|name| boxes.contains(name)), "{boxes}");
}

#[test]
fn markup_is_well_formed() {
    for (name, analysis) in fixture::analyses() {
        markup::assert_balanced(name, &report::html(&analysis));
        for (chart, svg) in charts(&analysis) {
            markup::assert_balanced(&format!("{name} {chart}"), &svg);
        }
    }
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    const NAMESPACE: &str = "xmlns=\"http://www.w3.org/2000/svg\"";
    for (name, analysis) in fixture::analyses() {
        let mut all = charts(&analysis);
        all.push(("page", report::html(&analysis)));
        all.push(("markdown", report::markdown(&analysis)));
        for (kind, text) in all {
            let text = text.replace(NAMESPACE, "");
            for bad in ["http://", "https://", "<script", "<link", "@import", "url(", "src="] {
                assert!(!text.contains(bad), "{name} {kind} contains {bad}");
            }
        }
    }
}

/// The matchups, and of one of several arms its first pair: its cells are shown once.
fn shown_once(analysis: &Analysis) -> impl Iterator<Item = &MatchupAnalysis> {
    let before = |i: usize| analysis.matchups[..i].iter().map(|matchup| &matchup.pair_of);
    let all = analysis.matchups.iter().enumerate();
    let first = move |(i, m): &(usize, &MatchupAnalysis)| {
        m.pair_of.is_none() || !before(*i).any(|of| *of == m.pair_of)
    };
    all.filter(first).map(|(_, matchup)| matchup)
}

#[test]
fn every_cell_is_shown() {
    for (name, analysis) in fixture::analyses() {
        let mut all = vec![report::text(&analysis, Style::Plain)];
        all.push(markup::words(&report::html(&analysis)));
        // Of open loops there are curves.
        if chart::latency(&analysis, Width::Wide).is_none() {
            all.extend(comparisons(&analysis).map(|(_, svg)| markup::words(&svg)));
        }
        for text in all {
            for matchup in &analysis.matchups {
                for cell in &matchup.cells {
                    // Narrow charts cut long names in their middle.
                    let start: String = cell.id.workload.chars().take(6).collect();
                    let others = shown_once(&analysis).flat_map(|m| &m.cells);
                    let alike = others.filter(|c| c.id.workload.starts_with(&start)).count();
                    let shown = text.matches(&start).count();
                    assert!(shown >= alike, "{name}: {start} {shown} times of {alike}");
                }
            }
        }
    }
}

#[test]
fn chart_words_stay_inside_and_apart() {
    for (name, analysis) in fixture::analyses() {
        for (chart, svg) in charts(&analysis) {
            markup::assert_placed(&format!("{name} {chart}"), &svg);
        }
    }
}

/// The text's answers, in a line.
fn answers(analysis: &Analysis) -> String {
    let text = report::text(analysis, Style::Plain);
    let (_, answers) = text.trim_end().rsplit_once("\n\n").expect("answers come last");
    answers.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn headlines() {
    let check = |ratio: (f64, f64, f64), verdict: Verdict, want: &str| {
        let mut analysis = fixture::standard();
        analysis.matchups.drain(..2);
        let mean = &mut analysis.matchups[0].means[1];
        let (low, value, high) = ratio;
        let interval = Some(Interval { low, high, confidence: 0.961 });
        mean.ratio = Estimate { value, interval, n: 8 };
        mean.verdict = verdict;
        let answers = answers(&analysis);
        let got = answers.split(": ").next().unwrap_or_default();
        assert_eq!(got, format!("- On this machine {want}"), "{ratio:?} {verdict:?}");
    };
    check(
        (1.8, 1.9, 2.0),
        Verdict::Slower,
        "Go (go-nethttp) needs 1.90× [1.80, 2.00] the CPU of Rust (rust-axum) for a request",
    );
    check(
        (0.5, 0.5, 0.5),
        Verdict::Faster,
        "Rust (rust-axum) needs 2.00× [2.00, 2.00] the CPU of Go (go-nethttp) for a request",
    );
    check(
        (0.998, 1.001, 1.004),
        Verdict::Tie,
        "Go (go-nethttp) needs as much CPU for a request as Rust (rust-axum) (1.001× [0.998, \
         1.004], a tie)",
    );
    check(
        (0.8, 0.98, 1.2),
        Verdict::Inconclusive,
        "Rust (rust-axum) may or may not need more CPU for a request than Go (go-nethttp) (1.020× \
         [0.833, 1.250], inconclusive)",
    );
}

/// A mean names its cells, its range and what it is not of; numbers have units beside ratios.
#[test]
fn a_headline_shows_its_parts() {
    let answers = answers(&fixture::programs());
    for want in [
        "; from 0.70× (pidigits) to 3.23× (binary-trees).",
        "programs (lane idiomatic): mean of 8 programs at size quick; not in it: regex-redux (a \
         program takes less than 50.0 ms).",
        "needs 1.97× [1.96, 1.99] the CPU of Rust (rust-axum) for a request: 28.6 µs against 15.2 \
         µs in hello, the nearest to the mean; from",
        "5 kinds of work, a vote each: HTTP stack (hello/c64, hello/c1, hello-churn), items-10,",
        "At its peak Go holds 14.0 MiB more memory than Rust (orders-2kb: 17.0 MiB against 3.00 \
         MiB; 5.52×",
        "what another hour says is not known.",
    ] {
        assert!(answers.contains(want), "{want}\n{answers}");
    }
}

/// Where most programs take as much memory and one takes more, the one is the example of the mean.
/// Memory per unit is said by the unit's name.
#[test]
fn headlines_of_memory() {
    let mut analysis = fixture::programs();
    let matchup = &mut analysis.matchups[0];
    for cell in &mut matchup.cells[1..] {
        for found in cell.metrics.iter_mut().filter(|m| m.metric == Metric::RssBytesPeak) {
            found.ratio = found.ratio.map(|ratio| Estimate { value: 0.99, ..ratio });
        }
    }
    for mean in matchup.means.iter_mut().filter(|mean| mean.metric == Metric::RssBytesPeak) {
        mean.ratio.value = 1.3;
    }
    let cell = &mut matchup.cells[0];
    let peak = cell.metrics.iter().find(|m| m.metric == Metric::RssBytesPeak);
    let peak = peak.cloned().expect("each program has it");
    cell.metrics.push(MetricAnalysis { metric: Metric::RssBytesPerUnit, ..peak });
    cell.program.as_mut().expect("it is of programs").unit = Some("task".into());
    let answers = answers(&analysis);
    for want in [
        "At its peak Go holds 26.4 MiB more memory than Rust (binary-trees: 44.9 MiB against",
        "Memory per task: 44.9 MiB in Go, 18.6 MiB in Rust (2.42×",
    ] {
        assert!(answers.contains(want), "{want}\n{answers}");
    }
    let text = report::text(&analysis, Style::Plain);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("memory per task: Rust 18.6 MiB, Go 44.9 MiB (2.42×"), "{text}");
}

/// An interval is of its hour: every report of a run says so, whatever its format.
#[test]
fn one_session_says_nothing_of_another_hour() {
    let analysis = fixture::standard();
    let text = report::text(&analysis, Style::Plain);
    for said in [text, report::markdown(&analysis), report::html(&analysis)] {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("Measured here and now: one machine, one session."), "{said}");
        assert!(said.contains("what another hour says is not known."), "{said}");
    }
}

#[test]
fn a_headline_of_searches() {
    let mut analysis = fixture::latency();
    analysis.matchups.truncate(1);
    analysis.matchups[0].cells.retain(|cell| cell.search.is_some());
    let text = report::text(&analysis, Style::Plain).replace('\n', " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let want = "- On this machine Rust (rust-std) holds 28,000 requests per second, Go \
                (go-nethttp) 16,000 (1.75× [1.72, 1.78]; hello, 64 connections, p99 at most \
                5.00 ms)";
    assert!(text.contains(want), "{text}");
    // What there is no chart of is not shown.
    let markdown = report::markdown(&analysis);
    let charts = ["speed.svg", "memory.svg", "latency.svg"].map(|name| markdown.contains(name));
    assert_eq!(charts, [true, false, false]);
    let search = &mut analysis.matchups[0].cells[0];
    search.metrics.clear();
    let text = report::text(&analysis, Style::Plain);
    assert!(text.contains("no ratio: no search found both a rate that held and one"), "{text}");
}

#[test]
fn long_windows() {
    let analysis = fixture::long();
    let picture = chart::long(&analysis, Width::Wide).expect("there are long windows");
    let svg = picture.file();
    // Names at the ends of lines, axes from 0, where the burst ends: there is no legend.
    for said in ["rust-axum", "go-nethttp", ">0 MiB<", ">150 s<", ">0 ms<", "the burst ends"] {
        assert!(svg.contains(said), "no {said} in {svg}");
    }
    assert!(picture.description.contains("rust-axum from 208 MiB over 210 MiB to 210 MiB"));
    assert_eq!(chart::long(&fixture::standard(), Width::Wide), None);
    let text = report::text(&analysis, Style::Plain);
    for said in
        ["latency, worst second", "memory kept after a burst", "Memory kept after a burst is"]
    {
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(said), "{text}");
    }
    assert!(report::markdown(&analysis).contains("(long.svg)"));
}

/// Which arm stands first is of no consequence for what is said.
#[test]
fn swapped_arms_say_the_same() {
    let analysis = fixture::programs();
    let mut swapped = analysis.clone();
    let turn = |r: &mut Estimate| {
        *r = Estimate { value: 1.0 / r.value, interval: r.interval.map(Interval::inverse), n: r.n };
    };
    let other = |v: &mut Verdict| {
        *v = match *v {
            Verdict::Faster => Verdict::Slower,
            Verdict::Slower => Verdict::Faster,
            same => same,
        };
    };
    for matchup in &mut swapped.matchups {
        matchup.arms.swap(0, 1);
        let programs = matchup.cells.iter_mut().filter_map(|cell| cell.program.as_mut());
        programs.for_each(|program| program.arms.swap(0, 1));
        let cells = matchup.cells.iter_mut().flat_map(|c| &mut c.metrics);
        for m in cells.chain(&mut matchup.starts) {
            m.arms.swap(0, 1);
            m.ratio.iter_mut().for_each(turn);
            other(&mut m.verdict);
        }
        for mean in &mut matchup.means {
            turn(&mut mean.ratio);
            other(&mut mean.verdict);
            mean.cells.iter_mut().for_each(|cell| cell.ratio = 1.0 / cell.ratio);
        }
    }
    // The columns are swapped; ratios, verdicts and headlines are not.
    let said = |analysis: &Analysis| {
        let text = report::text(analysis, Style::Plain);
        let mut lines: Vec<String> = text
            .lines()
            .filter(|l| l.contains('×') && l.contains('['))
            .map(|l| l.split_whitespace().skip_while(|w| !w.ends_with('×')).collect())
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(said(&analysis), said(&swapped));
}

/// Latencies of one load: with answers to all requests, with many of them missing, without any.
#[test]
fn latencies_by_percentile() {
    let curve = |name: &str, ns: u64, known: usize| Curve {
        name: name.to_owned(),
        words: "p50 1.20 ms · p99 ≥ 9.87 ms · max ≥ 1.00 s".to_owned(),
        points: (0..80)
            .map(|i| Quantile {
                p: 1.0 - 0.9_f64.powi(i as i32),
                ns: ns + ns / 4 * (i as u64).pow(2),
                lower_bound: i >= known,
            })
            .collect(),
    };
    let none = || Curve { points: vec![], words: "none".to_owned(), ..curve("service", 1, 1) };
    let cases = [
        ("known", vec![curve("response", 1_000_000, 80), curve("send lag", 300, 80)]),
        ("unknown", vec![curve("response", 1_000_000, 30), none(), curve("send lag", 0, 0)]),
        ("closed", vec![curve("service", 2_000_000, 80)]),
        ("nothing", vec![none()]),
    ];
    let whom = format!("http://[::1]:8080/{}?a=1&b=<2> at [::1]:8080", "long/".repeat(40));
    for (name, curves) in cases {
        let svg = chart::percentiles(&whom, "1 connection on 1 thread; closed loop", &curves);
        markup::assert_balanced(name, &svg);
        markup::assert_placed(name, &svg);
        insta::assert_snapshot!(format!("percentiles-{name}.svg"), markup::placed_words(&svg));
        let slanted =
            svg.split("<path class=\"y ").skip(1).filter_map(|rest| rest.split('>').next());
        let dashes: usize = slanted.map(|path| path.matches('M').count()).sum();
        assert_eq!(dashes > 10, name == "unknown", "{dashes} dashes");
    }
}

/// What stored sessions say stands beside the ratios, turned as they are.
#[test]
fn another_hour_stands_beside_ratios() {
    let interval = |low, high| Interval { low, high, confidence: 0.95 };
    let hour = |ratio: f64, sessions: u32| AnotherHour {
        sessions,
        next: (sessions >= 5).then(|| interval(ratio * 0.8, ratio * 1.25)),
        seen: interval(ratio * 0.9, ratio * 1.1),
    };
    let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (sessions, said) in [(5, "to"), (3, "five are needed")] {
        let mut analysis = fixture::standard();
        for matchup in &mut analysis.matchups {
            for mean in &mut matchup.means {
                mean.another_hour = Some(hour(mean.ratio.value, sessions));
            }
            for metric in matchup.cells.iter_mut().flat_map(|cell| &mut cell.metrics) {
                metric.another_hour = metric.ratio.map(|ratio| hour(ratio.value, sessions));
            }
        }
        let all = [
            report::text(&analysis, Style::Plain),
            report::markdown(&analysis),
            report::html(&analysis),
        ];
        for text in all.map(flat) {
            assert!(text.contains("Another hour: ") && text.contains("another hour: "), "{text}");
            assert!(
                text.contains(&format!("({sessions} session")) && text.contains(said),
                "{text}"
            );
            assert!(!text.contains("what another hour says is not known."), "{text}");
            assert!(text.contains("where other sessions put another hour."), "{text}");
        }
    }
    // 2 times better in this session is 1.6 to 2.5 times worse for the other arm.
    let mut analysis = fixture::standard();
    let cell = analysis.matchups.iter_mut().find(|m| !m.programs).expect("servers");
    let metric = &mut cell.cells[0].metrics[0];
    metric.ratio = Some(Estimate { value: 0.5, interval: None, n: 8 });
    metric.another_hour = Some(hour(0.5, 5));
    let text = flat(report::text(&analysis, Style::Plain));
    assert!(text.contains("another hour: 1.60 to 2.50 (5 sessions)"), "{text}");
}
