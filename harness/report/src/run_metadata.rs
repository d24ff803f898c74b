//! How a run was made: machine, versions, CPUs, command.

use duet_analysis::{RunSummary, ServiceCpus, ServiceHeader};

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
    let mut all = vec![
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
    ];
    all.extend(run.services.iter().map(|service| ("service", self::service(service))));
    all.extend([
        ("stolen time in windows", duet_units::percent(run.stolen_share)),
        ("tools", tools.collect::<Vec<_>>().join(", ")),
        ("duet", run.duet_version.clone()),
        ("commit", run.commit.clone().unwrap_or_else(|| "none".to_owned())),
        ("seed", run.seed.to_string()),
    ]);
    all
}

/// A service: its version, where it ran, and what is set otherwise than by default.
fn service(service: &ServiceHeader) -> String {
    let cpus: Vec<String> = service.cpus.iter().map(ToString::to_string).collect();
    let whose = match service.shared_with {
        ServiceCpus::Own => "of its own",
        ServiceCpus::Generator => "which is the generator's",
    };
    let version = service.version.as_ref().map(|version| format!("{version}, "));
    let mut text = format!(
        "{}: {}on CPU {}, {whose}",
        service.name,
        version.unwrap_or_default(),
        cpus.join(", ")
    );
    let settings = service.settings.iter().map(|(name, value)| format!("{name}={value}"));
    let settings: Vec<String> = settings.collect();
    if !settings.is_empty() {
        text.push_str(&format!("; {}", settings.join(" ")));
    }
    text
}
