//! Blocks as they are kept: smaller by far, and all that is derived from them is the same.

use std::path::Path;

use duet_analysis::comparison;
use duet_analysis::{analyse, compact, running_ratio};
use duet_model::record::{self, BlockRecord, Experiment, Question, Record, Run, Version, Writer};
use duet_model::testing::{self, Scene};
use duet_protocol::WindowResult;
use serde_json::Value;

/// The longest record of a standard session that is to be kept in a repository.
const BYTES_MAX: u64 = 1_000_000;

fn compacted(run: &Run) -> Run {
    let mut run = run.clone();
    run.blocks.iter_mut().for_each(compact);
    run
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("it has no odd keys")
}

/// Whether a window has any histogram.
fn has_histograms(window: &WindowResult) -> bool {
    let of_open = window.open.as_ref().is_some_and(|open| {
        let lags = [&open.send_lag, &open.generator_lag];
        let times = [&open.response_time, &open.response_time_lower_bounds];
        times.into_iter().chain(lags).any(Option::is_some)
    });
    of_open || window.service_time.is_some()
}

fn is_compact(block: &BlockRecord) -> bool {
    let (times, histograms) = (|w: &WindowResult| w.times.is_some(), has_histograms);
    block.windows.iter().all(|window| times(window) && !histograms(window))
        && block.arms.iter().all(|arm| arm.times.is_some() && arm.histograms.is_some())
}

/// Asserts that all that is derived from a run is the same once it is compact.
#[track_caller]
fn same(full: &Run, small: &Run) {
    assert_eq!(json(&analyse(full)), json(&analyse(small)));
    for cell in &full.header.suite.cells {
        let ratio = |run: &Run| running_ratio(&run.header, &run.blocks, cell);
        assert_eq!(ratio(full), ratio(small), "{cell}");
    }
}

/// Published records are full. The same session, compact: as small as it must be, and each number
/// of its summary is the same.
#[test]
fn published_sessions_say_the_same_and_are_small() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results");
    let sessions = ["2026-11-29-standard", "2026-11-30-backends", "2026-11-30-pressure"];
    for session in sessions {
        let full = record::read(&results.join(session)).expect("a published record");
        let small = compacted(&full);
        assert!(full.blocks.iter().any(|block| block.windows.iter().any(has_histograms)));
        for block in small.blocks.iter().filter(|block| block.failure.is_none()) {
            assert!(is_compact(block), "{session}: block {} of {}", block.block, block.cell);
        }
        same(&full, &small);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer = Writer::replace(folder.path(), small.records()).expect("it is written");
        let end = small.end.clone().expect("it came to its end");
        writer.append(&Record::End(end)).expect("it is appended");
        assert_eq!(record::read(folder.path()).expect("it is a record"), small);
        let file = folder.path().join(record::FILE_NAME);
        let bytes = std::fs::metadata(file).expect("a file").len();
        assert!(bytes <= BYTES_MAX, "{session}: {bytes} bytes");
        println!("{session}: {bytes} bytes");
    }
}

fn open() -> Run {
    let mut run = testing::open(testing::run(&Scene::default()), [2e5, 3e5]);
    let open = run.blocks[3].windows[2].open.as_mut().expect("the loop is open");
    open.response_time_lower_bounds = Some(testing::encode(&[440_000; 40]));
    open.unsent = 40;
    run
}

#[test]
fn all_kinds_of_loops_say_the_same() {
    let search = testing::searched(testing::run(&Scene::default()), [2e4, 1.5e4]);
    for full in [testing::run(&Scene::default()), open(), search] {
        let small = compacted(&full);
        assert!(small.blocks.iter().all(is_compact));
        same(&full, &small);
        let again = compacted(&small);
        assert_eq!(again, small, "what is compact stays so");
    }
}

#[test]
fn comparisons_say_the_same() {
    let mut full = open();
    let version = |label: &str| Version { label: label.to_owned(), ..Version::default() };
    let experiment = Experiment::of(Question::Compare, version("old"), version("new"));
    full.header.experiment = Some(experiment);
    let compared = |run: &Run| json(&comparison::compare(run, Some(run)).expect("two versions"));
    assert_eq!(compared(&full), compared(&compacted(&full)));
}

/// Which windows of these are judged is not for a record to decide.
#[test]
fn blocks_that_are_not_whole_keep_their_histograms() {
    let spoil: [fn(&mut BlockRecord); 3] = [
        |block| block.windows[0].requests = 0,
        |block| block.windows[5].service_time = Some("?".to_owned()),
        |block| {
            let failure = r#"{"stage":"drive","server":null,"error":"no luck"}"#;
            block.failure = Some(serde_json::from_str(failure).expect("a failure"));
        },
    ];
    for (n, spoil) in spoil.into_iter().enumerate() {
        let mut full = testing::run(&Scene::default());
        spoil(&mut full.blocks[0]);
        let small = compacted(&full);
        assert_eq!(small.blocks[0], full.blocks[0], "{n}");
        assert!(small.blocks[1..].iter().all(is_compact), "{n}");
        same(&full, &small);
    }
}
