//! Windows over every transport: the real generator, a job in, events out.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use duet_protocol::{
    Address, Arrivals, Event, Exchange, Job, Negotiated, OpenLoop, Rate, Transport, WindowResult,
};
use duet_units::Limit;
use tempfile::TempDir;

use crate::generator::{decoded, driven, failure, generate, job_at};
use crate::transport::http2::{self, Act, hello};
use crate::transport::server::{self, answer};
use crate::transport::tls::{Identity, secure};

const MS: u64 = 1_000_000;
const CONNECTIONS: u32 = 4;
const STREAMS: u32 = 3;

/// Two servers to which requests travel in the same way, and what keeps them alive.
struct Arms {
    name: &'static str,
    transport: Transport,
    addrs: [Address; 2],
    certificate_pem: Option<String>,
    _folder: Option<TempDir>,
}

/// Servers that say hello, over each transport, and over a Unix socket.
fn everything() -> Vec<Arms> {
    let identity = Identity::new("localhost", &["http/1.1", "h2"]);
    let pem = Some(identity.pem());
    let tls = || addr_of(&secure(&identity, |_| false, |_| answer("hello")).0);
    let h2c = || http2::serve(None, 100, hello).addr.into();
    let h2 = || http2::serve(Some(identity.config.clone()), 100, hello).addr.into();
    let folder = tempfile::tempdir().unwrap();
    let unix = |name| {
        let path = folder.path().join(name);
        server::serve(UnixListener::bind(&path).unwrap(), |_| answer("hello"));
        Address::Unix(path)
    };
    let (unix, none) = ([unix("a"), unix("b")], None);
    let arms = |name, transport, addrs, certificate_pem| {
        let _folder = None;
        Arms { name, transport, addrs, certificate_pem, _folder }
    };
    vec![
        arms("https", Transport::Https, [tls(), tls()], pem.clone()),
        arms("h2c", Transport::H2c, [h2c(), h2c()], none.clone()),
        arms("h2", Transport::H2, [h2(), h2()], pem),
        Arms { _folder: Some(folder), ..arms("unix", Transport::Http, unix, none) },
    ]
}

/// The address in the URL of a server of this machine.
fn addr_of(url: &str) -> Address {
    let port = url.trim_end_matches("/path").rsplit(':').next().unwrap();
    format!("127.0.0.1:{port}").parse().unwrap()
}

fn exchange() -> Exchange {
    Exchange {
        request: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
        head: false,
        status: 200,
        content_type: None,
        body: "hello".into(),
        body_digest: None,
        grpc_status: None,
        untimed: false,
        event_ns: None,
        message: None,
    }
}

/// A short job over a transport.
fn job(transport: Transport, addrs: &[Address], certificate_pem: Option<&str>) -> Job {
    let mut job = job_at(addrs, &[exchange()]);
    job.transport = transport;
    job.connections = CONNECTIONS;
    job.streams = if transport.is_http2() { STREAMS } else { 1 };
    (job.window_ns, job.fixed_window_ns) = (5 * MS, Some(5 * MS));
    for arm in &mut job.arms {
        arm.certificate_pem = certificate_pem.map(Into::into);
    }
    job
}

/// A job of two arms.
fn job_of(arms: &Arms) -> Job {
    job(arms.transport, &arms.addrs, arms.certificate_pem.as_deref())
}

/// What was negotiated with each arm, and the windows, of a job that must succeed.
#[track_caller]
fn windows(job: &Job) -> (Vec<Negotiated>, Vec<WindowResult>) {
    let events = generate(job);
    assert_eq!(events.last(), Some(&Event::Done), "{events:?}");
    let Some(Event::Connected { negotiated }) = events.first() else { panic!("{events:?}") };
    let windows = events.iter().filter_map(|event| match event {
        Event::Window(window) => Some(WindowResult::clone(window)),
        _ => None,
    });
    (negotiated.clone(), windows.collect())
}

fn count(histogram: Option<&str>) -> u64 {
    decoded(histogram).len()
}

#[test]
fn closed_loops() {
    for arms in everything() {
        let name = arms.name;
        for threads in [1, 2] {
            let mut job = job_of(&arms);
            job.cpus = vec![job.cpus[0]; threads];
            let (negotiated, windows) = windows(&job);
            assert_eq!(windows.len(), 16, "{name}");
            for window in windows {
                assert!(driven(&window) >= job.in_flight_max().into(), "{name}: {window:?}");
                assert!(window.errors.is_empty(), "{name}: {window:?}");
                assert_eq!(count(window.service_time.as_deref()), window.requests, "{name}");
                assert!(window.received_bytes >= 5 * window.requests, "{name}: {window:?}");
            }
            let tls = |alpn: &str| Negotiated {
                version: Some("TLSv1.3".into()),
                group: negotiated[0].group.clone(),
                cipher: negotiated[0].cipher.clone(),
                alpn: Some(alpn.into()),
            };
            let expected = match arms.transport {
                Transport::Http | Transport::H2c => Negotiated::default(),
                Transport::Https => tls("http/1.1"),
                Transport::H2 => tls("h2"),
            };
            assert_eq!(negotiated, [expected.clone(), expected.clone()], "{name}");
            assert!(expected.cipher.is_none_or(|name| name.starts_with("TLS_")));
            assert_eq!(expected.group.is_some(), expected.version.is_some(), "{name}");
        }
    }
}

