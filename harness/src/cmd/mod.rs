//! The commands. Each file owns its arguments and its `run`.

use clap::{Parser, Subcommand};

pub(crate) use exit::{CommandError, Exit};

mod aa;
mod baseline;
mod builds;
mod campaign;
mod campaign_folder;
mod chosen;
mod claims;
mod compare;
mod comparison;
mod doctor;
mod earlier;
mod exit;
mod explain;
mod export;
mod fitness;
mod floor_store;
mod folders;
mod gate;
mod in_force;
mod init;
mod list;
mod load;
mod looks;
mod null_responder;
mod output;
mod pair_store;
mod pairs;
mod policy;
mod pool;
mod prices;
mod progress;
mod recording;
mod report;
mod run;
mod selftest;
mod session;
mod stdio;
mod supervise;
mod trend;
mod upstream;
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
    Claims(claims::Claims),
    Compare(Box<compare::Compare>),
    Gate(Box<gate::Gate>),
    Aa(Box<aa::Aa>),
    Selftest(selftest::Selftest),
    Explain(explain::Explain),
    Baseline(baseline::Baseline),
    Export(export::Export),
    Trend(trend::TrendArgs),
    Pool(pool::PoolArgs),
    Builds(builds::Builds),
    List(list::List),
    Verify(verify::Verify),
    Doctor(doctor::Doctor),
    Init(Box<init::Init>),
    Load(Box<load::Load>),
    NullResponder(null_responder::NullResponder),
    Upstream(upstream::Upstream),
    /// Drives servers as told on standard input; started by `run`.
    #[command(hide = true)]
    Generator,
    /// Starts one program as told on standard input; started by `run`.
    #[command(hide = true)]
    Launcher,
    /// Starts one process, and ends it with all that it started; started by whoever needs it.
    #[command(hide = true)]
    Supervise(supervise::Supervise),
}

/// Shows an error to people.
pub(crate) fn print_error(error: &CommandError) {
    use anstyle::{AnsiColor, Style};
    let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    let text = duet_report::printable_lines(&format!("{error:#}"));
    stdio::note(&format!("{red}error{red:#}: {text}"));
}

/// Carries out a command.
///
/// # Errors
/// What kept the command from its end; [`CommandError::exit`] has the exit code.
pub(crate) fn run(cli: Cli) -> Result<Exit, CommandError> {
    let outcome = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Claims(args) => claims::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Gate(args) => gate::run(&args),
        Command::Aa(args) => aa::run(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Baseline(args) => baseline::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Trend(args) => trend::run(&args),
        Command::Pool(args) => pool::run(&args),
        Command::Builds(args) => builds::run(&args),
        Command::List(args) => list::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Load(args) => load::run(&args),
        Command::NullResponder(args) => null_responder::run(&args),
        Command::Upstream(args) => upstream::run(&args),
        Command::Generator => duet_loadgen::run(std::io::stdin().lock(), std::io::stdout().lock())
            .map(|()| Exit::Done),
        Command::Supervise(args) => supervise::run(&args),
        Command::Launcher => duet_measure::launcher::run().map(|()| Exit::Done),
    };
    Ok(outcome?)
}
