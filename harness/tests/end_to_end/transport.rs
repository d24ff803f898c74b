//! `duet load`, and windows, over everything that is not plain TCP on IPv4: their counts must be
//! the server's.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

mod http2;
mod proxies;
mod server;
pub(crate) mod tls;
mod trust;
mod windows;

use server::{answer, serve};

/// The answers to these are what the others are held against.
const FIRST: u64 = 2;

/// What came of `duet load URL OPTIONS`.
pub(crate) struct Loaded {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) stderr: String,
}

pub(crate) fn duet(url: &str, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
    command.arg("load").arg(url).args(options).env("NO_COLOR", "1");
    command.stdin(Stdio::null()).output().unwrap()
}

/// Loads a URL; where there is a result, its accounts add up.
#[track_caller]
pub(crate) fn load(url: &str, options: &[&str]) -> Loaded {
    let output = duet(url, &[options, &["--json"]].concat());
    let json = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
    let loaded = Loaded {
        code: output.status.code().unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        json,
    };
    if loaded.json.is_object() {
        let n = |name| loaded.requests(name);
        assert_eq!(n("planned"), n("sent") + n("unsent") + n("shed"), "{}", loaded.json);
        assert_eq!(n("sent"), n("ok") + loaded.failed() + n("in_flight"), "{}", loaded.json);
    }
    loaded
}

impl Loaded {
    pub(crate) fn requests(&self, name: &str) -> u64 {
        self.json["requests"][name].as_u64().unwrap_or_else(|| panic!("{}", self.stderr))
    }

    fn failed(&self) -> u64 {
        let kinds = self.json["requests"]["failed"].as_object().unwrap();
        kinds.values().map(|n| n.as_u64().unwrap()).sum()
    }

    /// Every request was answered rightly, and the server saw as many. In an open loop a slow
    /// machine may send less than was planned.
    #[track_caller]
    pub(crate) fn is_right(&self, requests: u64, served: u64) {
        assert_eq!(self.code, 0, "{} {}", self.stderr, self.json);
        assert_eq!(self.requests("planned"), requests, "{}", self.json);
        let sent = if self.json["mode"] == "open" { self.requests("sent") } else { requests };
        assert_eq!(self.requests("ok"), sent, "{}", self.json);
        assert_eq!(served, sent + FIRST, "{}", self.json);
    }
}

#[test]
fn ipv6() {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let served = serve(listener, |_| answer("hello"));
    let loaded = load(&format!("http://{addr}/path"), &["-n", "200", "-c", "4", "-t", "2"]);
    loaded.is_right(200, served.count());
    assert_eq!(loaded.json["addr"], addr.to_string());
    assert_eq!(served.host(), addr.to_string());
}

#[test]
fn host_names() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let served = serve(listener, |_| answer("hello"));
    let url = format!("http://localhost:{}/", addr.port());
    let loaded = load(&url, &["-n", "200", "-c", "4"]);
    loaded.is_right(200, served.count());
    assert_eq!(loaded.json["addr"], addr.to_string(), "it says which address it took");
    assert_eq!(served.host(), format!("localhost:{}", addr.port()));
    let unknown = load("http://no-such-host.invalid/", &[]);
    assert!(unknown.stderr.contains("failed to find the address of no-such-host.invalid"));
    assert_eq!(unknown.code, 4, "{}", unknown.stderr);
}

#[test]
fn unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server");
    let option = path.to_str().unwrap();
    let missing = load("http://name/", &["--unix-socket", option]);
    assert_eq!(missing.code, 5);
    assert!(missing.stderr.contains("No such file"), "{}", missing.stderr);

    let served = serve(UnixListener::bind(&path).unwrap(), |_| answer("hello"));
    let mut before = 0;
    for load_options in ["-n 300 -c 20 -t 2", "-n 300 -q 3000 -c 20 --warmup 0"] {
        let options: Vec<&str> = load_options.split(' ').collect();
        let loaded = load("http://name/path", &[&options[..], &["--unix-socket", option]].concat());
        loaded.is_right(300, served.count() - before);
        assert_eq!(loaded.json["addr"], format!("unix:{option}"));
        before = served.count();
    }
    assert_eq!(served.host(), "name");
}

/// More connections than the server's queue holds, and each answer is the last on its own.
#[test]
fn a_unix_socket_that_closes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server");
    let last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let served = serve(UnixListener::bind(&path).unwrap(), |_| last.to_vec());
    let options = ["-n", "500", "-c", "200", "--unix-socket", path.to_str().unwrap()];
    load("http://name/", &options).is_right(500, served.count());
}

#[test]
fn wrong_combinations() {
    let cases: [(&str, &[&str], &str); 9] = [
        ("http://localhost/", &["--insecure"], "--insecure is about https:// URLs"),
        ("http://localhost/", &["--cacert", "x"], "--cacert is about https:// URLs"),
        ("https://localhost/", &["-k", "--cacert", "x"], "cannot be used with"),
        ("https://localhost/", &["--cacert", "Cargo.toml"], "holds no certificate in PEM form"),
        ("http://localhost/", &["--streams", "2"], "--http2"),
        ("http://localhost/", &["--http2", "--streams", "0"], "--streams"),
        ("http://localhost/", &["--http2", "--pipeline", "2"], "cannot be used with"),
        ("http://localhost/", &["--http2", "--disable-keepalive"], "cannot be used with"),
        ("ftp://localhost/", &[], "`ftp` is not supported"),
    ];
    for (url, options, expected) in cases {
        let loaded = load(url, options);
        assert!(loaded.stderr.contains(expected), "{options:?}: {}", loaded.stderr);
        assert_eq!(loaded.code, 2, "{options:?}: {}", loaded.stderr);
    }
}
