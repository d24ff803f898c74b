//! Loads one after the other, bursts, think time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::load::{MS, command, load, requests, right};
use crate::responder::{Act, Request};

/// The exit code and the result of a load in steps, or of a search with one.
#[track_caller]
pub(crate) fn steps(
    behave: impl Fn(&Request) -> Act + Send + Sync + 'static,
    options: &str,
) -> (i32, Value) {
    let output = command(behave, options).arg("--json").output().unwrap();
    let Ok(json) = serde_json::from_slice::<Value>(&output.stdout) else {
        panic!("{output:?}");
    };
    (output.status.code().unwrap(), json)
}

fn of_each<'j>(json: &'j Value, what: &[&str]) -> Vec<&'j Value> {
    let steps = json["steps"].as_array().unwrap();
    steps.iter().map(|step| what.iter().fold(step, |value, name| &value[name])).collect()
}

#[test]
fn several_rates() {
    let options = "-q 100,300:500 --step 500ms --warmup 100ms -c 4";
    let (code, json) = steps(|_| right(), options);
    assert_eq!((code, &json["schema"]), (0, &"duet.load.steps/1".into()), "{json}");
    assert_eq!(of_each(&json, &["planned_per_second"]), [100.0, 300.0], "{json}");
    assert_eq!(of_each(&json, &["planned_per_second_end"]), [100.0, 500.0], "{json}");
    assert_eq!(of_each(&json, &["result", "requests", "planned"]), [50, 200], "{json}");
    assert_eq!(of_each(&json, &["result", "warmup_ns"]), [100 * MS, 0], "{json}");
    assert_eq!(json["recovered"], Value::Null);

    let output = command(|_| right(), options).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows: Vec<&str> = shown.lines().skip_while(|line| !line.contains("planned/s")).collect();
    assert_eq!((rows.len(), output.status.code()), (3, Some(0)), "{shown}");
    assert!(rows[1].trim_start().starts_with("100 ") && rows[2].contains("300:500 "), "{shown}");
    assert!(rows.iter().all(|row| row.chars().count() <= 80), "{shown}");
}

#[test]
fn steps_that_fail() {
    let options = "-q 100,200 --step 300ms --warmup 0 -c 2";
    let (code, json) = steps(|_| right(), &format!("{options} --limit p50=1ns"));
    assert_eq!(code, 1, "{json}");
    let failing = |request: &Request| match request.index {
        40.. if request.index.is_multiple_of(5) => Act::Close,
        _ => right(),
    };
    let (code, json) = steps(failing, options);
    assert_eq!(code, 5, "{json}");
    assert!(of_each(&json, &["result", "requests", "failed", "reset"])[1].is_number(), "{json}");
    for (options, expected) in [
        ("-q 100,200", "--step 10s"),
        ("-q 100 --step 1s", "--step is for several rates"),
        ("-q 100,200 --step 1s -n 5", "cannot be used with"),
        ("-q 100,200 --overload", "an overload is of one rate"),
        ("-q 100,1 --step 100ms", "no request is due at 1.00 per second: give a longer --step"),
        ("--overload", "required"),
        ("-q 10 --think 1s", "cannot be used with"),
        ("-q 10 --burst 5 --poisson", "cannot be used with"),
    ] {
        let output = command(|_| right(), options).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(expected), "{options}: {error}");
    }
}

/// Two connections with at least 4 ms per response: 500 a second at most.
#[test]
fn beyond_what_it_holds() {
    let slow = |_: &Request| {
        thread::sleep(Duration::from_millis(4));
        right()
    };
    let options = "-q 300 --overload --step 400ms --warmup 0 -c 2";
    let (code, json) = steps(slow, options);
    assert_eq!((code, &json["recovered"]), (0, &true.into()), "{json}");
    assert_eq!(of_each(&json, &["planned_per_second"]), [300.0, 450.0, 600.0, 150.0], "{json}");
    let beyond = of_each(&json, &["result", "requests", "unsent"])[2].as_u64().unwrap();
    assert!(beyond >= 240 - 206, "{json}");

    // What is beyond breaks it.
    let began = Arc::new(Mutex::new(None));
    let breaking = move |request: &Request| {
        let mut began = began.lock().unwrap();
        let began = *began.get_or_insert_with(Instant::now);
        match began.elapsed() > Duration::from_millis(900) && request.index > 100 {
            true => Act::Close,
            false => right(),
        }
    };
    let (code, json) = steps(breaking, options);
    assert_eq!((code, &json["recovered"]), (5, &false.into()), "{json}");
    assert!(json["reasons"].to_string().contains("failed"), "{json}");
    let output = command(|request| if request.index < 100 { right() } else { Act::Die }, options);
    let output = { output }.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(5), "{shown}");
    assert!(shown.contains("recovered     no: no connection could be opened"), "{shown}");
}

