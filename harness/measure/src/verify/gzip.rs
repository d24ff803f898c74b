//! Compressed responses: what they inflate to, and what is asked of a server that compresses.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, VARY};

use super::Verifier;
use crate::server::Running;
use duet_model::spec::{Case, ExpectedResponse, Server, Workload};
use duet_process::interrupt::Interrupt;

impl Verifier {
    /// The body of a compressed response as the server sends it, once it has been verified; none
    /// where the response is not compressed.
    ///
    /// # Errors
    /// A difference, or an interruption.
    pub fn compressed(
        &self,
        running: &Running,
        server: &Server,
        (workload, case): (&Workload, &Case),
        interrupt: &Interrupt,
    ) -> Result<Option<Vec<u8>>> {
        let answer = workload.answer(case, &running.name);
        if !answer.gzip || case.method == "HEAD" {
            return Ok(None);
        }
        let body = self.with(interrupt, async {
            let response = self.send(running, case).await?;
            Ok(self.checked(response, server, case, answer).await?.1)
        });
        body.map(Some).with_context(|| format!("{} {} ({})", case.method, case.path, workload.name))
    }

    /// Asks for the first compressed response of a workload without compression: it must come plain
    /// and say that it may vary.
    ///
    /// # Errors
    /// What is wrong, or an interruption.
    pub fn unasked(
        &self,
        running: &Running,
        server: &Server,
        workload: &Workload,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let compressed = |case: &&Case| workload.answer(case, &running.name).gzip;
        let Some(case) = workload.cases.iter().find(compressed) else { return Ok(()) };
        let answer = workload.answer(case, &running.name);
        let plain = ExpectedResponse { gzip: false, chunked: false, ..answer.clone() };
        for accepts in [None, Some("gzip;q=0")] {
            let case = accepting(case, accepts);
            let came = self.with(interrupt, async {
                let response = self.send(running, &case).await?;
                let (headers, _) = self.checked(response, server, &case, &plain).await?;
                varies(&headers)
            });
            let asked = accepts.unwrap_or("nothing");
            came.with_context(|| {
                format!(
                    "{} {} with Accept-Encoding: {asked} ({})",
                    case.method, case.path, workload.name
                )
            })?;
        }
        Ok(())
    }
}

/// What a compressed body inflates to, up to a byte more than `expected_bytes`.
pub(super) fn inflated(headers: &HeaderMap, body: &[u8], expected_bytes: usize) -> Result<Vec<u8>> {
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

/// A case with another `Accept-Encoding`, or none.
pub(super) fn accepting(case: &Case, accepts: Option<&str>) -> Case {
    let mut case = case.clone();
    case.headers.retain(|name, _| !name.eq_ignore_ascii_case("accept-encoding"));
    if let Some(accepts) = accepts {
        case.headers.insert("Accept-Encoding".to_owned(), accepts.to_owned());
    }
    case
}
