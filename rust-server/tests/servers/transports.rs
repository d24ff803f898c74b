//! TLS and HTTP/2, against the server that offers them.
//! `go-server/cmd/go-nethttp/transport_test.go` tests the same of the Go server.

use std::fs;
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    self, CipherSuite, ClientConfig, ClientConnection, HandshakeKind, NamedGroup, RootCertStore,
    StreamOwned, SupportedProtocolVersion,
};

use crate::client::{Answer, Answers, Client, PATIENCE, Server, eventually};
use crate::contract::{ORDER, SUMMARY, check_headers};

const AXUM: &str = env!("CARGO_BIN_EXE_rust-axum");

const LIMIT: usize = 1_048_576;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Https1,
    H2,
    H2c,
}

const ALL: [Over; 3] = [Over::Https1, Over::H2, Over::H2c];

/// A certificate with its key, in files for the server, and a client's trust in it.
struct Identity {
    folder: TempDir,
    trusted: CertificateDer<'static>,
}

impl Identity {
    fn new() -> Identity {
        let made = generate_simple_self_signed(["localhost".to_owned()]).expect("it can be made");
        let CertifiedKey { cert, signing_key } = made;
        let folder = tempfile::tempdir().expect("a folder can be made");
        let write = |name: &str, text: String| {
            fs::write(folder.path().join(name), text).expect("the folder can be written to");
        };
        write("cert.pem", cert.pem());
        write("key.pem", signing_key.serialize_pem());
        Identity { trusted: cert.der().clone(), folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("the path is UTF-8").to_owned()
    }

    fn start(&self, over: Over) -> Server {
        self.start_with(over, &[])
    }

    /// Started with these arguments beside the usual ones.
    fn start_with(&self, over: Over, args: &[&str]) -> Server {
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        let transport: &[&str] = match over {
            Over::H2c => &["--h2c"],
            _ => &["--tls-cert", &cert, "--tls-key", &key],
        };
        Server::start_with(AXUM, &[transport, args].concat())
    }

    fn connect(&self, over: Over, server: &Server) -> Connection {
        match over {
            Over::Https1 => {
                let stream = secure(server.address, client(self, &["http/1.1"]));
                Connection::Http1(Box::new(Answers::of(stream.expect("the handshake succeeds"))))
            }
            Over::H2 => Connection::http2(server.address, Some(client(self, &["h2"]))),
            Over::H2c => Connection::http2(server.address, None),
        }
    }
}

fn client(identity: &Identity, protocols: &[&str]) -> Arc<ClientConfig> {
    Arc::new(client_with(identity, protocols, ring::default_provider(), &TLS13))
}

fn client_with(
    identity: &Identity,
    protocols: &[&str],
    provider: CryptoProvider,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(identity.trusted.clone()).expect("it is a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .expect("the provider has suites for it")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("it is a name")
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// Connects and shakes hands.
fn secure(address: SocketAddr, config: Arc<ClientConfig>) -> Result<Secure, rustls::Error> {
    let mut stream = Client::connect(address).stream;
    let mut tls = ClientConnection::new(config, localhost())?;
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut stream) {
            return Err(match error.downcast::<rustls::Error>() {
                Ok(error) => error,
                Err(error) => panic!("{error}"),
            });
        }
    }
    Ok(StreamOwned::new(tls, stream))
}

/// A connection over any transport. Over HTTP/2 it lives only while somebody asks.
enum Connection {
    Http1(Box<Answers<Secure>>),
    Http2 { runtime: Runtime, requests: SendRequest<Bytes>, driver: JoinHandle<()> },
}

/// A request that has begun and lacks its body.
enum Begun {
    Http1,
    Http2(ResponseFuture, SendStream<Bytes>),
}

impl Connection {
    fn http2(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Connection {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a descriptor is free");
        let (requests, driver) = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.expect("it accepts");
            // What ends a connection is of no interest; that it ends is.
            let Some(config) = tls else {
                let (requests, connection) =
                    h2::client::handshake(stream).await.expect("it speaks HTTP/2");
                return (requests, tokio::spawn(async { drop(connection.await) }));
            };
            let stream = TlsConnector::from(config).connect(localhost(), stream).await;
            let stream = stream.expect("the handshake succeeds");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let (requests, connection) =
                h2::client::handshake(stream).await.expect("it speaks HTTP/2");
            (requests, tokio::spawn(async { drop(connection.await) }))
        });
        Connection::Http2 { runtime, requests, driver }
    }

