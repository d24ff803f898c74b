//! `duet run` over TLS, HTTP/2 and Unix sockets: the real binary against servers that speak them.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::binary::{DUET, Folder, SERVER, outcome, record_text, signal, wait};
use duet_model::record::BlockRecord;
use duet_protocol::{Handshakes, Negotiated};

/// What the faulty server is started with for TLS.
const TLS: &str = r#"tls_args = ["--tls-cert", "{tls_cert}", "--tls-key", "{tls_key}"]"#;

/// A folder of definitions with two servers.
struct Bench(Folder);

impl Bench {
    /// `servers`: `run` and more of each. `loads`: names and keys. `suite`: keys of the suite.
    fn new(servers: [&str; 2], workload: &str, loads: &[(&str, &str)], suite: &str) -> Self {
        let server = |(name, keys): (&str, &str)| {
            format!(
                "[[server]]\nname = \"{name}\"\nlanguage = \"Rust\"\nlanes = [\"std\"]\n\
                 summary = \"For tests\"\nversion = [\"{SERVER}\", \"--version\"]\n\
                 workloads = [\"hello\"]\n{keys}\n"
            )
        };
        let servers: String = ["one", "other"].into_iter().zip(servers).map(server).collect();
        let workloads = format!(
            "[[workload]]\nname = \"hello\"\nquestion = \"Does it work?\"\n{workload}\n\
             [workload.expect]\nstatus = 200\ncontent_type = \"application/json\"\n\
             body = '{{\"message\":\"hello world\"}}'\n"
        );
        let load = |(name, keys): &(&str, &str)| format!("[[load]]\nname = \"{name}\"\n{keys}\n");
        let names: Vec<String> = loads.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let suites = format!(
            "{}[[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"one\", \"other\"]\n\
             [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nverdicts = false\nwindow_ms = 5\n\
             measure_ms = 100\nwarmup_ms = 60\n{suite}\n\
             [[suite.cells]]\nmatchups = [\"pair\"]\nworkloads = [\"hello\"]\nloads = [{}]\n",
            loads.iter().map(load).collect::<String>(),
            names.join(", ")
        );
        let folder = Folder::with_definitions([
            ("servers.toml", &servers),
            ("workloads.toml", &workloads),
            ("suites.toml", &suites),
        ]);
        Self(folder)
    }

    fn latest(&self, name: &str) -> PathBuf {
        self.path().join("results/latest").join(name)
    }

    fn blocks(&self) -> Vec<BlockRecord> {
        duet_model::record::read(&self.path().join("results/latest")).expect("a record").blocks
    }
}

impl Deref for Bench {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

/// The faulty server, which speaks HTTP/1.1 with TLS and without.
fn faulty(fault: &str, keys: &str) -> String {
    format!("run = [\"{SERVER}\", \"--addr\", \"{{addr}}\", \"--fault\", \"{fault}\"]\n{keys}")
}

/// What TLS agreed on in a block, by arm.
fn negotiated(block: &BlockRecord) -> Vec<Option<&Negotiated>> {
    assert_eq!(block.failure, None);
    block.arms.iter().map(|arm| arm.negotiated.as_ref()).collect()
}

/// Builds rust-axum and go-nethttp, and says how each is started.
fn idiomatic(folder: &Path) -> [String; 2] {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = Path::new(DUET).parent().and_then(Path::parent).expect("target/debug/duet");
    // What cargo tells a test of its own package would have build scripts run again, and all that
    // stands on them compiled anew: `duet` too, which other tests are running.
    let of_package = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|own| name.starts_with(own))
    };
    let run = |program: &str, words: &[&str]| {
        let mut command = std::process::Command::new(program);
        command.args(words).current_dir(&project);
        for (name, _) in std::env::vars().filter(|(name, _)| of_package(name)) {
            command.env_remove(name);
        }
        let status = command.status().expect("it is on the PATH");
        assert!(status.success(), "{program} {words:?}");
    };
    let target = target.to_str().expect("a path in UTF-8");
    // As the tests of the whole workspace are built, so that it is there already.
    let rust = ["test", "--no-run", "--locked", "--workspace", "--target-dir", target];
    run("cargo", &rust);
    let go = folder.join("go-nethttp");
    let go = go.to_str().expect("a path in UTF-8");
    run("go", &["-C", "go-server", "build", "-o", go, "./cmd/go-nethttp"]);
    [&format!("{target}/debug/rust-axum"), go].map(|path| {
        format!(
            "run = [\"{path}\", \"--addr\", \"{{addr}}\", \"--threads\", \"{{threads}}\"]\n\
             h2c_args = [\"--h2c\"]\n{TLS}"
        )
    })
}

