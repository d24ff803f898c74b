//! `duet load` against servers whose every answer is known: what it says must be what happened.
//!
//! Nothing here depends on how fast the machine is: counts are exact, times are only ever compared
//! with lower bounds that the server enforces, or with each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

mod capacity;
mod coalescing;
mod documented;
mod modes;
mod promises;
mod series;
mod shapes;
mod signals;
mod steps;
mod targets;
mod terminals;
mod variables;

use crate::responder::{Act, Request, serve};

const MS: u64 = 1_000_000;
/// The answers to these are what the others are held against.
const FIRST: u64 = 2;

fn answer(body: &str) -> Vec<u8> {
    let n = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {n}\r\n\r\n{body}")
        .into_bytes()
}

fn right() -> Act {
    Act::Answer(vec![answer("hello")])
}

fn command(behave: impl Fn(&Request) -> Act + Send + Sync + 'static, options: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
    command.arg("load").arg(format!("http://{}/path", serve(behave)));
    command.arg("--no-ceiling").args(options.split_whitespace()).env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Loads a server; the exit code and the result, whose accounts add up.
#[track_caller]
fn load(behave: impl Fn(&Request) -> Act + Send + Sync + 'static, options: &str) -> (i32, Value) {
    let output = command(behave, options).arg("--json").output().unwrap();
    result(&output)
}

#[track_caller]
fn result(output: &Output) -> (i32, Value) {
    let Ok(json) = serde_json::from_slice::<Value>(&output.stdout) else {
        panic!("{output:?}");
    };
    let requests = &json["requests"];
    let n = |name: &str| requests[name].as_u64().unwrap();
    assert_eq!(n("planned"), n("sent") + n("unsent") + n("shed"), "{json}");
    assert_eq!(n("sent"), n("ok") + failed(&json) + n("in_flight"), "{json}");
    (output.status.code().unwrap(), json)
}

fn failed(json: &Value) -> u64 {
    let kinds = json["requests"]["failed"].as_object().unwrap();
    kinds.values().map(|n| n.as_u64().unwrap()).sum()
}

fn requests(json: &Value, name: &str) -> u64 {
    json["requests"][name].as_u64().unwrap()
}

/// A quantile or the maximum, in nanoseconds, and whether it is a lower bound.
#[track_caller]
fn quantile(json: &Value, histogram: &str, name: &str) -> (u64, bool) {
    let histogram = &json[histogram];
    let value = if name == "max" { &histogram["max"] } else { &histogram["quantiles"][name] };
    let (Some(ns), Some(at_least)) = (value["ns"].as_u64(), value["lower_bound"].as_bool()) else {
        panic!("no {name} in {json}");
    };
    (ns, at_least)
}

/// The histograms of a log, by their tags.
#[track_caller]
fn histograms(log: &Path) -> BTreeMap<String, Histogram<u64>> {
    let log = std::fs::read(log).unwrap();
    let mut all = BTreeMap::new();
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let text = interval.encoded_histogram();
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
            let back = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
            all.insert(interval.tag().unwrap().as_str().to_owned(), back);
        }
    }
    all
}

#[test]
fn a_number_of_requests() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let behave = move |_: &Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        right()
    };
    let (code, json) = load(behave, "-n 1000 -c 8 -t 3");
    assert_eq!(code, 0);
    assert_eq!(asked.load(Ordering::SeqCst), 1000 + FIRST);
    for name in ["planned", "sent", "ok"] {
        assert_eq!(requests(&json, name), 1000, "{name}");
    }
    assert_eq!(json["service"]["count"], 1000);
    assert_eq!(json["response"], Value::Null, "a closed loop has no response times");
    assert_eq!(json["connections"]["open"], 8);
    assert_eq!(json["body_verified"], true);
    assert!(json["service"]["quantiles"]["p99"].is_object(), "{json}");
    assert!(json["service"]["quantiles"]["p99.9"].is_null(), "too few requests for it: {json}");
}

/// Answers 99, 199, ... of 10,002 take 10 ms: a hundred of those that are measured.
#[test]
fn one_per_cent_is_slow() {
    let behave = |request: &Request| {
        if request.index % 100 == 99 {
            thread::sleep(Duration::from_millis(10));
        }
        right()
    };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.hlog");
    for options in ["", "-q 5000 --warmup 0", "-q 5000 --warmup 0 --poisson", "--pipeline 2"] {
        let options = format!("-n 10000 -c 4 --hdr {} {options}", log.display());
        let (code, json) = load(behave, &options);
        assert_eq!(code, 0, "{options}: {json}");
        let mode = if json["mode"] == "open" { "response" } else { "service" };
        let (p999, _) = quantile(&json, mode, "p99.9");
        assert!(p999 >= 10 * MS, "{options}: {json}");
        assert!(quantile(&json, mode, "p50").0 <= p999, "{options}: {json}");
        for (name, histogram) in histograms(&log) {
            let all = if name.starts_with("response") { "planned" } else { "sent" };
            assert_eq!(histogram.len(), requests(&json, all), "{options}, {name}");
            let slow = histogram.count_between(10 * MS, u64::MAX);
            let expected = requests(&json, "sent") / 100; // or one less, where Poisson decides
            assert!(name == "send-lag" || slow + 1 >= expected, "{options}, {name}: {slow}");
        }
    }
}

