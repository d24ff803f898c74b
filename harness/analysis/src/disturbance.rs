//! Whether a block was disturbed, by rules that do not look at its outcome: a block is never set
//! aside because its value looks odd.

use duet_model::record::{BlockRecord, ProgramBlock, RunHeader};

/// CPU time of other processes above this share of the CPUs in use. Less is what the system's own
/// housekeeping and the coarseness of the kernel's ticks come to.
pub(super) const FOREIGN_SHARE_MAX: f64 = 0.05;

/// Time for which a cgroup kept threads off the CPUs in use, above this share of it. A throttled
/// group loses the rest of a period, tens of milliseconds: what is less is not worth another block.
const THROTTLED_SHARE_MAX: f64 = 0.01;

/// Stolen time may differ by this share of an arm's windows between the arms.
const STOLEN_DIFFERENCE_MAX: f64 = 0.03;

/// Fewer than five of the kernel's ticks of 10 ms are an accident of counting.
const TICKS_NS_MIN: u64 = 50_000_000;

/// What disturbed a block that did not fail, if something did. Such a block is measured again, in
/// the same order.
#[must_use]
pub fn disturbance(block: &BlockRecord, header: &RunHeader) -> Option<String> {
    let cpus = header.server_cpus.len() + header.generator_cpus.len();
    let foreign = share(block.foreign_cpu_ns, block.driven_ns, cpus);
    if foreign > FOREIGN_SHARE_MAX {
        return Some(format!("other processes took {} of the CPUs", duet_units::percent(foreign)));
    }
    let throttled = share(block.throttled_ns.unwrap_or(0), block.driven_ns, cpus);
    if throttled > THROTTLED_SHARE_MAX {
        let share = duet_units::percent(throttled);
        return Some(format!("a cgroup kept threads off the CPUs for {share} of the time"));
    }
    let of_arm = |arm: usize| {
        let windows = || block.windows.iter().filter(move |window| window.arm as usize == arm);
        let stolen: u64 = windows().map(|window| window.server_stolen_ns).sum();
        let elapsed = windows().map(|window| window.elapsed_ns).sum();
        (stolen, share(stolen, elapsed, header.server_cpus.len()))
    };
    stolen_unequally(&(0..block.arms.len()).map(of_arm).collect::<Vec<_>>())
}

/// The same of a block of programs. Runs may be shorter than the kernel's ticks can tell of.
#[must_use]
pub fn program_disturbance(block: &ProgramBlock, header: &RunHeader) -> Option<String> {
    let cpus = header.server_cpus.len() + header.generator_cpus.len();
    let foreign_ns: u64 = block.arms.iter().map(|run| run.foreign_cpu_ns).sum();
    let elapsed_ns = block.arms.iter().map(|run| run.elapsed_ns).sum();
    let foreign = share(foreign_ns, elapsed_ns, cpus);
    if foreign > FOREIGN_SHARE_MAX && foreign_ns >= TICKS_NS_MIN {
        return Some(format!("other processes took {} of the CPUs", duet_units::percent(foreign)));
    }
    let stolen =
        block.arms.iter().map(|run| (run.stolen_ns, share(run.stolen_ns, run.elapsed_ns, cpus)));
    stolen_unequally(&stolen.collect::<Vec<_>>())
}

/// Whether more was stolen of one arm than of the other; each with its stolen time and share.
fn stolen_unequally(arms: &[(u64, f64)]) -> Option<String> {
    let most = arms.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let least = arms.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let unequal =
        most.1 - least.1 > STOLEN_DIFFERENCE_MAX && most.0.saturating_sub(least.0) >= TICKS_NS_MIN;
    unequal.then(|| {
        format!(
            "the hypervisor stole {} of one arm's time and {} of the other's",
            duet_units::percent(most.1),
            duet_units::percent(least.1)
        )
    })
}

/// A share of the time of so many CPUs.
pub(super) fn share(ns: u64, elapsed_ns: u64, cpus: usize) -> f64 {
    ns as f64 / (elapsed_ns as f64 * cpus as f64).max(1.0)
}
