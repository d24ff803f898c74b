//! A server that keeps the contract until it is told not to. The end-to-end tests measure it.
//!
//! `faulty-server --addr HOST:PORT|unix:PATH [--tls-cert FILE --tls-key FILE] [--fault FAULT]
//! [--after N] [--hold-mib M]
//! [--delay-us D | --delay-us-file FILE] [--event-ms E]` answers every request with the same JSON,
//! or with four events, one in E milliseconds, but for those of a cache of entries below `/kv`. A
//! WebSocket sends each message back, with a path below `/ws` to all that opened it.
//! FAULT strikes with the Nth request, message or entry, or at start or stop. `closes-idle` does so
//! after N times 100 ms; `hasty` forgets the delay; with `no-tickets` no session of TLS can be
//! resumed.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

mod websocket;

/// The right answer.
const BODY: &str = r#"{"message":"hello world"}"#;

/// The entries of the cache.
static ENTRIES: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());

/// What the command line says.
#[derive(Clone, Default)]
struct Options {
    addr: String,
    tls: [Option<String>; 2],
    fault: String,
    after: u64,
    hold_mib: usize,
    delay: Duration,
    events: Option<Duration>,
}

fn main() {
    let options = options();
    match options.fault.as_str() {
        "exit-at-start" => {
            eprintln!("the configuration is missing");
            exit(3);
        }
        "silent" => loop {
            std::thread::park();
        },
        "babble" => println!("starting up, please wait"),
        _ => {}
    }
    // Memory that is touched stays in use.
    std::mem::forget(vec![1_u8; options.hold_mib << 20]);
    stop_on_sigterm(options.fault.clone());
    let streams = listen(&options).unwrap_or_else(|e| {
        eprintln!("failed to listen on {}: {e}", options.addr);
        exit(1);
    });
    let seen = Arc::new(AtomicU64::new(0));
    for stream in streams {
        let (options, seen) = (options.clone(), Arc::clone(&seen));
        std::thread::spawn(move || serve(stream, &options, &seen));
    }
}

/// A connection, whatever its bytes go through.
trait Stream: Read + Write + Send {
    /// The same connection once more; none: it is encrypted, or a Unix socket.
    fn again(&self) -> Option<TcpStream> {
        None
    }
}

impl Stream for TcpStream {
    fn again(&self) -> Option<TcpStream> {
        self.try_clone().ok()
    }
}

impl Stream for UnixStream {}

impl Stream for StreamOwned<ServerConnection, TcpStream> {}

type Streams = Box<dyn Iterator<Item = Box<dyn Stream>>>;

/// Listens, and says where.
fn listen(options: &Options) -> Result<Streams, Box<dyn Error>> {
    if let Some(path) = options.addr.strip_prefix("unix:") {
        let listener = UnixListener::bind(path)?;
        println!("listening {}", options.addr);
        let next = move || listener.accept().ok().map(|(stream, _)| Box::new(stream) as _);
        return Ok(Box::new(std::iter::from_fn(next)));
    }
    let tls = tls(options)?;
    let two_writes = options.fault == "two-writes";
    let patience = Duration::from_millis(100 * options.after);
    let patience = (options.fault == "closes-idle").then_some(patience);
    let listener = TcpListener::bind(&options.addr)?;
    println!("listening {}", listener.local_addr()?);
    Ok(Box::new(std::iter::from_fn(move || {
        let (stream, _) = listener.accept().ok()?;
        stream.set_nodelay(!two_writes).ok()?;
        stream.set_read_timeout(patience).ok()?;
        let Some(tls) = &tls else { return Some(Box::new(stream) as _) };
        let session = ServerConnection::new(Arc::clone(tls)).ok()?;
        Some(Box::new(StreamOwned::new(session, stream)) as _)
    })))
}

