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

/// Where a CPU lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    cpu: usize,
    /// The lowest CPU of its core.
    core: usize,
    /// Its NUMA node.
    node: usize,
}

/// Chooses disjoint CPUs. While there are cores enough no core is shared by servers and generator,
/// and all are of one NUMA node where one is large enough; otherwise as few nodes and cores as
/// possible are divided. `order` may put the cores, ascending, into another order.
///
/// # Errors
/// When there are too few.
pub fn choose_cpus(servers: u32, generator: u32, order: impl FnOnce(&mut [usize])) -> Result<Cpus> {
    let places = places(&allowed_cpus()?);
    let wanted = servers as usize + generator as usize;
    ensure!(
        places.len() >= wanted,
        "{wanted} CPUs are needed ({servers} for the servers, {generator} for the generator), \
         and this process may use {}: use a machine with more, or lower server_cpus and \
         generator_cpus in suites.toml",
        places.len()
    );
    let cores: BTreeSet<usize> = places.iter().map(|place| place.core).collect();
    let mut cores: Vec<usize> = cores.into_iter().collect();
    order(&mut cores);
    Ok(divide(&places, &cores, servers as usize, generator as usize))
}

/// How many CPUs each of two sides has where each has half of the cores, one at least where there
/// are two CPUs.
///
/// # Errors
/// When the kernel does not say which CPUs there are.
pub fn half_of_cpus() -> Result<u32> {
    Ok(half(&places(&allowed_cpus()?)))
}

fn half(places: &[Place]) -> u32 {
    let mut cpus_of_cores: BTreeMap<usize, u32> = BTreeMap::new();
    for place in places {
        *cpus_of_cores.entry(place.core).or_default() += 1;
    }
    // A core of which this process has one thread counts as a core too.
    let mut counts: Vec<u32> = cpus_of_cores.into_values().collect();
    counts.sort_unstable();
    match counts.len() {
        0 | 1 => (places.len() as u32 / 2).max(1),
        cores => counts[..cores / 2].iter().sum(),
    }
}

/// The lowest CPU of the core that each CPU is part of.
pub(super) fn siblings(cpus: &[usize]) -> BTreeMap<usize, usize> {
    places(cpus).into_iter().map(|place| (place.cpu, place.core)).collect()
}

/// Where CPUs lie, as the kernel has it: each on a core and in a node of its own where it does not
/// say.
fn places(cpus: &[usize]) -> Vec<Place> {
    let core = |cpu: usize| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let list = kernel_files::read(&path)?;
        list.trim().split([',', '-']).next()?.parse().ok()
    };
    let node = |cpu: usize| {
        let entries = std::fs::read_dir(format!("/sys/devices/system/cpu/cpu{cpu}")).ok()?;
        entries
            .flatten()
            .find_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok())
    };
    let place =
        |&cpu: &usize| Place { cpu, core: core(cpu).unwrap_or(cpu), node: node(cpu).unwrap_or(0) };
    cpus.iter().map(place).collect()
}

