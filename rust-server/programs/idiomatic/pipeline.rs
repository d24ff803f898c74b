//! pipeline: four producers send the numbers to N, four workers make 2 x + 1 of each x, and one
//! reducer adds up. Nearly all time is spent in channels and in waking who waits for them.
//!
//! The workers share one channel, which takes a crate beside tokio: its own channels have one
//! receiver.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use rust_programs::Output;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const PRODUCERS: usize = 4;
const WORKERS: usize = 4;
/// How many messages a channel has room for.
const ROOM: usize = 1024;

fn main() -> ExitCode {
    rust_programs::with_number("pipeline", 1..=1_000_000_000, pipeline)
}

fn pipeline(n: usize, out: &mut Output) -> io::Result<()> {
    let sum = Runtime::new()?.block_on(async { reduce(workers(&producers(n))).await });
    writeln!(out, "{sum}")
}

fn producers(n: usize) -> async_channel::Receiver<u64> {
    let (sender, receiver) = async_channel::bounded(ROOM);
    for first in 1..=PRODUCERS {
        let sender = sender.clone();
        tokio::spawn(async move {
            for number in (first as u64..=n as u64).step_by(PRODUCERS) {
                sender.send(number).await.expect("workers receive until producers end");
            }
        });
    }
    receiver
}

fn workers(numbers: &async_channel::Receiver<u64>) -> mpsc::Receiver<u64> {
    let (sender, receiver) = mpsc::channel(ROOM);
    for _ in 0..WORKERS {
        let (numbers, sender) = (numbers.clone(), sender.clone());
        tokio::spawn(async move {
            while let Ok(number) = numbers.recv().await {
                sender.send(2 * number + 1).await.expect("the reducer receives until workers end");
            }
        });
    }
    receiver
}

async fn reduce(mut results: mpsc::Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Some(result) = results.recv().await {
        sum += result;
    }
    sum
}
