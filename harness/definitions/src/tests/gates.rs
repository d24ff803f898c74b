//! What a gate may say.

use super::*;
use duet_model::spec::{Gate, Look, Quantity, Rule, Waiver};
use duet_units::Metric;

const GATE: &str = r#"[[gate]]
name = "strict"
summary = "A gate"
servers = ["alpha", "beta"]
workloads = ["ping"]
loads = ["four"]
budgets = ["error_rate == 0", "rss_bytes_peak <= 64 MiB"]
[[gate.waivers]]
server = "beta"
metric = "rss_bytes_peak"
margin_percent = 8
reason = "A larger cache"
expires = "2027-01-31"
"#;

/// The line of `suites.toml` before the gate.
const BEFORE: usize = 15;

fn with_gate(gate: &str) -> Folder {
    let mut folder = folder();
    folder.insert("suites.toml".to_owned(), format!("{SUITES}{gate}").into_bytes());
    folder
}

/// The gate with `from` replaced by `to`, and its mistakes: its line, and what is said of it.
fn check(from: &str, to: &str, want: &[(usize, &str)]) {
    assert!(GATE.contains(from), "the gate has no {from:?}");
    let want: Vec<String> = want
        .iter()
        .map(|(line, text)| format!("suites.toml:{}: gate strict{text}", BEFORE + line))
        .collect();
    let want: Vec<&str> = want.iter().map(String::as_str).collect();
    compare(&with_gate(&GATE.replacen(from, to, 1)), &want, &format!("{from:?} -> {to:?}"));
}

#[test]
fn anchors() {
    let good = with_gate(&GATE.replacen("budgets", "anchor = \"git:v1.2\"\nbudgets", 1));
    let gate = read(&good).expect("no mistakes").gate("strict").expect("the gate").clone();
    assert_eq!(gate.anchor.as_deref(), Some("git:v1.2"));
    let against = gate.against_anchor();
    let margins = |gate: &Gate| gate.rules.iter().map(|rule| rule.margin).collect::<Vec<f64>>();
    assert_eq!(
        (margins(&gate), margins(&against)),
        (vec![0.03, 0.03, 0.05], vec![0.06, 0.06, 0.1])
    );
    // A waiver of 8 % is less than what is accepted by now.
    assert_eq!((gate.waivers[0].margin, against.waivers[0].margin), (0.08, 0.1));
    for wrong in ["v1.2", "dir:.", "git:", "git:a b"] {
        let to = format!("anchor = \"{wrong}\"\nbudgets");
        let said = format!(": `anchor` is `{wrong}` | write a commit");
        check("budgets", &to, &[(7, &said)]);
    }
}

#[test]
fn a_good_gate() {
    assert_eq!(SUITES.lines().count(), BEFORE);
    let spec = read(&with_gate(GATE)).expect("no mistakes");
    let gate = spec.gate("strict").expect("the gate");
    assert_eq!(
        (&gate.servers[..], &gate.workloads[..]),
        (&["alpha".to_owned(), "beta".to_owned()][..], &["ping".to_owned()][..])
    );
    let numbers = [gate.server_cpus, gate.generator_cpus, gate.window_ms, gate.measure_ms];
    assert_eq!(numbers, [1, 1, 20, 1000]);
    assert_eq!((gate.warmup_ms, gate.budget_s), (500, 600));
    let blocks: Vec<u32> = gate.looks.iter().map(|look: &Look| look.blocks).collect();
    assert_eq!(blocks, [8, 12, 16, 24]);
    let rules: Vec<(Metric, f64)> =
        gate.rules.iter().map(|rule: &Rule| (rule.metric, rule.margin)).collect();
    let want = [
        (Metric::RequestsPerSecond, 0.03),
        (Metric::CpuNsPerRequest, 0.03),
        (Metric::RssBytesPeak, 0.05),
    ];
    assert_eq!(rules, want);
    assert_eq!(gate.budgets[0].quantity, Quantity::ErrorRate);
    assert_eq!(gate.budgets[1].limit, 67_108_864.0);
    let waiver = Waiver {
        server: "beta".to_owned(),
        workload: None,
        metric: Metric::RssBytesPeak,
        margin: 0.08,
        reason: "A larger cache".to_owned(),
        expires: "2027-01-31".to_owned(),
    };
    assert_eq!(gate.waivers, [waiver]);
    let json = serde_json::to_string(&spec).expect("plain data");
    assert_eq!(serde_json::from_str::<Spec>(&json).expect("the same"), spec);
}

