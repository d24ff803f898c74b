//! `duet null-responder`: what a load generator reaches at most on this machine.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use clap::Args;

use super::exit::Exit;
use super::stdio;
use duet_loadgen::null_server;
use duet_process::interrupt::Interrupt;

/// Sends the same few bytes to every request, at the least cost
///
/// What a load generator reaches against it is what it reaches at most on this machine. Prints
/// `listening HOST:PORT` and stops on SIGTERM or Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct NullResponder {
    /// Where to listen; port 0: the system chooses.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    addr: SocketAddr,

    /// Threads.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,

    /// Rounds of computing per request, about a nanosecond each: a server of known speed.
    #[arg(long, value_name = "ROUNDS", default_value_t = 0)]
    work: u32,
}

pub(super) fn run(args: &NullResponder) -> Result<Exit> {
    let interrupt = Interrupt::watch()?;
    let listeners = null_server::listen(args.addr, args.threads.into())
        .with_context(|| format!("failed to listen at {}", args.addr))?;
    let addr = listeners.first().context("it has a thread")?.local_addr()?;
    stdio::line(&format!("listening {addr}"))?;
    std::thread::scope(|scope| {
        let stop = || interrupt.signal().is_some();
        let threads =
            listeners.iter().map(|l| scope.spawn(move || null_server::serve(l, args.work, stop)));
        let threads: Vec<_> = threads.collect();
        for thread in threads {
            let served = thread.join().map_err(|_| anyhow!("a thread has died"))?;
            served.context("failed to serve")?;
        }
        Ok(Exit::Done)
    })
}