#[test]
fn the_idiomatic_servers_over_every_transport() {
    let programs = tempfile::tempdir().expect("a temporary folder");
    let [rust, go] = &idiomatic(programs.path());
    let loads = [
        ("plain", "connections = 4"),
        ("tls", "connections = 4\ntransport = \"https\""),
        ("cleartext", "connections = 2\ntransport = \"h2c\"\nstreams = 4"),
        ("both", "connections = 2\ntransport = \"h2\"\nstreams = 4"),
        ("open", "connections = 4\ntransport = \"h2\"\nrate = 500"),
    ];
    let bench = Bench::new([rust, go], "path = \"/hello\"", &loads, "blocks = 1");
    bench
        .duet(&["verify"])
        .exits(0)
        .says("one: 4 valid responses")
        .says("other: 4 valid responses");
    bench.duet(&["run", "s"]).exits(0);
    let blocks = bench.blocks();
    assert_eq!(blocks.len(), loads.len());
    for block in &blocks {
        let alpn = match block.cell.load.as_str() {
            "tls" => Some("http/1.1"),
            "both" | "open" => Some("h2"),
            _ => None,
        };
        let want = alpn.map(|alpn| Negotiated {
            version: Some("TLSv1.3".to_owned()),
            group: Some("X25519".to_owned()),
            cipher: Some("TLS_AES_128_GCM_SHA256".to_owned()),
            alpn: Some(alpn.to_owned()),
        });
        assert_eq!(negotiated(block), [want.as_ref(), want.as_ref()], "{}", block.cell);
        assert!(block.windows.iter().all(|window| window.errors.is_empty()), "{}", block.cell);
    }
    let report = fs::read_to_string(bench.latest("report.md")).expect("a report");
    for said in [
        "4 connections",
        "4 HTTPS connections",
        "2 cleartext HTTP/2 connections × 4 streams",
        "2 HTTP/2 connections × 4 streams",
        "4 HTTP/2 connections, 500 requests/s",
    ] {
        assert!(report.contains(said), "no `{said}` in\n{report}");
    }
    bench.nothing_is_left();
}

#[test]
fn servers_on_unix_sockets() {
    let run = format!("run = [\"{SERVER}\", \"--addr\", \"unix:{{socket}}\"]");
    let external = format!("{run}\nexternal = true");
    let loads = [("c2", "connections = 2")];
    let bench = Bench::new([&run, &external], "path = \"/\"", &loads, "blocks = 1");
    bench.duet(&["verify"]).exits(0);
    bench.duet(&["run", "s"]).exits(0);
    assert!(bench.blocks().iter().all(|block| block.failure.is_none()));
    bench.nothing_is_left();
}

#[test]
fn idle_connections() {
    let server = faulty("", TLS);
    let loads = [
        ("idle", "connections = 2\nidle = 100"),
        ("tls", "connections = 2\nidle = 15\ntransport = \"https\""),
    ];
    let bench = Bench::new([&server, &server], "path = \"/\"", &loads, "blocks = 1");
    // Both sides may have more files than they are given at first.
    let script = format!("ulimit -Sn 64; exec {DUET} run s");
    outcome(&bench.program("sh", &["-c", &script]).output().expect("it ends")).exits(0);
    for block in &bench.blocks() {
        assert_eq!(block.failure, None);
        let want = if block.cell.load == "idle" { [10, 100] } else { [2, 15] };
        for arm in &block.arms {
            let open: Vec<u32> = arm.idle_connections.iter().map(|i| i.connections).collect();
            assert_eq!(open, want, "{}", block.cell);
        }
    }
    let report = fs::read_to_string(bench.latest("report.md")).expect("a report");
    assert!(report.contains("2 connections beside 100 idle ones"), "{report}");
    // A thread for each connection takes memory: that of its stack.
    assert!(report.contains("memory per idle connection"), "{report}");
    bench.nothing_is_left();
}

/// Each of its requests waits, and nearly every connection has one that does.
#[test]
fn many_connections_whose_requests_wait() {
    let server = faulty("", "").replace("\"--fault\"", "\"--delay-us\", \"40000\", \"--fault\"");
    let loads = [("open", "connections = 100\nrate = 2000")];
    let workload = "path = \"/\"\nleast_ms = 40";
    let bench = Bench::new([&server, &server], workload, &loads, "blocks = 1");
    let script = format!("ulimit -Sn 64; exec {DUET} run s");
    outcome(&bench.program("sh", &["-c", &script]).output().expect("it ends")).exits(0);
    let [block] = &bench.blocks()[..] else { panic!("one block") };
    assert_eq!(block.failure, None);
    // The wait and the suite's own lead-in, so that responses come as requests are sent.
    let led = |window: &duet_protocol::WindowResult| window.lead_ns >= 40_000_000;
    assert!(block.windows.iter().all(led), "{:?}", block.windows);
    bench.nothing_is_left();
}

