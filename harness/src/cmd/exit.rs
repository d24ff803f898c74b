//! How commands end: the exit codes, and the errors that decide them.

use duet_definitions::{DefinitionErrors, suggestion};
use duet_process::interrupt::Interrupted;

/// How a command ended. Where several apply, the greatest is the command's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done, or passed.
    Done,
    /// Too little was measured to say whether a limit is kept.
    Inconclusive,
    /// A regression was found, or a limit is broken.
    Broken,
    /// Nothing could be measured on this machine.
    Unmeasurable,
    /// A server of the base failed, and none of the head.
    BaseFailed,
    /// A server failed.
    ServerFailed,
    /// The command line or the definitions are wrong.
    Usage,
    /// A signal ended the command; what was finished is kept.
    Interrupted(i32),
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Broken => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::Unmeasurable => 4,
            Self::ServerFailed => 5,
            Self::BaseFailed => 6,
            // Signals are small numbers: SIGINT is 2, SIGTERM is 15.
            Self::Interrupted(signal) => 128 + u8::try_from(signal).unwrap_or(0),
        }
    }

    /// The greatest of those that apply.
    pub(crate) fn greatest(all: impl IntoIterator<Item = Option<Self>>) -> Self {
        all.into_iter().flatten().max().unwrap_or(Self::Done)
    }
}

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The command line names something that does not exist, or is wrong otherwise.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The definitions are wrong.
    #[error(transparent)]
    Definitions(#[from] DefinitionErrors),
    /// A server cannot be measured.
    #[error(transparent)]
    Server(#[from] ServerUnavailable),
    /// A signal came.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// What is neither the user's nor a server's fault is the machine's: a full disk, a missing
    /// permission.
    #[error(transparent)]
    Machine(anyhow::Error),
}

impl CommandError {
    /// What it means for the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Definitions(_) => Exit::Usage,
            Self::Server(_) => Exit::ServerFailed,
            Self::Interrupted(interrupted) => Exit::Interrupted(interrupted.0),
            Self::Machine(_) => Exit::Unmeasurable,
        }
    }
}

impl From<anyhow::Error> for CommandError {
    /// Commands and effects hand errors up with context; this is the one place that tells them
    /// apart.
    fn from(error: anyhow::Error) -> Self {
        error
            .downcast()
            .or_else(|error| error.downcast().map(Self::Usage))
            .or_else(|error| error.downcast().map(Self::Definitions))
            .or_else(|error| error.downcast().map(Self::Server))
            .or_else(|error| error.downcast().map(Self::Interrupted))
            .unwrap_or_else(Self::Machine)
    }
}

/// The command line names something that does not exist, or is wrong otherwise.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

impl UsageError {
    /// There is no such thing of this name; these are known.
    pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> Self {
        let known = suggestion(name, known, "there are");
        Self(format!("there is no {what} `{name}`: {known}"))
    }
}

/// A server that cannot be measured, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ServerUnavailable(pub(crate) String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_their_exit_codes() {
        let check = |error: anyhow::Error, code: u8| {
            let error = CommandError::from(error.context("while something was done"));
            assert_eq!(error.exit().code(), code, "{error:#}");
        };
        check(UsageError(String::new()).into(), 2);
        check(ServerUnavailable(String::new()).into(), 5);
        check(Interrupted(2).into(), 130);
        check(Interrupted(15).into(), 143);
        check(CommandError::Interrupted(Interrupted(2)).into(), 130);
        check(anyhow::anyhow!("the disk is full"), 4);
    }

    #[test]
    fn the_order_of_exit_codes() {
        use Exit::{Broken, Done, Inconclusive, Interrupted, ServerFailed, Unmeasurable};
        let order = [Interrupted(2), ServerFailed, Unmeasurable, Broken, Inconclusive, Done];
        assert!(order.is_sorted_by(|a, b| a > b));
        assert_eq!(order[1..].iter().map(|exit| exit.code()).collect::<Vec<_>>(), [5, 4, 1, 3, 0]);
        assert_eq!(Exit::greatest([None, Some(Inconclusive), Some(Broken)]), Broken);
        assert_eq!(Exit::greatest([]), Done);
    }
}
