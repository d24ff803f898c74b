//! Servers of other makes: what they start belongs to them, is measured with them and ends with
//! them; and how they start.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::sys::signal::Signal;

use crate::binary::{DUET, Folder, HELLO, Outcome, SERVER, outcome, record_text, signal, wait};
use duet_model::record::{self, ArmRecord, BlockRecord};
use duet_process::cgroup;

/// Definitions of external servers.
struct Bench(Folder);

impl Bench {
    /// Of each server the words of `run`, and further lines.
    fn new(servers: &[(&str, &str)]) -> Self {
        let server = |(i, (run, more)): (usize, &(&str, &str))| {
            format!(
                "[[server]]\nname = \"s{i}\"\nlanguage = \"Any\"\nlanes = [\"std\"]\n\
                 summary = \"For tests\"\nexternal = true\nworkloads = [\"hello\"]\n\
                 run = [{run}]\n{more}\n"
            )
        };
        let last = servers.len() - 1;
        let servers: String = servers.iter().enumerate().map(server).collect();
        let suites = format!(
            "[[load]]\nname = \"c2\"\nconnections = 2\n\
             [[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"s0\", \"s{last}\"]\n\
             [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nwindow_ms = 5\nmeasure_ms = 100\n\
             warmup_ms = 60\nblocks = 2\nverdicts = false\n\
             [[suite.cells]]\nmatchups = [\"pair\"]\nworkloads = [\"hello\"]\nloads = [\"c2\"]\n"
        );
        Self(Folder::with_definitions([
            ("servers.toml", &servers),
            ("workloads.toml", HELLO),
            ("suites.toml", &suites),
        ]))
    }

    fn edit(self, file: &str, from: &str, to: &str) -> Self {
        let path = self.0.path().join("bench").join(file);
        let text = fs::read_to_string(&path).expect("definitions");
        assert!(text.contains(from), "no {from} in {text}");
        fs::write(&path, text.replacen(from, to, 1)).expect("a file");
        self
    }

    /// Measures the suite: every block counts.
    #[track_caller]
    fn runs(&self) -> Outcome {
        self.runs_with(&mut self.0.command(&["run", "s"]))
    }

    /// The same, without control groups.
    #[track_caller]
    fn runs_without_groups(&self) -> Outcome {
        self.runs_with(self.0.command(&["run", "s"]).env("DUET_CGROUP", "none"))
    }

    #[track_caller]
    fn runs_with(&self, command: &mut Command) -> Outcome {
        let child = command.spawn().expect("the binary starts");
        let pid = child.id();
        let outcome = outcome(&child.wait_with_output().expect("it ends"));
        assert_eq!(groups_of(pid), [] as [PathBuf; 0]);
        // 4 where the machine is so busy that nothing can be said.
        assert!(matches!(outcome.code, Some(0 | 4)), "{}{}", outcome.out, outcome.err);
        let blocks = self.record();
        assert_eq!(
            blocks.iter().filter(|b| b.failure.is_none() && b.discarded.is_none()).count(),
            2
        );
        outcome
    }

    fn record(&self) -> Vec<BlockRecord> {
        record::read(&self.0.path().join("results/latest")).expect("a record").blocks
    }

    /// Starts a long run, and waits until it has measured a block.
    fn begin(self) -> (Self, Child) {
        let bench = self.edit("suites.toml", "blocks = 2", "blocks = 60");
        let child = bench.0.command(&["run", "s"]).spawn().expect("the binary starts");
        wait(|| {
            let text = record_text(&bench.0.path().join("results/latest"));
            text.contains("\"failure\":null,\"discarded\":null")
        });
        (bench, child)
    }

    /// Sums over blocks of what two arms took.
    fn sums(&self, of: impl Fn(&BlockRecord, usize, &ArmRecord) -> u64) -> [u64; 2] {
        let blocks = self.record();
        [0, 1].map(|arm| blocks.iter().map(|block| of(block, arm, &block.arms[arm])).sum())
    }
}