/// The status of a call of gRPC is in its trailers.
#[test]
fn calls_of_grpc() {
    let of = |act: Act| {
        let server = http2::serve(None, 100, move |_| act.clone());
        let mut job = job(Transport::H2c, &[server.addr.into()], None);
        job.arms[0].exchanges[0].grpc_status = Some(0);
        job
    };
    for window in windows(&of(Act::Call(Some("0")))).1 {
        assert!(window.requests > 0 && window.errors.is_empty(), "{window:?}");
    }
    for (act, got) in [
        (Act::Call(Some("13")), "got \"13\""),
        (Act::Call(None), "got none"),
        (Act::Answer(200, b"hello".to_vec()), "got none"),
    ] {
        let (_, why) = failure(&of(act));
        assert!(why.contains("expected grpc-status 0") && why.contains(got), "{why}");
    }
    let over_http1 = Job { transport: Transport::Http, streams: 1, ..of(Act::Call(Some("0"))) };
    assert!(failure(&over_http1).1.contains("calls of gRPC need HTTP/2"));
}

#[test]
fn open_loops() {
    for arms in everything() {
        let name = arms.name;
        let open = OpenLoop { rate: Rate::PerSecond(1_000), arrivals: Arrivals::Uniform };
        let fixed_window_ns = Some(40 * MS);
        let job = Job { open: Some(open), fixed_window_ns, ..job_of(&arms) };
        for window in windows(&job).1 {
            let open = window.open.as_ref().expect("the loop is open");
            assert_eq!(open.planned, 40, "{name}: {window:?}");
            assert_eq!(open.planned, open.sent + open.unsent, "{name}: {window:?}");
            assert_eq!(open.sent, window.requests, "{name}: {window:?}");
            assert_eq!(count(open.response_time.as_deref()), window.requests, "{name}");
            assert!(window.elapsed_ns >= 40 * MS, "{name}: {window:?}");
        }
    }
}

#[test]
fn searches() {
    for arms in everything() {
        let limit = Limit { quantile: 0.5, latency_ns: 1_000 * MS };
        let open = OpenLoop { rate: Rate::Within(limit), arrivals: Arrivals::Uniform };
        // The servers are fast, so that it takes many probes: one arm is enough.
        let job = job(arms.transport, &arms.addrs[..1], arms.certificate_pem.as_deref());
        let job = Job { open: Some(open), fixed_window_ns: None, ..job };
        let events = generate(&job);
        let found = events.iter().find_map(|event| match event {
            Event::Searched { arms } => Some(arms[0]),
            _ => None,
        });
        let found = found.unwrap_or_else(|| panic!("{}: {events:?}", arms.name));
        assert!(found.held_per_second.is_some(), "{}: {found:?}", arms.name);
    }
}

