//! What the tables of claims may say.

use super::*;
use duet_model::spec::{ClaimFigure, ClaimKind};
use duet_units::Metric;

const CLAIMS: &str = r#"[[claim]]
name = "fast"
claim = "Rust is faster"
source = "An article"
date = "2020-07-17"
kind = "measured"
remark = "One person's"
[[claim.test]]
matchups = ["duel"]
workloads = ["ping"]
loads = ["four"]
metrics = ["requests_per_second"]
figures = ["binary_bytes"]
ahead = "Rust"
at_least = 1.5
[[claim.test]]
matchups = ["duel"]
metrics = ["rss_bytes_peak"]
ahead = "Go"
majority = true
at_most = [1.5, 2]
[[claim]]
name = "simple"
claim = "Go is simpler"
source = "An article"
date = "2020"
kind = "figures"
remark = "Taste"
missing = "Tokens"
"#;

/// The folder of tests, with claims of which `from` is replaced by `to`.
fn with_claims(from: &str, to: &str) -> Folder {
    assert!(CLAIMS.contains(from), "no {from:?}");
    let mut folder = folder();
    folder.insert("claims.toml".to_owned(), CLAIMS.replacen(from, to, 1).into_bytes());
    folder
}

/// Compares mistakes, each without its file and the claim's name.
fn wrong(from: &str, to: &str, want: &[&str]) {
    let want: Vec<String> = want.iter().map(|want| format!("claims.toml:{want}")).collect();
    let want: Vec<&str> = want.iter().map(String::as_str).collect();
    compare(&with_claims(from, to), &want, &format!("{from:?} -> {to:?}"));
}

#[test]
fn good_claims() {
    let spec = read(&with_claims("", "")).expect("no mistakes");
    let [fast, simple] = &spec.claims[..] else { panic!("{:?}", spec.claims) };
    assert_eq!((fast.kind, simple.kind), (ClaimKind::Measured, ClaimKind::Figures));
    assert_eq!((simple.missing.as_deref(), simple.tests.len()), (Some("Tokens"), 0));
    let [cells, whole] = &fast.tests[..] else { panic!("{:?}", fast.tests) };
    assert_eq!(
        (&cells.workloads[..], &cells.loads[..]),
        (&["ping".into()][..], &["four".into()][..])
    );
    assert_eq!((&cells.metrics[..], cells.at_least), (&[Metric::RequestsPerSecond][..], Some(1.5)));
    assert_eq!(cells.figures, [ClaimFigure::BinaryBytes]);
    assert_eq!((whole.majority, &whole.at_most[..]), (true, &[1.5, 2.0][..]));
    let json = serde_json::to_string(&spec).expect("plain data");
    assert_eq!(serde_json::from_str::<Spec>(&json).expect("the same"), spec);
    // Who makes no claims needs no file.
    assert_eq!(read(&folder()).expect("no mistakes").claims, []);
}

#[test]
fn what_claims_say_of_themselves() {
    wrong(
        "[[claim]]\nname = \"fast\"",
        "[[clam]]\n[[claim]]\nname = \"fast\"",
        &["1: unknown key `clam` | did you mean `claim`?"],
    );
    wrong(
        "source",
        "sorce",
        &[
            "1: claim fast: `source` is missing | add it, such as",
            "4: claim fast: unknown key `sorce` | did you mean `source`? the keys are name, claim,",
        ],
    );
    wrong("\"fast\"", "\"Fast\"", &["2: claim Fast: the name \"Fast\" cannot be used"]);
    wrong(
        "\"simple\"",
        "\"fast\"",
        &["22: the name of claim fast is taken by the claim in line 1 | rename one"],
    );
    wrong("2020-07-17", "July 2020", &["5: claim fast: `date` is \"July 2020\" | write a day"]);
    wrong(
        "\"measured\"",
        "\"mesured\"",
        &["6: claim fast: there is no kind `mesured` | did you mean `measured`?"],
    );
    wrong("\"measured\"", "\"unrelated\"", &["8: claim fast: a claim of kind `unrelated` has"]);
    wrong("missing = \"Tokens\"", "", &["22: claim simple: nothing tests it | add `[[claim.test"]);
}

#[test]
fn what_tests_say() {
    wrong(
        "matchups",
        "matchup",
        &[
            "8: claim fast, test: `matchups` is missing",
            "9: claim fast, test: unknown key `matchup`",
        ],
    );
    wrong("metrics = [\"rss_bytes_peak\"]\n", "", &["16: claim fast, test: `metrics` is missing"]);
    wrong(
        "requests_per_second",
        "request_per_second",
        &["12: claim fast, test: there is no metric `request_per_second` | did you mean `re"],
    );
    wrong("binary_bytes", "binary", &["13: claim fast, test: there is no figure `binary` | "]);
    wrong("at_least = 1.5", "at_least = 1", &["15: claim fast, test: `at_least` is 1 | write how"]);
    wrong("[1.5, 2]", "[2, 1.5]", &["21: claim fast, test: `at_most` cannot be used | write nu"]);
    wrong(
        "at_least = 1.5",
        "at_least = 1.5\nat_most = [2]",
        &["16: claim fast, test: there are `at_least` and `at_most` | take one"],
    );
    wrong(
        "at_least = 1.5",
        "majority = true",
        &["15: claim fast, test: `majority` is of a matchup as a whole"],
    );
    wrong("\nloads =", "\nsizes =", &["11: claim fast, test: it is of servers and of programs"]);
}

#[test]
fn what_tests_name() {
    wrong(
        "\"duel\"",
        "\"dual\"",
        &["9: claim fast, test: there is no matchup `dual` | did you mean `duel`? the matchups in"],
    );
    wrong("\"ping\"", "\"pong\"", &["10: claim fast, test: there is no workload `pong` | "]);
    wrong("[\"four\"]", "[\"five\"]", &["11: claim fast, test: there is no load `five` | "]);
    wrong(
        "ahead = \"Rust\"",
        "ahead = \"Rush\"",
        &["14: claim fast: no arm of matchup `duel` is in `Rush` | did you mean `Rust`? its lang"],
    );
    wrong(
        "\"requests_per_second\"",
        "\"latency_ns_p99\"",
        &["12: claim fast: the servers of matchup `duel` have no metric `latency_ns_p99`"],
    );
    wrong(
        "\"rss_bytes_peak\"",
        "\"elapsed_ns\"",
        &["18: claim fast: the servers of matchup `duel` have no metric `elapsed_ns` here"],
    );
    wrong(
        "\"binary_bytes\"",
        "\"gz_bytes\"",
        &["13: claim fast: the servers of matchup `duel` have no figure `gz_bytes`"],
    );
    wrong(
        "workloads = [\"ping\"]\nloads = [\"four\"]",
        "sizes = [\"test\"]",
        &["10: claim fast: matchup `duel` is of servers | name its cells"],
    );
}

/// A claim about languages is tested by two languages.
#[test]
fn matchups_of_one_language() {
    let mut folder = with_claims("", "");
    let servers = SERVERS.replace("\"Go\"", "\"Rust\"");
    folder.insert("servers.toml".to_owned(), servers.into_bytes());
    compare(
        &folder,
        &[
            "claims.toml:9: claim fast: all arms of matchup `duel` are in Rust | name matchups of",
            "claims.toml:19: claim fast: no arm of matchup `duel` is in `Go` | ",
        ],
        "one language",
    );
}
