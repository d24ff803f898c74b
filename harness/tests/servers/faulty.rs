//! A server that keeps the contract until it is told not to. The end-to-end tests measure it.
//!
//! `faulty-server --addr HOST:PORT [--fault FAULT] [--after N] [--delay-us D]` answers every
//! request with the same JSON; FAULT strikes with the Nth request, or at start or stop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

/// The right answer.
const BODY: &str = r#"{"message":"hello world"}"#;

/// What the command line says.
#[derive(Clone, Default)]
struct Options {
    addr: String,
    fault: String,
    after: u64,
    delay: Duration,
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
    stop_on_sigterm(options.fault.clone());
    let listener = TcpListener::bind(&options.addr).unwrap_or_else(|e| {
        eprintln!("failed to listen on {}: {e}", options.addr);
        exit(1);
    });
    let addr = listener.local_addr().map_or_else(|_| String::new(), |addr| addr.to_string());
    println!("listening {addr}");
    let seen = Arc::new(AtomicU64::new(0));
    for stream in listener.incoming().flatten() {
        let (options, seen) = (options.clone(), Arc::clone(&seen));
        std::thread::spawn(move || serve(&stream, &options, &seen));
    }
}

fn options() -> Options {
    let mut options = Options { after: 1, ..Options::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--addr" => options.addr = value(),
            "--fault" => options.fault = value(),
            "--after" => options.after = value().parse().unwrap_or(1),
            "--delay-us" => {
                options.delay = Duration::from_micros(value().parse().unwrap_or(0));
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
fn serve(stream: &TcpStream, options: &Options, seen: &AtomicU64) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let Request { known, close } = read_request(&mut reader)?;
        if !known {
            answer(stream, "404 Not Found", r#"{"error":"not found"}"#, close)?;
            continue;
        }
        let number = seen.fetch_add(1, Ordering::Relaxed) + 1;
        let body = if number >= options.after { strike(&options.fault)? } else { BODY };
        if !options.delay.is_zero() {
            std::thread::sleep(options.delay);
        }
        answer(stream, "200 OK", body, close)?;
    }
}

/// Sends an answer. None when the connection is over.
fn answer(mut stream: &TcpStream, status: &str, body: &str, close: bool) -> Option<()> {
    let connection = if close { "Connection: close\r\n" } else { "" };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
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
    /// Whether its path is the one there is.
    known: bool,
    /// Whether the connection is to be closed.
    close: bool,
}

/// Reads a request's head, and its body if it has a length.
fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut first = String::new();
    let (mut close, mut length) = (false, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        close |= line == "connection: close";
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if first.is_empty() {
            first = line;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { known: first.split(' ').nth(1) == Some("/"), close })
}
