//! Asks a server for every answer with a full HTTP client and compares. No time is taken before
//! this has passed.
//!
//! The client is reqwest, and hyper for what reqwest is built without here, so that a mistake in
//! our own parser cannot hide the same mistake in a server.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};
use reqwest::{Body, Client, Method, Request, Response};
use rustls::ClientConfig;

use crate::MeasureError;
use crate::certificate::Certificate;
use crate::server::Running;
use crate::{client, requests};
use duet_model::record::Wire;
use duet_model::spec::{Case, ExpectedResponse, Server, Workload};
use duet_process::interrupt::{Interrupt, POLL};
use duet_protocol::{Address, Transport};

mod events;
mod expected;
mod gzip;
mod messages;
mod streamed;

pub use expected::excerpt;
use expected::{exempt, expected, unknown, unknown_call};

/// For how long a connection is kept for the next request. Its runtime stands still between
/// requests, so that nobody notices when a server closes one, after 30 s by the contract.
const IDLE_LIMIT: Duration = Duration::from_secs(1);

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Calls made at once must save at least this much to be told from calls in turn: a busy machine
/// delays a response by milliseconds, and the upstream service's timer by up to one.
const SAVED_MIN: Duration = Duration::from_millis(10);

/// How often a response is timed that seems to be too slow, or a stream of events.
const TIMED_TRIES: u32 = 20;

