//! Whether a server streams: a body larger than that of any case, sent once while memory is
//! watched. Of a request with a body, half is held back until the response's body has begun.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::stream;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Request, Response};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Verifier, is_plain};
use crate::MeasureError;
use crate::server::Running;
use duet_model::spec::{Case, ExpectedResponse, GeneratedBody, Large, Workload};
use duet_process::interrupt::Interrupt;
use duet_process::tree;

/// How long a response may take that is streamed.
const STREAM_LIMIT: Duration = Duration::from_secs(8);

/// How long it may take until the response has begun to half of a body.
const BEGIN_LIMIT: Duration = Duration::from_secs(3);

/// The memory of a server's processes at its highest, and what it may grow by.
pub(super) struct Bound {
    root: i32,
    before_bytes: u64,
    growth_mib: u32,
}

impl Bound {
    /// From now on.
    pub(super) fn begin(running: &Running, large: &Large) -> Result<Self> {
        let root = running.root();
        let before_bytes = tree::rss_bytes_peak(root).context("failed to read peak memory")?;
        Ok(Self { root, before_bytes, growth_mib: large.rss_growth_mib })
    }

    /// Whether it was kept.
    pub(super) fn check(&self) -> Result<()> {
        let peak = tree::rss_bytes_peak(self.root).context("failed to read peak memory")?;
        let grown_mib = peak.saturating_sub(self.before_bytes) >> 20;
        ensure!(
            grown_mib < self.growth_mib.into(),
            "its memory grew by {grown_mib} MiB, and by less than {} MiB where a body is streamed \
             (`rss_growth_mib` in workloads.toml): do not collect it",
            self.growth_mib
        );
        Ok(())
    }
}

impl Verifier {
    /// Sends a workload's large request, if it has one: whether the server streams it and how its
    /// memory grows. Over HTTP/1.1 in the clear and TCP; elsewhere nothing is checked.
    ///
    /// # Errors
    /// What is wrong, or an interruption.
    pub fn large(
        &self,
        running: &Running,
        workload: &Workload,
        on: &Interrupt,
    ) -> Result<(), MeasureError> {
        let Some(large) = workload.large.as_ref().filter(|_| is_plain(running)) else {
            return Ok(());
        };
        let Case { method, path, .. } = &large.case;
        let said = || format!("{method} {path} ({}, large)", workload.name);
        let bound = Bound::begin(running, large)?;
        self.with(on, self.streamed(running, large)).map_err(|error| error.context(said()))?;
        Ok(bound.check().with_context(said)?)
    }

    async fn streamed(&self, running: &Running, large: &Large) -> Result<()> {
        let begun = Arc::new(Notify::new());
        let mut request = self.request(running, &large.case)?;
        in_halves(&mut request, &large.case, &begun);
        let answer = &large.case.expect;
        let exchanged = async {
            let response = self.client.execute(request).await.context("no response")?;
            let status = response.status().as_u16();
            ensure!(status == answer.status, "expected status {}, got {status}", answer.status);
            compare(response, answer, &begun).await
        };
        let late = || format!("no whole response within {} s", STREAM_LIMIT.as_secs());
        timeout(STREAM_LIMIT, exchanged).await.with_context(late)?
    }
}

/// Makes `request` send the body of a case, if it has one, the second half only when `begun` says
/// that the response's body has begun.
pub(super) fn in_halves(request: &mut Request, case: &Case, begun: &Arc<Notify>) {
    let Some(body) = case.sent_body() else { return };
    let text = body.into_owned().into_bytes();
    if !case.chunked {
        request.headers_mut().insert(CONTENT_LENGTH, text.len().into());
    }
    let text: Arc<[u8]> = text.into();
    let begun = Arc::clone(begun);
    let parts = stream::unfold((0, text, begun), |(at, text, begun)| async move {
        if at == text.len() {
            return None;
        }
        let half = text.len() / 2;
        let end = match at {
            at if at < half => half.min(at + GeneratedBody::CHUNK_BYTES),
            at => text.len().min(at + GeneratedBody::CHUNK_BYTES),
        };
        if at == half && timeout(BEGIN_LIMIT, begun.notified()).await.is_err() {
            let why = "the response's body must begin before the request's ends: half of that was \
                        sent, and nothing came back within 3 s";
            return Some((Err(io::Error::other(why)), (text.len(), text, begun)));
        }
        Some((Ok(text[at..end].to_vec()), (end, text, begun)))
    });
    *request.body_mut() = Some(Body::wrap_stream(parts));
}

/// Compares a response's body with the expected one as it comes.
pub(super) async fn compare(
    mut response: Response,
    expected: &ExpectedResponse,
    begun: &Notify,
) -> Result<()> {
    let want = expected.whole_body();
    let mut at = 0;
    while let Some(part) = response.chunk().await.context("the body did not arrive")? {
        begun.notify_one();
        let end = at + part.len();
        let equal = want.as_bytes().get(at..end).is_some_and(|want| *want == *part);
        ensure!(equal, "the body differs in the bytes from {at} to {end}");
        at = end;
    }
    if at < want.len() {
        bail!("the body has {at} bytes, where {} were expected", want.len());
    }
    Ok(())
}
