//! What was asked for is done, or it is said why not; what was not asked for is no success.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use duet_process::child;
use nix::sched::sched_getaffinity;
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::load::{MS, answer, command, load, requests, result, right};
use crate::responder::{Act, Request, serve};

/// Loads an address.
fn duet(addr: &str, options: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
    command.arg("load").arg(addr).args(options.split_whitespace());
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

fn warnings(json: &Value) -> String {
    json["warnings"].to_string()
}

/// Each piece of a body in chunks is read once.
#[test]
fn long_bodies_in_chunks() {
    let chunk = [&b"4000\r\n"[..], &[b'x'; 0x4000], b"\r\n"].concat();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = [&head[..], &chunk.repeat(1024), b"0\r\n\r\n"].concat();
    let wrong = [&head[..], &chunk.repeat(1023), b"0\r\n\r\n"].concat();
    let behave = move |request: &Request| {
        Act::Answer(vec![if request.index == 5 { wrong.clone() } else { body.clone() }])
    };
    let (code, json) = load(behave, "-n 6 -c 2");
    assert_eq!((code, requests(&json, "ok")), (5, 5), "{json}");
    assert_eq!(json["requests"]["failed"], json!({ "wrong_body": 1 }), "a digest tells: {json}");
    let mismatch = json["mismatch"].to_string();
    assert!(mismatch.contains("a body of 16777216 bytes, got 16760832"), "{mismatch}");
}

#[test]
fn requests_that_are_not_sent() {
    let slow = |_: &Request| {
        thread::sleep(Duration::from_millis(50));
        right()
    };
    // A number is sent, however late.
    let (code, json) = load(slow, "-n 20 -q 1000 -c 1");
    assert_eq!((code, requests(&json, "ok")), (0, 20), "{json}");
    assert!(json["elapsed_ns"].as_u64() >= Some(20 * 50 * MS), "{json}");
    assert!(warnings(&json).contains("the rate was not held"), "{json}");

    let dying = |request: &Request| if request.index >= 50 { Act::Die } else { right() };
    let (code, json) = load(dying, "-n 200 -c 2 --timeout 500ms");
    assert_eq!(code, 5, "{json}");
    assert!(warnings(&json).contains("no connection was left (Connection refused"), "{json}");

    // Of a time all that was possible was done.
    let (code, json) = load(slow, "-d 200ms -q 1000 -c 1 --warmup 0");
    let unsent = requests(&json, "unsent");
    let said = format!("{unsent} of 200 planned requests were not sent: the server is too slow");
    assert!(code == 0 && unsent > 0 && warnings(&json).contains(&said), "{json}");
}

#[test]
fn a_time_in_which_nothing_comes() {
    let slow = |_: &Request| {
        thread::sleep(Duration::from_millis(400));
        right()
    };
    let (code, json) = load(slow, "-d 100ms -c 1 --warmup 0");
    assert_eq!((code, requests(&json, "ok")), (0, 1), "{json}");
    assert_eq!(json["ok_per_second"], 0.0, "{json}");
    assert!(warnings(&json).contains("no response came within the measured time"), "{json}");
}

/// Too few requests to say that the generator was busy, and no CPU for a responder.
#[test]
fn nothing_is_said_of_the_generator_that_is_not_known() {
    let (_, json) = load(|_| right(), "-n 10 -c 2");
    assert_eq!(json["generator"]["generator_bound"], false, "{json}");

    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpu = (0..).find(|&cpu| allowed.is_set(cpu).unwrap()).unwrap();
    let mut command = duet(&serve(|_| right()).to_string(), "-n 1000 -c 2 --json");
    child::tame(&mut command, &[cpu]).unwrap();
    let output = command.output().unwrap();
    assert!(said(&output).contains("the null responder would need a CPU of its own"), "{output:?}");
    let (code, json) = result(&output);
    assert_eq!((code, &json["generator"]["ceiling_ratio"]), (0, &Value::Null), "{json}");
}

/// A server that writes so much at the start of a connection, and so much to each request.
fn talkative(greeting: &'static str, answers: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The other side may have gone.
            let _ = stream.write_all(greeting.as_bytes());
            while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {
                let _ = stream.write_all(&answer("hello").repeat(answers));
            }
        }
    });
    addr
}

