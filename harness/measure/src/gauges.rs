//! Gauges: what a few operations take on the servers' CPU, before and after whatever is measured.
//!
//! A machine has better and worse hours, and what changes is seldom its clock: caches and memory
//! that neighbours use, work that the hypervisor does for the kernel. Five operations tell these
//! apart. They say something of the machine alone, so that a pool of sessions can say how a ratio
//! depends on it.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, getppid};

use duet_model::record::GaugeReading;
use duet_stats::SplitMix64;

/// Repeats of each gauge: their median bears two that were interrupted.
const REPEATS: usize = 5;

/// How long a repeat takes: with [`REPEATS`] 2 ms a gauge, so that both readings of a block take
/// 20 ms.
const REPEAT: Duration = Duration::from_micros(400);

/// A cache line in bytes, and the numbers in it.
const LINE_BYTES: usize = 64;
const LINE: usize = LINE_BYTES / size_of::<u32>();

/// The memory that is walked through, in bytes.
const NEAR_BYTES: usize = 512 << 10;
const FAR_BYTES: usize = 64 << 20;

/// How long the loopback interface may take for a byte before it is an error.
const ECHO_LIMIT: Duration = Duration::from_secs(2);

/// What gauges work on. Made once a run, so that no block pays for its memory.
#[derive(Debug)]
pub struct Gauges {
    cpu: usize,
    random: u64,
    near: Ring,
    far: Ring,
    echo: (TcpStream, TcpStream),
}

impl Gauges {
    /// Takes memory, touches all of it, and connects a socket to another one. `cpu` is where they
    /// will run.
    ///
    /// # Errors
    /// When there is no memory, or no loopback interface.
    pub fn new(cpu: usize) -> Result<Self> {
        Ok(Self {
            cpu,
            random: 1,
            near: Ring::new(NEAR_BYTES)?,
            far: Ring::new(FAR_BYTES)?,
            echo: pair().context("failed to connect to the loopback interface for the gauges")?,
        })
    }

    /// Reads all gauges, in a thread of their own on their CPU: about 10 ms.
    ///
    /// # Errors
    /// When there is no thread, or it may not run there, or the connection is gone.
    pub fn read(&mut self) -> Result<GaugeReading> {
        let read = thread::scope(|scope| {
            let builder = thread::Builder::new().name("gauges".to_owned());
            let reader = builder.spawn_scoped(scope, || self.read_here());
            let reader = reader.context("failed to start a thread")?;
            reader.join().map_err(|_| anyhow!("their thread panicked"))?
        });
        read.context("failed to read the gauges")
    }

    fn read_here(&mut self) -> Result<GaugeReading> {
        pin(self.cpu)?;
        let Self { random, near, far, echo, .. } = self;
        near.walk(near.lines());
        Ok(GaugeReading {
            alu_ns: ns_per_operation(1000, |n| {
                *random = (0..n).fold(*random, |x, _| step(x));
                black_box(*random);
                Ok(())
            })?,
            chase_near_ns: ns_per_operation(512, |n| {
                near.walk(n);
                Ok(())
            })?,
            chase_far_ns: ns_per_operation(64, |n| {
                far.walk(n);
                Ok(())
            })?,
            system_call_ns: ns_per_operation(64, |n| {
                (0..n).for_each(|_| {
                    black_box(getppid());
                });
                Ok(())
            })?,
            echo_ns: ns_per_operation(1, |_| exchange(echo))?,
        })
    }
}

/// Repeats so many operations until a repeat has taken its time, and the repeats. The median of
/// them, in nanoseconds per operation, to a thousandth.
fn ns_per_operation(operations: usize, mut repeat: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let mut found = [0.0; REPEATS];
    for one in &mut found {
        let (started, mut done) = (Instant::now(), 0);
        let elapsed = loop {
            repeat(operations)?;
            done += operations;
            let elapsed = started.elapsed();
            if elapsed >= REPEAT {
                break elapsed;
            }
        };
        *one = elapsed.as_nanos() as f64 / done as f64;
    }
    found.sort_by(f64::total_cmp);
    Ok((found[REPEATS / 2] * 1000.0).round() / 1000.0)
}

