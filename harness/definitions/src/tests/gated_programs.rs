//! What a gate may say of programs.

use super::programs::with_programs;
use super::*;
use duet_model::spec::GateScope;
use duet_units::Metric;

const GATE: &str = r#"[[gate]]
name = "strict"
summary = "A gate"
[[gate.programs]]
sets = ["first", "second"]
problems = ["make", "read"]
sizes = ["test"]
[[gate.programs]]
sets = ["first"]
problems = ["make"]
sizes = ["test", "large"]
[[gate.waivers]]
set = "second"
problem = "read"
metric = "cpu_ns"
margin_percent = 8
reason = "Checks its input"
expires = "2027-01-31"
"#;

/// Keys of a gate that guards servers too.
const SERVERS: &str = "servers = [\"alpha\"]\nworkloads = [\"ping\"]\nloads = [\"four\"]\n";

/// The line of `suites.toml` before the gate.
const BEFORE: usize = 26;

fn with_gate(gate: &str) -> Folder {
    let mut folder = with_programs();
    let mut suites = folder["suites.toml"].clone();
    suites.extend(gate.as_bytes());
    folder.insert("suites.toml".to_owned(), suites);
    folder
}

/// The gate with `from` replaced by `to`, and its mistakes: its line, and what is said of it.
fn check(from: &str, to: &str, want: &[(usize, &str)]) {
    assert!(GATE.contains(from), "the gate has no {from:?}");
    let want: Vec<String> =
        want.iter().map(|(line, text)| format!("suites.toml:{}: {text}", BEFORE + line)).collect();
    let want: Vec<&str> = want.iter().map(String::as_str).collect();
    compare(&with_gate(&GATE.replacen(from, to, 1)), &want, &format!("{from:?} -> {to:?}"));
}

#[test]
fn a_good_gate_of_programs() {
    let spec = read(&with_gate(GATE)).expect("no mistakes");
    let gate = spec.gate("strict").expect("the gate");
    assert_eq!((gate.servers.len(), gate.programs.len()), (0, 2));
    assert_eq!(gate.programs[1].sizes, ["test", "large"]);
    assert_eq!((gate.program_limit_s, gate.program_limit_mib), (60, 4096));
    let cells: Vec<String> =
        gate.guards().flat_map(GateScope::cells).map(|cell| cell.to_string()).collect();
    let want = [
        "first/make/test",
        "first/read/test",
        "second/make/test",
        "second/read/test",
        "first/make/test",
        "first/make/large",
    ];
    assert_eq!(cells, want);
    let rules = |spec: &Spec| -> Vec<(Metric, f64)> {
        spec.gates[0].rules.iter().map(|rule| (rule.metric, rule.margin)).collect()
    };
    let of_programs =
        [(Metric::ElapsedNs, 0.03), (Metric::CpuNs, 0.03), (Metric::RssBytesPeak, 0.05)];
    assert_eq!(rules(&spec), of_programs);
    let waiver = &gate.waivers[0];
    assert_eq!((&*waiver.server, waiver.workload.as_deref()), ("second", Some("read")));
    let json = serde_json::to_string(&spec).expect("plain data");
    assert_eq!(serde_json::from_str::<Spec>(&json).expect("the same"), spec);

    let both = GATE.replacen("[[gate.programs]]", &format!("{SERVERS}[[gate.programs]]"), 1);
    let spec = read(&with_gate(&both)).expect("servers and programs");
    let metrics: Vec<Metric> = rules(&spec).into_iter().map(|(metric, _)| metric).collect();
    let want = [
        Metric::ElapsedNs,
        Metric::CpuNs,
        Metric::RequestsPerSecond,
        Metric::CpuNsPerRequest,
        Metric::RssBytesPeak,
    ];
    assert_eq!(metrics, want);
}

