//! Sends every request for the first time, so that the responses that follow can be checked.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;

use super::args::{Load, Verify};
use super::place::Place;
use super::request::Written;
use super::targets::Listed;
use crate::cmd::exit::ServerUnavailable;
use duet_loadgen::load::{Case, LISTED_MAX};
use duet_loadgen::reference::{self, FetchError, Patience};
use duet_loadgen::request::exchange::{Exchange, ExpectedBody, Status};
use duet_loadgen::response::reference::ReferenceResponse;
use duet_loadgen::transport::target::Target;

/// Between the first request and the third: a clock in a body that shows seconds has moved on.
const CLOCK_TICK: Duration = Duration::from_millis(1_100);
/// The most redirects that are followed, as curl does.
const REDIRECTS_MAX: usize = 50;

/// Where the redirects of the URL end: each is requested once, by GET or HEAD. What is meant for
/// one server alone goes to no other.
pub(super) fn follow(args: &Load, mut place: Place) -> Result<Place> {
    for _ in 0..REDIRECTS_MAX {
        let [written] = &args.request.written(&place, &[])?[..] else { return Ok(place) };
        let request = written.exchange.numbered(args.seed, 0);
        if !request.starts_with(b"GET ") && !request.starts_with(b"HEAD ") {
            return Ok(place);
        }
        let mut targets = args.transport.targets(&place)?;
        let first = fetch(&mut targets, &request, written.exchange.head, args.timeout);
        let first = first.map_err(ServerUnavailable)?;
        let Some(location) = redirect(&first) else { return Ok(place) };
        let next = place.redirected(location)?;
        ensure!(
            next.url.origin() == place.url.origin() || !args.request.has_credentials(),
            ServerUnavailable(format!(
                "{} redirects to {}, another server, to which credentials are not sent: load that \
                 URL",
                place.url, next.url
            ))
        );
        place = next;
    }
    Err(ServerUnavailable(format!("more than {REDIRECTS_MAX} redirects, to {}", place.url)))?
}

/// Where a response sends the client.
fn redirect(response: &ReferenceResponse) -> Option<&str> {
    response.location.as_deref().filter(|_| matches!(response.status, 301 | 302 | 303 | 307 | 308))
}

/// Where to send, what to send and the expected responses, and how many requests that took.
pub(super) fn prepare(
    args: &Load,
    place: &Place,
    listed: &[Listed],
) -> Result<(Target, Vec<Case>, u64)> {
    let written = args.request.written(place, listed)?;
    let several = written.len() > 1;
    let unlearned = listed.len() > LISTED_MAX;
    let mut targets = args.transport.targets(place)?;
    let mut streams_max = None;
    let mut sent = 0;
    let mut fetch = |exchange: &Exchange| {
        let request = exchange.numbered(args.seed, sent);
        sent += 1;
        let response = fetch(&mut targets, &request, exchange.head, args.timeout)?;
        streams_max = response.streams_max;
        Ok(response)
    };
    let failed = |exchange: &Exchange, why: &str| ServerUnavailable(named(exchange, several, why));
    let mut cases = vec![];
    let mut learned = vec![];
    for written in written {
        let Written { mut exchange, weight, expect_status, expect_body: declared } = written;
        let asked = Instant::now();
        let status = expect_status.or(args.expect_status);
        exchange.status = status.unwrap_or(Status::Successful);
        if unlearned && !cases.is_empty() {
            cases.push(Case { weight, exchange }); // too many to be requested beforehand
            continue;
        }
        let first = fetch(&exchange).map_err(|why: String| failed(&exchange, &why))?;
        check_status(args, &exchange, &first).map_err(|why| failed(&exchange, &why))?;
        if status.is_none() && !unlearned {
            exchange.status = Status::Exactly(first.status);
        }
        let compared = !exchange.head && !unlearned && args.verify != Verify::Status;
        exchange.body = match declared.filter(|_| compared) {
            Some(declared) => ExpectedBody::Exactly(Bytes::from(declared)),
            None if !compared => ExpectedBody::Any,
            None if args.verify == Verify::Body => first.body,
            None => {
                let second = fetch(&exchange).map_err(|why| failed(&exchange, &why))?;
                if second.body == first.body && may_hold_a_clock(&first.body) {
                    learned.push((cases.len(), asked));
                }
                if second.body == first.body { first.body } else { ExpectedBody::Any }
            }
        };
        cases.push(Case { weight, exchange });
    }
    for (case, asked) in learned {
        // What changes from second to second is found out before the load.
        std::thread::sleep((asked + CLOCK_TICK).saturating_duration_since(Instant::now()));
        let exchange = &mut cases[case].exchange;
        let third = fetch(exchange).map_err(|why| failed(exchange, &why))?;
        if third.body != exchange.body {
            exchange.body = ExpectedBody::Any;
        }
    }
    args.transport.check_streams(streams_max)?;
    let target = targets.into_iter().next().context("nothing is sent")?;
    Ok((target, cases, sent))
}

/// Whether a body may hold what grows with time or with each request: text without a digit does
/// not.
fn may_hold_a_clock(body: &ExpectedBody) -> bool {
    match body {
        ExpectedBody::Exactly(bytes) => !bytes.is_ascii() || bytes.iter().any(u8::is_ascii_digit),
        ExpectedBody::Digest { .. } => true,
        ExpectedBody::Any => false,
    }
}

/// Sends a request once: to the first of the addresses that takes a connection, which alone is
/// left. A request that may have arrived is not sent again, and all of it has one timeout.
fn fetch(
    targets: &mut Vec<Target>,
    request: &[u8],
    head: bool,
    timeout: Duration,
) -> Result<ReferenceResponse, String> {
    let patience = Patience::new(timeout);
    let mut error = "the host has no address".to_owned();
    for target in targets.iter() {
        if patience.left().is_zero() {
            break;
        }
        match reference::fetch(target, request, head, patience) {
            Err(FetchError::Unconnected(why)) => error = why,
            fetched => {
                *targets = vec![target.clone()];
                return fetched.map_err(|error| error.to_string());
            }
        }
    }
    Err(error)
}

/// Whether the first response has a status that is expected.
fn check_status(args: &Load, exchange: &Exchange, first: &ReferenceResponse) -> Result<(), String> {
    if exchange.status.allows(first.status) {
        return Ok(());
    }
    let hint = match (args.expect_status, exchange.status) {
        (None, Status::Successful) => hint(first),
        _ => String::new(),
    };
    Err(format!("expected status {}, got {}{hint}", exchange.status, first.status))
}

/// What to do where a response is no success.
fn hint(response: &ReferenceResponse) -> String {
    if let Some(location) = redirect(response) {
        return format!(
            "; it redirects to {location}: load that URL, or follow redirects with --location"
        );
    }
    // As nginx, Go and others respond to what is not encrypted.
    if let (400, ExpectedBody::Exactly(body)) = (response.status, &response.body)
        && String::from_utf8_lossy(body).contains("HTTPS")
    {
        return "; it speaks TLS: give an https:// URL".to_owned();
    }
    "; if that is expected, say so: --expect-status, or `expect` in a file of cases".to_owned()
}

/// What is said of a response; of several requests with the one it is about.
fn named(exchange: &Exchange, several: bool, what: &str) -> String {
    let line = exchange.request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    match several {
        true => format!("{}: {what}", line.escape_ascii()),
        false => what.to_owned(),
    }
}
