//! ping-pong: two tasks pass a number to and fro N times, and each adds one to it. Nearly all time
//! is spent in waking the other task.
//!
//! A channel of tokio has room for one message at least; Go's have none. Both are tasks of the
//! runtime: the future that `block_on` is given runs on no worker, and waking it would be waking a
//! thread.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use rust_programs::Output;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, Receiver, Sender};

fn main() -> ExitCode {
    rust_programs::with_number("ping-pong", 1..=1_000_000_000, ping_pong)
}

fn ping_pong(n: usize, out: &mut Output) -> io::Result<()> {
    let (to_pong, from_ping) = mpsc::channel(1);
    let (to_ping, from_pong) = mpsc::channel(1);
    let last = Runtime::new()?.block_on(async {
        tokio::spawn(pong(from_ping, to_ping));
        tokio::spawn(ping(n, to_pong, from_pong)).await
    })?;
    writeln!(out, "{last}")
}

async fn ping(n: usize, to_pong: Sender<u64>, mut from_pong: Receiver<u64>) -> u64 {
    let mut number = 0;
    for _ in 0..n {
        to_pong.send(number + 1).await.expect("pong receives until ping ends");
        number = from_pong.recv().await.expect("pong replies to each number");
    }
    number
}

async fn pong(mut from_ping: Receiver<u64>, to_ping: Sender<u64>) {
    while let Some(number) = from_ping.recv().await {
        to_ping.send(number + 1).await.expect("ping waits for a reply");
    }
}
