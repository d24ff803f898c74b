//! What is wrong with definitions, and what is found beside them while they are read.

use std::fmt;
use std::path::PathBuf;

/// As many mistakes are looked for and shown: more are the consequences of one, or meant to keep
/// somebody busy.
pub(super) const MISTAKES_MAX: usize = 100;

/// A mistake in the definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionError {
    /// The file, relative to the folder of definitions; `.` is the folder itself.
    pub file: String,
    /// The line, from 1; absent when it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

/// All mistakes in a folder of definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionErrors {
    /// The folder, as it was given to [`load`].
    pub folder: PathBuf,
    /// The mistakes, at least one, by file and line.
    pub mistakes: Vec<DefinitionError>,
}

impl fmt::Display for DefinitionErrors {
    /// `bench/suites.toml:12: problem`, and below it, indented, the hint; so for each mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            if i == MISTAKES_MAX {
                return write!(f, "\nand {} more", self.mistakes.len() - i);
            }
            if i > 0 {
                writeln!(f)?;
            }
            // By components, so that the folder itself is `bench` and not `bench/.`.
            let path: PathBuf = self.folder.join(&mistake.file).components().collect();
            write!(f, "{}:", path.display())?;
            if let Some(line) = mistake.line {
                write!(f, "{line}:")?;
            }
            write!(f, " {}\n    {}", mistake.problem, mistake.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for DefinitionErrors {}

/// What reading finds beside the definitions.
#[derive(Default)]
pub(super) struct Found {
    pub(super) mistakes: Vec<DefinitionError>,
    pub(super) references: Vec<Reference>,
}

/// A name that must be defined somewhere.
pub(super) struct Reference {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// What refers to it, for messages.
    pub(super) from: String,
    pub(super) file: String,
    pub(super) line: usize,
}

/// What can be referred to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    Service,
    Workload,
    Load,
    Matchup,
    Suite,
    Gate,
    Problem,
    Set,
    Claim,
    /// What a matchup names: a server or a set.
    Arm,
}

impl Kind {
    /// The word for it, which is also its key.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Server => "server",
            Kind::Service => "service",
            Kind::Workload => "workload",
            Kind::Load => "load",
            Kind::Matchup => "matchup",
            Kind::Suite => "suite",
            Kind::Gate => "gate",
            Kind::Problem => "problem",
            Kind::Set => "set",
            Kind::Claim => "claim",
            Kind::Arm => "server or set",
        }
    }

    /// The file that defines it.
    pub(super) fn file(self) -> &'static str {
        match self {
            Kind::Server | Kind::Arm => "servers.toml",
            Kind::Service => "services.toml",
            Kind::Workload => "workloads.toml",
            Kind::Load | Kind::Matchup | Kind::Suite | Kind::Gate => "suites.toml",
            Kind::Problem | Kind::Set => "programs.toml",
            Kind::Claim => "claims.toml",
        }
    }
}
