//! What a server of HTTP/2 may do wrong, frame by frame (RFC 9113).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::frames::{ACK, frame, ok, setting};
use super::{
    Act, FIRST, Mode, REQUESTS, STRUCK, bytes, check, counts, drain, fails, load, perform, timeout,
};

mod connections;
mod streams;

use connections::{endless, goaways, openings, resets, settings};
use streams::{bodies, fields, hpack, streams};

const MODES: [Mode; 4] = [
    ("at once", "-c 1 --streams 1", false),
    ("closed loop", "-c 2 --streams 1", true),
    ("open loop, two threads", "-c 2 -t 2 -q 500 --warmup 0 --streams 1", true),
    ("several streams", SEVERAL, true),
];

/// Several requests in flight on a connection: those beside the one that is struck may fail too.
const SEVERAL: &str = "-c 1 --streams 4";

/// When the server behaves so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// In place of its SETTINGS: on the connections of the load, behind those of the reference
    /// response, or on all.
    Opening,
    /// In place of a response.
    Request,
}

/// What the server does in place of what it should, with the stream of the request.
type Does = Box<dyn Fn(u32) -> Act + Send + Sync>;

/// A behaviour, and what must come of it, as with HTTP/1.1. `*`: the accounts add up.
struct Behaviour {
    name: String,
    when: When,
    does: Arc<Does>,
    first: &'static str,
    later: &'static str,
    options: &'static str,
}

fn line(
    name: impl Into<String>,
    does: impl Fn(u32) -> Act + Send + Sync + 'static,
    first: &'static str,
    later: &'static str,
) -> Behaviour {
    let (name, does) = (name.into(), Arc::new(Box::new(does) as Does));
    Behaviour { name, when: When::Request, does, first, later, options: "" }
}

fn opening(name: &'static str, act: Act, first: &'static str, later: &'static str) -> Behaviour {
    Behaviour { when: When::Opening, ..line(name, move |_| act.clone(), first, later) }
}

fn run(behaviour: &Behaviour, &(_, mode, later): &Mode) -> Result<(), String> {
    // What becomes of a whole connection does not depend on the mode.
    let whole = behaviour.when == When::Opening || behaviour.later == "*";
    if later && whole && mode != MODES[1].1 {
        return Ok(());
    }
    let addr = serve(behaviour, later);
    let timeout = timeout(behaviour.first, behaviour.later);
    let http2 = format!("--http2-prior-knowledge {timeout}");
    let options = format!("{http2} -n {REQUESTS} {mode} {}", behaviour.options);
    let ran = load(&addr, &options)?;
    match (later, behaviour.first, behaviour.later) {
        (false, "ok", _) => counts(&ran, "ok", 0),
        (true, _, "ok") if mode != SEVERAL => counts(&ran, "ok", 0),
        (false, "*", _) => counts(&ran, "*", REQUESTS),
        (false, words, _) => fails(&ran, words),
        (true, _, "unopened") => fails(&ran, "cannot connect to"),
        (true, _, "*") if ran.stdout.is_empty() => fails(&ran, "cannot connect to"),
        (true, _, _) if mode == SEVERAL => counts(&ran, "*", 0),
        (true, _, kinds) => counts(&ran, kinds, STRUCK),
    }
}

#[test]
fn http2() {
    let behaviours = [
        openings(),
        settings(),
        endless(),
        resets(),
        goaways(),
        streams(),
        hpack(),
        fields(),
        bodies(),
    ];
    let behaviours = behaviours.into_iter().flatten().collect::<Vec<_>>();
    assert!(behaviours.len() >= 103, "{}", behaviours.len());
    check(&behaviours, &MODES, |behaviour| &behaviour.name, run);
}

/// Serves a behaviour.
fn serve(behaviour: &Behaviour, later: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let (does, when) = (Arc::clone(&behaviour.does), behaviour.when);
    let seen = Arc::new(AtomicU64::new(0));
    // The thread ends with this process.
    thread::spawn(move || {
        for (stream, index) in listener.incoming().zip(0..) {
            let (stream, does, seen) = (stream.unwrap(), Arc::clone(&does), Arc::clone(&seen));
            let at_once = when == When::Opening && (!later || index >= FIRST);
            let strikes = move || {
                when == When::Request && (!later || seen.fetch_add(1, Ordering::SeqCst) % 5 == 4)
            };
            thread::spawn(move || {
                // Whatever fails here does so since the other side has gone.
                let _ = converse(stream, &does, at_once, strikes);
            });
        }
    });
    addr
}

/// One connection.
fn converse(
    mut stream: TcpStream,
    does: &Does,
    at_once: bool,
    strikes: impl Fn() -> bool,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    if !at_once {
        stream.write_all(&bytes(&setting("")))?;
    } else if !perform(&mut stream, &does(0))? {
        return drain(&mut stream);
    }
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload)?;
        match (kind, flags & ACK) {
            (1, _) => {
                let id = u32::from_be_bytes(id);
                if !strikes() {
                    stream.write_all(&bytes(&ok(id)))?;
                } else if !perform(&mut stream, &does(id))? {
                    return drain(&mut stream);
                }
            }
            (4, 0) => stream.write_all(&bytes(&frame(4, ACK, 0, "")))?,
            _ => {}
        }
    }
}
