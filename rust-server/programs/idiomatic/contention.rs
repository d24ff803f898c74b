//! contention: eight tasks each add N times to a counter behind a mutex, to an atomic counter, and
//! to the counters of a map that is shared out over 64 mutexes.
//!
//! The mutex is the standard library's, as tokio's documentation advises where no lock is held
//! across an await.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use rust_programs::Output;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const TASKS: usize = 8;
const SHARDS: usize = 64;
const KEYS: usize = 1024;

/// Counters by key; a key is in the shard of its remainder.
type ShardedMap = [Mutex<HashMap<usize, u64>>; SHARDS];

fn main() -> ExitCode {
    rust_programs::with_number("contention", 1..=100_000_000, contention)
}

fn contention(n: usize, out: &mut Output) -> io::Result<()> {
    let runtime = Runtime::new()?;
    writeln!(out, "mutex {}", runtime.block_on(behind_mutex(n)))?;
    writeln!(out, "atomic {}", runtime.block_on(atomic(n)))?;
    writeln!(out, "sharded map {}", runtime.block_on(in_sharded_map(n)))
}

async fn behind_mutex(n: usize) -> u64 {
    let counter = Arc::new(Mutex::new(0));
    let shared = Arc::clone(&counter);
    in_tasks(move || {
        for _ in 0..n {
            *shared.lock().expect("no holder panics") += 1;
        }
    })
    .await;
    *counter.lock().expect("no holder panics")
}

async fn atomic(n: usize) -> u64 {
    let counter = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&counter);
    in_tasks(move || {
        for _ in 0..n {
            shared.fetch_add(1, Relaxed);
        }
    })
    .await;
    counter.load(Relaxed)
}

async fn in_sharded_map(n: usize) -> u64 {
    let map: Arc<ShardedMap> = Arc::new(std::array::from_fn(|_| Mutex::default()));
    let shared = Arc::clone(&map);
    in_tasks(move || {
        for i in 0..n {
            let key = i % KEYS;
            let mut shard = shared[key % SHARDS].lock().expect("no holder panics");
            *shard.entry(key).or_default() += 1;
        }
    })
    .await;
    map.iter().map(|shard| shard.lock().expect("no holder panics").values().sum::<u64>()).sum()
}

/// Does the work in every task at once, and waits for all of them.
async fn in_tasks(work: impl Fn() + Clone + Send + 'static) {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let work = work.clone();
        tasks.spawn(async move { work() });
    }
    tasks.join_all().await;
}
