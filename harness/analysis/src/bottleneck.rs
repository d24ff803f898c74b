//! Who was busy in the windows of a cell, and so what the cell has measured.

use crate::summary::{Bottleneck, Who};
use duet_model::record::BlockRecord;
use duet_protocol::WindowResult;

/// Sums over the windows of a cell that drove one arm.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) windows: u64,
    pub(super) requests: u64,
    pub(super) elapsed_ns: u64,
    /// CPU time of the driven arm.
    pub(super) server_cpu_ns: u64,
    /// CPU time of the other arms, which should be doing nothing.
    pub(super) parked_cpu_ns: u64,
    /// CPU time of the generator, without looking for the next planned instant.
    pub(super) generator_cpu_ns: u64,
    pub(super) server_stolen_ns: u64,
    pub(super) generator_stolen_ns: u64,
    /// The most threads that the driven arm was seen with.
    pub(super) threads: u32,
}

/// CPUs given to servers and to the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cpus {
    pub(super) server: usize,
    pub(super) generator: usize,
}

/// From here on a generator that is busier than the server decides the result. Not higher, because
/// a window also holds what no CPU is busy with: the first requests' way to the server and the last
/// responses' way back.
pub(super) const GENERATOR_BUSY_MAX: f64 = 0.85;

/// From here on the server decides the result. Lower than [`GENERATOR_BUSY_MAX`], because a server
/// on several CPUs never loads them quite evenly.
const SERVER_BUSY_MIN: f64 = 0.80;

/// Below this a share is no sign that more could not be done; from here on it is a doubt.
pub(super) const BUSY_DOUBTFUL: f64 = 0.70;

/// A server busier than this has no time left: more from the generator would bring nothing.
pub(super) const SATURATED: f64 = 0.90;

/// Sums over the windows that `counts` says count, per arm driven.
pub(super) fn usage<'a>(
    blocks: impl IntoIterator<Item = &'a BlockRecord>,
    arms: usize,
    counts: fn(&BlockRecord, &WindowResult) -> bool,
) -> Vec<Usage> {
    let mut usage = vec![Usage::default(); arms];
    for block in blocks {
        for (sums, arm) in usage.iter_mut().zip(&block.arms) {
            sums.threads = sums.threads.max(arm.threads);
        }
        for window in block.windows.iter().filter(|window| counts(block, window)) {
            if let Some(sums) = usage.get_mut(window.arm as usize) {
                sums.add(window);
            }
        }
    }
    usage
}

impl Usage {
    fn add(&mut self, window: &WindowResult) {
        let all_cpu_ns: u64 = window.server_cpu_ns.iter().sum();
        let driven_cpu_ns = window.server_cpu_ns.get(window.arm as usize).copied().unwrap_or(0);
        self.windows += 1;
        self.requests += window.requests;
        self.elapsed_ns += window.elapsed_ns;
        self.server_cpu_ns += driven_cpu_ns;
        // Parked is also the time of the lead-in.
        let share = window.elapsed_ns as f64 / (window.elapsed_ns + window.lead_ns).max(1) as f64;
        self.parked_cpu_ns += ((all_cpu_ns - driven_cpu_ns) as f64 * share) as u64;
        let spin_ns = window.open.as_ref().map_or(0, |open| open.generator_spin_ns);
        self.generator_cpu_ns += window.generator_cpu_ns.saturating_sub(spin_ns);
        self.server_stolen_ns += window.server_stolen_ns;
        self.generator_stolen_ns += window.generator_stolen_ns;
    }

    /// The busy share of so many of the servers' CPUs.
    pub(super) fn server_busy(&self, cpus: usize) -> f64 {
        busy(self.server_cpu_ns, self.elapsed_ns, self.server_stolen_ns, cpus)
    }

    fn generator_busy(&self, cpus: usize) -> f64 {
        busy(self.generator_cpu_ns, self.elapsed_ns, self.generator_stolen_ns, cpus)
    }

    /// The CPUs that the arm can keep busy: one a thread.
    pub(super) fn usable_cpus(&self, cpus: Cpus) -> usize {
        cpus.server.min(self.threads.max(1) as usize)
    }
}

/// Who was the bottleneck. A cell is as good as its worse arm: if one arm's result is the
/// generator's, so is the ratio. In an open loop nobody has to be busy: the rate decides.
pub(super) fn bottleneck(usage: &[Usage], cpus: Cpus, open: bool) -> Bottleneck {
    if usage.iter().any(|u| u.windows == 0) {
        let (server_busy, generator_busy) = (vec![], vec![]);
        return Bottleneck { who: Who::Unknown, server_busy, generator_busy };
    }
    let of_arms = usage.iter().map(|u| {
        let who = who(u.server_busy(u.usable_cpus(cpus)), u.generator_busy(cpus.generator));
        if open && who != Who::Generator { Who::Rate } else { who }
    });
    Bottleneck {
        who: of_arms.max_by_key(|who| badness(*who)).unwrap_or(Who::Unknown),
        server_busy: usage.iter().map(|u| u.server_busy(cpus.server)).collect(),
        generator_busy: usage.iter().map(|u| u.generator_busy(cpus.generator)).collect(),
    }
}

