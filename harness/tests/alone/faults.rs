//! The n-th system call of a kind fails: whatever the kernel refuses in the middle of a gate, it
//! never ends with 0 and a wrong or partial result, leaves nothing behind, and says so in a line
//! that a person understands.
//!
//! strace lets the calls fail, in duet and in each of its children. `make fault-test` counts n
//! up by one, until a run is refused nothing; the tests that always run take few of these.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use duet_model::record;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::alone::gate::bench::{BUILD, Bench};
use crate::binary::{DUET, Outcome, SERVER};

/// How long a run may take. A server that does not listen is given ten seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// Says that every n is to be tried.
const ALL: &str = "DUET_FAULTS";

/// The loader of dynamic libraries has these of the first calls to itself: it ends with 127.
const LOADER: &str = "error while loading shared libraries";

/// The blocks before the only look.
const BLOCKS: usize = 6;

#[test]
fn files() {
    fails("openat", "EMFILE", &[12, 90, 400]);
    fails("?mkdir,?mkdirat", "EROFS", &[1]);
    fails("?rename,?renameat,?renameat2", "EACCES", &[1, 4]);
    fails("fsync,?fdatasync", "EIO", &[1, 9]);
}

#[test]
fn reading_and_writing() {
    fails("write,?writev", "ENOSPC", &[1, 3, 9]);
    fails("read,?pread64,?readv", "EIO", &[3, 30]);
}

#[test]
fn processes() {
    fails("?fork,?vfork,clone,clone3", "EAGAIN", &[1, 3]);
    fails("execve", "EACCES", &[2]);
    fails("pipe2", "EMFILE", &[2]);
    fails("sched_setaffinity", "EINVAL", &[1]);
}

#[test]
fn sockets_and_memory() {
    fails("connect", "ECONNREFUSED", &[1, 9]);
    fails("socket", "EMFILE", &[2]);
    fails("?epoll_create1,?epoll_ctl", "ENOSPC", &[2]);
    fails("mmap", "ENOMEM", &[80]);
}

/// Lets the n-th of the calls fail, for these n, or for all of them.
#[track_caller]
fn fails(calls: &str, error: &str, few: &[u32]) {
    if !strace_works() {
        eprintln!("skipped: strace is not installed, or may not trace");
        return;
    }
    let all = std::env::var_os(ALL).is_some();
    let every = if all { (1..=100_000).collect() } else { few.to_vec() };
    let mut problems = vec![];
    for n in every {
        let (refused, problem) = one(calls, error, n);
        problems.extend(problem.map(|problem| format!("{calls}:{error}:when={n}: {problem}")));
        if !refused {
            break;
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

fn strace_works() -> bool {
    let words = ["-f", "-o", "/dev/null", "true"];
    let status = Command::new("strace").args(words).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A gate in which the n-th of the calls fails. Says whether one failed, and what is wrong.
fn one(calls: &str, error: &str, n: u32) -> (bool, Option<String>) {
    let bench = Bench::new("looks = [6]");
    fs::copy(SERVER, bench.path().join("server")).expect("a copy");
    bench.edit("servers.toml", |text| text.replace(BUILD, "build = []"));
    bench.edit("suites.toml", |text| text.replace("measure_ms = 80", "measure_ms = 40"));
    let (log, inject) = (bench.path().join("strace"), format!("{calls}:error={error}:when={n}"));
    let mut words = vec!["-f", "--seccomp-bpf", "-e", "signal=none", "-o", "strace"];
    let (trace, inject) = (format!("trace={calls}"), format!("inject={inject}"));
    words.extend(["-e", &trace, "-e", &inject, DUET, "gate", "--base", "server:slow"]);
    words.extend(["--head", "server:fast", "--json", "o.json"]);
    let mut command = bench.program("strace", &words);
    command.env_remove("RUST_BACKTRACE");
    let Some(outcome) = run(command, bench.path()) else {
        return (true, Some("it did not end".to_owned()));
    };
    let log = fs::read(&log).unwrap_or_default();
    let refused = String::from_utf8_lossy(&log).contains("(INJECTED)");
    bench.nothing_is_left();
    (refused, problem(&bench, &outcome, refused))
}

/// Runs a command to its end, with its output in files: a process that is left must not hold a
/// pipe open. Kills it when it takes too long.
fn run(mut command: Command, folder: &Path) -> Option<Outcome> {
    let [out, err] = ["out", "err"].map(|name| folder.join(name));
    let create = |path| File::create(path).expect("a file");
    let mut child =
        command.stdout(create(&out)).stderr(create(&err)).spawn().expect("strace starts");
    let limit = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break status;
        }
        if Instant::now() > limit {
            let pid = Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"));
            kill(pid, Signal::SIGTERM).expect("it is there");
            child.wait().expect("it is ours");
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    Some(Outcome { code: status.code(), out: text(&out), err: text(&err) })
}

/// What is wrong with how a gate ended.
fn problem(bench: &Bench, outcome: &Outcome, refused: bool) -> Option<String> {
    let said = format!("{}{}", outcome.out, outcome.err);
    let told = format!("exit {:?}\n{said}", outcome.code);
    let partial = partial_files(bench.path());
    if !partial.is_empty() {
        return Some(format!("{partial:?} are left; {told}"));
    }
    match outcome.code {
        Some(0) => incomplete(bench).map(|what| format!("{what}; {told}")),
        _ if !refused => Some(told),
        // The loader's own calls, and what it says.
        Some(127) if said.contains(LOADER) => None,
        // Rust ends a process that gets no memory so.
        None | Some(134) if said.contains("memory allocation of") => None,
        Some(1..=6) if said.lines().any(|line| line.split_whitespace().count() > 3) => None,
        _ => Some(told),
    }
}

/// What a gate that ended with 0 lacks: it must be whole, and what a reader of its record finds.
fn incomplete(bench: &Bench) -> Option<String> {
    let folder = bench.path().join("results/gate");
    let run = match record::read(&folder) {
        Ok(run) => run,
        Err(error) => return Some(format!("no record: {error:#}")),
    };
    let good = run.blocks.iter().filter(|b| b.failure.is_none() && b.discarded.is_none()).count();
    if good < BLOCKS {
        return Some(format!("{good} blocks count"));
    }
    let names = ["comparison.md", "comparison.html", "comparison.json", "forest.svg"];
    if let Some(name) = names.iter().find(|name| !folder.join(name).is_file()) {
        return Some(format!("there is no {name}"));
    }
    let before = fs::read(folder.join("comparison.json")).ok();
    if before != fs::read(bench.path().join("o.json")).ok() {
        return Some("o.json is not what comparison.json is".to_owned());
    }
    let replayed = bench.duet(&["gate", "--replay", "results/gate"]);
    let same = fs::read(folder.join("comparison.json")).ok() == before;
    (replayed.code != Some(0) || !same).then(|| "a replay gives another result".to_owned())
}

/// Files that were not finished, in a folder and those below.
fn partial_files(folder: &Path) -> Vec<String> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            found.extend(partial_files(&path));
        } else if name.contains("partial") {
            found.push(name);
        }
    }
    found
}