#[test]
fn a_gate_needs_no_suite() {
    let load = SUITES.split("[[matchup]]").next().expect("split is not empty");
    let mut folder = folder();
    folder.insert("suites.toml".to_owned(), format!("{load}{GATE}").into_bytes());
    compare(&folder, &[], "a load and a gate");
    folder.insert("suites.toml".to_owned(), GATE.into());
    compare(&folder, &["suites.toml:1: `load` is missing"], "a gate alone");
    let (matchup, suite) = SUITES.split_once("[[suite]]").expect("there is one");
    let load = matchup.split("[[matchup]]").next().expect("split is not empty");
    let text = format!("{load}[[suite]]{suite}{GATE}");
    folder.insert("suites.toml".to_owned(), text.into_bytes());
    compare(&folder, &["suites.toml:1: `matchup` is missing"], "a suite without matchups");
}

#[test]
fn gated_metrics() {
    let margins = |text: &str| format!("loads = [\"four\"]\nmargins_percent = {text}");
    let check = |text: &str, want: &[(usize, &str)]| {
        check("loads = [\"four\"]", &margins(text), want);
    };
    check("{ requests_per_second = 2.5, rss_bytes_peak = 7 }", &[]);
    check(
        "{ request_per_second = 3, rss_bytes_peak = 5 }",
        &[(7, ": there is no metric `request_per_second` | did you mean `requests_per_second`?")],
    );
    check(
        "{ elapsed_ns = 3, rss_bytes_peak = 5 }",
        &[(1, ": it gates `elapsed_ns`, a result of programs, and it guards none | add programs")],
    );
    check(
        "{ rss_bytes_peak = 101 }",
        &[
            (7, ": `margins_percent.rss_bytes_peak` is 101 | write percent, above 0 and at most"),
            (12, ", waivers: `margin_percent` is 8 | write more than the margin of rss_bytes_pe"),
        ],
    );
    for bad in ["0", "-1", "\"3\"", "inf"] {
        check(
            &format!("{{ startup_ns = {bad}, rss_bytes_peak = 5 }}"),
            &[(7, ": `margins_percent.startup_ns` is ")],
        );
    }
    check("{}", &[(7, ": `margins_percent` gates nothing | name the metrics to gate")]);
    check(
        "{ requests_per_second = 3 }",
        &[(11, ", waivers: the metric `rss_bytes_peak` is not gated | take the waiver out: the")],
    );
    let order = margins("{ rss_bytes_peak = 5, cpu_ns_per_request = 1, requests_per_second = 2 }");
    let spec = read(&with_gate(&GATE.replacen("loads = [\"four\"]", &order, 1))).expect("good");
    let rules: Vec<Metric> = spec.gates[0].rules.iter().map(|rule| rule.metric).collect();
    let want = [Metric::RequestsPerSecond, Metric::CpuNsPerRequest, Metric::RssBytesPeak];
    assert_eq!(rules, want);
}

#[test]
fn metrics_of_open_loops() {
    let line = BEFORE + 2;
    let check = |load: &str, margins: &str, want: &[&str]| {
        let suites = SUITES.replacen("connections = 4", &format!("connections = 4\n{load}"), 1);
        let gate = GATE.split("budgets").next().expect("split is not empty");
        let mut folder = folder();
        let text = format!("{suites}{gate}{margins}\n");
        folder.insert("suites.toml".to_owned(), text.into_bytes());
        let want: Vec<String> = want
            .iter()
            .map(|what| format!("suites.toml:{line}: gate strict: it gates {what}"))
            .collect();
        compare(&folder, &want.iter().map(String::as_str).collect::<Vec<_>>(), load);
    };
    let of_closed = "a result of closed loops, and none of its loads is one | add such a load, or";
    let of_peak = "a result of closed loops, loads with `solo_s` and loads with `rest_s`, and none";
    let (speed, peak) =
        (format!("`requests_per_second`, {of_closed}"), format!("`rss_bytes_peak`, {of_peak}"));
    check("rate = 9", "", &[&speed, &peak]);
    let latency = "margins_percent = { latency_ns_p99 = 10, cpu_ns_per_request = 3 }";
    check("rate = 9", latency, &[]);
    check(
        "#",
        latency,
        &["`latency_ns_p99`, a result of open loops and loads with `solo_s`, and none"],
    );
    let search = "rate_within = \"p99=5ms\"";
    let cpu =
        "`cpu_ns_per_request`, a result of closed loops, open loops and loads with `solo_s`, and";
    check(search, "", &[&speed, cpu, &peak]);
    let rate = "margins_percent = { rate_within_per_second = 5 }";
    check(search, rate, &[]);
    let of_search = "`rate_within_per_second`, a result of loads with `rate_within`, and none of";
    check("rate = 9", rate, &[of_search]);
}

