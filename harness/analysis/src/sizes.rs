//! Responses that are compressed: each arm's are of its own size, and where sizes differ the arms
//! have not done the same work.

use crate::cell::Cell;
use crate::summary::Warning;
use duet_units::percent;

/// Up to here sizes are the same, for a ratio.
const SIZES_RATIO_MAX: f64 = 1.05;

/// Whether responses are compressed.
pub(super) fn are_compressed(cell: &Cell<'_>) -> bool {
    let workload = cell.workload;
    let of_server =
        |server: &str| workload.cases.iter().any(|case| workload.answer(case, server).gzip);
    cell.arms.iter().any(|arm| of_server(&arm.server))
}

/// Bytes of an ok response of the first two arms, as the load received them, where these are
/// compressed and differ by too much.
fn differing(cell: &Cell<'_>) -> Option<[f64; 2]> {
    if !are_compressed(cell) {
        return None;
    }
    let bytes = |arm: u32| {
        let windows = cell.counted.iter().flat_map(|block| &block.record.windows);
        let of_arm = windows.filter(|window| window.arm == arm);
        let (bytes, responses) = of_arm.fold((0, 0), |(bytes, responses), window| {
            (bytes + window.received_bytes, responses + window.requests)
        });
        (responses > 0).then(|| bytes as f64 / responses as f64)
    };
    let (a, b) = (bytes(0)?, bytes(1)?);
    (a.max(b) > SIZES_RATIO_MAX * a.min(b)).then_some([a, b])
}

/// Why there is no ratio where compressed responses differ in size.
pub(super) fn refusal(cell: &Cell<'_>) -> Option<String> {
    differing(cell).map(|sizes| {
        format!(
            "{}: whoever compresses less has done less, so there is no ratio",
            said(cell, sizes)
        )
    })
}

/// The same, of the cell as a whole.
pub(super) fn warning(cell: &Cell<'_>) -> Option<Warning> {
    let message = said(cell, differing(cell)?);
    let hint =
        "compare times and sizes of each arm, or levels of compression that give equal sizes";
    Some(Warning::new("compressed_sizes", message, hint))
}

fn said(cell: &Cell<'_>, [a, b]: [f64; 2]) -> String {
    let labels = cell.labels();
    format!(
        "compressed responses of {} have {a:.0} bytes, of {} {b:.0}, which differ by {}",
        labels[0],
        labels[1],
        percent(a.max(b) / a.min(b) - 1.0)
    )
}