    /// Sends a request with these header fields and a body, and reads the answer.
    fn ask(&mut self, line: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let length = body.len().to_string();
        let typed = ("content-type", "application/json");
        let sized = [fields, &[("content-length", &*length), typed]].concat();
        let fields = if body.is_empty() { fields } else { &sized };
        match self {
            Connection::Http1(answers) => {
                let request = format!("{}{body}", head(line, fields));
                answers.stream().write_all(request.as_bytes()).expect("the server reads");
                answers.read(line.starts_with("HEAD ")).expect("an answer")
            }
            Connection::Http2 { runtime, requests, .. } => runtime.block_on(async {
                let (response, mut stream) = send(requests, line, fields, body.is_empty()).await;
                if !body.is_empty() {
                    // The server may have refused by now, and then it does not want the rest.
                    let _ = stream.send_data(Bytes::from(body.to_owned()), true);
                }
                receive(response).await
            }),
        }
    }

    /// Begins a request with two bytes to come, and returns when the server has begun it.
    fn begin(&mut self, line: &str) -> Begun {
        let fields = [("content-length", "2"), ("expect", "100-continue")];
        match self {
            Connection::Http1(answers) => {
                let request = head(line, &fields);
                answers.stream().write_all(request.as_bytes()).expect("the server reads");
                assert_eq!(answers.read(false).expect("an answer").status, 100);
                Begun::Http1
            }
            Connection::Http2 { runtime, requests, .. } => {
                let (response, stream) =
                    runtime.block_on(send(requests, line, &fields[..1], false));
                // Frames are taken in order: who has answered this has begun the one before.
                assert_eq!(self.ask("GET /hello", &[], "").status, 200);
                Begun::Http2(response, stream)
            }
        }
    }

    /// Sends the two bytes.
    fn finish(&mut self, begun: Begun, body: &'static str) -> Answer {
        match (self, begun) {
            (Connection::Http1(answers), Begun::Http1) => {
                answers.stream().write_all(body.as_bytes()).expect("the server reads");
                answers.read(false).expect("an answer")
            }
            (Connection::Http2 { runtime, .. }, Begun::Http2(response, mut stream)) => runtime
                .block_on(async {
                    let body = Bytes::from_static(body.as_bytes());
                    stream.send_data(body, true).expect("the stream is open");
                    receive(response).await
                }),
            _ => panic!("it began on another connection"),
        }
    }

    /// Waits until the server has closed the connection.
    fn closed(self) {
        match self {
            Connection::Http1(mut answers) => assert!(answers.is_at_end()),
            Connection::Http2 { runtime, driver, .. } => {
                let end = async { tokio::time::timeout(PATIENCE, driver).await };
                runtime.block_on(end).expect("it closes").expect("the driver does not panic");
            }
        }
    }
}