/// The share of the time on its CPUs, without what was stolen from them, that something was busy.
fn busy(cpu_ns: u64, elapsed_ns: u64, stolen_ns: u64, cpus: usize) -> f64 {
    let available_ns = (elapsed_ns * cpus.max(1) as u64).saturating_sub(stolen_ns);
    // Stolen time comes in ticks and a window's CPU time includes the gap to the next window, so
    // the quotient can exceed one by a little.
    cpu_ns as f64 / available_ns.max(cpu_ns).max(1) as f64
}

/// Who was the bottleneck of an arm, by busy shares.
///
/// In a closed loop server and generator pass each other work. Where neither is busy and the shares
/// add up to no more than one, they may have taken turns, each waiting for the other: a question of
/// latency, and more connections would let them overlap. Where they did overlap and still neither
/// was busy, something else held them up (a lock, a wake-up, CPUs that did not share the work
/// evenly), which these shares cannot tell.
fn who(server: f64, generator: f64) -> Who {
    if generator >= GENERATOR_BUSY_MAX && generator > server {
        Who::Generator
    } else if server >= SERVER_BUSY_MIN {
        Who::Server
    } else if server < BUSY_DOUBTFUL && generator < BUSY_DOUBTFUL && server + generator <= 1.0 {
        Who::Latency
    } else {
        Who::Unknown
    }
}

/// How much it spoils a ratio: a server that was not reached makes it smaller than it is.
fn badness(who: Who) -> u8 {
    match who {
        Who::Server | Who::Rate => 0,
        Who::Unknown => 1,
        Who::Latency => 2,
        Who::Generator => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(server: u64, generator: u64) -> Usage {
        Usage {
            windows: 1,
            elapsed_ns: 100,
            server_cpu_ns: server,
            generator_cpu_ns: generator,
            threads: 4,
            ..Usage::default()
        }
    }

    #[test]
    fn bottlenecks() {
        let cases = [
            (arm(98, 60), arm(97, 40), Who::Server),
            (arm(98, 60), arm(60, 98), Who::Generator),
            // Both saturated: the server is the narrower.
            (arm(95, 90), arm(95, 90), Who::Server),
            (arm(90, 92), arm(95, 90), Who::Generator),
            // They take turns.
            (arm(50, 50), arm(60, 35), Who::Latency),
            (arm(98, 40), arm(50, 30), Who::Latency),
            // They overlap, and nobody is busy: hand-offs, or work spread unevenly.
            (arm(75, 40), arm(75, 40), Who::Unknown),
            (arm(60, 60), arm(98, 40), Who::Unknown),
            // More CPU than time: the gap after the window.
            (arm(104, 60), arm(97, 40), Who::Server),
        ];
        for (a, b, want) in cases {
            let got = bottleneck(&[a.clone(), b.clone()], Cpus { server: 1, generator: 1 }, false);
            assert_eq!(got.who, want, "{a:?} {b:?}");
            assert!(got.server_busy.iter().all(|s| *s <= 1.0), "{got:?}");
        }
    }

    #[test]
    fn in_an_open_loop_nobody_has_to_be_busy() {
        let cases =
            [(10, 5, Who::Rate), (95, 5, Who::Rate), (60, 84, Who::Rate), (60, 90, Who::Generator)];
        for (server, generator, want) in cases {
            let usage = [arm(server, generator), arm(10, 5)];
            let got = bottleneck(&usage, Cpus { server: 1, generator: 1 }, true);
            assert_eq!(got.who, want, "{server} {generator}");
        }
    }

    #[test]
    fn stolen_time_was_not_available() {
        let stolen = Usage { server_stolen_ns: 50, ..arm(50, 20) };
        let got = bottleneck(&[stolen.clone(), stolen], Cpus { server: 1, generator: 1 }, false);
        assert_eq!((got.who, got.server_busy), (Who::Server, vec![1.0, 1.0]));
        let two = bottleneck(&[arm(90, 20), arm(90, 20)], Cpus { server: 2, generator: 1 }, false);
        assert_eq!((two.who, two.server_busy), (Who::Latency, vec![0.45, 0.45]));
    }

    #[test]
    fn a_server_of_one_thread_is_busy_on_one_cpu() {
        let single = Usage { threads: 1, ..arm(95, 60) };
        let got = bottleneck(&[single.clone(), single], Cpus { server: 2, generator: 1 }, false);
        assert_eq!((got.who, got.server_busy), (Who::Server, vec![0.475, 0.475]));
    }

    #[test]
    fn without_windows_nobody_knows() {
        let got =
            bottleneck(&[arm(98, 10), Usage::default()], Cpus { server: 1, generator: 1 }, false);
        assert_eq!((got.who, got.server_busy.len()), (Who::Unknown, 0));
    }
}