/// The second arm turns bad after some requests.
#[test]
fn mismatches_fail_the_job() {
    let identity = Identity::new("localhost", &["http/1.1", "h2"]);
    let pem = identity.pem();
    let other = |n| if n < 40 { hello(n) } else { Act::Answer(200, b"jello".to_vec()) };
    let refused = |n| if n < 40 { hello(n) } else { Act::Answer(503, vec![]) };
    let secure_pair = || {
        let good = secure(&identity, |_| false, |_| answer("hello")).0;
        let behave = |n| answer(if n < 40 { "hello" } else { "jello" });
        [addr_of(&good), addr_of(&secure(&identity, |_| false, behave).0)]
    };
    let h2 = |act: fn(u64) -> Act| {
        let serve =
            |act: fn(u64) -> Act| http2::serve(Some(identity.config.clone()), 100, act).addr.into();
        [serve(hello), serve(act)]
    };
    let h2c = |act: fn(u64) -> Act| {
        let serve = |act: fn(u64) -> Act| http2::serve(None, 100, act).addr.into();
        [serve(hello), serve(act)]
    };
    let cases = [
        (Transport::Https, secure_pair(), r#"wrong_body: "GET / HTTP/1.1": expected a body"#),
        (Transport::H2c, h2c(other), r#"wrong_body: "GET / HTTP/1.1": expected a body"#),
        (Transport::H2c, h2c(refused), "bad_status: "),
        (Transport::H2, h2(other), "wrong_body: "),
    ];
    for (transport, addrs, expected) in cases {
        let (arm, error) = failure(&job(transport, &addrs, Some(&pem)));
        assert_eq!(arm, Some(1), "{transport}: {error}");
        assert!(error.starts_with(expected), "{transport}: {error}");
    }
    let mut job = job(Transport::H2c, &h2c(hello), None);
    job.arms[1].exchanges[0].content_type = Some("text/plain".into());
    let (arm, error) = failure(&job);
    assert_eq!(arm, Some(1), "{error}");
    let expected = r#"bad_header: "GET / HTTP/1.1": expected Content-Type "text/plain", got none"#;
    assert_eq!(error, expected);
}

#[test]
fn servers_that_fail_the_job() {
    let identity = Identity::new("localhost", &["http/1.1", "h2"]);
    let elsewhere = Identity::new("localhost", &["h2"]);
    let only_h1 = Identity::new("localhost", &["http/1.1"]);
    let pem = identity.pem();
    let nobody: Address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().into() // and nobody listens there any more
    };
    let h2c =
        |streams, act: fn(u64) -> Act| -> Address { http2::serve(None, streams, act).addr.into() };
    let h2 = |identity: &Identity| -> Address {
        http2::serve(Some(identity.config.clone()), 100, hello).addr.into()
    };
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain_addr: Address = plain.local_addr().unwrap().into();
    server::serve(plain, |_| answer("hello"));
    let dying = |n| if n < 40 { hello(n) } else { Act::Close };
    let away = |n| if n < 40 { hello(n) } else { Act::GoAway };
    let missing = Address::Unix("/none/server".into());
    let cases = [
        ("nobody, h2c", Transport::H2c, nobody.clone(), "connection refused by 127.0.0.1:"),
        ("nobody, h2", Transport::H2, nobody.clone(), "connection refused by 127.0.0.1:"),
        ("nobody, https", Transport::Https, nobody, "connection refused by 127.0.0.1:"),
        ("no socket", Transport::Http, missing, "cannot connect to unix:/none/server: No such"),
        ("closes", Transport::H2c, h2c(100, dying), "closed the connection instead of"),
        ("sends away", Transport::H2c, h2c(100, away), "(GOAWAY)"),
        ("hangs", Transport::H2c, h2c(100, |_| Act::Hang), "no response from 127.0.0.1:"),
        ("few streams", Transport::H2c, h2c(2, hello), "allows fewer than 3 streams"),
        ("another certificate", Transport::H2, h2(&elsewhere), "no TLS with 127.0.0.1:"),
        ("no HTTP/2", Transport::H2, h2(&only_h1), "NoApplicationProtocol"),
        ("no TLS", Transport::Https, plain_addr, "does it speak TLS?"),
    ];
    for (name, transport, addr, expected) in cases {
        let timeout_ns = if name == "hangs" { 100 * MS } else { 20_000 * MS };
        let job = Job { timeout_ns, ..job(transport, &[addr], Some(&pem)) };
        let (arm, error) = failure(&job);
        assert_eq!(arm, Some(0), "{name}: {error}");
        assert!(error.contains(expected), "{name}: {error}");
    }
}

/// Of many streams few are reset, and connections are sent away politely.
#[test]
fn rare_failures_are_tolerated() {
    let resetting = |n| if n % 300 == 299 { Act::Reset } else { hello(n) };
    let addr = http2::serve(None, 100, resetting).addr.into();
    for window in windows(&job(Transport::H2c, &[addr], None)).1 {
        assert!(window.requests > 0, "{window:?}");
        assert!(window.errors.keys().all(|kind| kind == "reset"), "{window:?}");
    }
    let retiring = |n| if n % 50 == 49 { Act::Retire } else { hello(n) };
    let addr = http2::serve(None, 100, retiring).addr.into();
    let (_, windows) = windows(&job(Transport::H2c, &[addr], None));
    assert!(windows.iter().all(|window| window.requests > 0), "{windows:?}");
    assert!(windows.iter().all(|window| window.errors.is_empty()), "{windows:?}");
}

#[test]
fn jobs_that_mean_nothing() {
    let addrs = ["127.0.0.1:1".parse().unwrap()];
    let of = |transport| job(transport, &addrs, None);
    let cases = [
        (Job { streams: 0, ..of(Transport::H2c) }, "its connections have no streams"),
        (Job { streams: 2, ..of(Transport::Http) }, "several streams on a connection need HTTP/2"),
        (Job { churn: true, ..of(Transport::H2c) }, "a connection for each request needs HTTP/1.1"),
        (of(Transport::Https), "an arm has no certificate"),
        (job(Transport::H2, &addrs, Some("x")), "it holds no certificate in PEM form"),
    ];
    for (job, expected) in cases {
        let (_, error) = failure(&job);
        assert!(error.contains(expected), "{error}");
    }
}
