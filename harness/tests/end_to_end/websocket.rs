//! `duet run` and `duet load` with messages over WebSocket.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use duet_model::record::{self, BlockRecord};
use serde_json::Value;

use crate::binary::{DUET, Folder, Outcome, SERVER, outcome};

/// Definitions in which a server that sends messages back meets one with a fault that strikes once,
/// with the 400th message, after it has been verified. Of `members` a room has more than one.
fn bench(fault: &str, members: u32, load: &str) -> Folder {
    let server = |name: &str, fault: &str| {
        format!(
            "[[server]]\nname = \"{name}\"\nlanguage = \"Rust\"\nlanes = [\"std\"]\n\
             summary = \"For tests\"\nversion = [\"{SERVER}\", \"--version\"]\n\
             workloads = [\"messages\"]\nrun = [\"{SERVER}\", \"--addr\", \"{{addr}}\", \
             \"--after\", \"400\", \"--fault\", \"{fault}\"]\n"
        )
    };
    let servers = [server("one", ""), server("other", fault)].concat();
    let place = match members {
        1 => "path = \"/ws\"\n".to_owned(),
        n => format!("path = \"/ws/{{room}}\"\nmembers = {n}\n"),
    };
    let workloads = format!(
        "[[workload]]\nname = \"messages\"\nquestion = \"How fast?\"\n{place}\
         message = \"number {{seq}}\"\n"
    );
    let suites = format!(
        "[[load]]\nname = \"some\"\n{load}\n\
         [[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"one\", \"other\"]\n\
         [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nverdicts = false\nwindow_ms = 5\n\
         measure_ms = 100\nwarmup_ms = 60\nblocks = 1\n[[suite.cells]]\n\
         matchups = [\"pair\"]\nworkloads = [\"messages\"]\nloads = [\"some\"]\n"
    );
    Folder::with_definitions([
        ("servers.toml", &servers),
        ("workloads.toml", &workloads),
        ("suites.toml", &suites),
    ])
}

fn block(folder: &Folder) -> BlockRecord {
    let blocks = record::read(&folder.path().join("results/latest")).expect("a record").blocks;
    blocks.into_iter().next().expect("a block")
}

/// The server that failed, under load or when it was verified.
fn failed(folder: &Folder) -> String {
    let run = record::read(&folder.path().join("results/latest")).expect("a record");
    let of_blocks = run.blocks.into_iter().filter_map(|block| block.failure);
    let of_builds = run.builds.into_iter().filter_map(|build| build.failure);
    let failure = of_blocks.chain(of_builds).next().expect("one failed");
    failure.server.expect("it is known which")
}

#[test]
fn messages_that_come_back() {
    let cases = [
        (1, "connections = 8"),
        (1, "connections = 8\nrate = 500"),
        (4, "connections = 8"),
        (4, "connections = 8\nrate = 200"),
    ];
    for (members, load) in cases {
        let folder = bench("in-parts", members, load);
        folder.duet(&["verify"]).exits(0);
        folder.duet(&["run", "s"]).exits(0);
        let block = block(&folder);
        assert_eq!(block.failure, None, "{load}");
        let ok = block.windows.iter().all(|window| window.requests > 0 && window.errors.is_empty());
        assert!(ok, "{load}: {:?}", block.windows);
        folder.nothing_is_left();
    }
}

/// Each is caught: it is the other server's failure.
#[test]
fn messages_that_are_not_what_they_should_be() {
    let cases = [
        (1, "drops", "1 of|no response from"),
        (1, "twice", "a message that nobody awaits, or that came before|expected the message"),
        (1, "changes", "is too long"),
        (1, "binary", "got a binary one"),
        (1, "masks", "a frame of the server's is masked"),
        (1, "breaks-off", "closed the connection in the middle of a response"),
        (1, "closes", "1008, policy violation"),
        (1, "pings", "more than 1,000 frames without a message"),
        (1, "late", "expected the message|nobody awaits|1 of|no response from"),
        (1, "wrong-accept", "Sec-WebSocket-Accept"),
        (1, "refuses", "no WebSocket"),
        (4, "drops", "expected the message|1 of|no response from"),
        (4, "twice", "expected the message|nobody awaits"),
        (4, "late", "expected the message|nobody awaits|1 of|no response from"),
        (4, "breaks-off", "in the middle of a response|another connection of the room"),
    ];
    for (members, fault, says) in cases {
        let folder = bench(fault, members, "connections = 8");
        let ran = folder.duet(&["run", "s"]);
        ran.exits(5);
        assert!(says_one_of(&ran, says), "{fault} of {members}: {}{}", ran.out, ran.err);
        assert_eq!(failed(&folder), "other", "{fault}");
        folder.nothing_is_left();
    }
}