/// A cell with more connections than the machine allows files is left out; alone it is refused.
#[test]
fn more_connections_than_there_may_be_files() {
    let server = faulty("", "");
    let all = [("few", "connections = 2"), ("many", "connections = 300")];
    for (loads, code, says) in [
        (&all[..], 0, "the cells with so many connections are left out"),
        (&all[1..], 4, "open files: at most 400, 664 needed"),
    ] {
        let bench = Bench::new([&server, &server], "path = \"/\"", loads, "blocks = 1");
        let script = format!("ulimit -n 400; exec {DUET} run s");
        let said = outcome(&bench.program("sh", &["-c", &script]).output().expect("it ends"));
        said.exits(code).says(says);
        bench.nothing_is_left();
    }
}

#[test]
fn a_server_that_responds_before_the_wait_is_over() {
    let with = |fault: &str| {
        let delay = "\"--after\", \"30\", \"--delay-us\", \"40000\", \"--fault\"";
        faulty(fault, "").replace("\"--fault\"", delay)
    };
    let loads = [("closed", "connections = 10")];
    let workload = "path = \"/\"\nleast_ms = 40";
    let bench = Bench::new([&with(""), &with("hasty")], workload, &loads, "blocks = 1");
    let said = bench.duet(&["run", "s"]);
    said.exits(5).says("no valid one takes less than 40 ms").says("the server does not wait");
    let [block] = &bench.blocks()[..] else { panic!("one block") };
    let failure = block.failure.as_ref().expect("it failed");
    assert_eq!(failure.server.as_deref(), Some("other"));
    bench.nothing_is_left();
}

#[test]
fn a_rate_at_which_more_requests_wait_than_there_are_connections() {
    let server = faulty("", "");
    let loads = [("open", "connections = 100\nrate = 2600")];
    let workload = "path = \"/\"\nleast_ms = 40";
    let bench = Bench::new([&server, &server], workload, &loads, "blocks = 1");
    let says = "of workload `hello` 104 requests wait at once at 2600 a second (`least_ms`), and \
                load `open` has room for 100 lower `rate` or raise `connections` in line 1";
    bench.duet(&["run", "s"]).exits(2).says(says);
}

#[test]
fn a_server_that_closes_idle_connections() {
    let (one, other) = (faulty("", ""), faulty("closes-idle", ""));
    let loads = [("idle", "connections = 2\nidle = 10")];
    let bench = Bench::new([&one, &other], "path = \"/\"", &loads, "blocks = 1");
    let said = bench.duet(&["run", "s"]);
    said.exits(5).says("idle connection 1, used again").says("closed the connection");
    let [block] = &bench.blocks()[..] else { panic!("one block") };
    let failure = block.failure.as_ref().expect("it failed");
    assert_eq!(failure.server.as_deref(), Some("other"));
    bench.nothing_is_left();
}

#[test]
fn a_server_that_does_not_speak_tls() {
    let (one, other) = (faulty("", ""), faulty("", TLS));
    let loads = [("tls", "connections = 2\ntransport = \"https\"")];
    let bench = Bench::new([&one, &other], "path = \"/\"", &loads, "blocks = 1");
    let says = "bench/suites.toml:20: suite s: load `tls` is https, and server `one` has no \
                `tls_args` add `tls_args` to servers.toml:1, the arguments";
    bench.duet(&["run", "s"]).exits(2).says(says);
}

#[test]
fn no_ratio_where_servers_agree_on_different_tls() {
    let (one, other) = (faulty("", TLS), faulty("tls-1.2", TLS));
    let loads = [("tls", "connections = 2\ntransport = \"https\"")];
    let bench = Bench::new([&one, &other], "path = \"/\"", &loads, "blocks = 2");
    bench.duet(&["run", "s"]).exits(0).says("no ratio").says("agreed on different TLS");
    let blocks = bench.blocks();
    let versions: Vec<Option<&str>> =
        negotiated(&blocks[0]).iter().map(|n| n.and_then(|n| n.version.as_deref())).collect();
    assert_eq!(versions, [Some("TLSv1.3"), Some("TLSv1.2")]);
    let report = fs::read_to_string(bench.latest("report.md")).expect("a report");
    assert!(report.contains("one on TLSv1.3 X25519"), "{report}");
    bench.nothing_is_left();
}

