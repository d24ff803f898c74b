//! HTTPS.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::transport::server::{Listener, Served, answer, serve};
use crate::transport::{FIRST, duet, load};

/// A server's identity, and the file that trusts it.
pub(crate) struct Identity {
    folder: TempDir,
    pub(crate) config: Arc<ServerConfig>,
}

impl Identity {
    /// Of a server that is called `name` and offers `protocols`.
    pub(crate) fn new(name: &str, protocols: &[&str]) -> Self {
        let made = generate_simple_self_signed([name.to_owned()]).unwrap();
        let CertifiedKey { cert, signing_key } = made;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), cert.pem()).unwrap();
        Self { folder, config: Arc::new(config) }
    }

    /// The certificate in PEM form.
    pub(crate) fn pem(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// A listener that speaks TLS to all connections but those that `drops` says it drops.
pub(crate) struct Tls<F> {
    pub(crate) listener: TcpListener,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) count: AtomicU64,
    pub(crate) drops: F,
}

impl<F: Fn(u64) -> bool + Send + 'static> Listener for Tls<F> {
    type Stream = Polite;
    fn next(&self) -> Polite {
        loop {
            let stream = self.listener.accept().unwrap().0;
            if !(self.drops)(self.count.fetch_add(1, Ordering::SeqCst)) {
                stream.set_nodelay(true).unwrap();
                let tls = ServerConnection::new(Arc::clone(&self.config)).unwrap();
                return Polite(StreamOwned::new(tls, stream));
            }
        }
    }
}

/// Says that it closes.
pub(crate) struct Polite(StreamOwned<ServerConnection, TcpStream>);