#[test]
fn names_of_other_tables() {
    check(
        "[\"alpha\", \"beta\"]",
        "[\"alhpa\", \"beta\"]",
        &[(4, ": there is no server `alhpa` | did you mean `alpha`?")],
    );
    check("[\"ping\"]", "[\"pong\"]", &[(5, ": there is no workload `pong` | did you mean `pi")]);
    check("[\"four\"]", "[\"five\"]", &[(6, ": there is no load `five` | the loads in suites.t")]);
    check("\"alpha\", ", "\"beta\", ", &[(4, ": `servers` names beta twice | take one of them")]);
    check("[\"four\"]", "[]", &[(6, ": `loads` is empty | name at least one")]);
    check(
        "loads = [\"four\"]",
        "loads = [\"four\"]\ngenerator_cpus = 5",
        &[(6, ": load `four` has fewer connections (4) than the generator has CPUs (5) | raise")],
    );
    let twice = format!("{GATE}{GATE}");
    let want = "suites.toml:29: the name of gate strict is taken by the gate in line 16 | r";
    compare(&with_gate(&twice), &[want], "a name used twice");
}

#[test]
fn servers_and_workloads_that_make_no_cell() {
    let mut folder = with_gate(&GATE.replace("[\"ping\"]", "[\"ping\", \"many\"]"));
    compare(&folder, &[], "each implements both");
    // The suite is the other file's mistake; it goes.
    let load = SUITES.split("[[matchup]]").next().expect("split is not empty");
    let gate = |workloads: &str| format!("{load}{}", GATE.replace("[\"ping\"]", workloads));
    let servers = |alpha: &str, beta: &str| {
        let one = SERVERS.replacen("[\"ping\", \"many\"]", alpha, 1);
        one.replacen("[\"ping\", \"many\"]", beta, 1).into_bytes()
    };
    folder.insert("servers.toml".to_owned(), servers("[\"many\"]", "[\"ping\"]"));
    folder.insert("suites.toml".to_owned(), gate("[\"ping\", \"many\"]").into_bytes());
    compare(&folder, &[], "one each");
    folder.insert("suites.toml".to_owned(), gate("[\"ping\"]").into_bytes());
    let want = "suites.toml:7: gate strict: server `alpha` implements none of its workloads \
                | take it out, or add one that it implements: many";
    compare(&folder, &[want], "an idle server");
    folder.insert("servers.toml".to_owned(), servers("[\"many\"]", "[\"many\"]"));
    folder.insert("suites.toml".to_owned(), gate("[\"ping\", \"many\"]").into_bytes());
    let want = "suites.toml:8: gate strict: none of its servers implements workload `ping` |";
    compare(&folder, &[want], "an idle workload");
}