#[test]
fn what_nobody_asked_for() {
    let early = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    for (server, expected) in [
        (talkative(early, 0), "sends before anything was requested"),
        (talkative("", 2), "sends more than the response to the request"),
    ] {
        let output = duet(&server.to_string(), "-n 4 -c 1 --no-ceiling").output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        assert!(said(&output).contains(expected), "{output:?}");
    }
}

#[test]
fn the_first_response_says_which_status_is_expected() {
    let in_turn = |request: &Request| {
        let status = if request.index.is_multiple_of(2) { "200 OK" } else { "201 Created" };
        Act::Answer(vec![format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into()])
    };
    let (code, json) = load(in_turn, "-n 10 -c 1");
    assert_eq!((code, &json["requests"]["failed"]), (5, &json!({ "bad_status": 5 })), "{json}");
    let (code, json) = load(in_turn, "-n 10 -c 1 --expect-status 2xx");
    assert_eq!((code, requests(&json, "ok")), (0, 10), "{json}");
    let odd =
        |_: &Request| Act::Answer(vec![b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n".into()]);
    let (code, json) = load(odd, "-n 10 -c 1 --expect-status 999");
    assert_eq!((code, requests(&json, "ok")), (0, 10), "{json}");
}

#[test]
fn requests_are_sent_as_they_are_given() {
    let server = serve(|request| {
        let length = request.head.lines().filter(|line| *line == "Content-Length: 0").count();
        Act::Answer(vec![answer(&format!("{length} {}", request.path))])
    });
    for (path, options, expected) in [
        ("/a/../b/./%2e%2E/%2F\\x?y={}|^`&z=%zz", "", "0 /a/../b/./%2e%2E/%2F\\x?y={}|^`&z=%zz"),
        ("?a", "-m POST", "1 /?a"),
        ("/\u{e9}#part", "-m PUT", "1 /%C3%A9"),
        ("/", "-m PATCH -H Content-Length:", "0 /"),
        ("/", "-m DELETE", "0 /"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let expect = folder.path().join("cases.toml");
        let case = format!("[[case]]\nexpect = {{ body = '{expected}' }}\n");
        std::fs::write(&expect, case).unwrap();
        let mut command = duet(&format!("http://{server}{path}"), "-n 4 -c 1 --no-ceiling --json");
        if options.is_empty() {
            command.arg("--cases").arg(&expect);
        } else {
            command.args(options.split(' ')).args(["--verify", "body"]);
        }
        let (code, json) = result(&command.output().unwrap());
        assert_eq!((code, requests(&json, "ok")), (0, 4), "{path}: {json}");
    }
    for (url, expected) in [
        ("45735", "is http://127.0.0.1:45735/ what is meant?"),
        ("http://127.0.0.1:1/a b", "a URL has no ' ': write it as %20"),
        ("http://127.0.0.1:1/a\nb", "a URL has no '\\n': write it as %0A"),
    ] {
        let output = duet(url, "-n 1").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(said(&output).contains(expected), "{output:?}");
    }
}

/// A stream is no response, and one time limit is one.
#[test]
fn a_response_without_an_end() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let stream = move |_: &Request| {
        let events = [head.as_bytes(), &b"data: 1\n\n".repeat(20)].concat();
        Act::Trickle(events, Duration::from_millis(5))
    };
    let output = command(stream, "-n 1 --timeout 500ms").output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(said(&output).contains("does not end"), "{output:?}");
    assert!(said(&output).contains("if it is a stream"), "{output:?}");
    let cut = |_: &Request| Act::AnswerAndClose(answer("hello")[..66].into());
    let output = command(cut, "-n 1").output().unwrap();
    assert!(said(&output).contains("closed the connection in its response, after"), "{output:?}");
}

/// What changes from second to second, or with each request, is found out before the load.
#[test]
fn bodies_that_show_the_time() {
    let clock = |_: &Request| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Act::Answer(vec![answer(&now.as_secs().to_string())])
    };
    let counter = |request: &Request| Act::Answer(vec![answer(&request.index.to_string())]);
    for (code, json) in [load(clock, "-n 30 -q 20 -c 1"), load(counter, "-n 20 -c 1")] {
        assert_eq!((code, &json["body_verified"]), (0, &json!(false)), "{json}");
    }
    // One that changes later is called wrong, and it is said how to leave it uncompared.
    let late = |request: &Request| {
        Act::Answer(vec![answer(if request.index < 10 { "hello" } else { "jello" })])
    };
    let output = command(late, "-n 20 -c 1").output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(said(&output).contains("if bodies may differ: --verify status"), "{output:?}");
}

#[test]
fn redirects() {
    let behave = |request: &Request| match request.path.as_str() {
        "/path" => Act::Answer(vec![
            b"HTTP/1.1 302 Found\r\nLocation: next?a=b\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ]),
        "/next?a=b" => right(),
        "/round" => Act::Answer(vec![
            b"HTTP/1.1 301 Moved\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ]),
        path => panic!("nobody asks for {path}"),
    };
    let shown = command(behave, "-n 5").output().unwrap();
    assert_eq!(shown.status.code(), Some(5), "{shown:?}");
    let hint = "it redirects to next?a=b: load that URL, or follow redirects with --location";
    assert!(said(&shown).contains(hint), "{shown:?}");
    let (code, json) = load(behave, "-n 5 --location");
    assert_eq!((code, requests(&json, "ok")), (0, 5), "{json}");
    assert!(json["url"].as_str().is_some_and(|url| url.ends_with("/next?a=b")), "{json}");
    // Wherever it is wanted, its status is.
    let (code, _) = load(behave, "-n 5 --expect-status 302");
    assert_eq!(code, 0);
    // Elsewhere go neither credentials nor what has a body.
    let elsewhere = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&elsewhere);
    let other = serve(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        right()
    });
    let away = move |_: &Request| {
        let head = "HTTP/1.1 301 No\r\nContent-Length: 0\r\nLocation";
        Act::Answer(vec![format!("{head}: http://{other}/\r\n\r\n").into_bytes()])
    };
    for options in ["-L -u a:b", "-L -b c=d", "-L -m POST"] {
        let output = command(away, &format!("-n 5 {options}")).output().unwrap();
        assert_eq!((output.status.code(), elsewhere.load(Ordering::SeqCst)), (Some(5), 0));
    }
    let (code, json) = load(away, "-n 5 -L");
    assert_eq!((code, requests(&json, "ok")), (0, 5), "{json}");
    let round = duet(&format!("http://{}/round", serve(behave)), "-n 5 -L").output().unwrap();
    assert_eq!(round.status.code(), Some(5), "{round:?}");
    assert!(said(&round).contains("more than 50 redirects"), "{round:?}");
}

/// A row for each request, whose figures are those of the result.
#[test]
fn rows_statuses_and_cases() {
    let folder = tempfile::tempdir().unwrap();
    let (cases, rows) = (folder.path().join("cases.toml"), folder.path().join("rows.csv"));
    let text = "[[case]]\npath = '/a'\nweight = 3\n[[case]]\npath = '/b'\n";
    std::fs::write(&cases, text).unwrap();
    let behave = |request: &Request| match request.path.as_str() {
        "/b" if request.index >= 20 => {
            Act::Answer(vec![b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec()])
        }
        _ => right(),
    };
    let options = format!("--cases {} --raw {} -c 2 -t 2", cases.display(), rows.display());
    for how in ["-n 400", "-n 400 -q 2000"] {
        let (code, json) = load(behave, &format!("{options} {how} --percentiles 10,p75"));
        assert_eq!(code, 5, "{json}");
        let (ok, failed) = (requests(&json, "ok"), crate::load::failed(&json));
        assert!(ok >= 200 && failed >= 40 && ok + failed == 400, "{json}");
        assert_eq!(json["statuses"], json!({ "200": ok, "503": failed }));
        assert_eq!(json["cases"][0]["request"], "GET /a");
        let sum = |name: &str| {
            [0, 1].iter().map(|&i: &usize| json["cases"][i][name].as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!((sum("ok"), sum("failed")), (ok, failed), "{json}");
        assert_eq!(json["cases"][0]["failed"], 0, "{json}");
        let names: Vec<&String> =
            json["service"]["quantiles"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["p10", "p75"], "{json}");
        assert!(json["connections"]["tcp_handshake"]["max"]["ns"].as_u64() > Some(0), "{json}");

        let text = std::fs::read_to_string(&rows).unwrap();
        let mut lines = text.lines();
        let head = lines.next().unwrap();
        assert_eq!(head, "planned_ns,sent_ns,response_ns,service_ns,elapsed_ns,case,outcome");
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
        let open = how.contains("-q");
        for row in &rows {
            assert_eq!(
                (row.len(), row[0].is_empty(), row[2].is_empty()),
                (7, !open, !open || row[6] != "ok")
            );
            assert_eq!(row[3].is_empty(), row[6] != "ok");
        }
        let count = |case: &str, outcome: &str| {
            rows.iter().filter(|row| row[5] == case && row[6] == outcome).count() as u64
        };
        assert_eq!(count("0", "ok") + count("1", "ok"), ok);
        assert_eq!(count("1", "bad_status"), failed);
    }
    let late = |request: &Request| if request.index % 10 == 9 { Act::Hang } else { right() };
    let output = command(late, "-n 300 -c 20 --timeout 200ms --histogram").output().unwrap();
    let text = said(&output);
    let bars = text.lines().filter(|line| line.starts_with("≤ "));
    let counts = bars.map(|line| line.split_whitespace().nth(3).unwrap().replace(',', ""));
    assert_eq!(counts.map(|n| n.parse::<u64>().unwrap()).sum::<u64>(), 300, "{text}");
    assert!(text.contains("30 of these are lower bounds"), "{text}");
    assert!(text.contains("responses     270 with 200; "), "{text}");
}

/// A request that may have arrived is not sent to the host's next address, and has one timeout.
#[test]
fn the_first_request_is_sent_once() {
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let behave = move |_: &Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        Act::Hang
    };
    let addr = serve(behave);
    // Both addresses of the host, where there is IPv6: the other one would take the request, too.
    let other = TcpListener::bind(("::1", addr.port()));
    let again = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in other.iter().flat_map(TcpListener::incoming) {
            again.fetch_add(1, Ordering::SeqCst);
            // It ends with this process.
            std::mem::forget(stream);
        }
    });
    let url = format!("http://localhost:{}/", addr.port());
    let began = Instant::now();
    let output = duet(&url, "-m POST -n 2 --timeout 400ms").output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(said(&output).contains("within 400ms"), "{output:?}");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert!(began.elapsed() >= Duration::from_millis(400));
}

/// What a server says before it closes is read, though the body is still being sent.
#[test]
fn early_responses() {
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    std::fs::write(&body, vec![b'x'; 20 << 20]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut head = [0; 64];
                // The other side may have gone; what it still sends is answered with a reset.
                let _ = stream.read_exact(&mut head);
                let answer = b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
                let _ = stream.write_all(answer);
            });
        }
    });
    let options = format!("-n 20 -c 2 --body-file {} --timeout 5s", body.display());
    let refused = duet(&addr.to_string(), &options).output().unwrap();
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    assert!(said(&refused).contains("expected status 2xx, got 413"), "{refused:?}");
    let output = duet(&addr.to_string(), &format!("{options} --expect-status 413 --json"));
    let (code, json) = result(&{ output }.output().unwrap());
    assert_eq!((code, requests(&json, "ok")), (0, 20), "{json}");
}

#[test]
fn reasons_of_failures() {
    let behave = |request: &Request| if request.index % 5 == 4 { Act::Reset } else { right() };
    let output = command(behave, "-n 50 -c 2").output().unwrap();
    assert!(said(&output).contains("              10: Connection reset by peer"), "{output:?}");
    let (_, json) = load(behave, "-n 50 -c 2");
    assert_eq!(json["requests"]["reasons"], json!({ "Connection reset by peer": 10 }), "{json}");
}

#[test]
fn what_curl_would_send() {
    let behave = |request: &Request| {
        let head = &request.head;
        let basic = head.contains("\r\nAuthorization: Basic YTpi\r\n");
        let form = head.contains("\r\nContent-Type: multipart/form-data; boundary=")
            && request.body.starts_with(b"--");
        if basic && form && head.contains("\r\nCookie: c=d\r\n") { right() } else { Act::Close }
    };
    let (code, json) = load(behave, "-n 5 -u a:b -b c=d -F e=f");
    assert_eq!((code, requests(&json, "ok")), (0, 5), "{json}");
}
