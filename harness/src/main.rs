//! `duet`: dispatch, print the error chain, choose the exit code.

use std::env;
use std::io::{Write, stderr};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;

use clap::Parser;
use cmd::{Cli, Exit};

mod cmd;

fn main() -> ExitCode {
    let backtrace = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        say(panic);
        if env::var_os("RUST_BACKTRACE").is_some() {
            backtrace(panic);
        }
    }));
    // clap prints usage errors itself and exits with 2, which is our code for them.
    let outcome = panic::catch_unwind(|| cmd::run(Cli::parse()));
    let exit = outcome.map_or(Exit::Unmeasurable, |outcome| {
        outcome.unwrap_or_else(|error| {
            cmd::print_error(&error);
            error.exit()
        })
    });
    ExitCode::from(exit.code())
}

/// What a panic says: the system refused what nothing can go on without, such as a thread, or an
/// assertion of ours does not hold.
fn say(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(String::new, |place| format!(" ({place})"));
    let reason = panic.payload_as_str().unwrap_or("no reason");
    // Standard error may be what is full or closed.
    let _ = writeln!(
        stderr(),
        "error: duet cannot go on: {reason}{place}; where the system had what it needs, this is a \
         mistake in duet: please report it"
    );
}
