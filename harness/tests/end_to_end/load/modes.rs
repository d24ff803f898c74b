//! Connections used in other ways, and several requests.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{FIRST, answer, command, failed, load, requests, result, right};
use crate::responder::{Act, Request, serve};

fn last_answer(body: &str) -> Act {
    let n = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {n}\r\n\r\n");
    Act::AnswerAndClose((answer + body).into_bytes())
}

#[test]
fn a_connection_for_each_request() {
    for options in ["-n 200 -c 4", "-n 200 -c 4 -q 2000 --warmup 0", "-n 200 -c 1 -t 1"] {
        let reused = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&reused);
        let behave = move |request: &Request| {
            counter.fetch_add(request.nth, Ordering::SeqCst);
            assert!(request.head.contains("\r\nConnection: close\r\n"), "{}", request.head);
            last_answer("hello")
        };
        let (code, json) = load(behave, &format!("--disable-keepalive {options}"));
        assert_eq!(code, 0, "{options}: {json}");
        assert_eq!(requests(&json, "ok"), requests(&json, "sent"), "{options}: {json}");
        assert!(options.contains("-q") || requests(&json, "sent") == 200, "{options}: {json}");
        assert_eq!(reused.load(Ordering::SeqCst), 0, "{options}");
        let connections = &json["connections"];
        assert_eq!(connections["opened"], json["requests"]["sent"], "{options}: {json}");
        assert_eq!(connections["open"], connections["planned"], "{options}: {json}");
    }
}

#[test]
fn loads_of_nothing() {
    for (options, expected) in [
        ("-d 0s", "a load takes some time"),
        ("-d 100ms -q 4", "no request is due at this rate"),
        ("-n 1 --timeout 0s", "a timeout is at least 1ms"),
    ] {
        let output = command(|_| right(), options).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(expected), "{options}: {stderr}");
        assert_eq!(output.status.code(), Some(2), "{options}: {stderr}");
    }
}

/// The response time ends with the last byte, whenever the connection does.
#[test]
fn servers_that_close_late() {
    let late = |_: &Request| Act::AnswerAndLinger(answer("hello"), Duration::from_millis(20));
    let (code, json) = load(late, "--disable-keepalive -n 100 -c 100 -q 500 --warmup 0");
    assert_eq!((code, requests(&json, "ok")), (0, 100), "{json}");
    let mean = |histogram: &str| json[histogram]["mean_ns"].as_f64().unwrap();
    let (response, sum) = (mean("response"), mean("service") + mean("send_lag"));
    // But for the steps of histograms.
    assert!((response / sum - 1.0).abs() < 0.01, "{response} {sum} {json}");
}

#[test]
fn connections_for_each_request_that_fail() {
    let closing_first = |request: &Request| match request.index % 20 {
        19 => Act::Close,
        _ => last_answer("hello"),
    };
    let (code, json) = load(closing_first, "--disable-keepalive -n 100 -c 4");
    assert_eq!((code, &json["requests"]["failed"]), (5, &json!({ "reset": 5 })), "{json}");

    let dying = |request: &Request| match request.index {
        50.. => Act::Die,
        _ => last_answer("hello"),
    };
    let (code, json) = load(dying, "--disable-keepalive -n 60 -c 2 --timeout 1s");
    let refused = json["requests"]["failed"]["connect"].as_u64();
    assert!(code == 5 && refused > Some(0), "{json}");
    assert_eq!(json["connections"]["refused"]["Connection refused"].as_u64(), refused, "{json}");

    let not_closing = |_: &Request| right();
    let (code, json) = load(not_closing, "--disable-keepalive -n 4 -c 2 --timeout 20s");
    assert_eq!((code, requests(&json, "ok")), (0, 4), "{json}");
    assert_eq!(json["connections"]["left_open"], 4, "{json}");
}

/// Answers requests in dozens, cut into pieces of `piece` bytes, but the first two at once: no
/// request of a dozen is answered before the last of them has come.
fn in_dozens(piece: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (i, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            let dozen = if i < FIRST as usize { 1 } else { 12 };
            thread::spawn(move || -> std::io::Result<()> {
                let mut received = vec![];
                let mut buffer = [0; 4096];
                loop {
                    while received.windows(4).filter(|w| w == b"\r\n\r\n").count() < dozen {
                        let n = stream.read(&mut buffer)?;
                        if n == 0 {
                            return Ok(());
                        }
                        received.extend_from_slice(&buffer[..n]);
                    }
                    received.clear();
                    for part in answer("hello").repeat(dozen).chunks(piece) {
                        stream.write_all(part)?;
                    }
                }
            });
        }
    });
    addr
}

