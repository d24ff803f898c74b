//! Searches for the smallest memory limit that holds a rate.

use std::collections::BTreeSet;

use crate::binary::{Folder, HELLO, SERVER};
use duet_model::record::{self, MemorySearch};
use duet_process::cgroup;
use duet_protocol::SearchEnd;

const MIB: u64 = 1 << 20;

/// Two servers that hold so many MiB, and a load that searches for their limits beside one that
/// does not.
fn bench(held_mib: [u64; 2], limits: &str) -> Folder {
    let server = |(i, mib): (usize, u64)| {
        format!(
            "[[server]]\nname = \"s{i}\"\nlanguage = \"Any\"\nlanes = [\"std\"]\n\
             summary = \"For tests\"\nworkloads = [\"hello\"]\n\
             version = [\"{SERVER}\", \"--version\"]\n\
             run = [\"{SERVER}\", \"--addr\", \"{{addr}}\", \"--hold-mib\", \"{mib}\"]\n"
        )
    };
    let servers: String = held_mib.into_iter().enumerate().map(server).collect();
    let suites = format!(
        "[[load]]\nname = \"c2\"\nconnections = 2\n\
         [[load]]\nname = \"limits\"\nconnections = 2\nrate = 200\ncpu_limit = 0.9\n{limits}\n\
         [[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"s0\", \"s1\"]\n\
         [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nwindow_ms = 5\nmeasure_ms = 400\n\
         warmup_ms = 60\nblocks = 1\nverdicts = false\n\
         [[suite.cells]]\nmatchups = [\"pair\"]\nworkloads = [\"hello\"]\n\
         loads = [\"c2\", \"limits\"]\n"
    );
    Folder::with_definitions([
        ("servers.toml", &servers),
        ("workloads.toml", HELLO),
        ("suites.toml", &suites),
    ])
}

/// What the searches of both arms came to.
#[track_caller]
fn searches(bench: &Folder) -> Vec<MemorySearch> {
    let outcome = bench.duet(&["run", "s", "--only", "limits"]);
    // 4 where the machine is so busy that nothing can be said.
    assert!(matches!(outcome.code, Some(0 | 4)), "{}{}", outcome.out, outcome.err);
    bench.nothing_is_left();
    let run = record::read(&bench.path().join("results/latest")).expect("a record");
    let block = run.blocks.iter().find(|b| b.failure.is_none()).expect("one counts");
    block.arms.iter().map(|arm| arm.memory_search.clone().expect("a search")).collect()
}

#[test]
fn the_smallest_limit_is_what_a_server_needs() {
    if cgroup::here().is_err() {
        eprintln!("skipped: no control groups can be made here");
        return;
    }
    let found = searches(&bench([24, 48], "memory_limit = \"2MiB..128MiB\""));
    for (search, mib) in found.iter().zip([24, 48]) {
        assert_eq!(search.end, SearchEnd::Narrow, "{search:?}");
        let held = search.held_bytes.expect("the largest holds");
        let failed = search.failed_bytes.expect("the least cannot hold");
        // Beside what it holds, a server needs stacks, buffers and page tables.
        assert!(failed < (mib + 8) * MIB && held > mib * MIB, "{search:?}");
        assert!(held - failed <= MIB.max(held / 20), "{search:?}");
        let killed = search.probes.iter().filter(|probe| probe.oom_kills > 0);
        assert!(killed.count() > 0, "{search:?}");
        assert!(search.probes.iter().all(|probe| probe.held == probe.why.is_none()), "{search:?}");
        // No limit is tried twice.
        let limits: BTreeSet<u64> = search.probes.iter().map(|probe| probe.limit_bytes).collect();
        assert_eq!(limits.len(), search.probes.len());
    }
}

#[test]
fn a_limit_that_never_holds_is_a_result() {
    if cgroup::here().is_err() {
        eprintln!("skipped: no control groups can be made here");
        return;
    }
    let folder = bench([1, 48], "memory_limit = \"16MiB..24MiB\"");
    let found = searches(&folder);
    let ends = found.iter().map(|search| search.end).collect::<Vec<_>>();
    assert_eq!(ends, [SearchEnd::AllHeld, SearchEnd::NoneHeld]);
    assert!(found[1].probes[0].oom_kills > 0, "{found:?}");
    folder.duet(&["report", "results/latest"]).says("every limit held in 1 block").says("memory");
}

#[test]
fn without_control_groups_the_cells_are_left_out() {
    let bench = bench([1, 1], "memory_limit = \"16MiB..24MiB\"");
    let duet = |words: &[&str]| {
        let child = bench.command(words).env("DUET_CGROUP", "none").spawn().expect("it starts");
        crate::binary::outcome(&child.wait_with_output().expect("it ends"))
    };
    let run = duet(&["run", "s"]);
    assert!(matches!(run.code, Some(0 | 4)), "{}{}", run.out, run.err);
    run.says("1 cell").says("DUET_CGROUP is `none`").says("are left out").says("systemd-run");
    duet(&["run", "s", "--only", "limits"]).exits(4).says("no cell is left").says("systemd-run");
    duet(&["doctor"]).says("control groups").says("DUET_CGROUP is `none`").says("systemd-run");
}
