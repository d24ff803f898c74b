//! Why what was done with a server, a service or the load generator did not come to its end.

use std::fmt::Display;

use duet_model::record::{Failure, Stage};
use duet_process::interrupt::Interrupted;

/// Why what was done with a server, a service or the load generator did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The harness was asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A server or a service failed, and it is known at which stage.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The kernel killed processes of a server because its memory was at its limit.
    #[error("{}", oom_killed(*.kills))]
    OomKilled {
        /// How many.
        kills: u64,
        /// How the server failed.
        failure: Failure,
    },
    /// A server is not ready: it refuses or drops a connection, or responds that the fault is its
    /// own (RFC 9110, 15.6).
    #[error(transparent)]
    Unready(anyhow::Error),
    /// Whatever else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// What is said of so many processes that the kernel killed.
pub(crate) fn oom_killed(kills: u64) -> String {
    format!("the kernel killed {kills} of its processes: its memory was at its limit")
}

impl MeasureError {
    /// The same, with what was being done. A failure says so itself.
    #[must_use]
    pub(crate) fn context(self, what: impl Display + Send + Sync + 'static) -> Self {
        match self {
            Self::Unready(error) => Self::Unready(error.context(what)),
            Self::Other(error) => Self::Other(error.context(what)),
            said => said,
        }
    }

    /// The failure that it is; where it does not say itself, at this stage and of this server.
    ///
    /// # Errors
    /// An interruption stays one.
    pub fn failure(self, stage: Stage, server: Option<&str>) -> Result<Failure, Interrupted> {
        self.failure_or(|error| {
            let server = server.map(str::to_owned);
            Failure { stage, server, error, stderr: vec![] }
        })
    }

    /// The failure that it is, or the one that is made of its words.
    ///
    /// # Errors
    /// An interruption stays one.
    pub fn failure_or(
        self,
        otherwise: impl FnOnce(String) -> Failure,
    ) -> Result<Failure, Interrupted> {
        match self {
            Self::Interrupted(interrupted) => Err(interrupted),
            Self::Failed(failure) | Self::OomKilled { failure, .. } => Ok(failure),
            Self::Unready(error) | Self::Other(error) => Ok(otherwise(format!("{error:#}"))),
        }
    }
}
