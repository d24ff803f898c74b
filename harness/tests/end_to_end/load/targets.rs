//! Requests in their order, from a file or standard input.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::load::{answer, load, requests, result};
use crate::responder::{Act, Request, serve};

/// What a server was sent, and a server that notes it and echoes path and body.
fn noting() -> (Arc<Mutex<Vec<String>>>, impl Fn(&Request) -> Act + Send + Sync + 'static) {
    let noted = Arc::new(Mutex::new(vec![]));
    let notes = Arc::clone(&noted);
    let behave = move |request: &Request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let method = request.head.split(' ').next().unwrap();
        let tag = request.head.lines().find(|line| line.starts_with("X-Tag: ")).unwrap_or("");
        notes.lock().unwrap().push(format!("{method} {} {tag} {body}", request.path));
        Act::Answer(vec![answer(&(body + &request.path))])
    };
    (noted, behave)
}

fn ok_by_case(json: &Value) -> Vec<u64> {
    json["cases"].as_array().unwrap().iter().map(|case| case["ok"].as_u64().unwrap()).collect()
}

#[test]
fn in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (body, list) = (folder.path().join("body"), folder.path().join("targets"));
    std::fs::write(&body, "hi").unwrap();
    let text = format!("# three\nGET /a?u=http://b\n\nPUT /b\nX-Tag: 1\n@{}\n/c\n", body.display());
    std::fs::write(&list, text).unwrap();
    let list = list.display();

    let (noted, behave) = noting();
    let (code, json) = load(behave, &format!("-n 31 -c 1 --targets {list}"));
    assert_eq!((code, requests(&json, "ok")), (0, 31), "{json}");
    assert_eq!((json["body_verified"].clone(), ok_by_case(&json)), (true.into(), vec![11, 10, 10]));
    let noted = noted.lock().unwrap();
    let expected = ["GET /a?u=http://b  ", "PUT /b X-Tag: 1 hi", "GET /c  "];
    let sent: Vec<&str> = noted[noted.len() - 31..].iter().map(String::as_str).collect();
    let in_order: Vec<&str> = expected.iter().copied().cycle().take(31).collect();
    assert_eq!(sent, in_order);

    // Over all connections and threads.
    let (_, behave) = noting();
    let (code, json) = load(behave, &format!("-n 300 -c 8 -t 3 --targets {list}"));
    assert_eq!((code, ok_by_case(&json)), (0, vec![100; 3]), "{json}");
    let (_, behave) = noting();
    let (code, json) = load(behave, &format!("-n 300 -q 3000 -c 4 --warmup 0 --targets {list}"));
    assert_eq!((code, ok_by_case(&json)), (0, vec![100; 3]), "{json}");
}

/// Loads what is listed on standard input.
fn listed(text: &str, options: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
    command.args(["load", "--targets", "-", "--no-ceiling", "--json"]).args(options);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut duet = command.spawn().unwrap();
    duet.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    duet.wait_with_output().unwrap()
}

#[test]
fn from_standard_input() {
    let (_, behave) = noting();
    let addr = serve(behave);
    let output = listed(&format!("GET http://{addr}/a\nGET /b\n"), &["-n", "20", "-c", "2"]);
    let (code, json) = result(&output);
    assert_eq!((code, ok_by_case(&json)), (0, vec![10, 10]), "{json}");

    // Of many there are no figures one by one, and they are not requested beforehand.
    let (noted, behave) = noting();
    let addr = serve(behave);
    let many: String = (0..250).map(|i| format!("http://{addr}/{i}\n")).collect();
    let (code, json) = result(&listed(&many, &["-n", "500", "-c", "4"]));
    assert_eq!((code, requests(&json, "ok"), ok_by_case(&json)), (0, 500, vec![]), "{json}");
    assert_eq!(json["statuses"], serde_json::json!({ "2xx": 500 }), "{json}");
    assert_eq!(noted.lock().unwrap().len(), 501);
}

#[test]
fn lists_that_are_none() {
    for (text, options, expected) in [
        ("", &[][..], "standard input has no targets"),
        ("GET /a\n", &[], "no target says which server"),
        ("GET http://127.0.0.1:1/\nGET http://127.0.0.1:2/\n", &[], "standard input:2: http://127"),
        ("GET /a\nb\n", &["http://127.0.0.1:1/"], "standard input:2: `b` is no header"),
        ("GET /a\n", &["--body", "x"], "cannot be used with"),
    ] {
        let output = listed(text, options);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{text:?}: {said}");
        assert_eq!(output.status.code(), Some(2), "{text:?}: {said}");
    }
    assert!(!Path::new("-").exists());
}
