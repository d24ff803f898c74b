//! The load generator as the harness uses it: the real binary, a job in, events out, against a
//! server in this process that behaves and misbehaves as told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine;
use duet_protocol::{
    Address, ArmJob, Arrivals, Event, Exchange, Job, OpenLoop, Rate, Transport, WindowResult,
};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

mod failures;
mod open;
mod search;

use crate::responder::{Act, Request, serve};

const MS: u64 = 1_000_000;
const CONNECTIONS: u32 = 8;
/// Requests after which a server turns bad. Every window asks once on each connection at least, so
/// that each arm of a job is asked more often than this on the slowest machine.
const ENOUGH: u64 = 2 * CONNECTIONS as u64;

pub(crate) fn answer(body: &str) -> Vec<u8> {
    answer_with("", body)
}

/// A right answer with more header fields.
fn answer_with(fields: &str, body: &str) -> Vec<u8> {
    let n = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         {fields}Content-Length: {n}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn exchange(path: &str, body: &str) -> Exchange {
    Exchange {
        request: format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
        head: false,
        status: 200,
        content_type: Some("text/plain".into()),
        body: body.into(),
        body_digest: None,
        grpc_status: None,
        untimed: false,
        event_ns: None,
        message: None,
    }
}

/// A short job over plain HTTP/1.1: arms at these addresses, all sent the same.
fn job(addrs: &[SocketAddr], exchanges: &[Exchange]) -> Job {
    let addrs: Vec<Address> = addrs.iter().map(|&addr| addr.into()).collect();
    job_at(&addrs, exchanges)
}

/// A short job, whatever kind of address its arms have.
pub(crate) fn job_at(addrs: &[Address], exchanges: &[Exchange]) -> Job {
    let arms = addrs.iter().map(|addr| ArmJob {
        addr: addr.clone(),
        certificate_pem: None,
        server_name: None,
        pid: std::process::id() as i32,
        root: None,
        cgroup: vec![],
        exchanges: exchanges.to_vec(),
    });
    let forth: Vec<u32> = (0..addrs.len() as u32).collect();
    let round = [forth.clone(), forth.into_iter().rev().collect()].concat();
    Job {
        arms: arms.collect(),
        connections: CONNECTIONS,
        transport: Transport::Http,
        tls_resume: false,
        streams: 1,
        churn: false,
        idle: 0,
        cpus: vec![own_cpu()],
        server_cpus: vec![own_cpu()],
        open: None,
        lead_ns: 2 * MS,
        window_ns: 2 * MS,
        fixed_window_ns: Some(2 * MS),
        measure_ns: 1000 * MS,
        solo: false,
        warmup_ns: 50 * MS,
        rounds: vec![round; 4],
        timeout_ns: 20_000 * MS,
        seed: 1,
    }
}

/// A CPU that this process may use.
pub(crate) fn own_cpu() -> usize {
    let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    (0..nix::sched::CpuSet::count()).find(|&cpu| set.is_set(cpu).unwrap()).unwrap()
}

fn start() -> Child {
    Command::new(env!("CARGO_BIN_EXE_duet"))
        .arg("generator")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Has the generator carry out a job and returns all it says.
pub(crate) fn generate(job: &Job) -> Vec<Event> {
    talk(&serde_json::to_string(job).unwrap())
}

fn talk(job: &str) -> Vec<Event> {
    let mut child = start();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{job}").unwrap();
    let mut events = vec![];
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let event: Event = serde_json::from_str(&line.unwrap()).unwrap();
        if event == Event::Driven {
            writeln!(stdin).unwrap();
        }
        events.push(event);
    }
    assert!(child.wait().unwrap().success());
    events
}

/// Carries out a job that must succeed and returns its windows.
#[track_caller]
fn windows(job: &Job) -> Vec<WindowResult> {
    let events = generate(job);
    let [
        Event::Connected { .. },
        Event::Warm { .. },
        Event::Driven,
        windows @ ..,
        Event::Totals { .. },
        Event::Done,
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    let windows = windows.iter().map(|event| match event {
        Event::Window(window) => WindowResult::clone(window),
        other => panic!("{other:?} among windows"),
    });
    windows.collect()
}

/// Carries out a job that must fail; the arm and the error.
#[track_caller]
pub(crate) fn failure(job: &Job) -> (Option<u32>, String) {
    let events = generate(job);
    match events.last() {
        Some(Event::Failed { arm, error }) => (*arm, error.clone()),
        _ => panic!("{events:?}"),
    }
}

fn histogram(window: &WindowResult) -> Histogram<u64> {
    decoded(window.service_time.as_deref())
}

/// Requests of a window and its lead-in; none, if the window had none.
pub(crate) fn driven(window: &WindowResult) -> u64 {
    let outside = window.outside.expect("windows say what was outside").requests;
    if window.requests == 0 { 0 } else { window.requests + outside }
}

pub(crate) fn decoded(text: Option<&str>) -> Histogram<u64> {
    let text = text.expect("the generator gives all histograms");
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    Deserializer::new().deserialize(&mut &bytes[..]).unwrap()
}

#[test]
fn windows_of_two_arms() {
    let server = || serve(|_| Act::Answer(vec![answer("hi")]));
    let job = job(&[server(), server()], &[exchange("/", "hi")]);
    let windows = windows(&job);
    let order: Vec<(u32, u32)> = windows.iter().map(|w| (w.round, w.arm)).collect();
    let expected: Vec<(u32, u32)> =
        (0..4).flat_map(|round| [0, 1, 1, 0].map(|arm| (round, arm))).collect();
    assert_eq!(order, expected);
    for window in &windows {
        assert!(driven(window) >= CONNECTIONS.into(), "{window:?}");
        assert_eq!(window.errors, BTreeMap::new());
        assert_eq!(window.received_bytes, window.requests * answer("hi").len() as u64);
        assert_eq!(histogram(window).len(), window.requests);
        // A response may be to a request of the lead-in.
        let longest = window.lead_ns + window.elapsed_ns;
        assert!(histogram(window).max() <= longest + longest / 500);
        assert!(window.lead_ns >= job.lead_ns && window.elapsed_ns > 0, "{window:?}");
        let outside = window.outside.expect("windows say what was outside");
        assert!(outside.requests >= CONNECTIONS.into(), "the lead-in was not driven: {window:?}");
        assert_eq!(window.server_cpu_ns.len(), 2);
        assert!(window.generator_cpu_ns > 0);
    }
}

#[test]
fn answers_of_many_shapes() {
    let big: &'static str = Box::leak("0123456789abcdef".repeat(40_000).into_boxed_str());
    type Behaviour = Box<dyn Fn(&Request) -> Act + Send + Sync>;
    let cases: Vec<(&str, &str, Behaviour)> = vec![
        ("byte by byte", "hello", {
            let bytes = answer("hello");
            Box::new(move |_| Act::Answer(bytes.iter().map(|&b| vec![b]).collect()))
        }),
        ("every second differently", "hello", {
            Box::new(|request| {
                let fields = if request.index % 2 == 0 { "A: b\r\n" } else { "B: a\r\n" };
                Act::Answer(vec![answer_with(fields, "hello")])
            })
        }),
        ("no two alike", "hello", {
            Box::new(|request| {
                let fields = format!("Id: {}\r\n", request.index);
                Act::Answer(vec![answer_with(&fields, "hello")])
            })
        }),
        ("a date that moves", "hello", {
            Box::new(|request| {
                let text = String::from_utf8(answer("hello")).unwrap();
                let second = format!(":{:02} GMT", request.index / 100 % 60);
                Act::Answer(vec![text.replace(":37 GMT", &second).into_bytes()])
            })
        }),
        ("chunked, in pieces, 1xx before", "hello", {
            Box::new(|_| {
                let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\
                    Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
                let pieces = [head, "2\r\nhe\r\n", "3\r\nllo\r\n0\r\nTrailer: x\r\n", "\r\n"];
                Act::Answer(pieces.map(Into::into).into())
            })
        }),
        ("640 KB", big, Box::new(|_| Act::Answer(vec![answer(big)]))),
        ("640 KB, no two alike", big, {
            Box::new(|request| {
                let fields = format!("Id: {}\r\n", request.index);
                Act::Answer(vec![answer_with(&fields, big)])
            })
        }),
        ("the last on its connection", "hello", {
            Box::new(|_| Act::AnswerAndClose(answer_with("Connection: close\r\n", "hello")))
        }),
        ("ten requests a connection, unannounced", "hello", {
            Box::new(|request| match request.nth {
                9 => Act::AnswerAndClose(answer("hello")),
                _ => Act::Answer(vec![answer("hello")]),
            })
        }),
        ("a slow trickle", "hello", {
            Box::new(|request| match request.index {
                20 => Act::Trickle(answer("hello"), Duration::from_micros(100)),
                _ => Act::Answer(vec![answer("hello")]),
            })
        }),
        ("until the connection ends", "hello", {
            Box::new(|_| {
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello";
                Act::AnswerAndClose(answer.into())
            })
        }),
    ];
    for (name, body, behave) in cases {
        let addr = serve(move |request| behave(request));
        for window in windows(&job(&[addr], &[exchange("/", body)])) {
            assert!(driven(&window) >= CONNECTIONS.into(), "{name}: {window:?}");
            // A request may cross a close on the way.
            let crossed = name.ends_with("unannounced") && window.errors.contains_key("reset");
            assert!(crossed || window.errors.is_empty(), "{name}: {window:?}");
        }
    }
}

#[test]
fn bodies_of_64_kb_are_echoed() {
    let echo = |request: &Request| {
        assert!(request.head.contains("\r\nContent-Length: "), "{}", request.head);
        Act::Answer(vec![answer(str::from_utf8(&request.body).unwrap())])
    };
    let exchanges: Vec<Exchange> = (0..5)
        .map(|i| {
            let body = format!("case {i} ").repeat(9_362);
            let n = body.len();
            let request =
                format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n{body}");
            Exchange { request, ..exchange("/", &body) }
        })
        .collect();
    for window in windows(&job(&[serve(echo)], &exchanges)) {
        assert!(driven(&window) >= CONNECTIONS.into(), "{window:?}");
        assert_eq!(window.errors, BTreeMap::new());
    }
}

#[test]
fn every_exchange_is_asked_and_has_its_own_answer() {
    let asked: Arc<Vec<AtomicU64>> = Arc::new((0..7).map(|_| AtomicU64::new(0)).collect());
    let counters = Arc::clone(&asked);
    let addr = serve(move |request| {
        let n: usize = request.path[1..].parse().unwrap();
        counters[n].fetch_add(1, Ordering::SeqCst);
        Act::Answer(vec![answer(&request.path)])
    });
    let exchanges: Vec<Exchange> =
        (0..7).map(|i| exchange(&format!("/{i}"), &format!("/{i}"))).collect();
    let threads = vec![own_cpu(); 3];
    let windows = windows(&Job { cpus: threads, ..job(&[addr], &exchanges) });
    assert_eq!(windows.len(), 8);
    for window in &windows {
        assert!(driven(window) >= CONNECTIONS.into(), "{window:?}");
        assert_eq!(histogram(window).len(), window.requests);
    }
    assert!(asked.iter().all(|count| count.load(Ordering::SeqCst) > 0), "{asked:?}");
}

#[test]
fn times_of_untimed_exchanges_do_not_count() {
    let slow = Duration::from_millis(60);
    let addr = serve(move |request| {
        if request.path == "/slow" {
            thread::sleep(slow);
        }
        Act::Answer(vec![answer(&request.path)])
    });
    let untimed = Exchange { untimed: true, ..exchange("/slow", "/slow") };
    let exchanges = [exchange("/a", "/a"), exchange("/b", "/b"), exchange("/c", "/c"), untimed];
    let closed = Job { fixed_window_ns: Some(100 * MS), ..job(&[addr], &exchanges) };
    let open = Some(OpenLoop { rate: Rate::PerSecond(200), arrivals: Arrivals::Uniform });
    for job in [Job { open, ..closed.clone() }, closed] {
        let (mut requests, mut times) = (0, Histogram::<u64>::new(3).unwrap());
        for window in windows(&job) {
            assert_eq!(window.errors, BTreeMap::new());
            requests += window.requests;
            times.add(histogram(&window)).unwrap();
            if let Some(open) = &window.open {
                assert_eq!(decoded(open.response_time.as_deref()).len(), histogram(&window).len());
            }
        }
        // Every fourth, but for those at the edges of windows.
        let untimed = requests - times.len();
        assert!(untimed.abs_diff(requests / 4) <= requests / 8, "{untimed} of {requests}");
        // Half of the slow ones would be far above it; a few others may be late.
        assert!(times.value_at_quantile(0.8) < slow.as_nanos() as u64, "{times:?}");
    }
}

#[test]
fn a_connection_for_each_request() {
    let polite = serve(|_| Act::AnswerAndClose(answer_with("Connection: close\r\n", "hi")));
    let until_close = serve(|_| {
        Act::AnswerAndClose(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhi".into())
    });
    let job = Job { churn: true, ..job(&[polite, until_close], &[exchange("/", "hi")]) };
    for window in windows(&job) {
        assert!(driven(&window) >= CONNECTIONS.into(), "{window:?}");
        assert_eq!(window.errors, BTreeMap::new());
    }
}
