//! Answers in all the forms that HTTP/1.1 has, and connections that end as they may.

use std::time::Duration;

use serde_json::json;

use crate::load::{answer, load, requests, right};
use crate::responder::{Act, Request};

type Behaviour = fn(&Request) -> Act;

/// One piece of a whole answer.
fn whole(answer: impl Into<Vec<u8>>) -> Act {
    Act::Answer(vec![answer.into()])
}

#[test]
fn answers_of_every_form_are_right() {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    let cases: [(&str, &str, Behaviour); 14] = [
        ("chunks and trailers", "", |_| {
            whole(format!(
                "{OK}Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n\
                 2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\nC: d\r\n\r\n"
            ))
        }),
        ("chunks and trailers, split at every byte", "", |_| {
            let bytes = format!(
                "{OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n"
            );
            Act::Answer(bytes.bytes().map(|byte| vec![byte]).collect())
        }),
        ("split at every byte", "", |_| {
            Act::Answer(answer("hello").iter().map(|&byte| vec![byte]).collect())
        }),
        ("until the close", "", |_| Act::AnswerAndClose(format!("{OK}\r\nhello").into())),
        ("until the half-close", "", |_| {
            Act::AnswerAndFinish(format!("{OK}\r\nhello").into_bytes())
        }),
        ("HEAD", "-m HEAD", |_| whole(format!("{OK}Content-Length: 123\r\n\r\n"))),
        ("HEAD, chunked", "-m HEAD", |_| whole(format!("{OK}Transfer-Encoding: chunked\r\n\r\n"))),
        ("1xx before", "", |_| {
            let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
            Act::Answer(vec![early.into(), answer("hello")])
        }),
        ("204", "--expect-status 204", |_| whole("HTTP/1.1 204 No Content\r\n\r\n")),
        ("304", "--expect-status 304", |_| {
            whole("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n")
        }),
        ("a head of nearly 64 KiB", "", |_| {
            let long = "b".repeat(65_000);
            whole(format!("{OK}A: {long}\r\nContent-Length: 2\r\n\r\nhi"))
        }),
        ("a body of a megabyte", "", |_| whole(answer(&"0123456789abcdef".repeat(65_536)))),
        ("Connection: close", "", |_| {
            Act::AnswerAndClose(
                format!("{OK}Connection: close\r\nContent-Length: 2\r\n\r\nhi").into(),
            )
        }),
        ("HTTP/1.0", "", |_| {
            Act::AnswerAndClose("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi".into())
        }),
    ];
    for (name, options, behave) in cases {
        for more in ["", "--pipeline 4", "--verify status", "-q 500 --warmup 0"] {
            let (code, json) = load(behave, &format!("-n 60 -c 2 {options} {more}"));
            let sent = requests(&json, "sent"); // at a rate the last of them may not be
            assert_eq!((code, requests(&json, "ok")), (0, sent), "{name} {more}: {json}");
            assert!(sent == 60 || more.starts_with("-q"), "{name} {more}: {json}");
            let empty = name.starts_with("HEAD");
            let verified = !empty && more != "--verify status";
            assert_eq!(json["body_verified"], verified, "{name} {more}");
        }
    }
}

