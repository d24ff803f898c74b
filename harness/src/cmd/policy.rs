//! A gate's policy, and the versions it is about: what `gate` and `aa` share.

use std::path::Path;

use anyhow::{Result, bail};

use super::exit::UsageError;
use super::{folders, stdio};
use duet_measure::versions::{self, Arm, Checkout, Origin, Workspace};
use duet_model::spec::{CellId, Gate as Policy, Spec, Suite};

/// Blocks beyond the last look that may be measured in the place of ones that do not count: one in
/// so many.
const SPARE_SHARE: u32 = 4;

/// The policy of this name, or the only one.
pub(super) fn choose<'a>(spec: &'a Spec, name: Option<&str>) -> Result<&'a Policy> {
    let names: Vec<&str> = spec.gates.iter().map(|gate| gate.name.as_str()).collect();
    match (name, &spec.gates[..]) {
        (Some(name), []) => bail!(UsageError(format!(
            "there is no gate `{name}`: suites.toml has no table [[gate]]"
        ))),
        (Some(name), _) => {
            Ok(spec.gate(name).ok_or_else(|| UsageError::unknown("gate", name, &names))?)
        }
        (None, [only]) => Ok(only),
        (None, []) => bail!(UsageError(
            "suites.toml has no table [[gate]] with the policy; `duet init` writes one".to_owned()
        )),
        (None, _) => bail!(UsageError(format!("which gate? There are {}", names.join(", ")))),
    }
}

/// The folder above the definitions as a version.
pub(super) fn folder(root: &Path) -> Arm {
    let shown = match folders::shown(root) {
        here if here.is_empty() => ".".to_owned(),
        path => path,
    };
    let origin = Origin::Folder(root.to_owned());
    Arm { given: format!("dir:{shown}"), origin, name: None, toolchain: None }
}

/// Tells the user on standard error what is waited for.
pub(super) fn say(text: &str) {
    stdio::note(text);
}

/// The version that a policy names as its anchor.
pub(super) fn anchor(policy: &Policy) -> Result<Arm> {
    let Some(anchor) = &policy.anchor else {
        bail!(UsageError(format!(
            "the gate `{}` has no anchor: write one into its table, such as the last release: \
             anchor = \"git:v1.2\"",
            policy.name
        )));
    };
    Ok(anchor.parse().map_err(|forms| UsageError(format!("anchor `{anchor}`: {forms}")))?)
}

/// A version on this disk, with what the user should know of it printed.
pub(super) fn check_out(arm: &Arm, here: Workspace<'_>) -> Result<Checkout> {
    if matches!(arm.origin, Origin::Run(_) | Origin::Baseline(_)) {
        bail!(UsageError(format!(
            "{} is a stored result, and a gate measures both versions side by side: name the \
             commit it was made of, as git:COMMIT",
            arm.given
        )));
    }
    let checkout = versions::check_out(arm, here)?;
    for note in &checkout.notes {
        stdio::note(&format!("note: {}: {note}", arm.given));
    }
    Ok(checkout)
}

/// A policy's cells as a suite, with blocks to spare.
pub(super) fn suite(policy: &Policy, mut cells: Vec<CellId>, only: Option<&str>) -> Result<Suite> {
    if let Some(only) = only {
        cells.retain(|cell| cell.to_string().contains(only));
        if cells.is_empty() {
            bail!(UsageError(format!("no cell of the gate `{}` contains `{only}`", policy.name)));
        }
    }
    let last = policy.looks.last().map_or(0, |look| look.blocks);
    Ok(Suite {
        name: policy.name.clone(),
        summary: policy.summary.clone(),
        server_cpus: policy.server_cpus,
        generator_cpus: policy.generator_cpus,
        half: false,
        blocks: last + last / SPARE_SHARE,
        lead_ms: policy.lead_ms,
        window_ms: policy.window_ms,
        measure_ms: policy.measure_ms,
        warmup_ms: policy.warmup_ms,
        program_block_ms: policy.program_block_ms,
        program_limit_s: policy.program_limit_s,
        program_limit_mib: policy.program_limit_mib,
        verdicts: true,
        cells,
    })
}