/// The control groups that a duet has made and that are still there.
fn groups_of(pid: u32) -> Vec<PathBuf> {
    let mark = format!("-{pid:010}-");
    let mut found = vec![PathBuf::from("/sys/fs/cgroup")];
    let mut next = 0;
    while next < found.len() {
        let entries = fs::read_dir(&found[next]).into_iter().flatten().flatten();
        found.extend(entries.filter(|e| e.path().is_dir()).map(|e| e.path()));
        next += 1;
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    found.retain(|path| name(path).starts_with("duet-") && name(path).contains(&mark));
    found
}

/// Whether control groups can be made here.
fn has_groups() -> bool {
    let has = cgroup::here().is_ok();
    if !has {
        eprintln!("skipped: no control groups can be made here");
    }
    has
}

/// A server that is the tests' own, with these options.
fn direct(options: &str) -> String {
    let options: String = options.split_whitespace().map(|word| format!(", \"{word}\"")).collect();
    format!("\"{SERVER}\", \"--addr\", \"{{addr}}\"{options}")
}

/// A server that a shell starts: `$0` is the address.
fn shell(script: &str) -> String {
    format!("\"sh\", \"-c\", '''{}''', \"{{addr}}\"", script.replace("SERVER", SERVER))
}

/// A server in the background of a shell, with a daemon in a session of its own beside it.
const FAMILY: &str = "setsid sleep 1000 & SERVER --addr $0 & wait";

#[test]
fn a_family_ends_with_the_run() {
    let bench = Bench::new(&[(&shell(FAMILY), "")]);
    bench.runs();
    bench.0.nothing_is_left();
    assert!(bench.record().iter().flat_map(|b| &b.arms).all(|arm| {
        arm.group.is_some_and(|memory| memory.anonymous_bytes > 0) == cgroup::here().is_ok()
    }));
    bench.runs_without_groups();
    bench.0.nothing_is_left();
    assert!(bench.record().iter().flat_map(|b| &b.arms).all(|arm| arm.group.is_none()));
}

#[test]
fn a_family_ends_with_a_harness_that_is_killed() {
    let (bench, mut child) = Bench::new(&[(&shell(FAMILY), "")]).begin();
    signal(&child, Signal::SIGKILL);
    child.wait().expect("it ends");
    bench.0.nothing_is_left();
    wait(|| groups_of(child.id()).is_empty());
}

/// Nobody is left to end the family then but the next duet, this test's or another's.
#[test]
fn a_family_whose_supervisor_was_killed_too_ends_with_the_next_run() {
    let (bench, mut child) = Bench::new(&[(&shell(FAMILY), "")]).begin();
    let named = |bench: &Bench, name: &str| -> Vec<i32> {
        let is = |pid: &i32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|found| found.trim() == name)
        };
        bench.0.processes().into_iter().filter(is).collect()
    };
    // Between two blocks there is no family.
    wait(|| {
        signal(&child, Signal::SIGSTOP);
        let there = !named(&bench, "sleep").is_empty();
        if !there {
            signal(&child, Signal::SIGCONT);
        }
        there
    });
    for pid in named(&bench, "supervisor") {
        let killed = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        killed.expect("it is there");
    }
    signal(&child, Signal::SIGKILL);
    child.wait().expect("it ends");
    // Another test's duet may have come first.
    let bench = bench.edit("suites.toml", "blocks = 60", "blocks = 2");
    bench.runs();
    bench.0.nothing_is_left();
    assert_eq!(groups_of(child.id()), [] as [PathBuf; 0]);
}

#[test]
fn a_family_ends_with_ctrl_c() {
    let (bench, child) = Bench::new(&[(&shell(FAMILY), "")]).begin();
    signal(&child, Signal::SIGINT);
    let pid = child.id();
    outcome(&child.wait_with_output().expect("it ends")).exits(130);
    bench.0.nothing_is_left();
    assert_eq!(groups_of(pid), [] as [PathBuf; 0]);
}

