//! What a server of HTTPS may do wrong, in the handshake and after it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{
    Act, FIRST, Mode, OK, REQUESTS, STRUCK, bytes, check, counts, drain, fails, load, perform,
    read_request, timeout,
};
use crate::transport::tls::Identity;

const MODES: [Mode; 4] = [
    ("at once", "-c 1", false),
    ("closed loop", "-c 2", true),
    ("open loop, two threads", "-c 2 -t 2 -q 500 --warmup 0", true),
    ("connection per request, two threads", "-c 2 -t 2 --disable-keepalive", true),
];

/// Where the server misbehaves.
#[derive(Clone)]
enum Does {
    /// In the handshake, of which so many bytes are sent before it does this.
    Handshake(usize, Act),
    /// It has another identity.
    Identity(Arc<ServerConfig>),
    /// It sends this, encrypted, in place of a response; says that it closes, or not; and does this
    /// without encryption.
    Response(String, bool, Act),
}

/// A behaviour, and what must come of it, as with HTTP/1.1; with a connection per request the
/// connections that fail are those of requests.
struct Behaviour {
    name: &'static str,
    does: Does,
    first: &'static str,
    later: &'static str,
}

fn run(trusted: &Identity, behaviour: &Behaviour, mode: &Mode) -> Result<(), String> {
    let &(_, options, later) = mode;
    let port = serve(Arc::clone(&trusted.config), behaviour.does.clone(), later);
    let trusting = format!("--cacert {}", trusted.file().display());
    let timeout = timeout(behaviour.first, behaviour.later);
    let options = format!("{trusting} {timeout} -n {REQUESTS} {options}");
    let ran = load(&format!("https://localhost:{port}/"), &options)?;
    let handshake = !matches!(behaviour.does, Does::Response(..));
    match (later, behaviour.first) {
        (false, first) if first.starts_with("ok") => counts(&ran, first, REQUESTS),
        (false, words) => fails(&ran, words),
        (true, _) if handshake && options.contains("--disable-keepalive") => counts(&ran, "*", 0),
        (true, _) if handshake => fails(&ran, behaviour.later),
        (true, _) => counts(&ran, behaviour.later, STRUCK),
    }
}

#[test]
fn tls() {
    let trusted = Identity::new("localhost", &["http/1.1"]);
    let behaviours = [handshakes(), identities(), responses()];
    let behaviours = behaviours.into_iter().flatten().collect::<Vec<_>>();
    assert!(behaviours.len() >= 18, "{}", behaviours.len());
    let run = |behaviour: &Behaviour, mode: &Mode| run(&trusted, behaviour, mode);
    check(&behaviours, &MODES, |behaviour| behaviour.name, run);
}

/// What may have been cut off is counted, with a warning.
#[test]
fn an_end_that_is_not_announced() {
    let trusted = Identity::new("localhost", &["http/1.1"]);
    for (announced, warned) in [(true, false), (false, true)] {
        let text = OK.replace("Content-Length: 5", "Connection: close");
        let does = Does::Response(text, announced, Act::Close(String::new()));
        let port = serve(Arc::clone(&trusted.config), does, true);
        let options = format!("--cacert {} -n {REQUESTS} -c 2", trusted.file().display());
        let ran = load(&format!("https://localhost:{port}/"), &options).unwrap();
        assert_eq!(counts(&ran, "ok", 0), Ok(()));
        let warning = format!("{STRUCK} responses without a length ended with a connection");
        assert_eq!(ran.stdout.contains(&warning), warned, "{}", ran.stdout);
    }
}

/// Serves a behaviour; the port.
fn serve(config: Arc<ServerConfig>, does: Does, later: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(AtomicU64::new(0));
    // The thread ends with this process.
    thread::spawn(move || {
        for (stream, index) in listener.incoming().zip(0..) {
            let (stream, config, seen) = (stream.unwrap(), Arc::clone(&config), Arc::clone(&seen));
            let (does, behaves) = (does.clone(), !later || index >= FIRST);
            let strikes = move || !later || seen.fetch_add(1, Ordering::SeqCst) % 5 == 4;
            thread::spawn(move || {
                // Whatever fails here does so since the other side has gone.
                let _ = match does {
                    Does::Handshake(bytes, act) if behaves => begin(stream, config, bytes, &act),
                    Does::Identity(config) if behaves => respond(stream, config, None, strikes),
                    Does::Response(text, closes, act) => {
                        respond(stream, config, Some(&(text, closes, act)), strikes)
                    }
                    _ => respond(stream, config, None, || false),
                };
            });
        }
    });
    port
}

