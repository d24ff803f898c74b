//! `duet`: dispatch, print the error chain, choose the exit code.

use std::process::ExitCode;

use clap::Parser;
use cmd::Cli;

mod cmd;

fn main() -> ExitCode {
    // clap prints usage errors itself and exits with 2, which is our code for them.
    let outcome = cmd::run(Cli::parse());
    let code = match outcome {
        Ok(exit) => exit.code(),
        Err(error) => {
            let exit = cmd::Exit::of_error(&error);
            anstream::eprintln!("{}", cmd::error_text(&error));
            exit.code()
        }
    };
    ExitCode::from(code)
}
