//! HTTP/2, with prior knowledge and over TLS.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use h2::Reason;
use h2::server::{self, SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use rustls::ServerConfig;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use crate::transport::tls::Identity;
use crate::transport::{FIRST, duet, load};

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Act {
    Answer(u16, Vec<u8>),
    /// Answers `hello`, with this status of gRPC in the trailers.
    Call(Option<&'static str>),
    /// Answers with this status of gRPC in the head, and no body.
    Refusal(&'static str),
    /// Answers with the length of the request's body.
    Measure,
    /// Ends the stream with an error, without an answer.
    Reset,
    /// The same in the middle of the answer.
    ResetWithin,
    /// Refuses the stream: the request was not looked at.
    Refuse,
    /// Answers, and takes no more requests on this connection.
    Retire,
    /// Ends the connection with an error.
    GoAway,
    /// Closes the connection.
    Close,
    /// Never answers.
    Hang,
}

/// Servers and how many requests they saw.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    count: Arc<AtomicU64>,
    paths: Arc<Mutex<BTreeSet<String>>>,
}

impl Server {
    fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// What was asked for.
    fn paths(&self) -> BTreeSet<String> {
        self.paths.lock().unwrap().clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/path?query", self.addr)
    }

    fn secure_url(&self) -> String {
        format!("https://localhost:{}/path", self.addr.port())
    }
}

/// Request number n is answered as `behave(n)` says. The server's thread ends with this process.
pub(crate) fn serve(
    config: Option<Arc<ServerConfig>>,
    streams_max: u32,
    behave: impl Fn(u64) -> Act + Clone + Send + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Server { addr, count: Arc::default(), paths: Arc::default() };
    let (counter, paths) = (Arc::clone(&server.count), Arc::clone(&server.paths));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let stream = listener.accept().await.unwrap().0;
                stream.set_nodelay(true).unwrap();
                let (counter, paths) = (Arc::clone(&counter), Arc::clone(&paths));
                let behave = behave.clone();
                let behave = move |n, path: &str| {
                    paths.lock().unwrap().insert(path.to_owned());
                    behave(n)
                };
                let config = config.clone();
                tokio::spawn(async move {
                    let Some(config) = config else {
                        return serve_connection(stream, streams_max, &counter, behave).await;
                    };
                    let stream = TlsAcceptor::from(config).accept(stream).await;
                    serve_connection(stream.unwrap(), streams_max, &counter, behave).await;
                });
            }
        });
    });
    server
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    streams_max: u32,
    count: &AtomicU64,
    behave: impl Fn(u64, &str) -> Act,
) {
    let mut builder = server::Builder::new();
    builder.max_concurrent_streams(streams_max);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    // An error ends the connection, as it would in any server.
    while let Some(Ok((request, respond))) = connection.accept().await {
        match behave(count.fetch_add(1, Ordering::SeqCst), request.uri().path()) {
            Act::Close => return,
            Act::GoAway => connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
            act => {
                if matches!(act, Act::Retire) {
                    connection.graceful_shutdown();
                }
                tokio::spawn(answer(request, respond, act));
            }
        }
    }
}

async fn answer(request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>, act: Act) {
    let head = |status| Response::builder().status(status).body(()).unwrap();
    let (status, body) = match act {
        Act::Answer(status, body) => (status, body),
        Act::Retire => (200, b"hello".to_vec()),
        Act::Measure => {
            let mut body = request.into_body();
            let mut length = 0;
            while let Some(Ok(part)) = body.data().await {
                length += part.len();
                body.flow_control().release_capacity(part.len()).unwrap();
            }
            (200, length.to_string().into_bytes())
        }
        Act::ResetWithin => {
            let mut body = respond.send_response(head(200), false).unwrap();
            body.send_data(Bytes::from_static(b"hel"), false).unwrap();
            body.send_reset(Reason::INTERNAL_ERROR);
            return;
        }
        Act::Call(grpc_status) => {
            let mut body = respond.send_response(head(200), false).unwrap();
            body.send_data(Bytes::from_static(b"hello"), false).unwrap();
            body.send_trailers(of_call(grpc_status)).unwrap();
            return;
        }
        Act::Refusal(grpc_status) => {
            let mut head = head(200);
            *head.headers_mut() = of_call(Some(grpc_status));
            respond.send_response(head, true).unwrap();
            return;
        }
        Act::Refuse => return respond.send_reset(Reason::REFUSED_STREAM),
        Act::Hang => return std::future::pending().await,
        _ => return respond.send_reset(Reason::INTERNAL_ERROR),
    };
    // The other side may be gone.
    if let Ok(mut stream) = respond.send_response(head(status), body.is_empty())
        && !body.is_empty()
    {
        drop(stream.send_data(body.into(), true));
    }
}

