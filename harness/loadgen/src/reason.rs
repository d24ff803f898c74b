//! Why something failed in transport: an error of the system, or words.

use std::fmt;

use nix::errno::Errno;

/// Why something failed, in words that a table of counts can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An error of the system, by its number.
    System(i32),
    /// Anything else.
    Words(&'static str),
}

impl Reason {
    /// The system's error.
    #[must_use]
    pub fn errno(self) -> Option<Errno> {
        match self {
            Self::System(errno) => Some(Errno::from_raw(errno)),
            Self::Words(_) => None,
        }
    }

    /// In words: the system's, or those of the protocol.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::System(errno) => Errno::from_raw(errno).desc(),
            Self::Words(words) => words,
        }
    }

    /// Whether there are too few open files.
    #[must_use]
    pub fn is_of_files(self) -> bool {
        matches!(self.errno(), Some(Errno::EMFILE | Errno::ENFILE))
    }

    /// Whether it is this machine that has no room for another connection.
    #[must_use]
    pub fn is_of_this_machine(self) -> bool {
        self.is_of_files() || self.errno() == Some(Errno::EADDRNOTAVAIL)
    }
}

impl From<Errno> for Reason {
    fn from(errno: Errno) -> Self {
        Self::System(errno as i32)
    }
}

impl From<&'static str> for Reason {
    fn from(words: &'static str) -> Self {
        Self::Words(words)
    }
}

impl AsRef<str> for Reason {
    fn as_ref(&self) -> &str {
        self.words()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
