//! The search for a capacity.

use super::*;

/// Searches for a server's capacity; the exit code and the result, whose parts agree.
#[track_caller]
pub(crate) fn search(
    behave: impl Fn(&Request) -> Act + Send + Sync + 'static,
    options: &str,
) -> (i32, Value) {
    let output = command(behave, options).args(["--find-capacity", "--json"]).output().unwrap();
    let Ok(json) = serde_json::from_slice::<Value>(&output.stdout) else {
        panic!("{output:?}");
    };
    let held = json["held_per_second"].as_f64();
    let probes = json["probes"].as_array().unwrap();
    for probe in probes {
        assert_eq!(
            probe["held"] == true,
            probe["reasons"].as_array().unwrap().is_empty(),
            "{json}"
        );
        // Two of two or three probes decide.
        let of_rate =
            probes.iter().filter(|p| p["planned_per_second"] == probe["planned_per_second"]);
        let is_held = of_rate.filter(|p| p["held"] == true).count() == 2;
        assert!(!is_held || held >= probe["planned_per_second"].as_f64(), "{json}");
    }
    if let (Some(held), Some(failed)) = (held, json["failed_per_second"].as_f64()) {
        assert!(held < failed, "{json}");
        assert!(json["end"] != "narrow" || failed <= 1.05 * held, "{json}");
    }
    (output.status.code().unwrap(), json)
}

#[test]
fn a_capacity() {
    // At least 5 ms per answer on each of 4 connections: at most 164 answers in 200 ms.
    let slow = |_: &Request| {
        thread::sleep(Duration::from_millis(5));
        right()
    };
    let options = "-c 4 --rate 100 --probe-duration 200ms";
    let (code, json) = search(slow, &format!("{options} --limit max=1s"));
    assert_eq!(code, i32::from(json["held_per_second"].is_null()), "{json}");
    assert!(json["held_per_second"].as_f64().unwrap_or_default() <= 850.0, "{json}");
    // 35 a second is the lowest rate: with Poisson arrivals, too, a probe has a request.
    let (code, json) = search(slow, &format!("{options} --poisson --limit max=4ms"));
    assert_eq!((code, &json["end"]), (1, &"none_held".into()), "{json}");
    assert_eq!(json["probes"].as_array().map(Vec::len), Some(6), "{json}");
    let answers = |request: &Request| if request.index < FIRST { right() } else { Act::Close };
    let (code, json) = search(answers, &format!("{options} --limit max=1s"));
    assert_eq!((code, &json["end"]), (5, &"none_held".into()), "{json}");
}

/// It is said which probe would decide.
#[test]
fn responses_too_slow_for_the_probes() {
    let slow = |_: &Request| {
        thread::sleep(Duration::from_millis(100));
        right()
    };
    let (code, json) = search(slow, "-c 8 --rate 60 --probe-duration 200ms --limit max=1h");
    assert_eq!((code, &json["end"]), (1, &"none_held".into()), "{json}");
    let warnings = json["warnings"].to_string();
    assert!(warnings.contains("of which a probe of 200 ms holds too few"), "{json}");
    assert!(warnings.contains("s would decide"), "{json}");
    // Where it is other requests that are waited for, a longer probe decides nothing.
    let quick = |_: &Request| {
        thread::sleep(Duration::from_millis(1));
        right()
    };
    let options = "-c 8 --rate 50000 --probe-duration 200ms --limit max=1us";
    let (_, json) = search(quick, options);
    assert!(!json["warnings"].to_string().contains("would decide"), "{json}");
}

#[test]
fn an_interrupted_search() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let behave = move |_: &Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        right()
    };
    let options = "-c 2 --find-capacity --probe-duration 1h --warmup 0 --limit max=1h";
    let child = command(behave, options).spawn().unwrap();
    while asked.load(Ordering::SeqCst) < 10 {
        thread::yield_now();
    }
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{text}");
    for part in [
        "probes of 3600 s, evenly spaced, after 0 ns of warm-up\nthe highest rate with max at most",
        "planned/s        ok/s         max   generator\n",
        "capacity      unknown (0 probes)\nwarning       interrupted",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