#[test]
fn names_in_tables_of_programs() {
    check(
        "[\"first\", \"second\"]",
        "[\"frist\", \"second\"]",
        &[(5, "gate strict, programs: there is no set `frist` | did you mean `first`?")],
    );
    check(
        "\"make\", \"read\"",
        "\"make\", \"raed\"",
        &[
            (6, "gate strict, programs: there is no problem `raed` | did you mean `read`?"),
            (14, "gate strict, waivers: the problem `read` is not gated | did you mean `raed`?"),
        ],
    );
    check(
        "[\"test\", \"large\"]",
        "[\"test\", \"lrage\"]",
        &[(11, "gate strict: problem `make` has no size `lrage` | did you mean `large`?")],
    );
    check(
        "[\"make\"]",
        "[\"make\", \"read\"]",
        &[(11, "gate strict: problem `read` has no size `large` | its sizes are test")],
    );
    check("sizes = [\"test\"]\n", "", &[(4, "gate strict, programs: `sizes` is missing | add it")]);
    check(
        "[\"first\", \"second\"]",
        "[]",
        &[
            (5, "gate strict, programs: `sets` is empty | name at least one"),
            (13, "gate strict, waivers: the set `second` is not gated | the gate's sets are first"),
        ],
    );
    let mut folder = with_gate(GATE);
    let programs = String::from_utf8(folder["programs.toml"].clone()).expect("it is UTF-8");
    let programs = programs.replacen("problems = [\"make\", \"read\"]", "problems = [\"make\"]", 1);
    folder.insert("programs.toml".to_owned(), programs.into_bytes());
    let no_program = "has no program for problem `read` | take the problem or the set out of these";
    let want = [
        format!("suites.toml:25: suite programs: set `first` {no_program}"),
        format!("suites.toml:25: suite programs: set `second` {no_program}"),
        format!("suites.toml:32: gate strict: set `first` {no_program}"),
        format!("suites.toml:32: gate strict: set `second` {no_program}"),
    ];
    compare(&folder, &want.iter().map(String::as_str).collect::<Vec<_>>(), "a missing program");
}

#[test]
fn without_any_programs() {
    let mut folder = folder();
    let gate = GATE.split("[[gate.waivers]]").next().expect("split is not empty");
    folder.insert("suites.toml".to_owned(), format!("{SUITES}{gate}").into_bytes());
    let missing = |(line, what)| {
        format!(
            "suites.toml:{line}: gate strict, programs: there is no {what}` | define it in \
             programs.toml, which is not there"
        )
    };
    let want = [
        (20, "set `first"),
        (20, "set `second"),
        (21, "problem `make"),
        (21, "problem `read"),
        (24, "set `first"),
        (25, "problem `make"),
    ];
    let want = want.map(missing);
    let want = want.each_ref().map(String::as_str);
    compare(&folder, &want, "no programs.toml");
}

#[test]
fn metrics_and_limits_of_programs() {
    let add = |text: &str, want: &[(usize, &str)]| {
        let summary = "summary = \"A gate\"\n";
        check(summary, &format!("{summary}{text}\n"), want);
    };
    add("margins_percent = { cpu_ns = 1.5, rss_bytes_peak = 4 }", &[]);
    add(
        "margins_percent = { cpu_ns = 1, cpu_ns_per_request = 3 }",
        &[(
            1,
            "gate strict: it gates `cpu_ns_per_request`, a result of servers, and it guards none \
             | add servers, or name other metrics",
        )],
    );
    add("budgets = [\"elapsed_ns <= 2s\", \"rss_bytes_peak <= 64 MiB\"]", &[]);
    add(
        "budgets = [\"error_rate == 0\", \"startup_ns <= 1s\"]",
        &[
            (1, "gate strict: the budget `error_rate == 0` is on what none of its cells has | ta"),
            (1, "gate strict: the budget `startup_ns <= 1s` is on what none of its cells has | t"),
        ],
    );
    add("program_limit_s = 0", &[(4, "gate strict: `program_limit_s` is 0 | write a number")]);
    // Five cells, three metrics: 2⁻⁹ ≤ 0.05/15 < 2⁻⁸.
    add("looks = [9]", &[]);
    add("looks = [8]", &[(4, "gate strict: no look can find a regression: 8 blocks give no p")]);
    add(
        "servers = [\"alpha\"]",
        &[
            (1, "gate strict: `workloads` is missing | add it"),
            (1, "gate strict: `loads` is missing | add it"),
        ],
    );
}

#[test]
fn waivers_of_programs() {
    let waivers = |line, text: &str| (line, format!("gate strict, waivers: {text}"));
    let check = |from: &str, to: &str, (line, text): (usize, String)| {
        check(from, to, &[(line, text.as_str())]);
    };
    check("\"second\"\np", "\"sceond\"\np", waivers(13, "the set `sceond` is not gated | did you"));
    check("set = \"second\"", "", waivers(12, "`set` is missing | add it"));
    check("metric = \"cpu_ns\"", "metric = \"startup_ns\"", waivers(15, "the metric `startup_ns`"));
    let server = "server = \"second\"\nset = \"second\"";
    check("set = \"second\"", server, waivers(13, "unknown key `server`"));
}