/// A server that does nothing for 500 ms of every 2 s. Of requests at even instants a quarter come
/// then, and the share of those that wait longer than x is (500 ms − x) / 2 s: p90 is 300 ms, p99
/// is 480 ms. A closed loop meets each pause once per connection and hardly notices.
#[test]
fn a_server_that_freezes() {
    let freezing = || {
        let epoch = Instant::now();
        move |_: &Request| {
            let phase = (epoch.elapsed().as_millis() % 2000) as u64;
            thread::sleep(Duration::from_millis(500_u64.saturating_sub(phase)));
            right()
        }
    };
    let (code, open) = load(freezing(), "-n 2000 -q 500 -c 300 --warmup 0");
    assert_eq!(code, 0, "{open}");
    assert_eq!(requests(&open, "planned"), 2000);
    assert!(quantile(&open, "response", "p90").0 >= 290 * MS, "{open}");
    assert!(quantile(&open, "response", "p99").0 >= 470 * MS, "{open}");
    // With one connection the pauses are send lag: the service time does not show them.
    let (_, narrow) = load(freezing(), "-n 2000 -q 500 -c 1 --warmup 0");
    assert!(quantile(&narrow, "response", "p90").0 >= 290 * MS, "{narrow}");
    assert!(quantile(&narrow, "service", "p90").0 < quantile(&narrow, "response", "p90").0);
    let (code, closed) = load(freezing(), "-n 1000 -c 1");
    assert_eq!(code, 0, "{closed}");
    let (p90, _) = quantile(&closed, "service", "p90");
    assert!(p90 < quantile(&open, "response", "p90").0, "{closed}");
}

/// The first part of a response comes at least 20 ms before the last.
#[test]
fn times_to_the_first_byte() {
    let in_parts = |request: &Request| {
        let answer = answer("hello");
        let (head, body) = answer.split_at(answer.len() - 3);
        match request.index % 10 {
            9 => right(),
            _ => Act::AnswerInParts(vec![head.into(), body.into()], Duration::from_millis(20)),
        }
    };
    for options in ["-n 100 -c 4", "-n 100 -c 4 --pipeline 2", "-n 100 -c 4 --verify status"] {
        let (code, json) = load(in_parts, options);
        assert_eq!((code, requests(&json, "ok")), (0, 100), "{options}: {json}");
        assert_eq!(json["first_byte"]["count"], 100, "{options}: {json}");
        let (first, _) = quantile(&json, "first_byte", "p50");
        let (whole, _) = quantile(&json, "service", "p50");
        assert!(whole >= 20 * MS && first < whole - 10 * MS, "{options}: {json}");
    }
    let output = command(in_parts, "-n 50 -c 4").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("service  first byte"), "{output:?}");
    let (_, json) = load(|_| right(), "-n 100 -c 4");
    assert_eq!(json["first_byte"], json["service"], "they came whole: {json}");
}

#[test]
fn more_is_asked_than_is_possible() {
    // Two connections and at least 5 ms per answer: at most 200 a second on each.
    let slow = |_: &Request| {
        thread::sleep(Duration::from_millis(5));
        right()
    };
    let (code, json) = load(slow, "-d 1s -q 5000 -c 2 --warmup 0");
    assert_eq!(code, 0, "{json}");
    assert_eq!(requests(&json, "planned"), 5000);
    assert!(requests(&json, "sent") <= 404, "{json}");
    assert!(requests(&json, "unsent") >= 4596, "{json}");
    let (p50, at_least) = quantile(&json, "response", "p50");
    assert!(at_least && p50 > 100 * MS, "what was never sent counts: {json}");
    assert_eq!(json["response"]["count"], 5000);

    let (_, json) = load(slow, "-d 1s -q 5000 -c 2 --warmup 0 --deadline 50ms");
    assert_eq!(requests(&json, "planned"), 5000);
    assert!(requests(&json, "shed") >= 4000, "{json}");
    assert!(json["warnings"].to_string().contains("before the deadline"), "{json}");
    let (code, json) = load(slow, "-d 1s -q 5000 -c 2 --warmup 0 --limit p50=1ms");
    assert_eq!(code, 1, "{json}");
    assert_eq!(json["limits"][0]["verdict"], "broken");

    // What the warm-up could not send does not stand before what is measured.
    let (code, json) = load(slow, "-d 1s -q 5000 -c 2 --warmup 1s");
    assert_eq!((code, requests(&json, "planned")), (0, 5000), "{json}");
    assert!(json["warmup_requests"]["sent"].as_u64() <= Some(404), "{json}");
}

