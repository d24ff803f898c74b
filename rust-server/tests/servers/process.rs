//! Servers as processes: command lines, SIGTERM, what misbehaving clients leave behind.

use std::io::{BufRead, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output};

use crate::client::{PATIENCE, SERVERS, Server, eventually};

const ARTICLE: &str = env!("CARGO_BIN_EXE_rust-article");
const STD: &str = env!("CARGO_BIN_EXE_rust-std");

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";

/// Those that speak HTTP/1.1 in the clear, and nothing else.
const PLAIN: &[&str] = &[
    STD,
    ARTICLE,
    #[cfg(feature = "actix")]
    env!("CARGO_BIN_EXE_rust-actix"),
];

fn all() -> impl Iterator<Item = &'static str> {
    SERVERS.iter().copied().chain([ARTICLE])
}

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().expect("the program was built")
}

#[test]
fn versions() {
    for program in all() {
        let output = run(program, &["--version"]);
        let line = String::from_utf8(output.stdout).expect("the version is UTF-8");
        let name = program.rsplit('/').next().expect("a path has a last part");
        assert!(output.status.success());
        assert!(line.starts_with(&format!("{name} {} (", env!("CARGO_PKG_VERSION"))), "{line}");
        assert!(line.contains("rustc 1.") && line.ends_with(")\n"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}

/// A request that computes on a thread of its own keeps no other waiting, also on one worker.
#[cfg(feature = "axum")]
#[test]
fn computing_keeps_nobody_waiting() {
    let server = Server::start_with(env!("CARGO_BIN_EXE_rust-axum-blocking"), &["--threads", "1"]);
    let (mut busy, mut other) = (server.client(), server.client());
    let threads = server.count("task");
    busy.send("GET /cpu?n=2000 HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("it computes on another thread", || server.count("task") > threads);
    assert_eq!(other.ask(HELLO).status, 200);
    busy.stream.set_nonblocking(true).expect("it is a socket");
    let answered = busy.stream.peek(&mut [0]);
    let waits = answered.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(waits, "the short request waited for the long one");
}

/// Each worker has a listener at the same address.
#[cfg(feature = "axum")]
#[test]
fn a_listener_for_each_worker() {
    for (program, listeners) in
        [(env!("CARGO_BIN_EXE_rust-axum-reuseport"), 2), (env!("CARGO_BIN_EXE_rust-axum"), 1)]
    {
        let server = Server::start(program);
        // Columns 1 and 3: the local address, its port in hexadecimal, and the state LISTEN.
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("sockets are listed");
        let port = format!(":{:04X}", server.address.port());
        let listens = |line: &&str| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns[1].ends_with(&port) && columns[3] == "0A"
        };
        assert_eq!(sockets.lines().filter(listens).count(), listeners, "{program}");
    }
}

#[test]
fn help() {
    for program in all() {
        for arg in ["-h", "--help"] {
            let output = run(program, &[arg]);
            assert_eq!(output.status.code(), Some(0), "{program} {arg}");
            assert!(String::from_utf8_lossy(&output.stdout).starts_with("usage: [--addr "));
            assert_eq!(output.stderr, b"");
        }
    }
}

#[test]
fn command_lines_that_fail() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    for program in all() {
        for (args, code) in [
            (&["--port", "80"][..], 2),
            (&["--threads", "0"], 2),
            (&["--addr"], 2),
            (&["--addr", &address], 1),
            (&["--addr", "nonsense"], 2),
            (&["--timeout-ms", "0"], 2),
            (&["--h2c", "--tls-cert", "c", "--tls-key", "k"], 2),
        ] {
            let output = run(program, args);
            assert_eq!(output.status.code(), Some(code), "{program} {args:?}");
            assert_eq!(output.stdout, b"");
            assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
        }
    }
}

/// These know one transport, and no argument that speaks of another.
#[test]
fn servers_without_transports() {
    for program in PLAIN {
        for args in [&["--h2c"][..], &["--tls-cert", "c", "--tls-key", "k"]] {
            let output = run(program, args);
            let line = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{program} {args:?}");
            assert!(line.starts_with(&format!("unknown argument {:?}", args[0])), "{line}");
        }
    }
}

#[test]
fn signals_with_idle_connections() {
    for (program, name) in all().flat_map(|program| [(program, "TERM"), (program, "INT")]) {
        let server = Server::start(program);
        let silent: Vec<_> = (0..50).map(|_| server.client()).collect();
        let mut kept: Vec<_> = (0..50).map(|_| server.client()).collect();
        if program != ARTICLE {
            for client in &mut kept {
                assert_eq!(client.ask(HELLO).status, 200);
            }
        }
        server.signal(name);
        assert_eq!(server.wait().code(), Some(0), "{program} {name}");
        drop((silent, kept));
    }
}

/// The server of gRPC, which speaks HTTP/2 alone: its version, arguments that it has not, and its
/// end while connections are silent or have said that they speak HTTP/2.
#[cfg(feature = "grpc")]
#[test]
fn a_server_of_grpc() {
    let program = env!("CARGO_BIN_EXE_rust-tonic");
    let line = String::from_utf8(run(program, &["--version"]).stdout).expect("it is UTF-8");
    assert!(line.starts_with("rust-tonic ") && line.contains("(tonic 0.14."), "{line}");
    for wrong in ["--tls-cert", "--database", "--gzip", "x"] {
        assert_eq!(run(program, &[wrong, "y"]).status.code(), Some(2), "{wrong}");
    }
    for (name, args) in [("TERM", &[][..]), ("INT", &["--h2c"])] {
        let server = Server::start_with(program, args);
        let silent: Vec<_> = (0..50).map(|_| server.client()).collect();
        let mut kept: Vec<_> = (0..50).map(|_| server.client()).collect();
        for client in &mut kept {
            // The preface, and empty settings (RFC 9113, 3.4): settings come back.
            client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
            let mut head = [0; 9];
            client.stream.read_exact(&mut head).expect("a frame");
            assert_eq!(head[3], 4, "a frame of settings");
        }
        server.signal(name);
        assert_eq!(server.wait().code(), Some(0), "{name}");
        drop((silent, kept));
    }
}

/// Connections that a server has not accepted yet wait, also 600 at once, and none is turned away
/// where the system allows so many.
/// Rust's standard library alone asks for a queue of 128, and has no way to ask for more.
#[test]
fn connections_that_wait() {
    let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("Linux has it");
    let allowed: usize = allowed.trim().parse().expect("it is a number");
    #[cfg(feature = "grpc")]
    let grpc = [env!("CARGO_BIN_EXE_rust-tonic")];
    #[cfg(not(feature = "grpc"))]
    let grpc: [&str; 0] = [];
    for program in SERVERS.iter().filter(|program| **program != STD).chain(&grpc) {
        let server = Server::start(program);
        server.signal("STOP");
        let waiting: Vec<_> = (0..allowed.min(600))
            .map(|n| {
                let connected = TcpStream::connect_timeout(&server.address, PATIENCE);
                connected.unwrap_or_else(|error| panic!("{program}: connection {n}: {error}"))
            })
            .collect();
        server.signal("CONT");
        if !grpc.contains(program) {
            assert_eq!(server.client().ask(HELLO).status, 200, "{program}");
        }
        drop(waiting);
    }
}

/// A request has begun when its client is told to continue. It is answered after SIGTERM, while
/// idle connections are closed and new ones refused.
#[test]
fn sigterm_with_a_busy_connection() {
    for program in SERVERS {
        let server = Server::start(program);
        let mut idle = server.client();
        assert_eq!(idle.ask(HELLO).status, 200);
        let mut busy = server.client();
        let head = "POST /sum?a=1&b=2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n";
        assert_eq!(busy.ask(format!("{head}Expect: 100-continue\r\n\r\n")).status, 100);
        server.terminate();
        assert!(idle.is_closed());
        eventually("new connections are refused", || TcpStream::connect(server.address).is_err());
        let answer = busy.ask("39");
        assert_eq!((answer.status, answer.body.as_str()), (200, "42"), "{program}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(busy.is_closed());
        assert_eq!(server.wait().code(), Some(0), "{program}");
    }
}

#[test]
fn sigterm_with_clients_that_never_finish() {
    for program in all() {
        let server = Server::start(program);
        let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
        clients[0].send("GET /he");
        clients[1].send("POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n[");
        clients[2]
            .send("POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n");
        server.terminate();
        assert_eq!(server.wait().code(), Some(0), "{program}");
    }
}

/// Threads and descriptors do not add up, whatever clients do.
#[test]
fn misbehaving_clients_leave_nothing_behind() {
    for program in SERVERS {
        let server = Server::start(program);
        misbehave(&server);
        eventually("all connections are closed", || server.count("fd") < 40);
        // 16 threads may wait for the next connection, and one main thread for SIGTERM.
        eventually("few threads are left", || server.count("task") <= 17);
        let before = server.count("fd");
        misbehave(&server);
        eventually("all connections are closed", || server.count("fd") <= before);
        eventually("few threads are left", || server.count("task") <= 17);
        assert_eq!(server.client().ask(HELLO).status, 200);
    }
}

fn misbehave(server: &Server) {
    let requests = [
        "",
        "GET",
        "GET / HTTP/1.1\r\n",
        "POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n[",
        "POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n[",
        "GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n",
        "GET /items/1000?m=1 HTTP/1.1\r\nHost: h\r\n\r\n",
        HELLO,
    ];
    let mut clients = Vec::new();
    for i in 0..200 {
        let mut client = server.client();
        client.send(requests[i % requests.len()]);
        if i % 3 == 0 {
            client.stream.shutdown(Shutdown::Write).expect("the connection is open");
        }
        clients.push(client);
    }
}

/// The article's server answers everything alike, prints twice, and closes.
#[test]
fn the_article() {
    const ANSWER: &str = concat!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n",
        "<html><body>Hello world</body></html>\r\n"
    );
    let mut server = Server::start(ARTICLE);
    let mut stdout = server.stdout.take().expect("nobody has it yet");
    for request in [HELLO, "POST /nothing HTTP/1.1\r\n\r\n", "nonsense \u{fffd}"] {
        let mut client = server.client();
        client.send(request);
        let mut answer = String::new();
        client.stream.read_to_string(&mut answer).expect("the answer is UTF-8");
        assert_eq!(answer, ANSWER);
        let mut printed = Vec::new();
        while !printed.ends_with(b"Response sent\n") {
            assert_ne!(stdout.read_until(b'\n', &mut printed).expect("it prints"), 0);
        }
        assert_eq!(printed.len(), 4_096 + 1 + "Response sent\n".len());
        assert!(printed.starts_with(request.as_bytes()));
    }
    let rest = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    // Clients that leave at once.
    for _ in 0..50 {
        drop(server.client());
    }
    eventually("all connections are closed", || server.count("task") == 2);
    assert_eq!(ANSWER.len(), 98);
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    rest.join().expect("reading does not panic").expect("the pipe can be read");
}
