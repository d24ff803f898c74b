//! Values in requests: from a table, from responses before, cookies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::load::{answer, command, failed, load, requests, result};
use crate::responder::{Act, Request};

/// A folder with these files.
fn files(all: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in all {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn field<'r>(request: &'r Request, name: &str) -> &'r str {
    let line = request.head.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.strip_prefix(": ")).unwrap_or("")
}

#[test]
fn rows_in_turn() {
    let folder = files(&[("a.csv", "user,word\nann,\"a \"\"b\"\"\"\nbob,ü/?\ncid,\n")]);
    let noted = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let notes = Arc::clone(&noted);
    let behave = move |request: &Request| {
        let body = String::from_utf8_lossy(&request.body);
        let all = format!("{} {} {body}", request.path, field(request, "X-User"));
        *notes.lock().unwrap().entry(all).or_default() += 1;
        Act::Answer(vec![answer("hello")])
    };
    let mut command = command(behave, "-n 300 -c 4 -t 3 --json -m PUT -H X-User:{user}");
    command.arg("--values").arg(folder.path().join("a.csv"));
    command.args(["--body", r#"{"word": "{word}", "n": {}}"#]);
    let (code, json) = result(&command.output().unwrap());
    assert_eq!((code, requests(&json, "ok")), (0, 300), "{json}");
    assert_eq!(json["body_verified"], false, "another value may have another response");
    let noted = noted.lock().unwrap();
    let sent = |user: &str, word: &str| {
        noted[&format!("/path {user} {{\"word\": \"{word}\", \"n\": {{}}}}")]
    };
    // The first row has been requested beforehand, too.
    assert_eq!((sent("ann", "a \"b\""), sent("bob", "ü/?"), sent("cid", "")), (101, 100, 100));
    assert_eq!(noted.len(), 3, "{noted:?}");
}

#[test]
fn values_in_paths_are_encoded_and_braces_are_left_alone() {
    let paths = Arc::new(Mutex::new(vec![]));
    let notes = Arc::clone(&paths);
    let behave = move |request: &Request| {
        notes.lock().unwrap().push(request.path.clone());
        Act::Answer(vec![answer("hello")])
    };
    let folder = files(&[("t", "/{a}?q={b}\n"), ("a.csv", "a,b\n1 2,x#y\n")]);
    let (list, values) = (folder.path().join("t"), folder.path().join("a.csv"));
    let options = format!("-n 1 --targets {} --values {}", list.display(), values.display());
    let (code, json) = load(behave, &options);
    assert_eq!((code, paths.lock().unwrap().last().unwrap().as_str()), (0, "/1%202?q=x%23y"));
    assert_eq!(json["requests"]["ok"], 1);

    let echo = |request: &Request| Act::Answer(vec![answer(&request.path)]);
    let (code, json) = load(echo, &format!("-n 4 -c 1 --targets {}", list.display()));
    assert_eq!((code, json["cases"].clone(), json["body_verified"].clone()), {
        (0, json!([]), true.into())
    });
}

/// Each connection has a token of its own, and may use no other.
fn guarded(request: &Request) -> Act {
    let of = |user: &str| format!("token-of-{user}");
    match request.path.split('?').next().unwrap() {
        "/login" => {
            let user = String::from_utf8_lossy(&request.body).into_owned();
            let body = format!(r#"{{"session": {{"token": "{}"}}}}"#, of(&user));
            let head = format!("X-User: {user}\r\nContent-Length: {}", body.len());
            Act::Answer(vec![format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes()])
        }
        _ if field(request, "Authorization")
            == format!("Bearer {}", of(field(request, "X-As"))) =>
        {
            Act::Answer(vec![answer("hello")])
        }
        _ => Act::Answer(vec![b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec()]),
    }
}

const FLOW: &str = "POST /login\n@{body}\n\nGET /items/{who}\nAuthorization: Bearer {token}\n\
    X-As: {who}\n\nGET /more\nAuthorization: Bearer {token}\nX-As: {who}\n";

/// The options of a load of [`FLOW`], and where its files are.
fn flow() -> (tempfile::TempDir, String) {
    let folder = files(&[("body", "{user}"), ("a.csv", "user\nann\nbob\ncid\n")]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("t"), FLOW.replace("{body}", &path("body"))).unwrap();
    let options = format!(
        "--targets {} --values {} --capture token=json:/session/token --capture who=header:x-user",
        path("t"),
        path("a.csv")
    );
    (folder, options)
}

#[test]
fn values_of_responses() {
    let (_folder, flow) = flow();
    for options in ["-n 300 -c 4 -t 2", "-n 300 -c 4 -q 3000 --warmup 0", "-n 99 -c 3 -t 1"] {
        let (code, json) = load(guarded, &format!("{options} {flow}"));
        assert_eq!((code, failed(&json)), (0, 0), "{options}: {json}");
        let cases: Vec<u64> =
            json["cases"].as_array().unwrap().iter().map(|c| c["ok"].as_u64().unwrap()).collect();
        let all = requests(&json, "ok");
        // Each connection goes through all three for itself.
        let third = all / 3;
        assert!(cases.iter().all(|&ok| ok.abs_diff(third) <= 4), "{options}: {cases:?}");
    }
}

/// Where a login fails, its connection logs in again, and sends nothing without a token.
#[test]
fn responses_without_the_value() {
    let (_folder, flow) = flow();
    let behave = |request: &Request| match (request.path.as_str(), request.index) {
        ("/login", 3..) if request.index.is_multiple_of(2) => Act::Answer(vec![answer("{}")]),
        _ => guarded(request),
    };
    let (code, json) = load(behave, &format!("-n 100 -c 2 {flow}"));
    let without = json["requests"]["failed"]["wrong_body"].as_u64().unwrap();
    assert_eq!((code, failed(&json)), (5, without), "no request without a token: {json}");
    let mismatch = json["mismatch"].as_str().unwrap();
    let said = "it has no value for token: its JSON has nothing at `/session/token`";
    assert!(mismatch.contains("POST /login") && mismatch.contains(said), "{mismatch}");

    let behave = |_: &Request| Act::Answer(vec![answer("hello")]);
    let output = command(behave, &format!("-n 1 {flow}")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{error}");
    assert!(error.contains("POST /login HTTP/1.1: it has no value for token"), "{error}");
}

#[test]
fn cookies_of_each_connection() {
    let behave = |request: &Request| {
        let cookie = field(request, "Cookie").to_owned();
        let (path, nth) = (request.path.as_str(), request.nth);
        // The first request of a connection gets a cookie, and all others have to bring it.
        let known = cookie.contains("id=c") && cookie.starts_with("lang=en; ");
        match (path, nth, known) {
            (_, 0, _) => {
                let set = format!("Set-Cookie: id=c{}; Path=/; HttpOnly\r\n", request.index);
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n";
                Act::Answer(vec![format!("{head}{set}\r\nhello").into_bytes()])
            }
            (_, _, true) => Act::Answer(vec![answer("hello")]),
            _ => Act::Answer(vec![b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec()]),
        }
    };
    let (code, json) = load(behave, "-n 200 -c 4 -t 2 --cookies -b lang=en");
    assert_eq!((code, requests(&json, "ok")), (0, 200), "{json}");
    let (code, json) = load(behave, "-n 200 -c 4 -t 2 -b lang=en");
    assert_eq!((code, failed(&json)), (5, 196), "{json}");
}

#[test]
fn what_cannot_be_sent() {
    let folder = files(&[
        ("t", "/a\nGET /{token}\n"),
        ("early", "/{token}\n/b\n"),
        ("a.csv", "user\nann\n"),
        ("bad.csv", "user,user\n1,2\n"),
    ]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (list, early) = (path("t"), path("early"));
    let (csv, bad) = (path("a.csv"), path("bad.csv"));
    for (options, expected) in [
        (format!("-H X:{{usr}} --values {csv}"), "there is no value `{usr}`, but user"),
        (format!("--values {bad}"), "there are two values `user`"),
        ("--values /none.csv".to_owned(), "failed to read /none.csv"),
        ("--capture a=json:/b".to_owned(), "--targets <FILE>"),
        (format!("--targets {list} --capture token"), "is no capture"),
        (format!("--targets {list} --capture token@3=json:/a"), "from target 3, and there are 2"),
        (
            format!("--targets {early} --capture token=json:/a"),
            "GET /{token}: {token} is taken from the response to target 1, which does not come",
        ),
        (format!("--targets {list} --capture id=json:/a"), "no value `{token}`, but id"),
        ("--cookies --pipeline 2".to_owned(), "cannot be used with"),
        ("--cookies -H Cookie:a=b".to_owned(), "give those to begin with by -b"),
    ] {
        let output = command(|_| Act::Answer(vec![answer("{}")]), &format!("-n 1 {options}"));
        let output = { output }.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(expected), "{options}: {error}");
        let code = if options.contains("/none") { 4 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{options}: {error}");
    }
}
