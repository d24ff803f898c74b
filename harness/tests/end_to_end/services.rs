//! Services: databases and upstream servers that the harness starts, fills, counts and stops, and
//! servers that do not do with them what they say.
//!
//! Where there is no PostgreSQL, tests that need one say so and pass; `make postgres` fetches one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::binary::{Folder, Outcome, outcome, record_text, signal, wait};
use duet_model::record::{self, BlockRecord, ServiceCounts, Stage};

const BACKEND: &str = env!("CARGO_BIN_EXE_backend-server");

const SERVICES: &str = r#"
[[service]]
name = "db"
kind = "postgres"
listen = "unix"
seed = "seed.sql"
rows = { lines = "lines.txt" }
[[service]]
name = "db-tcp"
kind = "postgres"
listen = "tcp"
seed = "seed.sql"
[[service]]
name = "calls"
kind = "upstream"
"#;

const SEED: &str = "
CREATE TABLE numbers (id int PRIMARY KEY, number int NOT NULL, written int NOT NULL DEFAULT 0);
INSERT INTO numbers SELECT id, id * 3 FROM generate_series(1, 100) AS id;
CREATE TABLE lines (id int PRIMARY KEY, line text NOT NULL);
";

const WORKLOADS: &str = r#"
[[workload]]
name = "read"
question = "One row?"
services = ["db"]
path = "/row/7"
expect = { status = 200, body = '{"id":7,"number":21}' }
database = { transactions = 1, rows_read = 1 }
[[workload]]
name = "read-tcp"
question = "One row over TCP?"
services = ["db-tcp"]
path = "/row/8"
expect = { status = 200, body = '{"id":8,"number":24}' }
database = { transactions = 1, rows_read = 1 }
[[workload]]
name = "write"
question = "One update?"
services = ["db"]
method = "POST"
path = "/row/7"
expect = { status = 200, body = '{"id":7,"number":21}' }
[workload.database]
transactions = 2
rows_written = 1
invalid = "SELECT id, written FROM numbers WHERE written NOT IN (0, number + 1)"
[[workload]]
name = "call"
question = "Three calls?"
services = ["calls"]
path = "/calls"
upstream_calls = 3
least_ms = 5
expect = { status = 200, body = '{"sum":3668339987}' }
[[workload]]
name = "echo"
question = "A body?"
method = "POST"
path = "/echo"
body_generated = { bytes = 200_000, seed = 3 }
expect = { status = 200, body_generated = { bytes = 200_000, seed = 3 } }
[workload.large]
method = "POST"
path = "/echo"
body_generated = { bytes = 20_000_000, seed = 4 }
expect = { status = 200, body_generated = { bytes = 20_000_000, seed = 4 } }
rss_growth_mib = 10
[[workload]]
name = "packed"
question = "Compressed?"
options = ["pack"]
path = "/packed"
headers = { Accept-Encoding = "gzip" }
expect = { status = 200, gzip = true, body = "NUMBERS" }
"#;

/// Definitions in which `good` meets servers with faults: each with its name, which is the fault,
/// and the workloads of its cells.
fn bench(faulty: &[(&str, &str)], measure_ms: u32) -> Folder {
    let server = |name: &str| {
        format!(
            "[[server]]\nname = \"{name}\"\nlanguage = \"Rust\"\nlanes = [\"std\"]\n\
             summary = \"For tests\"\npool = 6\n\
             run = [\"{BACKEND}\", \"--addr\", \"{{addr}}\", \"--fault\", \
             \"{name}\"]\nversion = [\"{BACKEND}\", \"--version\"]\n\
             workloads = [\"read\", \"read-tcp\", \"write\", \"call\", \"echo\", \"packed\"]\n\
             [server.services]\n\
             db = {{ args = [\"--database\", \"{{service.db}}\"] }}\n\
             db-tcp = {{ args = [\"--database\", \"{{service.db-tcp}}\"] }}\n\
             calls = {{ args = [\"--upstream\", \"{{service.calls}}\"] }}\n\
             [server.options]\npack = {{ args = [\"--packed\", \"9\"] }}\n"
        )
    };
    let names = faulty.iter().map(|(name, _)| *name).filter(|name| *name != "good");
    let servers: String = ["good"].into_iter().chain(names).map(server).collect();
    let mut suites = format!(
        "[[load]]\nname = \"c4\"\nconnections = 4\n[[suite]]\nname = \"s\"\n\
         summary = \"For tests\"\nwindow_ms = 5\nmeasure_ms = {measure_ms}\nwarmup_ms = 60\n\
         blocks = 1\nverdicts = false\n"
    );
    for (name, workloads) in faulty {
        let words: Vec<String> = workloads.split(' ').map(|w| format!("\"{w}\"")).collect();
        suites.push_str(&format!(
            "[[suite.cells]]\nmatchups = [\"of-{name}\"]\nworkloads = [{}]\nloads = [\"c4\"]\n",
            words.join(", ")
        ));
    }
    for (name, _) in faulty {
        suites.push_str(&format!(
            "[[matchup]]\nname = \"of-{name}\"\nlane = \"std\"\narms = [\"good\", \"{name}\"]\n"
        ));
    }
    let numbers: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let workloads = WORKLOADS.replace("NUMBERS", &numbers.join(" "));
    let folder = Folder::with_definitions([
        ("servers.toml", &servers),
        ("workloads.toml", &workloads),
        ("suites.toml", &suites),
    ]);
    let bench = folder.path().join("bench");
    for (name, text) in
        [("services.toml", SERVICES), ("seed.sql", SEED), ("lines.txt", "it's one\nanother\n")]
    {
        fs::write(bench.join(name), text).expect("a file");
    }
    // PostgreSQL runs as another user where the tests run as root.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).expect("our own folder");
    folder
}

