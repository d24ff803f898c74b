//! How long builds took, with intervals.

use crate::estimates::geometric;
use crate::run_summary::{command, iso_8601};
use crate::summary::{BuildFigures, BuildsAnalysis, Estimate};
use duet_model::record::{BuildsRecord, ServerBuilds};

/// Estimates over the rounds of a record.
#[must_use]
pub fn analyse(record: &BuildsRecord) -> BuildsAnalysis {
    let dirty = if record.dirty { "-dirty" } else { "" };
    BuildsAnalysis {
        command: command(&record.command),
        started: iso_8601(record.started_unix_s),
        duet_version: record.duet_version.clone(),
        commit: record.commit.as_ref().map(|commit| format!("{commit}{dirty}")),
        machine: record.machine.clone(),
        rounds: record.rounds,
        interrupted: record.interrupted,
        servers: record.servers.iter().map(figures).collect(),
    }
}

fn figures(builds: &ServerBuilds) -> BuildFigures {
    BuildFigures {
        server: builds.server.clone(),
        language: builds.language.clone(),
        version: builds.version.clone(),
        toolchain_version: builds.toolchain_version.clone(),
        clean_ns: estimate(&builds.clean_ns),
        clean_std_compiled_ns: estimate(&builds.clean_std_compiled_ns),
        no_op_ns: estimate(&builds.no_op_ns),
        edit_build_ns: estimate(&builds.edit_build_ns),
        edit_response_ns: estimate(&builds.edit_response_ns),
        binary_bytes: builds.binary_bytes,
        stripped_bytes: builds.stripped_bytes,
        dependencies: builds.dependencies,
        dependency_lines: builds.dependency_lines,
        failure: builds.failure.clone(),
    }
}

/// Times are skewed, their logarithms much less; and a ratio of builds is what is of interest.
fn estimate(times_ns: &[u64]) -> Option<Estimate> {
    // A build of no time at all would have no logarithm, and is none.
    let logs: Vec<f64> = times_ns.iter().map(|ns| (*ns).max(1) as f64).map(f64::ln).collect();
    geometric(&logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_an_interval_from_six_on() {
        let check = |times: &[u64], want: Option<(f64, Option<(f64, f64)>)>| {
            let found = estimate(times).map(|e| {
                let interval = e.interval.map(|i| (i.low.round(), i.high.round()));
                (e.value.round(), interval)
            });
            assert_eq!(found, want, "{times:?}");
        };
        check(&[], None);
        check(&[100], Some((100.0, None)));
        check(&[100, 100, 100, 100, 100], Some((100.0, None)));
        check(&[90, 100, 100, 100, 100, 110], Some((100.0, Some((90.0, 110.0)))));
    }
}
