//! How a run was made: machine, versions, CPUs, command.

use duet_analysis::RunSummary;

/// Names and values in the order they are shown.
pub(super) fn run_metadata(run: &RunSummary) -> Vec<(&'static str, String)> {
    let machine = &run.machine;
    let cpus = |cpus: &[usize]| cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    // Most tools say their name themselves.
    let tools = machine.tools.iter().map(|(name, version)| match version.contains(name) {
        true => version.clone(),
        false => format!("{name} {version}"),
    });
    let hypervisor = machine.hypervisor.as_deref().unwrap_or("none reported");
    let elapsed = run.elapsed_ns.map_or_else(
        || "unknown: the record has no end".to_owned(),
        |ns| duet_units::nanoseconds(ns as f64),
    );
    vec![
        ("command", run.command.clone()),
        ("began", run.started.clone()),
        ("took", elapsed),
        ("blocks", format!("{} of {} planned", run.blocks, run.blocks_planned)),
        ("time in windows", duet_units::nanoseconds(run.measured_ns as f64)),
        ("processor", format!("{} × {}", machine.cpus, machine.cpu)),
        ("memory", duet_units::bytes(machine.memory_bytes as f64)),
        ("system", format!("{}, {}", machine.os, machine.kernel)),
        ("hypervisor", hypervisor.to_owned()),
        ("CPUs of the servers", cpus(&run.server_cpus)),
        ("CPUs of the generator", cpus(&run.generator_cpus)),
        ("stolen time in windows", duet_units::percent(run.stolen_share)),
        ("tools", tools.collect::<Vec<_>>().join(", ")),
        ("duet", run.duet_version.clone()),
        ("commit", run.commit.clone().unwrap_or_else(|| "none".to_owned())),
        ("seed", run.seed.to_string()),
    ]
}