/// Whether there is a PostgreSQL; else says so.
fn has_postgres() -> bool {
    let folder = bench(&[("good", "read")], 100);
    let there = !folder.duet(&["doctor"]).out.contains("there is no PostgreSQL");
    if !there {
        eprintln!("not tested: there is no PostgreSQL here; `make postgres` fetches one");
    }
    there
}

fn blocks(folder: &Folder) -> Vec<BlockRecord> {
    record::read(&folder.path().join("results/latest")).expect("a record").blocks
}

/// What the services counted of both arms of a workload.
fn counts(folder: &Folder, workload: &str) -> Vec<ServiceCounts> {
    let blocks = blocks(folder);
    let block = blocks.iter().find(|b| b.cell.workload == workload).expect("it was measured");
    assert_eq!(block.failure, None, "{workload}");
    let [service] = &block.services[..] else { panic!("{:?}", block.services) };
    assert!(service.cpu_ns > 0 && service.memory.rss_bytes > 0, "{service:?}");
    service.arms.clone()
}

#[test]
fn work_in_services_is_counted() {
    if !has_postgres() {
        return;
    }
    let folder = bench(&[("good", "read read-tcp write call")], 60);
    let outcome = folder.duet(&["run", "s"]);
    assert!(matches!(outcome.code, Some(0 | 4)), "{}{}", outcome.out, outcome.err);
    let report = fs::read_to_string(folder.path().join("results/latest/report.md"));
    let report = report.expect("a report");
    assert!(report.contains("fsync=off") && report.contains("db: postgres (PostgreSQL)"));
    for arm in counts(&folder, "read").into_iter().chain(counts(&folder, "read-tcp")) {
        assert!(arm.transactions >= Some(arm.ok) && arm.rows_read >= Some(arm.ok), "{arm:?}");
        assert_eq!(arm.rows_written, Some(0), "{arm:?}");
        // One for each connection of the load, and perhaps those of verifying and timing alone.
        assert!((Some(4)..=Some(6)).contains(&arm.connections), "{arm:?}");
    }
    for arm in counts(&folder, "write") {
        assert_eq!(arm.rows_written, Some(arm.sent), "{arm:?}");
    }
    for arm in counts(&folder, "call") {
        // On a busy machine a verified response is timed again.
        let calls = arm.calls.expect("they are counted");
        assert!(calls >= 3 * arm.sent && calls % 3 == 0, "{arm:?}");
    }
    folder.nothing_is_left();
}

#[test]
fn other_work_than_responses_need_is_a_failure() {
    if !has_postgres() {
        return;
    }
    let cases = [
        ("cache", "read", "caches, batches or skips work"),
        ("skip-write", "write", "caches, batches or skips work"),
        ("wrong-write", "write", "1 rows of its database are none that these requests leave"),
        ("twice", "read", "the server does other work than the workload says"),
        ("made-up", "call", "calls, and there were 0"),
        ("double", "read", "its table says at most 6 (`pool` in servers.toml)"),
    ];
    let faulty = cases.map(|(fault, workload, _)| (fault, workload));
    // So many requests that what is to spare does not hide a second transaction.
    let folder = bench(&faulty, 200);
    folder.duet(&["run", "s"]).exits(5);
    let blocks = blocks(&folder);
    for (fault, _, want) in cases {
        let block = blocks.iter().find(|b| b.cell.matchup == format!("of-{fault}"));
        let failure = block.and_then(|block| block.failure.as_ref()).expect(fault);
        assert_eq!((failure.stage, failure.server.as_deref()), (Stage::Work, Some(fault)));
        assert!(failure.error.contains(want), "{fault}: {}", failure.error);
    }
    folder.nothing_is_left();
}

