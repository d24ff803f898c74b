//! Sends every request for the first time, so that the responses that follow can be checked.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use url::Url;

use super::args::{Load, Verify};
use super::request::Written;
use crate::cmd::exit::ServerUnavailable;
use duet_loadgen::load::Case;
use duet_loadgen::reference;
use duet_loadgen::request::exchange::{Exchange, ExpectedBody, Status};
use duet_loadgen::response::reference::ReferenceResponse;
use duet_loadgen::transport::target::Target;

/// Where to send, what to send and the expected responses, and how many requests that took.
pub(super) fn prepare(args: &Load, url: &Url) -> Result<(Target, Vec<Case>, u64)> {
    let written = args.request.written(url, &args.url)?;
    let several = written.len() > 1;
    let mut targets = args.transport.targets(url)?;
    let mut streams_max = None;
    let mut sent = 0;
    let mut cases = vec![];
    for written in written {
        let Written { mut exchange, weight, expect_status, expect_body: declared } = written;
        let status = expect_status.or(args.expect_status);
        exchange.status = status.unwrap_or(Status::Successful);
        let mut fetch = || {
            let request = exchange.numbered(args.seed, sent);
            sent += 1;
            let response = fetch(&mut targets, &request, exchange.head, args.timeout)?;
            streams_max = response.streams_max;
            Ok(response)
        };
        let first = fetch();
        let second = matches!((args.verify, &declared), (Verify::Auto, None)).then(fetch);
        let responses = first.and_then(|first| Ok((first, second.transpose()?)));
        if let (Ok((first, _)), None) = (&responses, status)
            && exchange.status.allows(first.status)
        {
            exchange.status = Status::Exactly(first.status);
        }
        let body = responses.and_then(|responses| expected(args, &exchange, declared, responses));
        let body = body.map_err(|error| ServerUnavailable(named(&exchange, several, &error)))?;
        exchange.body = body.unwrap_or(ExpectedBody::Any);
        cases.push(Case { weight, exchange });
    }
    args.transport.check_streams(streams_max)?;
    let target = targets.into_iter().next().context("nothing is sent")?;
    Ok((target, cases, sent))
}

/// Sends a request once: to the first of the addresses that responds, which alone is left.
fn fetch(
    targets: &mut Vec<Target>,
    request: &[u8],
    head: bool,
    timeout: Duration,
) -> Result<ReferenceResponse, String> {
    let mut error = "the host has no address".to_owned();
    for target in targets.iter() {
        match reference::fetch(target, request, head, timeout) {
            Ok(response) => {
                *targets = vec![target.clone()];
                return Ok(response);
            }
            Err(why) => error = why,
        }
    }
    Err(error)
}

/// The expected body, if one can be told.
fn expected(
    args: &Load,
    exchange: &Exchange,
    declared: Option<Vec<u8>>,
    (first, second): (ReferenceResponse, Option<ReferenceResponse>),
) -> Result<Option<ExpectedBody>, String> {
    if !exchange.status.allows(first.status) {
        let hint = match args.expect_status {
            None if exchange.status == Status::Successful => {
                "; if that is expected, say so: --expect-status, or `expect` in a file of cases"
            }
            _ => "",
        };
        return Err(format!("expected status {}, got {}{hint}", exchange.status, first.status));
    }
    let learned = match second {
        Some(second) => (second.body == first.body).then_some(first.body),
        None => Some(first.body),
    };
    let compared = !exchange.head && args.verify != Verify::Status;
    let declared = declared.map(|body| ExpectedBody::Exactly(Bytes::from(body)));
    Ok(declared.or(learned).filter(|_| compared))
}

/// What is said of a response; of several requests with the one it is about.
fn named(exchange: &Exchange, several: bool, what: &str) -> String {
    let line = exchange.request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    match several {
        true => format!("{}: {what}", line.escape_ascii()),
        false => what.to_owned(),
    }
}
