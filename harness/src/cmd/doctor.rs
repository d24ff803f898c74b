//! `duet doctor`: the state of the machine, before anything is measured.

use std::collections::BTreeSet;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use clap::Args;

use super::exit::Exit;
use super::folders::{BenchFolder, PostgresFolder};
use super::stdio;
use duet_measure::{host, services};
use duet_model::record::{Finding, FindingLevel};
use duet_model::spec::{ServiceKind, Spec, Toolchain};
use duet_process::cgroup;
use duet_report::hanging;

/// The width of the tables that commands print themselves.
pub(super) const COLUMNS: usize = 90;

/// Looks for what would spoil a measurement on this machine
///
/// Each finding names its effect and its hint. Exit code 4 if nothing can be measured here.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    postgres: PostgresFolder,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Doctor) -> Result<Exit> {
    let spec = args.bench.load()?;
    let machine = host::machine();
    stdio::line(&format!(
        "{}, {} CPUs, {}; {}; {}",
        machine.cpu,
        machine.cpus,
        duet_units::bytes(machine.memory_bytes as f64),
        machine.kernel,
        machine.os
    ))?;
    let mut findings = findings(&spec);
    findings.extend(postgres(&spec, args)?);
    findings.push(groups());
    stdio::print(&text(&findings))?;
    let unfit = findings.iter().any(|finding| finding.level == FindingLevel::Unfit);
    Ok(if unfit { Exit::Unmeasurable } else { Exit::Done })
}

/// Findings for the most demanding of the suites and gates.
fn findings(spec: &Spec) -> Vec<Finding> {
    let connections = spec.loads.iter().map(|load| load.connections).max().unwrap_or(1);
    let of_suites = spec.suites.iter().map(|suite| suite.server_cpus + suite.generator_cpus);
    let of_gates = spec.gates.iter().map(|gate| gate.server_cpus + gate.generator_cpus);
    let cpus = of_suites.chain(of_gates).max();
    let of_servers = spec.servers.iter().flat_map(|server| &server.needs);
    let of_sets = spec.sets.iter().flat_map(|set| &set.needs);
    let needs: BTreeSet<&String> = of_servers.chain(of_sets).collect();
    let needs: Vec<String> = needs.into_iter().cloned().collect();
    let mut findings = host::findings(connections, cpus.unwrap_or(2), &needs);
    let of_servers = spec.servers.iter().filter_map(|server| server.toolchain.as_ref());
    let of_sets = spec.sets.iter().filter_map(|set| set.toolchain.as_ref());
    let toolchains: BTreeSet<&Toolchain> = of_servers.chain(of_sets).collect();
    findings.extend(toolchains.into_iter().map(host::toolchain));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

/// Whether servers have control groups of their own.
fn groups() -> Finding {
    let finding = |level, found| Finding {
        name: "control groups".to_owned(),
        level,
        found,
        effect:
            "cells with `cpu_limit` or `memory_limit` are left out; memory is not broken down, \
                 and what ended processes of a server took is known to 10 ms"
                .to_owned(),
        hint: cgroup::HOW_TO_ALLOW.to_owned(),
    };
    match cgroup::here() {
        Ok(groups) => {
            let limits = if groups.limits_cpu { "" } else { ", without limits of CPU time" };
            finding(FindingLevel::Good, format!("{}{limits}", groups.version))
        }
        Err(why) => finding(FindingLevel::Warning, why.to_owned()),
    }
}

/// Which PostgreSQL the services are, where there are such.
fn postgres(spec: &Spec, args: &Doctor) -> Result<Option<Finding>> {
    if !spec.services.iter().any(|service| service.kind == ServiceKind::Postgres) {
        return Ok(None);
    }
    let finding = |level, found| Finding {
        name: "PostgreSQL".to_owned(),
        level,
        found,
        effect: "cells that need a database are left out".to_owned(),
        hint: services::HOW_TO_GET.to_owned(),
    };
    let found = services::find(args.postgres.postgres.as_deref(), &args.bench.root()?);
    Ok(Some(match found {
        Ok(found) => {
            let found = format!("{} in {}", found.version, found.bin.display());
            finding(FindingLevel::Good, found)
        }
        // What to do is the hint.
        Err(error) => {
            let why = format!("{error:#}");
            finding(FindingLevel::Warning, why.split(": ").next().unwrap_or(&why).to_owned())
        }
    }))
}

/// What is not as it should be, as text.
pub(super) fn warnings(findings: &[Finding]) -> String {
    let is_warning = |finding: &&Finding| finding.level != FindingLevel::Good;
    text(&findings.iter().filter(is_warning).cloned().collect::<Vec<_>>())
}

/// Findings as text, at most [`COLUMNS`] wide: one line each, and two more for what is not as it
/// should be, or more where they are long.
fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for finding in findings {
        let (color, word) = match finding.level {
            FindingLevel::Good => (AnsiColor::Green, "ok     "),
            FindingLevel::Warning => (AnsiColor::Yellow, "warning"),
            FindingLevel::Unfit => (AnsiColor::Red, "unfit  "),
        };
        let style = Style::new().fg_color(Some(color.into()));
        let indent = 11 + width;
        let name = &finding.name;
        out.push_str(&format!("{style}{word}{style:#}  {name:<width$}  "));
        out.push_str(&hanging(&finding.found, indent, COLUMNS));
        out.push('\n');
        if finding.level != FindingLevel::Good {
            for (lead, text) in [("effect: ", &finding.effect), ("hint:   ", &finding.hint)] {
                out.push_str(&format!("{:indent$}{lead}", ""));
                out.push_str(&hanging(text, indent + lead.len(), COLUMNS));
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_findings_are_wrapped() {
        let finding = |name: &str, level, found: &str| Finding {
            name: name.to_owned(),
            level,
            found: found.to_owned(),
            effect: "other processes compete with server and generator; ".repeat(2),
            hint: "stop them".to_owned(),
        };
        let long = "99 % of all CPUs busy just now: rustc 61 %, cargo 30 %, something else 8.0 %";
        let text = text(&[
            finding("other work", FindingLevel::Warning, long),
            finding("CPUs", FindingLevel::Good, "2 usable, 2 needed"),
        ]);
        let plain = anstream::adapter::strip_str(&text).to_string();
        insta::assert_snapshot!(plain, @"
        warning  other work  99 % of all CPUs busy just now: rustc 61 %, cargo 30 %, something
                             else 8.0 %
                             effect: other processes compete with server and generator; other
                                     processes compete with server and generator;
                             hint:   stop them
        ok       CPUs        2 usable, 2 needed
        ");
        assert!(plain.lines().all(|line| line.chars().count() <= COLUMNS), "{plain}");
    }
}