/// A client, the runtime it needs, and the certificate it trusts.
#[derive(Debug)]
pub struct Verifier {
    runtime: tokio::runtime::Runtime,
    client: Client,
    certificate: OnceCell<Certificate>,
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
            .pool_idle_timeout(IDLE_LIMIT)
            .http1_only()
            .build()
            .context("failed to make the HTTP client")?;
        Ok(Self { runtime, client, certificate: OnceCell::new() })
    }

    /// What servers are to speak a transport with: with TLS, this run's certificate, which is made
    /// when it is first needed and trusted here.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn certificate(&self, transport: Transport) -> Result<Option<&Certificate>> {
        if !transport.is_tls() {
            return Ok(None);
        }
        if self.certificate.get().is_none() {
            // Nobody else can have set it.
            let _ = self.certificate.set(Certificate::make()?);
        }
        Ok(self.certificate.get())
    }

    /// How connections are encrypted over a transport, if they are.
    ///
    /// # Errors
    /// When there is no certificate, and none can be made.
    pub fn tls(&self, transport: Transport) -> Result<Option<Arc<ClientConfig>>> {
        let protocol: &[u8] = if transport.is_http2() { b"h2" } else { b"http/1.1" };
        self.certificate(transport)?.map(|certificate| certificate.client(protocol)).transpose()
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
    ) -> Result<(), MeasureError> {
        for case in workload.cases.iter().take(limit) {
            self.case(running, server, (workload, case), interrupt)?;
        }
        Ok(())
    }

    /// Compares a server's response to one case, and returns its shape. What it counts as bytes of
    /// the head are the names and values of the fields.
    ///
    /// # Errors
    /// The first difference, or an interruption.
    pub fn case(
        &self,
        running: &Running,
        server: &Server,
        (workload, case): (&Workload, &Case),
        interrupt: &Interrupt,
    ) -> Result<Wire, MeasureError> {
        let answer = workload.answer(case, &running.name);
        let check = || {
            let timed = || {
                let began = Instant::now();
                let wire = match case.message {
                    Some(_) => self.with(interrupt, self.converse(running, case))?,
                    None => {
                        let sent = self.check(running, server, case, answer);
                        let (headers, body) = self.with(interrupt, sent)?;
                        wire(&headers, body.len())
                    }
                };
                Ok((wire, began.elapsed()))
            };
            in_time(case, timed)
        };
        running.when_ready(interrupt, check).map_err(|error| {
            let (method, path) = (&case.method, &case.path);
            error.context(format!("wrong answer to {method} {path} ({})", workload.name))
        })
    }

    /// Checks what the contract asks of every server beside its routes: a current date, and 404 for
    /// what is unknown; of one that is asked by gRPC (`grpc`), that it knows no other call. Servers
    /// of the article lane and external ones are exempt.
    ///
    /// # Errors
    /// The first breach, or an interruption.
    pub fn contract(
        &self,
        running: &Running,
        server: &Server,
        grpc: bool,
        interrupt: &Interrupt,
    ) -> Result<(), MeasureError> {
        if exempt(server) {
            return Ok(());
        }
        if grpc {
            let response = self.with(interrupt, self.call(running, "/no.Such/Call"))?;
            return Ok(unknown_call(&response)?);
        }
        let response = self.with(interrupt, self.get(running, "/no-such-path"))?;
        Ok(unknown(&response, running.transport)?)
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
    ) -> Result<ExpectedResponse, MeasureError> {
        let ask = || self.with(interrupt, self.given(running, path));
        running.when_ready(interrupt, ask)
    }

    async fn given(&self, running: &Running, path: &str) -> Result<ExpectedResponse, MeasureError> {
        let response = self.get(running, path).await?;
        let status = response.status().as_u16();
        if status >= 500 {
            let body = client::body(response).await.unwrap_or_default();
            let shown = excerpt(&body, 0);
            return Err(MeasureError::Unready(anyhow!("status {status}, body {shown}")));
        }
        let kind = response.headers().get(CONTENT_TYPE);
        let content_type = kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let body = String::from_utf8(client::body(response).await?)
            .context("the body is not UTF-8 text, which definitions can hold")?;
        Ok(ExpectedResponse { status, content_type, body, ..Default::default() })
    }

    /// Carries out a request, and gives up when the harness is interrupted.
    fn with<T, E>(
        &self,
        interrupt: &Interrupt,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, MeasureError>
    where
        MeasureError: From<E>,
    {
        self.runtime.block_on(async {
            let mut work = std::pin::pin!(work);
            loop {
                interrupt.check()?;
                if let Ok(outcome) = tokio::time::timeout(POLL, &mut work).await {
                    return Ok(outcome?);
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
    ) -> Result<(HeaderMap, Vec<u8>), MeasureError> {
        let response = self.send(running, case).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = client::body(response).await?;
        if status != answer.status {
            let (want, body) = (answer.status, excerpt(&body, 0));
            let wrong = anyhow!("expected status {want}, got {status}; the body is {body}");
            return Err(match status {
                500.. => MeasureError::Unready(wrong),
                _ => MeasureError::Other(wrong),
            });
        }
        expected(&headers, &body, server, case, answer, running.transport)?;
        Ok((headers, body))
    }

    async fn get(&self, running: &Running, path: &str) -> Result<Response, MeasureError> {
        let request = self.client.get(url(running, path)).build();
        self.execute(running, request.context("the path is not valid")?).await
    }

    /// Calls what takes no message, by gRPC.
    async fn call(&self, running: &Running, path: &str) -> Result<Response, MeasureError> {
        let request = self.client.post(url(running, path)).body(vec![0; 5]);
        let request = request.header(CONTENT_TYPE, "application/grpc").header(TE, "trailers");
        self.execute(running, request.build().context("the path is not valid")?).await
    }

    async fn send(&self, running: &Running, case: &Case) -> Result<Response, MeasureError> {
        self.execute(running, self.request(running, case)?).await
    }

    /// The request of a case.
    fn request(&self, running: &Running, case: &Case) -> Result<Request> {
        let method: Method = case.method.parse().context("the method is not valid")?;
        let mut request = self.client.request(method, url(running, &case.path));
        for (name, value) in &case.headers {
            let name: HeaderName = name.parse().with_context(|| format!("header name `{name}`"))?;
            let value: HeaderValue =
                value.parse().with_context(|| format!("value of header `{name}`"))?;
            request = request.header(name, value);
        }
        if let Some(body) = case.sent_body() {
            request = if case.chunked {
                // A stream of unknown length makes the client send chunks.
                let half = body.floor_char_boundary(body.len() / 2);
                let (a, b) = body.split_at(half);
                let parts = [a, b].map(|part| Ok::<_, std::io::Error>(part.to_owned()));
                request.body(Body::wrap_stream(futures_util::stream::iter(parts)))
            } else {
                request.body(body.into_owned())
            };
        }
        request.build().context("the case is not valid")
    }

    /// Sends a request over the transport that the server was started for.
    async fn execute(&self, running: &Running, request: Request) -> Result<Response, MeasureError> {
        let transport = running.transport;
        if is_plain(running) {
            let sent = self.client.execute(request).await;
            return sent.context("no answer").map_err(MeasureError::Unready);
        }
        let sent = client::send(&running.addr, transport, self.tls(transport)?, request);
        let late = || format!("no answer within {} s", ANSWER_LIMIT.as_secs());
        let sent = tokio::time::timeout(ANSWER_LIMIT, sent).await.with_context(late)?;
        sent.context("no answer").map_err(MeasureError::Unready)
    }
}

/// Checks that a response takes the time that it must: not less than `least_ms`, and, where calls
/// are made at once, less than one after the other. A busy machine may delay it: the fastest of a
/// few counts.
fn in_time<T>(
    case: &Case,
    mut timed: impl FnMut() -> Result<(T, Duration), MeasureError>,
) -> Result<T, MeasureError> {
    let (mut value, mut elapsed) = timed()?;
    let Some(ms) = case.least_ms else { return Ok(value) };
    let least = Duration::from_millis(ms.into());
    let in_turn = case.upstream_calls.map(|calls| calls * least);
    let most = in_turn.filter(|in_turn| *in_turn >= least + SAVED_MIN);
    for _ in 1..TIMED_TRIES {
        if elapsed < least || most.is_none_or(|most| elapsed < most) {
            break;
        }
        (value, elapsed) = timed()?;
    }
    timely(elapsed, least, most)?;
    Ok(value)
}

/// Whether a response took as long as it must, and no longer than it may.
fn timely(elapsed: Duration, least: Duration, most: Option<Duration>) -> Result<()> {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    ensure!(
        elapsed >= least,
        "it came after {:.1} ms, and no valid response is faster than {:.1} ms",
        ms(elapsed),
        ms(least)
    );
    if let Some(most) = most {
        ensure!(
            elapsed < most,
            "it came after {:.1} ms, no sooner than calls that are made one after the other \
             ({:.1} ms): make them at once",
            ms(elapsed),
            ms(most)
        );
    }
    Ok(())
}

/// Whether responses come as the server sends them: over HTTP/1.1 in the clear and TCP.
fn is_plain(running: &Running) -> bool {
    matches!((&running.addr, running.transport), (Address::Tcp(_), Transport::Http))
}

fn url(running: &Running, path: &str) -> String {
    let scheme = if running.transport.is_tls() { "https" } else { "http" };
    format!("{scheme}://{}{path}", requests::host(&running.addr))
}

/// The shape of a response.
fn wire(headers: &HeaderMap, body_bytes: usize) -> Wire {
    let mut header_names: Vec<String> =
        headers.iter().map(|(name, _)| name.as_str().to_owned()).collect();
    header_names.sort();
    let head_bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    Wire { header_names, head_bytes: head_bytes as u64, body_bytes: body_bytes as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_take_their_time() {
        let check = |calls, least_ms, times: &[u64], want: &str| {
            let case = Case { upstream_calls: calls, least_ms, ..Case::default() };
            let mut times = times.iter().cycle().map(|ms| Duration::from_millis(*ms));
            let got = in_time(&case, || Ok(((), times.next().context("too many tries")?)));
            let got = got.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(got.contains(want) && got.is_empty() == want.is_empty(), "{case:?}: {got}");
        };
        check(None, None, &[0], "");
        check(None, Some(5), &[5], "");
        check(None, Some(5), &[4], "faster than 5.0 ms");
        check(Some(3), Some(5), &[6], "");
        check(Some(3), Some(5), &[15, 40, 14], "");
        check(Some(3), Some(5), &[15], "one after the other (15.0 ms)");
        check(Some(1), Some(5), &[50], "");
        check(Some(3), Some(3), &[50], "");
        check(Some(10), Some(1), &[50], "");
        check(Some(10), Some(2), &[50], "one after the other (20.0 ms)");
    }
}
