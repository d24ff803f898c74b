//! A server in a process of its own, which is stopped and goes on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::load::{MS, histograms};

pub(crate) struct Responder {
    child: Child,
    pub(crate) addr: String,
}

impl Responder {
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
        command.arg("null-responder").args(options);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim_end().strip_prefix("listening ").unwrap().to_owned();
        Self { child, addr }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_null_responder_stops_when_told() {
    let mut responder = Responder::start(&[]);
    responder.signal(Signal::SIGTERM);
    assert_eq!(responder.child.wait().unwrap().code(), Some(0));
}

/// Starts a load with 20 connections, stops the server for a second as soon as it says that it
/// begins, and returns what it printed and its histograms. No connection is lost, nothing fails.
fn load_while_stopped(options: &str) -> (String, BTreeMap<String, Histogram<u64>>) {
    let responder = Responder::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.hlog");
    let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
    command.args(["load", &responder.addr, "-c", "20", "--warmup", "0"]);
    command.args(options.split_whitespace());
    command.arg("--no-ceiling").arg("--hdr").arg(&log).env("NO_COLOR", "1");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    stdout.read_line(&mut text).unwrap(); // printed before the first request is due
    responder.signal(Signal::SIGSTOP);
    thread::sleep(Duration::from_secs(1));
    responder.signal(Signal::SIGCONT);
    stdout.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    assert!(text.contains(" ok + 0 failed + 0 in flight"), "{text}");
    assert!(text.contains("20 planned, 20 open\n"), "{text}");
    (text, histograms(&log))
}

/// Requests at 500 a second for 3 seconds, in the first of which the server does nothing: the
/// response times have the second.
#[test]
fn a_server_that_is_stopped_and_goes_on() {
    let (text, histograms) = load_while_stopped("-n 1500 -q 500");
    assert!(text.contains("1,500 sent = 1,500 ok"), "{text}");
    let response = &histograms["response"];
    assert_eq!(response.len(), 1500);
    // About 250 were due in the first half of the second, and waited for the other half at least.
    assert!(response.count_between(500 * MS, u64::MAX) >= 100, "{text}");
    assert!(histograms["service"].max() >= 500 * MS, "{text}");
}

/// In a closed loop one request of each connection meets the second, and no other is sent in it.
#[test]
fn a_server_that_is_stopped_in_a_closed_loop() {
    let (text, histograms) = load_while_stopped("-d 3s");
    assert_eq!(histograms.keys().collect::<Vec<_>>(), ["service"]);
    assert!(histograms["service"].count_between(500 * MS, u64::MAX) >= 20, "{text}");
}

/// A load that is interrupted says so, and of which part.
#[test]
fn interrupted_loads() {
    for (options, expected) in [
        ("-d 60s --warmup 0", "interrupted after "),
        ("-d 60s --warmup 60s", "interrupted in the warm-up: nothing was measured"),
    ] {
        let responder = Responder::start(&[]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
        command.args(["load", &responder.addr, "-c", "2"]).args(options.split(' '));
        command.env("NO_COLOR", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        stdout.read_line(&mut text).unwrap(); // printed before the first request is due
        kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
        stdout.read_to_string(&mut text).unwrap();
        let output = child.wait_with_output().unwrap();
        text += &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{options}: {text}");
        // It may not even have connected yet.
        let early = "interrupted before a connection was open: nothing was measured";
        assert!(text.contains(expected) || text.contains(early), "{options}: {text}");
    }
}