#[test]
fn looks_and_time() {
    let add = |text: &str, want: &[(usize, &str)]| {
        check("loads = [\"four\"]", &format!("loads = [\"four\"]\n{text}"), want);
    };
    add("alpha = 0.5", &[]);
    for bad in ["0", "-0.1", "nan", "\"0.05\""] {
        add(&format!("alpha = {bad}"), &[(7, ": `alpha` is ")]);
    }
    add(
        "alpha = 0.51",
        &[(7, ": `alpha` is 0.51 | it is the accepted share of false alarms: wri")],
    );
    add("looks = [8, 16]", &[]);
    add("looks = [8, 8]", &[(7, ": `looks` has 8 after 8 | write numbers of blocks in ascending")]);
    add("looks = [16, 8]", &[(7, ": `looks` has 8 after 16 | ")]);
    add("looks = [5, 8, 12]", &[(7, ": `looks` is 5 | write a number from 6 to 60")]);
    add("looks = [8, 61]", &[(7, ": `looks` is 61 | write a number from 6 to 60")]);
    add("looks = []", &[(7, ": `looks` is empty | leave it out for [8, 12, 16, 24]")]);
    add("looks = 8", &[(7, ": `looks` is a whole number | write a list of whole numbers: [8, 1")]);
    // Six tests: two servers, three metrics. 2⁻⁶ > 0.05/6 > 2⁻⁷.
    add("looks = [7]", &[]);
    add(
        "looks = [6]",
        &[(
            7,
            ": no look can find a regression: 6 blocks give no p below 1.6e-2, and 6 tests \
             (cells × metrics) ask for 8.3e-3 | raise the last of `looks` to 7 or more",
        )],
    );
    add("alpha = 1e-7", &[(1, ": no look can find a regression: 24 blocks")]);
    add("measure_ms = 40\nwindow_ms = 6", &[(7, ": 40 ms do not hold 8 windows of 6 ms | a bloc")]);
    // 8 blocks of two cells.
    add("budget_s = 16", &[]);
    add(
        "budget_s = 15",
        &[(
            7,
            ": `budget_s` is 15, and the windows before the first look, 8 blocks of each cell, \
             take 16 s | raise `budget_s` above 16",
        )],
    );
}

#[test]
fn long_windows_take_their_time() {
    let gate = GATE.split("budgets").next().expect("split is not empty");
    let check = |solo_s: u32, want: &[&str]| {
        let load = format!("connections = 4\nrate = 9\nsolo_s = {solo_s}");
        let suites = SUITES.replacen("connections = 4", &load, 1);
        let text = format!("{suites}{gate}margins_percent = {{ rss_bytes_peak = 5 }}\n");
        let mut folder = folder();
        folder.insert("suites.toml".to_owned(), text.into_bytes());
        compare(&folder, want, &load);
    };
    // 8 blocks of two cells, in each of which both arms have a window.
    check(18, &[]);
    let line = BEFORE + 3;
    check(
        20,
        &[&format!(
            "suites.toml:{line}: gate strict: `budget_s` is 600, and the windows before the first \
         look, 8 blocks of each cell, take 640 s"
        )],
    );
}

#[test]
fn budgets_and_waivers() {
    check("== 0", "<= 2", &[(7, ": the budget `error_rate <= 2`: the limit is `2` | write a sh")]);
    check("64 MiB", "64 MB", &[(7, ": the budget `rss_bytes_peak <= 64 MB`: the limit is `64 M")]);
    let waivers = |line, text: &str| (line, format!(", waivers: {text}"));
    let check = |from: &str, to: &str, (line, text): (usize, String)| {
        check(from, to, &[(line, text.as_str())]);
    };
    check("reason = \"A larger cache\"", "", waivers(8, "`reason` is missing | add it, such as "));
    check("A larger cache", " ", waivers(12, "`reason` is empty"));
    check("\"beta\"\nmetric", "\"bta\"\nmetric", waivers(9, "the server `bta` is not gated | did"));
    let workload = "server = \"beta\"\nworkload = \"many\"";
    check("server = \"beta\"", workload, waivers(10, "the workload `many` is not gated | the ga"));
    check(
        "metric = \"rss_bytes_peak\"",
        "metric = \"startup_ns\"",
        waivers(10, "the metric `startup_ns` is not gated | take the waiver out: the gate's metr"),
    );
    check("rss_bytes_peak\"\nm", "rss\"\nm", waivers(10, "there is no metric `rss` | the metrics"));
    check(
        "= 8",
        "= 5",
        waivers(11, "`margin_percent` is 5 | write more than the margin of rss_bytes_peak, which"),
    );
    check("= 8", "= 1001", waivers(11, "`margin_percent` is 1001 | write percent, at most 1000"));
    check("= 8", "= 0", waivers(11, "`margin_percent` is a whole number"));
    check("01-31", "02-30", waivers(13, "`expires` is \"2027-02-30\" | write the last day"));
    check("\"2027-01-31\"", "2027-01-31", waivers(13, "`expires` is a date | write a string"));
}