#[test]
fn pipelines_are_full_and_their_answers_may_come_in_any_pieces() {
    let length = answer("hello").len();
    for piece in [1, 7, length, length + 1, 12 * length] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
        command.arg("load").arg(in_dozens(piece).to_string());
        command.args(["--pipeline", "12", "-n", "480", "-c", "1", "-t", "1"]);
        command.args(["--no-ceiling", "--json"]).stdin(Stdio::null());
        let (code, json) = result(&command.output().unwrap());
        assert_eq!((code, requests(&json, "ok")), (0, 480), "{piece}: {json}");
        assert_eq!(json["service"]["count"], 480, "{piece}: {json}");
        assert_eq!(json["received_bytes"], 480 * length, "{piece}");
        assert_eq!(json["pipeline_depth"], 12);
    }
}

#[test]
fn pipelines() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let behave = move |_: &Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        right()
    };
    let (code, json) = load(behave, "-n 1000 -c 8 -t 3 --pipeline 16");
    assert_eq!((code, requests(&json, "ok")), (0, 1000), "{json}");
    assert_eq!(asked.load(Ordering::SeqCst), 1000 + FIRST);

    let (code, json) = load(|_| right(), "-d 300ms --warmup 100ms -c 2 --pipeline 4");
    assert_eq!(code, 0, "{json}");
    assert!(json["warmup_requests"]["sent"].as_u64() > Some(0), "{json}");

    // The server says which answer is its last: it has not looked at what came behind.
    let limited = |request: &Request| match request.nth {
        9 => last_answer("hello"),
        _ => right(),
    };
    let (code, json) = load(limited, "-n 500 -c 4 --pipeline 8");
    assert_eq!((code, requests(&json, "ok")), (0, 500), "{json}");
    assert!(json["connections"]["retried"].as_u64() > Some(0), "{json}");
}

/// What the server does to requests 19, 39, 59, 79 and 99 of 102, what that request counts as, and
/// as what the requests behind it may count.
#[test]
fn failures_in_pipelines_have_names() {
    type Misbehave = fn() -> Act;
    let cases: [(&str, &str, &str, Misbehave); 7] = [
        ("wrong body", "wrong_body", "", || Act::Answer(vec![answer("jello")])),
        ("bad status", "bad_status", "", || {
            Act::Answer(vec!["HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".into()])
        }),
        ("closes", "reset", "reset", || Act::Close),
        ("resets", "reset", "reset", || Act::Reset),
        ("cut off", "truncated", "reset", || Act::AnswerAndClose(answer("hello")[..66].into())),
        ("no HTTP", "malformed", "reset", || Act::Answer(vec!["SSH-2.0\r\n\r\n".into()])),
        ("cut off, half-closed", "truncated", "reset", || {
            Act::AnswerAndFinish(answer("hello")[..66].into())
        }),
    ];
    for (name, kind, behind, misbehave) in cases {
        let behave = move |request: &Request| {
            if request.index % 20 == 19 { misbehave() } else { right() }
        };
        let (code, json) = load(behave, "-n 100 -c 2 --pipeline 4");
        assert_eq!(code, 5, "{name}: {json}");
        let kinds = json["requests"]["failed"].as_object().unwrap();
        let known = |name: &String| name == kind || name == behind;
        assert!(kinds.keys().all(known), "{name}: {json}");
        if behind.is_empty() {
            assert_eq!(failed(&json), 5, "{name}: the others are answered: {json}");
        } else {
            assert!(kinds[kind].as_u64() >= Some(1), "{name}: {json}");
            assert!(failed(&json) <= 5 * 4, "{name}: {json}");
        }
    }
    let (code, json) = load(
        |request: &Request| if request.nth == 2 { Act::Hang } else { right() },
        "-n 8 -c 1 --pipeline 8 --timeout 300ms",
    );
    let timeouts = json["requests"]["failed"]["timeout"].as_u64();
    assert!(code == 5 && timeouts > Some(0), "{json}");
    assert_eq!(
        json["service"]["censored_count"].as_u64(),
        timeouts,
        "they are in the tail: {json}"
    );
}

const MIX: &str = r#"
[[case]]
weight = 3
path = "/a/{seq:4}?r={rand:6}"
headers = ["X-Seq: {seq:4}"]

[[case]]
path = "/b"
body = "{seq:4}-{rand:2}"
expect = { status = 201, body = "made" }
"#;

