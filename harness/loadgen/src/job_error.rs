//! Why a job, or a load, ends before its time.

use std::fmt;

use nix::errno::Errno;

/// The end of a job before its time. As large as a pointer, since the hot path can return it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobError(Box<Reason>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Reason {
    arm: Option<u32>,
    text: String,
}

impl JobError {
    /// It is about no arm, or about all.
    pub(crate) fn general(text: impl fmt::Display) -> Self {
        Self(Box::new(Reason { arm: None, text: text.to_string() }))
    }

    /// It is about one arm.
    pub(crate) fn for_arm(arm: u32, text: impl fmt::Display) -> Self {
        Self(Box::new(Reason { arm: Some(arm), text: text.to_string() }))
    }

    /// The system refuses what waiting for responses takes.
    pub(crate) fn waiting(error: Errno) -> Self {
        Self::general(format_args!("failed to wait for responses: {}", error.desc()))
    }

    /// The arm it is about, if it is about one.
    pub(crate) fn arm(&self) -> Option<u32> {
        self.0.arm
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}