#[test]
fn wrong_rows_a_full_pool_and_calls_in_turn_are_no_valid_responses() {
    if !has_postgres() {
        return;
    }
    let folder = bench(&[("wrong-row", "read"), ("greedy", "read"), ("sequential", "call")], 60);
    let outcome = folder.duet(&["verify"]);
    outcome.exits(5).says("good: 6 valid responses").says("failed wrong-row: wrong answer");
    outcome.says("failed greedy").says("500").says("too many clients already");
    outcome.says("failed sequential").says("calls that are made one after the other (15.0 ms)");
    folder.nothing_is_left();
}

/// Begins a run of one cell that takes long, and waits until its load is driven.
fn driven(workload: &str, is_driven: impl Fn(&Folder) -> bool) -> (Folder, Child) {
    let folder = bench(&[("good", workload)], 60_000);
    let child = folder.command(&["run", "s"]).spawn().expect("the binary starts");
    wait(|| is_driven(&folder));
    (folder, child)
}

/// Processes of a test whose command line contains a text.
fn processes(folder: &Folder, text: &str) -> Vec<i32> {
    let line = |pid: &i32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let has = |pid: &i32| String::from_utf8_lossy(&line(pid)).replace('\0', " ").contains(text);
    folder.processes().into_iter().filter(has).collect()
}

/// Connections of the load to the first arm's database. One comes with each of its own.
fn backends(folder: &Folder) -> bool {
    // Titles of PostgreSQL's processes take the place of their environment, too: whose they are is
    // known by their parent.
    let output = Command::new("ps").args(["-e", "-o", "ppid,args"]).output().expect("ps is there");
    let data = processes(folder, "-D ");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let own = |line: &&str| {
        let parent = line.split_whitespace().next().and_then(|pid| pid.parse().ok());
        line.contains("duet arm0 ") && parent.is_some_and(|parent| data.contains(&parent))
    };
    text.lines().filter(own).count() >= 4
}

fn ended(child: Child) -> Outcome {
    outcome(&child.wait_with_output().expect("it ends"))
}

#[test]
fn a_database_that_dies_is_a_failure_of_its_block() {
    if !has_postgres() {
        return;
    }
    let (folder, child) = driven("read", backends);
    let postmaster = processes(&folder, "bin/postgres -D");
    let server = postmaster.into_iter().find(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "postgres")
    });
    kill(Pid::from_raw(server.expect("it runs")), Signal::SIGQUIT).expect("ours");
    ended(child).exits(5).says("the service db ended: it exited with");
    let [block] = &blocks(&folder)[..] else { panic!("one block") };
    assert_eq!(block.failure.as_ref().map(|failure| failure.stage), Some(Stage::Drive));
    folder.nothing_is_left();
}

#[test]
fn nothing_is_left_of_services_after_a_signal() {
    if !has_postgres() {
        return;
    }
    let (folder, child) = driven("read", backends);
    signal(&child, Signal::SIGINT);
    ended(child).exits(130);
    folder.nothing_is_left();

    let (folder, child) = driven("read", backends);
    signal(&child, Signal::SIGKILL);
    assert_eq!(ended(child).code, None);
    wait(|| folder.processes().is_empty());
    // The databases go with their supervisors, and what nobody supervises with the next run.
    let has_data = |left: &PathBuf| left.join("data").exists();
    wait(|| !folder.temporary_folders().iter().any(has_data));
    folder.duet(&["verify"]).exits(0);
    folder.nothing_is_left();
}

/// Connections of the load to an upstream service: three for each of four.
fn calling(folder: &Folder) -> bool {
    let all = upstreams(folder);
    let sockets = |pid: &i32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    };
    all.len() >= 2 && all.iter().any(|pid| sockets(pid) > 12)
}

/// The upstream services, without what supervises them.
fn upstreams(folder: &Folder) -> Vec<i32> {
    processes(folder, "duet upstream --addr")
}

#[test]
fn an_upstream_service_that_hangs_or_dies_is_a_failure() {
    for (how, said) in [(Signal::SIGSTOP, ""), (Signal::SIGKILL, "the service calls ended: it")] {
        let (folder, child) = driven("call", calling);
        for pid in upstreams(&folder) {
            kill(Pid::from_raw(pid), how).expect("ours");
        }
        ended(child).exits(5);
        let [block] = &blocks(&folder)[..] else { panic!("one block") };
        let failure = block.failure.as_ref().expect("it failed");
        assert!(failure.error.contains(said), "{how}: {}", failure.error);
        folder.nothing_is_left();
    }
}