/// Whether one of several texts, with bars between them, is there. Lines may be wrapped.
fn says_one_of(ran: &Outcome, says: &str) -> bool {
    let all = format!("{} {}", ran.out, ran.err);
    let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
    says.split('|').any(|words| flat.contains(words))
}

/// A server that is ended with the test.
struct Faulty(Child, String);

impl Faulty {
    fn start(fault: &str) -> Self {
        let args = ["--addr", "127.0.0.1:0", "--after", "100", "--fault", fault];
        let mut child = Command::new(SERVER)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server was built");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let addr = line.trim().strip_prefix("listening ").expect("it listens").to_owned();
        Self(child, addr)
    }

    /// Loads it, over a path for each connection's own.
    fn load(&self, path: &str, options: &str) -> Outcome {
        let mut command = Command::new(DUET);
        command.args(["load", &format!("ws://{}{path}", self.1), "--timeout", "1s"]);
        command.args(options.split_whitespace()).env("NO_COLOR", "1").stdin(Stdio::null());
        outcome(&command.output().expect("duet was built"))
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        // It does not end by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn summary(ran: &Outcome) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}{}", ran.out, ran.err))
}

#[test]
fn loads_of_messages() {
    let server = Faulty::start("in-parts");
    let ran = server.load("/ws", "-n 500 -c 1 --json");
    ran.exits(0);
    let summary = summary(&ran);
    assert_eq!(summary["requests"]["ok"], 500, "{summary}");
    let url = summary["url"].as_str().expect("a URL");
    assert!(url.starts_with("ws://"), "{url}");
    let ran = server.load("/ws", "-c 1 -d 200ms --rate 500 --body {seq:4}");
    ran.exits(0).says("WebSocket, every message compared").says("came back");
    server.load("/", "-n 5").exits(5).says("does not switch protocols");
    server.load("/ws", "-n 5 --http2").exits(2).says("a load of WebSocket has no --http2");
    server.load("/ws", "-n 5 -m POST").exits(2).says("opened by GET");
}

/// Each costs one message.
#[test]
fn loads_of_messages_that_fail() {
    let cases = [
        ("drops", "timeout"),
        ("changes", "malformed"),
        ("binary", "wrong_body"),
        ("closes", "reset"),
        ("breaks-off", "truncated"),
        ("pings", "malformed"),
    ];
    for (fault, kind) in cases {
        let server = Faulty::start(fault);
        let ran = server.load("/ws", "-n 300 -c 1 --json");
        let summary = summary(&ran);
        assert_eq!(summary["requests"]["failed"][kind], 1, "{fault}: {summary}");
        assert_eq!(summary["requests"]["ok"], 299, "{fault}: {summary}");
    }
}

#[test]
fn definitions_of_messages() {
    let cases = [
        ("{seq}", "1", "the message has no number"),
        ("message = ", "body = \"x\"\nmessage = ", "`body` stands beside `message`"),
        ("message = ", "churn = true\nmessage = ", "`churn` stands beside `message`"),
        ("message = ", "members = 4\nmessage = ", "only one of `{room}` and `members` is there"),
        ("message = \"number {seq}\"", "", "a table `[workload.expect]`"),
    ];
    for (from, to, says) in cases {
        let folder = bench("", 1, "connections = 4");
        let path = folder.path().join("bench/workloads.toml");
        let text = fs::read_to_string(&path).expect("definitions");
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).expect("a file");
        folder.duet(&["run", "s"]).exits(2).says(says);
    }
    let folder = bench("", 4, "connections = 6");
    folder.duet(&["run", "s"]).exits(2).says("6 connections of load `some` are no whole rooms");
}
