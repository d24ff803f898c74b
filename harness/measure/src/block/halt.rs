//! Why a block ends early, and whose failure that is.

use super::bench::{Bench, BlockError};
use crate::MeasureError;
use crate::server::Running;
use duet_model::record::{Failure, Stage};
use duet_model::spec::Workload;
use duet_process::interrupt::Interrupted;

/// Where a life ended early, and of which of its arms that is known.
pub(super) struct Halt {
    pub(super) stage: Stage,
    pub(super) arm: Option<usize>,
    pub(super) error: MeasureError,
}

impl Halt {
    /// One that no arm is known to have caused.
    pub(super) fn at(stage: Stage, error: impl Into<MeasureError>) -> Self {
        Self { stage, arm: None, error: error.into() }
    }

    /// One in the verification of an arm.
    pub(super) fn verifying(arm: usize) -> impl FnOnce(MeasureError) -> Self {
        move |error| Self { stage: Stage::Verify, arm: Some(arm), error }
    }
}

/// What does not say its stage happened while arms were driven.
impl<E> From<E> for Halt
where
    MeasureError: From<E>,
{
    fn from(error: E) -> Self {
        Self::at(Stage::Drive, error)
    }
}

/// Why a block halts. What happened while arms were driven is the failure of a service that has
/// ended, or of the arm that is known, or of the first one that has ended, or of the generator. An
/// interruption wins over whatever failure it caused.
pub(super) fn blame(
    bench: &Bench<'_>,
    workload: &Workload,
    arms: &mut [Running],
    halt: Halt,
) -> BlockError {
    let Halt { stage, arm, error } = halt;
    let driving = stage == Stage::Drive;
    if driving && let Some(failure) = bench.services.ended(workload) {
        return unless_interrupted(bench, Ok(failure));
    }
    let dead = || arms.iter_mut().position(|running| driving && !running.is_alive());
    let guilty = arm.or_else(dead).and_then(|arm| arms.get_mut(arm));
    unless_interrupted(
        bench,
        error.failure_or(|error| match guilty {
            Some(running) => running.failure(stage, &error),
            None => Failure { stage, server: None, error, stderr: vec![] },
        }),
    )
}

fn unless_interrupted(bench: &Bench<'_>, failure: Result<Failure, Interrupted>) -> BlockError {
    match failure.and_then(|failure| bench.interrupt.check().map(|()| failure)) {
        Ok(failure) => BlockError::Failed(failure),
        Err(interrupted) => BlockError::Interrupted(interrupted),
    }
}
