//! `duet`: dispatch, print the error chain, choose the exit code.

use std::process::ExitCode;

use clap::Parser;
use cmd::Cli;

mod cmd;

fn main() -> ExitCode {
    // clap prints usage errors itself and exits with 2, which is our code for them.
    let exit = cmd::run(Cli::parse()).unwrap_or_else(|error| {
        cmd::print_error(&error);
        error.exit()
    });
    ExitCode::from(exit.code())
}
