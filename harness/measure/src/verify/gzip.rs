//! What is asked of a server that compresses.

use super::Verifier;
use super::expected::varies;
use crate::MeasureError;
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
    ) -> Result<Option<Vec<u8>>, MeasureError> {
        let answer = workload.answer(case, &running.name);
        if !answer.gzip || case.method == "HEAD" {
            return Ok(None);
        }
        match self.with(interrupt, self.check(running, server, case, answer)) {
            Ok((_, body)) => Ok(Some(body)),
            Err(error) => {
                let (method, path) = (&case.method, &case.path);
                Err(error.context(format!("{method} {path} ({})", workload.name)))
            }
        }
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
    ) -> Result<(), MeasureError> {
        let compressed = |case: &&Case| workload.answer(case, &running.name).gzip;
        let Some(case) = workload.cases.iter().find(compressed) else { return Ok(()) };
        let answer = workload.answer(case, &running.name);
        let plain = ExpectedResponse { gzip: false, chunked: false, ..answer.clone() };
        for accepts in [None, Some("gzip;q=0")] {
            let case = accepting(case, accepts);
            let came = self.with(interrupt, self.check(running, server, &case, &plain));
            let came = came.and_then(|(headers, _)| Ok(varies(&headers)?));
            came.map_err(|error| {
                let asked = accepts.unwrap_or("nothing");
                error.context(format!(
                    "{} {} with Accept-Encoding: {asked} ({})",
                    case.method, case.path, workload.name
                ))
            })?;
        }
        Ok(())
    }
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
