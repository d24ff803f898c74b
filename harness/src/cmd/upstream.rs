//! `duet upstream`: the service that servers call.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};
use clap::Args;

use super::exit::Exit;
use super::stdio;
use duet_measure::upstream;
use duet_process::interrupt::Interrupt;

/// Answers after a given delay, for servers that call others
///
/// `GET /nonce?seed=S&i=I&ms=M` waits M ms and answers with a number that S and I decide;
/// `GET /counts` says how many calls and connections there were. Prints `listening HOST:PORT` and
/// stops on SIGTERM or Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct Upstream {
    /// Where to listen; port 0: the system chooses.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    addr: SocketAddr,
}

pub(super) fn run(args: &Upstream) -> Result<Exit> {
    let interrupt = Interrupt::watch()?;
    let listener = TcpListener::bind(args.addr)
        .with_context(|| format!("failed to listen at {}", args.addr))?;
    stdio::line(&format!("listening {}", listener.local_addr()?))?;
    upstream::serve(listener, &interrupt)?;
    Ok(Exit::Done)
}
