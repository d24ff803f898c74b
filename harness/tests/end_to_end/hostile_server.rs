//! `duet load` against a server that does everything wrong: each behaviour is a line of a table,
//! with what must come of it. None may outlive its timeout, take memory without bound, or be
//! miscounted, and each is reported in words that a person can act on.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;

use crate::binary::DUET;

mod frames;
mod http1;
mod http2;
mod tls;

/// The longest that a run may take, in seconds: by far more than its timeouts add up to.
const PATIENCE_S: &str = "60";
/// The most data a run may have, in KiB. A build for tests takes a tenth of it.
const DATA_KIB_MAX: u64 = 400_000;
/// Runs at the same time: more would keep other tests from their CPU for seconds.
const AT_ONCE: usize = 6;
/// Between the bytes of a response that comes in drops.
const DROP_PAUSE: Duration = Duration::from_millis(50);
/// Requests of a load, of which every fifth that the server sees meets the behaviour.
const REQUESTS: u64 = 20;
/// The requests from which the reference response is learnt: they are the server's first.
const FIRST: u64 = 2;
/// Those of the load that meet the behaviour: the server's 5th, 10th, 15th and 20th request.
const STRUCK: u64 = 4;

/// What the server does instead of responding well. Text is Latin-1: a character is a byte.
#[derive(Debug, Clone)]
enum Act {
    /// Sends this and goes on; the connection is closed where the request asked for that.
    Send(String),
    /// Sends this and then nothing, on an open connection.
    Hold(String),
    /// Sends this and closes.
    Close(String),
    /// Sends this and closes its half.
    Finish(String),
    /// Sends this and resets the connection.
    Reset(String),
    /// Sends this drop by drop.
    Drip(String),
    /// Sends this, and then that without end.
    Endless(String, String),
    /// Closes without reading the request, as soon as it is there.
    Unread,
    /// Sends this before the request has come, and never responds.
    Greet(String),
}

/// A behaviour, and what must come of it.
struct Behaviour {
    name: &'static str,
    act: Act,
    /// Where the server behaves so from the first request on: words of the error, one of these; or
    /// as for `later` where the first of them is `ok`.
    first: &'static str,
    /// Where it does so with every fifth request: what those come to, a kind of failure or `ok`;
    /// several where it depends on what is seen first. Empty: that is not tried.
    later: &'static str,
    /// More options of `duet load`.
    options: &'static str,
}

/// A mode of the generator: its name, its options, whether the server responds well at first.
type Mode = (&'static str, &'static str, bool);

/// Runs each behaviour in each mode, several at once, and fails with all that is not as it must be.
fn check<B: Sync>(
    behaviours: &[B],
    modes: &[Mode],
    name: impl Fn(&B) -> &str + Sync,
    run: impl Fn(&B, &Mode) -> Result<(), String> + Sync,
) {
    let jobs: Vec<(&B, &Mode)> =
        modes.iter().flat_map(|mode| behaviours.iter().map(move |one| (one, mode))).collect();
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(String::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((behaviour, mode)) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(why) = run(behaviour, mode) {
                        let mut all = complaints.lock().unwrap();
                        writeln!(all, "{}, {}: {why}", name(behaviour), mode.0).unwrap();
                    }
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// What a run came to.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Loads a URL within bounds of time and memory.
fn load(url: &str, options: &str) -> Result<Ran, String> {
    let script =
        format!("ulimit -d {DATA_KIB_MAX}; exec timeout -s KILL {PATIENCE_S} \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, DUET, "load", url, "--no-ceiling", "--json"]);
    command.args(options.split_whitespace()).env("NO_COLOR", "1").stdin(Stdio::null());
    let output = command.output().expect("sh starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    match output.status.code() {
        _ if stderr.contains("panicked") => Err(format!("it panics: {stderr}")),
        Some(code) => Ok(Ran { code, stdout, stderr }),
        None => Err(format!("it does not end, or takes too much memory: {stderr}")),
    }
}

/// The timeout for a behaviour: short where it is waited for, and else so long that a busy machine
/// does not matter.
fn timeout(first: &str, later: &str) -> &'static str {
    let waits = ["no response", "does not end", "no reply", "timeout", "no stream", "*"];
    let waited_for = waits.iter().any(|words| first.contains(words) || later.contains(words));
    if waited_for { "--timeout 400ms" } else { "--timeout 5s" }
}

/// Whether an error is a line, with the exit code of a server that failed, and has these words.
fn fails(ran: &Ran, words: &str) -> Result<(), String> {
    let Ran { code, stderr, .. } = ran;
    if *code != 5 {
        return Err(format!("exit code {code}, not 5: {stderr}{}", ran.stdout));
    }
    let lines = stderr.trim_end().lines().count();
    if lines != 1 || !words.split('|').any(|word| stderr.contains(word)) {
        return Err(format!("not one line with `{words}`: {stderr}"));
    }
    Ok(())
}

/// Whether the accounts add up, every request was sent, and those that failed are of one of these
/// kinds and as many as `struck`; `*`: only whether they add up, and the exit code tells.
fn counts(ran: &Ran, kinds: &str, struck: u64) -> Result<(), String> {
    let Ok(json) = serde_json::from_str::<Value>(&ran.stdout) else {
        return Err(format!("exit code {}, no JSON: {}", ran.code, ran.stderr));
    };
    let requests = &json["requests"];
    let n = |name: &str| requests[name].as_u64().unwrap_or(u64::MAX);
    let failed = requests["failed"].as_object().cloned().unwrap_or_default();
    let failures: u64 = failed.values().filter_map(Value::as_u64).sum();
    let said = || format!("exit code {}: {requests} {}", ran.code, json["mismatch"]);
    if n("planned") != n("sent") + n("unsent") + n("shed")
        || n("sent") != n("ok") + failures + n("in_flight")
    {
        return Err(format!("the accounts do not add up: {}", said()));
    }
    let all_ok = n("ok") == n("planned") && json["connections"]["unsolicited"] == 0;
    if kinds == "*" {
        let fits = ran.code == if all_ok { 0 } else { 5 };
        return if fits { Ok(()) } else { Err(format!("the exit code is wrong: {}", said())) };
    }
    let allowed: Vec<&str> = kinds.split('|').collect();
    let ok = allowed.contains(&"ok");
    let exact = n("sent") == REQUESTS && (failures == struck || ok && failures < struck);
    let known = failed.keys().all(|kind| allowed.contains(&kind.as_str()));
    let code = if all_ok { 0 } else { 5 };
    match exact && known && ran.code == code && !(kinds == "ok" && failures > 0) {
        true => Ok(()),
        false => Err(format!("not {struck} of {kinds}: {}", said())),
    }
}

/// What a result says of the first response that was not as expected.
fn mismatch(ran: &Ran) -> String {
    let json = serde_json::from_str::<Value>(&ran.stdout).unwrap_or_default();
    json["mismatch"].to_string()
}

/// Serves a behaviour: with every fifth request, or always. Returns its address.
fn serve(act: Act, later: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(AtomicU64::new(0));
    // The thread ends with this process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, act, seen) = (stream.unwrap(), act.clone(), Arc::clone(&seen));
            thread::spawn(move || {
                let strikes = move || !later || seen.fetch_add(1, Ordering::SeqCst) % 5 == 4;
                // Whatever fails here does so since the other side has gone.
                let _ = converse(stream, &act, strikes);
            });
        }
    });
    addr
}

