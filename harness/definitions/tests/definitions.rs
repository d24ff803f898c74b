//! The definitions in `bench/` load, and survive being written into a record.

use std::path::Path;

use duet_definitions::load;
use duet_model::spec::{CellId, Spec};

#[test]
fn bench_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench");
    let spec = load(&folder).unwrap_or_else(|mistakes| panic!("{mistakes}"));

    for suite in &spec.suites {
        assert!(!suite.cells.is_empty(), "{}", suite.name);
        for cell in &suite.cells {
            let arms = &spec.matchup(&cell.matchup).expect("the cell's matchup").arms;
            if spec.is_of_programs(cell) {
                let problem = spec.problem(&cell.workload).expect("the cell's problem");
                assert!(problem.sizes.contains_key(&cell.load), "{cell}");
                for arm in arms {
                    let set = spec.origin(arm, &problem.name).expect("a set with the program");
                    let source = folder.join("..").join(set.source_of(&problem.name));
                    assert!(source.is_file(), "{}", source.display());
                }
                continue;
            }
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
fn edits_of_servers_replace_a_text_that_is_in_its_file_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let spec = load(&root.join("bench")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let edits =
        spec.servers.iter().filter_map(|server| Some((&server.name, server.edit.as_ref()?)));
    for (name, edit) in edits {
        let source = std::fs::read_to_string(root.join(&edit.file)).expect("the file of the edit");
        assert_eq!(source.matches(&edit.replace).count(), 1, "{name}: {}", edit.replace);
    }
}

#[test]
fn standard_suite_has_its_cells_of_servers_and_programs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench");
    let spec = load(&folder).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let cells = |name: &str| spec.suite(name).expect("a suite of this name").cells.clone();
    let (programs, servers): (Vec<CellId>, Vec<CellId>) =
        cells("standard").into_iter().partition(|cell| spec.is_of_programs(cell));
    assert_eq!((servers.len(), programs.len()), (20, 12));
    // Smoke runs everything once: programs at their test size, back ends as fast as they go, and of
    // what differs in the load alone, a cell.
    let with = |load: &'static str| move |cell: CellId| CellId { load: load.to_owned(), ..cell };
    let concurrency = cells("pressure").into_iter().filter(|cell| spec.is_of_programs(cell));
    let lanes = cells("programs");
    assert_eq!(lanes.len(), 29);
    let programs = programs.into_iter().chain(lanes).chain(concurrency).map(with("test"));
    let backends = cells("backends").into_iter().filter(|cell| cell.matchup == "backends");
    // But for many connections, which take long: of them one.
    let backends = backends.filter(|cell| !cell.load.starts_with("conns"));
    let smoke = cells("smoke");
    let (waiting, servers): (Vec<CellId>, Vec<CellId>) =
        servers.into_iter().partition(|cell| cell.matchup == "backends");
    let backends = backends.chain(waiting).map(with("c8"));
    for cell in programs.chain(servers).chain(backends) {
        assert!(smoke.contains(&cell), "{cell} is not in smoke");
    }
    for load in [
        "tls-c64",
        "tls-rate-500",
        "h2-8x16",
        "rate-500",
        "idle-1k",
        "tls-idle-1k",
        "conns-1k",
        "heap-10k",
        "burst-50",
    ] {
        assert!(smoke.iter().any(|cell| cell.load == load), "{load} is not in smoke");
    }
}