/// Sends so many bytes of a handshake, and does this then.
fn begin(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    bytes: usize,
    act: &Act,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    if bytes > 0 {
        let mut tls = ServerConnection::new(config).unwrap();
        while !tls.wants_write() {
            tls.read_tls(&mut stream)?;
            tls.process_new_packets().unwrap();
        }
        let mut written = vec![];
        tls.write_tls(&mut written)?;
        stream.write_all(&written[..bytes.min(written.len())])?;
    } else {
        // The request of TLS is read, so that what is closed is not reset.
        let _ = stream.read(&mut [0; 4096])?;
    }
    perform(&mut stream, act)?;
    drain(&mut stream)
}

/// Serves a connection: as it should be, or so.
fn respond(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    reply: Option<&(String, bool, Act)>,
    strikes: impl Fn() -> bool,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut unread = vec![];
    while let Some(close) = read_request(&mut stream, &mut unread)? {
        match reply {
            Some((text, closes, act)) if strikes() => {
                stream.write_all(&bytes(text))?;
                if *closes {
                    stream.conn.send_close_notify();
                }
                stream.flush()?;
                if !perform(&mut stream.sock, act)? {
                    return drain(&mut stream.sock);
                }
            }
            _ => stream.write_all(&bytes(OK))?,
        }
        if close {
            stream.conn.send_close_notify();
            return stream.flush();
        }
    }
    Ok(())
}

/// Handshakes.
fn handshakes() -> Vec<Behaviour> {
    use Act::{Close, Drip, Finish, Hold, Reset};
    let line = |name, bytes, act, first, later| Behaviour {
        name,
        does: Does::Handshake(bytes, act),
        first,
        later,
    };
    let text = |text: &str| text.to_owned();
    let alert = |code: char| format!("\x15\x03\x03\0\x02\x02{code}");
    vec![
        line("silent", 0, Hold(text("")), "does not end the handshake of TLS", "no reply in time"),
        line(
            "closed",
            0,
            Close(text("")),
            "closed the connection in the handshake",
            "closed by the server|reset by peer",
        ),
        line(
            "half closed",
            0,
            Finish(text("")),
            "closed the connection in the handshake",
            "closed by the server|reset by peer",
        ),
        line(
            "reset",
            0,
            Reset(text("")),
            "closed the connection in the handshake",
            "reset by peer",
        ),
        line(
            "silent in ServerHello",
            20,
            Hold(text("")),
            "does not end the handshake of TLS",
            "no reply in time",
        ),
        line(
            "silent in the certificate",
            300,
            Hold(text("")),
            "does not end the handshake of TLS",
            "no reply in time",
        ),
        line(
            "closed in ServerHello",
            20,
            Close(text("")),
            "closed the connection in the handshake",
            "closed by the server|reset by peer",
        ),
        line(
            "closed in the certificate",
            300,
            Close(text("")),
            "closed the connection in the handshake",
            "closed by the server|reset by peer",
        ),
        line(
            "reset in the certificate",
            300,
            Reset(text("")),
            "closed the connection in the handshake",
            "reset by peer",
        ),
        line(
            "drops",
            0,
            Drip("\x16\x03\x03\x10\0".to_owned() + &"\x02".repeat(999)),
            "does not end the handshake of TLS|not TLS|no TLS with",
            "no reply in time|TLS",
        ),
        line(
            "noise",
            0,
            Hold("\u{ff}\u{fe}\0\x01\x02".repeat(99)),
            "does it speak TLS? if not, give an http:// URL",
            "what came is not TLS",
        ),
        line(
            "noise in the handshake",
            300,
            Hold("\u{ff}\u{fe}\0\x01\x02".repeat(99)),
            "no TLS with",
            "TLS",
        ),
        line(
            "plain text",
            0,
            Close(OK.to_owned()),
            "does it speak TLS? if not, give an http:// URL",
            "what came is not TLS",
        ),
        line(
            "a refusal",
            0,
            Close(alert('\x28')),
            "HandshakeFailure",
            "TLS: refused by the server",
        ),
        line(
            "an internal error",
            0,
            Hold(alert('\x50')),
            "InternalError",
            "TLS: refused by the server",
        ),
        line(
            "an unknown name",
            0,
            Close(alert('\x70')),
            "UnrecognisedName",
            "TLS: refused by the server",
        ),
        line(
            "no common protocol",
            0,
            Close(alert('\x78')),
            "is HTTP/2 (--http2) what it speaks?",
            "no common protocol",
        ),
        line("an end at once", 0, Hold("\x15\x03\x03\0\x02\x01\0".to_owned()), "", ""),
        line(
            "HelloRequest",
            0,
            Hold("\x16\x03\x03\0\x04\0\0\0\0".to_owned()),
            "no TLS with|does not end",
            "TLS|no reply in time",
        ),
        line(
            "a record that is too long",
            0,
            Hold("\x16\x03\x03\u{ff}\u{ff}".to_owned()),
            "does it speak TLS?",
            "TLS",
        ),
        line(
            "an empty record",
            0,
            Hold("\x16\x03\x03\0\0".to_owned()),
            "no TLS with|does it speak TLS?",
            "TLS|no reply in time",
        ),
    ]
}

