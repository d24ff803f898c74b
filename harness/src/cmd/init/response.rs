//! The response that is expected from now on: one that does not change.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::cmd::exit::{ServerUnavailable, UsageError};
use duet_measure::MeasureError;
use duet_measure::build;
use duet_measure::host;
use duet_measure::server::{self, Launch, Running};
use duet_measure::verify::{Verifier, excerpt};
use duet_model::record::Stage;
use duet_model::spec::{ExpectedResponse, Server};
use duet_process::interrupt::{Interrupt, POLL};

/// How much of a body is shown.
const EXCERPT_BYTES: usize = 400;

/// The clock shows another second after this, whatever sets it back meanwhile.
const SECOND: Duration = Duration::from_millis(1100);

/// Builds the server and requests the path four times: twice at once, again in another second, and
/// again of a fresh start on another port. Every response of a measurement is compared with the
/// expected one, so one that changes with any of these is refused, with what changes it.
///
/// # Errors
/// A [`UsageError`] for a path that is not served or whose response changes, a
/// [`ServerUnavailable`] for a server that fails, an interruption.
pub(super) fn steady(server: &Server, path: &str, root: &Path) -> Result<ExpectedResponse> {
    let interrupt = Interrupt::watch()?;
    let built = build::build(server, root, false, &interrupt)?;
    if let Some(failure) = built.failure {
        return Err(unavailable(server, failure.into()));
    }
    let cpus = host::allowed_cpus()?;
    let launch = Launch::plain(root, &cpus);
    let verifier = Verifier::new()?;
    let start =
        || server::start(server, &launch, &interrupt).map_err(|error| unavailable(server, error));
    let get = |running: &mut Running| {
        verifier.ask(running, path, &interrupt).map_err(|error| {
            let error = error
                .failure_or(|error| running.failure(Stage::Verify, &format!("GET {path}: {error}")))
                .map_or_else(MeasureError::from, MeasureError::from);
            unavailable(server, error)
        })
    };
    let stop = |running: Running| running.stop().map_err(|f| unavailable(server, f.into()));

    let mut running = start()?;
    let first = get(&mut running)?;
    if first.status >= 400 {
        let (status, body) = (first.status, beginning(&first.body));
        bail!(UsageError(format!(
            "GET {path} returns {status}: {body}; name a path that is served, with --get PATH"
        )));
    }
    same(path, &first, &get(&mut running)?, "to the next request")?;
    await_next_second(&interrupt)?;
    same(path, &first, &get(&mut running)?, "in the next second")?;
    stop(running)?;
    let mut running = start()?;
    same(path, &first, &get(&mut running)?, "after a fresh start on another port")?;
    stop(running)?;
    Ok(first)
}

/// Waits until the clock shows another second.
fn await_next_second(interrupt: &Interrupt) -> Result<()> {
    let since = || SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 has no seconds to wait for.
    let second = || since().map_or(0, |time| time.as_secs());
    let (first, limit) = (second(), Instant::now() + SECOND);
    while second() == first && Instant::now() < limit {
        interrupt.check()?;
        thread::sleep(POLL);
    }
    Ok(())
}

/// Refuses a response that is not the same as the first one.
fn same(path: &str, first: &ExpectedResponse, now: &ExpectedResponse, when: &str) -> Result<()> {
    if first == now {
        return Ok(());
    }
    let (before, after) = difference(first, now);
    bail!(UsageError(format!(
        "GET {path} does not always return the same: {before}, and {after} {when}; every response \
         is compared byte by byte with the expected one, so name a path without what changes (a \
         time, a counter, an id), with --get PATH"
    )))
}

/// Where two responses differ first.
fn difference(a: &ExpectedResponse, b: &ExpectedResponse) -> (String, String) {
    if a.status != b.status {
        return (format!("status {}", a.status), format!("{}", b.status));
    }
    if a.content_type != b.content_type {
        let name = |kind: &Option<String>| kind.clone().unwrap_or_else(|| "none".to_owned());
        let before = format!("content-type {}", name(&a.content_type).escape_debug());
        return (before, name(&b.content_type).escape_debug().to_string());
    }
    let (a, b) = (a.body.as_bytes(), b.body.as_bytes());
    let at = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    (excerpt(a, at), excerpt(b, at))
}

/// Why a server is unavailable, with what it wrote to standard error. An interruption stays one.
fn unavailable(server: &Server, error: MeasureError) -> anyhow::Error {
    let failure = match error.failure(Stage::Start, Some(&server.name)) {
        Ok(failure) => failure,
        Err(interrupted) => return interrupted.into(),
    };
    let mut text = format!("{}: {failure}", server.name);
    for line in &failure.stderr {
        text.push_str(&format!("\n  | {line}"));
    }
    ServerUnavailable(text).into()
}

/// The beginning of a body, printable.
pub(super) fn beginning(body: &str) -> String {
    excerpt(&body.as_bytes()[..body.len().min(EXCERPT_BYTES)], 0)
}