/// The fields behind a call of gRPC.
fn of_call(grpc_status: Option<&'static str>) -> HeaderMap {
    let status = grpc_status.map(|status| ("grpc-status", status));
    let fields = [("grpc-message", "as it went")].into_iter().chain(status);
    let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    fields.map(field).collect()
}

pub(crate) fn hello(_: u64) -> Act {
    Act::Answer(200, b"hello".to_vec())
}

#[test]
fn right_answers() {
    let big = |_| Act::Answer(200, vec![b'x'; 1_000_000]);
    let empty = |_| Act::Answer(204, vec![]);
    for how in ["-n 400 -c 3 -t 2 --streams 7", "-n 400 -c 3 --streams 7 -q 4000 --warmup 0"] {
        let options: Vec<&str> = how.split(' ').chain(["--http2"]).collect();
        let server = serve(None, 100, hello);
        let loaded = load(&server.url(), &options);
        loaded.is_right(400, server.count());
        assert_eq!((&loaded.json["http"], &loaded.json["tls"]), (&json!("2"), &json!(false)));
        assert_eq!(loaded.json["connections"]["opened"], 3);
        let bytes = loaded.json["received_bytes"].as_u64();
        assert!(bytes >= Some(loaded.requests("sent") * 5), "{}", loaded.json);
    }
    let small = ["-n", "40", "-c", "2", "--streams", "4", "--http2-prior-knowledge"];
    let server = serve(None, 100, big);
    load(&server.url(), &small).is_right(40, server.count());
    let server = serve(None, 100, empty);
    load(&server.url(), &small).is_right(40, server.count());
    let server = serve(None, 100, empty);
    // What has no body is asked for once before.
    load(&server.url(), &[&["-m", "HEAD"], &small[..]].concat()).is_right(40, server.count() + 1);
    let server = serve(None, 100, |n| Act::Answer(200, n.to_string().into_bytes()));
    let loaded = load(&server.url(), &small);
    loaded.is_right(40, server.count());
    assert_eq!(loaded.json["body_verified"], false);
}

#[test]
fn requests_with_bodies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    std::fs::write(&path, vec![b'x'; 200_000]).unwrap();
    let server = serve(None, 100, |_| Act::Measure);
    let file = path.to_str().unwrap();
    let options = ["-n", "40", "-c", "2", "--streams", "4", "--http2", "--body-file", file];
    let loaded = load(&server.url(), &options);
    // A body with digits, which may be those of a clock, is asked for three times before.
    loaded.is_right(40, server.count() - 1);
    assert_eq!(loaded.json["body_verified"], true);
}

#[test]
fn over_tls() {
    let identity = Identity::new("localhost", &["h2"]);
    let ca = identity.file();
    let server = serve(Some(identity.config.clone()), 100, hello);
    let secure = ["--http2", "--cacert", ca.to_str().unwrap(), "-c", "3", "--streams", "5"];
    for how in [vec!["-n", "300"], vec!["-n", "300", "-q", "3000", "--warmup", "0"]] {
        let before = server.count();
        let loaded = load(&server.secure_url(), &[&how[..], &secure].concat());
        loaded.is_right(300, server.count() - before);
        assert_eq!((&loaded.json["http"], &loaded.json["tls"]), (&json!("2"), &json!(true)));
    }
    let big = serve(Some(identity.config.clone()), 100, |_| Act::Answer(200, vec![1; 300_000]));
    load(&big.secure_url(), &[&["-n", "60"], &secure[..]].concat()).is_right(60, big.count());
}

