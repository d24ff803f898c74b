//! Null experiments: changes that change nothing are never REGRESSED.

use std::fs;

use super::SIX;
use super::bench::Bench;

/// Gates of equal code, each a pair of its own.
const GATES: usize = 10;

#[test]
fn ten_changes_that_change_nothing() {
    let margins = "margins_percent = { service_time_ns_p50 = 5, cpu_ns_per_request = 25 }";
    let bench = Bench::new(&format!("{SIX}\n{margins}"));
    bench.git(&["init", "--quiet", "--initial-branch=main"]);
    bench.commit("first");
    let mut passed = 0;
    for n in 0..GATES {
        fs::write(bench.path().join("note.txt"), format!("{n}")).expect("a file");
        let said = bench.duet(&["gate", "--base", "git:main", "--json", "o.json"]);
        assert!(matches!(said.code, Some(0 | 3)), "{n}: {:?} {}{}", said.code, said.out, said.err);
        assert!(!said.out.contains("are the same"), "{n} was not measured: {}", said.out);
        let json = fs::read_to_string(bench.path().join("o.json")).expect("it was written");
        let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(json["cells"][0]["blocks"], 6, "{n}");
        passed += usize::from(said.code == Some(0));
    }
    // The others found this machine too busy to say.
    assert!(passed > GATES / 2, "{passed} of {GATES} passed");
    bench.nothing_is_left();
}