/// One connection.
fn converse(mut stream: TcpStream, act: &Act, strikes: impl Fn() -> bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    if let Act::Greet(text) = act {
        stream.write_all(&bytes(text))?;
        return drain(&mut stream);
    }
    let mut unread = vec![];
    loop {
        if unread.is_empty() && stream.peek(&mut [0])? == 0 {
            return Ok(());
        }
        let strikes = strikes();
        if strikes && matches!(act, Act::Unread) {
            return Ok(());
        }
        let Some(close) = read_request(&mut stream, &mut unread)? else { return Ok(()) };
        if !strikes {
            stream.write_all(&bytes(OK))?;
        } else if !perform(&mut stream, act)? {
            return drain(&mut stream);
        }
        if close {
            return Ok(());
        }
    }
}

/// Behaves so. Says whether the connection can be used again.
fn perform(stream: &mut TcpStream, act: &Act) -> std::io::Result<bool> {
    match act {
        Act::Send(text) => stream.write_all(&bytes(text)).map(|()| true),
        Act::Hold(text) => stream.write_all(&bytes(text)).map(|()| false),
        Act::Close(text) => {
            stream.write_all(&bytes(text))?;
            Err(ErrorKind::Other.into()) // closed without waiting for the other side
        }
        Act::Finish(text) => {
            stream.write_all(&bytes(text))?;
            stream.shutdown(Shutdown::Write).map(|()| false)
        }
        Act::Reset(text) => {
            stream.write_all(&bytes(text))?;
            setsockopt(&*stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?;
            Err(ErrorKind::Other.into())
        }
        Act::Drip(text) => {
            for byte in bytes(text) {
                stream.write_all(&[byte])?;
                thread::sleep(DROP_PAUSE);
            }
            Ok(true)
        }
        Act::Endless(text, again) => {
            stream.write_all(&bytes(text))?;
            let again = bytes(again);
            let part = again.repeat(1 + 65_536 / again.len());
            loop {
                stream.write_all(&part)?;
            }
        }
        Act::Unread | Act::Greet(_) => Ok(false),
    }
}

/// Reads until the other side closes.
fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 65_536];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Reads a request, whose body has a length if there is one; none: the connection has ended. Says
/// whether it wants the connection closed.
fn read_request(stream: &mut impl Read, unread: &mut Vec<u8>) -> std::io::Result<Option<bool>> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&unread[..end]).to_lowercase();
            unread.drain(..end + 4);
            return Ok(Some(head.contains("\r\nconnection: close")));
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            n => unread.extend_from_slice(&buffer[..n]),
        }
    }
}

/// A response as it should be.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

/// The bytes of a text in Latin-1.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect()
}
