//! Which CPUs there are, and which of them servers and generator get.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::kernel_files;
use duet_model::record::ServiceCpus;

/// CPUs for the servers and for the generator, disjoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpus {
    /// For the servers.
    pub servers: Vec<usize>,
    /// For the generator.
    pub generator: Vec<usize>,
}

impl Cpus {
    /// All of them in order: programs have no generator beside them.
    #[must_use]
    pub fn all(&self) -> Vec<usize> {
        let mut all = [&self.servers[..], &self.generator[..]].concat();
        all.sort_unstable();
        all
    }
}

/// The CPUs of services: those that neither servers nor generator have or, where there are none,
/// the generator's, so that what a service takes is not taken from a server.
///
/// # Errors
/// When the kernel does not say which there are.
pub fn service_cpus(taken: &Cpus) -> Result<(Vec<usize>, ServiceCpus)> {
    let all = taken.all();
    let spare: Vec<usize> = allowed_cpus()?.into_iter().filter(|cpu| !all.contains(cpu)).collect();
    Ok(match spare.is_empty() {
        true => (taken.generator.clone(), ServiceCpus::Generator),
        false => (spare, ServiceCpus::Own),
    })
}

/// The CPUs this process may use.
///
/// # Errors
/// When the kernel does not say.
pub fn allowed_cpus() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("failed to read the CPU affinity")?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}

/// Chooses disjoint CPUs: servers from the front, the generator from the back of a list in which
/// CPUs that share a core stand together. `order` may put the cores, ascending, into another order.
///
/// # Errors
/// When there are too few.
pub fn choose_cpus(servers: u32, generator: u32, order: impl FnOnce(&mut [usize])) -> Result<Cpus> {
    let allowed = allowed_cpus()?;
    let wanted = servers as usize + generator as usize;
    ensure!(
        allowed.len() >= wanted,
        "{wanted} CPUs are needed ({servers} for the servers, {generator} for the generator), \
         and this process may use {}: use a machine with more, or lower server_cpus and \
         generator_cpus in suites.toml",
        allowed.len()
    );
    let core_of = siblings(&allowed);
    let cores: BTreeSet<usize> = core_of.values().copied().collect();
    let mut cores: Vec<usize> = cores.into_iter().collect();
    order(&mut cores);
    Ok(divide(&allowed, (&core_of, &cores), servers as usize, generator as usize))
}

/// The lowest CPU of the core that each CPU is part of.
pub(super) fn siblings(cpus: &[usize]) -> BTreeMap<usize, usize> {
    let first = |cpu: usize| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let list = kernel_files::read(&path)?;
        list.trim().split([',', '-']).next()?.parse().ok()
    };
    cpus.iter().map(|&cpu| (cpu, first(cpu).unwrap_or(cpu))).collect()
}

/// Divides CPUs so that no core is shared while there are cores enough; cores are taken in the
/// order of `cores`.
fn divide(
    allowed: &[usize],
    (core_of, cores): (&BTreeMap<usize, usize>, &[usize]),
    servers: usize,
    generator: usize,
) -> Cpus {
    let core = |cpu: &usize| core_of.get(cpu).copied().unwrap_or(*cpu);
    let rank = |cpu: &usize| cores.iter().position(|one| *one == core(cpu));
    let mut ordered = allowed.to_vec();
    // One CPU of every core first, second threads of cores behind them.
    ordered.sort_by_key(|cpu| (core(cpu) != *cpu, rank(cpu), *cpu));
    let firsts = ordered.iter().filter(|cpu| core(cpu) == **cpu).count();
    if firsts < servers + generator {
        // Threads of one core at least stay on one side.
        ordered.sort_by_key(|cpu| (rank(cpu), *cpu));
    } else {
        ordered.truncate(firsts);
    }
    let back = ordered.split_off(ordered.len() - generator);
    ordered.truncate(servers);
    Cpus { servers: ordered, generator: back }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_divided_by_core() {
        let check = |of: &[(usize, usize)], servers, generator, want: (&[usize], &[usize])| {
            let allowed: Vec<usize> = of.iter().map(|(cpu, _)| *cpu).collect();
            let cores: Vec<usize> = of.iter().map(|(_, core)| *core).collect();
            let order = (&of.iter().copied().collect(), &cores[..]);
            let got = divide(&allowed, order, servers, generator);
            let want = Cpus { servers: want.0.to_vec(), generator: want.1.to_vec() };
            assert_eq!(got, want, "{of:?} {servers} {generator}");
        };
        // Two cores of one thread.
        check(&[(0, 0), (1, 1)], 1, 1, (&[0], &[1]));
        // Two cores of two threads, siblings far apart: no core is shared.
        check(&[(0, 0), (1, 1), (2, 0), (3, 1)], 1, 1, (&[0], &[1]));
        // The same, all four threads wanted: each side has a whole core.
        check(&[(0, 0), (1, 1), (2, 0), (3, 1)], 2, 2, (&[0, 2], &[1, 3]));
        // Four cores.
        check(&[(0, 0), (1, 1), (2, 2), (3, 3)], 2, 1, (&[0, 1], &[3]));
        // Cores in another order: the sides change, and cores stay whole.
        check(&[(1, 1), (0, 0)], 1, 1, (&[1], &[0]));
        check(&[(1, 1), (3, 1), (0, 0), (2, 0)], 2, 2, (&[1, 3], &[0, 2]));
    }
}
