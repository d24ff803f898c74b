//! Whether events come when they are due, read one by one as they come: a server that sends all of
//! them with the last one has the right body at the right time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::{TIMED_TRIES, Verifier, is_plain};
use crate::MeasureError;
use crate::events::Events;
use crate::server::Running;
use duet_loadgen::response::events::EventScanner;
use duet_model::spec::{Case, Workload};
use duet_process::interrupt::Interrupt;

impl Verifier {
    /// Reads the streams of events of a workload as they come. A busy machine may delay them: the
    /// best of a few streams counts. Over HTTP/1.1 in the clear and TCP; elsewhere nothing is
    /// checked.
    ///
    /// # Errors
    /// What is wrong, or an interruption.
    pub fn events(
        &self,
        running: &Running,
        workload: &Workload,
        on: &Interrupt,
    ) -> Result<(), MeasureError> {
        for case in workload.cases.iter().filter(|_| is_plain(running)) {
            let Some(ms) = case.event_ms else { continue };
            let period = Duration::from_millis(ms.into());
            let stream = || Ok(Events::of(&self.with(on, self.ended(running, case))?, period));
            best(stream).map_err(|error| {
                let (method, path) = (&case.method, &case.path);
                error.context(format!("{method} {path} ({}, events)", workload.name))
            })?;
        }
        Ok(())
    }

    /// How long after the request each event of its response ended.
    async fn ended(&self, running: &Running, case: &Case) -> Result<Vec<Duration>> {
        let request = self.request(running, case)?;
        let began = Instant::now();
        let mut response = self.client.execute(request).await.context("no response")?;
        let (mut scanner, mut ended) = (EventScanner::default(), vec![]);
        while let Some(part) = response.chunk().await.context("the body did not arrive")? {
            scanner.add(&part);
            ended.extend(scanner.take().map(|_| began.elapsed()));
        }
        Ok(ended)
    }
}

/// Whether one stream of a few is as it must be.
fn best(mut stream: impl FnMut() -> Result<Events, MeasureError>) -> Result<(), MeasureError> {
    let mut tries = 1;
    loop {
        let events = stream()?;
        match events.check() {
            Err(_) if events.early == 0 && tries < TIMED_TRIES => tries += 1,
            checked => return Ok(checked.map_err(|why| anyhow!(why))?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_stream_counts() {
        let late = Events { count: 4, early: 0, late: 4 };
        let mut streams = [late, late, Events { late: 1, ..late }].into_iter();
        assert!(best(|| Ok(streams.next().expect("no more is asked for"))).is_ok());
        assert!(best(|| Ok(late)).is_err());
        let mut once = [Events { early: 1, ..late }].into_iter();
        assert!(best(|| Ok(once.next().expect("no second one is asked for"))).is_err());
    }
}