#[test]
fn several_requests_by_weight() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mix.toml");
    std::fs::write(&file, MIX).unwrap();
    let mut seen = vec![];
    for options in ["-c 1 -t 1", "-c 8 -t 4", "-c 4 -t 2 --pipeline 3", "-c 4 -t 4 --seed 2"] {
        let asked = Arc::new(Mutex::new(BTreeSet::new()));
        let collected = Arc::clone(&asked);
        let behave = move |request: &Request| {
            let body = String::from_utf8(request.body.clone()).unwrap();
            collected.lock().unwrap().insert(format!("{} {body}", request.path));
            if request.path == "/b" {
                let made = "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nmade";
                return Act::Answer(vec![made.into()]);
            }
            let seq = format!("X-Seq: {}\r\n", &request.path[3..7]);
            assert!(request.head.contains(&seq), "{}", request.head);
            Act::Answer(vec![answer(&request.path)])
        };
        let options = format!("-n 400 {options} --cases {}", file.display());
        let (code, json) = load(behave, &options);
        assert_eq!((code, requests(&json, "ok")), (0, 400), "{options}: {json}");
        assert_eq!(json["body_verified"], false, "bodies of the first differ each time");
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        // Two first ones of the case that declares no body, one of the other.
        assert_eq!(asked.len(), 403, "{options}: no two alike");
        let first = asked.iter().filter(|line| line.starts_with("/a/")).count();
        // 300 and 2 are expected; five standard deviations are 43.
        assert!((259..=345).contains(&first), "{first}");
        seen.push(asked);
    }
    assert_eq!(seen[0], seen[1], "threads and connections do not decide what is asked");
    assert_eq!(seen[0], seen[2]);
    assert_ne!(seen[0], seen[3], "the seed does");
}

#[test]
fn wrong_answers_to_one_of_several() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mix.toml");
    std::fs::write(&file, "[[case]]\npath = \"/a\"\n[[case]]\npath = \"/b\"\n").unwrap();
    let options = format!("-n 100 -c 4 --cases {}", file.display());
    let behave = |request: &Request| match (&request.path[..], request.index) {
        ("/b", 50..) => Act::Answer(vec![answer("jello")]),
        _ => right(),
    };
    let (code, json) = load(behave, &options);
    assert!(code == 5 && json["requests"]["failed"]["wrong_body"].as_u64() > Some(0), "{json}");
    let wrong = json["mismatch"].as_str().unwrap();
    assert!(wrong.contains("GET /b HTTP/1.1"), "{wrong}");

    let refusing = |request: &Request| match &request.path[..] {
        "/b" => Act::Answer(vec!["HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".into()]),
        _ => right(),
    };
    let output = command(refusing, &options).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{error}");
    assert!(error.contains("GET /b HTTP/1.1: expected status 2xx, got 404"), "{error}");
}

#[test]
fn mistakes_in_options_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mix.toml");
    std::fs::write(&file, "[[case]]\nweigth = 3\n\n[[case]]\npath = \"b\"\n").unwrap();
    let cases: [(String, &[&str]); 6] = [
        (format!("--cases {}", file.display()), &["mix.toml:2:", "`weigth`", "mix.toml:5:"]),
        ("--cases /none/mix.toml".to_owned(), &["there is no such file"]),
        (format!("--cases {} --data x", file.display()), &["cannot be used with"]),
        ("--pipeline 0".to_owned(), &["1..=1024"]),
        ("--pipeline 2 -q 100".to_owned(), &["cannot be used with"]),
        ("--pipeline 2 --disable-keepalive".to_owned(), &["cannot be used with"]),
    ];
    for (options, expected) in cases {
        let output = command(|_| right(), &options).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options}: {error}");
        assert!(expected.iter().all(|part| error.contains(part)), "{options}: {error}");
    }
}

#[test]
fn the_ceiling_is_beside_the_result() {
    // Slow enough to stay below what the generator reaches, however busy the machine is.
    let addr = serve(|_| {
        thread::sleep(Duration::from_millis(2));
        right()
    });
    let load = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
        command.arg("load").arg(addr.to_string()).args(["-n", "50", "-c", "2", "-t", "1"]);
        command.args(more).env("NO_COLOR", "1").stdin(Stdio::null()).output().unwrap()
    };
    for more in [&["--json"][..], &["--json", "--pipeline", "4"]] {
        let (code, json) = result(&load(more));
        assert_eq!(code, 0, "{json}");
        let ceiling = json["generator"]["ceiling_per_second"].as_f64().unwrap();
        let share = json["generator"]["ceiling_ratio"].as_f64().unwrap();
        let rate = json["ok_per_second"].as_f64().unwrap();
        assert!((share - rate / ceiling).abs() < 1e-9, "{json}");
    }
    let text = String::from_utf8(load(&[]).stdout).unwrap();
    assert!(text.contains("of its ceiling: "), "{text}");
    let (_, json) = result(&load(&["--json", "--no-ceiling"]));
    assert_eq!(json["generator"]["ceiling_per_second"], Value::Null);
}
