//! tasks: spawn N tasks that all wait for one event, let them go, and let each add its number to a
//! sum. How much memory a waiting task takes decides how many a service can hold.
//!
//! The event is that all have arrived at a barrier, so none runs on before the last one waits.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rust_programs::Output;
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

fn main() -> ExitCode {
    rust_programs::with_number("tasks", 1..=10_000_000, tasks)
}

fn tasks(n: usize, out: &mut Output) -> io::Result<()> {
    let sum = Runtime::new()?.block_on(sum_of_tasks(n));
    writeln!(out, "{n} tasks, sum {sum}")
}

async fn sum_of_tasks(n: usize) -> u64 {
    let shared = Arc::new((Barrier::new(n + 1), AtomicU64::new(0)));
    let task = |number| {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let (event, sum) = &*shared;
            event.wait().await;
            sum.fetch_add(number, Relaxed);
        })
    };
    let tasks: Vec<_> = (1..=n as u64).map(task).collect();
    let (event, sum) = &*shared;
    event.wait().await;
    for task in tasks {
        task.await.expect("no task panics");
    }
    sum.load(Relaxed)
}