/// Two requests by weight, one of them with a number that differs each time.
#[test]
fn several_requests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases.toml");
    let cases = "[[case]]\npath = \"/a\"\nweight = 3\n[[case]]\npath = \"/b/{seq:4}\"\n";
    std::fs::write(&path, cases).unwrap();
    let server = serve(None, 100, hello);
    let cases = ["--http2", "--cases", path.to_str().unwrap()];
    let loaded = load(&server.url(), &[&cases[..], &["-n", "80", "-c", "2"]].concat());
    assert_eq!((loaded.code, loaded.requests("ok")), (0, 80), "{} {}", loaded.stderr, loaded.json);
    assert_eq!(server.count(), 80 + 2 * FIRST);
    let paths = server.paths();
    assert!(paths.contains("/a"), "{paths:?}");
    let numbered = paths.iter().filter(|path| path.starts_with("/b/0")).count();
    assert_eq!(paths.len(), numbered + 1, "{paths:?}");
    assert!(numbered > 2, "a quarter of them, each with a number of its own: {paths:?}");
}

/// Each place for a stream has the value of its own response.
#[test]
fn values_of_responses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("targets");
    std::fs::write(&path, "/a\n/b/{id}\n").unwrap();
    let server = serve(None, 100, |n| Act::Answer(200, format!("{{\"id\":{n}}}").into_bytes()));
    let list = ["--http2", "--capture", "id=json:/id", "--targets", path.to_str().unwrap()];
    let options = [&list[..], &["-n", "60", "-c", "2", "--streams", "3"]].concat();
    let loaded = load(&server.url(), &options);
    assert_eq!((loaded.code, loaded.requests("ok")), (0, 60), "{} {}", loaded.stderr, loaded.json);
    let sent = loaded.json["cases"][1]["ok"].as_u64().unwrap();
    assert!((24..=30).contains(&sent), "{}", loaded.json);
    let used = server.paths().iter().filter(|path| path.starts_with("/b/")).count() as u64;
    assert_eq!(used, sent + 1, "each value is used once: {:?}", server.paths());
}

/// In each case the server misbehaves on requests 19, 39, 59, 79 and 99 of 102.
#[test]
fn failures_have_names() {
    let cases = [
        ("wrong body", Act::Answer(200, b"jello".to_vec()), "wrong_body"),
        ("longer body", Act::Answer(200, b"hello!".to_vec()), "wrong_body"),
        ("shorter body", Act::Answer(200, b"hell".to_vec()), "wrong_body"),
        ("much too long", Act::Answer(200, vec![b'x'; 3_000_000]), "wrong_body"),
        ("bad status", Act::Answer(503, vec![]), "bad_status"),
        ("reset stream", Act::Reset, "reset"),
        ("reset within the answer", Act::ResetWithin, "reset"),
        ("closed", Act::Close, "reset"),
    ];
    for (name, misbehave, kind) in cases {
        let behave = move |n| if n % 20 == 19 { misbehave.clone() } else { hello(n) };
        let server = serve(None, 100, behave);
        let loaded = load(&server.url(), &["-n", "100", "-c", "4", "--http2"]);
        assert_eq!(loaded.code, 5, "{name}: {}", loaded.json);
        assert_eq!(loaded.json["requests"]["failed"], json!({ kind: 5 }), "{name}");
        assert_eq!(loaded.requests("ok"), 95, "{name}: {}", loaded.json);
        assert_eq!(server.count(), 100 + FIRST, "{name}");
    }
}

#[test]
fn requests_that_time_out_are_in_the_tail() {
    let server = serve(None, 100, |n| if n % 20 == 19 { Act::Hang } else { hello(n) });
    let options = ["-n", "100", "-c", "2", "--streams", "4", "--http2", "--timeout", "200ms"];
    let loaded = load(&server.url(), &options);
    assert_eq!(loaded.json["requests"]["failed"], json!({ "timeout": 5 }), "{}", loaded.json);
    assert_eq!(loaded.json["service"]["censored_count"], 5);
    assert_eq!(loaded.json["connections"]["opened"], 2, "a stream is given up, not a connection");
}