/// A search says what happens beyond what it has found.
#[test]
fn beyond_a_capacity() {
    let slow = |_: &Request| {
        thread::sleep(Duration::from_millis(5));
        right()
    };
    let options = "--find-capacity --rate 100 --probe-duration 200ms --limit max=1s -c 4 \
        --overload --step 200ms";
    let (code, json) = steps(slow, options);
    let held = json["held_per_second"].as_f64().unwrap();
    let steps = json["overload"]["steps"].as_array().unwrap();
    assert_eq!(steps[2]["planned_per_second"], held * 2.0, "{json}");
    let recovered = json["overload"]["recovered"].as_bool().unwrap();
    assert_eq!(code, i32::from(!recovered), "{json}");
}

/// When the requests of each connection came.
type Times = Arc<Mutex<BTreeMap<String, Vec<Instant>>>>;

/// The shortest time between two requests of a name.
fn shortest(times: &Times) -> Duration {
    let times = times.lock().unwrap();
    let gaps = times.values().flat_map(|times| times.windows(2).map(|two| two[1] - two[0]));
    gaps.min().unwrap()
}

#[test]
fn think_time() {
    for options in ["", "--disable-keepalive", "--warmup 60ms"] {
        let times = Times::default();
        let noted = Arc::clone(&times);
        // The first two requests, and the third, are those beforehand.
        let behave = move |request: &Request| {
            let cookie = request.head.lines().find(|line| line.starts_with("Cookie")).unwrap_or("");
            if !cookie.is_empty() {
                let mut noted = noted.lock().unwrap();
                noted.entry(cookie.to_owned()).or_default().push(Instant::now());
            }
            let set = format!("Set-Cookie: a={}; Path=/\r\n", request.index);
            let set = if cookie.is_empty() { set } else { String::new() };
            let close = if request.head.contains("close") { "Connection: close\r\n" } else { "" };
            let head = format!("HTTP/1.1 200 OK\r\n{set}{close}Content-Length: 0\r\n\r\n");
            match close {
                "" => Act::Answer(vec![head.into_bytes()]),
                _ => Act::AnswerAndClose(head.into_bytes()),
            }
        };
        let (code, json) = load(behave, &format!("-n 20 -c 2 --think 50ms --cookies {options}"));
        assert_eq!((code, requests(&json, "ok")), (0, 20), "{options}: {json}");
        assert_eq!(
            (&json["think_ns"], &json["warnings"]),
            (&(50 * MS).into(), &Value::from(vec![0; 0]))
        );
        // From a response to the next request: a little more than between two requests.
        assert!(shortest(&times) >= Duration::from_millis(50), "{options}");
        assert!(json["elapsed_ns"].as_u64() >= Some(8 * 50 * MS), "{options}: {json}");
    }
}

#[test]
fn bursts() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.csv");
    let options =
        format!("-n 100 -q 500 --burst 25 -c 50 -t 2 --warmup 0 --raw {}", rows.display());
    let (code, json) = load(|_| right(), &options);
    assert_eq!((code, requests(&json, "ok"), &json["burst"]), (0, 100, &25.into()), "{json}");
    let rows = std::fs::read_to_string(rows).unwrap();
    let planned: BTreeSet<&str> =
        rows.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    let expected = ["25000000", "75000000", "125000000", "175000000"];
    assert_eq!(planned, BTreeSet::from(expected), "{rows}");
}