/// Divides CPUs, servers from the front and the generator from the back of a list by node and core;
/// cores are taken in the order of `cores`, and nodes in that of their first core there.
fn divide(places: &[Place], cores: &[usize], servers: usize, generator: usize) -> Cpus {
    let wanted = servers + generator;
    let core_rank = |place: &Place| cores.iter().position(|core| *core == place.core);
    let mut ordered = places.to_vec();
    ordered.sort_by_key(|place| (core_rank(place), place.cpu));
    let first = |place: &Place| place.cpu == place.core;
    let nodes = || ordered.iter().map(|place| place.node);
    let in_node = |node: usize, of: &dyn Fn(&Place) -> bool| {
        ordered.iter().filter(|place| place.node == node && of(place)).count()
    };
    if let Some(node) = nodes().find(|node| in_node(*node, &first) >= wanted) {
        ordered.retain(|place| place.node == node);
    }
    let nodes: Vec<usize> = ordered.iter().map(|place| place.node).collect();
    let node_rank = |place: &Place| nodes.iter().position(|node| *node == place.node);
    if ordered.iter().filter(|place| first(place)).count() >= wanted {
        ordered.retain(first);
    }
    // Threads of one core stay side by side where cores do not suffice.
    ordered.sort_by_key(|place| (node_rank(place), core_rank(place), place.cpu));
    let back = ordered.split_off(ordered.len() - generator);
    ordered.truncate(servers);
    let cpus = |places: Vec<Place>| places.into_iter().map(|place| place.cpu).collect();
    Cpus { servers: cpus(ordered), generator: cpus(back) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up machine: nodes of cores of threads; threads of a core lie as far apart as most
    /// kernels number them.
    fn machine(nodes: usize, cores: usize, threads: usize) -> Vec<Place> {
        let all = nodes * cores;
        let place = |cpu: usize| Place { cpu, core: cpu % all, node: cpu % all / cores };
        (0..all * threads).map(place).collect()
    }

    fn check(places: &[Place], servers: usize, generator: usize, want: (&[usize], &[usize])) {
        let cores: BTreeSet<usize> = places.iter().map(|place| place.core).collect();
        let cores: Vec<usize> = cores.into_iter().collect();
        let got = divide(places, &cores, servers, generator);
        let want = Cpus { servers: want.0.to_vec(), generator: want.1.to_vec() };
        assert_eq!(got, want, "{places:?} {servers} {generator}");
    }

    #[test]
    fn cpus_are_divided_by_core() {
        check(&machine(1, 2, 1), 1, 1, (&[0], &[1]));
        // Two threads a core: no core is shared.
        check(&machine(1, 2, 2), 1, 1, (&[0], &[1]));
        // All four threads are wanted: each side has a whole core.
        check(&machine(1, 2, 2), 2, 2, (&[0, 2], &[1, 3]));
        // One core alone has to be shared.
        check(&machine(1, 1, 2), 1, 1, (&[0], &[1]));
        check(&machine(1, 4, 1), 2, 1, (&[0, 1], &[3]));
        check(&machine(1, 4, 2), 3, 3, (&[0, 4, 1], &[6, 3, 7]));
        check(&machine(1, 8, 2), 4, 4, (&[0, 1, 2, 3], &[4, 5, 6, 7]));
    }

    #[test]
    fn nodes_are_not_crossed_where_one_suffices() {
        // One node holds both sides.
        check(&machine(2, 4, 2), 2, 2, (&[0, 1], &[2, 3]));
        // A node for each side.
        check(&machine(2, 4, 2), 4, 4, (&[0, 1, 2, 3], &[4, 5, 6, 7]));
        check(&machine(2, 2, 2), 4, 4, (&[0, 4, 1, 5], &[2, 6, 3, 7]));
        // The process may use little of the first node.
        let places: Vec<Place> = machine(2, 4, 1).split_off(3);
        check(&places, 1, 1, (&[4], &[7]));
    }

    #[test]
    fn cores_are_taken_in_an_order_that_was_drawn() {
        let divide = |places: &[Place], cores: &[usize], each| {
            let Cpus { servers, generator } = divide(places, cores, each, each);
            (servers, generator)
        };
        assert_eq!(divide(&machine(1, 2, 1), &[1, 0], 1), (vec![1], vec![0]));
        assert_eq!(divide(&machine(1, 2, 2), &[1, 0], 2), (vec![1, 3], vec![0, 2]));
        // The node of the first core drawn.
        let drawn = [3, 1, 2, 0];
        assert_eq!(divide(&machine(2, 2, 1), &drawn, 1), (vec![3], vec![2]));
    }

    #[test]
    fn half_of_the_cores() {
        for (nodes, cores, threads, want) in
            [(1, 1, 1, 1), (1, 1, 2, 1), (1, 2, 1, 1), (1, 3, 1, 1), (1, 4, 1, 2), (2, 8, 2, 16)]
        {
            assert_eq!(half(&machine(nodes, cores, threads)), want, "{nodes} {cores} {threads}");
        }
        // Two cores of two threads: a whole one each.
        let places = machine(1, 2, 2);
        assert_eq!(half(&places), 2);
        check(&places, 2, 2, (&[0, 2], &[1, 3]));
        // Of one core only a thread is allowed.
        assert_eq!(half(&places[..3]), 1);
    }
}