/// A server may send its connections away whenever it likes: nothing fails.
#[test]
fn connections_that_retire() {
    let server = serve(None, 100, |n| if n % 20 == 19 { Act::Retire } else { hello(n) });
    let loaded = load(&server.url(), &["-n", "200", "-c", "2", "--streams", "3", "--http2"]);
    let right = loaded.requests("ok");
    assert!(loaded.json["connections"]["opened"].as_u64() > Some(2), "{}", loaded.json);
    assert_eq!((loaded.code, right), (0, 200), "{} {}", loaded.stderr, loaded.json);
}

#[test]
fn connections_that_are_sent_away() {
    let server = serve(None, 100, |n| if n % 20 == 19 { Act::GoAway } else { hello(n) });
    let loaded = load(&server.url(), &["-n", "200", "-c", "2", "--streams", "3", "--http2"]);
    assert_eq!(loaded.code, 5, "{}", loaded.json);
    let failed = loaded.json["requests"]["failed"].as_object().unwrap();
    assert!(failed.contains_key("goaway"), "{}", loaded.json);
    assert_eq!(loaded.requests("planned"), 200, "{}", loaded.json);
    assert!(loaded.requests("ok") >= 150, "{}", loaded.json);
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Answers a number of requests on each connection, as `answered` says, and refuses to look at the
/// others, as nginx does. `settings` are those of a connection; when so many requests came the
/// second ones.
fn serve_frames(answered: usize, settings: [Option<u32>; 2], after: usize) -> SocketAddr {
    const HEADERS: u8 = 1;
    let streams_max = |n: u32| frame(4, 0, 0, &[&[0, 3][..], &n.to_be_bytes()].concat());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = move |mut stream: std::net::TcpStream| -> std::io::Result<()> {
        stream.read_exact(&mut [0; 24])?; // the preface
        stream.write_all(&settings[0].map_or(frame(4, 0, 0, &[]), streams_max))?;
        let mut seen = 0;
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head)?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            stream.read_exact(&mut vec![0; length])?;
            let (kind, flags) = (head[3], head[4]);
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match kind {
                4 if flags & 1 == 0 => stream.write_all(&frame(4, 1, 0, &[]))?,
                HEADERS if seen < answered => {
                    seen += 1;
                    let ok = [frame(HEADERS, 4, id, &[0x88]), frame(0, 1, id, b"hello")].concat();
                    stream.write_all(&ok)?;
                    if let Some(n) = settings[1].filter(|_| seen == after) {
                        stream.write_all(&streams_max(n))?;
                    }
                    if seen == answered {
                        let last = [&id.to_be_bytes()[..], &[0; 4]].concat();
                        stream.write_all(&frame(7, 0, 0, &last))?; // GOAWAY, no error
                    }
                }
                _ => {}
            }
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Its client ends it.
            thread::spawn(move || drop(serve(stream.unwrap())));
        }
    });
    addr
}

/// What a server has not looked at is sent again: after a GOAWAY on a new connection, after a
/// refusal on the same one. Nothing fails, and nothing is sent twice that was looked at.
#[test]
fn requests_that_were_not_looked_at_are_sent_again() {
    let server = serve_frames(10, [None; 2], 0);
    let url = format!("http://{server}/");
    let loaded = load(&url, &["-n", "200", "-c", "2", "--streams", "8", "--http2"]);
    assert_eq!((loaded.code, loaded.requests("ok")), (0, 200), "{}", loaded.json);
    let connections = &loaded.json["connections"];
    assert!(connections["opened"].as_u64() >= Some(20), "{connections}");
    assert!(connections["retried"].as_u64() > Some(0), "{connections}");

    let server = serve(None, 100, |n| if n % 20 == 19 { Act::Refuse } else { hello(n) });
    let loaded = load(&server.url(), &["-n", "100", "-c", "2", "--streams", "3", "--http2"]);
    assert_eq!((loaded.code, loaded.requests("ok")), (0, 100), "{}", loaded.json);
    let retried = loaded.json["connections"]["retried"].as_u64().unwrap();
    assert!(retried > 0 && server.count() == 100 + FIRST + retried, "{}", loaded.json);

    let refusing = serve(None, 100, |n| if n < FIRST { hello(n) } else { Act::Refuse });
    let loaded = load(&refusing.url(), &["-n", "10", "-c", "1", "--http2"]);
    assert_eq!(loaded.json["requests"]["failed"], json!({ "reset": 10 }), "{}", loaded.json);
}