/// A step of xorshift64 (G. Marsaglia, "Xorshift RNGs", 2003): six operations, each of which waits
/// for the one before.
fn step(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}

/// Cache lines, each of which names the next one: a ring through all of them in random order.
#[derive(Debug)]
struct Ring {
    /// The first number of each line says where the next line begins.
    next: Vec<u32>,
    at: u32,
}

impl Ring {
    fn new(bytes: usize) -> Result<Self> {
        let lines = bytes / LINE_BYTES;
        let mut order: Vec<u32> = (0..lines as u32).collect();
        SplitMix64::new(1).shuffle(&mut order);
        let mut next = vec![];
        next.try_reserve_exact(lines * LINE).context("no memory for the gauges")?;
        next.resize(lines * LINE, 0);
        for (this, then) in order.iter().zip(order[1..].iter().chain(&order[..1])) {
            next[*this as usize * LINE] = *then * LINE as u32;
        }
        Ok(Self { next, at: 0 })
    }

    fn lines(&self) -> usize {
        self.next.len() / LINE
    }

    /// Goes on by so many lines.
    fn walk(&mut self, lines: usize) {
        self.at = (0..lines).fold(self.at, |at, _| self.next[at as usize]);
        black_box(self.at);
    }
}

/// Both ends of a connection over the loopback interface.
fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    let own = one.local_addr()?;
    // Whoever else connects meanwhile is sent away.
    let mut accepted = (0..16).map(|_| listener.accept());
    let other = accepted.find(|accepted| accepted.as_ref().map_or(true, |(_, from)| *from == own));
    let (other, _) = other.context("others connect to every port")??;
    for end in [&one, &other] {
        end.set_nodelay(true)?;
        end.set_read_timeout(Some(ECHO_LIMIT))?;
    }
    Ok((one, other))
}

/// A byte to the other end, and back.
fn exchange((one, other): &(TcpStream, TcpStream)) -> Result<()> {
    let mut byte = [1];
    for (mut from, mut to) in [(one, other), (other, one)] {
        from.write_all(&byte)?;
        to.read_exact(&mut byte)?;
    }
    Ok(())
}

/// Pins the calling thread to a CPU.
fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    let pinned = set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    pinned.with_context(|| format!("failed to pin to CPU {cpu}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_model::record::Gauge;

    #[test]
    fn a_ring_goes_through_every_line_once() {
        let mut ring = Ring::new(NEAR_BYTES).expect("there is memory");
        let mut seen = vec![false; ring.lines()];
        for _ in 0..ring.lines() {
            ring.walk(1);
            assert!(!std::mem::replace(&mut seen[ring.at as usize / LINE], true));
        }
        assert_eq!((ring.at, ring.lines()), (0, 8192));
    }

    #[test]
    fn every_gauge_says_something() {
        let cpu = crate::host::allowed_cpus().expect("the kernel says so")[0];
        let mut gauges = Gauges::new(cpu).expect("there is memory");
        for _ in 0..2 {
            let reading = gauges.read().expect("it may run there");
            for gauge in Gauge::ALL {
                let ns = reading.of(gauge);
                assert!(ns.is_finite() && ns > 0.0, "{gauge:?}: {ns} ns");
            }
            // Two copies and four system calls are more than one.
            assert!(reading.echo_ns > reading.system_call_ns, "{reading:?}");
        }
    }

    #[test]
    fn a_cpu_that_may_not_be_used() {
        let mut gauges = Gauges { cpu: 1023, ..Gauges::new(0).expect("there is memory") };
        let error = format!("{:#}", gauges.read().expect_err("there is no such CPU"));
        assert!(
            error.starts_with("failed to read the gauges: failed to pin to CPU 1023"),
            "{error}"
        );
    }
}