#[test]
fn a_start_script_that_ends_leaves_a_server() {
    let bench = Bench::new(&[(&shell("setsid SERVER --addr $0 & exit 0"), "")]);
    bench.runs();
    bench.0.nothing_is_left();
    let bench = Bench::new(&[(&shell("echo no port >&2; exit 3"), "")]);
    bench.0.duet(&["verify"]).exits(5).says("the server exited with 3");
}

#[test]
fn what_a_build_leaves_running_ends_with_it() {
    // The daemon holds both streams of the build.
    let build = "build = [\"sh\", \"-c\", \"setsid sleep 1000 & echo built\"]";
    let bench = Bench::new(&[(&direct(""), build)]);
    bench.0.duet(&["verify"]).exits(0);
    bench.0.nothing_is_left();
}

#[test]
fn children_are_measured_with_their_server() {
    let family = shell("SERVER --addr $0 & wait");
    let bench = Bench::new(&[(&direct(""), ""), (&family, "")]);
    bench.runs();
    let memory = bench.sums(|_, _, arm| arm.loaded.rss_bytes);
    assert!(memory[1] > memory[0], "{memory:?}");
    let peak = bench.sums(|_, _, arm| arm.rss_bytes_peak);
    assert!(peak[1] > peak[0], "{peak:?}");
    let threads = bench.sums(|_, _, arm| arm.threads.into());
    assert!(threads[1] > threads[0], "{threads:?}");
    let cpu = bench.sums(|block, arm, _| {
        let windows = block.windows.iter().filter(|window| window.arm as usize == arm);
        windows.map(|window| window.server_cpu_ns[arm] * 1000 / window.requests.max(1)).sum()
    });
    // The shell sleeps: all of it is the child's, and about as much as without a shell.
    assert!(cpu[1] > cpu[0] / 4, "{cpu:?}");
}

/// A build with a daemon that holds both of its streams.
const LONG_BUILD: &str =
    "build = [\"sh\", \"-c\", \"setsid sleep 1000 & touch building; sleep 1000\"]";

#[test]
fn a_build_ends_with_its_harness() {
    for (with, code) in [(Signal::SIGINT, Some(130)), (Signal::SIGKILL, None)] {
        let bench = Bench::new(&[(&direct(""), LONG_BUILD)]);
        let child = bench.0.command(&["run", "s"]).spawn().expect("the binary starts");
        wait(|| bench.0.path().join("building").exists());
        signal(&child, with);
        assert_eq!(outcome(&child.wait_with_output().expect("it ends")).code, code);
        bench.0.nothing_is_left();
    }
}

/// Where SIGCHLD is ignored, the kernel forgets what ended children took.
const FORGETFUL: &str = "import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        while time.process_time() < 0.2:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
";

#[test]
fn cpu_time_that_nobody_waited_for_is_unknown() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: python3 is not installed");
        return;
    }
    let family = shell("python3 forgetful.py & exec SERVER --addr $0");
    let bench = Bench::new(&[(&direct(""), ""), (&family, "")]).edit(
        "suites.toml",
        "measure_ms = 100",
        "measure_ms = 2000",
    );
    fs::write(bench.0.path().join("forgetful.py"), FORGETFUL).expect("a file");
    bench.runs_without_groups().says("the CPU time of s1 is unknown").says("wait for them");
    assert_eq!(bench.sums(|_, _, arm| arm.cpu_lost.into()), [0, 2]);
    bench.0.nothing_is_left();
    if !has_groups() {
        return;
    }
    // A control group knows it: the children are at work all of the time, and the server is not.
    let bench = bench.edit("suites.toml", "measure_ms = 2000", "measure_ms = 200");
    bench.runs();
    assert_eq!(bench.sums(|_, _, arm| arm.cpu_lost.into()), [0, 0]);
    let cpu = bench.sums(|block, arm, _| {
        let windows = block.windows.iter().filter(|window| window.arm as usize == arm);
        windows.map(|window| window.server_cpu_ns[arm] * 1000 / window.elapsed_ns.max(1)).sum()
    });
    assert!(cpu[1] > 0, "{cpu:?}");
    bench.0.nothing_is_left();
}

