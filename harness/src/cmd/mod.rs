//! The commands. Each file owns its arguments and its `run`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};

use duet_definitions::DefinitionErrors;
use duet_model::spec;
use duet_model::spec::Spec;
use duet_process::interrupt::Interrupted;

/// The width of the tables that commands print themselves.
const COLUMNS: usize = 90;

mod baseline;
mod blocks;
mod compare;
mod comparison;
mod doctor;
mod experiment;
mod explain;
mod export;
mod gate;
mod generator;
mod init;
mod launcher;
mod list;
mod load;
mod looks;
mod noise;
mod null_responder;
mod pairs;
mod progress;
mod report;
mod run;
mod run_programs;
mod selftest;
mod trend;
mod verify;

/// Measures pairs of servers side by side, and says how sure the result is.
///
/// The servers of a matchup are driven in alternating windows of milliseconds, so that a noisy
/// machine disturbs both alike. Start with `duet doctor`, then `duet run standard`.
#[derive(Debug, Parser)]
#[command(name = "duet", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done; 1 a regression, or a limit broken; 2 wrong usage or \
                        definitions; 3 inconclusive; 4 could not measure here; 5 a server failed; \
                        130 and 143 interrupted, finished blocks kept.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Report(report::Report),
    Compare(Box<compare::Compare>),
    Gate(Box<gate::Gate>),
    Aa(Box<noise::Aa>),
    Selftest(selftest::Selftest),
    Explain(explain::Explain),
    Baseline(baseline::Baseline),
    Export(export::Export),
    Trend(trend::TrendArgs),
    List(list::List),
    Verify(verify::Verify),
    Doctor(doctor::Doctor),
    Init(Box<init::Init>),
    Load(Box<load::Load>),
    NullResponder(null_responder::NullResponder),
    /// Drives servers as told on standard input; started by `run`.
    #[command(hide = true)]
    Generator,
    /// Starts one program as told on standard input; started by `run`.
    #[command(hide = true)]
    Launcher,
}

/// Where the definitions are.
#[derive(Debug, Clone, Args)]
struct BenchFolder {
    /// The folder of definitions: servers.toml and workloads.toml, or programs.toml, or all; and
    /// suites.toml.
    ///
    /// Servers and programs are built and started in the folder above it.
    #[arg(long, value_name = "DIR", default_value_os_t = spec::default_folder())]
    bench: PathBuf,
}

/// How a command ended when it did not end with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All that was asked for is done.
    Done,
    /// A limit is broken.
    Broken,
    /// The command line or the definitions are wrong.
    Usage,
    /// Too little was measured to say whether a limit is kept.
    Inconclusive,
    /// Nothing could be measured on this machine.
    Unmeasurable,
    /// A server failed.
    ServerFailed,
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
            // Signals are small numbers: SIGINT is 2, SIGTERM is 15.
            Self::Interrupted(signal) => 128 + u8::try_from(signal).unwrap_or(0),
        }
    }

    /// What an error means for the exit code. What is neither the user's nor a server's mistake is
    /// the machine's: a full disk, a missing permission.
    #[must_use]
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        let found = error.chain().find_map(|cause| {
            if cause.is::<DefinitionErrors>() || cause.is::<UsageError>() {
                Some(Self::Usage)
            } else if cause.is::<ServerUnavailable>() {
                Some(Self::ServerFailed)
            } else {
                cause.downcast_ref::<Interrupted>().map(|i| Self::Interrupted(i.0))
            }
        });
        found.unwrap_or(Self::Unmeasurable)
    }
}

/// The command line asks for something that does not exist.
#[derive(Debug)]
struct UsageError(String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// A server that cannot be measured, in words.
#[derive(Debug)]
struct ServerUnavailable(String);

impl std::fmt::Display for ServerUnavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServerUnavailable {}

/// An error as it is shown to people.
#[must_use]
pub(crate) fn error_text(error: &anyhow::Error) -> String {
    use anstyle::{AnsiColor, Style};
    let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    format!("{red}error{red:#}: {error:#}")
}

/// Carries out a command.
///
/// # Errors
/// What kept the command from its end; [`Exit::of_error`] has the exit code.
pub(crate) fn run(cli: Cli) -> Result<Exit> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Gate(args) => gate::run(&args),
        Command::Aa(args) => noise::run(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Baseline(args) => baseline::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Trend(args) => trend::run(&args),
        Command::List(args) => list::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Load(args) => load::run(&args),
        Command::NullResponder(args) => null_responder::run(&args),
        Command::Generator => generator::run(),
        Command::Launcher => launcher::run(),
    }
}

impl BenchFolder {
    /// The definitions.
    fn load(&self) -> Result<Spec> {
        Ok(duet_definitions::load(&self.bench)?)
    }

    /// The folder above the definitions, in which servers are built and started.
    fn root(&self) -> Result<PathBuf> {
        let folder = self.bench.canonicalize()?;
        match folder.parent() {
            Some(parent) => Ok(parent.to_owned()),
            None => bail!(UsageError("the definitions cannot be in the root folder".to_owned())),
        }
    }
}

/// A path as the user would write it: relative to the working directory where it lies below it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
