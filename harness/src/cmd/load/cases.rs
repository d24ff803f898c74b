//! Asks every request for the first time, so that the answers that follow can be judged.

use std::time::Duration;

use anyhow::{Context, Result};
use url::Url;

use super::request::Written;
use super::{Load, Verify};
use crate::cmd::ServerUnavailable;
use duet_loadgen::first::{self, First};
use duet_loadgen::steady::{Case, Status};
use duet_loadgen::target::Target;

/// Who is asked, what is asked and what the right answers are, and how many requests that took.
pub(super) fn prepare(args: &Load, url: &Url) -> Result<(Target, Vec<Case>, u64)> {
    let written = args.request.written(url, &args.url)?;
    let several = written.len() > 1;
    let mut targets = args.transport.targets(url)?;
    let mut streams_max = None;
    let mut asked = 0;
    let mut cases = vec![];
    for written in written {
        let Written { bytes, patches, head, case } = written;
        let status = case.expect_status.or(args.expect_status);
        let status = status.map_or(Status::Successful, Status::Exactly);
        let (weight, declared) = (case.weight, case.expect_body);
        let mut case = Case { weight, request: bytes, patches, head, status, body: None };
        let mut ask = || {
            let request = case.numbered(args.seed, asked);
            asked += 1;
            let first = ask(&mut targets, &request, head, args.timeout)?;
            streams_max = first.streams_max;
            Ok(first)
        };
        let first = ask();
        let second = matches!((args.verify, &declared), (Verify::Auto, None)).then(ask);
        let answers = first.and_then(|first| Ok((first, second.transpose()?)));
        let body = answers.and_then(|answers| expected(args, &case, declared, answers));
        case.body = body.map_err(|error| ServerUnavailable(named(&case, several, &error)))?;
        cases.push(case);
    }
    args.transport.check_streams(streams_max)?;
    let target = targets.into_iter().next().context("nothing is asked")?;
    Ok((target, cases, asked))
}

/// Asks once: the first of the addresses that answers, which alone is left.
fn ask(
    targets: &mut Vec<Target>,
    request: &[u8],
    head: bool,
    timeout: Duration,
) -> Result<First, String> {
    let mut error = "the host has no address".to_owned();
    for target in targets.iter() {
        match first::ask(target, request, head, timeout) {
            Ok(first) => {
                *targets = vec![target.clone()];
                return Ok(first);
            }
            Err(why) => error = why,
        }
    }
    Err(error)
}

/// The right body, if one can be told.
fn expected(
    args: &Load,
    case: &Case,
    declared: Option<Vec<u8>>,
    (first, second): (First, Option<First>),
) -> Result<Option<Vec<u8>>, String> {
    if !case.status.allows(first.status) {
        let cure = match args.expect_status {
            None if case.status == Status::Successful => {
                "; if that is right, say so: --expect-status, or `expect` in a file of cases"
            }
            _ => "",
        };
        return Err(format!("expected status {}, got {}{cure}", case.status, first.status));
    }
    let learned = match second {
        Some(second) => (second.body == first.body).then_some(first.body),
        None => Some(first.body),
    };
    let compared = !case.head && args.verify != Verify::Status;
    Ok(declared.or(learned).filter(|_| compared))
}

/// What is said of an answer; of several requests with the one it is about.
fn named(case: &Case, several: bool, what: &str) -> String {
    let line = case.request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    match several {
        true => format!("{}: {what}", line.escape_ascii()),
        false => what.to_owned(),
    }
}