/// How connections are encrypted, if they are: by TLS 1.3, or, as a fault, by TLS 1.2.
fn tls(options: &Options) -> Result<Option<Arc<ServerConfig>>, Box<dyn Error>> {
    let [Some(certificate), Some(key)] = &options.tls else { return Ok(None) };
    let version = if options.fault == "tls-1.2" { &TLS12 } else { &TLS13 };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate)?],
            PrivateKeyDer::from_pem_file(key)?,
        )?;
    config.alpn_protocols = vec![b"http/1.1".into()];
    if options.fault == "no-tickets" {
        config.send_tls13_tickets = 0;
    }
    Ok(Some(Arc::new(config)))
}

fn options() -> Options {
    let mut options = Options { after: 1, ..Options::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--addr" => options.addr = value(),
            "--tls-cert" => options.tls[0] = Some(value()),
            "--tls-key" => options.tls[1] = Some(value()),
            "--hold-mib" => options.hold_mib = value().parse().unwrap_or(0),
            "--fault" => options.fault = value(),
            "--after" => options.after = value().parse().unwrap_or(1),
            "--delay-us" => {
                options.delay = Duration::from_micros(value().parse().unwrap_or(0));
            }
            "--delay-us-file" => {
                let text = std::fs::read_to_string(value()).unwrap_or_default();
                options.delay = Duration::from_micros(text.trim().parse().unwrap_or(0));
            }
            "--event-ms" => {
                options.events = Some(Duration::from_millis(value().parse().unwrap_or(1)));
            }
            "--version" => {
                println!("faulty-server 0.1.0");
                exit(0);
            }
            other => {
                eprintln!("unknown option {other}");
                exit(2);
            }
        }
    }
    options
}

/// Exits as the contract says, or as the fault says.
fn stop_on_sigterm(fault: String) {
    let Ok(mut signals) = Signals::new([SIGTERM]) else { exit(1) };
    std::thread::spawn(move || {
        for _ in signals.forever() {
            match fault.as_str() {
                "ignore-sigterm" => {}
                "bad-exit" => exit(7),
                _ => exit(0),
            }
        }
    });
}

/// Answers the requests of one connection. Any error ends the connection.
fn serve(stream: Box<dyn Stream>, options: &Options, seen: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let request = read_request(&mut reader)?;
        if let Some((status, kind, body)) = cached(&request, options) {
            let number = seen.fetch_add(1, Ordering::Relaxed) + 1;
            if options.fault == "crash" && number >= options.after {
                strike(&options.fault)?;
            }
            respond(&mut **reader.get_mut(), status, kind, &body, request.close)?;
            continue;
        }
        if request.path.starts_with("/ws") {
            return websocket::serve(&mut reader, &request, options, seen);
        }
        let Request { known, close, host, .. } = request;
        let named = options.fault != "named-host" || host == "example.org";
        if !known || !named {
            answer(&mut **reader.get_mut(), "404 Not Found", r#"{"error":"not found"}"#, close)?;
            continue;
        }
        let number = seen.fetch_add(1, Ordering::Relaxed) + 1;
        if options.fault == "starting" && number < options.after {
            answer(
                &mut **reader.get_mut(),
                "503 Service Unavailable",
                r#"{"error":"wait"}"#,
                close,
            )?;
            continue;
        }
        let body = if number >= options.after { strike(&options.fault)? } else { BODY };
        let hasty = options.fault == "hasty" && number >= options.after;
        if !options.delay.is_zero() && !hasty {
            std::thread::sleep(options.delay);
        }
        if let Some(period) = options.events {
            let fault = if number >= options.after { &*options.fault } else { "" };
            events(&mut **reader.get_mut(), period, fault)?;
            continue;
        }
        if options.fault == "two-writes" {
            answer_in_two(&mut **reader.get_mut(), body)?;
            continue;
        }
        answer(&mut **reader.get_mut(), "200 OK", body, close)?;
    }
}

