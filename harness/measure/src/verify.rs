//! Asks a server for every answer with a full HTTP client and compares. No time is taken before
//! this has passed.
//!
//! The client is reqwest, so that a mistake in our own parser cannot hide the same mistake in a
//! server.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Client, Method, Response};

use crate::server::Running;
use duet_model::spec::{Case, ExpectedResponse, Lane, Server, Workload};
use duet_process::interrupt::{Interrupt, POLL};

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How much of a body is shown around its first difference.
const EXCERPT_BYTES: usize = 60;

/// A client and the runtime it needs.
#[derive(Debug)]
pub struct Verifier {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Verifier {
    /// Makes a client.
    ///
    /// # Errors
    /// When the system refuses what it needs.
    pub fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to start the runtime of the HTTP client")?;
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_LIMIT)
            .http1_only()
            .build()
            .context("failed to make the HTTP client")?;
        Ok(Self { runtime, client })
    }

    /// Compares a server's answers to the first `limit` cases of a workload with the right ones:
    /// status, headers, body. Servers of the article lane and external ones need not have the
    /// contract's headers.
    ///
    /// # Errors
    /// The first difference, readably; or an interruption.
    pub fn workload(
        &self,
        running: &Running,
        server: &Server,
        workload: &Workload,
        limit: usize,
        interrupt: &Interrupt,
    ) -> Result<()> {
        for case in workload.cases.iter().take(limit) {
            let answer = workload.answer(case, &running.name);
            self.with(interrupt, self.check(running, server, case, answer)).with_context(|| {
                format!("wrong answer to {} {} ({})", case.method, case.path, workload.name)
            })?;
        }
        Ok(())
    }

    /// Checks what the contract asks of every server beside its routes: a current date, and 404 for
    /// what is unknown. Servers of the article lane and external ones are exempt.
    ///
    /// # Errors
    /// The first breach, or an interruption.
    pub fn contract(
        &self,
        running: &Running,
        server: &Server,
        interrupt: &Interrupt,
    ) -> Result<()> {
        if exempt(server) {
            return Ok(());
        }
        let url = format!("http://{}/no-such-path", running.addr);
        self.with(interrupt, async {
            let response = self.client.get(url).send().await.context("no answer")?;
            ensure!(
                response.status() == 404,
                "GET /no-such-path gave status {}, where 404 was due (CONTRACT.md, 2.5)",
                response.status().as_u16()
            );
            contract_headers(response.headers())
        })
    }

    /// What a GET of the path is answered with.
    ///
    /// # Errors
    /// No answer, one whose body is not UTF-8, or an interruption.
    pub fn ask(
        &self,
        running: &Running,
        path: &str,
        interrupt: &Interrupt,
    ) -> Result<ExpectedResponse> {
        self.with(interrupt, async {
            let url = format!("http://{}{path}", running.addr);
            let response = self.client.get(url).send().await.context("no answer")?;
            let status = response.status().as_u16();
            let kind = response.headers().get(CONTENT_TYPE);
            let content_type = kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned);
            let body = response.bytes().await.context("the body did not arrive")?;
            let body = String::from_utf8(body.into())
                .context("the body is not UTF-8 text, which definitions can hold")?;
            Ok(ExpectedResponse { status, content_type, body })
        })
    }

    /// Carries out a request, and gives up when the harness is interrupted.
    fn with<T>(&self, interrupt: &Interrupt, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(async {
            let mut work = std::pin::pin!(work);
            loop {
                interrupt.check()?;
                if let Ok(outcome) = tokio::time::timeout(POLL, &mut work).await {
                    return outcome;
                }
            }
        })
    }

    async fn check(
        &self,
        running: &Running,
        server: &Server,
        case: &Case,
        answer: &ExpectedResponse,
    ) -> Result<()> {
        let response = self.send(running, case).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.context("the body did not arrive")?;
        ensure!(
            status == answer.status,
            "expected status {}, got {status}; the body is {}",
            answer.status,
            excerpt(&body, 0)
        );
        if let Some(want) = &answer.content_type {
            let got = headers.get(CONTENT_TYPE).map_or("", |v| v.to_str().unwrap_or("not ASCII"));
            ensure!(got == want, "expected content-type `{want}`, got `{got}`");
        }
        if !exempt(server) {
            contract_headers(&headers)?;
        }
        let want = if case.method == "HEAD" { "" } else { &answer.body };
        compare(want.as_bytes(), &body)
    }

    async fn send(&self, running: &Running, case: &Case) -> Result<Response> {
        let method: Method = case.method.parse().context("the method is not valid")?;
        let url = format!("http://{}{}", running.addr, case.path);
        let mut request = self.client.request(method, url);
        for (name, value) in &case.headers {
            let name: HeaderName = name.parse().with_context(|| format!("header name `{name}`"))?;
            let value: HeaderValue =
                value.parse().with_context(|| format!("value of header `{name}`"))?;
            request = request.header(name, value);
        }
        if let Some(body) = &case.body {
            request = if case.chunked {
                // A stream of unknown length makes the client send chunks.
                let half = body.floor_char_boundary(body.len() / 2);
                let (a, b) = body.split_at(half);
                let parts = [a, b].map(|part| Ok::<_, std::io::Error>(part.to_owned()));
                request.body(Body::wrap_stream(futures_util::stream::iter(parts)))
            } else {
                request.body(body.clone())
            };
        }
        request.send().await.context("no answer")
    }
}

/// Whether a server keeps the contract's first section only, or none of it.
fn exempt(server: &Server) -> bool {
    server.external || server.lanes == [Lane::Article]
}

/// The headers that every answer has. Others are not an error here: they are compared between the
/// arms, and a difference is a warning in the report.
fn contract_headers(headers: &HeaderMap) -> Result<()> {
    let date = headers.get(DATE).context("no Date header (CONTRACT.md, 2.2)")?;
    // Sun, 06 Nov 1994 08:49:37 GMT: every IMF-fixdate has 29 bytes (RFC 9110, 5.6.7).
    ensure!(date.len() == 29, "the Date header is no IMF-fixdate: {date:?} (CONTRACT.md, 2.2)");
    ensure!(headers.contains_key(CONTENT_LENGTH), "no Content-Length header (CONTRACT.md, 2.2)");
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