/// What TLS handshakes were in a block, by arm.
fn handshakes(block: &BlockRecord) -> Vec<Handshakes> {
    assert_eq!(block.failure, None);
    block.arms.iter().map(|arm| arm.handshakes.expect("there were some")).collect()
}

#[test]
fn sessions_are_resumed_with_both_idiomatic_servers() {
    let programs = tempfile::tempdir().expect("a temporary folder");
    let [rust, go] = &idiomatic(programs.path());
    let loads = [
        ("full", "connections = 4\ntransport = \"https\"\nrate = 400"),
        ("resumed", "connections = 4\ntransport = \"https\"\nrate = 400\ntls_resume = true"),
    ];
    let bench = Bench::new([rust, go], "path = \"/hello\"\nchurn = true", &loads, "blocks = 1");
    bench.duet(&["run", "s"]).exits(0);
    for block in &bench.blocks() {
        for arm in handshakes(block) {
            let resumes = block.cell.load == "resumed";
            let (none, all) =
                if resumes { (arm.full, arm.resumed) } else { (arm.resumed, arm.full) };
            assert!(none == 0 && all > 0, "{}: {arm:?}", block.cell);
        }
    }
    let report = fs::read_to_string(bench.latest("report.md")).expect("a report");
    assert!(report.contains("4 HTTPS connections with resumed sessions"), "{report}");
    bench.nothing_is_left();
}

#[test]
fn no_ratio_where_a_server_issues_no_tickets() {
    let (one, other) = (faulty("", TLS), faulty("no-tickets", TLS));
    let loads = [("tls", "connections = 2\ntransport = \"https\"\ntls_resume = true")];
    let workload = "path = \"/\"\nchurn = true";
    let bench = Bench::new([&one, &other], workload, &loads, "blocks = 2");
    let said = bench.duet(&["run", "s"]);
    said.exits(0)
        .says("no ratio")
        .says("other resumed 0 of")
        .says("have it issue a session ticket");
    let [one, other] = handshakes(&bench.blocks()[0])[..] else { panic!("two arms") };
    assert!(one.full == 0 && one.resumed > 0, "{one:?}");
    assert!(other.full > 0 && other.resumed == 0, "{other:?}");
    bench.nothing_is_left();
}

#[test]
fn sessions_that_nothing_resumes() {
    let server = faulty("", TLS);
    let kept = [("tls", "connections = 2\ntransport = \"https\"\ntls_resume = true")];
    let says = "workload `hello` keeps its connections, and load `tls` has `tls_resume`";
    let bench = Bench::new([&server, &server], "path = \"/\"", &kept, "blocks = 1");
    bench.duet(&["run", "s"]).exits(2).says(says);
    let plain = [("plain", "connections = 2\ntls_resume = true")];
    let bench = Bench::new([&server, &server], "path = \"/\"\nchurn = true", &plain, "blocks = 1");
    bench.duet(&["run", "s"]).exits(2).says("`tls_resume` over http");
}

/// A certificate that is another one than the run's is not trusted.
#[test]
fn a_server_with_another_certificate() {
    let certificate =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let cert = file("cert.pem", certificate.cert.pem());
    let key = file("key.pem", certificate.signing_key.serialize_pem());
    // The last of an option that is given twice counts.
    let keys = format!(
        "tls_args = [\"--tls-cert\", \"{{tls_cert}}\", \"--tls-key\", \"{{tls_key}}\", \
         \"--tls-cert\", \"{cert}\", \"--tls-key\", \"{key}\"]"
    );
    let (one, other) = (faulty("", TLS), faulty("", &keys));
    let loads = [("tls", "connections = 2\ntransport = \"https\"")];
    let bench = Bench::new([&one, &other], "path = \"/\"", &loads, "blocks = 1");
    bench.duet(&["verify", "other"]).exits(5).says("invalid peer certificate");
    bench.nothing_is_left();
}

#[test]
fn the_certificate_vanishes_when_interrupted() {
    let tls = faulty("", TLS);
    let loads = [("tls", "connections = 2\ntransport = \"https\"")];
    let bench = Bench::new([&tls, &tls], "path = \"/\"", &loads, "blocks = 60");
    let child = bench.command(&["run", "s"]).spawn().expect("the binary starts");
    wait(|| {
        let text = record_text(&bench.latest(""));
        text.contains("\"record\":\"block\"")
    });
    assert!(bench.temporary_folders().iter().any(|folder| folder.join("key.pem").exists()));
    signal(&child, Signal::SIGINT);
    outcome(&child.wait_with_output().expect("it ends")).exits(130);
    bench.nothing_is_left();
}