/// A server that allows no stream, from the start or later on, ends a load by its time limit.
#[test]
fn no_streams() {
    let url = |settings| format!("http://{}/", serve_frames(usize::MAX, settings, 20));
    let loaded = load(&url([Some(0), None]), &["-n", "10", "--http2", "--timeout", "300ms"]);
    assert_eq!(loaded.code, 5);
    assert!(loaded.stderr.contains("no stream is allowed"), "{}", loaded.stderr);
    let options = ["-n", "1000", "-c", "1", "--streams", "4", "--http2", "--timeout", "300ms"];
    let loaded = load(&url([Some(100), Some(0)]), &options);
    assert_eq!(loaded.code, 5, "{}", loaded.json);
    assert!(loaded.requests("unsent") > 900, "{}", loaded.json);
    let warnings = loaded.json["warnings"].to_string();
    assert!(warnings.contains("no connection took one for 300 ms"), "{warnings}");
}

#[test]
fn no_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    crate::transport::server::serve(listener, |_| crate::transport::answer("hello"));
    let loaded = load(&url, &["--http2"]);
    assert_eq!(loaded.code, 5);
    assert!(loaded.stderr.contains("does not respond by HTTP/2"), "{}", loaded.stderr);

    let identity = Identity::new("localhost", &["http/1.1"]);
    let server = serve(Some(identity.config.clone()), 100, hello);
    let loaded = load(&server.secure_url(), &["--http2", "-k"]);
    assert_eq!(loaded.code, 5);
    assert!(loaded.stderr.contains("no common protocol (ALPN)"), "{}", loaded.stderr);

    let few = serve(None, 10, hello);
    let loaded = load(&few.url(), &["--http2", "--streams", "11"]);
    assert_eq!(loaded.code, 2);
    let expected = "the server allows 10 streams on a connection, not 11";
    assert!(loaded.stderr.contains(expected), "{}", loaded.stderr);
}

/// The status of a call of gRPC is in its trailers: a response with the right body and another one
/// has failed.
#[test]
fn calls_of_grpc() {
    let call = ["-H", "Content-Type: application/grpc", "-H", "TE: trailers", "--body", "hi"];
    let few = ["-n", "40", "-c", "2", "--streams", "4", "--http2"];
    let options = [&call[..], &few[..]].concat();
    let server = serve(None, 100, |_| Act::Call(Some("0")));
    load(&server.url(), &options).is_right(40, server.count());
    // After the first, which shows what a response looks like.
    for act in [Act::Call(Some("13")), Act::Call(None)] {
        let later = act.clone();
        let server = serve(None, 100, move |n| match n {
            0..FIRST => Act::Call(Some("0")),
            _ => later.clone(),
        });
        let loaded = load(&server.url(), &options);
        assert_eq!((loaded.code, loaded.requests("ok")), (5, 0), "{}", loaded.json);
        assert_eq!(loaded.json["requests"]["failed"]["bad_header"], 40, "{}", loaded.json);
    }
    let server = serve(None, 100, |_| Act::Refusal("12"));
    let said = duet(&server.url(), &options);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("expected grpc-status 0, got \"12\""), "{said}");
    let over_http1 = duet(&server.url(), &[&call[..], &["-n", "4"]].concat());
    assert_eq!(over_http1.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&over_http1.stderr).contains("--http2"));
}
