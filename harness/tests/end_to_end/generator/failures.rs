//! What ends a job early: wrong responses, lost connections, a server or a harness that is gone.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use duet_protocol::{Event, Job};

use super::{ENOUGH, MS, answer, exchange, failure, job, start, talk, windows};
use crate::responder::{Act, serve};

#[test]
fn wrong_answers_fail_the_job() {
    let cases: [(&str, Vec<u8>, &[&str]); 6] = [
        ("status", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".into(), {
            &["bad_status: ", "expected status 200, got 503", "HTTP/1.1 503 No"]
        }),
        ("body", answer("ho"), {
            &["wrong_body: ", "first difference at byte 1", r#"expected "hi", got "ho""#]
        }),
        ("content type", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".into(), {
            &["bad_header: ", r#"expected Content-Type "text/plain", got none"#]
        }),
        ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n".into(), &["malformed: ", "SSH-2.0"]),
        ("excess", [answer("hi"), b"more".into()].concat(), {
            &["unsolicited_bytes: ", r#"4 bytes outside any response: "more""#]
        }),
        ("endless", "HTTP/1.1 200 OK\r\n\r\n".repeat(40_000).into(), {
            &["wrong_body: ", "the response is too long: "]
        }),
    ];
    for (name, bytes, expected) in cases {
        let good = serve(|_| Act::Answer(vec![answer("hi")]));
        // Wrong from the start, and wrong after many right answers.
        for right in [0, ENOUGH] {
            let bytes = bytes.clone();
            let bad = serve(move |request| {
                Act::Answer(vec![if request.index < right { answer("hi") } else { bytes.clone() }])
            });
            let (arm, error) = failure(&job(&[good, bad], &[exchange("/x", "hi")]));
            assert_eq!(arm, Some(1), "{name}: {error}");
            assert!(error.contains("GET /x HTTP/1.1"), "{name}: {error}");
            for part in expected {
                assert!(error.contains(part), "{name}: {error} lacks {part}");
            }
        }
    }
}

#[test]
fn failures_that_end_the_job() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap() // and nobody listens there any more
    };
    let mute = serve(|_| Act::Close);
    let resetting = serve(|_| Act::Reset);
    let finishing = serve(|_| Act::AnswerAndFinish(vec![]));
    let cut = serve(|_| Act::AnswerAndClose(answer("hi")[..60].into()));
    let hanging = serve(|_| Act::Hang);
    let dying = serve(|request| match request.index {
        ENOUGH.. => Act::Die,
        _ => Act::Answer(vec![answer("hi")]),
    });
    let not_closing = serve(|_| Act::Answer(vec![answer("hi")]));
    let long = 20_000 * MS;
    let cases = [
        ("refused", refused, false, long, "connection refused by 127.0.0.1:"),
        ("refused, churn", refused, true, long, "is the server still running?"),
        ("never answers", mute, false, long, "closed the connection instead of responding"),
        ("resets", resetting, false, long, "closed the connection instead of responding"),
        ("half-closes", finishing, false, long, "closed the connection instead of responding"),
        ("cut off", cut, false, long, "closed the connection in the middle of a response"),
        ("dies", dying, false, long, "127.0.0.1:"),
        ("hangs", hanging, false, 50 * MS, "no response from 127.0.0.1:"),
        ("stays open", not_closing, true, 1000 * MS, "did not close the connection within 1.00 s"),
    ];
    for (name, addr, churn, timeout_ns, expected) in cases {
        let job = Job { churn, timeout_ns, ..job(&[addr], &[exchange("/", "hi")]) };
        let (arm, error) = failure(&job);
        assert_eq!(arm, Some(0), "{name}: {error}");
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn rare_failures_are_counted_and_tolerated() {
    let addr = serve(|request| match request.index % 200 {
        199 => Act::Close,
        _ => Act::Answer(vec![answer("hi")]),
    });
    for window in windows(&job(&[addr], &[exchange("/", "hi")])) {
        assert!(window.requests > 0);
        assert!(window.errors.keys().all(|kind| kind == "reset"), "{window:?}");
    }
}

#[test]
fn a_server_that_is_gone() {
    let addr = serve(|_| Act::Answer(vec![answer("hi")]));
    let mut job = job(&[addr], &[exchange("/", "hi")]);
    job.arms[0].pid = (1 << 22) + 1; // above the kernel's largest process id
    let (arm, error) = failure(&job);
    assert_eq!(arm, Some(0));
    assert!(error.contains("is gone"), "{error}");
}

#[test]
fn a_control_group_that_is_misspelt() {
    let addr = serve(|_| Act::Answer(vec![answer("hi")]));
    let mut job = job(&[addr], &[exchange("/", "hi")]);
    job.arms[0].cgroup = vec!["memroy=/x".to_owned()];
    let (arm, error) = failure(&job);
    assert_eq!(arm, Some(0));
    assert!(error.contains("`memroy=/x` names no folder of a controller"), "{error}");
}

#[test]
fn jobs_that_mean_nothing() {
    let addr = "127.0.0.1:1".parse().unwrap();
    let good = job(&[addr], &[exchange("/", "hi")]);
    let cases = [
        (Job { arms: vec![], rounds: vec![vec![]; 2], ..good.clone() }, "no arms"),
        (Job { connections: 0, ..good.clone() }, "no connections"),
        (Job { cpus: vec![], ..good.clone() }, "no CPUs"),
        (Job { rounds: vec![vec![0]], ..good.clone() }, "fewer than two rounds"),
        (Job { rounds: vec![vec![1]; 2], ..good.clone() }, "names an arm that there is not"),
        (Job { cpus: vec![1000], ..good }, "failed to pin to CPU 1000"),
    ];
    for (job, expected) in cases {
        let (arm, error) = failure(&job);
        assert_eq!(arm, None);
        assert!(error.contains(expected), "{error}");
    }
    let events = talk("{}");
    assert!(matches!(&events[..], [Event::Failed { arm: None, .. }]), "{events:?}");
}

#[test]
fn a_harness_that_is_gone() {
    let addr = serve(|_| Act::Answer(vec![answer("hi")]));
    let mut child = start();
    drop(child.stdout.take());
    let job = serde_json::to_string(&job(&[addr], &[exchange("/", "hi")])).unwrap();
    writeln!(child.stdin.take().unwrap(), "{job}").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_harness_that_is_killed() {
    let addr = serve(|_| Act::Answer(vec![answer("hi")]));
    // The second command keeps the shell from becoming the generator.
    let mut harness = Command::new("sh")
        .args(["-c", r#""$0" generator; true"#, env!("CARGO_BIN_EXE_duet")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = harness.stdin.take().unwrap();
    writeln!(stdin, "{}", serde_json::to_string(&job(&[addr], &[exchange("/", "hi")])).unwrap())
        .unwrap();
    let mut lines = BufReader::new(harness.stdout.take().unwrap()).lines();
    let driven = serde_json::to_string(&Event::Driven).unwrap();
    assert!(lines.any(|line| line.unwrap() == driven));
    harness.kill().unwrap();
    harness.wait().unwrap();
    // A generator that had survived would go on now.
    drop(stdin);
    assert_eq!(lines.map(Result::unwrap).collect::<Vec<_>>(), Vec::<String>::new());
}
