//! What a record says of the machine and of the sources.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::cpus::allowed_cpus;
use super::kernel_files::{self, meminfo};
use crate::git::git;
use duet_model::record::Machine;
use duet_process::cgroup;

/// Tools whose versions belong into a record, with the argument that prints the version.
const TOOLS: [(&str, &str); 2] = [("rustc", "--version"), ("go", "version")];

/// The machine.
#[must_use]
pub fn machine() -> Machine {
    let cpuinfo = text("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let hypervisor = field("flags")
        .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"))
        .then(hypervisor_name);
    Machine {
        cpu: field("model name").unwrap_or_else(|| "unknown".to_owned()),
        cpus: allowed_cpus().map_or(0, |cpus| cpus.len()),
        memory_bytes: meminfo(&text("/proc/meminfo"), "MemTotal").unwrap_or(0),
        kernel: format!(
            "{} {}",
            text("/proc/sys/kernel/ostype").trim(),
            text("/proc/sys/kernel/osrelease").trim()
        ),
        os: text("/etc/os-release")
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))
            .map_or_else(|| "unknown".to_owned(), |name| name.trim_matches('"').to_owned()),
        hypervisor,
        groups: cgroup::here().ok().map(|groups| groups.version.to_string()),
        tools: TOOLS.iter().filter_map(|(tool, argument)| tool_version(tool, argument)).collect(),
    }
}

/// What this CPU has not of the features that are needed: by architecture, named as in
/// `/proc/cpuinfo`, with spaces between.
#[must_use]
pub fn cpu_lacks(needed: &BTreeMap<String, String>) -> Vec<String> {
    let Some(features) = needed.get(std::env::consts::ARCH) else { return vec![] };
    let cpuinfo = text("/proc/cpuinfo");
    // "flags" on x86, "Features" on ARM.
    let has = cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        matches!(name.trim(), "flags" | "Features").then_some(value)
    });
    let has: Vec<&str> = has.unwrap_or_default().split_whitespace().collect();
    let lacking = features.split_whitespace().filter(|feature| !has.contains(feature));
    lacking.map(str::to_owned).collect()
}

/// The hypervisor's name, if the firmware tables have one.
fn hypervisor_name() -> String {
    let vendor = text("/sys/class/dmi/id/sys_vendor").trim().to_owned();
    if vendor.is_empty() { "of unknown make".to_owned() } else { vendor }
}

/// A tool's version line; None when it is not installed.
fn tool_version(tool: &str, argument: &str) -> Option<(String, String)> {
    let output = Command::new(tool).arg(argument).output().ok()?;
    let line = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    output.status.success().then(|| (tool.to_owned(), line))
}

/// The commit of the repository that holds `folder`, and whether it has uncommitted changes.
#[must_use]
pub fn commit(folder: &Path) -> (Option<String>, bool) {
    let commit = git(folder, &["rev-parse", "HEAD"]).ok();
    let status = || git(folder, &["status", "--porcelain"]);
    let dirty = commit.is_some() && status().is_ok_and(|status| !status.is_empty());
    (commit, dirty)
}

/// A file's text, empty where it cannot be read.
fn text(path: &str) -> String {
    kernel_files::read(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let machine = machine();
        assert!(machine.cpus >= 1);
        assert!(machine.memory_bytes > 0);
        assert!(machine.kernel.starts_with("Linux "), "{}", machine.kernel);
    }
}