#[test]
fn a_ramp() {
    // 100 to 1,900 requests a second: a thousand take a second.
    let (code, json) = load(|_| right(), "-n 1000 -q 100:1900 -c 4 --warmup 0");
    assert_eq!(code, 0, "{json}");
    assert_eq!(requests(&json, "planned"), 1000, "{json}");
    assert_eq!(requests(&json, "sent"), requests(&json, "ok"), "{json}");
    assert_eq!(json["planned_per_second"], 100.0);
    assert_eq!(json["planned_per_second_end"], 1900.0);
    let (code, json) = load(|_| right(), "-d 1s -q 500:0 -c 4 --warmup 0 --poisson");
    // 250 expected: six standard deviations are 95.
    assert_eq!(code, 0, "{json}");
    assert!((155..345).contains(&requests(&json, "planned")), "{json}");
}

/// In each case the server misbehaves on requests 19, 39, 59, 79 and 99 of 102.
#[test]
fn failures_have_names() {
    type Misbehave = fn() -> Act;
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
        Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let cases: [(&str, &str, Misbehave); 12] = [
        ("closes", "reset", || Act::Close),
        ("half-closes", "reset", || Act::AnswerAndFinish(vec![])),
        ("cut off", "truncated", || Act::AnswerAndClose(answer("hello")[..66].into())),
        ("cut off, half-closed", "truncated", || {
            Act::AnswerAndFinish(answer("hello")[..66].into())
        }),
        ("wrong body", "wrong_body", || Act::Answer(vec![answer("jello")])),
        ("bad status", "bad_status", || {
            Act::Answer(vec!["HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".into()])
        }),
        ("chunks cut off", "truncated", || Act::AnswerAndClose(CHUNKS.into())),
        ("chunks cut off, half-closed", "truncated", || Act::AnswerAndFinish(CHUNKS.into())),
        ("a chunk of no size", "malformed", || {
            Act::Answer(vec![[CHUNKS, "x\r\n"].concat().into()])
        }),
        ("a chunk too many", "wrong_body", || {
            Act::Answer(vec![[CHUNKS, "1\r\n!\r\n0\r\n\r\n"].concat().into()])
        }),
        ("cut off before the close", "truncated", || {
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhell";
            Act::AnswerAndClose(answer.into())
        }),
        ("too much", "unsolicited_bytes", || {
            Act::Answer(vec![[answer("hello"), b"!".into()].concat()])
        }),
    ];
    for (name, kind, misbehave) in cases {
        let behave = move |request: &Request| {
            if request.index % 20 == 19 { misbehave() } else { right() }
        };
        let (code, json) = load(behave, "-n 100 -c 4");
        assert_eq!(json["requests"]["failed"], serde_json::json!({ kind: 5 }), "{name}: {json}");
        assert_eq!(requests(&json, "ok"), 95, "{name}");
        assert_eq!(json["service"]["count"], 95, "{name}: failed requests are in no histogram");
        assert_eq!(code, 5, "{name}");
        let wrong = !["reset", "truncated"].contains(&kind);
        assert_eq!(json["mismatch"].is_string(), wrong, "{name}: {json}");
        let (code, _) = load(behave, "-n 100 -c 4 --max-error-rate 5%");
        assert_eq!(code, 0, "{name}");
    }
}

#[test]
fn requests_that_time_out_are_in_the_tail() {
    let behave = |request: &Request| if request.index % 50 == 49 { Act::Hang } else { right() };
    let (code, json) = load(behave, "-n 100 -c 4 --timeout 2s");
    assert_eq!(code, 5);
    assert_eq!(json["requests"]["failed"], serde_json::json!({ "timeout": 2 }), "{json}");
    assert_eq!(json["service"]["censored_count"], 2);
    let (max, at_least) = quantile(&json, "service", "max");
    assert!(at_least && max >= 2_000 * MS, "{json}");
    assert!(!quantile(&json, "service", "p90").1, "{json}");
    assert_eq!(json["service"]["mean_ns"], Value::Null);
}

