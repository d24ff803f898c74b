//! Machines that are not as they should be: no room, no permission, no HOME, few descriptors,
//! little memory, one CPU. A gate either does its work or says in a line what it lacks, and leaves
//! nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use duet_model::record;
use nix::sys::signal::Signal;

use crate::alone::gate::bench::{BUILD, Bench};
use crate::binary::{DUET, Outcome, SERVER, outcome, record_text, signal, wait};

/// A gate that passes, with a server that is there already.
const GATE: &str = "gate --base server:slow --head server:fast";

fn bench() -> Bench {
    let bench = Bench::new("looks = [6]");
    fs::copy(SERVER, bench.path().join("server")).expect("a copy");
    bench.edit("servers.toml", |text| text.replace(BUILD, "build = []"));
    bench
}

/// A gate behind what a shell does first.
fn gate_after(bench: &Bench, before: &str) -> Outcome {
    let script = format!("{before} {DUET} {GATE}");
    let mut command = bench.program("sh", &["-c", &script]);
    outcome(&command.env_remove("RUST_BACKTRACE").output().expect("it ends"))
}

#[test]
fn no_home_and_nothing_for_others() {
    let bench = bench();
    let said = gate_after(&bench, "unset HOME XDG_CACHE_HOME XDG_STATE_HOME; umask 077; exec");
    said.exits(0).says("PASS");
    let record = bench.path().join("results/gate/run.jsonl.gz");
    let mode = fs::metadata(record).expect("a record").permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    bench.nothing_is_left();
}

#[test]
fn few_descriptors_and_little_memory() {
    let bench = bench();
    // Enough for a small gate.
    gate_after(&bench, "ulimit -n 96; exec").exits(0).says("PASS");
    bench.nothing_is_left();
    for limit in ["ulimit -n 32; exec", "ulimit -n 16; exec"] {
        let said = gate_after(&bench, limit);
        said.exits(4).says("open files: at most").says("ulimit -n");
        bench.nothing_is_left();
    }
    // Too little to start in, or to work in: whoever says so, it is in a line, and no panic.
    for limit in ["ulimit -v 60000; exec", "ulimit -v 150000; exec"] {
        let said = gate_after(&bench, limit);
        let text = format!("{limit}: {:?}\n{}{}", said.code, said.out, said.err);
        assert!(!text.contains("panicked"), "{text}");
        assert!(said.code == Some(0) || said.err.split_whitespace().count() > 2, "{text}");
        bench.nothing_is_left();
    }
}

/// A folder that the user may not write to. Root may write anywhere, so that it becomes nobody.
#[test]
fn a_folder_that_may_not_be_written() {
    let bench = bench();
    let set = |mode| {
        fs::set_permissions(bench.path(), fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    set(0o555);
    let as_nobody = match nix::unistd::geteuid().is_root() {
        true => "exec setpriv --reuid=65534 --regid=65534 --clear-groups",
        false => "exec",
    };
    let said = gate_after(&bench, as_nobody);
    set(0o755);
    said.exits(4).says("failed to create").says("Permission denied");
    assert!(!bench.path().join("results").exists());
    bench.nothing_is_left();
}

#[test]
fn one_cpu() {
    let bench = bench();
    let said = gate_after(&bench, "exec taskset -c 0");
    said.exits(4).says("CPU");
    assert!(!bench.path().join("results").exists(), "what cannot be measured leaves nothing");
    bench.nothing_is_left();
}

/// A gate that was stopped in the middle of a block, as by Ctrl-Z, and went on.
#[test]
fn a_block_that_slept_does_not_count() {
    let bench = bench();
    let child = bench.command(&GATE.split(' ').collect::<Vec<_>>()).spawn().expect("it starts");
    let folder = bench.path().join("results/gate");
    let text = || record_text(&folder);
    wait(|| text().contains("\"discarded\":null"));
    signal(&child, Signal::SIGSTOP);
    // The fault itself: what is stopped for less than this is only late.
    std::thread::sleep(std::time::Duration::from_millis(400));
    signal(&child, Signal::SIGCONT);
    outcome(&child.wait_with_output().expect("it ends")).exits(0).says("PASS");
    let run = record::read(&folder).expect("a record");
    let slept: Vec<&String> = run.blocks.iter().filter_map(|b| b.discarded.as_ref()).collect();
    assert!(slept.iter().any(|reason| reason.contains("did not run for")), "{slept:?}");
    assert_eq!(run.blocks.iter().filter(|block| block.discarded.is_none()).count(), 6);
    bench.nothing_is_left();
}
