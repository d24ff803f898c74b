//! The machines of a pool in words.

use duet_analysis::pool::{Pooled, PooledLine, PooledMachine};
use duet_units::count;

/// The machine, or how many they are.
pub(super) fn machines(pooled: &Pooled) -> String {
    match &pooled.machines[..] {
        [machine] => described(machine),
        machines => count(machines.len(), "machine"),
    }
}

/// `AMD EPYC, 2 CPUs, Linux 6.1`.
pub(super) fn described(machine: &PooledMachine) -> String {
    format!("{}, {}, {}", machine.cpu, count(machine.cpus, "CPU"), machine.kernel)
}

/// The cell of a line, and its machine where there are several.
pub(super) fn cell(pooled: &Pooled, line: &PooledLine) -> String {
    on_machine(pooled, line.id.to_string(), line.machine)
}

/// What is said of a machine, where there are several.
pub(super) fn on_machine(pooled: &Pooled, what: String, machine: usize) -> String {
    match pooled.machines.len() {
        0 | 1 => what,
        _ => format!("{what}, machine {}", machine + 1),
    }
}
