//! `duet doctor`: the state of the machine, before anything is measured.

use std::collections::BTreeSet;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use clap::Args;

use super::{BenchFolder, Exit};
use crate::host;
use crate::record::{Finding, FindingLevel};
use crate::spec::Spec;
use crate::units;

/// Looks for what would spoil a measurement on this machine
///
/// Each finding names its effect and its cure. Exit code 4 if nothing can be measured here.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Doctor) -> Result<Exit> {
    let spec = args.bench.load()?;
    let machine = host::machine();
    anstream::println!(
        "{}, {} CPUs, {}; {}; {}",
        machine.cpu,
        machine.cpus,
        units::bytes(machine.memory_bytes as f64),
        machine.kernel,
        machine.os
    );
    let findings = findings(&spec);
    anstream::print!("{}", text(&findings));
    let unfit = findings.iter().any(|finding| finding.level == FindingLevel::Unfit);
    Ok(if unfit { Exit::Unmeasurable } else { Exit::Done })
}

/// Findings for the most demanding of the suites.
fn findings(spec: &Spec) -> Vec<Finding> {
    let connections = spec.loads.iter().map(|load| load.connections).max().unwrap_or(1);
    let cpus = spec.suites.iter().map(|suite| suite.server_cpus + suite.generator_cpus).max();
    let needs: BTreeSet<&String> = spec.servers.iter().flat_map(|server| &server.needs).collect();
    let needs: Vec<String> = needs.into_iter().cloned().collect();
    host::findings(connections, cpus.unwrap_or(2), &needs)
}

/// Findings as text: one line each, and two more for what is not as it should be.
pub(super) fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for finding in findings {
        let (color, word) = match finding.level {
            FindingLevel::Good => (AnsiColor::Green, "ok     "),
            FindingLevel::Warning => (AnsiColor::Yellow, "warning"),
            FindingLevel::Unfit => (AnsiColor::Red, "unfit  "),
        };
        let style = Style::new().fg_color(Some(color.into()));
        out.push_str(&format!(
            "{style}{word}{style:#}  {:<width$}  {}\n",
            finding.name, finding.found
        ));
        if finding.level != FindingLevel::Good {
            let indent = " ".repeat(11 + width);
            out.push_str(&format!("{indent}effect: {}\n", finding.effect));
            out.push_str(&format!("{indent}cure:   {}\n", finding.cure));
        }
    }
    out
}