impl Read for Polite {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Polite {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Polite {
    fn drop(&mut self) {
        self.0.conn.send_close_notify();
        // The other side may be gone.
        drop(self.0.flush());
    }
}

/// Starts a server; its URL and what it saw.
pub(crate) fn secure(
    identity: &Identity,
    drops: impl Fn(u64) -> bool + Send + 'static,
    behave: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> (String, Served) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/path", listener.local_addr().unwrap().port());
    let config = Arc::clone(&identity.config);
    (url, serve(Tls { listener, config, count: AtomicU64::new(0), drops }, behave))
}

/// Each request on a connection of its own, which resumes the session of an earlier one if that is
/// asked for.
#[test]
fn sessions_are_resumed_where_that_is_asked() {
    let identity = Identity::new("localhost", &["http/1.1"]);
    let close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let ca = identity.file();
    for resumes in [false, true] {
        let (url, _served) = secure(&identity, |_| false, |_| close.to_vec());
        let mut options = vec!["-n", "40", "-c", "1", "-t", "1", "--disable-keepalive", "--cacert"];
        options.push(ca.to_str().unwrap());
        options.extend(resumes.then_some("--tls-resume"));
        let loaded = load(&url, &options);
        assert_eq!(loaded.code, 0, "{}", loaded.stderr);
        let of = |kind: &str| loaded.json["connections"][kind].as_u64();
        // Of the connection that was opened for the first response there is a ticket already.
        let want = if resumes { (Some(0), Some(40)) } else { (Some(40), Some(0)) };
        assert_eq!((of("tls_full"), of("tls_resumed")), want, "{}", loaded.json);
    }
}

#[test]
fn right_answers() {
    let identity = Identity::new("localhost", &["http/1.1"]);
    let ca = identity.file();
    let trusting = ["--cacert", ca.to_str().unwrap()];
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let until_close = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi";
    let answers: [(&str, Vec<u8>); 6] = [
        ("small", answer("hello")),
        ("a record long", answer(&"x".repeat(16_384 - 43))),
        ("longer than any buffer", answer(&"x".repeat(1_000_000))),
        ("chunked", chunked.to_vec()),
        ("the last on its connection", close.to_vec()),
        ("delimited by the close", until_close.to_vec()),
    ];
    for (name, bytes) in answers {
        for how in ["-n 60 -c 4 -t 2", "-n 60 -c 4 -q 600 --warmup 0"] {
            let bytes = bytes.clone();
            let (url, served) = secure(&identity, |_| false, move |_| bytes.clone());
            let options: Vec<&str> = how.split(' ').chain(trusting).collect();
            let loaded = load(&url, &options);
            assert_eq!(loaded.code, 0, "{name}, {how}: {} {}", loaded.stderr, loaded.json);
            loaded.is_right(60, served.count());
        }
    }
    let (url, served) = secure(&identity, |_| false, |_| answer("hello"));
    load(&url, &["-n", "60", "--insecure"]).is_right(60, served.count());
    let text = duet(&url, &["-n", "60", "-k"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.starts_with(&url), "{text}");
}

#[test]
fn requests_longer_than_a_record() {
    let identity = Identity::new("localhost", &[]);
    let (url, served) = secure(&identity, |_| false, |_| answer("hello"));
    let header = format!("X: {}", "x".repeat(100_000));
    load(&url, &["-n", "60", "-k", "-H", &header]).is_right(60, served.count());
}

#[test]
fn wrong_answers() {
    let identity = Identity::new("localhost", &[]);
    let behave = |n| answer(if n % 20 == 19 { "jello" } else { "hello" });
    let (url, served) = secure(&identity, |_| false, behave);
    let loaded = load(&url, &["-n", "100", "-c", "4", "-k"]);
    assert_eq!(loaded.code, 5);
    assert_eq!(loaded.json["requests"]["failed"], serde_json::json!({ "wrong_body": 5 }));
    assert_eq!(served.count(), 100 + FIRST);
}

#[test]
fn handshakes_that_fail() {
    let identity = Identity::new("localhost", &[]);
    let (url, _) = secure(&identity, |_| false, |_| answer("hello"));
    let elsewhere = Identity::new("example.invalid", &[]);
    let (other_url, _) = secure(&elsewhere, |_| false, |_| answer("hello"));
    let h2_only = Identity::new("localhost", &["h2"]);
    let (h2_url, _) = secure(&h2_only, |_| false, |_| answer("hello"));
    let (hurried_url, _) = secure(&identity, |_| true, |_| answer("hello"));
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain_url = format!("https://{}/", plain.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut stream = plain.accept().unwrap().0;
        stream.write_all(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n").unwrap();
        // Until the other side has had enough.
        drop(stream.read_to_end(&mut vec![]));
    });
    let (ca, other_ca) = (identity.file(), elsewhere.file());
    let trust = |file: &PathBuf| vec!["--cacert".to_owned(), file.display().to_string()];
    let none = vec!["-k".to_owned()];
    let cases = [
        ("another authority", &url, trust(&other_ca), "invalid peer certificate"),
        ("another name", &other_url, trust(&other_ca), "certificate not valid for name"),
        ("no common protocol", &h2_url, none.clone(), "NoApplicationProtocol"),
        ("not TLS", &plain_url, trust(&ca), "no TLS with"),
        ("closed", &hurried_url, none, "does it speak TLS?"),
    ];
    for (name, url, options, expected) in cases {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let loaded = load(url, &[&options[..], &["--timeout", "5s"]].concat());
        assert!(loaded.stderr.contains(expected), "{name}: {}", loaded.stderr);
        assert_eq!(loaded.code, 5, "{name}: {}", loaded.stderr);
    }
}

/// The two connections of the first answers are taken, then every other one.
#[test]
fn some_handshakes_fail() {
    let identity = Identity::new("localhost", &[]);
    let drops = |n| n >= FIRST && n % 2 == 0;
    let (url, served) = secure(&identity, drops, |_| answer("hello"));
    let loaded = load(&url, &["-n", "100", "-c", "4", "-k"]);
    assert_eq!(loaded.requests("ok"), 100, "{}", loaded.json);
    assert_eq!(served.count(), 100 + FIRST);
    let refused = loaded.json["connections"]["refused"].as_object().unwrap();
    assert!(refused.values().any(|n| n.as_u64() >= Some(1)), "{}", loaded.json);
}

/// A search goes on after a probe that could not connect, and ends after two in a row. Of the one
/// connection of each probe, the second probe's fails, which is tried twice, or all from there on.
#[test]
fn a_search_that_cannot_connect() {
    let identity = Identity::new("localhost", &[]);
    let options = "-k -c 1 --find-capacity --rate 100 --probe-duration 200ms --warmup 0";
    let options = format!("{options} --limit max=1h");
    let options: Vec<&str> = options.split(' ').collect();
    let (url, _) = secure(&identity, |n| [3, 4].contains(&n), |_| answer("hello"));
    let output = duet(&url, &[&options[..], &["--json"]].concat());
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let probes = found["probes"].as_array().unwrap();
    assert!(probes.len() > 2, "{found}");
    assert_eq!(probes[1]["reasons"], serde_json::json!(["no connection could be opened"]));
    assert!(probes[1]["response"].is_null() && probes[2]["response"].is_object(), "{found}");

    let (url, _) = secure(&identity, |n| n >= 3, |_| answer("hello"));
    let output = duet(&url, &options);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("in two probes in a row: is the server still running?"), "{stderr}");
    assert_eq!(output.status.code(), Some(5), "{stderr}");
}

/// A server of HTTP/2 whose settings come with the last words of its handshake, before the client
/// has said its own, and whose answers have no body.
#[test]
fn bytes_that_come_with_the_handshake() {
    let identity = Identity::new("localhost", &["h2"]);
    let mut config = (*identity.config).clone();
    config.send_half_rtt_data = true;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        loop {
            let stream = listener.accept().unwrap().0;
            let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            tls.writer().write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
            let stream = StreamOwned::new(tls, stream);
            std::thread::spawn(move || drop(answer_frames(stream)));
        }
    });
    let loaded = load(&url, &["-n", "60", "-c", "3", "-k", "--http2", "--timeout", "5s"]);
    assert_eq!((loaded.code, loaded.requests("ok")), (0, 60), "{}", loaded.json);
}

/// Answers each HEADERS frame with `:status 200` and the end of the stream.
fn answer_frames(mut stream: impl Read + Write) -> std::io::Result<()> {
    stream.read_exact(&mut [0; 24])?; // the preface
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length])?;
        match (head[3], head[4]) {
            (1, _) => stream.write_all(&[&[0, 0, 1, 1, 5], &head[5..], &[0x88]].concat())?,
            (4, 0) => stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0])?,
            _ => {}
        }
    }
}
