//! Requests by way of a proxy.

use std::io::{BufRead, BufReader, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::responder::{Act, Request, serve};
use crate::transport::http2;
use crate::transport::server::answer;
use crate::transport::tls::{Identity, secure};
use crate::transport::{duet, load};

/// A proxy that makes way where it is asked for it by the right credentials; what it was asked.
fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(vec![]));
    let notes = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let notes = Arc::clone(&notes);
            // The other side may have gone.
            thread::spawn(move || drop(make_way(stream.unwrap(), &notes)));
        }
    });
    (addr, asked)
}

fn make_way(mut client: TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (mut lines, mut head) = (BufReader::new(client.try_clone()?), String::new());
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let line = head.lines().next().unwrap().to_owned();
    asked.lock().unwrap().push(line.clone());
    if !head.contains("\r\nProxy-Authorization: Basic YW5uOnAgdw==\r\n") {
        let refused = b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refused);
    }
    let server = line.strip_prefix("CONNECT ").unwrap().strip_suffix(" HTTP/1.1").unwrap();
    let mut server = TcpStream::connect(server)?;
    server.set_nodelay(true)?;
    // In two parts: a head need not come at once.
    client.write_all(b"HTTP/1.1 200 Connection")?;
    client.write_all(b" established\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        drop(copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
    copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}

#[test]
fn whole_urls_are_sent_to_it() {
    let behave = |request: &Request| {
        let right_one = request.path == "http://example.invalid:81/a?b"
            && request.head.contains("\r\nHost: example.invalid:81\r\n")
            && request.head.contains("\r\nProxy-Authorization: Basic YW5uOnAgdw==\r\n");
        Act::Answer(vec![answer(if right_one { "hello" } else { "wrong" })])
    };
    let proxy = format!("http://ann:p%20w@{}", serve(behave));
    let url = "http://example.invalid:81/a?b";
    let loaded = load(url, &["-x", &proxy, "-n", "50", "-c", "2", "--no-ceiling"]);
    assert_eq!((loaded.code, loaded.requests("ok")), (0, 50), "{} {}", loaded.stderr, loaded.json);
    let body = loaded.json["received_bytes"].as_u64();
    assert_eq!(body, Some(50 * answer("hello").len() as u64), "{}", loaded.json);
}

#[test]
fn ways_through_it() {
    let identity = Identity::new("localhost", &["http/1.1"]);
    let (addr, asked) = proxy();
    let proxy = format!("http://ann:p%20w@{addr}");
    for options in ["-n 60 -c 4 -t 2", "-n 30 -c 2 --disable-keepalive", "-n 30 -q 300 -c 2"] {
        let (url, served) = secure(&identity, |_| false, |_| answer("hello"));
        let close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let (url, served) = match options.contains("keepalive") {
            true => secure(&identity, |_| false, |_| close.to_vec()),
            false => (url, served),
        };
        let options: Vec<&str> = options.split(' ').chain(["-k", "-x", &proxy]).collect();
        let loaded = load(&url, &options);
        assert_eq!(loaded.code, 0, "{options:?}: {} {}", loaded.stderr, loaded.json);
        loaded.is_right(loaded.requests("planned"), served.count());
    }
    let asked = asked.lock().unwrap().clone();
    assert!(asked.iter().all(|line| line.starts_with("CONNECT localhost:")), "{asked:?}");

    let identity = Identity::new("localhost", &["h2"]);
    let server = http2::serve(Some(Arc::clone(&identity.config)), 100, http2::hello);
    let url = format!("https://localhost:{}/path", server.addr.port());
    let loaded = load(&url, &["-k", "--http2", "-x", &proxy, "-n", "60", "-c", "2"]);
    assert_eq!((loaded.code, loaded.requests("ok")), (0, 60), "{} {}", loaded.stderr, loaded.json);
}

#[test]
fn proxies_that_refuse() {
    let (addr, _) = proxy();
    let proxy = addr.to_string();
    let refusing = serve(|_| {
        Act::Answer(vec![b"HTTP/1.1 403 Not here\r\nContent-Length: 0\r\n\r\n".to_vec()])
    });
    let closing = serve(|_| Act::Close);
    for (url, options, code, expected) in [
        ("https://localhost:1/", vec!["-x", &proxy], 5, "HTTP/1.1 407 Who are you; give cred"),
        ("https://localhost:1/", vec!["-x", &refusing.to_string()], 5, "HTTP/1.1 403 Not here"),
        ("https://localhost:1/", vec!["-x", &closing.to_string()], 5, "closed the connection"),
        ("http://localhost:1/", vec!["-x", &refusing.to_string()], 5, "got 403"),
        ("http://localhost:1/", vec!["-x", "socks5://a:1"], 2, "is no proxy"),
        ("http://localhost:1/", vec!["-x", &proxy, "--http2"], 2, "a proxy speaks HTTP/1.1"),
    ] {
        let output = duet(url, &[&options[..], &["-n", "2", "-k"][..]].concat());
        let output = match url.starts_with("http:") {
            true => duet(url, &[&options[..], &["-n", "2"]].concat()),
            false => output,
        };
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(expected), "{options:?}: {error}");
        assert_eq!(output.status.code(), Some(code), "{options:?}: {error}");
    }
}