fn head(line: &str, fields: &[(&str, &str)]) -> String {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

async fn send(
    requests: &mut SendRequest<Bytes>,
    line: &str,
    fields: &[(&str, &str)],
    without_body: bool,
) -> (ResponseFuture, SendStream<Bytes>) {
    let (method, path) = line.split_once(' ').expect("a line has two words");
    let mut request = Request::builder().method(method).uri(format!("http://localhost{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("the request is well-formed");
    poll_fn(|context| requests.poll_ready(context)).await.expect("the connection is open");
    requests.send_request(request, without_body).expect("the connection is open")
}

async fn receive(response: ResponseFuture) -> Answer {
    let received = tokio::time::timeout(PATIENCE, async {
        let (head, body) = response.await.expect("an answer").into_parts();
        (Response::from_parts(head, ()), read(body).await)
    });
    let (response, body) = received.await.expect("an answer in time");
    let text = |value: &http::HeaderValue| value.to_str().expect("headers are ASCII").to_owned();
    let headers = response.headers().iter();
    Answer {
        status: response.status().as_u16(),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: String::from_utf8(body).expect("the body is UTF-8"),
    }
}

async fn read(mut body: RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.expect("the body is complete");
        body.flow_control().release_capacity(part.len()).expect("it was taken");
        bytes.extend_from_slice(&part);
    }
    bytes
}

#[test]
fn the_contract_over_every_transport() {
    let identity = Identity::new();
    for over in ALL {
        let server = identity.start(over);
        let mut connection = identity.connect(over, &server);
        let mut check = |line: &str, body: &str, status: u16, expected: &str| {
            let answer = connection.ask(line, &[], body);
            assert_eq!((answer.status, &*answer.body), (status, expected), "{over:?} {line}");
            check_headers(&answer, &[]);
        };
        check("GET /", "", 200, "<html><body>Hello world</body></html>\r\n");
        check("GET /hello", "", 200, r#"{"message":"hello world"}"#);
        check("GET /hello", "a body nobody asked for", 200, r#"{"message":"hello world"}"#);
        check("GET /sum?a=1&b=2", "", 200, "3");
        check("POST /sum?a=1&b=2", "39", 200, "42");
        check("POST /orders", ORDER, 200, SUMMARY);
        check("GET /cpu?n=100", "", 200, "1.274219991");
        check("GET /sum?a=1", "", 400, r#"{"error":"bad request"}"#);
        check("POST /orders", "[", 400, r#"{"error":"bad request"}"#);
        check("GET /nothing", "", 404, r#"{"error":"not found"}"#);
        check("PUT /hello", "body", 405, r#"{"error":"method not allowed"}"#);
        check("HEAD /hello", "", 200, "");
        let items = connection.ask("GET /items/1000?m=1000000", &[], "");
        assert!(items.body.ends_with(r#""total":8201000000}],"count":1000}"#), "{over:?}");
        assert_eq!(items.header("content-length"), Some(&*items.body.len().to_string()));
        let head = connection.ask("HEAD /hello", &[], "");
        assert_eq!(head.header("content-length"), Some("25"), "{over:?}");
    }
}

/// HTTP/1.1 ends with the connection, HTTP/2 with the stream.
#[test]
fn large_requests() {
    let identity = Identity::new();
    let largest = format!("{ORDER}{}", " ".repeat(LIMIT - ORDER.len()));
    let names: Vec<_> = (0..63).map(|i| format!("x-{i:02}")).collect();
    let usual = "x".repeat(121);
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), usual.as_str())).collect();
    for over in ALL {
        let server = identity.start(over);
        let mut connection = identity.connect(over, &server);
        assert_eq!(connection.ask("POST /orders", &[], &largest).body, SUMMARY, "{over:?}");
        assert_eq!(connection.ask("GET /hello", &fields, "").status, 200, "{over:?}");
        for line in ["POST /orders", "GET /hello"] {
            let answer = connection.ask(line, &[], &format!("{largest} "));
            let expected = r#"{"error":"payload too large"}"#;
            assert_eq!((answer.status, &*answer.body), (413, expected), "{over:?} {line}");
            if over == Over::Https1 {
                check_headers(&answer, &["connection"]);
                connection.closed();
                connection = identity.connect(over, &server);
            } else {
                check_headers(&answer, &[]);
            }
        }
        assert_eq!(connection.ask("GET /hello", &[], "").status, 200, "{over:?}");
    }
}

#[test]
fn many_streams_at_once() {
    let identity = Identity::new();
    for over in [Over::H2, Over::H2c] {
        let server = identity.start(over);
        let mut connection = identity.connect(over, &server);
        // With the answer comes how many streams there may be.
        assert_eq!(connection.ask("GET /hello", &[], "").status, 200);
        let Connection::Http2 { runtime, mut requests, .. } = connection else {
            panic!("{over:?} is HTTP/2");
        };
        runtime.block_on(async {
            let mut responses = Vec::new();
            for i in 0..600 {
                let line = format!("GET /sum?a={i}&b=0");
                responses.push(send(&mut requests, &line, &[], true).await.0);
            }
            for (i, response) in responses.into_iter().enumerate() {
                assert_eq!(receive(response).await.body, i.to_string(), "{over:?}");
            }
        });
    }
}

/// What `CONTRACT.md` says of the two servers of the lane: one negotiates what the other does, in
/// whatever order a client offers it.
#[test]
fn the_handshake() {
    let identity = Identity::new();
    let server = identity.start(Over::H2);
    let suite = ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let larger = ring::cipher_suite::TLS13_AES_256_GCM_SHA384;
    let chacha = ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
    for suites in [[suite, larger, chacha], [larger, suite, chacha], [larger, chacha, suite]] {
        for (protocols, expected) in [
            (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
            (&["http/1.1", "h2"], Some(b"h2")),
            (&["http/1.1"], Some(b"http/1.1")),
            (&[], None),
        ] {
            let provider =
                CryptoProvider { cipher_suites: suites.to_vec(), ..ring::default_provider() };
            let config = Arc::new(client_with(&identity, protocols, provider, &TLS13));
            let tls = secure(server.address, config).expect("the handshake succeeds").conn;
            let chosen = tls.negotiated_cipher_suite().map(|suite| suite.suite());
            assert_eq!(chosen, Some(CipherSuite::TLS13_AES_128_GCM_SHA256), "{suites:?}");
            let group = tls.negotiated_key_exchange_group().map(SupportedKxGroup::name);
            assert_eq!(group, Some(NamedGroup::X25519));
            assert_eq!(tls.alpn_protocol(), expected, "{protocols:?}");
        }
    }
}

#[test]
fn handshakes_that_fail() {
    let identity = Identity::new();
    let server = identity.start(Over::H2);
    let old = client_with(&identity, &["h2"], ring::default_provider(), &TLS12);
    let p256 =
        CryptoProvider { kx_groups: vec![ring::kx_group::SECP256R1], ..ring::default_provider() };
    let other_group = client_with(&identity, &["h2"], p256, &TLS13);
    let other_protocol = client_with(&identity, &["h3"], ring::default_provider(), &TLS13);
    for (what, config) in
        [("TLS 1.2", old), ("P-256", other_group), ("another protocol", other_protocol)]
    {
        let refused = secure(server.address, Arc::new(config)).err();
        assert!(matches!(refused, Some(rustls::Error::AlertReceived(_))), "{what}: {refused:?}");
    }
    let mut plain = server.client();
    plain.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    // What comes is an alert, if anything.
    let mut received = Vec::new();
    let _ = plain.stream.read_to_end(&mut received);
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
    assert_eq!(identity.connect(Over::H2, &server).ask("GET /hello", &[], "").status, 200);
}

/// A client that comes back with its ticket saves the certificate.
#[test]
fn resumption() {
    let identity = Identity::new();
    let server = identity.start(Over::Https1);
    let config = client(&identity, &["http/1.1"]);
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let stream = secure(server.address, Arc::clone(&config)).expect("the handshake succeeds");
        let mut answers = Answers::of(stream);
        let request = head("GET /hello", &[]);
        answers.stream().write_all(request.as_bytes()).expect("the server reads");
        assert_eq!(answers.read(false).expect("an answer").status, 200);
        let tls = &answers.stream().conn;
        assert_eq!(tls.handshake_kind(), Some(expected));
        assert_eq!(tls.tls13_tickets_received(), 1);
    }
}

/// The first frames of a server, byte by byte: the Go server's test has the same numbers.
#[test]
fn settings_of_http2() {
    let server = Server::start_with(AXUM, &["--h2c"]);
    let mut client = server.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0");
    let mut settings = Vec::new();
    let mut window = 65_535;
    loop {
        let mut head = [0; 9];
        client.stream.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        client.stream.read_exact(&mut payload).expect("the frame is complete");
        match head[3] {
            4 => settings.extend(payload.chunks_exact(6).map(|setting| {
                let value = setting[2..].try_into().expect("four of six bytes");
                (setting[1], u32::from_be_bytes(value))
            })),
            8 => window += u32::from_be_bytes(payload.try_into().expect("four bytes")),
            _ => {}
        }
        if !settings.is_empty() && window > 65_535 {
            break;
        }
    }
    settings.sort_unstable();
    // Streams at once, a stream's window, the largest frame, the largest head.
    assert_eq!(settings, [(3, 256), (4, 1 << 20), (5, 1 << 14), (6, (64 << 10) + 320)]);
    assert_eq!(window, 1 << 20);
}

/// Without `--h2c` there is no HTTP/2 in the clear, with it nothing else.
#[test]
fn one_protocol_in_the_clear() {
    let plain = Server::start(AXUM);
    let mut client = plain.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0");
    let mut received = Vec::new();
    let _ = client.stream.read_to_end(&mut received);
    assert_eq!(received, b"");
    let h2c = Server::start_with(AXUM, &["--h2c"]);
    let mut client = h2c.client();
    client.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut received = Vec::new();
    let _ = client.stream.read_to_end(&mut received);
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
}

#[test]
fn command_lines_that_fail() {
    let identity = Identity::new();
    let (cert, key) = (&*identity.path("cert.pem"), &*identity.path("key.pem"));
    let missing = &*identity.path("missing.pem");
    let other = Identity::new();
    let other_key = &*other.path("key.pem");
    for (args, code, says) in [
        (&["--tls-cert", cert][..], 2, "--tls-key"),
        (&["--tls-key", key], 2, "--tls-cert"),
        (&["--tls-cert", cert, "--tls-key"], 2, "--tls-key"),
        (&["--tls-cert", cert, "--tls-key", ""], 2, "usage"),
        (&["--h2c", "--tls-cert", cert, "--tls-key", key], 2, "--h2c"),
        (&["--tls-cert", missing, "--tls-key", key], 1, missing),
        (&["--tls-cert", cert, "--tls-key", missing], 1, missing),
        (&["--tls-cert", key, "--tls-key", key], 1, "certificate"),
        (&["--tls-cert", cert, "--tls-key", cert], 1, "key"),
        (&["--tls-cert", cert, "--tls-key", other_key], 1, "key"),
    ] {
        let output = Command::new(AXUM).args(["--addr", "127.0.0.1:0"]).args(args).output();
        let output = output.expect("the program was built");
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {line}");
        assert_eq!(output.stdout, b"", "{args:?}");
        assert!(line.lines().count() == 1 && line.contains(says), "{args:?}: {line}");
    }
}

/// As over plain HTTP/1.1: a request that has begun is answered, idle connections are closed and
/// new ones refused.
#[test]
fn sigterm_with_a_busy_connection() {
    let identity = Identity::new();
    for over in ALL {
        let server = identity.start(over);
        let mut idle = identity.connect(over, &server);
        assert_eq!(idle.ask("GET /hello", &[], "").status, 200);
        let mut busy = identity.connect(over, &server);
        let begun = busy.begin("POST /sum?a=1&b=2");
        server.terminate();
        idle.closed();
        eventually("new connections are refused", || TcpStream::connect(server.address).is_err());
        let answer = busy.finish(begun, "39");
        assert_eq!((answer.status, &*answer.body), (200, "42"), "{over:?}");
        busy.closed();
        assert_eq!(server.wait().code(), Some(0), "{over:?}");
    }
}

/// Clients that say nothing, stop in the middle of a handshake or a request, or have gone to sleep.
#[test]
fn sigterm_with_clients_that_never_finish() {
    let identity = Identity::new();
    for over in ALL {
        let server = identity.start(over);
        let silent = server.client();
        let mut half = server.client();
        half.send(if over == Over::H2c { "PRI * HT" } else { "\u{16}\u{3}\u{1}\u{1}" });
        let mut idle = identity.connect(over, &server);
        assert_eq!(idle.ask("GET /hello", &[], "").status, 200);
        let mut busy = identity.connect(over, &server);
        let begun = busy.begin("POST /sum?a=1&b=2");
        server.terminate();
        assert_eq!(server.wait().code(), Some(0), "{over:?}");
        drop((silent, half, idle, busy, begun));
    }
}

/// A client that is silent, stops in the middle of a handshake or a preface, or sends no more
/// requests: the server ends the connection.
#[test]
fn clients_that_take_too_long() {
    let identity = Identity::new();
    for over in ALL {
        let server = identity.start_with(over, &["--timeout-ms", "200"]);
        let (mut silent, mut half) = (server.client(), server.client());
        half.send(if over == Over::H2c { "PRI * HT" } else { "\u{16}\u{3}\u{1}\u{1}" });
        for client in [&mut silent, &mut half] {
            let mut received = Vec::new();
            client.stream.read_to_end(&mut received).expect("the server ends the connection");
        }
        match identity.connect(over, &server) {
            // A connection that took too long ends without TLS's farewell.
            Connection::Http1(mut answers) => {
                let end = answers.stream().read(&mut [0]).map_err(|error| error.kind());
                assert!(matches!(end, Ok(0) | Err(ErrorKind::UnexpectedEof)), "{end:?}");
            }
            http2 => http2.closed(),
        }
    }
}

/// Threads and descriptors do not add up, whatever clients do.
#[test]
fn misbehaving_clients_leave_nothing_behind() {
    let identity = Identity::new();
    for over in ALL {
        let server = identity.start(over);
        let before = server.count("fd");
        for i in 0..60 {
            let mut client = server.client();
            client.send(["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u{16}\u{3}", "GET / HT"][i % 4]);
            if i % 10 == 0 {
                let mut connection = identity.connect(over, &server);
                let _begun = connection.begin("POST /sum?a=1&b=2");
            }
        }
        eventually("all connections are closed", || server.count("fd") <= before);
        assert_eq!(identity.connect(over, &server).ask("GET /hello", &[], "").status, 200);
    }
}
