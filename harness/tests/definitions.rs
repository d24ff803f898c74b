//! The definitions in `bench/` load, and survive being written into a record.

use std::path::Path;

use duet::spec::{Spec, load};

#[test]
fn bench_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench");
    let spec = load(&folder).unwrap_or_else(|mistakes| panic!("{mistakes}"));

    for suite in &spec.suites {
        assert!(!suite.cells.is_empty(), "{}", suite.name);
        for cell in &suite.cells {
            let arms = &spec.matchup(&cell.matchup).expect("the cell's matchup").arms;
            let workload = spec.workload(&cell.workload).expect("the cell's workload");
            assert!(spec.load(&cell.load).is_some(), "{cell}");
            for arm in arms {
                let server = spec.server(arm).expect("the matchup's arm");
                assert!(server.workloads.contains(&workload.name), "{cell}: {arm}");
            }
        }
    }
    let json = serde_json::to_string(&spec).expect("a spec is written as JSON");
    let read: Spec = serde_json::from_str(&json).expect("and read again");
    assert_eq!(read, spec);
}

#[test]
fn standard_suite_has_eighteen_cells() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench");
    let spec = load(&folder).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let cells = |name: &str| spec.suite(name).expect("a suite of this name").cells.clone();
    assert_eq!(cells("standard").len(), 18);
    assert_eq!(cells("smoke"), cells("standard"), "smoke runs everything once");
}
