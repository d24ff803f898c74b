//! Sends every request for the first time, so that the responses that follow can be checked.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;

use super::args::{Load, Verify};
use super::place::Place;
use super::request::Written;
use super::targets::Listed;
use super::variables::Variables;
use crate::cmd::exit::{ServerUnavailable, UsageError};
use duet_loadgen::load::{Case, LISTED_MAX};
use duet_loadgen::reference::{self, FetchError, Patience};
use duet_loadgen::request::composed::{self, Given};
use duet_loadgen::request::exchange::{Exchange, ExpectedBody, Status, Variation};
use duet_loadgen::request::session::Session;
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
        let variables = args.request.variables()?;
        let written =
            args.request.written(&place, &[], &variables, args.transport.forwards(&place.url))?;
        let [written] = &written[..] else { return Ok(place) };
        let mut exchange = written.exchange.clone();
        let row = variables.rows.first().map(Vec::as_slice).unwrap_or_default();
        exchange.write(Given {
            seed: args.seed,
            index: 0,
            row,
            session: variables.session.as_ref(),
        });
        let request = exchange.request;
        if !request.starts_with(b"GET ") && !request.starts_with(b"HEAD ") {
            return Ok(place);
        }
        let mut targets = args.transport.targets(&place)?;
        let first = fetch(&mut targets, &request, written.exchange.head, args.timeout);
        let first = first.map_err(ServerUnavailable)?;
        let Some(location) = redirect(&first) else { return Ok(place) };
        let next = place.redirected(&location)?;
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
fn redirect(response: &ReferenceResponse) -> Option<String> {
    let is_one = matches!(response.status, 301 | 302 | 303 | 307 | 308);
    response.field("location").filter(|_| is_one)
}

/// What a load sends, and where to.
pub(super) struct Prepared {
    pub(super) target: Target,
    pub(super) cases: Vec<Case>,
    /// How many requests that took.
    pub(super) sent: u64,
}

/// Where to send, what to send and the expected responses.
pub(super) fn prepare(
    args: &Load,
    place: &Place,
    listed: &[Listed],
    variables: &Variables,
) -> Result<Prepared> {
    let written =
        args.request.written(place, listed, variables, args.transport.forwards(&place.url))?;
    let calls = written.iter().any(|written| written.exchange.grpc_status.is_some());
    ensure!(
        !calls || args.transport.is_http2(),
        UsageError("calls of gRPC go over HTTP/2: add --http2".to_owned())
    );
    let several = written.len() > 1;
    let unlearned = listed.len() > LISTED_MAX;
    let mut first = First::new(args, place, variables)?;
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
        let response = first.fetch(args, &mut exchange);
        let response = response.map_err(|why| failed(&exchange, &why))?;
        check_status(args, &exchange, &response).map_err(|why| failed(&exchange, &why))?;
        if status.is_none() && !unlearned {
            exchange.status = Status::Exactly(response.status);
        }
        let compared = !exchange.head && !unlearned && args.verify != Verify::Status;
        // Where values stand in a request, its response may be another each time.
        let varies = matches!(exchange.variation, Variation::Composed(_)) || exchange.observed;
        exchange.body = match declared.filter(|_| compared) {
            Some(declared) => ExpectedBody::Exactly(Bytes::from(declared)),
            None if args.verify == Verify::Body && compared => response.body,
            None if !compared || varies => ExpectedBody::Any,
            None => {
                let second = first.fetch(args, &mut exchange);
                let second = second.map_err(|why| failed(&exchange, &why))?;
                if second.body == response.body && may_hold_a_clock(&response.body) {
                    learned.push((cases.len(), asked));
                }
                if second.body == response.body { response.body } else { ExpectedBody::Any }
            }
        };
        cases.push(Case { weight, exchange });
    }
    for (case, asked) in learned {
        // What changes from second to second is found out before the load.
        std::thread::sleep((asked + CLOCK_TICK).saturating_duration_since(Instant::now()));
        let exchange = &mut cases[case].exchange;
        let third = first.fetch(args, exchange).map_err(|why| failed(exchange, &why))?;
        if third.body != exchange.body {
            exchange.body = ExpectedBody::Any;
        }
    }
    args.transport.check_streams(first.streams_max)?;
    let target = first.targets.into_iter().next().context("nothing is sent")?;
    Ok(Prepared { target, cases, sent: first.sent })
}

/// Sends requests for the first time, one after the other as a connection of the load would.
struct First<'v> {
    targets: Vec<Target>,
    row: &'v [String],
    session: Option<Session>,
    sent: u64,
    /// How many streams the server allows, over HTTP/2.
    streams_max: Option<usize>,
}

impl<'v> First<'v> {
    fn new(args: &Load, place: &Place, variables: &'v Variables) -> Result<Self> {
        Ok(Self {
            targets: args.transport.targets(place)?,
            row: variables.rows.first().map(Vec::as_slice).unwrap_or_default(),
            session: variables.session.clone(),
            sent: 0,
            streams_max: None,
        })
    }

    /// The response to a request, which has all values that are taken where its status is expected.
    fn fetch(&mut self, args: &Load, exchange: &mut Exchange) -> Result<ReferenceResponse, String> {
        let (row, session) = (self.row, self.session.as_ref());
        exchange.write(Given { seed: args.seed, index: self.sent, row, session });
        self.sent += 1;
        let Exchange { request, head, .. } = &exchange;
        let response = fetch(&mut self.targets, request, *head, args.timeout)?;
        self.streams_max = response.streams_max;
        let is_ok = exchange.status.allows(response.status);
        if let Some(session) = self.session.as_mut().filter(|_| exchange.observed && is_ok) {
            let observed = session.observe(
                &exchange.captures,
                &response.observed(),
                composed::path(&exchange.request),
            );
            observed.map_err(|missing| missing.text)?;
        }
        Ok(response)
    }
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
    if response.status == 407 {
        return "; give credentials: --proxy http://USER:PASSWORD@HOST:PORT".to_owned();
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
    match several {
        true => format!("{}: {what}", exchange.first_line().escape_ascii()),
        false => what.to_owned(),
    }
}
