//! The least that a load generator can do, to be compared with `duet load` (`make compare-load`): a
//! closed loop on one thread that waits by epoll, reads once, finds the end of the response with
//! httparse and sends the same request again. It compares nothing and measures no times.
//!
//! Usage: `bare_epoll -dSECONDS -cCONNECTIONS http://HOST:PORT/PATH`

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Bytes read at once; a longer response is refused.
const READ_BYTES: usize = 16 << 10;

fn main() -> Result<()> {
    let usage = "usage: bare_epoll -dSECONDS -cCONNECTIONS http://HOST:PORT/PATH";
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |option: &str| -> Result<u64> {
        let text = args.iter().find_map(|arg| arg.strip_prefix(option)).context(usage)?;
        text.trim_end_matches('s').parse().context(usage)
    };
    let (seconds, connections) = (number("-d")?, number("-c")?);
    let url = args.iter().find_map(|arg| arg.strip_prefix("http://")).context(usage)?;
    let (host, path) = url.split_once('/').context(usage)?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");

    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut streams = vec![];
    for key in 0..connections {
        let mut stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes())?;
        stream.set_nonblocking(true)?;
        epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
        streams.push(stream);
    }
    let started = Instant::now();
    let mut responses = 0_u64;
    let mut events = vec![EpollEvent::empty(); streams.len()];
    let mut buffer = [0; READ_BYTES];
    while started.elapsed() < Duration::from_secs(seconds) {
        let ready = epoll.wait(&mut events, EpollTimeout::from(100_u8))?;
        for event in &events[..ready] {
            let stream = &mut streams[usize::try_from(event.data())?];
            let read = stream.read(&mut buffer)?;
            ensure!(response_len(&buffer[..read])? == read, "a response came in parts");
            responses += 1;
            stream.write_all(request.as_bytes())?;
        }
    }
    let elapsed = started.elapsed().as_secs_f64();
    println!("{responses} responses in {elapsed:.3} s, {:.1} a second", responses as f64 / elapsed);
    Ok(())
}

/// The length of a response with a Content-Length, body included.
fn response_len(bytes: &[u8]) -> Result<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes)?;
    ensure!(parsed.is_complete(), "a response came in parts");
    let length =
        response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = std::str::from_utf8(length.context("no Content-Length")?.value)?;
    Ok(parsed.unwrap() + length.parse::<usize>()?)
}