/// Answers that have no body by their status, with a body all the same.
#[test]
fn bodies_where_none_may_be() {
    let cases: [(&str, Behaviour); 2] = [
        ("204", |request| match request.index % 20 {
            19 => whole("HTTP/1.1 204 No Content\r\n\r\nhello"),
            _ => whole("HTTP/1.1 204 No Content\r\n\r\n"),
        }),
        ("304", |request| match request.index % 20 {
            19 => whole("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"),
            _ => whole("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        }),
    ];
    for (status, behave) in cases {
        let (code, json) = load(behave, &format!("-n 100 -c 4 --expect-status {status}"));
        let failed = &json["requests"]["failed"];
        assert_eq!((code, failed), (5, &json!({ "unsolicited_bytes": 5 })), "{status}: {json}");
    }
}

/// Bodies that are not compared are counted and not kept, however long they are.
#[test]
fn bodies_of_any_size() {
    let long = answer(&"0123456789abcdef".repeat(70 << 16)); // 70 MiB
    let length = long.len() as u64;
    for (options, pipelined) in [("", false), ("--pipeline 2", true)] {
        let sent = long.clone();
        let behave = move |request: &Request| match request.index {
            4 => Act::AnswerAndClose(sent[..sent.len() / 2].into()),
            _ => whole(sent.clone()),
        };
        let options = format!("-n 6 -c 1 --verify status {options}");
        let (code, json) = load(behave, &options);
        let failed = |kind: &str| json["requests"]["failed"][kind].as_u64().unwrap_or(0);
        // A server that closes before it has read the next request resets the connection.
        let cut = failed("truncated") + if pipelined { failed("reset") } else { 0 };
        assert!(cut == 1 || pipelined && cut == 2, "{options}: {json}");
        assert!(code == 5 && requests(&json, "ok") >= 4, "{options}: {json}");
        assert!(json["received_bytes"].as_u64() >= Some(4 * length), "{options}: {json}");
    }
}

/// A server may close a connection between requests. Then the load goes on with a new one, and
/// nothing has failed. Where the close was not announced, a request may have crossed it on the way:
/// most of these are recognised and asked again; the others are resets, as for any client.
#[test]
fn a_close_between_requests_is_no_error() {
    let cases: [(&str, Behaviour); 3] = [
        ("announced", |request| match request.nth {
            9 => Act::AnswerAndClose(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello".into(),
            ),
            _ => right(),
        }),
        ("unannounced", |request| match request.nth {
            9 => Act::AnswerAndClose(answer("hello")),
            _ => right(),
        }),
        ("each time", |_| Act::AnswerAndClose(answer("hello"))),
    ];
    for (name, behave) in cases {
        for options in ["-n 500 -c 4", "-n 500 -c 4 -q 2000 --warmup 0"] {
            let (code, json) = load(behave, &format!("{options} --max-error-rate 10%"));
            let failed = &json["requests"]["failed"];
            let crossed = failed["reset"].as_u64().filter(|_| name != "announced").unwrap_or(0);
            let sent = requests(&json, "sent");
            let right = requests(&json, "ok");
            assert_eq!((code, right + crossed), (0, sent), "{name}, {options}: {json}");
            let opened = json["connections"]["opened"].as_u64();
            assert!(opened >= Some(sent / 10), "{name}, {options}: {json}");
        }
    }
}

#[test]
fn heads_that_are_too_long_and_resets() {
    let cases: [(&str, &str, Behaviour); 3] = [
        ("a head over 64 KiB", "malformed", |_| {
            let long = "b".repeat(65_536);
            whole(format!("HTTP/1.1 200 OK\r\nA: {long}\r\nContent-Length: 2\r\n\r\nhi"))
        }),
        ("a head without end", "malformed", |_| {
            whole(format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(20_000)))
        }),
        ("reset", "reset", |_| Act::Reset),
    ];
    for (name, kind, misbehave) in cases {
        let behave = move |request: &Request| match request.index % 20 {
            19 => misbehave(request),
            _ => right(),
        };
        let (code, json) = load(behave, "-n 100 -c 4");
        assert_eq!((code, &json["requests"]["failed"]), (5, &json!({ kind: 5 })), "{name}: {json}");
        assert_eq!(requests(&json, "ok"), 95, "{name}: {json}");
    }
}

#[test]
fn a_slow_trickle() {
    let trickle = |request: &Request| match request.index % 10 {
        9 => Act::Trickle(answer("hello"), Duration::from_millis(1)),
        _ => right(),
    };
    let (code, json) = load(trickle, "-n 100 -c 4");
    assert_eq!((code, requests(&json, "ok")), (0, 100), "{json}");
    let max = json["service"]["max"]["ns"].as_u64().unwrap();
    assert!(max >= answer("hello").len() as u64 * 1_000_000, "{json}");
    // What never comes to its end is given up, however much of it comes.
    let endless = |request: &Request| match request.index {
        5 => Act::Trickle(
            format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(2000)).into(),
            Duration::from_millis(5),
        ),
        _ => right(),
    };
    let (code, json) = load(endless, "-n 20 -c 2 --timeout 300ms");
    assert_eq!((code, &json["requests"]["failed"]), (5, &json!({ "timeout": 1 })), "{json}");
}