/// Identities.
fn identities() -> Vec<Behaviour> {
    let line = |name, config: &Arc<ServerConfig>, first, later| {
        let does = Does::Identity(Arc::clone(config));
        Behaviour { name, does, first, later }
    };
    let other_name = Identity::new("example.invalid", &["http/1.1"]).config;
    let other_protocol = Identity::new("localhost", &["h2"]).config;
    let unknown = Identity::new("localhost", &["http/1.1"]).config;
    vec![
        line("an unknown authority", &unknown, "--cacert FILE, or any", "TLS: "),
        line("another name", &other_name, "--cacert FILE, or any", "TLS: "),
        line("another protocol", &other_protocol, "--http2", "no common protocol"),
        line("an old certificate", &expired(), "certificate expired", "certificate has expired"),
    ]
}

/// A certificate that was valid in 1999.
fn expired() -> Arc<ServerConfig> {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(1999, 1, 1);
    params.not_after = rcgen::date_time_ymd(1999, 12, 31);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

/// Responses.
fn responses() -> Vec<Behaviour> {
    use Act::{Close, Drip, Finish, Hold, Reset, Send};
    let line = |name, text: &str, closes, act, first, later| Behaviour {
        name,
        does: Does::Response(text.to_owned(), closes, act),
        first,
        later,
    };
    let none = String::new;
    let until_close = OK.replace("Content-Length: 5", "Connection: close");
    let head = &OK[..OK.len() - 5];
    vec![
        line("silent after the handshake", "", false, Hold(none()), "no response from", "timeout"),
        line("closed without a word", "", false, Close(none()), "without a response", "reset"),
        line("closed with a word", "", true, Close(none()), "without a response", "reset"),
        line(
            "half closed without a word",
            "",
            false,
            Finish(none()),
            "without a response",
            "reset",
        ),
        line("reset after the handshake", "", false, Reset(none()), "reset by peer", "reset"),
        line("an end behind the response", OK, true, Hold(none()), "ok|reset", "ok|reset"),
        line("no end behind the response", OK, false, Close(none()), "ok|reset", "ok|reset"),
        line("an end in the head", &OK[..30], true, Hold(none()), "after 0 bytes", "truncated"),
        line("an end in the body", head, true, Hold(none()), "after 0 bytes", "truncated"),
        line("cut in the body", head, false, Close(none()), "after 0 bytes", "truncated"),
        line("no length, and an end", &until_close, true, Hold(none()), "ok", "ok"),
        line("no length, and no end", &until_close, false, Close(none()), "ok", "ok"),
        line(
            "no length, and reset",
            &until_close,
            false,
            Reset(none()),
            "reset by peer",
            "reset|truncated",
        ),
        line(
            "half a record",
            "",
            false,
            Close("\x17\x03\x03\x01\0xx".into()),
            "",
            "reset|truncated|tls",
        ),
        line(
            "a record in drops",
            "",
            false,
            Drip("\x17\x03\x03\x10\0".to_owned() + &"x".repeat(400)),
            "no response from",
            "timeout",
        ),
        line(
            "a record that is not encrypted",
            "",
            false,
            Hold("\x17\x03\x03\0\x20".to_owned() + &"x".repeat(32)),
            "",
            "tls",
        ),
        line("plain text after the handshake", "", false, Send(OK.to_owned()), "", "tls"),
        line(
            "an alert that is not encrypted",
            "",
            false,
            Hold("\x15\x03\x03\0\x02\x02\x28".into()),
            "",
            "tls",
        ),
        line(
            "a body that is not encrypted",
            head,
            false,
            Send("hello".to_owned()),
            "",
            "tls|truncated|timeout",
        ),
    ]
}