#[test]
fn a_server_that_dies() {
    let behave = |request: &Request| if request.index >= 50 { Act::Die } else { right() };
    let (code, json) = load(behave, "-n 200 -c 2 --timeout 500ms");
    assert_eq!(code, 5);
    assert_eq!(requests(&json, "planned"), 200);
    assert!(requests(&json, "unsent") > 0, "{json}");
    assert!(json["connections"]["refused"]["Connection refused"].as_u64() > Some(0), "{json}");
}

#[test]
fn a_server_that_never_answers() {
    let output = command(|_| Act::Hang, "-n 1 --timeout 100ms").output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("no response from 127.0.0.1:"), "{error}");
}

#[test]
fn bodies() {
    let varying = |request: &Request| Act::Answer(vec![answer(&request.index.to_string())]);
    let (code, json) = load(varying, "-n 50 -c 2");
    assert_eq!((code, &json["body_verified"]), (0, &Value::Bool(false)), "{json}");
    let (code, json) = load(varying, "-n 50 -c 2 --verify body");
    assert_eq!((code, &json["requests"]["failed"]["wrong_body"]), (5, &50.into()), "{json}");

    let echo = |request: &Request| {
        let body = String::from_utf8(request.body.clone()).unwrap();
        Act::Answer(vec![answer(&(body + &request.path))])
    };
    let (code, json) = load(echo, "-n 50 -c 2 --body hi");
    assert_eq!((code, &json["body_verified"]), (0, &Value::Bool(true)), "{json}");
}

#[test]
fn exit_codes() {
    let cases = [
        ("-n 100", 0),
        ("-n 100 --limit p50=1h --limit max=1h", 0),
        ("-n 100 --limit p50=1ns", 1),
        ("-n 100 --limit p99.99=1h", 3),
        ("-n 100 --limit p99.99=1h --limit p50=1ns", 1),
        ("-n 100 --expect-status 204", 5),
        ("-n 100 -d 1s", 2),
        ("-n 100 --poisson", 2),
        ("-H nonsense", 2),
        ("-n 100 -c 1 --cpus 100000", 2),
        ("--find-capacity", 2),
        ("--find-capacity --limit max=1s -n 100", 2),
        ("--find-capacity --limit max=1s --rate 1:2", 2),
        ("--find-capacity --limit p99.999=1s --probe-duration 1us", 2),
        ("--probe-duration 1s -n 100", 2),
        ("-n 100 --series a.txt", 2),
        ("-n 100 --series /nowhere/a.csv", 4),
    ];
    for (options, expected) in cases {
        let output = command(|_| right(), options).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{options}: {output:?}");
    }
}

#[test]
fn an_interrupted_load_says_what_it_measured() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let behave = move |_: &Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        right()
    };
    for options in ["-d 1h -c 2 --warmup 0 --json", "-d 1h -c 2 --warmup 0 -q 500 --json"] {
        asked.store(0, Ordering::SeqCst);
        let child = command(behave.clone(), options).spawn().unwrap();
        while asked.load(Ordering::SeqCst) < 100 {
            thread::yield_now();
        }
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let (code, json) = result(&child.wait_with_output().unwrap());
        assert_eq!(code, 130);
        assert!(requests(&json, "ok") > 0, "{json}");
    }
}

#[test]
fn files_and_text() {
    let folder = tempfile::tempdir().unwrap();
    let [log, text, svg] = ["a.hlog", "a.hgrm", "a.svg"].map(|name| folder.path().join(name));
    let mut command = command(|_| right(), "-n 500 -q 1000 -c 4 --warmup 0");
    let output = command
        .arg("--hdr")
        .arg(&log)
        .arg("--hgrm")
        .arg(&text)
        .arg("--svg")
        .arg(&svg)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    for part in ["500 planned = ", "response", "send lag", "generator"] {
        assert!(shown.contains(part), "{shown}");
    }
    let histograms = histograms(&log);
    let [response, send_lag, service] = &histograms.keys().collect::<Vec<_>>()[..] else {
        panic!("{:?}", histograms.keys());
    };
    assert_eq!((send_lag.as_str(), service.as_str()), ("send-lag", "service"));
    // On a busy machine the last ones may not be sent: then they are in the response times alone.
    assert!(["response", "response-lower-bound"].contains(&response.as_str()), "{response}");
    assert_eq!(histograms[response.as_str()].len(), 500);
    assert_eq!(histograms["send-lag"].len(), histograms["service"].len());
    let text = std::fs::read_to_string(text).unwrap();
    assert!(
        text.contains("Percentile") && text.contains("Total count    =          500"),
        "{text}"
    );
    let svg = std::fs::read_to_string(svg).unwrap();
    for part in ["<svg", "response", "service", "send lag", "90 %", "evenly spaced"] {
        assert!(svg.contains(part), "{svg}");
    }
}
