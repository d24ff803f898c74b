//! What must be true of a response: the expected one byte by byte, and what the contract asks of
//! all.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, VARY};

use crate::client::GRPC_STATUS;
use duet_model::spec::{Case, ExpectedResponse, Lane, Server};
use duet_protocol::Transport;

/// How much of a body is shown around its first difference.
const EXCERPT_BYTES: usize = 60;

/// Compares what came with the expected response of the same status.
pub(super) fn expected(
    headers: &HeaderMap,
    body: &[u8],
    server: &Server,
    case: &Case,
    answer: &ExpectedResponse,
    transport: Transport,
) -> Result<()> {
    if let Some(want) = &answer.content_type {
        let got = headers.get(CONTENT_TYPE).map_or("", |v| v.to_str().unwrap_or("not ASCII"));
        ensure!(got == want, "expected content-type `{want}`, got `{got}`");
    }
    match answer.grpc_status {
        Some(want) => grpc_status(headers, want)?,
        None if exempt(server) => {}
        None => contract_headers(headers, answer.chunked, transport)?,
    }
    let want = if case.method == "HEAD" { "".into() } else { answer.whole_body() };
    if answer.gzip && case.method != "HEAD" {
        return compare(want.as_bytes(), &inflated(headers, body, want.len())?);
    }
    let coding = headers.get(CONTENT_ENCODING);
    ensure!(coding.is_none(), "a Content-Encoding that was not asked for: {coding:?}");
    compare(want.as_bytes(), body)
}

/// Checks the status of a call of gRPC.
fn grpc_status(headers: &HeaderMap, want: u32) -> Result<()> {
    let got = headers.get(GRPC_STATUS).map_or("none", |v| v.to_str().unwrap_or("not ASCII"));
    ensure!(got == want.to_string(), "expected grpc-status {want}, got {got}");
    Ok(())
}

/// What a compressed body inflates to, up to a byte more than `expected_bytes`.
fn inflated(headers: &HeaderMap, body: &[u8], expected_bytes: usize) -> Result<Vec<u8>> {
    let coding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    ensure!(
        coding == Some("gzip"),
        "expected Content-Encoding: gzip, got {}",
        coding.unwrap_or("none")
    );
    varies(headers)?;
    let mut plain = vec![];
    let mut decoder = MultiGzDecoder::new(body).take(expected_bytes as u64 + 1);
    decoder.read_to_end(&mut plain).context("the body is no gzip")?;
    Ok(plain)
}

/// Caches must know that a response depends on what the client accepts (RFC 9110, 12.5.5).
pub(super) fn varies(headers: &HeaderMap) -> Result<()> {
    let named =
        |value: &str| value.split(',').any(|f| f.trim().eq_ignore_ascii_case("accept-encoding"));
    let said = headers.get_all(VARY).iter().any(|value| value.to_str().is_ok_and(named));
    ensure!(said, "no `Vary: Accept-Encoding` (CONTRACT.md, 4.6)");
    Ok(())
}

/// Whether a path that does not exist is responded to as it must be.
pub(super) fn unknown(response: &Response, transport: Transport) -> Result<()> {
    ensure!(
        response.status() == 404,
        "GET /no-such-path gave status {}, where 404 was due (CONTRACT.md, 2.5)",
        response.status().as_u16()
    );
    contract_headers(response.headers(), false, transport)
}

/// Whether a call that does not exist is responded to as it must be (gRPC, "Statuscodes and their
/// use in gRPC": UNIMPLEMENTED).
pub(super) fn unknown_call(response: &Response) -> Result<()> {
    const UNIMPLEMENTED: u32 = 12;
    grpc_status(response.headers(), UNIMPLEMENTED).context("of a call that does not exist")
}

/// Whether a server keeps the contract's first section only, or none of it.
pub(super) fn exempt(server: &Server) -> bool {
    server.external || server.lanes == [Lane::Article]
}

/// The headers that every answer has. Others are not an error here: they are compared between the
/// arms, and a difference is a warning in the report.
///
/// Where a response is chunked over HTTP/1.1, it may have a length over HTTP/2, which knows no
/// chunks.
fn contract_headers(headers: &HeaderMap, chunked: bool, transport: Transport) -> Result<()> {
    let date = headers.get(DATE).context("no Date header (CONTRACT.md, 2.2)")?;
    // Sun, 06 Nov 1994 08:49:37 GMT: every IMF-fixdate has 29 bytes (RFC 9110, 5.6.7).
    ensure!(date.len() == 29, "the Date header is no IMF-fixdate: {date:?} (CONTRACT.md, 2.2)");
    match (headers.contains_key(CONTENT_LENGTH), chunked) {
        (false, false) => bail!("no Content-Length header (CONTRACT.md, 2.2)"),
        (true, true) if !transport.is_http2() => {
            bail!("a Content-Length header, where the response must be chunked (CONTRACT.md, 4.5)")
        }
        _ => {}
    }
    Ok(())
}

/// An error that shows the first difference, if there is one.
fn compare(want: &[u8], got: &[u8]) -> Result<()> {
    if want == got {
        return Ok(());
    }
    let at = want.iter().zip(got).take_while(|(w, g)| w == g).count();
    bail!(
        "the body differs from byte {at} on (expected {} bytes, got {})\n  \
         expected: {}\n  got:      {}",
        want.len(),
        got.len(),
        excerpt(want, at),
        excerpt(got, at)
    )
}

/// A stretch of a body around a position, printable. Quotation marks stay as they are, since most
/// bodies are JSON.
#[must_use]
pub fn excerpt(body: &[u8], at: usize) -> String {
    let from = at.saturating_sub(EXCERPT_BYTES / 3);
    let to = body.len().min(from + EXCERPT_BYTES);
    let mut text = String::new();
    for c in String::from_utf8_lossy(&body[from.min(to)..to]).chars() {
        match c {
            '"' | '\'' => text.push(c),
            c => text.extend(c.escape_debug()),
        }
    }
    let before = if from > 0 { "…" } else { "" };
    let after = if to < body.len() { "…" } else { "" };
    format!("{before}{text}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_readable() {
        let check = |want: &str, got: &str, message: &str| {
            let error = compare(want.as_bytes(), got.as_bytes()).expect_err("they differ");
            assert_eq!(error.to_string(), message);
        };
        assert!(compare(b"same", b"same").is_ok());
        check(
            "{\"a\":1}",
            "{\"a\":2}",
            "the body differs from byte 5 on (expected 7 bytes, got 7)\n  \
             expected: {\"a\":1}\n  got:      {\"a\":2}",
        );
        check(
            "ab",
            "",
            "the body differs from byte 0 on (expected 2 bytes, got 0)\n  \
             expected: ab\n  got:      ",
        );
        let long = "x".repeat(500);
        let error = compare(long.as_bytes(), format!("{long}y").as_bytes()).expect_err("differ");
        assert!(error.to_string().contains("from byte 500"), "{error}");
        assert!(error.to_string().len() < 400, "{error}");
    }
}