/// Sends four events, each when it is due.
fn events(stream: &mut dyn Stream, period: Duration, fault: &str) -> Option<()> {
    let ticks: &[u32] = match fault {
        "out-of-order" => &[1, 3, 2, 4],
        "skips-event" => &[1, 2, 4],
        "ends-early" => &[1, 2],
        _ => &[1, 2, 3, 4],
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                Transfer-Encoding: chunked\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()?;
    let mut held = String::new();
    for tick in ticks {
        std::thread::sleep(match fault {
            "rushes-events" => period / 2,
            "stalls" if *tick == 2 => period * 3,
            _ => period,
        });
        let event = format!("data: {tick}\n\n");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        if fault == "holds-events" {
            held.push_str(&chunk);
        } else {
            stream.write_all(chunk.as_bytes()).ok()?;
        }
    }
    if fault == "breaks-off" {
        return None;
    }
    held.push_str("0\r\n\r\n");
    stream.write_all(held.as_bytes()).ok()
}

/// Sends an answer's head, then its body: without TCP_NODELAY the body waits until the head is
/// acknowledged.
fn answer_in_two(stream: &mut dyn Stream, body: &str) -> Option<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()
}

/// What the cache says to a request: status, content type and body; None where it is another's.
fn cached(request: &Request, options: &Options) -> Option<(&'static str, &'static str, String)> {
    let (json, text) = ("application/json", "text/plain; charset=utf-8");
    let rest = request.path.strip_prefix("/kv")?;
    let mut entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(id) = rest.strip_prefix('/').and_then(|id| id.parse::<u64>().ok()) else {
        return Some(("200 OK", json, format!(r#"{{"count":{}}}"#, entries.len())));
    };
    let strikes = |fault: &str| options.fault == fault && id == options.after;
    if request.method == "put" {
        let bytes = request.body.len();
        if !strikes("forgets") {
            entries.insert(id, request.body.clone());
        }
        return Some(("200 OK", json, format!(r#"{{"id":{id},"bytes":{bytes}}}"#)));
    }
    Some(match entries.get(&id) {
        Some(_) if strikes("wrong-value") => ("200 OK", text, "another value".to_owned()),
        Some(value) => ("200 OK", text, value.clone()),
        None => ("404 Not Found", json, r#"{"error":"not found"}"#.to_owned()),
    })
}

/// Sends an answer of JSON. None when the connection is over.
fn answer(stream: &mut dyn Stream, status: &str, body: &str, close: bool) -> Option<()> {
    respond(stream, status, "application/json", body, close)
}

/// Sends an answer. None when the connection is over.
fn respond(
    stream: &mut dyn Stream,
    status: &str,
    kind: &str,
    body: &str,
    close: bool,
) -> Option<()> {
    let connection = if close { "Connection: close\r\n" } else { "" };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n{connection}\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).ok()?;
    (!close).then_some(())
}

/// Carries out the fault: the body to send, or None to drop the connection.
fn strike(fault: &str) -> Option<&'static str> {
    match fault {
        "crash" => {
            eprintln!("assertion failed: the answer is 42");
            std::process::abort()
        }
        "wrong-body" => Some(r#"{"message":"hello w0rld"}"#),
        "hang" => loop {
            std::thread::park();
        },
        "drop" => None,
        _ => Some(BODY),
    }
}

/// What matters of a request.
struct Request {
    /// Its method and path in lower case.
    method: String,
    path: String,
    body: String,
    /// Whether its path is the one there is.
    known: bool,
    /// Whether the connection is to be closed.
    close: bool,
    /// The host that it names.
    host: String,
    /// The key of a handshake of WebSocket; empty where it is none.
    key: String,
}

/// Reads a request's head, and its body if it has a length.
fn read_request(reader: &mut BufReader<Box<dyn Stream>>) -> Option<Request> {
    let (mut first, mut host, mut key) = (String::new(), String::new(), String::new());
    let (mut close, mut length) = (false, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Sec-WebSocket-Key: ") {
            value.trim().clone_into(&mut key);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        close |= line == "connection: close";
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if let Some(value) = line.strip_prefix("host:") {
            value.trim().clone_into(&mut host);
        }
        if first.is_empty() {
            first = line;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next().unwrap_or_default());
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Request { known: path == "/", method, path, body, close, host, key })
}