#[test]
fn connections_to_an_upstream_service_that_are_not_kept_are_told() {
    let folder = bench(&[("reconnect", "call")], 60);
    let outcome = folder.duet(&["run", "s"]);
    assert!(matches!(outcome.code, Some(0 | 4)), "{}{}", outcome.out, outcome.err);
    let arms = counts(&folder, "call");
    // Four of the load, those that verified, and the one that was tried first.
    assert!(arms[0].accepts < arms[0].calls.map(|calls| calls / 4), "{arms:?}");
    assert_eq!(arms[1].accepts, arms[1].calls, "{arms:?}");
    let report = fs::read_to_string(folder.path().join("results/latest/report.md"));
    let said = "connections to the upstream service were not kept: reconnect opened";
    assert!(report.expect("a report").contains(said));
    folder.nothing_is_left();
}

#[test]
fn without_a_database_other_cells_are_measured() {
    let folder = bench(&[("good", "read call")], 60);
    let outcome = folder.duet(&["run", "s", "--postgres", "none"]);
    assert!(matches!(outcome.code, Some(0 | 4)), "{}{}", outcome.out, outcome.err);
    outcome.says("the cells that need it are left out").says("make postgres");
    let measured: Vec<String> = blocks(&folder).into_iter().map(|b| b.cell.workload).collect();
    assert_eq!(measured, ["call"]);
    let outcome = folder.duet(&["verify", "--postgres", "none"]);
    outcome.exits(0).says("left out workloads that need db:").says("good: 3 valid responses");
    folder.duet(&["run", "s", "--only", "read", "--postgres", "none"]).exits(4).says("no cell");
    let wrong = folder.duet(&["run", "s", "--postgres", "/nowhere"]);
    wrong.exits(2).says("there is no initdb and no postgres in /nowhere");
    folder.nothing_is_left();
}

#[test]
fn the_upstream_server_counts() {
    let folder = Folder::empty();
    let mut command = folder.command(&["upstream"]);
    let mut child = command.spawn().expect("the binary starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("text");
    let addr = line.trim().strip_prefix("listening ").expect("its address").to_owned();
    let get = |target: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&addr).expect("it listens");
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("a socket");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("text");
        text
    };
    assert!(get("/nonce?seed=1&i=0&ms=1").ends_with("\r\n\r\n{\"nonce\":683129967}"));
    assert!(get("/counts").ends_with("{\"calls\":1,\"accepts\":1}"));
    assert_eq!(get("/nothing"), "");
    signal(&child, Signal::SIGTERM);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn long_bodies_are_streamed() {
    let folder = bench(&[("good", "echo"), ("collect", "echo"), ("hoard", "echo")], 60);
    let outcome = folder.duet(&["verify", "--postgres", "none"]);
    outcome.exits(5).says("good: 3 valid responses");
    outcome
        .says("failed collect: POST /echo (echo, large)")
        .says("must begin before the request's ends");
    outcome.says("failed hoard: POST /echo (echo, large): its memory grew by 1");
    let outcome = folder.duet(&["run", "s", "--only", "of-good", "--postgres", "none"]);
    assert!(matches!(outcome.code, Some(0 | 4)), "{}{}", outcome.out, outcome.err);
    let [block] = &blocks(&folder)[..] else { panic!("one block") };
    assert_eq!(block.failure, None);
    assert!(block.windows.iter().all(|window| window.received_bytes >= 200_000 * window.requests));
    // Bodies are made when they are needed: no record holds them.
    let record = record_text(&folder.path().join("results/latest"));
    assert!(record.len() < 200_000, "{}", record.len());
    folder.nothing_is_left();
}

#[test]
fn compressed_responses_inflate_to_the_body() {
    let folder = bench(&[("good", "packed"), ("loose", "packed"), ("unasked", "packed")], 60);
    let outcome = folder.duet(&["verify", "--postgres", "none"]);
    outcome.exits(5).says("good: 3 valid responses").says("ok loose");
    outcome.says("failed unasked: GET /packed with Accept-Encoding: nothing (packed)");
    outcome.says("a Content-Encoding that was not asked for");
    let outcome = folder.duet(&["run", "s", "--only", "of-loose", "--postgres", "none"]);
    assert!(matches!(outcome.code, Some(0 | 4)), "{}{}", outcome.out, outcome.err);
    let [block] = &blocks(&folder)[..] else { panic!("one block") };
    assert_eq!(block.failure, None);
    let [good, loose] = &block.arms[..] else { panic!("two arms") };
    let (a, b) = (good.wire.body_bytes, loose.wire.body_bytes);
    assert!(a.abs_diff(b) * 20 > a.max(b), "{a}, {b}");
    let report = fs::read_to_string(folder.path().join("results/latest/report.md"));
    assert!(report.expect("a report").contains("compressed responses of good have"));
    folder.nothing_is_left();
}