#[test]
fn a_server_that_starts_slowly() {
    let slow = shell("sleep 1.2; exec SERVER --addr $0");
    let bench = Bench::new(&[(&slow, "start_limit_s = 1")]);
    bench.0.duet(&["verify"]).exits(5).says("within 1 s").says("start_limit_s");
    let bench = Bench::new(&[(&slow, "start_limit_s = 60")]);
    bench.0.duet(&["verify"]).exits(0);
}

#[test]
fn a_server_that_is_not_ready_at_once() {
    let bench = Bench::new(&[(&direct("--fault starting --after 40"), "")]);
    bench.0.duet(&["verify"]).exits(0);
    bench.runs();
    let never = direct("--fault starting --after 1000000");
    let bench = Bench::new(&[(&never, "start_limit_s = 1")]);
    bench.0.duet(&["verify"]).exits(5).says("not ready within 1 s").says("503");
    // One that is gone is not waited for.
    let bench = Bench::new(&[(&direct("--fault crash"), "start_limit_s = 600")]);
    bench.0.duet(&["verify"]).exits(5).says("was killed by SIGABRT");
}

#[test]
fn a_server_at_the_other_loopback_address() {
    let bench = Bench::new(&[(&direct("").replace("{addr}", "[::1]:{port}"), "")]);
    bench.0.duet(&["verify"]).exits(0);
    bench.runs();
}

#[test]
fn a_server_that_reads_its_environment() {
    let script = format!("exec {SERVER} --addr 127.0.0.1:$PORT");
    let run = format!("\"sh\", \"-c\", \"{script}\"");
    let bench = Bench::new(&[(&run, "env = { PORT = \"{port}\" }")]);
    bench.0.duet(&["verify"]).exits(0);
}

#[test]
fn a_server_that_must_be_named() {
    let bench = Bench::new(&[(&direct("--fault named-host"), "")]);
    bench.0.duet(&["verify"]).exits(5).says("got 404");
    let named = "headers = { Host = \"example.org\" }\npath";
    let bench = bench.edit("workloads.toml", "path", named);
    bench.0.duet(&["verify"]).exits(0);
    bench.runs();
}

#[test]
fn a_server_that_prints_megabytes() {
    let much = "head -c 20000000 /dev/zero";
    let bench = Bench::new(&[(&shell(&format!("{much}; {much} >&2; exec SERVER --addr $0")), "")]);
    bench.runs();
}

#[test]
fn what_listens_outside_of_a_family_is_named() {
    // As where a container is started: who listens is nobody's child here.
    let bench = Bench::new(&[(&shell("echo $0 > wanted; exec sleep 1000"), "")]);
    let wanted = bench.0.path().join("wanted");
    nix::unistd::mkfifo(&wanted, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let script = format!("read addr < wanted; exec {SERVER} --addr $addr");
    let mut other = bench.0.program("sh", &["-c", &script]).spawn().expect("there is a shell");
    bench.0.duet(&["verify"]).exits(5).says("something still listens at 127.0.0.1:");
    other.kill().expect("it is there");
    other.wait().expect("it ends");
    bench.0.nothing_is_left();
}

#[test]
fn responses_that_wait_for_delayed_acknowledgements() {
    let bench = Bench::new(&[(&direct(""), ""), (&direct("--fault two-writes"), "")]);
    bench.runs().says("half of the responses of s1").says("TCP_NODELAY");
}

#[test]
fn a_loopback_interface_that_is_down() {
    let unshare = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net"]).args(words);
        command
    };
    if !unshare(&["true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: there are no namespaces here");
        return;
    }
    let bench = Bench::new(&[(&direct(""), "")]);
    let mut command = unshare(&[DUET, "verify"]);
    let output = command.current_dir(bench.0.path()).output().expect("it ends");
    outcome(&output).exits(5).says("the loopback interface is down");
    let mut command = unshare(&[DUET, "run", "s"]);
    let output = command.current_dir(bench.0.path()).output().expect("it ends");
    outcome(&output).exits(4).says("the loopback interface is down");
}
