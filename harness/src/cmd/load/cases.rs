//! Asks every request for the first time, so that the answers that follow can be judged.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use reqwest::Url;

use super::request::Written;
use super::{Load, Verify};
use crate::cmd::Unserved;
use crate::load::first::{self, First};
use crate::load::steady::{Case, Status};

/// Who is asked, what is asked and what the right answers are, and how many requests that took.
pub(super) fn prepare(args: &Load, url: &Url) -> Result<(SocketAddr, Vec<Case>, u64)> {
    let written = args.request.written(url, &args.url)?;
    let several = written.len() > 1;
    let mut addr = None;
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
            ask(args, url, &mut addr, &request, head)
        };
        let first = ask();
        let second = matches!((args.verify, &declared), (Verify::Auto, None)).then(ask);
        let answers = first.and_then(|first| Ok((first, second.transpose()?)));
        let body = answers.and_then(|answers| expected(args, &case, declared, answers));
        case.body = body.map_err(|error| Unserved(named(&case, several, &error)))?;
        cases.push(case);
    }
    let addr = addr.context("nothing is asked")?;
    Ok((addr, cases, asked))
}

/// Asks once: the first of the host's addresses that answers, from then on this one.
fn ask(
    args: &Load,
    url: &Url,
    addr: &mut Option<SocketAddr>,
    request: &[u8],
    head: bool,
) -> Result<First, String> {
    if let Some(addr) = *addr {
        return first::ask(addr, request, head, args.timeout);
    }
    let (found, answer) = super::first_answer(url, request, head, args.timeout)
        .map_err(|error| format!("{error:#}"))?;
    *addr = Some(found);
    Ok(answer)
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
