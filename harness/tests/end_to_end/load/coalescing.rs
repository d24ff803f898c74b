//! Answers are taken several at a time.

use super::*;
use crate::load::signals::Responder;

/// Batches begin at two thirds of this many answers a second (`load/batches.rs`).
const FAST_PER_SECOND: f64 = 30_000.0;
/// A thread that takes each answer at once finds two at a time, or fewer, where the server is
/// slower; in batches it takes eight or more.
const ANSWERS_PER_WAKEUP_MIN: f64 = 4.0;

/// A closed loop of 64 connections, against a responder that does some work: without, the generator
/// would be the slower one, and would find several answers whenever it looks. On a machine that is
/// too slow for batches at the moment it is tried again, and in the end there is nothing to see.
#[test]
fn fast_closed_loops_take_answers_in_batches() {
    let responder = Responder::start(&["--work", "600"]);
    for _ in 0..5 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
        command.args(["load", &responder.addr, "--no-ceiling", "--json"]);
        command.args(["-c", "64", "-t", "1", "-n", "40000"]).stdin(Stdio::null());
        let (code, json) = result(&command.output().unwrap());
        assert_eq!((code, requests(&json, "ok")), (0, 40_000), "{json}");
        if json["ok_per_second"].as_f64() < Some(FAST_PER_SECOND) {
            continue;
        }
        let wakeups = json["generator"]["threads"][0]["wakeups"].as_u64().unwrap();
        let found = 40_000.0 / wakeups as f64;
        assert!(found >= ANSWERS_PER_WAKEUP_MIN, "{found} answers a wake-up: {json}");
        return;
    }
}
